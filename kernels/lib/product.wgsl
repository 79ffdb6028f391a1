// product — rows times packed panels: sum_k left[b,k] packed[p][k][l], each sum followed by what the kernel says
//
// The kernel that includes this snippet defines
//   fn left(n: u32) -> f32                                element n of the rows [B, depth]
//   fn panel(n: u32) -> vec4f                         four columns: packed[p][k][4h .. 4h + 3], n = 2 (p depth + k) + h
//   fn finish(b: u32, column: u32, sums: vec4f)       ends the sums of row b, columns column .. column + 3
// Every sum runs over k ascending, in f32.

// One row by four columns: invocation n has row n / Q and quad n % Q of Q = ceil(columns / 4).
fn product_quad(n: u32, rows: u32, depth: u32, columns: u32) {
  let quads = (columns + 3u) / 4u;
  if (n >= rows * quads) { return; }
  let b = n / quads;
  let quad = n % quads;
  // left[b, 0] and packed[quad / 2][0][4 (quad % 2)]
  let start = b * depth;
  let first = quad / 2u * 2u * depth + quad % 2u;
  var sums = vec4f();
  for (var k = 0u; k < depth; k++) { sums += left(start + k) * panel(first + 2u * k); }
  finish(b, 4u * quad, sums);
}

// Four rows by four columns: invocation n has rows 4 (n / Q) .. and quad n % Q.
fn product_square(n: u32, rows: u32, depth: u32, columns: u32) {
  let quads = (columns + 3u) / 4u;
  if (n >= (rows + 3u) / 4u * quads) { return; }
  let b = n / quads * 4u;
  let quad = n % quads;
  // left[b + r, 0]; rows beyond the end repeat the last one and are not written.
  let start = vec4<u32>(b, min(b + 1u, rows - 1u), min(b + 2u, rows - 1u), min(b + 3u, rows - 1u)) * depth;
  let first = quad / 2u * 2u * depth + quad % 2u;
  var s0 = vec4f();
  var s1 = vec4f();
  var s2 = vec4f();
  var s3 = vec4f();
  for (var k = 0u; k < depth; k++) {
    let weights = panel(first + 2u * k);
    s0 += left(start.x + k) * weights;
    s1 += left(start.y + k) * weights;
    s2 += left(start.z + k) * weights;
    s3 += left(start.w + k) * weights;
  }
  finish(b, 4u * quad, s0);
  if (b + 1u < rows) { finish(b + 1u, 4u * quad, s1); }
  if (b + 2u < rows) { finish(b + 2u, 4u * quad, s2); }
  if (b + 3u < rows) { finish(b + 3u, 4u * quad, s3); }
}

// Slabs of 16 k of a tile in workgroup memory, four rows or columns a vector; the stride of 17 keeps the vectors of
// neighbouring k in different banks.
var<workgroup> left_slab: array<vec4f, 272>;
var<workgroup> panel_slab: array<vec4f, 272>;

// 64 rows by 64 columns in a workgroup of 256 invocations; invocation (lane / 16, lane % 16) owns 4 by 4 of them.
fn product_tiled(tile_row: u32, tile_column: u32, lane: u32, rows: u32, depth: u32, columns: u32) {
  let panels = (columns + 7u) / 8u;
  let row = lane / 16u;
  let quad = lane % 16u;
  // What this invocation brings: rows 4 (lane / 16) .. of k lane % 16, and half lane % 2 of k lane / 2 % 16 of panel lane / 32.
  let from_row = tile_row * 64u + lane / 16u * 4u;
  let from_panel = tile_column * 8u + lane / 32u;
  let panel_k = lane / 2u % 16u;
  var s0 = vec4f();
  var s1 = vec4f();
  var s2 = vec4f();
  var s3 = vec4f();
  for (var slab = 0u; slab < depth; slab += 16u) {
    let k = slab + lane % 16u;
    var values = vec4f();
    if (k < depth) {
      if (from_row < rows) { values.x = left(from_row * depth + k); }
      if (from_row + 1u < rows) { values.y = left((from_row + 1u) * depth + k); }
      if (from_row + 2u < rows) { values.z = left((from_row + 2u) * depth + k); }
      if (from_row + 3u < rows) { values.w = left((from_row + 3u) * depth + k); }
    }
    var weights = vec4f();
    if (from_panel < panels && slab + panel_k < depth) {
      weights = panel(2u * (from_panel * depth + slab + panel_k) + lane % 2u);
    }
    workgroupBarrier();
    left_slab[lane % 16u * 17u + lane / 16u] = values;
    panel_slab[panel_k * 17u + lane / 32u * 2u + lane % 2u] = weights;
    workgroupBarrier();
    for (var at = 0u; at < 272u; at += 17u) {
      let a = left_slab[at + row];
      let w = panel_slab[at + quad];
      s0 += a.x * w;
      s1 += a.y * w;
      s2 += a.z * w;
      s3 += a.w * w;
    }
  }
  let b = tile_row * 64u + 4u * row;
  let column = tile_column * 64u + 4u * quad;
  if (column >= columns) { return; }
  if (b < rows) { finish(b, column, s0); }
  if (b + 1u < rows) { finish(b + 1u, column, s1); }
  if (b + 2u < rows) { finish(b + 2u, column, s2); }
  if (b + 3u < rows) { finish(b + 3u, column, s3); }
}

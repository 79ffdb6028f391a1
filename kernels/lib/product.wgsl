// product — rows times packed panels: sum_k left[b,k] packed[p][k][l], each sum followed by what the kernel says
//
// The kernel that includes this snippet defines
//   fn left(n: u32) -> f32                            element n of the buffer of rows
//   fn left_start(b: u32) -> u32                      where row b starts in it
//   fn panel(n: u32) -> vec4f                         four columns: vector n of the packed panels
//   fn panel_start(p: u32) -> u32                     where panel p starts in them: packed[p][k][4h .. 4h + 3] is 2 k + h further
//   fn finish(b: u32, column: u32, sums: vec4f)       ends the sums of row b, columns column .. column + 3
// Every sum runs over k ascending, in f32.

// One row by four columns: invocation n has row n / Q and quad n % Q of Q = ceil(columns / 4).
fn product_quad(n: u32, rows: u32, depth: u32, columns: u32) {
  let quads = (columns + 3u) / 4u;
  if (n >= rows * quads) { return; }
  let b = n / quads;
  let quad = n % quads;
  // left[b, 0] and packed[quad / 2][0][4 (quad % 2)]
  let start = left_start(b);
  let first = panel_start(quad / 2u) + quad % 2u;
  var sums = vec4f();
  for (var k = 0u; k < depth; k++) { sums += left(start + k) * panel(first + 2u * k); }
  finish(b, 4u * quad, sums);
}

fn finish_panel(b: u32, p: u32, rows: u32, low: vec4f, high: vec4f) {
  if (b >= rows) { return; }
  finish(b, 8u * p, low);
  finish(b, 8u * p + 4u, high);
}

// Eight rows by one panel of eight columns: invocation n has rows 8 (n / P) .. and panel n % P of P = ceil(columns / 8).
// Sixteen loads serve 64 multiply-adds, which is what counts where loads are dear.
fn product_block(n: u32, rows: u32, depth: u32, columns: u32) {
  let panels = (columns + 7u) / 8u;
  if (n >= (rows + 7u) / 8u * panels) { return; }
  let b = n / panels * 8u;
  let p = n % panels;
  // left[b + r, 0]; rows beyond the end repeat the last one and are not written.
  let last = rows - 1u;
  let start = vec4<u32>(left_start(b), left_start(min(b + 1u, last)), left_start(min(b + 2u, last)), left_start(min(b + 3u, last)));
  let more = vec4<u32>(left_start(min(b + 4u, last)), left_start(min(b + 5u, last)), left_start(min(b + 6u, last)), left_start(min(b + 7u, last)));
  let first = panel_start(p);
  var s0 = vec4f(); var s1 = vec4f(); var s2 = vec4f(); var s3 = vec4f();
  var s4 = vec4f(); var s5 = vec4f(); var s6 = vec4f(); var s7 = vec4f();
  var t0 = vec4f(); var t1 = vec4f(); var t2 = vec4f(); var t3 = vec4f();
  var t4 = vec4f(); var t5 = vec4f(); var t6 = vec4f(); var t7 = vec4f();
  for (var k = 0u; k < depth; k++) {
    let w = panel(first + 2u * k);
    let v = panel(first + 2u * k + 1u);
    let a = vec4f(left(start.x + k), left(start.y + k), left(start.z + k), left(start.w + k));
    let c = vec4f(left(more.x + k), left(more.y + k), left(more.z + k), left(more.w + k));
    s0 += a.x * w; s1 += a.y * w; s2 += a.z * w; s3 += a.w * w;
    s4 += c.x * w; s5 += c.y * w; s6 += c.z * w; s7 += c.w * w;
    t0 += a.x * v; t1 += a.y * v; t2 += a.z * v; t3 += a.w * v;
    t4 += c.x * v; t5 += c.y * v; t6 += c.z * v; t7 += c.w * v;
  }
  finish_panel(b, p, rows, s0, t0);
  finish_panel(b + 1u, p, rows, s1, t1);
  finish_panel(b + 2u, p, rows, s2, t2);
  finish_panel(b + 3u, p, rows, s3, t3);
  finish_panel(b + 4u, p, rows, s4, t4);
  finish_panel(b + 5u, p, rows, s5, t5);
  finish_panel(b + 6u, p, rows, s6, t6);
  finish_panel(b + 7u, p, rows, s7, t7);
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
      if (from_row < rows) { values.x = left(left_start(from_row) + k); }
      if (from_row + 1u < rows) { values.y = left(left_start(from_row + 1u) + k); }
      if (from_row + 2u < rows) { values.z = left(left_start(from_row + 2u) + k); }
      if (from_row + 3u < rows) { values.w = left(left_start(from_row + 3u) + k); }
    }
    var weights = vec4f();
    if (from_panel < panels && slab + panel_k < depth) {
      weights = panel(panel_start(from_panel) + 2u * (slab + panel_k) + lane % 2u);
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

// linear_backward_weight — dW[s, o, column + i] = sum_b dy[b,o] x[b,i]; db[s, o] = sum_b dy[b,o]; b in part s of S parts
// shapes  dy [B, O] f32; x [B, I] f32; dWeight [S, O, rowStride] f32, of which columns column .. column + I are written;
//         dBias [S, O] f32, optional; scratch: working memory of the WASM twin, not touched here.
//         Part s has rows s R .. s R + R, R = 128 ceil(ceil(B / S) / 128)
// owns    invocation: 4 by 4 elements of dW, then one of db; workgroup: 64 of them (main_tiled: 64 by 64 elements of dW;
//         those of the first columns 64 of db too)
// grid    [ceil((ceil(O / 4) ceil(I / 4) + O) / 64), 1, S]  workgroup [64, 1, 1];
//         main_tiled [ceil(I / 64), ceil(O / 64), S], [256, 1, 1]
// order   over b ascending in blocks of 128, f32; the sums of blocks ascending
// alias   dWeight and dBias may be separate parts of one buffer
// limits  8,192 bytes, 256 invocations, 5 storage buffers
// test    test/kernels/linear.test.ts  rtol 2e-6  at 1, 3, 7, 31, 33, 65, 257

struct Params {
  rows: u32, inFeatures: u32, outFeatures: u32, rowStride: u32,
  column: u32, hasBias: u32, parts: u32, pad0: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> dy: array<f32>;
@group(0) @binding(2) var<storage, read> x: array<f32>;
@group(0) @binding(3) var<storage, read_write> dWeight: array<f32>;
@group(0) @binding(4) var<storage, read_write> dBias: array<f32>;
@group(0) @binding(5) var<storage, read_write> scratch: array<f32>;

const rows_of_block = 128u;

// Rows [x, y) of a part.
fn rows_of(part: u32) -> vec2<u32> {
  let share = (params.rows + params.parts - 1u) / params.parts;
  let count = (share + rows_of_block - 1u) / rows_of_block * rows_of_block;
  return min(vec2<u32>(part * count, part * count + count), vec2<u32>(params.rows));
}

// dWeight[part, o, column + i + c] of the four sums.
fn put(part: u32, o: u32, i: u32, sums: vec4f) {
  if (o >= params.outFeatures) { return; }
  let first = (part * params.outFeatures + o) * params.rowStride + params.column;
  for (var c = 0u; c < 4u && i + c < params.inFeatures; c++) { dWeight[first + i + c] = sums[c]; }
}

// x[b, i .. i + 3]; columns beyond the end repeat the last one and are not written.
fn row_of_x(b: u32, i: u32) -> vec4f {
  let first = b * params.inFeatures;
  let last = params.inFeatures - 1u;
  return vec4f(x[first + i], x[first + min(i + 1u, last)], x[first + min(i + 2u, last)], x[first + min(i + 3u, last)]);
}

// dy[b, o .. o + 3], likewise.
fn row_of_dy(b: u32, o: u32) -> vec4f {
  let first = b * params.outFeatures;
  let last = params.outFeatures - 1u;
  return vec4f(dy[first + o], dy[first + min(o + 1u, last)], dy[first + min(o + 2u, last)], dy[first + min(o + 3u, last)]);
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  // n = (o / 4) ceil(I / 4) + i / 4 for the weight, then o for the bias
  let n = invocation_number(group, groups, lane, 64u);
  let span = rows_of(group.z);
  let quads = (params.inFeatures + 3u) / 4u;
  let count = (params.outFeatures + 3u) / 4u * quads;
  if (n < count) {
    let o = n / quads * 4u;
    let i = n % quads * 4u;
    var total0 = vec4f();
    var total1 = vec4f();
    var total2 = vec4f();
    var total3 = vec4f();
    for (var first = span.x; first < span.y; first += rows_of_block) {
      let end = min(first + rows_of_block, span.y);
      var s0 = vec4f();
      var s1 = vec4f();
      var s2 = vec4f();
      var s3 = vec4f();
      for (var b = first; b < end; b++) {
        let values = row_of_x(b, i);
        let slopes = row_of_dy(b, o);
        s0 += slopes.x * values;
        s1 += slopes.y * values;
        s2 += slopes.z * values;
        s3 += slopes.w * values;
      }
      total0 += s0;
      total1 += s1;
      total2 += s2;
      total3 += s3;
    }
    put(group.z, o, i, total0);
    put(group.z, o + 1u, i, total1);
    put(group.z, o + 2u, i, total2);
    put(group.z, o + 3u, i, total3);
  } else if (n < count + params.outFeatures && params.hasBias != 0u) {
    let o = n - count;
    var total = 0.0;
    for (var first = span.x; first < span.y; first += rows_of_block) {
      let end = min(first + rows_of_block, span.y);
      var sum = 0.0;
      for (var b = first; b < end; b++) { sum += dy[b * params.outFeatures + o]; }
      total += sum;
    }
    dBias[group.z * params.outFeatures + o] = total;
  }
}

// 16 rows of 64 columns of dy and of x, four columns a vector.
var<workgroup> dy_slab: array<vec4f, 256>;
var<workgroup> x_slab: array<vec4f, 256>;

@compute @workgroup_size(256)
fn main_tiled(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  // Invocation (lane / 16, lane % 16) owns dW[o .. o + 3, i .. i + 3], and brings quad lane % 16 of row lane / 16.
  let span = rows_of(group.z);
  let o = group.y * 64u + lane / 16u * 4u;
  let i = group.x * 64u + lane % 16u * 4u;
  let brought_o = group.y * 64u + lane % 16u * 4u;
  let has_bias = params.hasBias != 0u && group.x == 0u && lane < 16u;
  var total0 = vec4f();
  var total1 = vec4f();
  var total2 = vec4f();
  var total3 = vec4f();
  var total_bias = vec4f();
  for (var first = span.x; first < span.y; first += rows_of_block) {
    let end = min(first + rows_of_block, span.y);
    var s0 = vec4f();
    var s1 = vec4f();
    var s2 = vec4f();
    var s3 = vec4f();
    var bias = vec4f();
    for (var slab = first; slab < end; slab += 16u) {
      let b = slab + lane / 16u;
      var slopes = vec4f();
      var values = vec4f();
      if (b < end && brought_o < params.outFeatures) { slopes = row_of_dy(b, brought_o); }
      if (b < end && i < params.inFeatures) { values = row_of_x(b, i); }
      workgroupBarrier();
      dy_slab[lane] = slopes;
      x_slab[lane] = values;
      workgroupBarrier();
      for (var at = 0u; at < 256u; at += 16u) {
        let a = dy_slab[at + lane / 16u];
        let w = x_slab[at + lane % 16u];
        s0 += a.x * w;
        s1 += a.y * w;
        s2 += a.z * w;
        s3 += a.w * w;
      }
      if (has_bias) {
        for (var at = 0u; at < 256u; at += 16u) { bias += dy_slab[at + lane]; }
      }
    }
    total0 += s0;
    total1 += s1;
    total2 += s2;
    total3 += s3;
    total_bias += bias;
  }
  put(group.z, o, i, total0);
  put(group.z, o + 1u, i, total1);
  put(group.z, o + 2u, i, total2);
  put(group.z, o + 3u, i, total3);
  if (has_bias) {
    for (var c = 0u; c < 4u && brought_o + c < params.outFeatures; c++) {
      dBias[group.z * params.outFeatures + brought_o + c] = total_bias[c];
    }
  }
}

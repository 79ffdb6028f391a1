// linear — y[b,o] = sum_i x[b,i] W[o,i] + bias[o] + addend[b,o]; activated[b,o] = f(y[b,o])
// shapes  x [B, I] f32; packed [ceil(O / 8), I, 8] f32 (linear_pack); bias [O] f32, addend [B, O] f32, both optional;
//         y [B, O] f32, activated [B, O] f32, either optional
// owns    invocation: one output; workgroup: 256 outputs
// grid    ceil(B O / 256)  workgroup [256, 1, 1]
// order   over i ascending, f32; then the bias, then the addend
// alias   none
// limits  0 bytes, 256 invocations, 6 storage buffers
// test    test/kernels/linear.test.ts  rtol 2e-6  at 1, 3, 7, 31, 33, 65, 257

struct Params {
  rows: u32, inFeatures: u32, outFeatures: u32, activation: u32,
  hasBias: u32, hasAddend: u32, writesY: u32, writesActivated: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> packed: array<f32>;
@group(0) @binding(3) var<storage, read> bias: array<f32>;
@group(0) @binding(4) var<storage, read> addend: array<f32>;
@group(0) @binding(5) var<storage, read_write> y: array<f32>;
@group(0) @binding(6) var<storage, read_write> activated: array<f32>;

// Adds bias[o] and addend[n], n = b O + o, and writes y[n] and activated[n].
fn finish(n: u32, o: u32, sum: f32) {
  var value = sum;
  if (params.hasBias != 0u) { value += bias[o]; }
  if (params.hasAddend != 0u) { value += addend[n]; }
  if (params.writesY != 0u) { y[n] = value; }
  if (params.writesActivated != 0u) { activated[n] = activate(params.activation, value); }
}

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  // y.ravel()[n], n = b O + o
  let n = invocation_number(group, groups, lane, 256u);
  if (n >= params.rows * params.outFeatures) { return; }
  let o = n % params.outFeatures;
  // x[b, 0]
  let start = n / params.outFeatures * params.inFeatures;
  // packed[o / 8][0][o % 8]
  let panel = o / 8u * params.inFeatures * 8u + o % 8u;
  var sum = 0.0;
  for (var i = 0u; i < params.inFeatures; i++) {
    sum += x[start + i] * packed[panel + i * 8u];
  }
  finish(n, o, sum);
}

// linear_backward_input — dx[b,i] = (sum_o dy[b,o] W[o,i]) f'(pre[b,i]) + addend[b,i]
// shapes  dy [B, O] f32; packed [ceil(I / 8), O, 8] f32 (linear_pack, transposed); pre [B, I] f32, addend [B, I] f32,
//         both optional; dx [B, I] f32
// owns    invocation: one element of dx; workgroup: 256 elements
// grid    ceil(B I / 256)  workgroup [256, 1, 1]
// order   over o ascending, f32
// alias   none
// limits  0 bytes, 256 invocations, 5 storage buffers
// test    test/kernels/linear.test.ts  rtol 2e-6  at 1, 3, 7, 31, 33, 65, 257

struct Params { rows: u32, inFeatures: u32, outFeatures: u32, activation: u32, hasPre: u32, hasAddend: u32, pad0: u32, pad1: u32 }

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> dy: array<f32>;
@group(0) @binding(2) var<storage, read> packed: array<f32>;
@group(0) @binding(3) var<storage, read> pre: array<f32>;
@group(0) @binding(4) var<storage, read> addend: array<f32>;
@group(0) @binding(5) var<storage, read_write> dx: array<f32>;

// dx[n] = sum f'(pre[n]) + addend[n]
fn finish(n: u32, sum: f32) {
  var value = sum;
  if (params.hasPre != 0u) { value *= activation_slope(params.activation, pre[n]); }
  if (params.hasAddend != 0u) { value += addend[n]; }
  dx[n] = value;
}

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  // dx.ravel()[n], n = b I + i
  let n = invocation_number(group, groups, lane, 256u);
  if (n >= params.rows * params.inFeatures) { return; }
  let i = n % params.inFeatures;
  // dy[b, 0]
  let start = n / params.inFeatures * params.outFeatures;
  // packed[i / 8][0][i % 8]
  let panel = i / 8u * params.outFeatures * 8u + i % 8u;
  var sum = 0.0;
  for (var o = 0u; o < params.outFeatures; o++) {
    sum += dy[start + o] * packed[panel + o * 8u];
  }
  finish(n, sum);
}

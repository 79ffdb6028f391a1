// diagonal_gaussian_kl — kl[b] = sum_c ln(q / p) + (p^2 + (mean - reference)^2) / (2 q^2) - 1/2, p = exp(logStd[b, c]), q = exp(referenceLogStd[b, c])
// shapes  mean [B, X] f32; logStd [B, X] f32; reference [B, X] f32; referenceLogStd [B, X] f32; kl [B] f32
// owns    invocation: one row; workgroup: 64 rows
// grid    ceil(B / 64)  workgroup [64, 1, 1]
// order   f32: columns in order
// alias   none
// limits  0 bytes, 64 invocations, 5 storage buffers
// test    test/kernels/gaussian-kl.test.ts  rtol 2e-6 atol 5e-7  at 1 to 257 rows of 1 to 65

struct Params { rows: u32, width: u32, pad0: u32, pad1: u32 }

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> mean: array<f32>;
@group(0) @binding(2) var<storage, read> logStd: array<f32>;
@group(0) @binding(3) var<storage, read> reference: array<f32>;
@group(0) @binding(4) var<storage, read> referenceLogStd: array<f32>;
@group(0) @binding(5) var<storage, read_write> kl: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let b = invocation_number(group, groups, lane, 64u);
  if (b >= params.rows) { return; }
  var sum = 0.0;
  for (var n = b * params.width; n < (b + 1u) * params.width; n = n + 1u) {
    let apart = logStd[n] - referenceLogStd[n];
    let z = (mean[n] - reference[n]) * exp(-referenceLogStd[n]);
    sum = sum + (0.5 * (exp(2.0 * apart) - 1.0) - apart + 0.5 * z * z);
  }
  kl[b] = sum;
}

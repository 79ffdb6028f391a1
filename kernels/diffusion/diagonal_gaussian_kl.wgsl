// diagonal_gaussian_kl — kl[b] = sum_c ( s_q - s_p + (exp(2 s_p) + (m_p - m_q)^2) / (2 exp(2 s_q)) - 1/2 )[b, c], s = log std;
//           dMean[b, c] = weight (m_p - m_q) / exp(2 s_q); dLogStd[b, c] = weight (exp(2 (s_p - s_q)) - 1)
// shapes  mean, logStd (p), meanQ, logStdQ (q), dMean, dLogStd [B, C] f32; kl [B] f32
// owns    invocation: one row; workgroup: 64 rows
// grid    ceil(B / 64)  workgroup [64, 1, 1]
// order   f32 over c in order
// alias   none
// limits  0 bytes, 64 invocations, 7 storage buffers
// test    test/kernels/gaussian-kl.test.ts  rtol 4e-6  at 1 to 257 rows of 1 to 33

struct Params { rows: u32, width: u32, weight: f32, pad0: u32 }

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> mean: array<f32>;
@group(0) @binding(2) var<storage, read> logStd: array<f32>;
@group(0) @binding(3) var<storage, read> meanQ: array<f32>;
@group(0) @binding(4) var<storage, read> logStdQ: array<f32>;
@group(0) @binding(5) var<storage, read_write> kl: array<f32>;
@group(0) @binding(6) var<storage, read_write> dMean: array<f32>;
@group(0) @binding(7) var<storage, read_write> dLogStd: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let b = invocation_number(group, groups, lane, 64u);
  if (b >= params.rows) { return; }
  var sum = 0.0;
  for (var n = b * params.width; n < (b + 1u) * params.width; n = n + 1u) {
    let inverse_variance = exp(-2.0 * logStdQ[n]);
    let ratio = exp(2.0 * (logStd[n] - logStdQ[n]));
    let difference = mean[n] - meanQ[n];
    sum = sum + logStdQ[n] - logStd[n] + 0.5 * (ratio + difference * difference * inverse_variance) - 0.5;
    dMean[n] = params.weight * difference * inverse_variance;
    dLogStd[n] = params.weight * (ratio - 1.0);
  }
  kl[b] = sum;
}

// diagonal_gaussian_kl_backward_add — dmean += scale (mean - reference) / q^2, dlogstd += scale (p^2 / q^2 - 1), p = exp(logStd), q = exp(referenceLogStd)
// shapes  mean [B, X] f32; logStd [B, X] f32; reference [B, X] f32; referenceLogStd [B, X] f32; dmean [B, X] f32; dlogstd [B, X] f32
// owns    invocation: one element; workgroup: 256 elements
// grid    ceil(B X / 256)  workgroup [256, 1, 1]
// order   no sums
// alias   none
// limits  0 bytes, 256 invocations, 6 storage buffers
// test    test/kernels/gaussian-kl.test.ts  rtol 2e-6  at 1 to 257 rows of 1 to 65

// Gradients of scale sum_b kl[b]; dlogstd is with respect to logStd.

struct Params { rows: u32, width: u32, scale: f32, pad0: u32 }

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> mean: array<f32>;
@group(0) @binding(2) var<storage, read> logStd: array<f32>;
@group(0) @binding(3) var<storage, read> reference: array<f32>;
@group(0) @binding(4) var<storage, read> referenceLogStd: array<f32>;
@group(0) @binding(5) var<storage, read_write> dmean: array<f32>;
@group(0) @binding(6) var<storage, read_write> dlogstd: array<f32>;

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let n = invocation_number(group, groups, lane, 256u);
  if (n >= params.rows * params.width) { return; }
  let q = referenceLogStd[n];
  dmean[n] = dmean[n] + params.scale * (mean[n] - reference[n]) * exp(-2.0 * q);
  dlogstd[n] = dlogstd[n] + params.scale * (exp(2.0 * (logStd[n] - q)) - 1.0);
}

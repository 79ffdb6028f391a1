// gaussian_density_backward — with z = (x - mean) / std: dMean[b, w] = scale dLogProb[b] z / std;
//           dLogStd[b, w] = scale (dLogProb[b] (z^2 - 1) + dEntropy)
// shapes  x, mean, logStd [B, W] f32; dLogProb [B] f32; dMean, dLogStd [B, W] f32
// owns    invocation: one element; workgroup: 256 elements
// grid    ceil(B W / 256)  workgroup [256, 1, 1]
// order   no sums
// alias   none
// limits  0 bytes, 256 invocations, 6 storage buffers
// test    test/kernels/stochastic-heads.test.ts  rtol 4e-6  at 1 to 257 rows of 1 to 33

struct Params { rows: u32, width: u32, scale: f32, dEntropy: f32 }

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> mean: array<f32>;
@group(0) @binding(3) var<storage, read> logStd: array<f32>;
@group(0) @binding(4) var<storage, read> dLogProb: array<f32>;
@group(0) @binding(5) var<storage, read_write> dMean: array<f32>;
@group(0) @binding(6) var<storage, read_write> dLogStd: array<f32>;

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let n = invocation_number(group, groups, lane, 256u);
  if (n >= params.rows * params.width) { return; }
  let inverse = exp(-logStd[n]);
  let z = (x[n] - mean[n]) * inverse;
  let d = dLogProb[n / params.width];
  dMean[n] = params.scale * d * z * inverse;
  dLogStd[n] = params.scale * (d * (z * z - 1.0) + params.dEntropy);
}

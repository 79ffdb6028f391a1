// gaussian_sample — out[b, w] = mean[b, w] + exp(logStd[b, w]) clamp(z[b, w], -clip, clip)
// shapes  mean, logStd, z, out [B, W] f32
// owns    invocation: one element; workgroup: 256 elements
// grid    ceil(B W / 256)  workgroup [256, 1, 1]
// order   no sums
// alias   none
// limits  0 bytes, 256 invocations, 4 storage buffers
// test    test/kernels/stochastic-heads.test.ts  rtol 2e-6  at 1 to 257 rows of 1 to 33

struct Params { rows: u32, width: u32, clip: f32, pad0: u32 }

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> mean: array<f32>;
@group(0) @binding(2) var<storage, read> logStd: array<f32>;
@group(0) @binding(3) var<storage, read> z: array<f32>;
@group(0) @binding(4) var<storage, read_write> out: array<f32>;

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let n = invocation_number(group, groups, lane, 256u);
  if (n >= params.rows * params.width) { return; }
  out[n] = mean[n] + exp(logStd[n]) * clamp(z[n], -params.clip, params.clip);
}

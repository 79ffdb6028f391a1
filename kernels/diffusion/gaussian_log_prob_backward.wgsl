// gaussian_log_prob_backward — dmean = dlogp z / s, dlogstd = dlogp (z^2 - 1), z = (value - mean) / s, s = max(std, floor)
// shapes  dlogp [B, X] f32; value [B, X] f32; mean [B, X] f32; logStd [B, X] f32, optional; step [B] u32, optional;
//         schedule [steps, 8] f32, optional; dmean [B, X] f32; dlogstd [B, X] f32, optional
// owns    invocation: one element; workgroup: 256 elements
// grid    ceil(B X / 256)  workgroup [256, 1, 1]
// order   no sums
// alias   none
// limits  0 bytes, 256 invocations, 8 storage buffers
// test    test/kernels/gaussian-log-prob.test.ts  rtol 4e-6  at 1 to 257 rows of 1 to 33

// std: source 0 the number sigma, 1 exp(logStd[b, c]), 2 schedule[step[b], 5]. dlogstd is the gradient with respect to ln s,
// 0 where the floor holds s.

struct Params { rows: u32, width: u32, steps: u32, source: u32, sigma: f32, floorStd: f32, hasDlogstd: u32, pad0: u32 }

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> dlogp: array<f32>;
@group(0) @binding(2) var<storage, read> value: array<f32>;
@group(0) @binding(3) var<storage, read> mean: array<f32>;
@group(0) @binding(4) var<storage, read> logStd: array<f32>;
@group(0) @binding(5) var<storage, read> step: array<u32>;
@group(0) @binding(6) var<storage, read> schedule: array<f32>;
@group(0) @binding(7) var<storage, read_write> dmean: array<f32>;
@group(0) @binding(8) var<storage, read_write> dlogstd: array<f32>;

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let n = invocation_number(group, groups, lane, 256u);
  if (n >= params.rows * params.width) { return; }
  var std_ = params.sigma;
  if (params.source == 1u) { std_ = exp(logStd[n]); }
  if (params.source == 2u) { std_ = schedule[8u * min(step[n / params.width], params.steps - 1u) + 5u]; }
  let s = max(std_, params.floorStd);
  let z = (value[n] - mean[n]) / s;
  dmean[n] = dlogp[n] * z / s;
  if (params.hasDlogstd != 0u) { dlogstd[n] = select(0.0, dlogp[n] * (z * z - 1.0), std_ >= params.floorStd); }
}

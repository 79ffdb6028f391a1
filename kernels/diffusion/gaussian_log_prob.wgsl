// gaussian_log_prob — logp[b, c] = -(value - mean)^2 / (2 s^2) - ln s - ln(2 pi) / 2, elementwise, s = max(std, floor)
// shapes  value [B, X] f32; mean [B, X] f32; logStd [B, X] f32, optional; step [B] u32, optional; schedule [steps, 8] f32, optional; logp [B, X] f32
// owns    invocation: one element; workgroup: 256 elements
// grid    ceil(B X / 256)  workgroup [256, 1, 1]
// order   no sums
// alias   none
// limits  0 bytes, 256 invocations, 6 storage buffers
// test    test/kernels/gaussian-log-prob.test.ts  rtol 2e-6 atol 2e-6  at 1 to 257 rows of 1 to 33

// std: source 0 the number sigma, 1 exp(logStd[b, c]), 2 schedule[step[b], 5].

struct Params { rows: u32, width: u32, steps: u32, source: u32, sigma: f32, floorStd: f32, pad0: u32, pad1: u32 }

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> value: array<f32>;
@group(0) @binding(2) var<storage, read> mean: array<f32>;
@group(0) @binding(3) var<storage, read> logStd: array<f32>;
@group(0) @binding(4) var<storage, read> step: array<u32>;
@group(0) @binding(5) var<storage, read> schedule: array<f32>;
@group(0) @binding(6) var<storage, read_write> logp: array<f32>;

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let n = invocation_number(group, groups, lane, 256u);
  if (n >= params.rows * params.width) { return; }
  var s = params.sigma;
  if (params.source == 1u) { s = exp(logStd[n]); }
  if (params.source == 2u) { s = schedule[8u * min(step[n / params.width], params.steps - 1u) + 5u]; }
  s = max(s, params.floorStd);
  let z = (value[n] - mean[n]) / s;
  logp[n] = -0.5 * z * z - precise_log(s) - 0.91893853;
}

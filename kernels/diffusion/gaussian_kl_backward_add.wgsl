// gaussian_kl_backward_add — dmean[b, c] += scale (mean[b, c] - reference[b, c]) / s_b^2, s_b = max(std_b, floor)
// shapes  mean [B, X] f32; reference [B, X] f32; step [B] u32, optional; schedule [steps, 8] f32, optional; dmean [B, X] f32
// owns    invocation: one element; workgroup: 256 elements
// grid    ceil(B X / 256)  workgroup [256, 1, 1]
// order   no sums
// alias   none
// limits  0 bytes, 256 invocations, 5 storage buffers
// test    test/kernels/gaussian-kl.test.ts  rtol 2e-6  at 1 to 257 rows of 1 to 65

// std_b: schedule[step[b], 5] where hasSchedule is set, else the number sigma.

struct Params { rows: u32, width: u32, steps: u32, hasSchedule: u32, sigma: f32, floorStd: f32, scale: f32, pad0: u32 }

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> mean: array<f32>;
@group(0) @binding(2) var<storage, read> reference: array<f32>;
@group(0) @binding(3) var<storage, read> step: array<u32>;
@group(0) @binding(4) var<storage, read> schedule: array<f32>;
@group(0) @binding(5) var<storage, read_write> dmean: array<f32>;

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let n = invocation_number(group, groups, lane, 256u);
  if (n >= params.rows * params.width) { return; }
  var s = params.sigma;
  if (params.hasSchedule != 0u) { s = schedule[8u * min(step[n / params.width], params.steps - 1u) + 5u]; }
  s = max(s, params.floorStd);
  dmean[n] = dmean[n] + params.scale * (mean[n] - reference[n]) / (s * s);
}

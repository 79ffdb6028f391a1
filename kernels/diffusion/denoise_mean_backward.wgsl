// denoise_mean_backward — dnetwork = dmean d mean / d network, dx = dmean d mean / d x, elementwise, slopes by lib/denoise
// shapes  dmean [B, X] f32; x [B, X] f32; network [B, X] f32; step [B] u32; schedule [steps, 8] f32 = (a, b, c, d, e, std, 0, 0);
//         dnetwork [B, X] f32; dx [B, X] f32, optional
// owns    invocation: one element; workgroup: 256 elements
// grid    ceil(B X / 256)  workgroup [256, 1, 1]
// order   no sums
// alias   none
// limits  0 bytes, 256 invocations, 7 storage buffers
// test    test/kernels/denoise.test.ts  rtol 2e-6  at 1 to 257 rows of 1 to 33

struct Params { rows: u32, width: u32, steps: u32, predictEpsilon: u32, x0Clip: f32, epsClip: f32, hasDx: u32, pad0: u32 }

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> dmean: array<f32>;
@group(0) @binding(2) var<storage, read> x: array<f32>;
@group(0) @binding(3) var<storage, read> network: array<f32>;
@group(0) @binding(4) var<storage, read> step: array<u32>;
@group(0) @binding(5) var<storage, read> schedule: array<f32>;
@group(0) @binding(6) var<storage, read_write> dnetwork: array<f32>;
@group(0) @binding(7) var<storage, read_write> dx: array<f32>;

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let n = invocation_number(group, groups, lane, 256u);
  if (n >= params.rows * params.width) { return; }
  let s = 8u * min(step[n / params.width], params.steps - 1u);
  let row = StepRow(schedule[s], schedule[s + 1u], schedule[s + 2u], schedule[s + 3u], schedule[s + 4u]);
  let slopes = step_mean(row, x[n], network[n], params.predictEpsilon, params.x0Clip, params.epsClip);
  dnetwork[n] = dmean[n] * slopes.slope_net;
  if (params.hasDx != 0u) { dx[n] = dmean[n] * slopes.slope_x; }
}

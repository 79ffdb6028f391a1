// denoise_mean — mean[b, c] of the reverse step step[b] from x[b, c] and network[b, c], by lib/denoise
// shapes  x [B, X] f32; network [B, X] f32; step [B] u32; schedule [steps, 8] f32 = (a, b, c, d, e, std, 0, 0); mean [B, X] f32
// owns    invocation: one element; workgroup: 256 elements
// grid    ceil(B X / 256)  workgroup [256, 1, 1]
// order   no sums
// alias   none
// limits  0 bytes, 256 invocations, 5 storage buffers
// test    test/kernels/denoise.test.ts  rtol 2e-6  at 1 to 257 rows of 1 to 33

struct Params { rows: u32, width: u32, steps: u32, predictEpsilon: u32, x0Clip: f32, epsClip: f32, pad0: u32, pad1: u32 }

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> network: array<f32>;
@group(0) @binding(3) var<storage, read> step: array<u32>;
@group(0) @binding(4) var<storage, read> schedule: array<f32>;
@group(0) @binding(5) var<storage, read_write> mean: array<f32>;

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let n = invocation_number(group, groups, lane, 256u);
  if (n >= params.rows * params.width) { return; }
  let s = 8u * min(step[n / params.width], params.steps - 1u);
  let row = StepRow(schedule[s], schedule[s + 1u], schedule[s + 2u], schedule[s + 3u], schedule[s + 4u]);
  let both = step_mean(row, x[n], network[n], params.predictEpsilon, params.x0Clip, params.epsClip);
  mean[n] = both.value;
}

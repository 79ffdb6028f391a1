// discounted_returns — R_e = r[n,e] + (1 - first[n,e]) gamma R_e for n = 0 .. N-1; partials[e] = mean_n R_e, partials[E + e] = sum_n (R_e - mean)^2
// shapes  rewards, firsts [N, E] f32, firsts 0 or 1; returns [E] f32, read and written: R_e; partials [2, E] f32
// owns    invocation: one environment; workgroup: 64 environments
// grid    ceil(E / 64)  workgroup [64, 1, 1]
// order   f32, in order of n, mean and squares by Welford's update
// alias   none
// limits  0 bytes, 64 invocations, 4 storage buffers
// test    test/kernels/reward-scale.test.ts  rtol 4e-6  at 1x1, 3x4, 31x33, 257x65

struct Params { steps: u32, envs: u32, gamma: f32, pad0: u32 }

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> rewards: array<f32>;
@group(0) @binding(2) var<storage, read> firsts: array<f32>;
@group(0) @binding(3) var<storage, read_write> returns: array<f32>;
@group(0) @binding(4) var<storage, read_write> partials: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let e = invocation_number(group, groups, lane, 64u);
  if (e >= params.envs) { return; }
  var running = returns[e];
  var mean = 0.0;
  var squares = 0.0;
  for (var n = 0u; n < params.steps; n++) {
    let i = n * params.envs + e;
    running = rewards[i] + (1.0 - firsts[i]) * params.gamma * running;
    let away = running - mean;
    mean += away / f32(n + 1u);
    squares += away * (running - mean);
  }
  returns[e] = running;
  partials[e] = mean;
  partials[params.envs + e] = squares;
}

// gae — A[n,e] = d + gamma lambda (1 - end) A[n+1,e], d = c r[n,e] + gamma next (1 - terminated[n,e]) - V[n,e], returns = A + V, n = N-1 .. 0
//       next = V[n+1,e], lastValues[e] for n = N-1; end = terminated[n,e]
//       where correct and truncated[n,e]: next = finalValues[n,e], end = 1
// shapes  rewards, values, terminated, truncated (optional), finalValues (optional), advantages, returns [N, E] f32; lastValues [E] f32; flags are 0 or 1
// owns    invocation: one environment; workgroup: 64 environments
// grid    ceil(E / 64)  workgroup [64, 1, 1]
// order   f32, backwards in n
// alias   none
// limits  0 bytes, 64 invocations, 8 storage buffers
// test    test/kernels/gae.test.ts  rtol 4e-6  at 1x1, 3x4, 31x33, 500x40

struct Params { steps: u32, envs: u32, gamma: f32, lambda: f32, rewardScale: f32, correct: u32, pad0: u32, pad1: u32 }

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> rewards: array<f32>;
@group(0) @binding(2) var<storage, read> values: array<f32>;
@group(0) @binding(3) var<storage, read> lastValues: array<f32>;
@group(0) @binding(4) var<storage, read> terminated: array<f32>;
@group(0) @binding(5) var<storage, read> truncated: array<f32>;
@group(0) @binding(6) var<storage, read> finalValues: array<f32>;
@group(0) @binding(7) var<storage, read_write> advantages: array<f32>;
@group(0) @binding(8) var<storage, read_write> returns: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let e = invocation_number(group, groups, lane, 64u);
  if (e >= params.envs) { return; }
  let decay = params.gamma * params.lambda;
  var next = lastValues[e];
  var last = 0.0;
  for (var n = params.steps; n > 0u; n--) {
    // x[n - 1, e]
    let i = (n - 1u) * params.envs + e;
    let value = values[i];
    let goesOn = 1.0 - terminated[i];
    var carries = goesOn;
    if (params.correct != 0u && truncated[i] != 0.0) {
      next = finalValues[i];
      carries = 0.0;
    }
    let delta = params.rewardScale * rewards[i] + params.gamma * next * goesOn - value;
    last = delta + decay * carries * last;
    advantages[i] = last;
    returns[i] = last + value;
    next = value;
  }
}

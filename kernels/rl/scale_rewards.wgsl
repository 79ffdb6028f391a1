// scale_rewards — scaled[i] = clamp(r[i] state[3], -clip, clip)
// shapes  rewards, scaled [N] f32; state [4] f32 of reward_statistics
// owns    invocation: one element; workgroup: 256 elements
// grid    ceil(N / 256)  workgroup [256, 1, 1]
// order   no sums
// alias   none
// limits  0 bytes, 256 invocations, 3 storage buffers
// test    test/kernels/reward-scale.test.ts  rtol 2e-7  at 1, 3, 31, 257, 1025

struct Params { count: u32, clip: f32, pad0: u32, pad1: u32 }

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> rewards: array<f32>;
@group(0) @binding(2) var<storage, read> state: array<f32>;
@group(0) @binding(3) var<storage, read_write> scaled: array<f32>;

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let i = invocation_number(group, groups, lane, 256u);
  if (i >= params.count) { return; }
  scaled[i] = clamp(rewards[i] * state[3], -params.clip, params.clip);
}

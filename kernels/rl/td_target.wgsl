// td_target — targets[i] = rewards[i] + gamma (1 - terminated[i]) min(first[i], second[i]); without second: first[i]
// shapes  rewards, terminated, first, second (optional), targets [N] f32
// owns    invocation: one element; workgroup: 256 elements
// grid    ceil(N / 256)  workgroup [256, 1, 1]
// order   no sums
// alias   none
// limits  0 bytes, 256 invocations, 5 storage buffers
// test    test/kernels/q-learning.test.ts  rtol 5e-7  at 1, 3, 31, 33, 257, 1025, 2500

struct Params { count: u32, hasSecond: u32, gamma: f32, pad0: u32 }

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> rewards: array<f32>;
@group(0) @binding(2) var<storage, read> terminated: array<f32>;
@group(0) @binding(3) var<storage, read> first: array<f32>;
@group(0) @binding(4) var<storage, read> second: array<f32>;
@group(0) @binding(5) var<storage, read_write> targets: array<f32>;

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let i = invocation_number(group, groups, lane, 256u);
  if (i >= params.count) { return; }
  var next = first[i];
  if (params.hasSecond != 0u) { next = min(next, second[i]); }
  targets[i] = rewards[i] + params.gamma * (1.0 - terminated[i]) * next;
}

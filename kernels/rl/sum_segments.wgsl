// sum_segments — score[s] = sum_h r[s,h]
// shapes  r [S, H] f32; score [S] f32
// owns    invocation: one segment; workgroup: 64 segments
// grid    ceil(S / 64)  workgroup [64, 1, 1]
// order   f32, in order of h
// alias   none
// limits  0 bytes, 64 invocations, 2 storage buffers
// test    test/kernels/bradley-terry.test.ts  rtol 2e-6  at 1x1, 3x31, 65x33, 257x3

struct Params { segments: u32, horizon: u32, pad0: u32, pad1: u32 }

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> r: array<f32>;
@group(0) @binding(2) var<storage, read_write> score: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let s = invocation_number(group, groups, lane, 64u);
  if (s >= params.segments) { return; }
  var sum = 0.0;
  for (var h = 0u; h < params.horizon; h++) { sum += r[s * params.horizon + h]; }
  score[s] = sum;
}

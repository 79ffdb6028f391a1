// sum_segments_backward — dr[s,h] = dscore[s]
// shapes  dscore [S] f32; dr [S, H] f32
// owns    invocation: one element; workgroup: 256 elements
// grid    ceil(S H / 256)  workgroup [256, 1, 1]
// order   no sums
// alias   none
// limits  0 bytes, 256 invocations, 2 storage buffers
// test    test/kernels/bradley-terry.test.ts  exact  at 1x1, 3x31, 65x33, 257x3

struct Params { segments: u32, horizon: u32, pad0: u32, pad1: u32 }

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> dscore: array<f32>;
@group(0) @binding(2) var<storage, read_write> dr: array<f32>;

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  // dr.ravel()[n]
  let n = invocation_number(group, groups, lane, 256u);
  if (n >= params.segments * params.horizon) { return; }
  dr[n] = dscore[n / params.horizon];
}

// ema — average[i] = decay average[i] + share p[i]
// shapes  p [P] f32; average [P] f32, read and written
// owns    invocation: one element; workgroup: 256 elements
// grid    ceil(P / 256)  workgroup [256, 1, 1]
// order   no sums
// alias   none
// limits  0 bytes, 256 invocations, 2 storage buffers
// test    test/kernels/optim.test.ts  rtol 2e-7  at 1, 3, 31, 33, 1023, 1025, 2500

struct Params { count: u32, decay: f32, share: f32, pad0: u32 }

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> p: array<f32>;
@group(0) @binding(2) var<storage, read_write> average: array<f32>;

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let i = invocation_number(group, groups, lane, 256u);
  if (i >= params.count) { return; }
  average[i] = params.decay * average[i] + params.share * p[i];
}

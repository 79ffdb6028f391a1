// minimum_backward — dfirst[i] = scale d min(first[i], second[i]) / d first[i], dsecond[i] = scale - dfirst[i]; where both are equal each gets half
// shapes  first, second, dfirst, dsecond [N] f32
// owns    invocation: one element; workgroup: 256 elements
// grid    ceil(N / 256)  workgroup [256, 1, 1]
// order   no sums
// alias   none
// limits  0 bytes, 256 invocations, 4 storage buffers
// test    test/kernels/q-learning.test.ts  equal bits  at 1, 3, 31, 33, 257, 1025, 2500

struct Params { count: u32, scale: f32, pad0: u32, pad1: u32 }

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> first: array<f32>;
@group(0) @binding(2) var<storage, read> second: array<f32>;
@group(0) @binding(3) var<storage, read_write> dfirst: array<f32>;
@group(0) @binding(4) var<storage, read_write> dsecond: array<f32>;

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let i = invocation_number(group, groups, lane, 256u);
  if (i >= params.count) { return; }
  var share = select(0.0, 1.0, first[i] < second[i]);
  if (first[i] == second[i]) { share = 0.5; }
  dfirst[i] = params.scale * share;
  dsecond[i] = params.scale * (1.0 - share);
}

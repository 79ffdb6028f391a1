// relative_value_loss — loss[0] = -sum_i a[i] / S, da[i] = -scale / S, db[i] = 0, S = max(sum_i |b[i]|, 1e-12), (a, b) = (first, second), or (second, first) where swapped
// shapes  first, second, dfirst, dsecond [N] f32; loss [1] f32
// owns    invocation: every 256th element; workgroup: all
// grid    1  workgroup [256, 1, 1]
// order   f32: elements 256 apart in order, then the tree of lib/reduce
// alias   none
// limits  1024 bytes, 256 invocations, 5 storage buffers
// test    test/kernels/q-learning.test.ts  rtol 2e-6  at 1, 3, 31, 33, 257, 1025, 2500

struct Params { count: u32, isSwapped: u32, scale: f32, pad0: u32 }

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> first: array<f32>;
@group(0) @binding(2) var<storage, read> second: array<f32>;
@group(0) @binding(3) var<storage, read_write> dfirst: array<f32>;
@group(0) @binding(4) var<storage, read_write> dsecond: array<f32>;
@group(0) @binding(5) var<storage, read_write> loss: array<f32>;

@compute @workgroup_size(256)
fn main(@builtin(local_invocation_index) lane: u32) {
  let is_swapped = params.isSwapped != 0u;
  var values = 0.0;
  var magnitudes = 0.0;
  for (var i = lane; i < params.count; i += 256u) {
    values += select(first[i], second[i], is_swapped);
    magnitudes += abs(select(second[i], first[i], is_swapped));
  }
  let sum = workgroup_sum(lane, values);
  let size = max(workgroup_sum(lane, magnitudes), 1e-12);
  let slope = -params.scale / size;
  for (var i = lane; i < params.count; i += 256u) {
    dfirst[i] = select(slope, 0.0, is_swapped);
    dsecond[i] = select(0.0, slope, is_swapped);
  }
  if (lane == 0u) { loss[0] = -sum / size; }
}

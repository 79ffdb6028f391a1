// conv1d_pack — packed[p][j C + c][l] = weight[offset + (8p + l) outStride + c inStride + taps_j], 0 beyond the end
// shapes  weight f32, rows and columns as the strides say; taps [T] u32; packed [ceil(M / 8), T C, 8] f32
// owns    invocation: one element of packed; workgroup: 256 of them
// grid    ceil(8 ceil(M / 8) T C / 256)  workgroup [256, 1, 1]
// order   no sums
// alias   none
// limits  0 bytes, 256 invocations, 3 storage buffers
// test    test/kernels/conv1d.test.ts  exact  at 1, 3, 7, 8, 9, 17, 33 channels

struct Params { outChannels: u32, inChannels: u32, taps: u32, outStride: u32, inStride: u32, offset: u32, pad0: u32, pad1: u32 }

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> weight: array<f32>;
@group(0) @binding(2) var<storage, read> taps: array<u32>;
@group(0) @binding(3) var<storage, read_write> packed: array<f32>;

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  // n = ((p T + j) C + c) 8 + l
  let n = invocation_number(group, groups, lane, 256u);
  let depth = params.taps * params.inChannels;
  let p = n / (8u * depth);
  if (8u * p >= params.outChannels) { return; }
  let m = 8u * p + n % 8u;
  let k = n / 8u % depth;
  var value = 0.0;
  if (m < params.outChannels) {
    value = weight[params.offset + m * params.outStride + k % params.inChannels * params.inStride + taps[k / params.inChannels]];
  }
  packed[n] = value;
}

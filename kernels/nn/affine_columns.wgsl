// affine_columns — dst[dstOffset + r dstStride + c] = clamp(scale[c mod Q] src[srcOffset + r srcStride + c] + shift[c mod Q], -limit, limit)
// shapes  src, dst [.., stride] f32, other elements of dst left as they are; scale, shift [Q] f32, both or neither
// owns    invocation: one element; workgroup: 256 elements
// grid    ceil(B C / 256)  workgroup [256, 1, 1]
// order   no sums
// alias   none
// limits  0 bytes, 256 invocations, 4 storage buffers
// test    test/kernels/affine-columns.test.ts  rtol 1e-6 atol 1e-6, a plain copy equal bits  at 1 to 257 rows of 1 to 65

struct Params { rows: u32, columns: u32, period: u32, srcOffset: u32, srcStride: u32, dstOffset: u32, dstStride: u32, hasMap: u32, limit: f32, pad0: u32, pad1: u32, pad2: u32 }

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> src: array<f32>;
@group(0) @binding(2) var<storage, read> scale: array<f32>;
@group(0) @binding(3) var<storage, read> shift: array<f32>;
@group(0) @binding(4) var<storage, read_write> dst: array<f32>;

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let n = invocation_number(group, groups, lane, 256u);
  if (n >= params.rows * params.columns) { return; }
  let r = n / params.columns;
  let c = n % params.columns;
  var x = src[params.srcOffset + r * params.srcStride + c];
  if (params.hasMap != 0u) {
    let q = c % params.period;
    x = clamp(scale[q] * x + shift[q], -params.limit, params.limit);
  }
  dst[params.dstOffset + r * params.dstStride + c] = x;
}

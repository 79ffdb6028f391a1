// copy_columns — dst[r, dstColumn + c] = src[r, srcColumn + c], c = 0 .. C - 1
// shapes  src [B, srcStride] f32; dst [B, dstStride] f32, other columns left as they are
// owns    invocation: one element; workgroup: 256 elements
// grid    ceil(B C / 256)  workgroup [256, 1, 1]
// order   no sums
// alias   none
// limits  0 bytes, 256 invocations, 2 storage buffers
// test    test/kernels/columns.test.ts  equal bits  at 1 to 257 rows of 1 to 65

struct Params { rows: u32, columns: u32, srcStride: u32, srcColumn: u32, dstStride: u32, dstColumn: u32, pad0: u32, pad1: u32 }

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> src: array<f32>;
@group(0) @binding(2) var<storage, read_write> dst: array<f32>;

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let n = invocation_number(group, groups, lane, 256u);
  if (n >= params.rows * params.columns) { return; }
  let r = n / params.columns;
  let c = n % params.columns;
  dst[r * params.dstStride + params.dstColumn + c] = src[r * params.srcStride + params.srcColumn + c];
}

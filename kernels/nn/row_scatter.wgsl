// row_scatter — dst[min(index[r], S - 1), c] = src[r, c], r = 0 .. R - 1 in order: of rows for one place the last one stays
// shapes  src [R, C] f32; index [R] u32; dst [S, C] f32, other rows left as they are
// owns    invocation: one column; workgroup: 256 columns
// grid    ceil(C / 256)  workgroup [256, 1, 1]
// order   no sums; rows in order
// alias   none
// limits  0 bytes, 256 invocations, 3 storage buffers
// test    test/kernels/row-scatter.test.ts  equal bits  at 1 to 257 rows of 1 to 300

struct Params { rows: u32, width: u32, dstRows: u32, pad0: u32 }

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> src: array<f32>;
@group(0) @binding(2) var<storage, read> index: array<u32>;
@group(0) @binding(3) var<storage, read_write> dst: array<f32>;

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let c = invocation_number(group, groups, lane, 256u);
  if (c >= params.width) { return; }
  // One invocation writes all of a column, so that rows for one place are written in order.
  for (var r = 0u; r < params.rows; r++) {
    dst[min(index[r], params.dstRows - 1u) * params.width + c] = src[r * params.width + c];
  }
}

// row_gather_u32 — out[r, c] = source[base + (i / divisor) quotientStride + (i % divisor) remainderStride, c], i = index[indexOffset + r]
// shapes  source [S, C] u32; index [indexOffset + R] u32; out [R, C] u32
// owns    invocation: one element; workgroup: 256 elements
// grid    ceil(R C / 256)  workgroup [256, 1, 1]
// order   no sums
// alias   none
// limits  0 bytes, 256 invocations, 3 storage buffers
// test    test/kernels/columns.test.ts  equal bits  at 1 to 257 rows of 1 to 65

// A row beyond the source reads its last row.

struct Params {
  rows: u32, width: u32, sourceRows: u32, indexOffset: u32,
  divisor: u32, quotientStride: u32, remainderStride: u32, base: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> source: array<u32>;
@group(0) @binding(2) var<storage, read> index: array<u32>;
@group(0) @binding(3) var<storage, read_write> out: array<u32>;

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let n = invocation_number(group, groups, lane, 256u);
  if (n >= params.rows * params.width) { return; }
  let r = n / params.width;
  let i = index[params.indexOffset + r];
  let row = params.base + (i / params.divisor) * params.quotientStride + (i % params.divisor) * params.remainderStride;
  // out[r, n % width] = source[row, n % width]
  out[n] = source[min(row, params.sourceRows - 1u) * params.width + n % params.width];
}

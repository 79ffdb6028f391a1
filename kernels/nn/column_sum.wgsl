// column_sum — out[k, c] = scale sum of x[r stride + offset + c], r in block k of blockRows, c = 0 .. C - 1
// shapes  x [R, stride] f32; out [ceil(R / blockRows), C] f32
// owns    invocation: one column of a block; workgroup: 64 columns
// grid    ceil(R / blockRows) ceil(C / 64)  workgroup [64, 1, 1]
// order   f32: rows of a block in order
// alias   none
// limits  0 bytes, 64 invocations, 2 storage buffers
// test    test/kernels/columns.test.ts  rtol 2e-6  at 1 to 257 rows of 1 to 65

// Sums over many rows take two launches: blocks of rows, then the blocks.

struct Params { rows: u32, columns: u32, stride: u32, offset: u32, blockRows: u32, scale: f32, pad0: u32, pad1: u32 }

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read_write> out: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let strips = (params.columns + 63u) / 64u;
  let number = workgroup_number(group, groups);
  let k = number / strips;
  let c = (number % strips) * 64u + lane;
  let start = k * params.blockRows;
  if (start >= params.rows || c >= params.columns) { return; }
  let end = min(start + params.blockRows, params.rows);
  var sum = 0.0;
  for (var r = start; r < end; r = r + 1u) { sum = sum + x[r * params.stride + params.offset + c]; }
  out[k * params.columns + c] = params.scale * sum;
}

// column_sum — out[c] = scale sum_r x[r stride + offset + c], c = 0 .. C - 1
// shapes  x [R, stride] f32; out [C] f32
// owns    invocation: one column; workgroup: 64 columns
// grid    ceil(C / 64)  workgroup [64, 1, 1]
// order   f32: rows in order
// alias   none
// limits  0 bytes, 64 invocations, 2 storage buffers
// test    test/kernels/columns.test.ts  rtol 2e-6  at 1 to 257 rows of 1 to 65

// Second pass of sums over rows: x holds one partial for every block of rows, so R is small.

struct Params { rows: u32, columns: u32, stride: u32, offset: u32, scale: f32, pad0: u32, pad1: u32, pad2: u32 }

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read_write> out: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let c = invocation_number(group, groups, lane, 64u);
  if (c >= params.columns) { return; }
  var sum = 0.0;
  for (var r = 0u; r < params.rows; r = r + 1u) { sum = sum + x[r * params.stride + params.offset + c]; }
  out[c] = params.scale * sum;
}

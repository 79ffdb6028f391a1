// sum_parts — y[r, column + c] = sum_s parts[s, r, c]
// shapes  parts [S, R, C] f32; y [R, rowStride] f32, of which columns column .. column + C are written
// owns    invocation: one element; workgroup: 256 elements
// grid    ceil(R C / 256)  workgroup [256, 1, 1]
// order   over s ascending, f32
// alias   none
// limits  0 bytes, 256 invocations, 2 storage buffers
// test    test/kernels/linear.test.ts  rtol 1e-6  at 1, 3, 7, 31, 33, 65, 257

struct Params { parts: u32, rows: u32, columns: u32, rowStride: u32, column: u32, pad0: u32, pad1: u32, pad2: u32 }

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> parts: array<f32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  // n = r C + c
  let n = invocation_number(group, groups, lane, 256u);
  let size = params.rows * params.columns;
  if (n >= size) { return; }
  var sum = 0.0;
  for (var s = 0u; s < params.parts; s++) { sum += parts[s * size + n]; }
  y[n / params.columns * params.rowStride + params.column + n % params.columns] = sum;
}

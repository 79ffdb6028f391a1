// activation — y[n] = f_kind(x[n])
// shapes  x [N] f32; y [N] f32
// owns    invocation: one element; workgroup: 256 elements
// grid    ceil(N / 256)  workgroup [256, 1, 1]
// order   no sums
// alias   none
// limits  0 bytes, 256 invocations, 2 storage buffers
// test    test/kernels/activation.test.ts  rtol 2e-6 atol 2e-6 (tanh 1e-5)  at 1, 3, 31, 33, 65, 257, 70000

struct Params { rows: u32, columns: u32, kind: u32, pad0: u32 }

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  // y.ravel()[n], N = rows * columns
  let n = invocation_number(group, groups, lane, 256u);
  if (n >= params.rows * params.columns) { return; }
  y[n] = activate(params.kind, x[n]);
}

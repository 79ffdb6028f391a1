// pair_sum — y[n,b,c] = f(first[start + n, c] + second[b,c])
// shapes  first [start + N, C] f32; second [B, C] f32; y [N, B, C] f32
// owns    invocation: one element of y; workgroup: 256 of them
// grid    ceil(N B C / 256)  workgroup [256, 1, 1]
// order   no sums
// alias   none
// limits  0 bytes, 256 invocations, 3 storage buffers
// test    test/kernels/pair-sum.test.ts  rtol 1e-6  at 1 to 33 rows of 1 to 65

struct Params { start: u32, firstRows: u32, secondRows: u32, columns: u32, activation: u32, pad0: u32, pad1: u32, pad2: u32 }

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> first: array<f32>;
@group(0) @binding(2) var<storage, read> second: array<f32>;
@group(0) @binding(3) var<storage, read_write> y: array<f32>;

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  // at = (n B + b) C + c
  let at = invocation_number(group, groups, lane, 256u);
  if (at >= params.firstRows * params.secondRows * params.columns) { return; }
  let c = at % params.columns;
  let row = at / params.columns;
  let sum = first[(params.start + row / params.secondRows) * params.columns + c] + second[row % params.secondRows * params.columns + c];
  y[at] = activate(params.activation, sum);
}

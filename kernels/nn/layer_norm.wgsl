// layer_norm — y[b, c] = (x[b, c] - mean_b) rstd_b weight[c] + bias[c], rstd_b = 1 / sqrt(mean_c (x[b, c] - mean_b)^2 + epsilon)
// shapes  x [B, C] f32; weight [C] f32; bias [C] f32; y [B, C] f32; moments [B, 2] f32 = (mean_b, rstd_b)
// owns    invocation: every 256th column of a row; workgroup: one row
// grid    B  workgroup [256, 1, 1]
// order   f32: columns 256 apart in order, then the tree of lib/reduce; the variance after the mean
// alias   none
// limits  1024 bytes, 256 invocations, 5 storage buffers
// test    test/kernels/layer-norm.test.ts  rtol 2e-6  at 1 to 257 rows of 1 to 513

struct Params { rows: u32, columns: u32, epsilon: f32, pad0: u32 }

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> weight: array<f32>;
@group(0) @binding(3) var<storage, read> bias: array<f32>;
@group(0) @binding(4) var<storage, read_write> y: array<f32>;
@group(0) @binding(5) var<storage, read_write> moments: array<f32>;

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let b = workgroup_number(group, groups);
  // The same for the whole workgroup, so the barriers of the sums are met by all of it.
  if (b >= params.rows) { return; }
  let row = b * params.columns;
  var sum = 0.0;
  for (var c = lane; c < params.columns; c = c + 256u) { sum = sum + x[row + c]; }
  let mean = workgroup_sum(lane, sum) / f32(params.columns);
  var squares = 0.0;
  for (var c = lane; c < params.columns; c = c + 256u) {
    let d = x[row + c] - mean;
    squares = squares + d * d;
  }
  let rstd = 1.0 / sqrt(workgroup_sum(lane, squares) / f32(params.columns) + params.epsilon);
  for (var c = lane; c < params.columns; c = c + 256u) { y[row + c] = (x[row + c] - mean) * rstd * weight[c] + bias[c]; }
  if (lane == 0u) {
    moments[2u * b] = mean;
    moments[2u * b + 1u] = rstd;
  }
}

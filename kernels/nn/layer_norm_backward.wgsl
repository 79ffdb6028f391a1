// layer_norm_backward — dx[b, c] = rstd_b (g - mean_c g - n mean_c (g n)) + addend[b, c], g = dy[b, c] weight[c], n = (x[b, c] - mean_b) rstd_b
// shapes  dy [B, C] f32; x [B, C] f32; weight [C] f32; moments [B, 2] f32 = (mean_b, rstd_b); addend (optional), dx [B, C] f32
// owns    invocation: every 256th column of a row; workgroup: one row
// grid    B  workgroup [256, 1, 1]
// order   f32: columns 256 apart in order, then the tree of lib/reduce
// alias   none
// limits  1024 bytes, 256 invocations, 6 storage buffers
// test    test/kernels/layer-norm.test.ts  rtol 4e-6  at 1 to 257 rows of 1 to 513

struct Params { rows: u32, columns: u32, hasAddend: u32, pad0: u32 }

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> dy: array<f32>;
@group(0) @binding(2) var<storage, read> x: array<f32>;
@group(0) @binding(3) var<storage, read> weight: array<f32>;
@group(0) @binding(4) var<storage, read> moments: array<f32>;
@group(0) @binding(5) var<storage, read> addend: array<f32>;
@group(0) @binding(6) var<storage, read_write> dx: array<f32>;

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let b = workgroup_number(group, groups);
  // The same for the whole workgroup, so the barriers of the sums are met by all of it.
  if (b >= params.rows) { return; }
  let row = b * params.columns;
  let mean = moments[2u * b];
  let rstd = moments[2u * b + 1u];
  var sum_g = 0.0;
  var sum_gn = 0.0;
  for (var c = lane; c < params.columns; c = c + 256u) {
    let g = dy[row + c] * weight[c];
    sum_g = sum_g + g;
    sum_gn = sum_gn + g * (x[row + c] - mean) * rstd;
  }
  let mean_g = workgroup_sum(lane, sum_g) / f32(params.columns);
  let mean_gn = workgroup_sum(lane, sum_gn) / f32(params.columns);
  for (var c = lane; c < params.columns; c = c + 256u) {
    let n = (x[row + c] - mean) * rstd;
    var d = rstd * (dy[row + c] * weight[c] - mean_g - n * mean_gn);
    if (params.hasAddend != 0u) { d = d + addend[row + c]; }
    dx[row + c] = d;
  }
}

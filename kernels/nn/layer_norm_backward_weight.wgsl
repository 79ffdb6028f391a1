// layer_norm_backward_weight — partials[k, 0, c] = sum of dy[b, c] (x[b, c] - mean_b) rstd_b, partials[k, 1, c] = sum of dy[b, c], b in block k of 64
// shapes  dy [B, C] f32; x [B, C] f32; moments [B, 2] f32 = (mean_b, rstd_b); partials [ceil(B / 64), 2, C] f32
// owns    invocation: one column of a block of 64 rows; workgroup: 256 columns
// grid    ceil(B / 64) ceil(C / 256)  workgroup [256, 1, 1]
// order   f32: rows of the block in order; column_sum adds the blocks in order
// alias   none
// limits  0 bytes, 256 invocations, 4 storage buffers
// test    test/kernels/layer-norm.test.ts  rtol 4e-6  at 1 to 257 rows of 1 to 513

struct Params { rows: u32, columns: u32, pad0: u32, pad1: u32 }

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> dy: array<f32>;
@group(0) @binding(2) var<storage, read> x: array<f32>;
@group(0) @binding(3) var<storage, read> moments: array<f32>;
@group(0) @binding(4) var<storage, read_write> partials: array<f32>;

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let strips = (params.columns + 255u) / 256u;
  let number = workgroup_number(group, groups);
  let k = number / strips;
  let c = (number % strips) * 256u + lane;
  if (64u * k >= params.rows || c >= params.columns) { return; }
  var weight_sum = 0.0;
  var bias_sum = 0.0;
  let end = min(64u * k + 64u, params.rows);
  for (var b = 64u * k; b < end; b = b + 1u) {
    let g = dy[b * params.columns + c];
    weight_sum = weight_sum + g * (x[b * params.columns + c] - moments[2u * b]) * moments[2u * b + 1u];
    bias_sum = bias_sum + g;
  }
  partials[2u * k * params.columns + c] = weight_sum;
  partials[(2u * k + 1u) * params.columns + c] = bias_sum;
}

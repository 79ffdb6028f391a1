// mixture_sample — m = the first component with sum_{k <= m} w_k > u[b] (the last where rounding leaves none), w = softmax(logits[b]);
//           out[b, c] = mean[b, m, c] + exp(logStd[b, m, c]) z[b, c]
// shapes  logits [B, M]; mean, logStd [B, M, C]; u [B]; z, out [B, C] f32; M <= 16
// owns    invocation: one row; workgroup: 64 rows
// grid    ceil(B / 64)  workgroup [64, 1, 1]
// order   f32 over m in order
// alias   none
// limits  0 bytes, 64 invocations, 6 storage buffers
// test    test/kernels/stochastic-heads.test.ts  rtol 2e-6  at 1 to 257 rows, 1 to 16 components

struct Params { rows: u32, components: u32, width: u32, pad0: u32 }

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> logits: array<f32>;
@group(0) @binding(2) var<storage, read> mean: array<f32>;
@group(0) @binding(3) var<storage, read> logStd: array<f32>;
@group(0) @binding(4) var<storage, read> u: array<f32>;
@group(0) @binding(5) var<storage, read> z: array<f32>;
@group(0) @binding(6) var<storage, read_write> out: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let b = invocation_number(group, groups, lane, 64u);
  if (b >= params.rows) { return; }
  let first = b * params.components;
  var top = -3.4e38;
  for (var m = 0u; m < params.components; m = m + 1u) { top = max(top, logits[first + m]); }
  var mass = 0.0;
  for (var m = 0u; m < params.components; m = m + 1u) { mass = mass + exp(logits[first + m] - top); }
  let target_mass = u[b] * mass;
  var chosen = params.components - 1u;
  var cumulated = 0.0;
  for (var m = 0u; m < params.components; m = m + 1u) {
    cumulated = cumulated + exp(logits[first + m] - top);
    if (cumulated > target_mass) { chosen = m; break; }
  }
  let row = (first + chosen) * params.width;
  for (var c = 0u; c < params.width; c = c + 1u) {
    out[b * params.width + c] = mean[row + c] + exp(logStd[row + c]) * z[b * params.width + c];
  }
}

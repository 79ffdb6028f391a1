// mixture_density — logProb[b] = ln sum_m w_m prod_c N(x[b, c]; mean[b, m, c], std[b, m, c]^2), w = softmax(logits[b]), std = exp(logStd);
//           entropy[b] = sum_m w_m sum_c (ln(2 pi e)/2 + logStd[b, m, c]); spread[b] = sum_m w_m mean_c std[b, m, c]
// shapes  x [B, C]; logits [B, M]; mean, logStd [B, M, C]; logProb, entropy, spread [B] f32; M <= 16
// owns    invocation: one row; workgroup: 64 rows
// grid    ceil(B / 64)  workgroup [64, 1, 1]
// order   f32 over c, then over m, in order; log-sum-exp about the largest term
// alias   none
// limits  0 bytes, 64 invocations, 7 storage buffers
// test    test/kernels/stochastic-heads.test.ts  rtol 4e-6  at 1 to 257 rows, 1 to 16 components

struct Params { rows: u32, components: u32, width: u32, pad0: u32 }

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> logits: array<f32>;
@group(0) @binding(3) var<storage, read> mean: array<f32>;
@group(0) @binding(4) var<storage, read> logStd: array<f32>;
@group(0) @binding(5) var<storage, read_write> logProb: array<f32>;
@group(0) @binding(6) var<storage, read_write> entropy: array<f32>;
@group(0) @binding(7) var<storage, read_write> spread: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let b = invocation_number(group, groups, lane, 64u);
  if (b >= params.rows) { return; }
  let M = min(params.components, largest_mixture);
  var scores: array<f32, 16>;
  var top = -3.4e38;
  var topLogit = -3.4e38;
  for (var m = 0u; m < M; m = m + 1u) {
    let logit = logits[b * M + m];
    scores[m] = logit + component_density(b, m);
    top = max(top, scores[m]);
    topLogit = max(topLogit, logit);
  }
  var sum = 0.0;
  var mass = 0.0;
  var entropies = 0.0;
  var spreads = 0.0;
  for (var m = 0u; m < M; m = m + 1u) {
    sum = sum + exp(scores[m] - top);
    let weight = exp(logits[b * M + m] - topLogit);
    mass = mass + weight;
    let row = (b * M + m) * params.width;
    var logs = 0.0;
    var stds = 0.0;
    for (var c = 0u; c < params.width; c = c + 1u) {
      logs = logs + logStd[row + c];
      stds = stds + exp(logStd[row + c]);
    }
    entropies = entropies + weight * (logs + f32(params.width) * 1.4189385);
    spreads = spreads + weight * stds / f32(params.width);
  }
  logProb[b] = top + log(sum) - topLogit - log(mass);
  entropy[b] = entropies / mass;
  spread[b] = spreads / mass;
}

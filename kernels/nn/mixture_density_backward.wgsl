// mixture_density_backward — with w = softmax(logits[b]), r_m the share of component m in the density, z = (x - mean)/std, H_m its entropy:
//           dLogits = dLogProb (r_m - w_m) + dEntropy w_m (H_m - sum w H); dMean = dLogProb r_m z / std;
//           dLogStd = dLogProb r_m (z^2 - 1) + dEntropy w_m
// shapes  x [B, C]; logits [B, M]; mean, logStd [B, M, C]; dLogProb [B]; dLogits [B, M]; dMean, dLogStd [B, M, C] f32; M <= 16
// owns    invocation: one row; workgroup: 64 rows
// grid    ceil(B / 64)  workgroup [64, 1, 1]
// order   f32 over c, then over m, in order
// alias   none
// limits  0 bytes, 64 invocations, 8 storage buffers
// test    test/kernels/stochastic-heads.test.ts  rtol 1e-5  at 1 to 257 rows, 1 to 16 components

struct Params { rows: u32, components: u32, width: u32, dEntropy: f32 }

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> logits: array<f32>;
@group(0) @binding(3) var<storage, read> mean: array<f32>;
@group(0) @binding(4) var<storage, read> logStd: array<f32>;
@group(0) @binding(5) var<storage, read> dLogProb: array<f32>;
@group(0) @binding(6) var<storage, read_write> dLogits: array<f32>;
@group(0) @binding(7) var<storage, read_write> dMean: array<f32>;
@group(0) @binding(8) var<storage, read_write> dLogStd: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let b = invocation_number(group, groups, lane, 64u);
  if (b >= params.rows) { return; }
  let M = min(params.components, largest_mixture);
  var shares: array<f32, 16>;
  var weights: array<f32, 16>;
  var entropies: array<f32, 16>;
  var top = -3.4e38;
  var topLogit = -3.4e38;
  for (var m = 0u; m < M; m = m + 1u) {
    weights[m] = logits[b * M + m];
    shares[m] = weights[m] + component_density(b, m);
    top = max(top, shares[m]);
    topLogit = max(topLogit, weights[m]);
  }
  var sum = 0.0;
  var mass = 0.0;
  for (var m = 0u; m < M; m = m + 1u) {
    shares[m] = exp(shares[m] - top);
    weights[m] = exp(weights[m] - topLogit);
    sum = sum + shares[m];
    mass = mass + weights[m];
  }
  var meanEntropy = 0.0;
  for (var m = 0u; m < M; m = m + 1u) {
    shares[m] = shares[m] / sum;
    weights[m] = weights[m] / mass;
    let row = (b * M + m) * params.width;
    var logs = 0.0;
    for (var c = 0u; c < params.width; c = c + 1u) { logs = logs + logStd[row + c]; }
    entropies[m] = logs + f32(params.width) * 1.4189385;
    meanEntropy = meanEntropy + weights[m] * entropies[m];
  }
  let d = dLogProb[b];
  for (var m = 0u; m < M; m = m + 1u) {
    dLogits[b * M + m] = d * (shares[m] - weights[m]) + params.dEntropy * weights[m] * (entropies[m] - meanEntropy);
    let row = (b * M + m) * params.width;
    for (var c = 0u; c < params.width; c = c + 1u) {
      let inverse = exp(-logStd[row + c]);
      let z = (x[b * params.width + c] - mean[row + c]) * inverse;
      dMean[row + c] = d * shares[m] * z * inverse;
      dLogStd[row + c] = d * shares[m] * (z * z - 1.0) + params.dEntropy * weights[m];
    }
  }
}

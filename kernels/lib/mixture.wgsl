// mixture — ln of the weight and of the density of each component of a row, for at most 16 components
//
// A shader that uses this binds: params.components, params.width; logits, mean, logStd, x.

const largest_mixture: u32 = 16u;

// score[m] = sum_c ln N(x[b, c]; mean[b, m, c], exp(logStd[b, m, c])^2) without the weight
fn component_density(b: u32, m: u32) -> f32 {
  let row = (b * params.components + m) * params.width;
  var sum = 0.0;
  for (var c = 0u; c < params.width; c = c + 1u) {
    let z = (x[b * params.width + c] - mean[row + c]) * exp(-logStd[row + c]);
    sum = sum - 0.5 * z * z - logStd[row + c] - 0.91893853;
  }
  return sum;
}

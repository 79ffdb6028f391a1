/**
 * y[b,c] = (x[b,c] − mean_b) · rstd_b · weight[c] + bias[c], with mean_b and the population variance over the C
 * columns of the row, rstd_b = 1/√(variance_b + epsilon).
 */
export function layerNorm(
  x: ArrayLike<number>,
  weight: ArrayLike<number>,
  bias: ArrayLike<number>,
  epsilon: number,
  B: number,
  C: number,
): Float64Array {
  const y = new Float64Array(B * C);
  for (let b = 0; b < B; b++) {
    const { mean, rstd } = rowMoments(x, b, C, epsilon);
    for (let c = 0; c < C; c++) y[b * C + c] = (x[b * C + c]! - mean) * rstd * weight[c]! + bias[c]!;
  }
  return y;
}

/**
 * With n[b,c] the normalised input and g[b,c] = dy[b,c] · weight[c]:
 * dx[b,c] = rstd_b · (g[b,c] − mean_c(g) − n[b,c] · mean_c(g·n)), dweight[c] = Σ_b dy·n, dbias[c] = Σ_b dy.
 */
export function layerNormBackward(
  dy: ArrayLike<number>,
  x: ArrayLike<number>,
  weight: ArrayLike<number>,
  epsilon: number,
  B: number,
  C: number,
): { dx: Float64Array; dweight: Float64Array; dbias: Float64Array } {
  const dx = new Float64Array(B * C);
  const dweight = new Float64Array(C);
  const dbias = new Float64Array(C);
  for (let b = 0; b < B; b++) {
    const { mean, rstd } = rowMoments(x, b, C, epsilon);
    let meanG = 0;
    let meanGN = 0;
    for (let c = 0; c < C; c++) {
      const n = (x[b * C + c]! - mean) * rstd;
      const g = dy[b * C + c]! * weight[c]!;
      meanG += g / C;
      meanGN += (g * n) / C;
      dweight[c]! += dy[b * C + c]! * n;
      dbias[c]! += dy[b * C + c]!;
    }
    for (let c = 0; c < C; c++) {
      const n = (x[b * C + c]! - mean) * rstd;
      dx[b * C + c] = rstd * (dy[b * C + c]! * weight[c]! - meanG - n * meanGN);
    }
  }
  return { dx, dweight, dbias };
}

function rowMoments(x: ArrayLike<number>, b: number, C: number, epsilon: number): { mean: number; rstd: number } {
  let mean = 0;
  for (let c = 0; c < C; c++) mean += x[b * C + c]! / C;
  let variance = 0;
  for (let c = 0; c < C; c++) variance += (x[b * C + c]! - mean) ** 2 / C;
  return { mean, rstd: 1 / Math.sqrt(variance + epsilon) };
}

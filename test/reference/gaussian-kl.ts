/**
 * Two Gaussians with one standard deviation: kl[b] = Σ_c (mean − reference)²/(2 std²),
 * dmean[b,c] = dkl[b] · (mean − reference)/std², for rows of C elements.
 */
export function gaussianKl(
  mean: ArrayLike<number>,
  reference: ArrayLike<number>,
  std: (row: number) => number,
  C: number,
): Float64Array {
  return Float64Array.from({ length: mean.length / C }, (_, b) => {
    let sum = 0;
    for (let c = 0; c < C; c++) sum += (mean[b * C + c]! - reference[b * C + c]!) ** 2;
    return sum / (2 * std(b) ** 2);
  });
}

export function gaussianKlBackward(
  dkl: (row: number) => number,
  mean: ArrayLike<number>,
  reference: ArrayLike<number>,
  std: (row: number) => number,
  C: number,
): Float64Array {
  return Float64Array.from(mean, (value, i) => {
    const b = Math.floor(i / C);
    return (dkl(b) * (value - reference[i]!)) / std(b) ** 2;
  });
}

/** Diagonal Gaussians with stds of their own: kl[b] = Σ_c ln(σq/σp) + (σp² + (μp − μq)²)/(2σq²) − ½. */
export function diagonalGaussianKl(
  meanP: ArrayLike<number>,
  logStdP: ArrayLike<number>,
  meanQ: ArrayLike<number>,
  logStdQ: ArrayLike<number>,
  C: number,
): Float64Array {
  return Float64Array.from({ length: meanP.length / C }, (_, b) => {
    let sum = 0;
    for (let i = b * C; i < (b + 1) * C; i++) {
      const p = logStdP[i]!;
      const q = logStdQ[i]!;
      sum += q - p + (Math.exp(2 * p) + (meanP[i]! - meanQ[i]!) ** 2) / (2 * Math.exp(2 * q)) - 0.5;
    }
    return sum;
  });
}

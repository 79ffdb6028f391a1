const halfLogTwoPiE = 0.5 * Math.log(2 * Math.PI * Math.E);

/** std[b, h·A + a] = exp(½ clamp(logvar[a], low, high)): one learned deviation an action dimension, tiled over H. */
export function learnedStd(logvar: ArrayLike<number>, low: number, high: number, count: number): Float64Array {
  const A = logvar.length;
  return Float64Array.from({ length: count }, (_, i) => Math.exp(0.5 * Math.min(Math.max(logvar[i % A]!, low), high)));
}

/** dlogvar[a] = Σ over all its places of dstd · ½ std, 0 where the clamp holds it; its bounds let through. */
export function learnedStdBackward(
  dstd: ArrayLike<number>,
  std: ArrayLike<number>,
  logvar: ArrayLike<number>,
  low: number,
  high: number,
): Float64Array {
  const A = logvar.length;
  const dlogvar = new Float64Array(A);
  for (let i = 0; i < dstd.length; i++) {
    const gate = logvar[i % A]! >= low && logvar[i % A]! <= high ? 1 : 0;
    dlogvar[i % A]! += dstd[i]! * 0.5 * std[i]! * gate;
  }
  return dlogvar;
}

/** std = exp(½ logvar) with logvar = low + ½ (high − low)(tanh(head) + 1). */
export function predictedStd(head: ArrayLike<number>, low: number, high: number): Float64Array {
  return Float64Array.from(head, (value) => Math.exp(0.5 * (low + 0.5 * (high - low) * (Math.tanh(value) + 1))));
}

/** dhead = dstd · ½ std · ½ (high − low)(1 − tanh²(head)). */
export function predictedStdBackward(
  dstd: ArrayLike<number>,
  std: ArrayLike<number>,
  head: ArrayLike<number>,
  low: number,
  high: number,
): Float64Array {
  return Float64Array.from(
    head,
    (value, i) => dstd[i]! * 0.5 * std[i]! * 0.5 * (high - low) * (1 - Math.tanh(value) ** 2),
  );
}

/** A sample, held within `clip` deviations of the mean: mean + std · clamp(z, ±clip). */
export function gaussianSample(
  mean: ArrayLike<number>,
  std: ArrayLike<number>,
  z: ArrayLike<number>,
  clip: number,
): Float64Array {
  return Float64Array.from(mean, (value, i) => value + std[i]! * Math.min(Math.max(z[i]!, -clip), clip));
}

/** Mean over all elements of the entropy ½ ln 2πe + ln std, and its gradient. */
export function gaussianEntropy(std: ArrayLike<number>): { entropy: number; dstd: Float64Array } {
  const n = std.length;
  let entropy = 0;
  const dstd = Float64Array.from(std, (value) => {
    entropy += (halfLogTwoPiE + Math.log(value)) / n;
    return 1 / value / n;
  });
  return { entropy, dstd };
}

/** Entropy of one element with the given deviation. */
export function elementEntropy(std: number): number {
  return halfLogTwoPiE + Math.log(std);
}

const halfLogTwoPi = 0.5 * Math.log(2 * Math.PI);

/** ln N(x; mean, std²) = −(x − mean)²/(2 std²) − ln std − ½ ln 2π. */
export function gaussianLogDensity(x: number, mean: number, std: number): number {
  return -((x - mean) ** 2) / (2 * std * std) - Math.log(std) - halfLogTwoPi;
}

/** logp[i] = ln N(x[i]; mean[i], std[i]²), elementwise; `std` may be one number for all. */
export function gaussianLogProb(
  x: ArrayLike<number>,
  mean: ArrayLike<number>,
  std: ArrayLike<number> | number,
): Float64Array {
  return Float64Array.from(x, (value, i) =>
    gaussianLogDensity(value, mean[i]!, typeof std === "number" ? std : std[i]!),
  );
}

/** dmean[i] = dlogp[i] · (x − mean)/std², dstd[i] = dlogp[i] · ((x − mean)²/std³ − 1/std). */
export function gaussianLogProbBackward(
  dlogp: ArrayLike<number>,
  x: ArrayLike<number>,
  mean: ArrayLike<number>,
  std: ArrayLike<number> | number,
): { dmean: Float64Array; dstd: Float64Array } {
  const stdAt = (i: number): number => (typeof std === "number" ? std : std[i]!);
  return {
    dmean: Float64Array.from(x, (value, i) => (dlogp[i]! * (value - mean[i]!)) / stdAt(i) ** 2),
    dstd: Float64Array.from(
      x,
      (value, i) => dlogp[i]! * ((value - mean[i]!) ** 2 / stdAt(i) ** 3 - 1 / stdAt(i)),
    ),
  };
}

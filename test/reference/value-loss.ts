/**
 * ½ mean (V − R)²; with a clip δ: ½ mean max((V − R)², (V_old + clamp(V − V_old, ±δ) − R)²).
 * The gradient is that of the larger term; the clipped one has none outside the range. Inside they are the same.
 */
export function valueLoss(
  values: ArrayLike<number>,
  returns: ArrayLike<number>,
  oldValues: ArrayLike<number>,
  clip: number | null,
): { loss: number; gradient: Float64Array } {
  const n = values.length;
  let loss = 0;
  const gradient = Float64Array.from(values, (value, i) => {
    const error = value - returns[i]!;
    if (clip === null) {
      loss += (0.5 * error ** 2) / n;
      return error / n;
    }
    const change = value - oldValues[i]!;
    const clippedError = oldValues[i]! + Math.min(Math.max(change, -clip), clip) - returns[i]!;
    loss += (0.5 * Math.max(error ** 2, clippedError ** 2)) / n;
    const isInside = Math.abs(change) <= clip;
    return isInside || error ** 2 > clippedError ** 2 ? error / n : 0;
  });
  return { loss, gradient };
}

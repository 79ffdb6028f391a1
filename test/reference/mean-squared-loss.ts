/** loss = mean_i (prediction[i] − target[i])², gradient[i] = 2 (prediction[i] − target[i]) / n. */
export function meanSquaredLoss(
  prediction: ArrayLike<number>,
  target: ArrayLike<number>,
): { loss: number; gradient: Float64Array } {
  const n = prediction.length;
  let loss = 0;
  const gradient = Float64Array.from(prediction, (value, i) => {
    const difference = value - target[i]!;
    loss += (difference * difference) / n;
    return (2 * difference) / n;
  });
  return { loss, gradient };
}

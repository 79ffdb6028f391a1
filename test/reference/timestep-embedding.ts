/**
 * out[b] = [sin(t_b w_0) … sin(t_b w_{h−1}), cos(t_b w_0) … cos(t_b w_{h−1})] with h = dim/2 and
 * w_j = exp(−j · ln(10000)/(h − 1)).
 */
export function timestepEmbedding(t: ArrayLike<number>, dim: number): Float64Array {
  const h = dim / 2;
  const out = new Float64Array(t.length * dim);
  for (let b = 0; b < t.length; b++) {
    for (let j = 0; j < h; j++) {
      const angle = t[b]! * Math.exp((-j * Math.log(10000)) / (h - 1));
      out[b * dim + j] = Math.sin(angle);
      out[b * dim + h + j] = Math.cos(angle);
    }
  }
  return out;
}

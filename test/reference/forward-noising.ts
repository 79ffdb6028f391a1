/** x_t[b,c] = √ᾱ_{t_b} · x0[b,c] + √(1 − ᾱ_{t_b}) · ε[b,c]. */
export function forwardNoising(
  x0: ArrayLike<number>,
  noise: ArrayLike<number>,
  t: ArrayLike<number>,
  alphasCumprod: ArrayLike<number>,
): Float64Array {
  const C = x0.length / t.length;
  return Float64Array.from(x0, (value, i) => {
    const a = alphasCumprod[t[Math.floor(i / C)]!]!;
    return Math.sqrt(a) * value + Math.sqrt(1 - a) * noise[i]!;
  });
}

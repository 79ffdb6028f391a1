/** y[b,o] = Σ_i x[b,i] · weight[o,i] + bias[o], the sum over i ascending. */
export function linear(
  x: ArrayLike<number>,
  weight: ArrayLike<number>,
  bias: ArrayLike<number> | undefined,
  B: number,
  I: number,
  O: number,
): Float64Array {
  const y = new Float64Array(B * O);
  for (let b = 0; b < B; b++) {
    for (let o = 0; o < O; o++) {
      let sum = 0;
      for (let i = 0; i < I; i++) sum += x[b * I + i]! * weight[o * I + i]!;
      y[b * O + o] = sum + (bias?.[o] ?? 0);
    }
  }
  return y;
}

/** dx[b,i] = Σ_o dy[b,o] · weight[o,i]. */
export function linearBackwardInput(
  dy: ArrayLike<number>,
  weight: ArrayLike<number>,
  B: number,
  I: number,
  O: number,
): Float64Array {
  const dx = new Float64Array(B * I);
  for (let b = 0; b < B; b++) {
    for (let o = 0; o < O; o++) {
      for (let i = 0; i < I; i++) dx[b * I + i]! += dy[b * O + o]! * weight[o * I + i]!;
    }
  }
  return dx;
}

/** dweight[o,i] = Σ_b dy[b,o] · x[b,i]. */
export function linearBackwardWeight(
  dy: ArrayLike<number>,
  x: ArrayLike<number>,
  B: number,
  I: number,
  O: number,
): Float64Array {
  const dweight = new Float64Array(O * I);
  for (let b = 0; b < B; b++) {
    for (let o = 0; o < O; o++) {
      for (let i = 0; i < I; i++) dweight[o * I + i]! += dy[b * O + o]! * x[b * I + i]!;
    }
  }
  return dweight;
}

/** dbias[o] = Σ_b dy[b,o]. */
export function linearBackwardBias(dy: ArrayLike<number>, B: number, O: number): Float64Array {
  const dbias = new Float64Array(O);
  for (let b = 0; b < B; b++) for (let o = 0; o < O; o++) dbias[o]! += dy[b * O + o]!;
  return dbias;
}

/** State of the running reward scale. */
export interface RewardScaleState {
  readonly mean: number;
  readonly variance: number;
  readonly count: number;
  /** Discounted return so far, one an environment. */
  readonly returns: Float64Array;
}

/** The state before the first call. */
export function initialRewardScale(E: number): RewardScaleState {
  return { mean: 0, variance: 1, count: 1e-4, returns: new Float64Array(E) };
}

/**
 * Spec section 7, layout [E, N]: R_e ← r + (1 − first) γ R_e; the variance of all R joins the running one (divided by
 * total − 1); rewards are divided by √(variance + 1e-8) and clipped.
 */
export function scaleRewards(
  state: RewardScaleState,
  rewards: ArrayLike<number>,
  first: ArrayLike<number>,
  gamma = 0.99,
  clip = 10,
): { state: RewardScaleState; scaled: Float64Array } {
  const E = state.returns.length;
  const N = rewards.length / E;
  const returns = state.returns.slice();
  const collected = new Float64Array(E * N);
  for (let e = 0; e < E; e++) {
    for (let n = 0; n < N; n++) {
      const i = e * N + n;
      returns[e] = rewards[i]! + (1 - first[i]!) * gamma * returns[e]!;
      collected[i] = returns[e]!;
    }
  }
  const size = E * N;
  const batchMean = collected.reduce((sum, r) => sum + r, 0) / size;
  const batchVariance = collected.reduce((sum, r) => sum + (r - batchMean) ** 2, 0) / size;
  const delta = batchMean - state.mean;
  const total = state.count + size;
  const mean = state.mean + (delta * size) / total;
  const squares = state.variance * state.count + batchVariance * size + (delta ** 2 * state.count * size) / total;
  const variance = squares / (total - 1);
  const scale = Math.sqrt(variance + 1e-8);
  return {
    state: { mean, variance, count: total, returns },
    scaled: Float64Array.from(rewards, (r) => Math.min(Math.max(r / scale, -clip), clip)),
  };
}

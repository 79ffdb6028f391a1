import { quantileSeq } from "mathjs/number";

/** Inputs of {@link generalizedAdvantages}, all [N, E] but `lastValues` [E]. */
export interface AdvantageInput {
  readonly rewards: ArrayLike<number>;
  readonly values: ArrayLike<number>;
  /** Critic at the observation after the last step. */
  readonly lastValues: ArrayLike<number>;
  /** 1 where an episode ended for good. */
  readonly terminated: ArrayLike<number>;
  /** Steps where an episode was cut off, and the critic at what was seen last; left out, truncation is not looked at. */
  readonly cut?: { readonly truncated: ArrayLike<number>; readonly finalValues: ArrayLike<number> };
  readonly gamma: number;
  readonly lambda: number;
  readonly rewardScale: number;
}

/**
 * Backwards in n, for each environment e:
 * δ = c r_n + γ V_{n+1} (1 − terminated_n) − V_n, A_n = δ + γλ (1 − terminated_n) A_{n+1}, returns = A + V.
 * At a cut the final value stands for V_{n+1}, and A_{n+1} for nothing.
 */
export function generalizedAdvantages(input: AdvantageInput): { advantages: Float64Array; returns: Float64Array } {
  const { rewards, values, lastValues, terminated, cut, gamma, lambda, rewardScale } = input;
  const E = lastValues.length;
  const N = rewards.length / E;
  const advantages = new Float64Array(N * E);
  for (let e = 0; e < E; e++) {
    let last = 0;
    for (let n = N - 1; n >= 0; n--) {
      const i = n * E + e;
      const isCut = cut !== undefined && cut.truncated[i] !== 0;
      const next = isCut ? cut.finalValues[i]! : n === N - 1 ? lastValues[e]! : values[i + E]!;
      const goesOn = 1 - terminated[i]!;
      const delta = rewardScale * rewards[i]! + gamma * next * goesOn - values[i]!;
      last = delta + (isCut ? 0 : gamma * lambda * goesOn * last);
      advantages[i] = last;
    }
  }
  return { advantages, returns: advantages.map((a, i) => a + values[i]!) };
}

/** (A − mean)/(std + 1e-8) with the sample deviation, n − 1. */
export function normalizeAdvantages(advantages: ArrayLike<number>): Float64Array {
  const n = advantages.length;
  const values = Float64Array.from(advantages);
  const mean = values.reduce((sum, a) => sum + a, 0) / n;
  const std = Math.sqrt(values.reduce((sum, a) => sum + (a - mean) ** 2, 0) / (n - 1));
  return values.map((a) => (a - mean) / (std + 1e-8));
}

/** Advantages clamped to two of their quantiles, interpolated linearly between the sorted values. */
export function clampToQuantiles(advantages: ArrayLike<number>, lower: number, upper: number): Float64Array {
  const values = Float64Array.from(advantages);
  const low = quantileSeq([...values], lower);
  const high = quantileSeq([...values], upper);
  return values.map((a) => Math.min(Math.max(a, low), high));
}

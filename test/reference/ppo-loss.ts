import { clampToQuantiles, normalizeAdvantages } from "./advantages.ts";

/** Statistics of a PPO minibatch; means over its rows. */
export interface PpoStatistics {
  /** mean max(−A ρ, −A clamp(ρ, 1 − ε, 1 + ε)). */
  readonly loss: number;
  /** mean (ρ − 1) − ln ρ. */
  readonly approxKl: number;
  /** Share of rows with |ρ − 1| > ε. */
  readonly clipFraction: number;
  /** mean ρ. */
  readonly ratio: number;
}

/**
 * The clipped objective on one log-probability a row, with ρ = exp(new − old).
 * dnew = ρ/R · (−A where the unclipped term is the larger, or ρ is inside the clip range; else 0).
 */
export function clippedObjective(
  newLogProb: ArrayLike<number>,
  oldLogProb: ArrayLike<number>,
  advantages: ArrayLike<number>,
  clipRange: (row: number) => number,
): PpoStatistics & { readonly dnew: Float64Array } {
  const R = newLogProb.length;
  let loss = 0;
  let approxKl = 0;
  let clipFraction = 0;
  let ratio = 0;
  const dnew = Float64Array.from(newLogProb, (value, row) => {
    const logRatio = value - oldLogProb[row]!;
    const rho = Math.exp(logRatio);
    const epsilon = clipRange(row);
    const advantage = advantages[row]!;
    const plain = -advantage * rho;
    const clipped = -advantage * Math.min(Math.max(rho, 1 - epsilon), 1 + epsilon);
    loss += Math.max(plain, clipped) / R;
    approxKl += (rho - 1 - logRatio) / R;
    clipFraction += (Math.abs(rho - 1) > epsilon ? 1 : 0) / R;
    ratio += rho / R;
    const isInside = rho >= 1 - epsilon && rho <= 1 + epsilon;
    return isInside || plain > clipped ? (-advantage * rho) / R : 0;
  });
  return { loss, approxKl, clipFraction, ratio, dnew };
}

/** Range to which log-probabilities are clamped before they are compared. */
export const logProbRange = [-5, 2] as const;

/** Clip range of transition j of K': ε₀ + (ε₁ − ε₀)(e^{κτ} − 1)/(e^κ − 1) with τ = j/(K' − 1); ε₁ where K' = 1. */
export function clipRangeOf(j: number, tunedStepCount: number, clip: PpoOptions["clip"]): number {
  if (tunedStepCount === 1) return clip.last;
  const tau = j / (tunedStepCount - 1);
  const share = clip.rate === 0 ? tau : Math.expm1(clip.rate * tau) / Math.expm1(clip.rate);
  return clip.first + (clip.last - clip.first) * share;
}

/** Options of {@link ppoLoss}. */
export interface PpoOptions {
  readonly horizon: number;
  readonly actionDim: number;
  /** Horizon entries that count. */
  readonly rewardHorizon: number;
  readonly tunedStepCount: number;
  readonly normalizeAdvantages: boolean;
  readonly lowerQuantile: number;
  readonly upperQuantile: number;
  /** Weight γ^(K' − 1 − j) of transition j. */
  readonly denoisingDiscount: number;
  /** Clip range of the noisiest (`first`) and the last transition, and how steeply it grows between. */
  readonly clip: { readonly first: number; readonly last: number; readonly rate: number };
}

/**
 * Spec 9.2 on elementwise log-probabilities [R, H, A] of R rows, each one transition j of one sample.
 * `advantages` has one entry a row (update form "step"), or one for every K' rows in a row ("chain").
 */
export function ppoLoss(
  newLogProb: ArrayLike<number>,
  oldLogProb: ArrayLike<number>,
  advantages: ArrayLike<number>,
  j: ArrayLike<number>,
  options: PpoOptions,
): PpoStatistics & { readonly dlogp: Float64Array; readonly weightedAdvantages: Float64Array } {
  const { horizon, actionDim, rewardHorizon, tunedStepCount } = options;
  const R = j.length;
  const width = horizon * actionDim;
  const counted = rewardHorizon * actionDim;
  const rowMeans = (logProb: ArrayLike<number>): Float64Array =>
    Float64Array.from({ length: R }, (_, row) => {
      let sum = 0;
      for (let k = 0; k < counted; k++) sum += clampLogProb(logProb[row * width + k]!);
      return sum / counted;
    });
  const normal = options.normalizeAdvantages ? normalizeAdvantages(advantages) : Float64Array.from(advantages);
  const clamped = clampToQuantiles(normal, options.lowerQuantile, options.upperQuantile);
  const repeats = R / advantages.length;
  const weightedAdvantages = Float64Array.from(
    { length: R },
    (_, row) => clamped[Math.floor(row / repeats)]! * options.denoisingDiscount ** (tunedStepCount - 1 - j[row]!),
  );
  const { dnew, ...statistics } = clippedObjective(
    rowMeans(newLogProb),
    rowMeans(oldLogProb),
    weightedAdvantages,
    (row) => clipRangeOf(j[row]!, tunedStepCount, options.clip),
  );
  const dlogp = new Float64Array(R * width);
  for (let row = 0; row < R; row++) {
    for (let k = 0; k < counted; k++) {
      dlogp[row * width + k] = (dnew[row]! / counted) * logProbGate(newLogProb[row * width + k]!);
    }
  }
  return { ...statistics, dlogp, weightedAdvantages };
}

/** −mean of the clamped log-probabilities over everything, and its gradient. */
export function cloningLoss(logProb: ArrayLike<number>): { loss: number; dlogp: Float64Array } {
  const n = logProb.length;
  let loss = 0;
  for (let i = 0; i < n; i++) loss -= clampLogProb(logProb[i]!) / n;
  return { loss, dlogp: Float64Array.from(logProb, (value) => -logProbGate(value) / n) };
}

export function clampLogProb(value: number): number {
  return Math.min(Math.max(value, logProbRange[0]), logProbRange[1]);
}

/** 1 where the clamp lets the gradient through, its bounds included. */
export function logProbGate(value: number): 0 | 1 {
  return value >= logProbRange[0] && value <= logProbRange[1] ? 1 : 0;
}

import { gaussianLogDensity } from "./gaussian-log-prob.ts";
import { elementEntropy } from "./gaussian-head.ts";

/** A mixture of M Gaussians on C elements for each of B rows: logits [B, M], mean and std [B, M, C]. */
export interface Mixture {
  readonly logits: ArrayLike<number>;
  readonly mean: ArrayLike<number>;
  readonly std: ArrayLike<number>;
  readonly M: number;
}

/** Gradients of a mixture. */
export interface MixtureGradient {
  readonly dlogits: Float64Array;
  readonly dmean: Float64Array;
  readonly dstd: Float64Array;
}

function softmax(values: readonly number[]): number[] {
  const top = Math.max(...values);
  const exps = values.map((value) => Math.exp(value - top));
  const sum = exps.reduce((total, value) => total + value, 0);
  return exps.map((value) => value / sum);
}

function logSumExp(values: readonly number[]): number {
  const top = Math.max(...values);
  return top + Math.log(values.reduce((total, value) => total + Math.exp(value - top), 0));
}

function rowLogits(mixture: Mixture, b: number): number[] {
  return Array.from({ length: mixture.M }, (_, m) => mixture.logits[b * mixture.M + m]!);
}

/** ln w_m + Σ_c ln N(x_c; mean_mc, std_mc²), for each component of row b. */
function componentScores(x: ArrayLike<number>, mixture: Mixture, b: number): number[] {
  const { mean, std, M } = mixture;
  const C = mean.length / mixture.logits.length;
  const logits = rowLogits(mixture, b);
  const logZ = logSumExp(logits);
  return logits.map((logit, m) => {
    let sum = logit - logZ;
    for (let c = 0; c < C; c++) {
      const i = (b * M + m) * C + c;
      sum += gaussianLogDensity(x[b * C + c]!, mean[i]!, std[i]!);
    }
    return sum;
  });
}

/** logp[b] = ln Σ_m w_m Π_c N(x[b,c]; mean[b,m,c], std[b,m,c]²) with w = softmax(logits). */
export function mixtureLogProb(x: ArrayLike<number>, mixture: Mixture): Float64Array {
  const B = mixture.logits.length / mixture.M;
  return Float64Array.from({ length: B }, (_, b) => logSumExp(componentScores(x, mixture, b)));
}

/**
 * With r the share of each component in the density: dlogits = dlogp (r − w), dmean = dlogp r (x − mean)/std²,
 * dstd = dlogp r ((x − mean)²/std³ − 1/std).
 */
export function mixtureLogProbBackward(
  dlogp: ArrayLike<number>,
  x: ArrayLike<number>,
  mixture: Mixture,
): MixtureGradient {
  const { mean, std, M } = mixture;
  const B = mixture.logits.length / M;
  const C = mean.length / (B * M);
  const dlogits = new Float64Array(B * M);
  const dmean = new Float64Array(mean.length);
  const dstd = new Float64Array(mean.length);
  for (let b = 0; b < B; b++) {
    const shares = softmax(componentScores(x, mixture, b));
    const weights = softmax(rowLogits(mixture, b));
    for (let m = 0; m < M; m++) {
      dlogits[b * M + m] = dlogp[b]! * (shares[m]! - weights[m]!);
      for (let c = 0; c < C; c++) {
        const i = (b * M + m) * C + c;
        const error = x[b * C + c]! - mean[i]!;
        dmean[i] = (dlogp[b]! * shares[m]! * error) / std[i]! ** 2;
        dstd[i] = dlogp[b]! * shares[m]! * (error ** 2 / std[i]! ** 3 - 1 / std[i]!);
      }
    }
  }
  return { dlogits, dmean, dstd };
}

/** Approximate entropy mean_b Σ_m w_m Σ_c (½ ln 2πe + ln std), with its gradient. */
export function mixtureEntropy(mixture: Mixture): { entropy: number; dlogits: Float64Array; dstd: Float64Array } {
  const { std, M } = mixture;
  const B = mixture.logits.length / M;
  const C = std.length / (B * M);
  const dlogits = new Float64Array(B * M);
  const dstd = new Float64Array(std.length);
  let entropy = 0;
  for (let b = 0; b < B; b++) {
    const weights = softmax(rowLogits(mixture, b));
    const entropies = weights.map((_, m) => {
      let sum = 0;
      for (let c = 0; c < C; c++) sum += elementEntropy(std[(b * M + m) * C + c]!);
      return sum;
    });
    const mean = weights.reduce((sum, weight, m) => sum + weight * entropies[m]!, 0);
    entropy += mean / B;
    for (let m = 0; m < M; m++) {
      dlogits[b * M + m] = (weights[m]! * (entropies[m]! - mean)) / B;
      for (let c = 0; c < C; c++) dstd[(b * M + m) * C + c] = weights[m]! / std[(b * M + m) * C + c]! / B;
    }
  }
  return { entropy, dlogits, dstd };
}

/** mean_b Σ_m w_m · mean_c std: the deviation that is reported. */
export function mixtureStd(mixture: Mixture): number {
  const { std, M } = mixture;
  const B = mixture.logits.length / M;
  const C = std.length / (B * M);
  let total = 0;
  for (let b = 0; b < B; b++) {
    for (const [m, weight] of softmax(rowLogits(mixture, b)).entries()) {
      for (let c = 0; c < C; c++) total += (weight * std[(b * M + m) * C + c]!) / (B * C);
    }
  }
  return total;
}

/**
 * A sample: the component is the first whose cumulated weight exceeds the uniform number u[b] (the last one where
 * rounding leaves none), then mean + std · z. Unlike the single Gaussian, nothing is clamped.
 */
export function mixtureSample(mixture: Mixture, u: ArrayLike<number>, z: ArrayLike<number>): Float64Array {
  const { mean, std, M } = mixture;
  const B = mixture.logits.length / M;
  const C = mean.length / (B * M);
  const out = new Float64Array(B * C);
  for (let b = 0; b < B; b++) {
    let cumulated = 0;
    const first = softmax(rowLogits(mixture, b)).findIndex((weight) => (cumulated += weight) > u[b]!);
    const m = first < 0 ? M - 1 : first;
    for (let c = 0; c < C; c++) {
      const i = (b * M + m) * C + c;
      out[b * C + c] = mean[i]! + std[i]! * z[b * C + c]!;
    }
  }
  return out;
}

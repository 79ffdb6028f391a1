import { DifftuneError } from "../core/errors.js";

/**
 * Tables of the DDPM process with K steps, index t = 0 (cleanest) to K − 1 (noisiest), in double precision. Kernels
 * take them rounded to 32 bits, each table once; deriving one 32-bit table from another loses up to 1e-5.
 */
export interface DdpmSchedule {
  /** β_t = clip(1 − f_{t+1}/f_t, 0, 0.999). */
  readonly betas: Float64Array;
  /** α_t = 1 − β_t. */
  readonly alphas: Float64Array;
  /** ᾱ_t = α_0 ⋯ α_t. */
  readonly alphasCumprod: Float64Array;
  /** ᾱ_{t−1}, with ᾱ_{−1} = 1. */
  readonly alphasCumprodPrevious: Float64Array;
  /** √ᾱ_t: what multiplies x0 in the forward process. */
  readonly sqrtAlphasCumprod: Float64Array;
  /** √(1 − ᾱ_t): what multiplies the noise in the forward process. */
  readonly sqrtOneMinusAlphasCumprod: Float64Array;
  /** √(1/ᾱ_t): what multiplies x_t in the estimate of x0. */
  readonly sqrtRecipAlphasCumprod: Float64Array;
  /** √(1/ᾱ_t − 1): what multiplies the predicted noise in the estimate of x0. */
  readonly sqrtRecipMinusOneAlphasCumprod: Float64Array;
  /** σ²_t = β_t (1 − ᾱ_{t−1})/(1 − ᾱ_t). */
  readonly posteriorVariance: Float64Array;
  /** ln max(σ²_t, 1e-20). */
  readonly posteriorLogVariance: Float64Array;
  /** β_t √ᾱ_{t−1}/(1 − ᾱ_t): what multiplies x0 in the posterior mean. */
  readonly meanFromX0: Float64Array;
  /** (1 − ᾱ_{t−1}) √α_t/(1 − ᾱ_t): what multiplies x_t in the posterior mean. */
  readonly meanFromX: Float64Array;
}

/** Tables of DDIM with n of K steps, index i = 0 (noisiest) to n − 1, the order in which the steps run. */
export interface DdimSchedule {
  /** τ_i = (n − 1 − i) ⌊K/n⌋: the time that the network is told. */
  readonly timesteps: Int32Array;
  /** a_i = ᾱ at τ_i. */
  readonly alphas: Float64Array;
  /** p_i = ᾱ at τ_{i+1}, 1 for the last step. */
  readonly alphasPrevious: Float64Array;
  /** σ_i = max(η √((1 − p_i)/(1 − a_i) · (1 − a_i/p_i)), 1e-10). */
  readonly sigmas: Float64Array;
  /** d_i = √max(1 − p_i − σ_i², 0): what multiplies the predicted noise in the mean. */
  readonly directions: Float64Array;
}

/**
 * One denoising step as the kernels take it; the two samplers differ only in numbers. With e the network output:
 *
 *     x0   = x0FromX · x − x0FromNoise · e        or x0 = e where the network predicts x0
 *     x0   = clamp(x0)
 *     e    = (x0FromX · x − x0)/x0FromNoise       DDIM with a clamp on x0 only; then clamp(e)
 *     mean = meanFromX0 · x0 + meanFromX · x + meanFromNoise · e
 */
export interface DenoisingStep {
  /** The time that the network is told. */
  readonly timestep: number;
  readonly x0FromX: number;
  readonly x0FromNoise: number;
  readonly meanFromX0: number;
  /** 0 for DDIM. */
  readonly meanFromX: number;
  /** 0 for DDPM. */
  readonly meanFromNoise: number;
  /** Standard deviation before any floor; at least 1e-10. */
  readonly std: number;
}

/** How a chain is denoised. */
export type Sampler =
  | { readonly kind: "ddpm" }
  | {
      readonly kind: "ddim";
      /** Number of executed steps n; 1 to K. */
      readonly stepCount: number;
      /** Share of the DDPM noise that is kept, 0 to 1: 1 while training and for likelihoods, 0 for deterministic sampling. */
      readonly eta: number;
    };

const cosineOffset = 0.008;
const largestBeta = 0.999;
const smallestStd = 1e-10;

/** The cosine schedule of Nichol and Dhariwal with K = `denoisingStepCount` steps and everything derived from it. */
export function ddpmSchedule(denoisingStepCount: number): DdpmSchedule {
  const K = denoisingStepCount;
  requireCount("denoisingStepCount", K, 1_000_000);
  // f_i = cos²(((i/K + s)/(1 + s)) · π/2); the common factor f_0 cancels in the ratios.
  const f = tabulate(K + 1, (i) => Math.cos((((i / K + cosineOffset) / (1 + cosineOffset)) * Math.PI) / 2) ** 2);
  const f0 = f[0]!;
  const betas = tabulate(K, (t) => Math.min(Math.max(1 - f[t + 1]! / f0 / (f[t]! / f0), 0), largestBeta));
  const alphas = betas.map((beta) => 1 - beta);
  let product = 1;
  const alphasCumprod = alphas.map((alpha) => (product *= alpha));
  const alphasCumprodPrevious = tabulate(K, (t) => (t === 0 ? 1 : alphasCumprod[t - 1]!));
  const posteriorVariance = tabulate(
    K,
    (t) => (betas[t]! * (1 - alphasCumprodPrevious[t]!)) / (1 - alphasCumprod[t]!),
  );
  return {
    betas,
    alphas,
    alphasCumprod,
    alphasCumprodPrevious,
    sqrtAlphasCumprod: alphasCumprod.map(Math.sqrt),
    sqrtOneMinusAlphasCumprod: alphasCumprod.map((a) => Math.sqrt(1 - a)),
    sqrtRecipAlphasCumprod: alphasCumprod.map((a) => Math.sqrt(1 / a)),
    sqrtRecipMinusOneAlphasCumprod: alphasCumprod.map((a) => Math.sqrt(1 / a - 1)),
    posteriorVariance,
    posteriorLogVariance: posteriorVariance.map((variance) => Math.log(Math.max(variance, smallestStd ** 2))),
    meanFromX0: tabulate(K, (t) => (betas[t]! * Math.sqrt(alphasCumprodPrevious[t]!)) / (1 - alphasCumprod[t]!)),
    meanFromX: tabulate(
      K,
      (t) => ((1 - alphasCumprodPrevious[t]!) * Math.sqrt(alphas[t]!)) / (1 - alphasCumprod[t]!),
    ),
  };
}

/** DDIM with "leading" spacing over the cosine schedule: `stepCount` steps of `denoisingStepCount`, noise share `eta`. */
export function ddimSchedule(denoisingStepCount: number, stepCount: number, eta: number): DdimSchedule {
  const { alphasCumprod } = ddpmSchedule(denoisingStepCount);
  requireCount("stepCount", stepCount, denoisingStepCount);
  if (!(eta >= 0 && eta <= 1)) {
    throw new DifftuneError("OPTION", "eta must be a number from 0 to 1.", { got: eta });
  }
  const spacing = Math.floor(denoisingStepCount / stepCount);
  const timesteps = Int32Array.from({ length: stepCount }, (_, i) => (stepCount - 1 - i) * spacing);
  const alphas = Float64Array.from(timesteps, (t) => alphasCumprod[t]!);
  const alphasPrevious = tabulate(stepCount, (i) => (i === stepCount - 1 ? 1 : alphas[i + 1]!));
  const sigmas = tabulate(stepCount, (i) => {
    const a = alphas[i]!;
    const p = alphasPrevious[i]!;
    return Math.max(eta * Math.sqrt(((1 - p) / (1 - a)) * (1 - a / p)), smallestStd);
  });
  const directions = tabulate(stepCount, (i) => Math.sqrt(Math.max(1 - alphasPrevious[i]! - sigmas[i]! ** 2, 0)));
  return { timesteps, alphas, alphasPrevious, sigmas, directions };
}

/** The steps of one chain in the order in which they run, noisiest first. */
export function denoisingSteps(denoisingStepCount: number, sampler: Sampler): DenoisingStep[] {
  if (sampler.kind === "ddpm") {
    const tables = ddpmSchedule(denoisingStepCount);
    return Array.from({ length: denoisingStepCount }, (_, i) => {
      const t = denoisingStepCount - 1 - i;
      return {
        timestep: t,
        x0FromX: tables.sqrtRecipAlphasCumprod[t]!,
        x0FromNoise: tables.sqrtRecipMinusOneAlphasCumprod[t]!,
        meanFromX0: tables.meanFromX0[t]!,
        meanFromX: tables.meanFromX[t]!,
        meanFromNoise: 0,
        std: Math.exp(0.5 * tables.posteriorLogVariance[t]!),
      };
    });
  }
  const tables = ddimSchedule(denoisingStepCount, sampler.stepCount, sampler.eta);
  return Array.from({ length: sampler.stepCount }, (_, i) => {
    const a = tables.alphas[i]!;
    return {
      timestep: tables.timesteps[i]!,
      x0FromX: 1 / Math.sqrt(a),
      x0FromNoise: Math.sqrt(1 - a) / Math.sqrt(a),
      meanFromX0: Math.sqrt(tables.alphasPrevious[i]!),
      meanFromX: 0,
      meanFromNoise: tables.directions[i]!,
      std: tables.sigmas[i]!,
    };
  });
}

/** Smallest standard deviation of deterministic DDPM sampling, except in its last step. */
const deterministicFloor = 1e-3;

/**
 * Standard deviation with which a step is sampled. Stochastic: the floor applies to every step. Deterministic DDPM still
 * injects the posterior noise, at least 1e-3, and none in the last step; deterministic DDIM injects none.
 */
export function samplingStd(step: DenoisingStep, kind: Sampler["kind"], mode: "deterministic" | { readonly floor: number }): number {
  if (mode !== "deterministic") return Math.max(step.std, mode.floor);
  return kind === "ddim" || step.timestep === 0 ? 0 : Math.max(step.std, deterministicFloor);
}

function tabulate(length: number, value: (index: number) => number): Float64Array {
  return Float64Array.from({ length }, (_, index) => value(index));
}

function requireCount(name: string, value: number, largest: number): void {
  if (!Number.isSafeInteger(value) || value < 1 || value > largest) {
    throw new DifftuneError("OPTION", `${name} must be a whole number from 1 to ${largest}.`, { got: value });
  }
}

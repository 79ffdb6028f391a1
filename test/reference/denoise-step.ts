import { samplingStd, type DenoisingStep, type Sampler } from "../../src/diffusion/schedule.ts";

/** What a step clips and what its network predicts. `null` clips nothing. */
export interface StepOptions {
  readonly sampler: Sampler["kind"];
  /** `noise` (ε) or `sample` (x0); the latter with DDPM only. */
  readonly prediction: "noise" | "sample";
  readonly x0Clip: number | null;
  /** DDIM only. */
  readonly noiseClip: number | null;
}

/**
 * Mean of one reverse step, per element, with `e` the network output:
 *
 *     x0 = A x − B e  (or e), clamped;  DDIM: e = (A x − x0)/B when x0 is clamped, then e clamped
 *     mean = p x0 + q x + r e
 */
export function denoiseMean(
  x: ArrayLike<number>,
  output: ArrayLike<number>,
  step: DenoisingStep,
  options: StepOptions,
): Float64Array {
  return Float64Array.from(x, (_, i) => meanAndSlope(x[i]!, output[i]!, step, options).mean);
}

/**
 * doutput[i] = dmean[i] · ∂mean[i]/∂e[i]. A clamp passes the gradient where the value is inside, bounds included. With
 * x0 = A x − B e unclamped, the re-derived noise is e again; with x0 clamped it is a constant.
 */
export function denoiseMeanBackward(
  dmean: ArrayLike<number>,
  x: ArrayLike<number>,
  output: ArrayLike<number>,
  step: DenoisingStep,
  options: StepOptions,
): Float64Array {
  return Float64Array.from(x, (_, i) => dmean[i]! * meanAndSlope(x[i]!, output[i]!, step, options).slope);
}

/** dx[i] = dmean[i] · ∂mean[i]/∂x[i], the network output being held. */
export function denoiseMeanBackwardInput(
  dmean: ArrayLike<number>,
  x: ArrayLike<number>,
  output: ArrayLike<number>,
  step: DenoisingStep,
  options: StepOptions,
): Float64Array {
  return Float64Array.from(x, (_, i) => dmean[i]! * meanAndSlope(x[i]!, output[i]!, step, options).slopeOfX);
}

function meanAndSlope(x: number, e: number, step: DenoisingStep, options: StepOptions): { mean: number; slope: number; slopeOfX: number } {
  const raw = options.prediction === "noise" ? step.x0FromX * x - step.x0FromNoise * e : e;
  const rawSlope = options.prediction === "noise" ? -step.x0FromNoise : 1;
  const [x0, x0Gate] = clamp(raw, options.x0Clip);
  const x0Slope = rawSlope * x0Gate;
  const x0SlopeOfX = options.prediction === "noise" ? step.x0FromX * x0Gate : 0;
  let noise = e;
  let noiseSlope = 1;
  let noiseSlopeOfX = 0;
  if (options.sampler === "ddim" && options.x0Clip !== null) {
    noise = (step.x0FromX * x - x0) / step.x0FromNoise;
    noiseSlope = -x0Slope / step.x0FromNoise;
    noiseSlopeOfX = (step.x0FromX - x0SlopeOfX) / step.x0FromNoise;
  }
  if (options.sampler === "ddim") {
    const [clamped, gate] = clamp(noise, options.noiseClip);
    noise = clamped;
    noiseSlope *= gate;
    noiseSlopeOfX *= gate;
  }
  return {
    mean: step.meanFromX0 * x0 + step.meanFromX * x + step.meanFromNoise * noise,
    slope: step.meanFromX0 * x0Slope + step.meanFromNoise * noiseSlope,
    slopeOfX: step.meanFromX0 * x0SlopeOfX + step.meanFromX + step.meanFromNoise * noiseSlopeOfX,
  };
}

/** The clamped value and 1 where it moves with the input, else 0. */
function clamp(value: number, limit: number | null): readonly [number, 0 | 1] {
  if (limit === null || Math.abs(value) <= limit) return [value, 1];
  return [Math.sign(value) * limit, 0];
}

/** Options of {@link denoiseChain}. */
export interface ChainOptions extends StepOptions {
  /** `deterministic`, or the floor of the standard deviation. */
  readonly mode: "deterministic" | { readonly floor: number };
  /** Every noise tensor but the first is clamped to ± this. */
  readonly noiseDrawClip: number;
  /** The last x is clamped to ± this. */
  readonly finalClip: number | null;
  /** Steps at the end that belong to the tuned network, K'. */
  readonly tunedStepCount: number;
}

/**
 * A whole chain: x starts at noise[0]; step i makes x = mean + std · clamp(noise[1 + i]). The record holds the input of
 * the first tuned step and the output of every tuned step, [B, K' + 1, C], the last one after the final clamp.
 */
export function denoiseChain(
  noise: ArrayLike<number>,
  B: number,
  C: number,
  steps: readonly DenoisingStep[],
  options: ChainOptions,
  network: (x: Float64Array, timestep: number, isTuned: boolean) => ArrayLike<number>,
): { x: Float64Array; chain: Float64Array } {
  const size = B * C;
  const tuned = options.tunedStepCount;
  const firstTuned = steps.length - tuned;
  const chain = new Float64Array(B * (tuned + 1) * C);
  const record = (x: Float64Array, slot: number): void => {
    for (let b = 0; b < B; b++) chain.set(x.subarray(b * C, (b + 1) * C), (b * (tuned + 1) + slot) * C);
  };
  let x = Float64Array.from({ length: size }, (_, i) => noise[i]!);
  if (firstTuned === 0) record(x, 0);
  for (const [i, step] of steps.entries()) {
    const mean = denoiseMean(x, network(x, step.timestep, i >= firstTuned), step, options);
    const std = samplingStd(step, options.sampler, options.mode);
    x = mean.map((value, j) => value + std * clamp(noise[(1 + i) * size + j]!, options.noiseDrawClip)[0]);
    if (i === steps.length - 1) x = x.map((value) => clamp(value, options.finalClip)[0]);
    const slot = i + 1 - firstTuned;
    if (slot >= 0) record(x, slot);
  }
  return { x, chain };
}

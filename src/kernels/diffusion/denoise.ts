import { anyKernel, defineKernel, noLimit } from "../../engine/kernel-spec.js";
import type { Launch, ProgramRecorder } from "../../engine/program.js";
import type { Tensor } from "../../engine/tensor.js";

/**
 * Numbers in a row of the schedule tensor [steps, 8]: x0FromX, x0FromNoise, meanFromX0, meanFromX, meanFromNoise, std, 0, 0.
 * One row is one reverse step, DDPM (meanFromNoise 0) and DDIM (meanFromX 0) alike.
 */
export const scheduleWidth = 8;

/** One reverse step of all rows, with the chain record. */
export const denoiseStepSpec = defineKernel({
  name: "diffusion/denoise_step",
  lib: ["index", "denoise"],
  params: {
    rows: "u32",
    width: "u32",
    steps: "u32",
    step: "u32",
    sigma: "f32",
    x0Clip: "f32",
    epsClip: "f32",
    randnClip: "f32",
    finalClip: "f32",
    predictEpsilon: "u32",
    noiseOffset: "u32",
    chainSlots: "u32",
    chainSlot: "u32",
    chainInputSlot: "u32",
  },
  buffers: {
    x: { access: "read", length: (p) => p.rows * p.width, rows: true },
    network: { access: "read", length: (p) => p.rows * p.width, rows: true },
    noise: { access: "read", length: (p) => p.noiseOffset + p.rows * p.width },
    schedule: { access: "read", length: (p) => p.steps * scheduleWidth },
    xNext: { access: "write", length: (p) => p.rows * p.width, rows: true },
    chain: { access: "readwrite", length: (p) => p.rows * p.chainSlots * p.width, rows: true, optional: true },
  },
  units: (p) => p.rows,
  entryPoints: { main: (p) => [Math.ceil((p.rows * p.width) / 256)] },
  check: (p) => (p.step >= p.steps ? `step ${p.step} is beyond a schedule of ${p.steps}.` : p.sigma < 0 ? `the standard deviation is ${p.sigma}.` : undefined),
});

const meanParams = { rows: "u32", width: "u32", steps: "u32", predictEpsilon: "u32", x0Clip: "f32", epsClip: "f32" } as const;

/** Means of reverse steps, each row at its own step. */
export const denoiseMeanSpec = defineKernel({
  name: "diffusion/denoise_mean",
  lib: ["index", "denoise"],
  params: meanParams,
  buffers: {
    x: { access: "read", length: (p) => p.rows * p.width, rows: true },
    network: { access: "read", length: (p) => p.rows * p.width, rows: true },
    step: { access: "read", dtype: "u32", length: (p) => p.rows, rows: true },
    schedule: { access: "read", length: (p) => p.steps * scheduleWidth },
    mean: { access: "write", length: (p) => p.rows * p.width, rows: true },
  },
  units: (p) => p.rows,
  entryPoints: { main: (p) => [Math.ceil((p.rows * p.width) / 256)] },
});

/** Gradient of the means with respect to the network output, and to x where wanted. */
export const denoiseMeanBackwardSpec = defineKernel({
  name: "diffusion/denoise_mean_backward",
  lib: ["index", "denoise"],
  params: { ...meanParams, hasDx: "u32" },
  buffers: {
    dmean: { access: "read", length: (p) => p.rows * p.width, rows: true },
    x: { access: "read", length: (p) => p.rows * p.width, rows: true },
    network: { access: "read", length: (p) => p.rows * p.width, rows: true },
    step: { access: "read", dtype: "u32", length: (p) => p.rows, rows: true },
    schedule: { access: "read", length: (p) => p.steps * scheduleWidth },
    dnetwork: { access: "write", length: (p) => p.rows * p.width, rows: true },
    dx: { access: "write", length: (p) => p.rows * p.width, rows: true, optional: true },
  },
  units: (p) => p.rows,
  entryPoints: { main: (p) => [Math.ceil((p.rows * p.width) / 256)] },
});

/** What a reverse step clips, and what its network predicts. */
export interface DenoiseOptions {
  /** Clean samples are held within ± this; null clips nothing. */
  readonly x0Clip: number | null;
  /** The noise inside the mean of DDIM is held within ± this; null clips nothing. */
  readonly epsClip: number | null;
  /** True where the network predicts the noise, false where it predicts the clean sample. */
  readonly predictEpsilon: boolean;
}

/** Options of {@link denoiseStep}. */
export interface DenoiseStepOptions extends DenoiseOptions {
  readonly rows: number;
  /** Elements of a row, H · A. */
  readonly width: number;
  /** Row of the schedule. */
  readonly step: number;
  /** Standard deviation of this step after floors; 0 injects no noise. */
  readonly std: number;
  /** Noise is held within ± this before it is scaled; null clips nothing. */
  readonly randnClip: number | null;
  /** The result is held within ± this; null clips nothing. */
  readonly finalClip?: number | null;
  /** First element of `noise` that this step takes. Default 0. */
  readonly noiseOffset?: number;
  /** Latents that a chain holds, K' + 1. Needed with a chain. */
  readonly chainSlots?: number;
  /** Where in the chain the result goes; null or left out: nowhere. */
  readonly chainSlot?: number | null;
  /** Where in the chain x itself goes; null or left out: nowhere. */
  readonly chainInputSlot?: number | null;
}

/**
 * Records one reverse step of all rows: xNext = clamp(mean + std · clamp(noise, ±randnClip), ±finalClip). What is stored in
 * the chain [rows, chainSlots, width] is the result after the final clip. `update` changes sigma (the standard deviation), step, clips or offsets.
 */
export function denoiseStep(
  program: ProgramRecorder,
  buffers: {
    readonly x: Tensor;
    readonly network: Tensor;
    readonly noise: Tensor;
    readonly schedule: Tensor;
    readonly xNext: Tensor;
    readonly chain?: Tensor | undefined;
  },
  options: DenoiseStepOptions,
): Launch<typeof denoiseStepSpec.params> {
  const chainSlots = buffers.chain === undefined ? 0 : (options.chainSlots ?? 0);
  return program.launch(denoiseStepSpec, {
    ...meanValues(buffers.schedule, options),
    step: options.step,
    sigma: options.std,
    randnClip: options.randnClip ?? noLimit,
    finalClip: options.finalClip ?? noLimit,
    noiseOffset: options.noiseOffset ?? 0,
    chainSlots,
    chainSlot: options.chainSlot ?? chainSlots,
    chainInputSlot: options.chainInputSlot ?? chainSlots,
  }, buffers);
}

/** Records the mean of the reverse step `step[b]` of each row, for likelihoods and updates. */
export function denoiseMean(
  program: ProgramRecorder,
  buffers: { readonly x: Tensor; readonly network: Tensor; readonly step: Tensor; readonly schedule: Tensor; readonly mean: Tensor },
  options: DenoiseOptions & { readonly rows: number; readonly width: number },
): void {
  program.launch(denoiseMeanSpec, meanValues(buffers.schedule, options), buffers);
}

/** Records dnetwork (and dx where given) of {@link denoiseMean}. A clip passes the gradient where the value is inside, bounds included. */
export function denoiseMeanBackward(
  program: ProgramRecorder,
  buffers: {
    readonly dmean: Tensor;
    readonly x: Tensor;
    readonly network: Tensor;
    readonly step: Tensor;
    readonly schedule: Tensor;
    readonly dnetwork: Tensor;
    readonly dx?: Tensor | undefined;
  },
  options: DenoiseOptions & { readonly rows: number; readonly width: number },
): void {
  const hasDx = buffers.dx === undefined ? 0 : 1;
  program.launch(denoiseMeanBackwardSpec, { ...meanValues(buffers.schedule, options), hasDx }, buffers);
}

function meanValues(schedule: Tensor, options: DenoiseOptions & { readonly rows: number; readonly width: number }) {
  return {
    rows: options.rows,
    width: options.width,
    steps: Math.floor(schedule.length / scheduleWidth),
    predictEpsilon: options.predictEpsilon ? 1 : 0,
    x0Clip: options.x0Clip ?? noLimit,
    epsClip: options.epsClip ?? noLimit,
  };
}

/** Kernels of this file. */
export const denoiseKernels = [anyKernel(denoiseStepSpec), anyKernel(denoiseMeanSpec), anyKernel(denoiseMeanBackwardSpec)];

import * as v from "valibot";
import { DifftuneError } from "../core/errors.js";
import { finiteNumber, parseOptions, positiveNumber, wholeNumber } from "../core/options.js";
import type { Device } from "../engine/device.js";
import type { Tensor } from "../engine/tensor.js";
import { scheduleWidth } from "../kernels/diffusion/denoise.js";
import { ddpmSchedule, denoisingSteps, samplingStd, type DenoisingStep, type Sampler } from "./schedule.js";

/** Options of a diffusion process: what the network was trained for and how chains are drawn. */
export interface ProcessOptions {
  /** K: steps of the forward process. */
  readonly denoisingSteps: number;
  /** Default DDPM with all K steps. */
  readonly sampler?: Sampler;
  /** The network predicts the noise (true, default) or the clean chunk (false; DDPM only). */
  readonly predictsNoise?: boolean;
  /** Clamp of the estimate of the clean chunk; null for none. Default 1. */
  readonly x0Clip?: number | null;
  /** Clamp of the noise estimate, DDIM only; null for none. Default null. */
  readonly noiseClip?: number | null;
  /** Clamp of each drawn normal before it is scaled (the initial one is never clamped). Default 3. */
  readonly drawClip?: number;
  /** Clamp of the final chunk; null for none. Default null. */
  readonly finalClip?: number | null;
  /** Smallest standard deviation of stochastic sampling (the paper's exploration floor). Default 0.1. */
  readonly minSamplingStd?: number;
  /** Smallest standard deviation in likelihoods. Default 0.1. */
  readonly minLogProbStd?: number;
}

const stepCount = wholeNumber(1, 1_000_000);
const clip = v.nullable(positiveNumber());
const smallestStd = finiteNumber(0, 1000);

/** The schema of {@link ProcessOptions}. */
export const processSchema = v.pipe(
  v.strictObject({
    denoisingSteps: v.pipe(stepCount, v.description("K: steps of the forward process.")),
    sampler: v.optional(v.variant("kind", [
      v.strictObject({ kind: v.literal("ddpm") }),
      v.strictObject({ kind: v.literal("ddim"), stepCount: v.pipe(stepCount, v.description("Steps that are executed.")), eta: v.pipe(finiteNumber(0, 1), v.description("Share of noise; 1 as DDPM, 0 none.")) }),
    ], "It must have the kind \"ddpm\" or \"ddim\"."), { kind: "ddpm" }),
    predictsNoise: v.optional(v.pipe(v.boolean("It must be true or false."), v.description("The network predicts the noise, or else the clean chunk (DDPM only).")), true),
    x0Clip: v.optional(v.pipe(clip, v.description("Clamp of the estimate of the clean chunk.")), 1),
    noiseClip: v.optional(v.pipe(clip, v.description("Clamp of the noise estimate, DDIM only.")), null),
    drawClip: v.optional(v.pipe(positiveNumber(), v.description("Clamp of each drawn normal but the first.")), 3),
    finalClip: v.optional(v.pipe(clip, v.description("Clamp of the final chunk.")), null),
    minSamplingStd: v.optional(v.pipe(smallestStd, v.description("Smallest deviation of stochastic sampling.")), 0.1),
    minLogProbStd: v.optional(v.pipe(smallestStd, v.description("Smallest deviation in likelihoods.")), 0.1),
  } satisfies Record<keyof ProcessOptions, v.GenericSchema>),
  v.check(
    ({ sampler, denoisingSteps: all }) => sampler.kind === "ddpm" || sampler.stepCount <= all,
    "option sampler.stepCount must not be above denoisingSteps.",
  ),
  v.check(
    ({ sampler, predictsNoise }) => sampler.kind === "ddpm" || predictsNoise,
    "DDIM needs a network that predicts the noise; use the DDPM sampler with predictsNoise: false.",
  ),
);

/** Tables of a process on a device; freed by whoever asked for them. */
export interface ProcessTables {
  /** One row a step in the order of execution, noisiest first: the coefficients that kernels read. */
  readonly schedule: Tensor;
  /** u32 times that the network is told, in the order of execution. */
  readonly times: Tensor;
}

/** A diffusion process with its options filled in: the numbers of spec 1.1 to 1.5, on the host. */
export class DiffusionProcess {
  readonly denoisingSteps: number;
  readonly sampler: Sampler;
  readonly predictsNoise: boolean;
  readonly x0Clip: number | null;
  readonly noiseClip: number | null;
  readonly drawClip: number;
  readonly finalClip: number | null;
  readonly minSamplingStd: number;
  readonly minLogProbStd: number;
  /** Executed steps, noisiest first, as sampled stochastically and as likelihoods see them. */
  readonly steps: readonly DenoisingStep[];
  /** The same for deterministic sampling: DDIM without noise has other coefficients (eta 0), DDPM the same. */
  readonly deterministicSteps: readonly DenoisingStep[];

  constructor(options: ProcessOptions) {
    const resolved = parseOptions(processSchema, options, "DiffusionProcess");
    this.denoisingSteps = resolved.denoisingSteps;
    this.sampler = resolved.sampler;
    this.predictsNoise = resolved.predictsNoise;
    this.x0Clip = resolved.x0Clip;
    this.noiseClip = resolved.noiseClip;
    this.drawClip = resolved.drawClip;
    this.finalClip = resolved.finalClip;
    this.minSamplingStd = resolved.minSamplingStd;
    this.minLogProbStd = resolved.minLogProbStd;
    this.steps = denoisingSteps(this.denoisingSteps, this.sampler);
    this.deterministicSteps = this.sampler.kind === "ddim"
      ? denoisingSteps(this.denoisingSteps, { ...this.sampler, eta: 0 })
      : this.steps;
  }

  /** n: steps that one chain executes. */
  get stepCount(): number {
    return this.steps.length;
  }

  /** Standard deviation with which step `index` is sampled. */
  samplingStd(index: number, isDeterministic: boolean): number {
    const step = (isDeterministic ? this.deterministicSteps : this.steps)[index];
    if (step === undefined) throw new DifftuneError("INVARIANT", `There is no step ${index}.`);
    return samplingStd(step, this.sampler.kind, isDeterministic ? "deterministic" : { floor: this.minSamplingStd });
  }

  /** Puts the tables of the executed steps on a device. */
  tables(device: Device, options: { readonly isDeterministic?: boolean } = {}): ProcessTables {
    const steps = options.isDeterministic === true ? this.deterministicSteps : this.steps;
    const rows = new Float32Array(steps.length * scheduleWidth);
    for (const [index, step] of steps.entries()) {
      rows.set([
        step.x0FromX, step.x0FromNoise, step.meanFromX0, step.meanFromX, step.meanFromNoise, step.std,
      ], index * scheduleWidth);
    }
    return {
      schedule: device.tensor([steps.length, scheduleWidth], { label: "schedule", data: rows }),
      times: device.tensor([steps.length], { label: "step times", dtype: "u32", data: steps.map(({ timestep }) => timestep) }),
    };
  }

  /** Puts sqrt(abar_t), sqrt(1 - abar_t) for every time t on a device: the table of forward noising. */
  noisingTable(device: Device): Tensor {
    const { sqrtAlphasCumprod, sqrtOneMinusAlphasCumprod } = ddpmSchedule(this.denoisingSteps);
    const rows = Array.from(sqrtAlphasCumprod).flatMap((signal, t) => [signal, sqrtOneMinusAlphasCumprod[t] ?? 0]);
    return device.tensor([this.denoisingSteps, 2], { label: "noising table", data: rows });
  }
}

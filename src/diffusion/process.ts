import { DifftuneError } from "../core/errors.js";
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
    this.denoisingSteps = options.denoisingSteps;
    this.sampler = options.sampler ?? { kind: "ddpm" };
    this.predictsNoise = options.predictsNoise ?? true;
    this.x0Clip = options.x0Clip === undefined ? 1 : options.x0Clip;
    this.noiseClip = options.noiseClip ?? null;
    this.drawClip = options.drawClip ?? 3;
    this.finalClip = options.finalClip ?? null;
    this.minSamplingStd = options.minSamplingStd ?? 0.1;
    this.minLogProbStd = options.minLogProbStd ?? 0.1;
    if (this.sampler.kind === "ddim" && !this.predictsNoise) {
      throw new DifftuneError("OPTION", "DDIM needs a network that predicts the noise.", {
        hint: "Use the DDPM sampler with predictsNoise: false.",
      });
    }
    const positive = { x0Clip: this.x0Clip, noiseClip: this.noiseClip, drawClip: this.drawClip, finalClip: this.finalClip };
    for (const [name, value] of Object.entries(positive)) {
      if (value !== null && !(value > 0 && Number.isFinite(value))) {
        throw new DifftuneError("OPTION", `${name} must be a positive number${name === "drawClip" ? "" : " or null"}.`, { got: value });
      }
    }
    for (const [name, value] of Object.entries({ minSamplingStd: this.minSamplingStd, minLogProbStd: this.minLogProbStd })) {
      if (!(value >= 0 && Number.isFinite(value))) {
        throw new DifftuneError("OPTION", `${name} must be a number from 0.`, { got: value });
      }
    }
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

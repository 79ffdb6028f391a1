import { DifftuneError } from "../core/errors.js";
import type { ProgramRecorder } from "../engine/program.js";
import type { Tensor } from "../engine/tensor.js";
import { denoiseStep } from "../kernels/diffusion/denoise.js";
import { affineColumns } from "../kernels/nn/affine-columns.js";
import type { Denoiser, DenoiserSteps } from "../nn/denoiser.js";
import type { DiffusionProcess, ProcessTables } from "./process.js";

/** Tensors of a sampling. B rows, n executed steps, K' tuned steps, width = horizon x action size. */
export interface SamplingTensors {
  /** Parameters for the first n - K' steps; may be left out when K' = n. */
  readonly frozen?: Tensor | undefined;
  /** Parameters for the last K' steps; may be left out when K' = 0. */
  readonly tuned?: Tensor | undefined;
  /** Flattened observation stacks [B, conditionWidth]. */
  readonly state: Tensor;
  /** Normals [n + 1, E, width], E the drawn rows: the initial latent, then one draw a step, before any clamp. */
  readonly noise: Tensor;
  /** Receives the sampled chunks [B, width]. */
  readonly chunk: Tensor;
  /** Receives the last R transitions [B, R + 1, width], noisiest first (spec 1.7); R is K' unless told otherwise. */
  readonly chain?: Tensor | undefined;
}

/** Options of {@link recordSampling}. */
export interface SamplingOptions {
  readonly rows: number;
  /** Which of the drawn rows are sampled: `from` on, of `of`. Default: all of them. A part of a batch gets the noise it has in the whole. */
  readonly drawn?: { readonly from: number; readonly of: number };
  /** K': steps at the end of the chain that the tuned parameters run. */
  readonly tunedSteps: number;
  /** R: transitions at the end of the chain that are recorded. Default K'. */
  readonly recordedSteps?: number;
  /** Deterministic in the sense of spec 1.5: DDPM still draws its posterior noise. */
  readonly isDeterministic: boolean;
}

/**
 * Records a whole denoising chain of a batch: one program, no read-back (spec 1.5 to 1.7). Gives the latents [B, width] that
 * the steps started from, noisiest first.
 */
export function recordSampling(
  program: ProgramRecorder,
  denoiser: Denoiser,
  process: DiffusionProcess,
  tables: ProcessTables,
  tensors: SamplingTensors,
  options: SamplingOptions,
): readonly Tensor[] {
  const { rows, tunedSteps, recordedSteps = tunedSteps, isDeterministic } = options;
  const { width } = denoiser;
  const n = process.stepCount;
  const { from, of } = options.drawn ?? { from: 0, of: rows };
  for (const [name, steps] of Object.entries({ tunedSteps, recordedSteps })) {
    if (!Number.isSafeInteger(steps) || steps < 0 || steps > n) {
      throw new DifftuneError("OPTION", `${name} must be a whole number from 0 to the ${n} executed steps.`, { path: name, got: steps });
    }
  }
  const prepared = new Map<Tensor, DenoiserSteps>();
  const network = (step: number): DenoiserSteps => {
    const isTuned = step >= n - tunedSteps;
    const values = isTuned ? tensors.tuned : tensors.frozen;
    if (values === undefined) {
      throw new DifftuneError("OPTION", `Step ${step} of ${n} has no parameters.`, {
        hint: "The frozen parameters run the first n - K' steps, the tuned ones the last K'.",
      });
    }
    let steps = prepared.get(values);
    if (steps === undefined) {
      const range = tensors.frozen === tensors.tuned ? { from: 0, to: n }
        : isTuned ? { from: n - tunedSteps, to: n } : { from: 0, to: n - tunedSteps };
      steps = denoiser.prepare(program, values, tensors.state, tables.times, rows, range);
      prepared.set(values, steps);
    }
    return steps;
  };

  const chain = recordedSteps > 0 ? tensors.chain : undefined;
  const slots = recordedSteps + 1;
  let x = program.temporary([rows, width], "latent");
  affineColumns(program, { src: tensors.noise, dst: x }, { rows, columns: width, srcOffset: from * width });
  const latents: Tensor[] = [];
  for (let step = 0; step < n; step++) {
    latents.push(x);
    const isLast = step === n - 1;
    const prediction = network(step)(x, step);
    const next = isLast ? tensors.chunk : program.temporary([rows, width], `latent ${step + 1}`);
    // Slot 0 holds the input of the first recorded step, slot j + 1 what its j-th gives.
    const slot = step - (n - recordedSteps) + 1;
    denoiseStep(program, {
      x,
      network: prediction,
      noise: tensors.noise,
      schedule: tables.schedule,
      xNext: next,
      chain: slot >= 0 ? chain : undefined,
    }, {
      rows,
      width,
      step,
      std: process.samplingStd(step, isDeterministic),
      x0Clip: process.x0Clip,
      epsClip: process.noiseClip,
      randnClip: process.drawClip,
      finalClip: isLast ? process.finalClip : null,
      predictEpsilon: process.predictsNoise,
      noiseOffset: ((step + 1) * of + from) * width,
      chainSlots: slots,
      chainSlot: slot >= 0 ? slot : null,
      // Where every step is recorded, the initial latent is recorded beside the first step's result.
      chainInputSlot: step === 0 && slot === 1 ? 0 : null,
    });
    x = next;
  }
  return latents;
}

import type { ProgramRecorder } from "../engine/program.js";
import type { Tensor } from "../engine/tensor.js";
import { denoiseMeanBackward } from "../kernels/diffusion/denoise.js";
import { clampBackward } from "../kernels/nn/clamp.js";
import { accumulate } from "../kernels/optim/ema.js";
import type { Denoiser } from "../nn/denoiser.js";
import { accumulateGradients } from "../nn/trained.js";
import type { DiffusionProcess, ProcessTables } from "./process.js";
import { recordSampling } from "./sampling.js";

/** Sampled chunks and the way back to the parameters that sampled them. */
export interface SamplingTape {
  /** [rows, width] */
  readonly chunk: Tensor;
  /** Records the way back through every denoising step: *adds* to the flat gradients the gradient of a loss of the chunks. */
  backward(dChunk: Tensor): void;
}

/** The largest number of 32 bits below a positive one. */
function nextBelow(value: number): number {
  const bits = new Uint32Array(Float32Array.of(value).buffer);
  bits[0] = (bits[0] ?? 1) - 1;
  return new Float32Array(bits.buffer)[0] ?? 0;
}

/**
 * Records a stochastic sampling of one network that can be gone back (spec 12.5). Only the latents are kept: each step is
 * evaluated again on the way back, so that memory does not grow with their number times the network's size.
 */
export function forwardSampling(
  program: ProgramRecorder,
  denoiser: Denoiser,
  process: DiffusionProcess,
  tables: ProcessTables,
  tensors: {
    readonly values: Tensor;
    readonly gradients: Tensor;
    /** Flattened observation stacks [rows, conditionWidth]. */
    readonly state: Tensor;
    /** Normals [n + 1, rows, width]. */
    readonly noise: Tensor;
  },
  rows: number,
): SamplingTape {
  const { width } = denoiser;
  const { values, gradients, state, noise } = tensors;
  const chunk = program.temporary([rows, width], "sampled chunks");
  const latents = recordSampling(program, denoiser, process, tables, { frozen: values, state, noise, chunk }, {
    rows, tunedSteps: 0, isDeterministic: false,
  });
  const everyRow = (value: number, label: string): Tensor => program.constant(new Uint32Array(rows).fill(value), label, "u32");
  return {
    chunk,
    backward: (dChunk) => {
      let dNext = dChunk;
      if (process.finalClip !== null) {
        dNext = program.temporary([rows, width], "clipped chunk gradient");
        // The chunk is known after its clamp only: what stands at the bound was beyond it.
        clampBackward(program, { x: chunk, dy: dChunk, dx: dNext }, { count: rows * width, limit: nextBelow(process.finalClip) });
      }
      for (const [step, x] of [...latents.entries()].reverse()) {
        // x_next = mean(x, net(x)) + noise: the gradient of x comes by both ways.
        const time = everyRow(process.steps[step]?.timestep ?? 0, `time ${step}`);
        const stepGradients = program.temporary([denoiser.layout.length], "step gradients");
        const tape = denoiser.forward(program, values, stepGradients, { x, time, state }, rows);
        const dPrediction = program.temporary([rows, width], "prediction gradient");
        const direct = step === 0 ? undefined : program.temporary([rows, width], "latent gradient");
        denoiseMeanBackward(program, {
          dmean: dNext, x, network: tape.output, step: everyRow(step, `step ${step}`), schedule: tables.schedule, dnetwork: dPrediction, dx: direct,
        }, { rows, width, x0Clip: process.x0Clip, epsClip: process.noiseClip, predictEpsilon: process.predictsNoise });
        const { dx } = tape.backward(dPrediction, { x: direct !== undefined });
        accumulateGradients(program, denoiser.layout, stepGradients, gradients);
        if (direct === undefined || dx === undefined) break;
        accumulate(program, { addend: dx, sum: direct });
        dNext = direct;
      }
    },
  };
}

import type { ProgramRecorder } from "../engine/program.js";
import type { Tensor } from "../engine/tensor.js";
import { denoiseMean, denoiseMeanBackward } from "../kernels/diffusion/denoise-mean.js";
import { gaussianLogProb, gaussianLogProbBackward } from "../kernels/diffusion/gaussian-log-prob.js";
import type { Denoiser } from "../nn/denoiser.js";
import type { DiffusionProcess, ProcessTables } from "./process.js";

/** Transitions of denoising chains, one a row. */
export interface Transitions {
  /** Flattened observation stacks [rows, conditionWidth]. */
  readonly state: Tensor;
  /** chain[j] [rows, width]. */
  readonly from: Tensor;
  /** chain[j + 1] [rows, width]. */
  readonly to: Tensor;
  /** Executed step of each row, u32 [rows]: n - K' + j. */
  readonly step: Tensor;
  /** Time of that step as the network is told, u32 [rows]. */
  readonly time: Tensor;
}

/** A recorded likelihood of transitions. */
export interface LikelihoodTape {
  /** Means of the kernels [rows, width]. */
  readonly mean: Tensor;
  /** Elementwise log-densities [rows, width] (spec 1.8). */
  readonly logProb: Tensor;
  /** Records the gradient of a loss with respect to the parameters, from that of the log-densities and of the means. */
  backward(gradients: { readonly dLogProb?: Tensor; readonly dMean?: Tensor }): void;
}

/** Records log-densities of transitions without a way back. */
export function inferLikelihood(
  program: ProgramRecorder,
  denoiser: Denoiser,
  process: DiffusionProcess,
  tables: ProcessTables,
  values: Tensor,
  transitions: Transitions,
  rows: number,
): { readonly mean: Tensor; readonly logProb: Tensor } {
  const prediction = denoiser.infer(program, values, { x: transitions.from, time: transitions.time, state: transitions.state }, rows);
  return recordLogProb(program, denoiser.width, process, tables, prediction, transitions, rows);
}

/** Records log-densities of transitions, to be gone back. */
export function forwardLikelihood(
  program: ProgramRecorder,
  denoiser: Denoiser,
  process: DiffusionProcess,
  tables: ProcessTables,
  values: Tensor,
  gradients: Tensor,
  transitions: Transitions,
  rows: number,
): LikelihoodTape {
  const { width } = denoiser;
  const tape = denoiser.forward(program, values, gradients, { x: transitions.from, time: transitions.time, state: transitions.state }, rows);
  const { mean, logProb } = recordLogProb(program, width, process, tables, tape.output, transitions, rows);
  return {
    mean,
    logProb,
    backward: ({ dLogProb, dMean }) => {
      let dMeans = dMean;
      if (dLogProb !== undefined) {
        dMeans = program.temporary([rows, width], "mean gradient");
        gaussianLogProbBackward(program, {
          value: transitions.to, mean, step: transitions.step, schedule: tables.schedule, dLogProb, addend: dMean, dMean: dMeans,
        }, { rows, width, stdFloor: process.minLogProbStd });
      }
      if (dMeans === undefined) return;
      const dPrediction = program.temporary([rows, width], "prediction gradient");
      denoiseMeanBackward(program, {
        x: transitions.from, network: tape.output, step: transitions.step, schedule: tables.schedule, dMean: dMeans, dNetwork: dPrediction,
      }, { rows, width, x0Clip: process.x0Clip, epsClip: process.noiseClip, predictEpsilon: process.predictsNoise });
      tape.backward(dPrediction);
    },
  };
}

function recordLogProb(
  program: ProgramRecorder,
  width: number,
  process: DiffusionProcess,
  tables: ProcessTables,
  prediction: Tensor,
  transitions: Transitions,
  rows: number,
): { readonly mean: Tensor; readonly logProb: Tensor } {
  const mean = program.temporary([rows, width], "transition means");
  denoiseMean(program, { x: transitions.from, network: prediction, step: transitions.step, schedule: tables.schedule, mean }, {
    rows, width, x0Clip: process.x0Clip, epsClip: process.noiseClip, predictEpsilon: process.predictsNoise,
  });
  const logProb = program.temporary([rows, width], "transition log-densities");
  gaussianLogProb(program, { value: transitions.to, mean, step: transitions.step, schedule: tables.schedule, logProb }, {
    rows, width, stdFloor: process.minLogProbStd,
  });
  return { mean, logProb };
}

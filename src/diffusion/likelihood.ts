import type { ProgramRecorder } from "../engine/program.js";
import type { Tensor } from "../engine/tensor.js";
import { denoiseMean, denoiseMeanBackward } from "../kernels/diffusion/denoise.js";
import { gaussianKl, gaussianKlBackwardAdd, type GaussianKlOptions } from "../kernels/diffusion/gaussian-kl.js";
import { gaussianLogProb, gaussianLogProbBackward } from "../kernels/diffusion/gaussian-log-prob.js";
import type { Denoiser, DenoiserInputs } from "../nn/denoiser.js";
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
}

/** A recorded likelihood of transitions. */
export interface LikelihoodTape {
  /** Means of the kernels [rows, width]. */
  readonly mean: Tensor;
  /** Elementwise log-densities [rows, width] (spec 1.8). */
  readonly logProb: Tensor;
  /**
   * Records the divergence from a frozen policy's means, one number a row: sum (mean - reference)^2 / (2 std^2) with the
   * floored deviation of the row's step. `weight` times the sum over rows joins the loss that {@link backward} goes back from.
   */
  divergence(reference: Tensor, weight: number): Tensor;
  /** Records the gradient of a loss with respect to the parameters, from that of the log-densities. */
  backward(dLogProb: Tensor): void;
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
  const prediction = denoiser.infer(program, values, inputsOf(tables, transitions), rows);
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
  const tape = denoiser.forward(program, values, gradients, inputsOf(tables, transitions), rows);
  const { mean, logProb } = recordLogProb(program, width, process, tables, tape.output, transitions, rows);
  const deviation = deviationOf(process, tables, transitions, rows, width);
  const references: { readonly reference: Tensor; readonly weight: number }[] = [];
  return {
    mean,
    logProb,
    divergence: (reference, weight) => {
      const kl = program.temporary([rows], "divergences");
      gaussianKl(program, { mean, reference, kl }, deviation);
      references.push({ reference, weight });
      return kl;
    },
    backward: (dLogProb) => {
      const dmean = program.temporary([rows, width], "mean gradient");
      gaussianLogProbBackward(program, { dlogp: dLogProb, value: transitions.to, mean, dmean }, deviation);
      for (const { reference, weight } of references) gaussianKlBackwardAdd(program, { mean, reference, dmean }, { ...deviation, scale: weight });
      const dnetwork = program.temporary([rows, width], "prediction gradient");
      denoiseMeanBackward(program, {
        dmean, x: transitions.from, network: tape.output, step: transitions.step, schedule: tables.schedule, dnetwork,
      }, { rows, width, x0Clip: process.x0Clip, epsClip: process.noiseClip, predictEpsilon: process.predictsNoise });
      tape.backward(dnetwork);
    },
  };
}

/** What the network is told: rows of one step share its time. */
function inputsOf(tables: ProcessTables, { from, step, state }: Transitions): DenoiserInputs {
  return { x: from, time: tables.times, timeIndex: step, state };
}

/** The deviation of each row: that of its step, at least the floor of likelihoods. */
function deviationOf(process: DiffusionProcess, tables: ProcessTables, transitions: Transitions, rows: number, width: number): GaussianKlOptions {
  return { rows, width, deviation: { schedule: tables.schedule, step: transitions.step }, floor: process.minLogProbStd };
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
  gaussianLogProb(program, { value: transitions.to, mean, logp: logProb }, deviationOf(process, tables, transitions, rows, width));
  return { mean, logProb };
}

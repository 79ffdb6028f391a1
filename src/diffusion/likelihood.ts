import type { Launch, ProgramRecorder } from "../engine/program.js";
import type { Tensor } from "../engine/tensor.js";
import { denoiseMean, denoiseMeanBackward } from "../kernels/diffusion/denoise.js";
import { gaussianKl, gaussianKlBackwardAdd, type gaussianKlBackwardAddSpec, type GaussianKlOptions } from "../kernels/diffusion/gaussian-kl.js";
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

/**
 * How far two policies are apart at one transition: `kernels`, the Kullback-Leibler divergence of their Gaussian kernels,
 * sum (mean - reference)^2 / (2 std^2) with the floored deviation of the step; `noise`, the squared distance of their predictions.
 */
export type DivergenceMeasure = "kernels" | "noise";

/** A recorded divergence. */
export interface Divergence {
  /** [rows] */
  readonly values: Tensor;
  /** Changes its weight in the runs that follow. */
  readonly weigh: (weight: number) => void;
}

/** A recorded likelihood of transitions. */
export interface LikelihoodTape {
  /** Means of the kernels [rows, width]. */
  readonly mean: Tensor;
  /** Elementwise log-densities [rows, width] (spec 1.8). */
  readonly logProb: Tensor;
  /**
   * Records the divergence from what a frozen policy gives for the same rows, one number a row. `weight` times the sum over
   * rows joins the loss that {@link backward} goes back from.
   *
   * @param reference the frozen policy's means, or with the measure `noise` its predictions [rows, width]
   */
  divergence(reference: Tensor, weight: number, measure?: DivergenceMeasure): Divergence;
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
): { readonly prediction: Tensor; readonly mean: Tensor; readonly logProb: Tensor } {
  const prediction = denoiser.infer(program, values, inputsOf(tables, transitions), rows);
  return { prediction, ...recordLogProb(program, denoiser.width, process, tables, prediction, transitions, rows) };
}

/** Records the divergence of means from those of another policy, one number a row: the measure `kernels`. */
export function inferDivergence(
  program: ProgramRecorder,
  process: DiffusionProcess,
  tables: ProcessTables,
  tensors: { readonly mean: Tensor; readonly reference: Tensor; readonly transitions: Transitions },
  rows: number,
): Tensor {
  const { mean, reference, transitions } = tensors;
  const kl = program.temporary([rows], "divergences");
  gaussianKl(program, { mean, reference, kl }, deviationOf(process, tables, transitions, rows, mean.length / rows));
  return kl;
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
  const pulls: { readonly buffers: { readonly mean: Tensor; readonly reference: Tensor }; readonly measure: DivergenceMeasure; weight: number; launch?: Pull }[] = [];
  /** Records the gradients of the divergences of one measure. */
  const pull = (wanted: DivergenceMeasure, dmean: Tensor, options: GaussianKlOptions): void => {
    for (const each of pulls.filter(({ measure }) => measure === wanted)) {
      each.launch = gaussianKlBackwardAdd(program, { ...each.buffers, dmean }, { ...options, scale: each.weight });
    }
  };
  const noise = { rows, width, deviation: { std: noiseStd }, floor: 0 };
  return {
    mean,
    logProb,
    divergence: (reference, weight, measure = "kernels") => {
      const values = program.temporary([rows], "divergences");
      const buffers = { mean: measure === "kernels" ? mean : tape.output, reference };
      gaussianKl(program, { ...buffers, kl: values }, measure === "kernels" ? deviation : noise);
      const one: (typeof pulls)[number] = { buffers, measure, weight };
      pulls.push(one);
      return { values, weigh: (scale) => { one.launch?.update({ scale }); } };
    },
    backward: (dLogProb) => {
      const dmean = program.temporary([rows, width], "mean gradient");
      gaussianLogProbBackward(program, { dlogp: dLogProb, value: transitions.to, mean, dmean }, deviation);
      pull("kernels", dmean, deviation);
      const dnetwork = program.temporary([rows, width], "prediction gradient");
      denoiseMeanBackward(program, {
        dmean, x: transitions.from, network: tape.output, step: transitions.step, schedule: tables.schedule, dnetwork,
      }, { rows, width, x0Clip: process.x0Clip, epsClip: process.noiseClip, predictEpsilon: process.predictsNoise });
      pull("noise", dnetwork, noise);
      tape.backward(dnetwork);
    },
  };
}

type Pull = Launch<typeof gaussianKlBackwardAddSpec.params>;

/** With this deviation the divergence of two Gaussians is the squared distance of their means. */
const noiseStd = Math.SQRT1_2;

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

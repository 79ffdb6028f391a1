import type { ProgramRecorder } from "../engine/program.js";
import type { Tensor } from "../engine/tensor.js";
import { forwardNoising } from "../kernels/diffusion/forward-noising.js";
import { meanSquaredLoss } from "../kernels/nn/mean-squared-loss.js";
import type { Denoiser } from "../nn/denoiser.js";
import type { DiffusionProcess } from "./process.js";

/** Tensors of the supervised loss for a batch of rows. */
export interface CloningTensors {
  readonly values: Tensor;
  /** Receives the parameter gradients; left out, there is no backward pass. */
  readonly gradients?: Tensor | undefined;
  /** Clean chunks [rows, width]. */
  readonly x0: Tensor;
  /** Flattened observation stacks [rows, conditionWidth]. */
  readonly state: Tensor;
  /** Drawn times 0..K-1, u32 [rows]. */
  readonly time: Tensor;
  /** Drawn normals [rows, width]. */
  readonly noise: Tensor;
  /** sqrt(abar), sqrt(1 - abar) by time, see DiffusionProcess.noisingTable. */
  readonly noisingTable: Tensor;
  /** Receives the loss, one number. */
  readonly loss: Tensor;
  /** Receives the noised chunks [rows, width] where given. */
  readonly noised?: Tensor | undefined;
}

/**
 * Records the loss of behaviour cloning (spec 1.2), mean over all entries of (net - target)^2, forward and, where `gradients`
 * are given, backward.
 */
export function recordCloningLoss(
  program: ProgramRecorder,
  denoiser: Denoiser,
  process: DiffusionProcess,
  tensors: CloningTensors,
  rows: number,
): void {
  const { width } = denoiser;
  const { values, gradients, x0, state, time, noise, noisingTable, loss } = tensors;
  const x = tensors.noised ?? program.temporary([rows, width], "noised chunks");
  forwardNoising(program, { x0, noise, t: time, table: noisingTable, xt: x }, { rows, width });
  const tape = gradients === undefined ? undefined : denoiser.forward(program, values, gradients, { x, time, state }, rows);
  const prediction = tape?.output ?? denoiser.infer(program, values, { x, time, state }, rows);
  const dPrediction = tape === undefined ? undefined : program.temporary([rows, width], "prediction gradient");
  const target = process.predictsNoise ? noise : x0;
  meanSquaredLoss(program, { prediction, target, dprediction: dPrediction, loss }, { rows, width });
  if (tape !== undefined && dPrediction !== undefined) tape.backward(dPrediction);
}

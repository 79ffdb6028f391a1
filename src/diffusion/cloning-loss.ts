import type { ProgramRecorder } from "../engine/program.js";
import type { Tensor } from "../engine/tensor.js";
import { forwardNoising } from "../kernels/diffusion/forward-noising.js";
import { meanSquaredLoss } from "../kernels/nn/mean-squared-loss.js";
import type { Denoiser } from "../nn/denoiser.js";
import type { DiffusionProcess } from "./process.js";

/** Tensors of the supervised loss for a batch of rows. */
export interface CloningTensors {
  readonly values: Tensor;
  /** Receives the parameter gradients. */
  readonly gradients: Tensor;
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

/** Records the loss of behaviour cloning (spec 1.2), forward and backward: mean over all entries of (net - target)^2. */
export function recordCloningLoss(
  program: ProgramRecorder,
  denoiser: Denoiser,
  process: DiffusionProcess,
  tensors: CloningTensors,
  rows: number,
): void {
  const { width } = denoiser;
  const x = tensors.noised ?? program.temporary([rows, width], "noised chunks");
  forwardNoising(program, { x0: tensors.x0, noise: tensors.noise, t: tensors.time, table: tensors.noisingTable, xt: x }, { rows, width });
  const tape = denoiser.forward(program, tensors.values, tensors.gradients, { x, time: tensors.time, state: tensors.state }, rows);
  const dPrediction = program.temporary([rows, width], "prediction gradient");
  meanSquaredLoss(program, {
    prediction: tape.output,
    target: process.predictsNoise ? tensors.noise : tensors.x0,
    dprediction: dPrediction,
    loss: tensors.loss,
  }, { rows, width });
  tape.backward(dPrediction);
}

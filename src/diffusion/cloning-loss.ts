import type { ProgramRecorder } from "../engine/program.js";
import type { Tensor } from "../engine/tensor.js";
import { forwardNoising } from "../kernels/diffusion/forward-noising.js";
import { affineColumns } from "../kernels/nn/affine-columns.js";
import { meanSquaredLoss } from "../kernels/nn/mean-squared-loss.js";
import { accumulate } from "../kernels/optim/ema.js";
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
  /** How much each row counts [rows]; all the same where left out. */
  readonly weight?: Tensor | undefined;
  /** Receives the noised chunks [rows, width] where given. */
  readonly noised?: Tensor | undefined;
  /** Receives the gradient of the clean chunks [rows, width], where it and `gradients` are given. */
  readonly dx0?: Tensor | undefined;
}

/**
 * Records the loss of behaviour cloning (spec 1.2), mean over all entries of weight (net - target)^2, forward and, where
 * `gradients` are given, backward.
 */
export function recordCloningLoss(
  program: ProgramRecorder,
  denoiser: Denoiser,
  process: DiffusionProcess,
  tensors: CloningTensors,
  rows: number,
): void {
  const { width } = denoiser;
  const { values, gradients, x0, state, time, noise, noisingTable, loss, dx0 } = tensors;
  const x = tensors.noised ?? program.temporary([rows, width], "noised chunks");
  forwardNoising(program, { x0, noise, t: time, table: noisingTable, xt: x }, { rows, width });
  const tape = gradients === undefined ? undefined : denoiser.forward(program, values, gradients, { x, time, state }, rows);
  const prediction = tape?.output ?? denoiser.infer(program, values, { x, time, state }, rows);
  const dPrediction = tape === undefined ? undefined : program.temporary([rows, width], "prediction gradient");
  const target = process.predictsNoise ? noise : x0;
  meanSquaredLoss(program, { prediction, target, weight: tensors.weight, dprediction: dPrediction, loss }, { rows, width });
  if (tape === undefined || dPrediction === undefined) return;
  const { dx } = tape.backward(dPrediction, { x: dx0 !== undefined });
  if (dx0 === undefined || dx === undefined) return;
  // Back through the noising: the same factors, and no noise.
  const none = program.constant(new Float32Array(rows * width), "no noise");
  forwardNoising(program, { x0: dx, noise: none, t: time, table: noisingTable, xt: dx0 }, { rows, width });
  if (process.predictsNoise) return;
  // The clean chunk is the target too: minus the gradient of the prediction.
  const dTarget = program.temporary([rows, width], "target gradient");
  affineColumns(program, {
    src: dPrediction, dst: dTarget, map: { scale: program.constant([-1], "minus"), shift: program.constant([0], "nothing") },
  }, { rows, columns: width });
  accumulate(program, { addend: dTarget, sum: dx0 });
}

import { anyKernel, defineKernel } from "../../engine/kernel-spec.js";
import type { ProgramRecorder } from "../../engine/program.js";
import type { Tensor } from "../../engine/tensor.js";
import { columnSum } from "./columns.js";

/** Rows of one partial sum. */
const blockRows = 64;

/** Squared differences and their gradient in one pass; one partial loss for every 64 rows. */
export const meanSquaredLossSpec = defineKernel({
  name: "nn/mean_squared_loss",
  lib: ["index", "reduce"],
  params: { rows: "u32", width: "u32", scale: "f32", hasWeight: "u32", hasGradient: "u32" },
  buffers: {
    prediction: { access: "read", length: (p) => p.rows * p.width },
    wanted: { access: "read", length: (p) => p.rows * p.width },
    weight: { access: "read", length: (p) => p.rows, optional: true },
    dprediction: { access: "write", length: (p) => p.rows * p.width, optional: true },
    partials: { access: "write", length: (p) => Math.ceil(p.rows / blockRows) },
  },
  units: (p) => Math.ceil(p.rows / blockRows),
  entryPoints: { main: (p) => [Math.ceil(p.rows / blockRows)] },
});

/**
 * Records loss[0] = mean over all elements of weight_b (prediction − target)², and its gradient where `dprediction` is
 * given. Without `weight` every row counts 1.
 */
export function meanSquaredLoss(
  program: ProgramRecorder,
  buffers: {
    readonly prediction: Tensor;
    readonly target: Tensor;
    readonly loss: Tensor;
    readonly weight?: Tensor | undefined;
    readonly dprediction?: Tensor | undefined;
  },
  options: {
    readonly rows: number;
    readonly width: number;
    /** Replaces 1/(rows · width), the factor of the sum. */
    readonly scale?: number;
  },
): void {
  const { rows, width } = options;
  const blocks = Math.ceil(rows / blockRows);
  const partials = program.temporary([blocks], "loss partials");
  program.launch(meanSquaredLossSpec, {
    rows,
    width,
    scale: options.scale ?? 1 / (rows * width),
    hasWeight: buffers.weight === undefined ? 0 : 1,
    hasGradient: buffers.dprediction === undefined ? 0 : 1,
  }, {
    prediction: buffers.prediction,
    wanted: buffers.target,
    weight: buffers.weight,
    dprediction: buffers.dprediction,
    partials,
  });
  columnSum(program, { x: partials, out: buffers.loss }, { rows: blocks, columns: 1 });
}

/** Kernels of this file. */
export const meanSquaredLossKernels = [anyKernel(meanSquaredLossSpec)];

import { anyKernel, defineKernel } from "../../engine/kernel-spec.js";
import type { ProgramRecorder } from "../../engine/program.js";
import type { Tensor } from "../../engine/tensor.js";
import { columnSum } from "./columns.js";

/** Rows of one partial sum. */
const blockRows = 64;

/** y = (x − mean) / √(variance + epsilon) · weight + bias, row by row. */
export const layerNormSpec = defineKernel({
  name: "nn/layer_norm",
  lib: ["index", "reduce"],
  params: { rows: "u32", columns: "u32", epsilon: "f32" },
  buffers: {
    x: { access: "read", length: (p) => p.rows * p.columns, rows: true },
    weight: { access: "read", length: (p) => p.columns },
    bias: { access: "read", length: (p) => p.columns },
    y: { access: "write", length: (p) => p.rows * p.columns, rows: true },
    moments: { access: "write", length: (p) => p.rows * 2, rows: true },
  },
  units: (p) => p.rows,
  entryPoints: { main: (p) => [p.rows] },
  check: (p) => (p.epsilon > 0 ? undefined : `epsilon is ${p.epsilon}; it must be above 0.`),
});

/** Gradient with respect to x, plus an addend. */
export const layerNormBackwardSpec = defineKernel({
  name: "nn/layer_norm_backward",
  lib: ["index", "reduce"],
  params: { rows: "u32", columns: "u32", hasAddend: "u32" },
  buffers: {
    dy: { access: "read", length: (p) => p.rows * p.columns, rows: true },
    x: { access: "read", length: (p) => p.rows * p.columns, rows: true },
    weight: { access: "read", length: (p) => p.columns },
    moments: { access: "read", length: (p) => p.rows * 2, rows: true },
    addend: { access: "read", length: (p) => p.rows * p.columns, rows: true, optional: true },
    dx: { access: "write", length: (p) => p.rows * p.columns, rows: true },
  },
  units: (p) => p.rows,
  entryPoints: { main: (p) => [p.rows] },
});

/** Gradients with respect to weight and bias, one partial for every 64 rows. */
export const layerNormBackwardWeightSpec = defineKernel({
  name: "nn/layer_norm_backward_weight",
  lib: ["index"],
  params: { rows: "u32", columns: "u32" },
  buffers: {
    dy: { access: "read", length: (p) => p.rows * p.columns },
    x: { access: "read", length: (p) => p.rows * p.columns },
    moments: { access: "read", length: (p) => p.rows * 2 },
    partials: { access: "write", length: (p) => Math.ceil(p.rows / blockRows) * 2 * p.columns },
  },
  units: (p) => Math.ceil(p.rows / blockRows),
  entryPoints: { main: (p) => [Math.ceil(p.rows / blockRows) * Math.ceil(p.columns / 256)] },
});

/** Records the layer norm of `rows` rows; `moments` [rows, 2] keeps mean and 1/√(variance + epsilon) for the way back. */
export function layerNorm(
  program: ProgramRecorder,
  buffers: { readonly x: Tensor; readonly weight: Tensor; readonly bias: Tensor; readonly y: Tensor; readonly moments: Tensor },
  options: {
    readonly rows: number;
    readonly columns: number;
    /** Added to the variance: 1e-5 in plain MLPs, 1e-6 in residual ones. */
    readonly epsilon: number;
  },
): void {
  program.launch(layerNormSpec, options, buffers);
}

/** Records dx of {@link layerNorm}, plus an addend: what reaches x on another way, as in a residual stream. */
export function layerNormBackward(
  program: ProgramRecorder,
  buffers: { readonly dy: Tensor; readonly x: Tensor; readonly weight: Tensor; readonly moments: Tensor; readonly addend?: Tensor | undefined; readonly dx: Tensor },
  options: { readonly rows: number; readonly columns: number },
): void {
  program.launch(layerNormBackwardSpec, { rows: options.rows, columns: options.columns, hasAddend: Number(buffers.addend !== undefined) }, buffers);
}

/** Records dweight and dbias of {@link layerNorm}: partials of blocks of rows, then their sum. */
export function layerNormBackwardWeight(
  program: ProgramRecorder,
  buffers: { readonly dy: Tensor; readonly x: Tensor; readonly moments: Tensor; readonly dweight: Tensor; readonly dbias: Tensor },
  options: { readonly rows: number; readonly columns: number },
): void {
  const { rows, columns } = options;
  const blocks = Math.ceil(rows / blockRows);
  const partials = program.temporary([blocks, 2, columns], "layer norm partials");
  program.launch(layerNormBackwardWeightSpec, { rows, columns }, { dy: buffers.dy, x: buffers.x, moments: buffers.moments, partials });
  columnSum(program, { x: partials, out: buffers.dweight }, { rows: blocks, columns, stride: 2 * columns });
  columnSum(program, { x: partials, out: buffers.dbias }, { rows: blocks, columns, stride: 2 * columns, offset: columns });
}

/** Kernels of this file. */
export const layerNormKernels = [anyKernel(layerNormSpec), anyKernel(layerNormBackwardSpec), anyKernel(layerNormBackwardWeightSpec)];

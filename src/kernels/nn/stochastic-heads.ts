import { anyKernel, defineKernel, type ParamValues } from "../../engine/kernel-spec.js";
import type { ProgramRecorder } from "../../engine/program.js";
import type { Tensor } from "../../engine/tensor.js";

/** Where the standard deviation of a head comes from: codes of the kernels. */
const logStdKinds = { constant: 0, learned: 1, predicted: 2, predictedClamped: 3 } as const;

/** Largest number of components of a mixture: what a shader keeps in registers. */
export const largestMixture = 16;

const perElement = (p: { readonly rows: number; readonly width: number }): number => p.rows * p.width;
const elementGrid = (p: { readonly rows: number; readonly width: number }): readonly [number] => [Math.ceil((p.rows * p.width) / 256)];
const rowGrid = (p: { readonly rows: number }): readonly [number] => [Math.ceil(p.rows / 64)];

function tilingProblem(p: { readonly width: number; readonly actionSize: number; readonly perMode: number }): string | undefined {
  return p.actionSize < 1 || p.perMode % p.actionSize !== 0 || p.width % p.perMode !== 0
    ? `a width of ${p.width} is no whole number of modes of ${p.perMode}, or those of actions of ${p.actionSize}.`
    : undefined;
}

const modeActions = (p: { readonly width: number; readonly actionSize: number; readonly perMode: number }): number =>
  (p.width / p.perMode) * p.actionSize;

/** logStd of a head from a constant, a learned log-variance or an output of the network. */
export const logStdSpec = defineKernel({
  name: "nn/log_std",
  lib: ["index", "activation"],
  params: {
    rows: "u32", width: "u32", actionSize: "u32", perMode: "u32", kind: "u32", low: "f32", high: "f32", constant: "f32",
  },
  buffers: {
    source: { access: "read", length: (p) => (p.kind === logStdKinds.learned ? modeActions(p) : perElement(p)), optional: true },
    logStd: { access: "write", length: perElement, rows: true },
  },
  units: (p) => p.rows,
  entryPoints: { main: elementGrid },
  check: (p) => tilingProblem(p) ?? (p.low > p.high ? `the bounds ${p.low} and ${p.high} are the wrong way round.` : undefined),
});

/** Gradient of a predicted log-variance. */
export const logStdBackwardSpec = defineKernel({
  name: "nn/log_std_backward",
  lib: ["index", "activation"],
  params: { rows: "u32", width: "u32", kind: "u32", low: "f32", high: "f32" },
  buffers: {
    source: { access: "read", length: perElement, rows: true },
    dLogStd: { access: "read", length: perElement, rows: true },
    dSource: { access: "write", length: perElement, rows: true },
  },
  units: (p) => p.rows,
  entryPoints: { main: elementGrid },
});

/** Gradient of a learned log-variance: the sum over all its places. */
export const logStdTiledBackwardSpec = defineKernel({
  name: "nn/log_std_tiled_backward",
  lib: ["index", "reduce"],
  params: { rows: "u32", width: "u32", actionSize: "u32", perMode: "u32", low: "f32", high: "f32" },
  buffers: {
    logVariance: { access: "read", length: modeActions },
    dLogStd: { access: "read", length: perElement },
    dLogVariance: { access: "write", length: modeActions },
  },
  units: modeActions,
  entryPoints: { main: (p) => [modeActions(p)] },
  check: tilingProblem,
});

/** Log-density and entropy of rows under independent normals. */
export const gaussianDensitySpec = defineKernel({
  name: "nn/gaussian_density",
  lib: ["index"],
  params: { rows: "u32", width: "u32", scale: "f32" },
  buffers: {
    x: { access: "read", length: perElement, rows: true },
    mean: { access: "read", length: perElement, rows: true },
    logStd: { access: "read", length: perElement, rows: true },
    logProb: { access: "write", length: (p) => p.rows, rows: true },
    entropy: { access: "write", length: (p) => p.rows, rows: true },
  },
  units: (p) => p.rows,
  entryPoints: { main: rowGrid },
});

/** Gradients of {@link gaussianDensitySpec}. */
export const gaussianDensityBackwardSpec = defineKernel({
  name: "nn/gaussian_density_backward",
  lib: ["index"],
  params: { rows: "u32", width: "u32", scale: "f32", dEntropy: "f32" },
  buffers: {
    x: { access: "read", length: perElement, rows: true },
    mean: { access: "read", length: perElement, rows: true },
    logStd: { access: "read", length: perElement, rows: true },
    dLogProb: { access: "read", length: (p) => p.rows, rows: true },
    dMean: { access: "write", length: perElement, rows: true },
    dLogStd: { access: "write", length: perElement, rows: true },
  },
  units: (p) => p.rows,
  entryPoints: { main: elementGrid },
});

/** A sample of independent normals, held near the mean. */
export const gaussianSampleSpec = defineKernel({
  name: "nn/gaussian_sample",
  lib: ["index"],
  params: { rows: "u32", width: "u32", clip: "f32" },
  buffers: {
    mean: { access: "read", length: perElement, rows: true },
    logStd: { access: "read", length: perElement, rows: true },
    z: { access: "read", length: perElement, rows: true },
    out: { access: "write", length: perElement, rows: true },
  },
  units: (p) => p.rows,
  entryPoints: { main: elementGrid },
  check: (p) => (p.clip >= 0 ? undefined : `the clip is ${p.clip}; it must be at least 0.`),
});

const mixtureParams = { rows: "u32", components: "u32", width: "u32" } as const;
const perMode = (p: ParamValues<typeof mixtureParams>): number => p.rows * p.components;
const perModeElement = (p: ParamValues<typeof mixtureParams>): number => p.rows * p.components * p.width;

function mixtureProblem(p: { readonly components: number }): string | undefined {
  return p.components < 1 || p.components > largestMixture
    ? `a mixture of ${p.components} components; there may be 1 to ${largestMixture}.`
    : undefined;
}

/** Log-density, entropy and mean deviation of rows under a mixture of normals. */
export const mixtureDensitySpec = defineKernel({
  name: "nn/mixture_density",
  lib: ["index", "mixture"],
  params: mixtureParams,
  buffers: {
    x: { access: "read", length: perElement, rows: true },
    logits: { access: "read", length: perMode, rows: true },
    mean: { access: "read", length: perModeElement, rows: true },
    logStd: { access: "read", length: perModeElement, rows: true },
    logProb: { access: "write", length: (p) => p.rows, rows: true },
    entropy: { access: "write", length: (p) => p.rows, rows: true },
    spread: { access: "write", length: (p) => p.rows, rows: true },
  },
  units: (p) => p.rows,
  entryPoints: { main: rowGrid },
  check: mixtureProblem,
});

/** Gradients of {@link mixtureDensitySpec}. */
export const mixtureDensityBackwardSpec = defineKernel({
  name: "nn/mixture_density_backward",
  lib: ["index", "mixture"],
  params: { ...mixtureParams, dEntropy: "f32" },
  buffers: {
    x: { access: "read", length: perElement, rows: true },
    logits: { access: "read", length: perMode, rows: true },
    mean: { access: "read", length: perModeElement, rows: true },
    logStd: { access: "read", length: perModeElement, rows: true },
    dLogProb: { access: "read", length: (p) => p.rows, rows: true },
    dLogits: { access: "write", length: perMode, rows: true },
    dMean: { access: "write", length: perModeElement, rows: true },
    dLogStd: { access: "write", length: perModeElement, rows: true },
  },
  units: (p) => p.rows,
  entryPoints: { main: rowGrid },
  check: mixtureProblem,
});

/** A sample of a mixture of normals: a component by its weight, then a sample of it. */
export const mixtureSampleSpec = defineKernel({
  name: "nn/mixture_sample",
  lib: ["index"],
  params: mixtureParams,
  buffers: {
    logits: { access: "read", length: perMode, rows: true },
    mean: { access: "read", length: perModeElement, rows: true },
    logStd: { access: "read", length: perModeElement, rows: true },
    u: { access: "read", length: (p) => p.rows, rows: true },
    z: { access: "read", length: perElement, rows: true },
    out: { access: "write", length: perElement, rows: true },
  },
  units: (p) => p.rows,
  entryPoints: { main: rowGrid },
  check: mixtureProblem,
});

/** Layout of a head: W = M H A elements a row, ordered [mode, horizon, action]. */
export interface HeadShape {
  readonly rows: number;
  readonly modes: number;
  readonly horizon: number;
  readonly actionSize: number;
}

/** Where the standard deviation of a head comes from. */
export type HeadStd =
  | { readonly kind: "constant"; readonly std: number }
  | {
      /** A parameter [M, A]; an output of the network through tanh; the same through a clamp. */
      readonly kind: "learned" | "predicted" | "predictedClamped";
      readonly source: Tensor;
      /** Bounds of the log-variance. */
      readonly low: number;
      readonly high: number;
    };

const widthOf = (shape: HeadShape): number => shape.modes * shape.horizon * shape.actionSize;

/** Records the log standard deviation [rows, W] of a head. */
export function logStd(program: ProgramRecorder, std: HeadStd, target: Tensor, shape: HeadShape): void {
  const isConstant = std.kind === "constant";
  program.launch(logStdSpec, {
    rows: shape.rows,
    width: widthOf(shape),
    actionSize: shape.actionSize,
    perMode: shape.horizon * shape.actionSize,
    kind: logStdKinds[std.kind],
    low: isConstant ? 0 : std.low,
    high: isConstant ? 0 : std.high,
    constant: isConstant ? Math.log(std.std) : 0,
  }, { source: isConstant ? undefined : std.source, logStd: target });
}

/** Records the gradient of what a log standard deviation came from; nothing for a constant one. */
export function logStdBackward(program: ProgramRecorder, std: HeadStd, buffers: { readonly dLogStd: Tensor; readonly dSource: Tensor }, shape: HeadShape): void {
  if (std.kind === "constant") return;
  const { rows, actionSize } = shape;
  const { source, low, high } = std;
  const width = widthOf(shape);
  if (std.kind === "learned") {
    program.launch(logStdTiledBackwardSpec, { rows, width, actionSize, perMode: shape.horizon * actionSize, low, high }, {
      logVariance: source, dLogStd: buffers.dLogStd, dLogVariance: buffers.dSource,
    });
  } else {
    program.launch(logStdBackwardSpec, { rows, width, kind: logStdKinds[std.kind], low, high }, { source, ...buffers });
  }
}

/** Records log-density and entropy of rows, each times `scale` (1 for sums over a row, 1/width for means). */
export function gaussianDensity(
  program: ProgramRecorder,
  buffers: { readonly x: Tensor; readonly mean: Tensor; readonly logStd: Tensor; readonly logProb: Tensor; readonly entropy: Tensor },
  options: ParamValues<typeof gaussianDensitySpec.params>,
): void {
  program.launch(gaussianDensitySpec, options, buffers);
}

/** Records the gradients of {@link gaussianDensity}; `dEntropy` is that of every row's entropy. */
export function gaussianDensityBackward(
  program: ProgramRecorder,
  buffers: {
    readonly x: Tensor; readonly mean: Tensor; readonly logStd: Tensor; readonly dLogProb: Tensor; readonly dMean: Tensor; readonly dLogStd: Tensor;
  },
  options: ParamValues<typeof gaussianDensityBackwardSpec.params>,
): void {
  program.launch(gaussianDensityBackwardSpec, options, buffers);
}

/** Records out = mean + std clamp(z). */
export function gaussianSample(
  program: ProgramRecorder,
  buffers: { readonly mean: Tensor; readonly logStd: Tensor; readonly z: Tensor; readonly out: Tensor },
  options: ParamValues<typeof gaussianSampleSpec.params>,
): void {
  program.launch(gaussianSampleSpec, options, buffers);
}

/** Records log-density, approximate entropy and mean deviation of rows under a mixture. */
export function mixtureDensity(
  program: ProgramRecorder,
  buffers: {
    readonly x: Tensor; readonly logits: Tensor; readonly mean: Tensor; readonly logStd: Tensor;
    readonly logProb: Tensor; readonly entropy: Tensor; readonly spread: Tensor;
  },
  options: ParamValues<typeof mixtureParams>,
): void {
  program.launch(mixtureDensitySpec, options, buffers);
}

/** Records the gradients of {@link mixtureDensity}; `dEntropy` is that of every row's entropy. */
export function mixtureDensityBackward(
  program: ProgramRecorder,
  buffers: {
    readonly x: Tensor; readonly logits: Tensor; readonly mean: Tensor; readonly logStd: Tensor; readonly dLogProb: Tensor;
    readonly dLogits: Tensor; readonly dMean: Tensor; readonly dLogStd: Tensor;
  },
  options: ParamValues<typeof mixtureDensityBackwardSpec.params>,
): void {
  program.launch(mixtureDensityBackwardSpec, options, buffers);
}

/** Records a sample of a mixture from a uniform number and normals a row. */
export function mixtureSample(
  program: ProgramRecorder,
  buffers: { readonly logits: Tensor; readonly mean: Tensor; readonly logStd: Tensor; readonly u: Tensor; readonly z: Tensor; readonly out: Tensor },
  options: ParamValues<typeof mixtureParams>,
): void {
  program.launch(mixtureSampleSpec, options, buffers);
}

export const stochasticHeadKernels = [
  anyKernel(logStdSpec),
  anyKernel(logStdBackwardSpec),
  anyKernel(logStdTiledBackwardSpec),
  anyKernel(gaussianDensitySpec),
  anyKernel(gaussianDensityBackwardSpec),
  anyKernel(gaussianSampleSpec),
  anyKernel(mixtureDensitySpec),
  anyKernel(mixtureDensityBackwardSpec),
  anyKernel(mixtureSampleSpec),
];

import { anyKernel, defineKernel } from "../../engine/kernel-spec.js";
import type { ProgramRecorder } from "../../engine/program.js";
import type { Tensor } from "../../engine/tensor.js";
import { activations, type Activation } from "./activation.js";
import { columnSum } from "./columns.js";

/** Codes of the ways in which a condition changes an activation, which are also its tensors of C numbers a row. */
export const modulations = { none: 0, shift: 1, scale: 2 } as const;

/** How a condition changes an activation: not at all, + shift, or · scale + shift. */
export type Modulation = keyof typeof modulations;

interface NormParams {
  readonly rows: number;
  readonly length: number;
  readonly channels: number;
  readonly groups: number;
  readonly activation: number;
  readonly modulation: number;
  readonly epsilon: number;
}

function elements(p: NormParams): number {
  return p.rows * p.length * p.channels;
}

function problem(p: NormParams): string | undefined {
  if (p.modulation > modulations.scale) return `there is no modulation ${p.modulation}.`;
  if (p.groups === 0) return undefined;
  if (p.channels % p.groups !== 0) return `${p.channels} channels cannot be cut into ${p.groups} groups.`;
  return p.epsilon > 0 ? undefined : `epsilon is ${p.epsilon}; it must be above 0.`;
}

/** y = f(norm(x)) · scale + shift + addend. */
export const groupNormSpec = defineKernel({
  name: "nn/group_norm",
  lib: ["index", "activation"],
  params: { rows: "u32", length: "u32", channels: "u32", groups: "u32", activation: "u32", modulation: "u32", hasAddend: "u32", epsilon: "f32" },
  buffers: {
    x: { access: "read", length: elements, rows: true },
    weight: { access: "read", length: (p) => p.channels, optional: true },
    bias: { access: "read", length: (p) => p.channels, optional: true },
    film: { access: "read", length: (p) => p.rows * p.channels * p.modulation, rows: true, optional: true },
    addend: { access: "read", length: elements, rows: true, optional: true },
    y: { access: "write", length: elements, rows: true },
  },
  units: (p) => p.rows,
  entryPoints: { main: (p) => [Math.ceil((p.rows * Math.max(1, p.groups)) / 64)] },
  check: problem,
});

/** Gradients with respect to x and the condition; those of weight and bias as sums over the positions of each sample. */
export const groupNormBackwardSpec = defineKernel({
  name: "nn/group_norm_backward",
  lib: ["index", "activation"],
  params: { rows: "u32", length: "u32", channels: "u32", groups: "u32", activation: "u32", modulation: "u32", epsilon: "f32" },
  buffers: {
    dy: { access: "read", length: elements, rows: true },
    x: { access: "read", length: elements, rows: true },
    weight: { access: "read", length: (p) => p.channels, optional: true },
    bias: { access: "read", length: (p) => p.channels, optional: true },
    film: { access: "read", length: (p) => p.rows * p.channels * p.modulation, rows: true, optional: true },
    dx: { access: "write", length: elements, rows: true },
    dfilm: { access: "write", length: (p) => p.rows * p.channels * p.modulation, rows: true, optional: true },
    dnorm: { access: "write", length: (p) => p.rows * p.channels * 2, rows: true, optional: true },
  },
  units: (p) => p.rows,
  entryPoints: { main: (p) => [Math.ceil((p.rows * Math.max(1, p.groups)) / 64)] },
  check: problem,
});

/** Options of {@link groupNorm} and {@link groupNormBackward}. */
export interface GroupNormOptions {
  readonly rows: number;
  /** Positions of a sample. */
  readonly length: number;
  readonly channels: number;
  /** Groups of neighbouring channels that are normed together, over all positions; null for no norm. */
  readonly groups: number | null;
  /** Added to the variance. */
  readonly epsilon: number;
  readonly activation: Activation;
  readonly modulation: Modulation;
}

/** Weight and bias of the norm; both left out where there is none. */
export interface NormWeights {
  readonly weight?: Tensor | undefined;
  readonly bias?: Tensor | undefined;
}

function paramsOf(options: GroupNormOptions): NormParams {
  const { rows, length, channels, groups, epsilon, activation, modulation } = options;
  return { rows, length, channels, groups: groups ?? 0, epsilon, activation: activations[activation], modulation: modulations[modulation] };
}

/**
 * Records y = f(norm(x)) · scale + shift + addend for samples x [rows, length, channels]. `film` [rows, channels] holds the shift, or
 * [rows, 2 channels] the scale and then the shift.
 */
export function groupNorm(
  program: ProgramRecorder,
  buffers: NormWeights & { readonly x: Tensor; readonly film?: Tensor | undefined; readonly addend?: Tensor | undefined; readonly y: Tensor },
  options: GroupNormOptions,
): void {
  program.launch(groupNormSpec, { ...paramsOf(options), hasAddend: Number(buffers.addend !== undefined) }, buffers);
}

/** Records the way back of {@link groupNorm}; the gradient of its addend is dy itself. */
export function groupNormBackward(
  program: ProgramRecorder,
  buffers: NormWeights & {
    readonly dy: Tensor;
    readonly x: Tensor;
    readonly film?: Tensor | undefined;
    readonly dx: Tensor;
    /** Needed where there is a modulation. */
    readonly dfilm?: Tensor | undefined;
    readonly dweight?: Tensor | undefined;
    readonly dbias?: Tensor | undefined;
  },
  options: GroupNormOptions,
): void {
  const { dweight, dbias, ...rest } = buffers;
  const { rows, channels } = options;
  const dnorm = options.groups === null ? undefined : program.temporary([rows, 2, channels], "norm gradient sums");
  program.launch(groupNormBackwardSpec, paramsOf(options), { ...rest, dnorm });
  if (dnorm === undefined) return;
  for (const [out, offset] of [[dweight, 0], [dbias, channels]] as const) {
    if (out !== undefined) columnSum(program, { x: dnorm, out }, { rows, columns: channels, stride: 2 * channels, offset });
  }
}

/** Kernels of this file. */
export const groupNormKernels = [anyKernel(groupNormSpec), anyKernel(groupNormBackwardSpec)];

import { anyKernel, defineKernel } from "../../engine/kernel-spec.js";
import type { ProgramRecorder } from "../../engine/program.js";
import type { Tensor } from "../../engine/tensor.js";
import { activations, type Activation } from "./activation.js";

/** Output features that stand side by side in one packed panel. */
const panelWidth = 8;

function panelCount(features: number): number {
  return Math.ceil(features / panelWidth);
}

/**
 * Elements of a weight matrix packed by {@link linearPack}; by {@link linearPackTransposed} with the two counts
 * exchanged.
 */
export function packedLength(inFeatures: number, outFeatures: number): number {
  return panelCount(outFeatures) * panelWidth * inFeatures;
}

/** Where the columns of a weight matrix lie inside its rows, checked. */
function columnProblem(p: { readonly inFeatures: number; readonly rowStride: number; readonly column: number }): string | undefined {
  return p.column + p.inFeatures > p.rowStride
    ? `columns ${p.column} to ${p.column + p.inFeatures} are beyond rows of ${p.rowStride}.`
    : undefined;
}

/** Elements up to the last one that a slice of a weight matrix touches. */
function weightLength(p: { readonly inFeatures: number; readonly outFeatures: number; readonly rowStride: number; readonly column: number }): number {
  return p.outFeatures === 0 ? 0 : (p.outFeatures - 1) * p.rowStride + p.column + p.inFeatures;
}

/**
 * Variants of the WASM bodies by their tallest register tile; `main` is what suits the SIMD build. Which is fastest is a
 * matter of the host's compiler; the bits are the same.
 */
const tileVariants = ["main", "rows4", "rows6"];

/** packed[p][k][l] = W[8p + l, column + k]; transposed W[k, column + 8p + l]. */
export const linearPackSpec = defineKernel({
  name: "nn/linear_pack",
  lib: ["index"],
  params: { inFeatures: "u32", outFeatures: "u32", rowStride: "u32", column: "u32", transposed: "u32" },
  buffers: {
    weight: { access: "read", length: weightLength },
    packed: {
      access: "write",
      length: (p) => (p.transposed === 0 ? packedLength(p.inFeatures, p.outFeatures) : packedLength(p.outFeatures, p.inFeatures)),
    },
  },
  units: (p) => panelCount(p.transposed === 0 ? p.outFeatures : p.inFeatures),
  entryPoints: {
    main: (p) => [Math.ceil((p.transposed === 0 ? packedLength(p.inFeatures, p.outFeatures) : packedLength(p.outFeatures, p.inFeatures)) / 256)],
  },
  check: columnProblem,
});

/** y = x Wᵀ + bias + addend; activated = f(y). */
export const linearSpec = defineKernel({
  name: "nn/linear",
  lib: ["index", "activation"],
  params: {
    rows: "u32", inFeatures: "u32", outFeatures: "u32", activation: "u32",
    hasBias: "u32", hasAddend: "u32", writesY: "u32", writesActivated: "u32",
  },
  buffers: {
    x: { access: "read", length: (p) => p.rows * p.inFeatures, rows: true },
    packed: { access: "read", length: (p) => packedLength(p.inFeatures, p.outFeatures) },
    bias: { access: "read", length: (p) => p.outFeatures, optional: true },
    addend: { access: "read", length: (p) => p.rows * p.outFeatures, rows: true, optional: true },
    y: { access: "write", length: (p) => p.rows * p.outFeatures, rows: true, optional: true },
    activated: { access: "write", length: (p) => p.rows * p.outFeatures, rows: true, optional: true },
  },
  units: (p) => p.rows,
  entryPoints: { main: (p) => [Math.ceil((p.rows * p.outFeatures) / 256)] },
  wasmVariants: tileVariants,
  flops: (p) => 2 * p.rows * p.inFeatures * p.outFeatures,
  check: (p) => (p.writesY === 0 && p.writesActivated === 0 ? "neither y nor activated is given." : undefined),
});

/** dx = (dy W) f'(pre) + addend. */
export const linearBackwardInputSpec = defineKernel({
  name: "nn/linear_backward_input",
  lib: ["index", "activation"],
  params: { rows: "u32", inFeatures: "u32", outFeatures: "u32", activation: "u32", hasPre: "u32", hasAddend: "u32" },
  buffers: {
    dy: { access: "read", length: (p) => p.rows * p.outFeatures, rows: true },
    packed: { access: "read", length: (p) => packedLength(p.outFeatures, p.inFeatures) },
    pre: { access: "read", length: (p) => p.rows * p.inFeatures, rows: true, optional: true },
    addend: { access: "read", length: (p) => p.rows * p.inFeatures, rows: true, optional: true },
    dx: { access: "write", length: (p) => p.rows * p.inFeatures, rows: true },
  },
  units: (p) => p.rows,
  entryPoints: { main: (p) => [Math.ceil((p.rows * p.inFeatures) / 256)] },
  wasmVariants: tileVariants,
  flops: (p) => 2 * p.rows * p.inFeatures * p.outFeatures,
});

/** Rows that the weight gradient sums before it adds to what it has; the same number stands in both bodies. */
const blockRows = 128;
/** Columns of packing space a unit has on the WASM engine: its panel of x and four strips of dy. */
const scratchColumns = 24;

/** dW = dyᵀ x; db = the sum of the rows of dy. */
export const linearBackwardWeightSpec = defineKernel({
  name: "nn/linear_backward_weight",
  lib: ["index"],
  params: { rows: "u32", inFeatures: "u32", outFeatures: "u32", rowStride: "u32", column: "u32", hasBias: "u32" },
  buffers: {
    dy: { access: "read", length: (p) => p.rows * p.outFeatures },
    x: { access: "read", length: (p) => p.rows * p.inFeatures },
    dWeight: { access: "readwrite", length: weightLength },
    dBias: { access: "write", length: (p) => p.outFeatures, optional: true },
    scratch: { access: "write", length: (p) => panelCount(p.inFeatures) * blockRows * scratchColumns, rows: true, scratch: true },
  },
  units: (p) => panelCount(p.inFeatures),
  entryPoints: { main: (p) => [Math.ceil((p.outFeatures * (p.inFeatures + 1)) / 256)] },
  flops: (p) => 2 * p.rows * p.inFeatures * p.outFeatures,
  check: columnProblem,
});

/** A slice of a weight matrix [outFeatures, rowStride]: `inFeatures` columns from `column` on. */
export interface WeightSlice {
  readonly inFeatures: number;
  readonly outFeatures: number;
  readonly rowStride: number;
  readonly column: number;
}

function recordPack(program: ProgramRecorder, buffers: { readonly weight: Tensor; readonly packed: Tensor }, slice: WeightSlice, transposed: number): void {
  const { inFeatures, outFeatures, rowStride, column } = slice;
  program.launch(linearPackSpec, { inFeatures, outFeatures, rowStride, column, transposed }, buffers);
}

/** Records the packing of a weight for {@link linear}: once a program, at its head. */
export function linearPack(program: ProgramRecorder, buffers: { readonly weight: Tensor; readonly packed: Tensor }, slice: WeightSlice): void {
  recordPack(program, buffers, slice, 0);
}

/** Records the packing of a weight for {@link linearBackwardInput}, where one packing serves several launches. */
export function linearPackTransposed(program: ProgramRecorder, buffers: { readonly weight: Tensor; readonly packed: Tensor }, slice: WeightSlice): void {
  recordPack(program, buffers, slice, 1);
}

/** Records y = x Wᵀ + bias + addend and activated = f(y); what is left out of `buffers` is left out of the formula. */
export function linear(
  program: ProgramRecorder,
  buffers: {
    readonly x: Tensor;
    readonly packed: Tensor;
    readonly bias?: Tensor | undefined;
    readonly addend?: Tensor | undefined;
    readonly y?: Tensor | undefined;
    readonly activated?: Tensor | undefined;
  },
  options: { readonly rows: number; readonly inFeatures: number; readonly outFeatures: number; readonly activation?: Activation },
): void {
  const { rows, inFeatures, outFeatures, activation = "identity" } = options;
  program.launch(linearSpec, {
    rows,
    inFeatures,
    outFeatures,
    activation: activations[activation],
    hasBias: Number(buffers.bias !== undefined),
    hasAddend: Number(buffers.addend !== undefined),
    writesY: Number(buffers.y !== undefined),
    writesActivated: Number(buffers.activated !== undefined),
  }, buffers);
}

/**
 * Records dx = (dy W) f'(pre) + addend, for the slice's columns only. Pass `packed` where the program has the weight
 * packed by {@link linearPackTransposed} already; `weight` is packed here, into a temporary.
 */
export function linearBackwardInput(
  program: ProgramRecorder,
  buffers: {
    readonly dy: Tensor;
    readonly pre?: Tensor | undefined;
    readonly addend?: Tensor | undefined;
    readonly dx: Tensor;
  } & ({ readonly weight: Tensor } | { readonly packed: Tensor }),
  options: WeightSlice & { readonly rows: number; readonly activation?: Activation },
): void {
  const { rows, inFeatures, outFeatures, activation = "identity" } = options;
  let packed: Tensor;
  if ("packed" in buffers) {
    packed = buffers.packed;
  } else {
    packed = program.temporary([packedLength(outFeatures, inFeatures)], "packed weight");
    linearPackTransposed(program, { weight: buffers.weight, packed }, options);
  }
  program.launch(linearBackwardInputSpec, {
    rows,
    inFeatures,
    outFeatures,
    activation: activations[activation],
    hasPre: Number(buffers.pre !== undefined),
    hasAddend: Number(buffers.addend !== undefined),
  }, { dy: buffers.dy, packed, pre: buffers.pre, addend: buffers.addend, dx: buffers.dx });
}

/** Records dW = dyᵀ x into the slice's columns of `dWeight`, and dBias = the sum of the rows of dy. */
export function linearBackwardWeight(
  program: ProgramRecorder,
  buffers: { readonly dy: Tensor; readonly x: Tensor; readonly dWeight: Tensor; readonly dBias?: Tensor | undefined },
  options: WeightSlice & { readonly rows: number },
): void {
  const { rows, inFeatures, outFeatures, rowStride, column } = options;
  const params = { rows, inFeatures, outFeatures, rowStride, column, hasBias: Number(buffers.dBias !== undefined) };
  const scratch = program.temporary([linearBackwardWeightSpec.buffers.scratch.length(params)], "gradient scratch");
  program.launch(linearBackwardWeightSpec, params, { ...buffers, scratch });
}

export const linearKernels = [
  anyKernel(linearPackSpec),
  anyKernel(linearSpec),
  anyKernel(linearBackwardInputSpec),
  anyKernel(linearBackwardWeightSpec),
];

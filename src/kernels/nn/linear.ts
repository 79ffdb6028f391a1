import type { EngineName } from "../../engine/device.js";
import { anyKernel, defineKernel, type Grid, type ParamValues } from "../../engine/kernel-spec.js";
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

function outputProblem(p: { readonly writesY: number; readonly writesActivated: number }): string | undefined {
  return p.writesY === 0 && p.writesActivated === 0 ? "neither y nor activated is given." : undefined;
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

/** Grids of the entry points that kernels/lib/product.wgsl serves, for a result of `rows` by `columns`. */
const productGrids = {
  main: (rows: number, columns: number): Grid => [Math.ceil((Math.ceil(rows / 8) * Math.ceil(columns / 8)) / 32)],
  quad: (rows: number, columns: number): Grid => [Math.ceil((rows * Math.ceil(columns / 4)) / 256)],
  tiled: (rows: number, columns: number): Grid => [Math.ceil(columns / 64), Math.ceil(rows / 64)],
};

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
  lib: ["index", "activation", "product"],
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
  entryPoints: {
    main: (p) => productGrids.main(p.rows, p.outFeatures),
    main_quad: (p) => productGrids.quad(p.rows, p.outFeatures),
    main_tiled: (p) => productGrids.tiled(p.rows, p.outFeatures),
  },
  wasmVariants: tileVariants,
  flops: (p) => 2 * p.rows * p.inFeatures * p.outFeatures,
  check: outputProblem,
});

/** y = x Wᵀ + bias + addend, activated = f(y), from packed x and W as it lies. */
export const linearPackedInputSpec = defineKernel({
  name: "nn/linear_packed_input",
  lib: ["index", "activation", "product"],
  params: {
    rows: "u32", inFeatures: "u32", outFeatures: "u32", rowStride: "u32", column: "u32", activation: "u32",
    hasBias: "u32", hasAddend: "u32", writesY: "u32", writesActivated: "u32",
  },
  buffers: {
    packed: { access: "read", length: (p) => packedLength(p.inFeatures, p.rows) },
    weight: { access: "read", length: weightLength },
    bias: { access: "read", length: (p) => p.outFeatures, optional: true },
    addend: { access: "read", length: (p) => p.rows * p.outFeatures, optional: true },
    y: { access: "write", length: (p) => p.rows * p.outFeatures, optional: true },
    activated: { access: "write", length: (p) => p.rows * p.outFeatures, optional: true },
  },
  units: (p) => p.outFeatures,
  entryPoints: { main: (p) => productGrids.main(p.outFeatures, p.rows) },
  wasmVariants: tileVariants,
  flops: (p) => 2 * p.rows * p.inFeatures * p.outFeatures,
  check: (p) => columnProblem(p) ?? outputProblem(p),
});

/** dx = (dy W) f'(pre) + addend. */
export const linearBackwardInputSpec = defineKernel({
  name: "nn/linear_backward_input",
  lib: ["index", "activation", "product", "input_gradient"],
  params: { rows: "u32", inFeatures: "u32", outFeatures: "u32", activation: "u32", hasPre: "u32", hasAddend: "u32" },
  buffers: {
    dy: { access: "read", length: (p) => p.rows * p.outFeatures, rows: true },
    packed: { access: "read", length: (p) => packedLength(p.outFeatures, p.inFeatures) },
    pre: { access: "read", length: (p) => p.rows * p.inFeatures, rows: true, optional: true },
    addend: { access: "read", length: (p) => p.rows * p.inFeatures, rows: true, optional: true },
    dx: { access: "write", length: (p) => p.rows * p.inFeatures, rows: true },
  },
  units: (p) => p.rows,
  entryPoints: {
    main: (p) => productGrids.main(p.rows, p.inFeatures),
    main_quad: (p) => productGrids.quad(p.rows, p.inFeatures),
    main_tiled: (p) => productGrids.tiled(p.rows, p.inFeatures),
  },
  wasmVariants: tileVariants,
  flops: (p) => 2 * p.rows * p.inFeatures * p.outFeatures,
});

/** Columns of a unit of {@link linearBackwardInputUnpackedSpec}: two panels. */
const unitColumns = 2 * panelWidth;

/** Packing space of its units. */
function unitPanelsLength(inFeatures: number, outFeatures: number): number {
  return Math.ceil(inFeatures / unitColumns) * unitColumns * outFeatures;
}

/** dx = (dy W) f'(pre) + addend, from W as it lies. */
export const linearBackwardInputUnpackedSpec = defineKernel({
  name: "nn/linear_backward_input_unpacked",
  lib: ["index", "activation", "product", "input_gradient"],
  params: {
    rows: "u32", inFeatures: "u32", outFeatures: "u32", rowStride: "u32", column: "u32", activation: "u32", hasPre: "u32", hasAddend: "u32",
  },
  buffers: {
    dy: { access: "read", length: (p) => p.rows * p.outFeatures },
    weight: { access: "read", length: weightLength },
    pre: { access: "read", length: (p) => p.rows * p.inFeatures, optional: true },
    addend: { access: "read", length: (p) => p.rows * p.inFeatures, optional: true },
    dx: { access: "write", length: (p) => p.rows * p.inFeatures },
    scratch: { access: "write", length: (p) => unitPanelsLength(p.inFeatures, p.outFeatures), rows: true, scratch: true },
  },
  units: (p) => Math.ceil(p.inFeatures / unitColumns),
  entryPoints: { main: (p) => productGrids.main(p.rows, p.inFeatures) },
  wasmVariants: tileVariants,
  flops: (p) => 2 * p.rows * p.inFeatures * p.outFeatures,
  check: columnProblem,
});

/** Rows that the weight gradient sums before it adds to what it has; the same number stands in both bodies. */
const blockRows = 128;
/** Rows of the weight gradient in a unit of the WASM engine where they are more than columns; else units are panels of columns. */
const unitRows = 12;

/** Units of a weight gradient on the WASM engine: parts of its longer side. */
function gradientUnits(inFeatures: number, outFeatures: number): number {
  return outFeatures > inFeatures ? Math.ceil(outFeatures / unitRows) : panelCount(inFeatures);
}

/**
 * Packing space of the units, each panel and strip a line of the cache longer than its rows: a panel of 8 columns of x and four
 * strips of up to 6 columns of dy; or three strips of 4 columns of dy and two panels.
 */
function scratchLength(inFeatures: number, outFeatures: number): number {
  const [lanes, gaps] = outFeatures > inFeatures ? [unitRows + 2 * panelWidth, 3 + 2] : [panelWidth + 4 * 6, 1 + 4];
  return gradientUnits(inFeatures, outFeatures) * (lanes * blockRows + gaps * 16);
}

/** dW = dyᵀ x; db = the sum of the rows of dy; both for each of `parts` equal parts of the rows. */
export const linearBackwardWeightSpec = defineKernel({
  name: "nn/linear_backward_weight",
  lib: ["index"],
  params: { rows: "u32", inFeatures: "u32", outFeatures: "u32", rowStride: "u32", column: "u32", hasBias: "u32", parts: "u32" },
  buffers: {
    dy: { access: "read", length: (p) => p.rows * p.outFeatures },
    x: { access: "read", length: (p) => p.rows * p.inFeatures },
    dWeight: { access: "readwrite", length: (p) => (p.parts - 1) * p.outFeatures * p.rowStride + weightLength(p) },
    dBias: { access: "write", length: (p) => p.parts * p.outFeatures, optional: true },
    scratch: { access: "write", length: (p) => scratchLength(p.inFeatures, p.outFeatures), rows: true, scratch: true },
  },
  units: (p) => gradientUnits(p.inFeatures, p.outFeatures),
  entryPoints: {
    main: (p) => [Math.ceil((Math.ceil(p.outFeatures / 4) * Math.ceil(p.inFeatures / 4) + p.outFeatures) / 64), 1, p.parts],
    main_tiled: (p) => [Math.ceil(p.inFeatures / 64), Math.ceil(p.outFeatures / 64), p.parts],
  },
  flops: (p) => 2 * p.rows * p.inFeatures * p.outFeatures,
  check: columnProblem,
});

/** y = the sum of the parts, in order, written into columns of rows of `rowStride`. */
export const sumPartsSpec = defineKernel({
  name: "nn/sum_parts",
  lib: ["index"],
  params: { parts: "u32", rows: "u32", columns: "u32", rowStride: "u32", column: "u32" },
  buffers: {
    parts: { access: "read", length: (p) => p.parts * p.rows * p.columns },
    y: { access: "readwrite", length: (p) => (p.rows - 1) * p.rowStride + p.column + p.columns },
  },
  units: (p) => p.rows,
  entryPoints: { main: (p) => [Math.ceil((p.rows * p.columns) / 256)] },
  check: (p) => (p.column + p.columns > p.rowStride ? `columns ${p.column} to ${p.column + p.columns} are beyond rows of ${p.rowStride}.` : undefined),
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

/** What {@link linear} and {@link linearPackedInput} take beside their factors; what is left out is left out of the formula. */
export interface LinearBuffers {
  readonly bias?: Tensor | undefined;
  readonly addend?: Tensor | undefined;
  readonly y?: Tensor | undefined;
  readonly activated?: Tensor | undefined;
}

/** Parameters of both forms of a linear layer. */
function linearParams(
  buffers: LinearBuffers,
  { rows, inFeatures, outFeatures, activation = "identity" }: {
    readonly rows: number; readonly inFeatures: number; readonly outFeatures: number; readonly activation?: Activation;
  },
): ParamValues<typeof linearSpec.params> {
  return {
    rows,
    inFeatures,
    outFeatures,
    activation: activations[activation],
    hasBias: Number(buffers.bias !== undefined),
    hasAddend: Number(buffers.addend !== undefined),
    writesY: Number(buffers.y !== undefined),
    writesActivated: Number(buffers.activated !== undefined),
  };
}

/** Records y = x Wᵀ + bias + addend and activated = f(y). */
export function linear(
  program: ProgramRecorder,
  buffers: LinearBuffers & { readonly x: Tensor; readonly packed: Tensor },
  options: { readonly rows: number; readonly inFeatures: number; readonly outFeatures: number; readonly activation?: Activation },
): void {
  program.launch(linearSpec, linearParams(buffers, options), buffers);
}

/**
 * Whether a product goes better through a weight as it lies, `columns` by `depth` or turned. On a CPU, where rows are few
 * beside the columns, packing the weight is a good part of the work, and reading all rows for every share of the columns
 * is not. Sums must be long, because their ends cost more, and rows fill most of their panels.
 */
export function isBestUnpacked(engine: EngineName, rows: number, depth: number, columns: number): boolean {
  return engine === "wasm" && rows >= 32 && 2 * rows <= columns && depth >= 128;
}

/**
 * Records what {@link linear} does for the slice's columns of a weight as it lies; x is packed here, into a temporary. For a weight
 * that the program uses once, where {@link isBestUnpacked} says so.
 */
export function linearPackedInput(
  program: ProgramRecorder,
  buffers: LinearBuffers & { readonly x: Tensor; readonly weight: Tensor },
  options: WeightSlice & { readonly rows: number; readonly activation?: Activation },
): void {
  const { rows, inFeatures, rowStride, column } = options;
  const { x, ...others } = buffers;
  const packed = program.temporary([packedLength(inFeatures, rows)], "packed input");
  linearPack(program, { weight: x, packed }, { inFeatures, outFeatures: rows, rowStride: inFeatures, column: 0 });
  program.launch(linearPackedInputSpec, { ...linearParams(buffers, options), rowStride, column }, { ...others, packed });
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
  const { rows, inFeatures, outFeatures, rowStride, column, activation = "identity" } = options;
  const { dy, pre, addend, dx } = buffers;
  const params = {
    rows,
    inFeatures,
    outFeatures,
    activation: activations[activation],
    hasPre: Number(pre !== undefined),
    hasAddend: Number(addend !== undefined),
  };
  if ("packed" in buffers) {
    program.launch(linearBackwardInputSpec, params, { dy, packed: buffers.packed, pre, addend, dx });
    return;
  }
  const { weight } = buffers;
  if (isBestUnpacked(program.engine, rows, outFeatures, inFeatures)) {
    const scratch = program.temporary([unitPanelsLength(inFeatures, outFeatures)], "packed columns");
    program.launch(linearBackwardInputUnpackedSpec, { ...params, rowStride, column }, { dy, weight, pre, addend, dx, scratch });
    return;
  }
  const packed = program.temporary([packedLength(outFeatures, inFeatures)], "packed weight");
  linearPackTransposed(program, { weight, packed }, options);
  program.launch(linearBackwardInputSpec, params, { dy, packed, pre, addend, dx });
}

/**
 * Parts that the rows of a weight gradient are cut into on a GPU: sums of 512 rows or more, and no more workgroups of 64
 * by 64 elements than fill a large GPU. A CPU has work enough for its threads in the elements of dW.
 */
function gradientParts(engine: EngineName, rows: number, inFeatures: number, outFeatures: number): number {
  if (engine === "wasm") return 1;
  const tiles = Math.ceil(inFeatures / 64) * Math.ceil(outFeatures / 64);
  return Math.max(1, Math.min(Math.floor(rows / 512), Math.ceil(512 / tiles), 16));
}

/** Records dW = dyᵀ x into the slice's columns of `dWeight`, and dBias = the sum of the rows of dy. */
export function linearBackwardWeight(
  program: ProgramRecorder,
  buffers: { readonly dy: Tensor; readonly x: Tensor; readonly dWeight: Tensor; readonly dBias?: Tensor | undefined },
  options: WeightSlice & { readonly rows: number },
): void {
  const { rows, inFeatures, outFeatures, rowStride, column } = options;
  const { dy, x, dWeight, dBias } = buffers;
  const parts = gradientParts(program.engine, rows, inFeatures, outFeatures);
  const hasBias = Number(dBias !== undefined);
  const scratch = program.temporary([scratchLength(inFeatures, outFeatures)], "gradient scratch");
  if (parts === 1) {
    program.launch(linearBackwardWeightSpec, { rows, inFeatures, outFeatures, rowStride, column, hasBias, parts }, { dy, x, dWeight, dBias, scratch });
    return;
  }
  const weightParts = program.temporary([parts, outFeatures, inFeatures], "gradient parts");
  const biasParts = dBias === undefined ? undefined : program.temporary([parts, outFeatures], "bias gradient parts");
  program.launch(
    linearBackwardWeightSpec,
    { rows, inFeatures, outFeatures, rowStride: inFeatures, column: 0, hasBias, parts },
    { dy, x, dWeight: weightParts, dBias: biasParts, scratch },
  );
  program.launch(sumPartsSpec, { parts, rows: outFeatures, columns: inFeatures, rowStride, column }, { parts: weightParts, y: dWeight });
  if (biasParts !== undefined && dBias !== undefined) {
    program.launch(sumPartsSpec, { parts, rows: 1, columns: outFeatures, rowStride: outFeatures, column: 0 }, { parts: biasParts, y: dBias });
  }
}

export const linearKernels = [
  anyKernel(linearPackSpec),
  anyKernel(linearSpec),
  anyKernel(linearPackedInputSpec),
  anyKernel(linearBackwardInputSpec),
  anyKernel(linearBackwardInputUnpackedSpec),
  anyKernel(linearBackwardWeightSpec),
  anyKernel(sumPartsSpec),
];

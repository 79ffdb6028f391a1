import { anyKernel, defineKernel, type ParamValues } from "../../engine/kernel-spec.js";
import type { Launch, ProgramRecorder } from "../../engine/program.js";
import type { Tensor } from "../../engine/tensor.js";

const gatherParams = {
  rows: "u32",
  width: "u32",
  sourceRows: "u32",
  indexOffset: "u32",
  divisor: "u32",
  quotientStride: "u32",
  remainderStride: "u32",
  base: "u32",
} as const;

type GatherParams = ParamValues<typeof gatherParams>;

function divisorFault(p: GatherParams): string | undefined {
  return p.divisor === 0 ? "the divisor of an index is 0; 1 keeps it as it is." : undefined;
}

/** out[r] = source[row(index[indexOffset + r])], rows of floats. */
export const rowGatherSpec = defineKernel({
  name: "nn/row_gather",
  lib: ["index"],
  params: gatherParams,
  buffers: {
    source: { access: "read", length: (p) => p.sourceRows * p.width },
    index: { access: "read", dtype: "u32", length: (p) => p.indexOffset + p.rows },
    out: { access: "write", length: (p) => p.rows * p.width, rows: true },
  },
  units: (p) => p.rows,
  entryPoints: { main: (p) => [Math.ceil((p.rows * p.width) / 256)] },
  check: divisorFault,
});

/** out[r] = source[row(index[indexOffset + r])], rows of whole numbers. */
export const rowGatherU32Spec = defineKernel({
  name: "nn/row_gather_u32",
  lib: ["index"],
  params: gatherParams,
  buffers: {
    source: { access: "read", dtype: "u32", length: (p) => p.sourceRows * p.width },
    index: { access: "read", dtype: "u32", length: (p) => p.indexOffset + p.rows },
    out: { access: "write", dtype: "u32", length: (p) => p.rows * p.width, rows: true },
  },
  units: (p) => p.rows,
  entryPoints: { main: (p) => [Math.ceil((p.rows * p.width) / 256)] },
  check: divisorFault,
});

/** Options of {@link rowGather}. */
export interface RowGatherOptions {
  /** Rows to gather. */
  readonly rows: number;
  /** Elements of a row. */
  readonly width: number;
  /** First element of `index` that is used: where a minibatch starts in a permutation. Default 0. */
  readonly indexOffset?: number;
  /**
   * From an index i to a row: base + ⌊i / divisor⌋ · quotientStride + (i mod divisor) · remainderStride. By default the
   * index is the row. With i = sample · K' + step, `{ divisor: K' }` is the row of the sample, and
   * `{ divisor: K', quotientStride: K' + 1, remainderStride: 1, base: 1 }` the place in the chain after that step.
   */
  readonly map?: {
    readonly divisor: number;
    /** Default 1. */
    readonly quotientStride?: number;
    /** Default 0. */
    readonly remainderStride?: number;
    /** Default 0. */
    readonly base?: number;
  };
}

/**
 * Records out[r] = source[row], row from index[indexOffset + r]. `source` and `out` are of one type, f32 or u32. An index
 * beyond the source takes its last row. `update({ indexOffset })` moves to the next minibatch.
 */
export function rowGather(
  program: ProgramRecorder,
  buffers: { readonly source: Tensor; readonly index: Tensor; readonly out: Tensor },
  options: RowGatherOptions,
): Launch<typeof gatherParams> {
  const params = {
    rows: options.rows,
    width: options.width,
    sourceRows: Math.floor(buffers.source.length / options.width),
    indexOffset: options.indexOffset ?? 0,
    divisor: options.map?.divisor ?? 1,
    quotientStride: options.map?.quotientStride ?? 1,
    remainderStride: options.map?.remainderStride ?? 0,
    base: options.map?.base ?? 0,
  };
  return buffers.source.dtype === "u32"
    ? program.launch(rowGatherU32Spec, params, buffers)
    : program.launch(rowGatherSpec, params, buffers);
}

/** Kernels of this file. */
export const rowGatherKernels = [anyKernel(rowGatherSpec), anyKernel(rowGatherU32Spec)];

import { anyKernel, defineKernel, noLimit } from "../../engine/kernel-spec.js";
import type { Launch, ProgramRecorder } from "../../engine/program.js";
import type { Tensor } from "../../engine/tensor.js";

/** Columns of rows that lie anywhere in one buffer, scaled and shifted, to rows that lie anywhere in another. */
export const affineColumnsSpec = defineKernel({
  name: "nn/affine_columns",
  lib: ["index"],
  params: {
    rows: "u32",
    columns: "u32",
    period: "u32",
    srcOffset: "u32",
    srcStride: "u32",
    dstOffset: "u32",
    dstStride: "u32",
    hasMap: "u32",
    limit: "f32",
  },
  buffers: {
    src: { access: "read", length: (p) => p.srcOffset + (p.rows - 1) * p.srcStride + p.columns },
    scale: { access: "read", length: (p) => p.period, optional: true },
    shift: { access: "read", length: (p) => p.period, optional: true },
    dst: { access: "readwrite", length: (p) => p.dstOffset + (p.rows - 1) * p.dstStride + p.columns },
  },
  units: (p) => p.rows,
  entryPoints: { main: (p) => [Math.ceil((p.rows * p.columns) / 256)] },
  check: (p) => {
    if (p.columns === 0 || p.columns > p.srcStride || p.columns > p.dstStride) {
      return `${p.columns} columns do not fit into rows of ${p.srcStride} and ${p.dstStride}.`;
    }
    return p.period === 0 ? "the map has no columns." : undefined;
  },
});

/** Records the map; move either side with `update({ srcOffset })` and `update({ dstOffset })` of the returned launch. */
export function affineColumns(
  program: ProgramRecorder,
  buffers: {
    readonly src: Tensor;
    readonly dst: Tensor;
    /**
     * Scale and shift [Q], column c taking those of c mod Q, and the largest magnitude of what comes of it, null (default) being none.
     * Left out, elements are copied as they are.
     */
    readonly map?: { readonly scale: Tensor; readonly shift: Tensor; readonly limit?: number | null } | undefined;
  },
  options: {
    readonly rows: number;
    readonly columns: number;
    /** Elements before the first row and from one row to the next; 0 and `columns` by default. */
    readonly srcOffset?: number;
    readonly srcStride?: number;
    readonly dstOffset?: number;
    readonly dstStride?: number;
  },
): Launch<typeof affineColumnsSpec.params> {
  const { rows, columns, srcOffset = 0, srcStride = columns, dstOffset = 0, dstStride = columns } = options;
  const { src, dst, map } = buffers;
  return program.launch(
    affineColumnsSpec,
    {
      rows,
      columns,
      period: map?.scale.length ?? columns,
      srcOffset,
      srcStride,
      dstOffset,
      dstStride,
      hasMap: map === undefined ? 0 : 1,
      limit: map?.limit ?? noLimit,
    },
    { src, dst, scale: map?.scale, shift: map?.shift },
  );
}

/** Kernels of this file. */
export const affineColumnsKernels = [anyKernel(affineColumnsSpec)];

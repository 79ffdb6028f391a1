import { anyKernel, defineKernel } from "../../engine/kernel-spec.js";
import type { Launch, ProgramRecorder } from "../../engine/program.js";
import type { Tensor } from "../../engine/tensor.js";

/** Columns of one row-major matrix into columns of another. */
export const copyColumnsSpec = defineKernel({
  name: "nn/copy_columns",
  lib: ["index"],
  params: { rows: "u32", columns: "u32", srcStride: "u32", srcColumn: "u32", dstStride: "u32", dstColumn: "u32" },
  buffers: {
    src: { access: "read", length: (p) => p.rows * p.srcStride, rows: true },
    dst: { access: "readwrite", length: (p) => p.rows * p.dstStride, rows: true },
  },
  units: (p) => p.rows,
  entryPoints: { main: (p) => [Math.ceil((p.rows * p.columns) / 256)] },
  check: (p) => (p.srcColumn + p.columns > p.srcStride || p.dstColumn + p.columns > p.dstStride || p.columns === 0
    ? `columns ${p.srcColumn} to ${p.srcColumn + p.columns} of ${p.srcStride} do not fit into ${p.dstColumn} to ${p.dstColumn + p.columns} of ${p.dstStride}.`
    : undefined),
});

/** out[k, c] = scale Σ x[r, offset + c], r in block k: sums over rows. */
export const columnSumSpec = defineKernel({
  name: "nn/column_sum",
  lib: ["index"],
  params: { rows: "u32", columns: "u32", stride: "u32", offset: "u32", blockRows: "u32", scale: "f32" },
  buffers: {
    x: { access: "read", length: (p) => (p.rows - 1) * p.stride + p.offset + p.columns },
    out: { access: "write", length: (p) => Math.ceil(p.rows / p.blockRows) * p.columns },
  },
  units: (p) => Math.ceil(p.rows / p.blockRows) * Math.ceil(p.columns / 64),
  entryPoints: { main: (p) => [Math.ceil(p.rows / p.blockRows) * Math.ceil(p.columns / 64)] },
  check: (p) => (p.rows === 0 || p.blockRows === 0 ? `there are no rows to add (${p.rows} in blocks of ${p.blockRows}).` : undefined),
});

/** Records dst[r, dstColumn + c] = src[r, srcColumn + c] for `columns` columns; strides are the widths of the rows. */
export function copyColumns(
  program: ProgramRecorder,
  buffers: { readonly src: Tensor; readonly dst: Tensor },
  options: {
    readonly rows: number;
    readonly columns: number;
    readonly srcStride: number;
    readonly srcColumn: number;
    readonly dstStride: number;
    readonly dstColumn: number;
  },
): Launch<typeof copyColumnsSpec.params> {
  return program.launch(copyColumnsSpec, options, buffers);
}

/** A tensor of rows and the number of its columns. */
export interface Columns {
  readonly tensor: Tensor;
  readonly columns: number;
}

/** Records out[r] = [parts[0][r], parts[1][r], …]. */
export function concatColumns(program: ProgramRecorder, parts: readonly Columns[], out: Tensor, options: { readonly rows: number }): void {
  const dstStride = parts.reduce((sum, { columns }) => sum + columns, 0);
  let dstColumn = 0;
  for (const { tensor, columns } of parts) {
    copyColumns(program, { src: tensor, dst: out }, { rows: options.rows, columns, srcStride: columns, srcColumn: 0, dstStride, dstColumn });
    dstColumn += columns;
  }
}

/** Records the reverse of {@link concatColumns}: parts[0][r], parts[1][r], … = x[r]. */
export function splitColumns(program: ProgramRecorder, x: Tensor, parts: readonly Columns[], options: { readonly rows: number }): void {
  const srcStride = parts.reduce((sum, { columns }) => sum + columns, 0);
  let srcColumn = 0;
  for (const { tensor, columns } of parts) {
    copyColumns(program, { src: x, dst: tensor }, { rows: options.rows, columns, srcStride, srcColumn, dstStride: columns, dstColumn: 0 });
    srcColumn += columns;
  }
}

/** More rows than these are added in blocks first, so that threads share the work. */
const sumBlockRows = 256;

/** Records out[c] = scale Σ_r x[r · stride + offset + c], in a fixed order. */
export function columnSum(
  program: ProgramRecorder,
  buffers: { readonly x: Tensor; readonly out: Tensor },
  options: {
    readonly rows: number;
    readonly columns: number;
    /** Elements from one row to the next; `columns` by default. */
    readonly stride?: number;
    /** First element; 0 by default. */
    readonly offset?: number;
    /** Factor of the sums; 1 by default. */
    readonly scale?: number;
  },
): void {
  const { rows, columns, stride = columns, offset = 0, scale = 1 } = options;
  if (rows <= sumBlockRows) {
    program.launch(columnSumSpec, { rows, columns, stride, offset, blockRows: rows, scale }, buffers);
    return;
  }
  const blocks = Math.ceil(rows / sumBlockRows);
  const partials = program.temporary([blocks, columns], "column sums");
  program.launch(columnSumSpec, { rows, columns, stride, offset, blockRows: sumBlockRows, scale: 1 }, { x: buffers.x, out: partials });
  columnSum(program, { x: partials, out: buffers.out }, { rows: blocks, columns, scale });
}

/** Kernels of this file. */
export const columnKernels = [anyKernel(copyColumnsSpec), anyKernel(columnSumSpec)];

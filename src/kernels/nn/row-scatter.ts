import { anyKernel, defineKernel } from "../../engine/kernel-spec.js";
import type { ProgramRecorder } from "../../engine/program.js";
import type { Tensor } from "../../engine/tensor.js";

/** dst[index[r]] = src[r]: the reverse of a gather, rows in order. */
export const rowScatterSpec = defineKernel({
  name: "nn/row_scatter",
  lib: ["index"],
  params: { rows: "u32", width: "u32", dstRows: "u32" },
  buffers: {
    src: { access: "read", length: (p) => p.rows * p.width },
    index: { access: "read", dtype: "u32", length: (p) => p.rows },
    dst: { access: "readwrite", length: (p) => p.dstRows * p.width },
  },
  units: () => 1,
  entryPoints: { main: (p) => [Math.ceil(p.width / 256)] },
  check: (p) => (p.width === 0 || p.dstRows === 0 ? "there is nothing to write to." : undefined),
});

/** Records dst[index[r]] = src[r] for every row r; of rows for one place the last one stays. An index beyond `dst` takes its last row. */
export function rowScatter(
  program: ProgramRecorder,
  buffers: { readonly src: Tensor; readonly index: Tensor; readonly dst: Tensor },
  options: { readonly rows: number; readonly width: number },
): void {
  program.launch(rowScatterSpec, { ...options, dstRows: Math.floor(buffers.dst.length / options.width) }, buffers);
}

/** Kernels of this file. */
export const rowScatterKernels = [anyKernel(rowScatterSpec)];

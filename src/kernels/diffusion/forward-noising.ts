import { anyKernel, defineKernel } from "../../engine/kernel-spec.js";
import type { ProgramRecorder } from "../../engine/program.js";
import type { Tensor } from "../../engine/tensor.js";

/** Clean samples and noise, mixed as of a time. */
export const forwardNoisingSpec = defineKernel({
  name: "diffusion/forward_noising",
  lib: ["index"],
  params: { rows: "u32", width: "u32", times: "u32" },
  buffers: {
    x0: { access: "read", length: (p) => p.rows * p.width, rows: true },
    noise: { access: "read", length: (p) => p.rows * p.width },
    t: { access: "read", dtype: "u32", length: (p) => p.rows },
    table: { access: "read", length: (p) => p.times * 2 },
    xt: { access: "write", length: (p) => p.rows * p.width, rows: true },
  },
  units: (p) => p.rows,
  entryPoints: { main: (p) => [Math.ceil((p.rows * p.width) / 256)] },
  check: (p) => (p.times === 0 ? "the table of times is empty." : undefined),
});

/**
 * Records xt = √ᾱ_t · x0 + √(1 − ᾱ_t) · noise, each row at its own time t (u32, from 0). `table` [K, 2] holds the two
 * factors of each time; a time beyond it takes its last row.
 */
export function forwardNoising(
  program: ProgramRecorder,
  buffers: { readonly x0: Tensor; readonly noise: Tensor; readonly t: Tensor; readonly table: Tensor; readonly xt: Tensor },
  options: { readonly rows: number; readonly width: number },
): void {
  program.launch(forwardNoisingSpec, { rows: options.rows, width: options.width, times: Math.floor(buffers.table.length / 2) }, buffers);
}

/** Kernels of this file. */
export const forwardNoisingKernels = [anyKernel(forwardNoisingSpec)];

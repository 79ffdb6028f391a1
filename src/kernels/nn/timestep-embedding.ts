import { DifftuneError } from "../../core/errors.js";
import { anyKernel, defineKernel } from "../../engine/kernel-spec.js";
import type { ProgramRecorder } from "../../engine/program.js";
import type { Tensor } from "../../engine/tensor.js";

/** Sinusoidal features of whole times. */
export const timestepEmbeddingSpec = defineKernel({
  name: "nn/timestep_embedding",
  lib: ["index", "elementary"],
  params: { rows: "u32", dim: "u32" },
  buffers: {
    t: { access: "read", dtype: "u32", length: (p) => p.rows, rows: true },
    frequencies: { access: "read", dtype: "u32", length: (p) => p.dim / 2 },
    out: { access: "write", length: (p) => p.rows * p.dim, rows: true },
  },
  units: (p) => p.rows,
  entryPoints: { main: (p) => [Math.ceil((p.rows * p.dim) / 512)] },
  check: (p) => (isEmbeddingSize(p.dim) ? undefined : `an embedding of ${p.dim} numbers; it takes an even number from 4.`),
});

function isEmbeddingSize(dim: number): boolean {
  return Number.isSafeInteger(dim) && dim >= 4 && dim % 2 === 0;
}

/**
 * Frequencies of an embedding of `dim` numbers, dim/2 of them: w_j = 10000^(−j/(dim/2 − 1)) radians a step, as turns in
 * units of 2^-32. Belongs into a u32 tensor.
 */
export function timestepFrequencies(dim: number): Uint32Array {
  if (!isEmbeddingSize(dim)) {
    throw new DifftuneError("OPTION", `A timestep embedding has ${dim} numbers.`, { hint: "Take an even number from 4.", got: dim });
  }
  const half = dim / 2;
  return Uint32Array.from({ length: half }, (_, j) => Math.round((10000 ** (-j / (half - 1)) / (2 * Math.PI)) * 2 ** 32));
}

/**
 * Records out[b] = [sin(t_b w_0) … sin(t_b w_{h−1}), cos(t_b w_0) … cos(t_b w_{h−1})], h = dim/2, for whole times t (u32).
 * `frequencies` holds {@link timestepFrequencies}. The error grows with t: 1e-6 at t = 1000.
 */
export function timestepEmbedding(
  program: ProgramRecorder,
  buffers: { readonly t: Tensor; readonly frequencies: Tensor; readonly out: Tensor },
  options: { readonly rows: number; readonly dim: number },
): void {
  program.launch(timestepEmbeddingSpec, options, buffers);
}

/** Kernels of this file. */
export const timestepEmbeddingKernels = [anyKernel(timestepEmbeddingSpec)];

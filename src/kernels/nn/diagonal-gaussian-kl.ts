import { anyKernel, defineKernel } from "../../engine/kernel-spec.js";
import type { Launch, ProgramRecorder } from "../../engine/program.js";
import type { Tensor } from "../../engine/tensor.js";

/** Divergence of each row, deviations of their own. */
export const diagonalGaussianKlSpec = defineKernel({
  name: "nn/diagonal_gaussian_kl",
  lib: ["index"],
  params: { rows: "u32", width: "u32" },
  buffers: {
    mean: { access: "read", length: (p) => p.rows * p.width, rows: true },
    logStd: { access: "read", length: (p) => p.rows * p.width, rows: true },
    reference: { access: "read", length: (p) => p.rows * p.width, rows: true },
    referenceLogStd: { access: "read", length: (p) => p.rows * p.width, rows: true },
    kl: { access: "write", length: (p) => p.rows, rows: true },
  },
  units: (p) => p.rows,
  entryPoints: { main: (p) => [Math.ceil(p.rows / 64)] },
});

/** Gradient of scale · Σ kl with respect to mean and logStd, added to what is there. */
export const diagonalGaussianKlBackwardAddSpec = defineKernel({
  name: "nn/diagonal_gaussian_kl_backward_add",
  lib: ["index"],
  params: { rows: "u32", width: "u32", scale: "f32" },
  buffers: {
    mean: { access: "read", length: (p) => p.rows * p.width, rows: true },
    logStd: { access: "read", length: (p) => p.rows * p.width, rows: true },
    reference: { access: "read", length: (p) => p.rows * p.width, rows: true },
    referenceLogStd: { access: "read", length: (p) => p.rows * p.width, rows: true },
    dmean: { access: "readwrite", length: (p) => p.rows * p.width, rows: true },
    dlogstd: { access: "readwrite", length: (p) => p.rows * p.width, rows: true },
  },
  units: (p) => p.rows,
  entryPoints: { main: (p) => [Math.ceil((p.rows * p.width) / 256)] },
});

/** Two diagonal Gaussians for each row: means and logarithms of standard deviations, [rows, width]. */
export interface DiagonalGaussians {
  readonly mean: Tensor;
  readonly logStd: Tensor;
  readonly reference: Tensor;
  readonly referenceLogStd: Tensor;
}

/** Records kl[b] = KL(N(mean, e^2logStd) ‖ N(reference, e^2referenceLogStd)), summed over the columns. */
export function diagonalGaussianKl(
  program: ProgramRecorder,
  buffers: DiagonalGaussians & { readonly kl: Tensor },
  options: { readonly rows: number; readonly width: number },
): void {
  program.launch(diagonalGaussianKlSpec, options, buffers);
}

/** Records the gradient of scale · Σ_b kl[b]: added to dmean and dlogstd. */
export function diagonalGaussianKlBackwardAdd(
  program: ProgramRecorder,
  buffers: DiagonalGaussians & { readonly dmean: Tensor; readonly dlogstd: Tensor },
  options: { readonly rows: number; readonly width: number; readonly scale: number },
): Launch<typeof diagonalGaussianKlBackwardAddSpec.params> {
  return program.launch(diagonalGaussianKlBackwardAddSpec, options, buffers);
}

/** Kernels of this file. */
export const diagonalGaussianKlKernels = [anyKernel(diagonalGaussianKlSpec), anyKernel(diagonalGaussianKlBackwardAddSpec)];

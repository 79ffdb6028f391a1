import { anyKernel, defineKernel, type ParamValues } from "../../engine/kernel-spec.js";
import type { ProgramRecorder } from "../../engine/program.js";
import type { Tensor } from "../../engine/tensor.js";

const perElement = (p: { readonly rows: number; readonly width: number }): number => p.rows * p.width;

/** KL of two normals that share the floored deviation of a denoising step, with its gradient. */
export const gaussianKlSpec = defineKernel({
  name: "diffusion/gaussian_kl",
  lib: ["index"],
  params: { rows: "u32", width: "u32", steps: "u32", stdFloor: "f32", weight: "f32" },
  buffers: {
    mean: { access: "read", length: perElement, rows: true },
    reference: { access: "read", length: perElement, rows: true },
    step: { access: "read", dtype: "u32", length: (p) => p.rows, rows: true },
    schedule: { access: "read", length: (p) => p.steps * 8 },
    kl: { access: "write", length: (p) => p.rows, rows: true },
    dMean: { access: "write", length: perElement, rows: true },
  },
  units: (p) => p.rows,
  entryPoints: { main: (p) => [Math.ceil(p.rows / 64)] },
  check: (p) => (p.stdFloor >= 0 ? undefined : `the floor of the deviation is ${p.stdFloor}; it must be at least 0.`),
});

/** KL of diagonal normals with deviations of their own, with its gradients. */
export const diagonalGaussianKlSpec = defineKernel({
  name: "diffusion/diagonal_gaussian_kl",
  lib: ["index"],
  params: { rows: "u32", width: "u32", weight: "f32" },
  buffers: {
    mean: { access: "read", length: perElement, rows: true },
    logStd: { access: "read", length: perElement, rows: true },
    meanQ: { access: "read", length: perElement, rows: true },
    logStdQ: { access: "read", length: perElement, rows: true },
    kl: { access: "write", length: (p) => p.rows, rows: true },
    dMean: { access: "write", length: perElement, rows: true },
    dLogStd: { access: "write", length: perElement, rows: true },
  },
  units: (p) => p.rows,
  entryPoints: { main: (p) => [Math.ceil(p.rows / 64)] },
});

/**
 * Records, for rows at steps of a schedule, kl = sum (mean - reference)^2 / (2 std^2) and dMean = weight (mean - reference) / std^2:
 * the gradient of weight times the sum of all rows' KL.
 */
export function gaussianKl(
  program: ProgramRecorder,
  buffers: {
    readonly mean: Tensor; readonly reference: Tensor; readonly step: Tensor; readonly schedule: Tensor; readonly kl: Tensor; readonly dMean: Tensor;
  },
  options: Omit<ParamValues<typeof gaussianKlSpec.params>, "steps">,
): void {
  program.launch(gaussianKlSpec, { ...options, steps: buffers.schedule.length / 8 }, buffers);
}

/** Records KL(p || q) of diagonal normals and the gradients of `weight` times its sum with respect to p. */
export function diagonalGaussianKl(
  program: ProgramRecorder,
  buffers: {
    readonly mean: Tensor; readonly logStd: Tensor; readonly meanQ: Tensor; readonly logStdQ: Tensor;
    readonly kl: Tensor; readonly dMean: Tensor; readonly dLogStd: Tensor;
  },
  options: ParamValues<typeof diagonalGaussianKlSpec.params>,
): void {
  program.launch(diagonalGaussianKlSpec, options, buffers);
}

export const gaussianKlKernels = [anyKernel(gaussianKlSpec), anyKernel(diagonalGaussianKlSpec)];

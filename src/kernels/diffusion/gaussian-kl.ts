import { anyKernel, defineKernel } from "../../engine/kernel-spec.js";
import type { Launch, ProgramRecorder } from "../../engine/program.js";
import type { Tensor } from "../../engine/tensor.js";
import { scheduleWidth } from "./denoise.js";

const klParams = { rows: "u32", width: "u32", steps: "u32", hasSchedule: "u32", sigma: "f32", floorStd: "f32" } as const;

function deviationFault(p: { readonly hasSchedule: number; readonly steps: number; readonly sigma: number; readonly floorStd: number }): string | undefined {
  if (p.hasSchedule === 0) return Math.max(p.sigma, p.floorStd) > 0 ? undefined : `the standard deviation is ${p.sigma}; it must be above 0.`;
  if (p.steps === 0) return "the schedule is empty.";
  return p.floorStd > 0 ? undefined : "the last step of a schedule has no deviation of its own; the floor must be above 0.";
}

/** Divergence of each row. */
export const gaussianKlSpec = defineKernel({
  name: "diffusion/gaussian_kl",
  lib: ["index"],
  params: klParams,
  buffers: {
    mean: { access: "read", length: (p) => p.rows * p.width, rows: true },
    reference: { access: "read", length: (p) => p.rows * p.width, rows: true },
    step: { access: "read", dtype: "u32", length: (p) => p.rows, rows: true, optional: true },
    schedule: { access: "read", length: (p) => p.steps * scheduleWidth, optional: true },
    kl: { access: "write", length: (p) => p.rows, rows: true },
  },
  units: (p) => p.rows,
  entryPoints: { main: (p) => [Math.ceil(p.rows / 64)] },
  check: deviationFault,
});

/** Gradient of scale · Σ kl with respect to the mean, added to what is there. */
export const gaussianKlBackwardAddSpec = defineKernel({
  name: "diffusion/gaussian_kl_backward_add",
  lib: ["index"],
  params: { ...klParams, scale: "f32" },
  buffers: {
    mean: { access: "read", length: (p) => p.rows * p.width, rows: true },
    reference: { access: "read", length: (p) => p.rows * p.width, rows: true },
    step: { access: "read", dtype: "u32", length: (p) => p.rows, rows: true, optional: true },
    schedule: { access: "read", length: (p) => p.steps * scheduleWidth, optional: true },
    dmean: { access: "readwrite", length: (p) => p.rows * p.width, rows: true },
  },
  units: (p) => p.rows,
  entryPoints: { main: (p) => [Math.ceil((p.rows * p.width) / 256)] },
  check: deviationFault,
});

/** The one standard deviation that both Gaussians have: a number, or that of each row's step in a schedule. */
export type SharedDeviation =
  | { readonly std: number }
  | {
      /** Schedule tensor [steps, 8] and the step of each row, u32. */
      readonly schedule: Tensor;
      readonly step: Tensor;
    };

/** Options of {@link gaussianKl} and its gradient. */
export interface GaussianKlOptions {
  readonly rows: number;
  readonly width: number;
  readonly deviation: SharedDeviation;
  /** Smallest standard deviation: needed with a schedule, whose last step has none. */
  readonly floor: number;
}

function sourceOf({ rows, width, deviation, floor }: GaussianKlOptions) {
  if ("std" in deviation) return { params: { rows, width, steps: 0, hasSchedule: 0, sigma: deviation.std, floorStd: floor }, buffers: {} };
  const steps = Math.floor(deviation.schedule.length / scheduleWidth);
  return {
    params: { rows, width, steps, hasSchedule: 1, sigma: 0, floorStd: floor },
    buffers: { step: deviation.step, schedule: deviation.schedule },
  };
}

/** Records kl[b] = Σ_c (mean − reference)²/(2 s²), s = max(std, floor). */
export function gaussianKl(
  program: ProgramRecorder,
  buffers: { readonly mean: Tensor; readonly reference: Tensor; readonly kl: Tensor },
  options: GaussianKlOptions,
): void {
  const source = sourceOf(options);
  program.launch(gaussianKlSpec, source.params, { ...buffers, ...source.buffers });
}

/** Records dmean += scale (mean − reference)/s²: the gradient of scale · Σ_b kl[b]. `update({ scale })` changes the weight. */
export function gaussianKlBackwardAdd(
  program: ProgramRecorder,
  buffers: { readonly mean: Tensor; readonly reference: Tensor; readonly dmean: Tensor },
  options: GaussianKlOptions & { readonly scale: number },
): Launch<typeof gaussianKlBackwardAddSpec.params> {
  const source = sourceOf(options);
  return program.launch(gaussianKlBackwardAddSpec, { ...source.params, scale: options.scale }, { ...buffers, ...source.buffers });
}

/** Kernels of this file. */
export const gaussianKlKernels = [anyKernel(gaussianKlSpec), anyKernel(gaussianKlBackwardAddSpec)];

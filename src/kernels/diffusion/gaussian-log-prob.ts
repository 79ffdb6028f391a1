import { anyKernel, defineKernel } from "../../engine/kernel-spec.js";
import type { ProgramRecorder } from "../../engine/program.js";
import type { Tensor } from "../../engine/tensor.js";
import { scheduleWidth } from "./denoise.js";

/** Where a standard deviation comes from; the same codes stand in both bodies (assembly/kernels/lib/deviation.ts). */
const sources = { number: 0, tensor: 1, schedule: 2 } as const;

const sourceParams = { rows: "u32", width: "u32", steps: "u32", source: "u32", sigma: "f32", floorStd: "f32" } as const;

function deviationFault(p: { readonly source: number; readonly steps: number; readonly sigma: number; readonly floorStd: number }): string | undefined {
  if (p.floorStd < 0) return `the floor of the standard deviation is ${p.floorStd}.`;
  if (p.source === sources.number && !(Math.max(p.sigma, p.floorStd) > 0)) return `the standard deviation is ${p.sigma}; it must be above 0.`;
  return p.source === sources.schedule && p.steps === 0 ? "the schedule is empty." : undefined;
}

/** Log-density of every element. */
export const gaussianLogProbSpec = defineKernel({
  name: "diffusion/gaussian_log_prob",
  lib: ["index", "elementary"],
  params: sourceParams,
  buffers: {
    value: { access: "read", length: (p) => p.rows * p.width, rows: true },
    mean: { access: "read", length: (p) => p.rows * p.width, rows: true },
    logStd: { access: "read", length: (p) => p.rows * p.width, rows: true, optional: true },
    step: { access: "read", dtype: "u32", length: (p) => p.rows, rows: true, optional: true },
    schedule: { access: "read", length: (p) => p.steps * scheduleWidth, optional: true },
    logp: { access: "write", length: (p) => p.rows * p.width, rows: true },
  },
  units: (p) => p.rows,
  entryPoints: { main: (p) => [Math.ceil((p.rows * p.width) / 256)] },
  check: deviationFault,
});

/** Gradients with respect to mean and ln s. */
export const gaussianLogProbBackwardSpec = defineKernel({
  name: "diffusion/gaussian_log_prob_backward",
  lib: ["index"],
  params: { ...sourceParams, hasDlogstd: "u32" },
  buffers: {
    dlogp: { access: "read", length: (p) => p.rows * p.width, rows: true },
    value: { access: "read", length: (p) => p.rows * p.width, rows: true },
    mean: { access: "read", length: (p) => p.rows * p.width, rows: true },
    logStd: { access: "read", length: (p) => p.rows * p.width, rows: true, optional: true },
    step: { access: "read", dtype: "u32", length: (p) => p.rows, rows: true, optional: true },
    schedule: { access: "read", length: (p) => p.steps * scheduleWidth, optional: true },
    dmean: { access: "write", length: (p) => p.rows * p.width, rows: true },
    dlogstd: { access: "write", length: (p) => p.rows * p.width, rows: true, optional: true },
  },
  units: (p) => p.rows,
  entryPoints: { main: (p) => [Math.ceil((p.rows * p.width) / 256)] },
  check: deviationFault,
});

/** A standard deviation: one number, a tensor with the logarithm of each element's, or that of each row's step in a schedule. */
export type Deviation =
  | { readonly std: number }
  | { readonly logStd: Tensor }
  | {
      /** Schedule tensor [steps, 8] and the step of each row, u32. */
      readonly schedule: Tensor;
      readonly step: Tensor;
    };

/** Options of {@link gaussianLogProb} and its gradient. */
export interface GaussianLogProbOptions {
  readonly rows: number;
  readonly width: number;
  readonly deviation: Deviation;
  /** Smallest standard deviation; 0 by default. The schedule's last step has nearly none, so it needs one. */
  readonly floor?: number;
}

function sourceOf(options: GaussianLogProbOptions) {
  const { rows, width, deviation, floor = 0 } = options;
  const params = { rows, width, steps: 0, source: 0, sigma: 0, floorStd: floor };
  if ("logStd" in deviation) return { params: { ...params, source: sources.tensor }, buffers: { logStd: deviation.logStd } };
  if ("std" in deviation) return { params: { ...params, source: sources.number, sigma: deviation.std }, buffers: {} };
  const steps = Math.floor(deviation.schedule.length / scheduleWidth);
  return { params: { ...params, source: sources.schedule, steps }, buffers: { step: deviation.step, schedule: deviation.schedule } };
}

/** Records logp = ln N(value; mean, max(std, floor)²), elementwise. */
export function gaussianLogProb(
  program: ProgramRecorder,
  buffers: { readonly value: Tensor; readonly mean: Tensor; readonly logp: Tensor },
  options: GaussianLogProbOptions,
): void {
  const source = sourceOf(options);
  program.launch(gaussianLogProbSpec, source.params, { ...buffers, ...source.buffers });
}

/**
 * Records dmean of {@link gaussianLogProb}, and where given dlogstd: the gradient with respect to ln std, 0 where the floor
 * holds it.
 */
export function gaussianLogProbBackward(
  program: ProgramRecorder,
  buffers: {
    readonly dlogp: Tensor;
    readonly value: Tensor;
    readonly mean: Tensor;
    readonly dmean: Tensor;
    readonly dlogstd?: Tensor | undefined;
  },
  options: GaussianLogProbOptions,
): void {
  const source = sourceOf(options);
  const hasDlogstd = buffers.dlogstd === undefined ? 0 : 1;
  program.launch(gaussianLogProbBackwardSpec, { ...source.params, hasDlogstd }, { ...buffers, ...source.buffers });
}

/** Kernels of this file. */
export const gaussianLogProbKernels = [anyKernel(gaussianLogProbSpec), anyKernel(gaussianLogProbBackwardSpec)];

import { anyKernel, defineKernel, noLimit } from "../../engine/kernel-spec.js";
import type { ProgramRecorder } from "../../engine/program.js";
import type { Tensor } from "../../engine/tensor.js";
import type { LossPartials } from "./loss-statistics.js";

const blockSize = 1024;

/** Negative mean of clamped log-densities, and its gradient. */
export const cloningLossSpec = defineKernel({
  name: "rl/cloning_loss",
  lib: ["index", "reduce"],
  params: { count: "u32", low: "f32", high: "f32", scale: "f32" },
  buffers: {
    logp: { access: "read", length: (p) => p.count },
    dlogp: { access: "write", length: (p) => p.count },
    partials: { access: "write", length: (p) => Math.ceil(p.count / blockSize) },
  },
  units: (p) => Math.ceil(p.count / blockSize),
  entryPoints: { main: (p) => [Math.ceil(p.count / blockSize)] },
});

/**
 * Records −mean clamp(logp) over all entries and its gradient times `gradientScale`: the term that keeps a tuned policy
 * likely to do what the base policy does, and the loss of cloning for policies with a density.
 */
export function cloningLoss(
  program: ProgramRecorder,
  buffers: { readonly logp: Tensor; readonly dlogp: Tensor },
  options: {
    readonly count: number;
    /** Range of log-densities, outside of which they have no gradient; null is none. */
    readonly logProbRange: readonly [number, number] | null;
    readonly gradientScale: number;
  },
): LossPartials {
  const { count, gradientScale } = options;
  const [low, high] = options.logProbRange ?? [-noLimit, noLimit];
  const blocks = Math.ceil(count / blockSize);
  const partials = program.temporary([blocks], "cloning loss sums");
  program.launch(cloningLossSpec, { count, low, high, scale: gradientScale / count }, { ...buffers, partials });
  return { tensor: partials, columns: 1, blocks, divisor: count };
}

export const cloningLossKernels = [anyKernel(cloningLossSpec)];

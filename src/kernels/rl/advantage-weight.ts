import { anyKernel, defineKernel, noLimit } from "../../engine/kernel-spec.js";
import type { ProgramRecorder } from "../../engine/program.js";
import type { Tensor } from "../../engine/tensor.js";
import { moments } from "./advantage-statistics.js";

const blockSize = 1024;

/** Exponentials of standardised advantages. */
export const advantageWeightSpec = defineKernel({
  name: "rl/advantage_weight",
  lib: ["index"],
  params: { count: "u32", hasBase: "u32", beta: "f32", epsilon: "f32", largest: "f32" },
  buffers: {
    x: { access: "read", length: (p) => p.count },
    base: { access: "read", length: (p) => p.count, optional: true },
    statistics: { access: "read", length: () => 2 },
    weights: { access: "write", length: (p) => p.count },
  },
  units: (p) => Math.ceil(p.count / blockSize),
  entryPoints: { main: (p) => [Math.ceil(p.count / 256)] },
  check: (p) => (p.epsilon > 0 ? undefined : `what is added to the deviation is ${p.epsilon}; it must be above 0.`),
});

/** Options of {@link advantageWeight}. */
export interface AdvantageWeightOptions {
  readonly count: number;
  /** How much a deviation counts. */
  readonly beta: number;
  /** Added to the deviation. */
  readonly epsilon: number;
  /** Largest weight; null is none (then e⁸⁸). */
  readonly largest: number | null;
}

/**
 * Records weights = min(e^(beta Â), largest), Â = (a − mean a) / (deviation a + epsilon) with a = x, or x − base: the weights
 * with which a policy that is regressed on its own samples tends to the better ones. The deviation is the sample one (n − 1).
 */
export function advantageWeight(
  program: ProgramRecorder,
  buffers: { readonly x: Tensor; readonly base?: Tensor; readonly weights: Tensor },
  options: AdvantageWeightOptions,
): void {
  const { count, beta, epsilon, largest } = options;
  const { x, base, weights } = buffers;
  const statistics = program.temporary([2], "advantage moments");
  moments(program, base === undefined ? { x, result: statistics } : { x, base, result: statistics }, { count });
  program.launch(
    advantageWeightSpec,
    { count, hasBase: base === undefined ? 0 : 1, beta, epsilon, largest: largest ?? noLimit },
    { x, base, statistics, weights },
  );
}

export const advantageWeightKernels = [anyKernel(advantageWeightSpec)];

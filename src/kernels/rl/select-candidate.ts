import { anyKernel, defineKernel } from "../../engine/kernel-spec.js";
import type { ProgramRecorder } from "../../engine/program.js";
import type { Tensor } from "../../engine/tensor.js";

/** One of several candidates a row, by the smaller of two scores. */
export const selectCandidateSpec = defineKernel({
  name: "rl/select_candidate",
  lib: ["index"],
  params: { rows: "u32", candidates: "u32", isGreedy: "u32", expectile: "f32" },
  buffers: {
    first: { access: "read", length: (p) => p.rows * p.candidates },
    second: { access: "read", length: (p) => p.rows * p.candidates },
    values: { access: "read", length: (p) => p.rows },
    u: { access: "read", length: (p) => p.rows },
    selected: { access: "write", dtype: "u32", length: (p) => p.rows },
  },
  units: (p) => p.rows,
  entryPoints: { main: (p) => [Math.ceil(p.rows / 64)] },
  check: (p) => {
    if (p.candidates === 0) return "there are no candidates.";
    return p.expectile > 0 && p.expectile < 1 ? undefined : `the expectile is ${p.expectile}; it must be between 0 and 1.`;
  },
});

/**
 * Records which candidate each row takes, as the number of its score: the best by the smaller score (`isGreedy`), or a draw
 * with weight `expectile` for those whose smaller score is above the row's value, 1 − expectile for the others.
 */
export function selectCandidate(
  program: ProgramRecorder,
  buffers: {
    /** Scores [rows, candidates]. */
    readonly first: Tensor;
    readonly second: Tensor;
    /** [rows] */
    readonly values: Tensor;
    /** Uniform numbers [rows]. */
    readonly u: Tensor;
    /** u32 [rows]: row · candidates + candidate. */
    readonly selected: Tensor;
  },
  options: { readonly rows: number; readonly candidates: number; readonly isGreedy: boolean; readonly expectile: number },
): void {
  program.launch(selectCandidateSpec, { ...options, isGreedy: options.isGreedy ? 1 : 0 }, buffers);
}

export const selectCandidateKernels = [anyKernel(selectCandidateSpec)];

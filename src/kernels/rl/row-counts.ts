import { anyKernel, defineKernel } from "../../engine/kernel-spec.js";
import type { Launch, ProgramRecorder } from "../../engine/program.js";
import type { Tensor } from "../../engine/tensor.js";

/** How often each row is named by a part of a list of indices. */
export const rowCountsSpec = defineKernel({
  name: "rl/row_counts",
  lib: ["index"],
  params: { rows: "u32", count: "u32", offset: "u32", divisor: "u32" },
  buffers: {
    index: { access: "read", dtype: "u32", length: (p) => p.offset + p.count },
    counts: { access: "write", length: (p) => p.rows },
  },
  units: () => 1,
  entryPoints: { main: (p) => [Math.ceil(p.rows / 256)] },
  check: (p) => (p.rows === 0 || p.divisor === 0 ? `there are no rows to count (${p.rows}, divisor ${p.divisor}).` : undefined),
});

/**
 * Records counts[s] = number of the `count` indices from `offset` on whose quotient by `divisor` is s: how often a
 * minibatch of transitions takes each row of a rollout. `update({ offset })` moves to the next minibatch.
 */
export function rowCounts(
  program: ProgramRecorder,
  buffers: { readonly index: Tensor; readonly counts: Tensor },
  options: { readonly rows: number; readonly count: number; readonly divisor: number },
): Launch<typeof rowCountsSpec.params> {
  return program.launch(rowCountsSpec, { ...options, offset: 0 }, buffers);
}

export const rowCountsKernels = [anyKernel(rowCountsSpec)];

import { anyKernel, defineKernel, noLimit } from "../../engine/kernel-spec.js";
import type { Launch, ProgramRecorder } from "../../engine/program.js";
import type { Tensor } from "../../engine/tensor.js";

/** Means from the sums of blocks, and the flag that ends an update early. */
export const lossStatisticsSpec = defineKernel({
  name: "rl/loss_statistics",
  lib: ["index", "reduce"],
  params: { columns: "u32", blocks: "u32", divisor: "f32", at: "u32", watched: "u32", limit: "f32", hasStop: "u32" },
  buffers: {
    partials: { access: "read", length: (p) => p.columns * p.blocks },
    statistics: { access: "readwrite", length: (p) => p.at + p.columns },
    stop: { access: "readwrite", dtype: "u32", length: () => 1, optional: true },
  },
  units: () => 1,
  entryPoints: { main: () => [1] },
  check: (p) => (p.divisor > 0 ? undefined : `the divisor is ${p.divisor}; it must be above 0.`),
});

/** Sums of blocks that a loss leaves behind: its statistics, once {@link lossStatistics} has joined them. */
export interface LossPartials {
  /** [columns, blocks]; lives as long as its program records uses of it. */
  readonly tensor: Tensor;
  readonly columns: number;
  readonly blocks: number;
  /** What the joined sums are divided by to be means. */
  readonly divisor: number;
}

/**
 * Records statistics[at + c] = mean of column c of a loss. Record it *after* the optimiser's step where `stop` is given:
 * a minibatch whose divergence is above the limit is still learned from, those after it are not, and leave their
 * statistics as they were. Move on with `update({ at })` of the returned launch.
 */
export function lossStatistics(
  program: ProgramRecorder,
  partials: LossPartials,
  buffers: {
    readonly statistics: Tensor;
    /** One u32, 0 at the start of an update; the flag that `adamw` reads. */
    readonly stop?: Tensor;
  },
  options: {
    /** First element of the statistics to write. */
    readonly at: number;
    /** Sets the flag where this column's mean is above the limit; left out, the flag is only obeyed. */
    readonly stopAbove?: { readonly column: number; readonly limit: number };
  },
): Launch<typeof lossStatisticsSpec.params> {
  const { columns, blocks, divisor } = partials;
  return program.launch(
    lossStatisticsSpec,
    {
      columns,
      blocks,
      divisor,
      at: options.at,
      watched: options.stopAbove?.column ?? 0,
      limit: options.stopAbove?.limit ?? noLimit,
      hasStop: buffers.stop === undefined ? 0 : 1,
    },
    { partials: partials.tensor, ...buffers },
  );
}

export const lossStatisticsKernels = [anyKernel(lossStatisticsSpec)];

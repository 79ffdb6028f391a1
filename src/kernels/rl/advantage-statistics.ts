import { anyKernel, defineKernel } from "../../engine/kernel-spec.js";
import type { ProgramRecorder } from "../../engine/program.js";
import type { Tensor } from "../../engine/tensor.js";

const blockSize = 1024;

/** Mean and squares of blocks of x, or of x − base. */
export const momentsSpec = defineKernel({
  name: "rl/moments",
  lib: ["index", "reduce"],
  params: { count: "u32", hasBase: "u32" },
  buffers: {
    x: { access: "read", length: (p) => p.count },
    base: { access: "read", length: (p) => p.count, optional: true },
    partials: { access: "write", length: (p) => 2 * Math.ceil(p.count / blockSize) },
  },
  units: (p) => Math.ceil(p.count / blockSize),
  entryPoints: { main: (p) => [Math.ceil(p.count / blockSize)] },
});

/** Mean and sample deviation from those of the blocks. */
export const momentsJoinSpec = defineKernel({
  name: "rl/moments_join",
  lib: ["index", "reduce"],
  params: { count: "u32" },
  buffers: {
    partials: { access: "read", length: (p) => 2 * Math.ceil(p.count / blockSize) },
    result: { access: "write", length: () => 2 },
  },
  units: () => 1,
  entryPoints: { main: () => [1] },
});

/** Two quantiles, interpolated linearly between order statistics. */
export const quantilesSpec = defineKernel({
  name: "rl/quantiles",
  params: { count: "u32", lowRank: "u32", highRank: "u32", lowShare: "f32", highShare: "f32" },
  buffers: {
    x: { access: "read", length: (p) => p.count },
    statistics: { access: "readwrite", length: () => advantageStatisticsLength },
  },
  units: () => 2,
  entryPoints: { main: () => [2] },
  check: (p) => (p.lowRank < p.count && p.highRank < p.count ? undefined : `the ranks ${p.lowRank} and ${p.highRank} must be below the count ${p.count}.`),
});

/** Elements of the tensor of {@link advantageStatistics}: mean, deviation, lower and upper quantile. */
export const advantageStatisticsLength = 4;

/** Where quantile q of `count` numbers stands: between rank and rank + 1, `share` of the way. */
export function quantilePosition(q: number, count: number): { readonly rank: number; readonly share: number } {
  const position = Math.min(Math.max(q, 0), 1) * (count - 1);
  const rank = Math.floor(position);
  return { rank, share: position - rank };
}

/**
 * Records result = [mean, deviation] of x, or of x − base; the deviation is the sample one (n − 1), 0 for one number.
 * The explained variance of a critic is 1 − (deviation of returns − values)² / (deviation of returns)².
 */
export function moments(
  program: ProgramRecorder,
  buffers: { readonly x: Tensor; readonly base?: Tensor; readonly result: Tensor },
  options: { readonly count: number },
): void {
  const { count } = options;
  const partials = program.temporary([2 * Math.ceil(count / blockSize)], "moments");
  program.launch(momentsSpec, { count, hasBase: buffers.base === undefined ? 0 : 1 }, { x: buffers.x, base: buffers.base, partials });
  program.launch(momentsJoinSpec, { count }, { partials, result: buffers.result });
}

/**
 * Records statistics = [mean, deviation, lower quantile, upper quantile] of the advantages, for `ppoLoss`. Without
 * quantiles the last two are not written.
 */
export function advantageStatistics(
  program: ProgramRecorder,
  buffers: { readonly advantages: Tensor; readonly statistics: Tensor },
  options: { readonly count: number; readonly quantiles: readonly [number, number] | null },
): void {
  const { count, quantiles } = options;
  moments(program, { x: buffers.advantages, result: buffers.statistics }, { count });
  if (quantiles === null) return;
  const [low, high] = [quantilePosition(quantiles[0], count), quantilePosition(quantiles[1], count)];
  program.launch(
    quantilesSpec,
    { count, lowRank: low.rank, highRank: high.rank, lowShare: low.share, highShare: high.share },
    { x: buffers.advantages, statistics: buffers.statistics },
  );
}

export const advantageStatisticsKernels = [anyKernel(momentsSpec), anyKernel(momentsJoinSpec), anyKernel(quantilesSpec)];

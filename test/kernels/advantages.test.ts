import { describe, expect, test } from "vitest";
import { advantageStatistics, advantageStatisticsLength, moments, momentsJoinSpec, momentsSpec, quantilePosition, quantilesSpec } from "../../src/kernels/rl/advantage-statistics.js";
import { expectClose } from "../close.js";
import { clampToQuantiles } from "../reference/advantages.js";
import { proveAgreement } from "./agreement.js";
import { deviceFor, engines, proveKernel, testNumbers } from "./harness.js";
import { proveParts } from "./parts.js";

const blocksOf = (count: number): number => Math.ceil(count / 1024);
const meanOf = (values: ArrayLike<number>): number => Array.from(values).reduce((sum, value) => sum + value, 0) / values.length;
const squaresOf = (values: ArrayLike<number>): number => {
  const mean = meanOf(values);
  return Array.from(values).reduce((sum, value) => sum + (value - mean) ** 2, 0);
};

proveKernel(momentsSpec, [1, 3, 31, 33, 257, 1025, 5000].flatMap((count) => [false, true].map((hasBase) => {
  // Far from zero, so that squares about zero would lose the deviation.
  const x = testNumbers(count, 1).map((value) => value + 30);
  const base = testNumbers(count, 2, 3);
  const z = Float64Array.from(x, (value, i) => (hasBase ? value - base[i]! : value));
  const blocks = blocksOf(count);
  const slices = Array.from({ length: blocks }, (_, b) => z.subarray(b * 1024, (b + 1) * 1024));
  return {
    title: `${count}${hasBase ? " less a base" : ""}`,
    params: { count, hasBase: hasBase ? 1 : 0 },
    inputs: hasBase ? { x, base } : { x },
    expected: { partials: [...slices.map(meanOf), ...slices.map(squaresOf)] },
    tolerance: { relative: 2e-6 },
  };
})));

{
  const x = testNumbers(2500, 1).map((value) => value + 30);
  const slices = [x.subarray(0, 1024), x.subarray(1024, 2048), x.subarray(2048)].map((slice) => Float64Array.from(slice));
  proveParts(momentsSpec, { params: { count: 2500, hasBase: 0 }, inputs: { x } }, "partials", { means: slices.map(meanOf), squares: slices.map(squaresOf) }, { relative: 2e-6 });
}

proveKernel(momentsJoinSpec, [1, 2, 3, 1025, 5000, 600_000].map((count) => {
  const blocks = blocksOf(count);
  const partials = testNumbers(2 * blocks, 3, 4).map((value, i) => (i < blocks ? value + 5 : count === 1 ? 0 : Math.abs(value) * 200));
  const sizes = Array.from({ length: blocks }, (_, b) => Math.min(count - b * 1024, 1024));
  const mean = sizes.reduce((sum, size, b) => sum + size * partials[b]!, 0) / count;
  const squares = sizes.reduce((sum, size, b) => sum + partials[blocks + b]! + size * (partials[b]! - mean) ** 2, 0);
  return {
    title: String(count),
    params: { count },
    inputs: { partials },
    expected: { result: [mean, count === 1 ? 0 : Math.sqrt(squares / (count - 1))] },
    tolerance: { relative: 2e-6 },
  };
}));

/** Numbers of both signs with both zeros and many equal ones. */
function crowded(count: number, seed: number): Float32Array {
  return testNumbers(count, seed, 20).map((value, i) => (i % 3 === 0 ? Math.round(value / 5) : i % 11 === 0 ? -0 : value));
}

const pairs = [[0, 1], [0.05, 0.95], [0.5, 0.5], [0.333, 0.9999]] as const;

proveKernel(quantilesSpec, [1, 2, 3, 31, 32, 33, 257, 5000].flatMap((count) => pairs.map(([lower, upper]) => {
  const x = crowded(count, 4);
  const [low, high] = [quantilePosition(lower, count), quantilePosition(upper, count)];
  // The extremes of clamped numbers are the quantiles: some number lies on each side of both.
  const clamped = [...clampToQuantiles(x, lower, upper)];
  return {
    title: `${lower} and ${upper} of ${count}`,
    params: { count, lowRank: low.rank, highRank: high.rank, lowShare: low.share, highShare: high.share },
    inputs: { x, statistics: [7, 8, 0, 0] },
    expected: { statistics: [7, 8, Math.min(...clamped), Math.max(...clamped)] },
    tolerance: { relative: 2e-7 },
  };
})));

proveAgreement(momentsSpec, { relative: 2e-6 }, 40, ([a, b], seed) => ({
  params: { count: a * b, hasBase: 1 },
  inputs: { x: testNumbers(a * b, seed), base: testNumbers(a * b, seed + 1) },
}));

proveAgreement(quantilesSpec, { relative: 1e-7 }, 60, ([a, b, c], seed) => {
  const count = a * b;
  const [low, high] = [quantilePosition(c / 200, count), quantilePosition(1 - c / 200, count)];
  return {
    params: { count, lowRank: low.rank, highRank: high.rank, lowShare: low.share, highShare: high.share },
    inputs: { x: crowded(count, seed), statistics: [0, 0, 0, 0] },
  };
});

describe.each(engines)("advantage statistics on %s", (engine) => {
  test("hold mean, deviation and quantiles, and explain the variance of a critic", async () => {
    const device = await deviceFor(engine);
    const count = 3001;
    const [returns, values] = [testNumbers(count, 5, 3), testNumbers(count, 5, 3).map((value, i) => 0.5 * value + (i % 2))];
    const x = device.tensor([count], { data: returns });
    const base = device.tensor([count], { data: values });
    const statistics = device.tensor([advantageStatisticsLength]);
    const rest = device.tensor([2]);
    const program = await device.program("advantages", (recorder) => {
      advantageStatistics(recorder, { advantages: x, statistics }, { count, quantiles: [0.1, 0.9] });
      moments(recorder, { x, base, result: rest }, { count });
    });
    program.run();
    const deviation = (z: ArrayLike<number>): number => Math.sqrt(squaresOf(z) / (count - 1));
    const clamped = [...clampToQuantiles(returns, 0.1, 0.9)];
    const got = await device.read(statistics);
    expectClose(got, [meanOf(returns), deviation(returns), Math.min(...clamped), Math.max(...clamped)], { relative: 2e-6 });
    const residual = returns.map((value, i) => value - values[i]!);
    const explained = 1 - ((await device.read(rest))[1]! / got[1]!) ** 2;
    expect(explained).toBeCloseTo(1 - squaresOf(residual) / squaresOf(returns), 5);
    program.close();
  });
});

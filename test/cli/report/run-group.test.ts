import { describe, expect, test } from "vitest";
import { courseOf, differences, groupRuns, pooledEvaluation, type RunGroup } from "../../../src/cli/report/run-group.js";
import { summariseRun, type RunSummary } from "../../../src/cli/report/run-summary.js";
import { madeRun, type MadeRun } from "./made-runs.js";

const run = (made: MadeRun): RunSummary => summariseRun(madeRun({ iterations: 12, ...made }));

/** A run of which only a course of successes is known. */
function course(name: string, successes: readonly (number | undefined)[]): RunSummary {
  const lines = successes.map((success, iteration) => `${JSON.stringify({ event: "iteration", iteration, envSteps: 100 * (iteration + 1), episodes: 20, success })}\n`);
  return summariseRun({ name, run: '{"method":"dppo"}', metrics: lines.join(""), evaluations: {} });
}

describe("runs", () => {
  test("that differ only by seed are one group, in the order in which they came", () => {
    const groups = groupRuns([run({ seed: 1, name: "b" }), run({ seed: 0, name: "a" })]);
    expect(groups.map(({ name, runs }) => [name, runs.map((each) => each.name)])).toEqual([["DPPO", ["b", "a"]]]);
  });

  test("that differ by a setting are named by it", () => {
    const groups = groupRuns([3, 10].flatMap((tunedSteps) => [0, 1].map((seed) => run({ seed, options: { tunedSteps } }))));
    expect(groups.map(({ name, runs }) => [name, runs.length])).toEqual([["tunedSteps 3", 2], ["tunedSteps 10", 2]]);
    expect(differences(groups)).toEqual(["tunedSteps"]);
  });

  test("that differ by method are named by it", () => {
    expect(groupRuns([run({}), run({ method: "ppo" })]).map(({ name }) => name)).toEqual(["DPPO", "PPO"]);
  });

  test("that differ by much are named by their folders, without the seed", () => {
    const far = (value: number): Record<string, number> => ({ chunks: value, rate: value, updates: value, batchSize: value });
    expect(groupRuns([run({ name: "small-seed0", options: far(1) }), run({ name: "large-seed0", options: far(2) })]).map(({ name }) => name)).toEqual(["small", "large"]);
  });

  test("whose names would be the same keep their folders", () => {
    const far = (value: number): Record<string, number> => ({ chunks: value, rate: value, updates: value, batchSize: value });
    expect(groupRuns([run({ name: "x-seed0", options: far(1) }), run({ name: "x-seed1", options: far(2) })]).map(({ name }) => name)).toEqual(["x (x-seed0)", "x (x-seed1)"]);
  });

  test("of different data are never one group; a seed in a path makes no difference", () => {
    const of = (policy: string, seed: number): RunSummary => run({ seed, options: { policy } });
    expect(groupRuns([of("runs/m1/policy.safetensors", 0), of("runs/m2/policy.safetensors", 0)])).toHaveLength(2);
    expect(groupRuns([of("runs/m1-seed0/policy.safetensors", 0), of("runs/m1-seed1/policy.safetensors", 1)])).toHaveLength(1);
  });

  test("of which nothing is known stay apart", () => {
    const unknown = (name: string): RunSummary => summariseRun({ name, evaluations: {} });
    expect(groupRuns([unknown("a"), unknown("b")]).map(({ name }) => name)).toEqual(["a", "b"]);
  });
});

describe("a course", () => {
  const group = (...runs: readonly RunSummary[]): RunGroup => groupRuns(runs)[0]!;

  test("of one run has Wilson's interval of its episodes", () => {
    const { points, strands } = courseOf(group(course("a", [0.5])), "success", "envSteps");
    expect(strands).toEqual([]);
    // Wilson's interval of 10 in 20 is 0.299 to 0.701.
    expect(points[0]).toMatchObject({ x: 100, y: 0.5 });
    expect(points[0]!.low).toBeCloseTo(0.2993, 4);
    expect(points[0]!.high).toBeCloseTo(0.7007, 4);
  });

  test("of several runs is their mean with Student's interval", () => {
    const { points, strands } = courseOf(group(course("a", [0.4]), course("b", [0.5]), course("c", [0.6])), "success", "envSteps");
    expect(strands).toHaveLength(3);
    expect(points[0]!.y).toBeCloseTo(0.5, 12);
    // 4.3027 is the quantile of 2 degrees of freedom, 0.1 the deviation.
    expect(points[0]!.high).toBeCloseTo(0.5 + (4.302652730 * 0.1) / Math.sqrt(3), 8);
  });

  test("of shares stays between 0 and 1", () => {
    const { points } = courseOf(group(course("a", [0.9]), course("b", [1])), "success", "envSteps");
    expect(points[0]!.high).toBe(1);
    expect(points[0]!.low).toBeGreaterThanOrEqual(0);
  });

  test("goes on over rows that did not measure, and where some runs have ended", () => {
    const { points } = courseOf(group(course("a", [0.4, undefined, 0.6]), course("b", [0.4])), "success", "envSteps");
    expect(points.map(({ x, y }) => [x, y])).toEqual([[100, 0.4], [300, 0.6]]);
    expect(points[1]!.low).toBeUndefined();
  });

  test("keeps iterations that only evaluated, and evaluations, apart as marks", () => {
    const { points, marks } = courseOf(group(run({})), "success", "envSteps");
    expect(points.map(({ x }) => x)).not.toContain(5000);
    // Iterations 0 and 10, and the evaluations before and after.
    expect(marks.map(({ x }) => x)).toEqual([5000, 55_000, 0, 60_000]);
  });
});

test("evaluations of a group add up their counts, and average what are means", () => {
  const group = groupRuns([run({ seed: 0, end: 0.8 }), run({ seed: 1, end: 0.9 })])[0]!;
  const pooled = pooledEvaluation(group, "after")!;
  expect(pooled.episodes).toBe(400);
  expect(pooled.reasons.success).toBe(160 + 180);
  expect(pooled.success!.mean).toBeCloseTo(0.85, 12);
  expect(pooled.success!.high).toBe(1);
  expect(pooledEvaluation(group, 17)).toBeUndefined();
});

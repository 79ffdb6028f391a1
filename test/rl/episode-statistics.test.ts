import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { episodeStatistics, type EpisodeStatistics } from "../../src/rl/episode-statistics.js";

/** The rule as it is told, list by list: where the ones of a column are, and what lies between two of them. */
function counted(rewards: readonly (readonly number[])[], firsts: readonly (readonly number[])[], actionSteps: number, threshold: number, isSparse: boolean): EpisodeStatistics {
  const environments = firsts[0]!.length;
  const segments = Array.from({ length: environments }, (_, environment) => {
    const begins = firsts.flatMap((row, step) => (row[environment] === 1 ? [step] : []));
    return begins.slice(1).map((end, index) => rewards.slice(begins[index], end).map((row) => row[environment]!));
  }).flat().filter((segment) => segment.length > 1);
  const average = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;
  if (segments.length === 0) return { episodes: 0 };
  const returns = segments.map((segment) => segment.reduce((sum, value) => sum + value, 0));
  const bests = isSparse ? returns : segments.map((segment) => Math.max(...segment) / actionSteps);
  return {
    episodes: segments.length,
    success: average(bests.map((best) => (best >= threshold ? 1 : 0))),
    return: average(returns),
    bestReward: average(bests),
    length: average(segments.map((segment) => segment.length * actionSteps)),
  };
}

describe("episode statistics", () => {
  test("are those of the rule on any rollout", () => {
    const rollout = fc.tuple(fc.integer({ min: 1, max: 12 }), fc.integer({ min: 1, max: 5 })).chain(([steps, environments]) => fc.record({
      rewards: fc.array(fc.array(fc.integer({ min: -8, max: 16 }).map((value) => value / 2), { minLength: environments, maxLength: environments }), { minLength: steps, maxLength: steps }),
      firsts: fc.array(fc.array(fc.constantFrom(0, 0, 1), { minLength: environments, maxLength: environments }), { minLength: steps + 1, maxLength: steps + 1 }),
      actionSteps: fc.integer({ min: 1, max: 8 }),
      threshold: fc.constantFrom(0, 0.5, 1, 2),
      isSparse: fc.boolean(),
    }));
    fc.assert(fc.property(rollout, ({ rewards, firsts, actionSteps, threshold, isSparse }) => {
      const got = episodeStatistics({
        rewards: Float32Array.from(rewards.flat()), firsts: Uint8Array.from(firsts.flat()),
        steps: rewards.length, environments: rewards[0]!.length, actionSteps, threshold, isSparse,
      });
      const expected = counted(rewards, firsts, actionSteps, threshold, isSparse);
      expect(Object.keys(got)).toEqual(Object.keys(expected));
      for (const [name, value] of Object.entries(expected)) expect(got[name as keyof EpisodeStatistics]).toBeCloseTo(value as number, 12);
    }), { numRuns: 500 });
  });

  test("count an episode that is cut by the last chunk: Avoid's 25 chunks of 4", () => {
    const [steps, environments] = [25, 3];
    const firsts = new Float32Array((steps + 1) * environments);
    firsts.fill(1, 0, environments);
    firsts.fill(1, steps * environments);
    const rewards = new Float32Array(steps * environments);
    // Environment 0 spends its last two chunks beyond the line in the rewarded mode, 1 touches a cylinder at once.
    for (let step = 0; step < steps; step++) {
      rewards[step * environments] = step >= 23 ? 8 : 0;
      rewards[step * environments + 1] = -0.4;
      rewards[step * environments + 2] = step >= 20 ? 7 : 0;
    }
    const got = episodeStatistics({ rewards, firsts, steps, environments, actionSteps: 4, threshold: 2 });
    expect(got).toMatchObject({ episodes: 3, success: 1 / 3, length: 100 });
    expect(got.return).toBeCloseTo((16 - 10 + 35) / 3, 6);
    expect(got.bestReward).toBeCloseTo((2 - 0.1 + 1.75) / 3, 6);
  });

  test("leave out what is open at either end, and episodes of a single chunk", () => {
    const column = (firsts: readonly number[], rewards: readonly number[]) => episodeStatistics({
      rewards: Float32Array.from(rewards), firsts: Float32Array.from(firsts), steps: rewards.length, environments: 1, actionSteps: 1, threshold: 1,
    });
    expect(column([0, 0, 1, 0, 0], [5, 5, 5, 5])).toEqual({ episodes: 0 });
    expect(column([1, 0, 0, 0, 0], [5, 5, 5, 5])).toEqual({ episodes: 0 });
    expect(column([1, 1, 1, 1, 1], [5, 5, 5, 5])).toEqual({ episodes: 0 });
    expect(column([0, 1, 0, 1, 0], [5, 2, 3, 5])).toEqual({ episodes: 1, success: 1, return: 5, bestReward: 3, length: 2 });
  });

  test("take the return for the best reward where rewards are sparse", () => {
    const record = { rewards: Float32Array.from([0, 1, 0, 0, 1, 1]), firsts: Float32Array.from([1, 0, 0, 1, 0, 0, 1]), steps: 6, environments: 1, actionSteps: 8, threshold: 2 };
    expect(episodeStatistics({ ...record, isSparse: true })).toMatchObject({ episodes: 2, success: 0.5, bestReward: 1.5 });
    expect(episodeStatistics(record)).toMatchObject({ success: 0, bestReward: 1 / 8 });
  });

  test("refuse arrays of other shapes", () => {
    expect(() => episodeStatistics({ rewards: new Float32Array(4), firsts: new Float32Array(4), steps: 2, environments: 2, actionSteps: 1, threshold: 1 })).toThrow(/one row of beginnings more/);
  });
});

import fc from "fast-check";
import { expect, test } from "vitest";
import { returnWeights, tdLambdaTargets, wholeEpisodeReturns } from "../../src/rl/returns.js";
import { expectClose } from "../close.js";
import { tdLambdaTargets as twin } from "../reference/q-learning.js";

test("returns run to the end of each episode, and only whole episodes have any", () => {
  // Environment 0: an episode of three steps, then one under way. Environment 1: under way, then one of two steps.
  const rewards = [1, 9, 2, 9, 4, 1, 7, 3];
  const firsts = [1, 0, 0, 0, 0, 1, 1, 0, 0, 1];
  const { rows, returns } = wholeEpisodeReturns({ rewards, steps: 4, envs: 2 }, firsts, 0.5);
  expect([...rows]).toEqual([0, 2, 4, 5, 7]);
  expect([...returns]).toEqual([1 + 0.5 * 2 + 0.25 * 4, 2 + 0.5 * 4, 4, 1 + 0.5 * 3, 3]);
});

test("an episode of one step is whole", () => {
  const { rows, returns } = wholeEpisodeReturns({ rewards: [5, 6], steps: 2, envs: 1 }, [1, 1, 1], 0.9);
  expect([[...rows], [...returns]]).toEqual([[0, 1], [5, 6]]);
});

test("whole episodes are those between two beginnings, on any stretch", () => {
  fc.assert(fc.property(fc.integer({ min: 1, max: 12 }), fc.integer({ min: 1, max: 4 }), fc.infiniteStream(fc.boolean()), (steps, envs, coin) => {
    const firsts = Array.from({ length: (steps + 1) * envs }, () => (coin.next().value ? 1 : 0));
    const rewards = Array.from({ length: steps * envs }, (_, at) => at + 1);
    const { rows, returns } = wholeEpisodeReturns({ rewards, steps, envs }, firsts, 1);
    const expected: [number, number][] = [];
    for (let row = 0; row < steps * envs; row++) {
      const column = (step: number): number => step * envs + (row % envs);
      let begin = Math.floor(row / envs);
      while (begin >= 0 && firsts[column(begin)] !== 1) begin--;
      let end = Math.floor(row / envs) + 1;
      while (end <= steps && firsts[column(end)] !== 1) end++;
      if (begin < 0 || end > steps) continue;
      let sum = 0;
      for (let step = Math.floor(row / envs); step < end; step++) sum += rewards[column(step)]!;
      expected.push([row, sum]);
    }
    expect([...rows].map((row, at) => [row, returns[at]])).toEqual(expected);
  }), { numRuns: 200, seed: 4 });
});

test("weights are exponentials of standardised returns, the largest cut", () => {
  const weights = returnWeights(Float64Array.of(-1, 1), { beta: 2, largest: 5 });
  expectClose(weights, [Math.exp(-2 / 1.001), 5], { relative: 1e-6 });
  expect([...returnWeights(Float64Array.of(3, 3), { beta: 10, largest: 5 })]).toEqual([1, 1]);
});

test("targets of lambda-returns are those of the twin", () => {
  const numbers = (seed: number): number[] => Array.from({ length: 24 }, (_, i) => Math.sin(seed + 7 * i));
  const terminated = numbers(3).map((value) => (value > 0.7 ? 1 : 0));
  const options = { gamma: 0.9, lambda: 0.8, alpha: 0.7 };
  expectClose(
    tdLambdaTargets({ rewards: numbers(1), steps: 8, envs: 3 }, numbers(2), terminated, options),
    twin(numbers(1), numbers(2), terminated, 3, options), { relative: 1e-6 },
  );
});

import { expect, test } from "vitest";
import { afterTheEnd, chunkRewards } from "../../src/preference/chunk-reward.js";

const rewards = [1, 2, 4, 8, 16, 32, 64, Number.NaN, Number.NaN];

test("a chunk's reward is the sum over the states it reached; the others are not read", () => {
  expect([...chunkRewards(rewards, [3, 2, 1], { actionSteps: 3 })]).toEqual([7, 24, 64]);
});

test("the last reached state stands for the missing ones where that is asked for", () => {
  expect([...chunkRewards(rewards, [3, 2, 1], { actionSteps: 3, tail: "repeatLast" })]).toEqual([7, 40, 192]);
  expect([...chunkRewards([5, 5], [0], { actionSteps: 2, tail: "repeatLast" })]).toEqual([0]);
});

test("after an end for good the last reached state goes on for ever, discounted chunk by chunk", () => {
  const following = afterTheEnd(rewards, [3, 2, 1], [0, 1, 1], { actionSteps: 3, gamma: 0.5 });
  // The sum of γᵏ over the chunks that would follow, each of three such states.
  const chunks = Array.from({ length: 60 }, (_, chunk) => 0.5 ** (chunk + 1)).reduce((sum, weight) => sum + weight, 0);
  expect([...following]).toEqual([0, 3 * 16 * chunks, 3 * 64 * chunks]);
  expect([...afterTheEnd(rewards, [3, 2, 0], [1, 1, 1], { actionSteps: 3, gamma: 0 })]).toEqual([0, 0, 0]);
});

test.each([[[3, 2], /2 chunks of 3/], [[3, 2, 4], /Chunk 2 reached 4/], [[3, 1.5, 1], /Chunk 1 reached 1.5/], [[-1, 0, 0], /Chunk 0/]])("refuses %j", (reached, message) => {
  expect(() => chunkRewards(rewards, reached, { actionSteps: 3 })).toThrow(message);
});

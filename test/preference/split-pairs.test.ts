import fc from "fast-check";
import { expect, test } from "vitest";
import type { PreferencePair } from "../../src/preference/pair-store.js";
import { splitPairs } from "../../src/preference/split-pairs.js";

const none = new Float32Array();
const pair = (id: number, horizon: number, a: number, b: number, repeatOf?: number): PreferencePair => ({
  id, horizon, features0: none, features1: none, states0: none, states1: none, label: 1, annotator: "human", round: 0, timestampMs: 0,
  source: { episode0: 0, step0: a, episode1: 0, step1: b }, ...(repeatOf === undefined ? {} : { repeatOf }),
});
const statesOf = (pairs: readonly PreferencePair[]): Set<number> =>
  new Set(pairs.flatMap(({ horizon, source }) => Array.from({ length: horizon }, (_, h) => [source.step0 + h, source.step1 + h]).flat()));

test("no state stands on both sides, no pair is lost, and validation never exceeds its share", () => {
  fc.assert(fc.property(fc.array(fc.tuple(fc.nat(150), fc.nat(150), fc.integer({ min: 1, max: 3 })), { minLength: 1, maxLength: 60 }), fc.nat(1000), (sources, seed) => {
    const pairs = sources.map(([a, b, horizon], id) => pair(id, horizon, 3 * a, 3 * b));
    const { training, validation } = splitPairs(pairs, { share: 0.3, seed });
    expect([...training, ...validation].map(({ id }) => id).sort((x, y) => x - y)).toEqual(pairs.map(({ id }) => id));
    const seen = statesOf(training);
    expect([...statesOf(validation)].some((state) => seen.has(state))).toBe(false);
    expect(validation.length).toBeLessThanOrEqual(Math.round(0.3 * pairs.length));
  }), { numRuns: 100 });
});

test("pairs of states of their own are parted by the share, differently for every seed", () => {
  const pairs = Array.from({ length: 200 }, (_, id) => pair(id, 1, 2 * id, 2 * id + 1));
  const validation = (seed: number): readonly number[] => splitPairs(pairs, { seed }).validation.map(({ id }) => id);
  expect(validation(1)).toHaveLength(30);
  expect(validation(1)).toEqual(validation(1));
  expect(validation(1)).not.toEqual(validation(2));
});

test("overlapping segments hang together; repeated questions are left out", () => {
  const chain = Array.from({ length: 10 }, (_, id) => pair(id, 2, id, id + 100));
  expect(splitPairs(chain, { share: 0.5 }).validation).toEqual([]);
  expect(splitPairs([pair(0, 1, 0, 1), pair(1, 1, 0, 1, 0)], { share: 0 })).toEqual({ training: [pair(0, 1, 0, 1)], validation: [] });
  expect(() => splitPairs(chain, { share: 1 })).toThrow(/share/);
});

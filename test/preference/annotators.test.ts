import { describe, expect, test } from "vitest";
import { blinded, scriptedAnnotator, selfConsistency, type Annotator, type Answer } from "../../src/preference/annotators.js";
import type { PreferencePair } from "../../src/preference/pair-store.js";

/** A state is its own score. */
const plain = { name: "plain", score: (states: ArrayLike<number>, row: number): number => states[row]!, tieWidth: 0, width: 1 };
const one = (value: number): Float32Array => Float32Array.of(value);

async function answers(annotator: Annotator, count: number, states: (query: number) => readonly [number, number]): Promise<Answer[]> {
  return Promise.all(Array.from({ length: count }, (_, query) => {
    const [a, b] = states(query);
    return annotator.annotate({ query, states0: one(a), states1: one(b) });
  }));
}

const share = (list: readonly Answer[], answer: Answer): number => list.filter((each) => each === answer).length / list.length;

describe("a scripted annotator", () => {
  test("prefers the higher score, finds close ones equal, and skips where both are poor", async () => {
    const annotator = scriptedAnnotator(plain, { tieWidth: 0.25, leastScore: -1 });
    const ask = (a: number, b: number): Promise<Answer> => annotator.annotate({ query: 3, states0: one(a), states1: one(b) });
    expect(await Promise.all([ask(1, 2), ask(2, 1), ask(1, 1.2), ask(1, 1.25), ask(-2, -1.5), ask(-2, -1), ask(0.5, 0.5)])).toEqual([1, 0, -1, 1, "skip", 1, -1]);
  });

  test("adds up the states of a segment, older ones with less weight where it is asked to", async () => {
    const segments = { query: 0, states0: Float32Array.of(4, 0, 0), states1: Float32Array.of(0, 0, 3) };
    expect(await scriptedAnnotator(plain).annotate(segments)).toBe(0);
    expect(await scriptedAnnotator(plain, { recency: 0.5 }).annotate(segments)).toBe(1);
  });

  test.each([0, 0.1, 0.2])("is mistaken in a share of %j, and never about ties", async (mistakeRate) => {
    const list = await answers(scriptedAnnotator(plain, { mistakeRate, tieWidth: 0.1 }, 5), 20_000, (query) => [0, query % 4 === 0 ? 0 : 1]);
    expect(share(list, -1)).toBe(0.25);
    // Four standard deviations of a share of 15,000.
    expect(Math.abs(share(list, 0) / 0.75 - mistakeRate)).toBeLessThan(4 * Math.sqrt((mistakeRate * (1 - mistakeRate)) / 15_000) + 1e-12);
  });

  test.each([1, 10])("with rationality %j chooses by sigmoid(β d)", async (rationality) => {
    for (const d of [-0.3, 0.05, 0.2, 1]) {
      const p = 1 / (1 + Math.exp(-rationality * d));
      const list = await answers(scriptedAnnotator(plain, { rationality }, 9), 20_000, () => [1, 1 + d]);
      expect(Math.abs(share(list, 1) - p), `d ${d}`).toBeLessThan(4 * Math.sqrt((p * (1 - p)) / 20_000));
    }
  });

  test("answers the same query the same way again, whatever came before", async () => {
    const make = (seed: number): Annotator => scriptedAnnotator(plain, { rationality: 1, mistakeRate: 0.2 }, seed);
    const all = await answers(make(1), 100, () => [0, 0.5]);
    const late = await make(1).annotate({ query: 73, states0: one(0), states1: one(0.5) });
    expect(late).toBe(all[73]);
    expect(await answers(make(2), 100, () => [0, 0.5])).not.toEqual(all);
  });

  test.each([[{ mistakeRate: 1.5 }, /mistakeRate/], [{ rationality: 0 }, /rationality/], [{ tieWidth: -1 }, /tieWidth/], [{ recency: 0 }, /recency/], [{ leastScore: Number.NaN }, /leastScore/]])("refuses %j", (noise, message) => {
    expect(() => scriptedAnnotator(plain, noise)).toThrow(message);
  });

  test("refuses segments of different lengths", async () => {
    await expect(scriptedAnnotator(plain).annotate({ query: 0, states0: one(1), states1: Float32Array.of(1, 2) })).rejects.toMatchObject({ code: "SHAPE" });
  });
});

describe("a blinded annotator", () => {
  const leftist: Annotator = { name: "left", annotate: async () => 0 };

  test("sees the segments in either order half of the time, so that a habit of sides gives no label", async () => {
    const list = await answers(blinded(leftist, 4), 10_000, () => [0, 1]);
    expect(Math.abs(share(list, 0) - 0.5)).toBeLessThan(0.02);
  });

  test("gives the same labels as the annotator itself where that goes by what it sees", async () => {
    const pairs = (query: number): readonly [number, number] => [query % 3, query % 5];
    const annotator = scriptedAnnotator(plain);
    expect(await answers(blinded(annotator, 1), 200, pairs)).toEqual(await answers(annotator, 200, pairs));
  });
});

test("self-consistency is the share of repeated pairs that were labelled alike", () => {
  const pair = (id: number, label: 0 | 1 | -1, repeatOf?: number): PreferencePair => ({
    id, label, horizon: 1, features0: one(0), features1: one(1), states0: one(0), states1: one(1), annotator: "human", round: 0, timestampMs: 0,
    source: { episode0: 0, step0: 0, episode1: 0, step1: 1 }, ...(repeatOf === undefined ? {} : { repeatOf }),
  });
  const first = [pair(0, 1), pair(1, 0), pair(2, -1)];
  expect(selfConsistency(first)).toBeUndefined();
  // The last one repeats a pair that was taken back.
  expect(selfConsistency([...first, pair(3, 1, 0), pair(4, 1, 1), pair(5, -1, 2), pair(6, 0, 77)])).toBeCloseTo(2 / 3, 12);
});

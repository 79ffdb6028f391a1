import { describe, expect, test } from "vitest";
import { DatasetBuilder } from "../../src/data/dataset.js";
import { Labelling, type LabellingOptions, type PairKeeper, type Question } from "../../src/preference/labelling.js";
import type { PreferencePair } from "../../src/preference/pair-store.js";
import { drawQueries, type SegmentPair } from "../../src/preference/queries.js";
import { Segments } from "../../src/preference/segments.js";

/** A pool of states x = 0, 1, 2, ...; the larger one is better. */
function poolOf(count: number, horizon = 1, shift = 0): Segments {
  const builder = new DatasetBuilder({ environment: "line", options: {}, observationNames: ["x"], actionNames: ["a"] });
  for (let first = 0; first < count; first += 50) {
    const observations = Float32Array.from({ length: Math.min(50, count - first) }, (_, at) => first + at + shift);
    builder.add({ observations, actions: new Float32Array(observations.length), rewards: new Float32Array(observations.length), seed: 0, success: false, label: "" });
  }
  return new Segments(builder.build(), { features: ["x"], feature: (states, row) => [states[row]!] }, horizon);
}

/** Keeps pairs in memory, as a folder keeps them on the disk. */
class Memory implements PairKeeper {
  pairs: readonly PreferencePair[] = [];
  nextId = 0;

  append(pair: Omit<PreferencePair, "id">): Promise<PreferencePair> {
    const whole = { id: this.nextId++, ...pair };
    this.pairs = [...this.pairs, whole];
    return Promise.resolve(whole);
  }

  undo(): Promise<PreferencePair | undefined> {
    const last = this.pairs.at(-1);
    this.pairs = this.pairs.slice(0, -1);
    return Promise.resolve(last);
  }
}

function open(pool: Segments, keeper: PairKeeper, options: Partial<LabellingOptions> = {}): Labelling {
  const { target = 60 } = options;
  return new Labelling(pool, keeper, {
    target, seed: 3, repeatRate: 0, now: () => 5, roundSize: () => target,
    draw: (round, count) => drawQueries(pool, { strategy: "uniform", seed: 1, round, count }), ...options,
  });
}

const larger = (pool: Segments, { left, right }: Question): 0 | 1 => (pool.statesOf(right)[0]! > pool.statesOf(left)[0]! ? 1 : 0);

/** Answers `count` questions by the rule, or all of them. */
async function label(labelling: Labelling, count = Infinity): Promise<Question[]> {
  const asked: Question[] = [];
  for (let question = await labelling.question(); question !== undefined && asked.length < count; question = await labelling.question()) {
    asked.push(question);
    expect(await labelling.answer(question.key, larger(labelling.pool, question))).toBe(true);
  }
  return asked;
}

const pool = poolOf(400);

describe("a labelling", () => {
  test("shows either segment at either side about equally often, and keeps answers in the order of the pair", async () => {
    const keeper = new Memory();
    const asked = await label(open(pool, keeper, { target: 200 }));
    expect(asked).toHaveLength(200);
    const swapped = keeper.pairs.filter(({ states0 }, at) => pool.statesOf(asked[at]!.left)[0] !== states0[0]).length;
    // Of 200 fair coins: within four deviations.
    expect(Math.abs(swapped - 100)).toBeLessThan(29);
    for (const { states0, states1, features0, label: given, source, annotator, timestampMs } of keeper.pairs) {
      expect(given).toBe(states1[0]! > states0[0]! ? 1 : 0);
      expect(features0).toEqual(states0);
      expect(states0[0]).toBe(50 * source.episode0 + source.step0);
      expect({ annotator, timestampMs }).toEqual({ annotator: "human", timestampMs: 5 });
    }
  });

  test("asks about one in twenty again, once, later, with the sides exchanged, and says how consistent the answers are", async () => {
    const keeper = new Memory();
    const labelling = open(pool, keeper, { target: 300, repeatRate: 0.1 });
    const asked = await label(labelling);
    const repeats = keeper.pairs.filter(({ repeatOf }) => repeatOf !== undefined);
    expect(repeats.length).toBeGreaterThan(15);
    expect(repeats.length).toBeLessThan(60);
    expect(new Set(repeats.map(({ repeatOf }) => repeatOf)).size).toBe(repeats.length);
    for (const { id, repeatOf } of repeats) {
      const [again, first] = [asked[id]!, asked[repeatOf!]!];
      expect([again.left, again.right]).toEqual([first.right, first.left]);
      expect(id - repeatOf!).toBeGreaterThanOrEqual(8);
    }
    expect(labelling.progress).toMatchObject({ labelled: 300, repeats: repeats.length, consistency: 1 });
  });

  test("does not count repeated questions as labels", async () => {
    const keeper = new Memory();
    await label(open(pool, keeper, { target: 100, repeatRate: 0.2 }));
    expect(keeper.pairs.filter(({ repeatOf }) => repeatOf === undefined)).toHaveLength(100);
  });

  test("a tie stays a tie on either side; a skipped question is not kept, and another takes its place", async () => {
    const keeper = new Memory();
    const labelling = open(pool, keeper, { target: 10 });
    const first = (await labelling.question())!;
    await labelling.answer(first.key, "skip");
    expect((await labelling.question())!.key).not.toBe(first.key);
    for (let question = await labelling.question(); question !== undefined; question = await labelling.question()) await labelling.answer(question.key, -1);
    expect(keeper.pairs.map(({ label: given }) => given)).toEqual(Array.from({ length: 10 }, () => -1));
    expect(labelling.progress).toMatchObject({ labelled: 10, ties: 10, skipped: 1 });
    expect(keeper.pairs.at(-1)!.round).toBe(1);
  });

  test("an answer to a question that is not asked is not taken", async () => {
    const keeper = new Memory();
    const labelling = open(pool, keeper);
    const { key } = (await labelling.question())!;
    expect(await labelling.answer("0-1-2", 0)).toBe(false);
    expect(await labelling.answer(key, 0)).toBe(true);
    expect(await labelling.answer(key, 0)).toBe(false);
    expect(keeper.pairs).toHaveLength(1);
  });

  test("goes on after a stop with the very questions that it would have asked", async () => {
    const whole = await label(open(pool, new Memory(), { repeatRate: 0.1 }));
    const keeper = new Memory();
    let kept: { round: number; pairs: readonly SegmentPair[] } | undefined;
    const draw = async (round: number, count: number): Promise<readonly SegmentPair[]> => {
      const pairs = await drawQueries(pool, { strategy: "uniform", seed: 1, round, count });
      kept = { round, pairs };
      return pairs;
    };
    const asked: Question[] = [];
    for (let stop = 0; stop < 8; stop++) asked.push(...await label(open(pool, keeper, { repeatRate: 0.1, draw, round: kept }), 11));
    expect(asked).toEqual(whole);
  });

  test("does not ask what was skipped before the last answer again after a stop", async () => {
    const keeper = new Memory();
    const pairs = await drawQueries(pool, { strategy: "uniform", seed: 1, round: 0, count: 60 });
    const labelling = open(pool, keeper, { round: { round: 0, pairs } });
    await label(labelling, 2);
    const skipped = (await labelling.question())!;
    await labelling.answer(skipped.key, "skip");
    await label(labelling, 1);
    const [left, right] = pairs[4]!;
    const next = (await open(pool, keeper, { round: { round: 0, pairs } }).question())!;
    expect([next.left, next.right].sort()).toEqual([left, right].sort());
  });

  test("takes answers and skips back one by one and asks those questions again, as they were shown", async () => {
    const keeper = new Memory();
    const labelling = open(pool, keeper);
    const asked = await label(labelling, 3);
    const skipped = (await labelling.question())!;
    await labelling.answer(skipped.key, "skip");
    const sides = (question: Question | undefined): readonly number[] => [question!.left, question!.right];
    const next = await labelling.question();
    for (const back of [skipped, asked[2], asked[1], asked[0]]) {
      expect(await labelling.undo()).toBe(true);
      expect(sides(await labelling.question())).toEqual(sides(back));
    }
    expect(await labelling.undo()).toBe(false);
    expect(labelling.progress).toMatchObject({ labelled: 0, skipped: 0 });
    const again = await label(labelling, 4);
    expect(again.map(sides)).toEqual([...asked, skipped].map(sides));
    expect(sides(await labelling.question())).toEqual(sides(next));
    expect(keeper.pairs.map(({ id }) => id)).toEqual([3, 4, 5, 6]);
  });

  test("a repetition goes when the answer that it repeats is taken back", async () => {
    const keeper = new Memory();
    const labelling = open(pool, keeper, { repeatRate: 0.5, target: 100 });
    await label(labelling, 40);
    while (await labelling.undo());
    await label(labelling);
    const ids = new Set(keeper.pairs.map(({ id }) => id));
    expect(keeper.pairs.every(({ repeatOf }) => repeatOf === undefined || ids.has(repeatOf))).toBe(true);
    expect(labelling.progress).toMatchObject({ labelled: 100, consistency: 1 });
  });

  test("asks on beyond the target when told to", async () => {
    const keeper = new Memory();
    const labelling = open(pool, keeper, { target: 5 });
    await label(labelling);
    expect(labelling.isDone).toBe(true);
    labelling.goOn();
    await label(labelling, 7);
    expect(labelling.progress.labelled).toBe(12);
  });

  test("never asks about a pair twice, and says so when a pool has no more", async () => {
    const small = poolOf(5);
    const keeper = new Memory();
    const labelling = open(small, keeper, { target: 50, roundSize: () => 5 });
    await expect(label(labelling)).rejects.toMatchObject({ code: "OPTION", message: expect.stringContaining("pool") as string });
    expect(new Set(keeper.pairs.map(({ states0, states1 }) => [states0[0], states1[0]].sort().join())).size).toBe(keeper.pairs.length);
    expect(keeper.pairs.length).toBeGreaterThanOrEqual(5);
  });
});

describe("labels of states that no longer exist are refused:", () => {
  test.each([
    ["a state that has changed", poolOf(400, 1, 0.5), /pair 0 shows step \d+ of episode \d+, which the pool has in another state/i],
    ["a pool that is shorter", poolOf(2), /does not have/],
    ["segments of another length", poolOf(400, 3), /in another state/],
  ])("%s", async (_, other, message) => {
    const keeper = new Memory();
    await label(open(pool, keeper), 5);
    expect(() => open(other, keeper)).toThrow(message);
    expect(() => open(other, keeper)).toThrow(expect.objectContaining({ code: "FORMAT" }) as Error);
    expect(keeper.pairs).toHaveLength(5);
  });
});

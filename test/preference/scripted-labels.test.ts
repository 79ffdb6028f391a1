import { describe, expect, test } from "vitest";
import { PhiloxStream } from "../../src/core/philox.js";
import { DatasetBuilder } from "../../src/data/dataset.js";
import { scriptedAnnotator } from "../../src/preference/annotators.js";
import { compileTask } from "../../src/preference/preference-task.js";
import { labelByScript, labellingRounds, type ScriptedLabelOptions, type ScriptedPair } from "../../src/preference/scripted-labels.js";
import { Segments } from "../../src/preference/segments.js";

/** Episodes of the given lengths; a state is its episode and its step, and a number by chance. */
function recorded(...lengths: readonly number[]) {
  const builder = new DatasetBuilder({ environment: "e", options: {}, observationNames: ["episode", "step", "chance"], actionNames: ["a"] });
  const random = new PhiloxStream(5);
  for (const [episode, length] of lengths.entries()) {
    const observations = Float32Array.from({ length: 3 * length }, (_, at) => [episode, Math.floor(at / 3), random.uniform()][at % 3]!);
    builder.add({ observations, actions: new Float32Array(length), rewards: new Float32Array(length), seed: episode, success: false, label: "" });
  }
  return builder.build();
}

const task = await compileTask({ name: "chance", features: ["chance * 2", "step"], score: "chance", tieWidth: 0.1 }, ["episode", "step", "chance"]);

async function all(pool: Segments, options: ScriptedLabelOptions, noise = {}): Promise<ScriptedPair[]> {
  const pairs: ScriptedPair[] = [];
  for await (const pair of labelByScript(pool, scriptedAnnotator(task, noise), options)) pairs.push(pair);
  return pairs;
}

describe("the segments of recorded episodes", () => {
  test("are all runs of H states that lie within one episode, with their features and places", () => {
    const dataset = recorded(4, 1, 3);
    expect([...new Segments(dataset, task).episodes]).toEqual([0, 0, 0, 0, 1, 2, 2, 2]);
    const pool = new Segments(dataset, task, 2);
    expect([[...pool.episodes], [...pool.steps]]).toEqual([[0, 0, 0, 2, 2], [0, 1, 2, 0, 1]]);
    expect(pool.width).toBe(4);
    expect(pool.columns).toEqual({ features: ["chance * 2", "step"], states: ["episode", "step", "chance"] });
    const { source, states0, states1, features1, horizon } = pool.pair([1, 4]);
    expect(source).toEqual({ episode0: 0, step0: 1, episode1: 2, step1: 1 });
    expect([horizon, ...[0, 1, 3, 4].map((at) => states0[at])]).toEqual([2, 0, 1, 0, 2]);
    expect([0, 1, 3, 4].map((at) => states1[at])).toEqual([2, 1, 2, 2]);
    expect([...features1]).toEqual([...pool.features.subarray(16, 20)]);
    expect([...features1]).toEqual([Math.fround(2 * states1[2]!), 1, Math.fround(2 * states1[5]!), 2]);
  });

  test("are refused where there are no two", () => {
    expect(() => new Segments(recorded(4, 3), task, 4)).toThrow(/hold 1 segments of 4 states/);
    expect(() => new Segments(recorded(4), task, 0)).toThrow(/above 0/);
  });
});

describe("labels by script", () => {
  const pool = new Segments(recorded(40, 40), task);

  test("follow the score, are as many as asked for, and the same again", async () => {
    const pairs = await all(pool, { pairs: 200, seed: 3 });
    expect(pairs).toHaveLength(200);
    for (const { label, states0, states1, annotator, round } of pairs) {
      const difference = states1[2]! - states0[2]!;
      expect(label).toBe(Math.abs(difference) < 0.1 ? -1 : difference > 0 ? 1 : 0);
      expect([annotator, round]).toEqual(["chance", 0]);
    }
    expect(new Set(pairs.map(({ label }) => label)).size).toBe(3);
    expect(await all(pool, { pairs: 200, seed: 3 })).toEqual(pairs);
    expect((await all(pool, { pairs: 200, seed: 4 })).map(({ source }) => source)).not.toEqual(pairs.map(({ source }) => source));
  });

  test("go on where they were stopped, to the same pairs, questions that were skipped among them", async () => {
    const noise = { leastScore: 0.6, mistakeRate: 0.2, rationality: 5 };
    const whole = await all(pool, { pairs: 120, seed: 3 }, noise);
    for (const { states0, states1 } of whole) expect(Math.max(states0[2]!, states1[2]!)).toBeGreaterThanOrEqual(0.6);
    for (const stop of [0, 1, 77, 119]) expect(await all(pool, { pairs: 120, seed: 3, known: whole.slice(0, stop) }, noise)).toEqual(whole.slice(stop));
    expect(await all(pool, { pairs: 120, seed: 3, known: whole }, noise)).toEqual([]);
  });

  test("of another seed or rule are not gone on with", async () => {
    const known = await all(pool, { pairs: 20, seed: 3 });
    await expect(all(pool, { pairs: 40, seed: 4, known })).rejects.toThrow(/drawn or answered otherwise/);
    await expect(all(pool, { pairs: 40, seed: 3, known }, { mistakeRate: 1 })).rejects.toThrow(/drawn or answered otherwise/);
  });

  test("come in rounds where a model chooses the questions, which knows the earlier rounds alone", async () => {
    expect([labellingRounds(1024, "uniform"), labellingRounds(1024, "entropy"), labellingRounds(300, "kcenter")]).toEqual([[1024], [256, 128, 128, 128, 128, 128, 128], [256, 44]]);
    const asked: number[] = [];
    const pairs = await all(pool, {
      pairs: 400, seed: 3, strategy: "entropy",
      // Sure of everything but pairs whose first segment is early in its episode.
      probabilities: async (before, candidates) => {
        asked.push(before.length);
        return [candidates.map((pair) => (pool.pair(pair).source.step0 < 10 ? 0.5 : 1))];
      },
    });
    expect(asked).toEqual([256, 384]);
    expect(pairs.filter(({ round }) => round === 1)).toHaveLength(128);
    const early = (round: number): number => pairs.filter((pair) => pair.round === round && pair.source.step0 < 10).length;
    expect([early(1), early(2)]).toEqual([128, 16]);
    expect(early(0)).toBeLessThan(100);
  });

  test("end with an error where the annotator can never tell", async () => {
    await expect(all(pool, { pairs: 5, seed: 0 }, { leastScore: 2 })).rejects.toThrow(/could not tell any/);
  });
});

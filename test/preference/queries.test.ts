import { describe, expect, test } from "vitest";
import { PhiloxStream } from "../../src/core/philox.js";
import { disagreement, drawQueries, meanEntropy, type QueryOptions, type SegmentPair, type SegmentPool } from "../../src/preference/queries.js";
import { binaryEntropy, disagreement as trueDisagreement } from "../reference/bradley-terry.js";

const random = new PhiloxStream(11);
const pool: SegmentPool = { features: Float32Array.from({ length: 300 * 2 }, () => random.normal()), width: 2 };
const base: QueryOptions = { strategy: "uniform", count: 64, seed: 5, round: 0 };

/** Three members that score a segment by fixed directions. */
const scores = [[1, 0], [0.9, 0.4], [0.2, 1]].map(([a, b]) => (segment: number): number => a! * pool.features[2 * segment]! + b! * pool.features[2 * segment + 1]!);
const probabilities = async (pairs: readonly SegmentPair[]): Promise<number[][]> =>
  scores.map((score) => pairs.map(([a, b]) => 1 / (1 + Math.exp(score(a) - score(b)))));

const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;

describe("queries", () => {
  test.each(["uniform", "disagreement", "entropy", "kcenter"] as const)("%s draws as many different pairs as asked for, the same ones for the same seed and round", async (strategy) => {
    const draw = (more: Partial<QueryOptions> = {}): Promise<readonly SegmentPair[]> => drawQueries(pool, { ...base, strategy, probabilities, ...more });
    const pairs = await draw();
    expect(pairs).toHaveLength(64);
    expect(new Set(pairs.map(([a, b]) => [a, b].sort((x, y) => x - y).join())).size).toBe(64);
    expect(pairs.every(([a, b]) => a !== b)).toBe(true);
    expect(await draw()).toEqual(pairs);
    expect(await draw({ round: 1 })).not.toEqual(pairs);
    expect(await draw({ seed: 6 })).not.toEqual(pairs);
  });

  test.each([["disagreement", disagreement], ["entropy", meanEntropy]] as const)("%s keeps the candidates of largest merit", async (strategy, merit) => {
    const seen: SegmentPair[] = [];
    const kept = await drawQueries(pool, { ...base, strategy, probabilities: async (pairs) => { seen.push(...pairs); return probabilities(pairs); } });
    expect(seen).toHaveLength(640);
    const meritsOf = async (pairs: readonly SegmentPair[]): Promise<number[]> => {
      const p = await probabilities(pairs);
      return pairs.map((_, at) => merit(p.map((member) => member[at]!)));
    };
    const all = (await meritsOf(seen)).sort((a, b) => b - a);
    expect((await meritsOf(kept)).sort((a, b) => b - a)).toEqual(all.slice(0, 64));
  });

  test("merits are those of the reference", async () => {
    const differences = [[0.3, -2], [1.5, 0.1], [-0.7, 4]];
    const p = differences.map((member) => member.map((d) => 1 / (1 + Math.exp(-d))));
    for (const at of [0, 1]) {
      expect(disagreement(p.map((member) => member[at]!))).toBeCloseTo(trueDisagreement(differences)[at]!, 12);
      expect(meanEntropy(p.map((member) => member[at]!))).toBeCloseTo(mean(p.map((member) => binaryEntropy(member[at]!))), 12);
    }
    expect(meanEntropy([0, 1])).toBe(0);
  });

  test("kcenter spreads: its pairs lie farther from each other than uniform ones", async () => {
    const nearest = (pairs: readonly SegmentPair[]): number => {
      const rows = pairs.map(([a, b]) => [0, 1].flatMap((c) => [pool.features[2 * a + c]!, pool.features[2 * b + c]!]));
      return Math.min(...rows.flatMap((row, i) => rows.slice(i + 1).map((other) => Math.hypot(...row.map((value, c) => value - other[c]!)))));
    };
    const [spread, plain] = [await drawQueries(pool, { ...base, strategy: "kcenter" }), await drawQueries(pool, base)];
    expect(nearest(spread)).toBeGreaterThan(2 * nearest(plain));
  });

  test("segments with the same features are never asked about", async () => {
    const features = Float32Array.from({ length: 40 }, (_, at) => (at % 4 === 0 ? 1 : at < 20 ? 0 : 1e-7));
    const few: SegmentPool = { features, width: 1 };
    const pairs = await drawQueries(few, { ...base, count: 300 });
    expect(pairs.every(([a, b]) => Math.abs(features[a]! - features[b]!) > 0.5)).toBe(true);
    await expect(drawQueries(few, { ...base, count: 301 })).rejects.toMatchObject({ code: "OPTION", got: 300 });
  });

  test("refuses what it cannot do", async () => {
    await expect(drawQueries(pool, { ...base, strategy: "entropy" })).rejects.toThrow(/needs the probabilities/);
    await expect(drawQueries(pool, { ...base, count: 0 })).rejects.toMatchObject({ code: "OPTION" });
    await expect(drawQueries({ features: new Float32Array(2), width: 2 }, base)).rejects.toMatchObject({ code: "SHAPE" });
    await expect(drawQueries(pool, { ...base, strategy: "disagreement", probabilities: async () => [[0.5]] })).rejects.toMatchObject({ code: "SHAPE" });
  });
});

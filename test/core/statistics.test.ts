import fc from "fast-check";
import { all, create } from "mathjs";
import { describe, expect, test } from "vitest";
import { bootstrapInterval, entropy, mean, meanInterval, shareInterval, standardDeviation, studentQuantile } from "../../src/core/statistics.js";

const math = create(all!);
const numbers = fc.array(fc.double({ min: -1e3, max: 1e3, noNaN: true }), { minLength: 2, maxLength: 60 });

describe("student's quantile", () => {
  /** Quantile 0.975 and 0.995, as printed tables have them (three decimals). */
  test.each([
    [1, 12.706, 63.657], [2, 4.303, 9.925], [3, 3.182, 5.841], [4, 2.776, 4.604], [5, 2.571, 4.032], [7, 2.365, 3.499],
    [10, 2.228, 3.169], [15, 2.131, 2.947], [20, 2.086, 2.845], [30, 2.042, 2.75], [60, 2, 2.66], [120, 1.98, 2.617],
  ])("with %i degrees of freedom is that of the tables", (degrees, t975, t995) => {
    expect(Math.abs(studentQuantile(0.975, degrees) - t975)).toBeLessThanOrEqual(5e-4);
    expect(Math.abs(studentQuantile(0.995, degrees) - t995)).toBeLessThanOrEqual(5e-4);
  });

  test("is exact where there is a closed form: 1, 2 and 4 degrees of freedom", () => {
    fc.assert(fc.property(fc.double({ min: 1e-6, max: 0.999, noNaN: true }), (share) => {
      const near = (got: number, exact: number) => { expect(Math.abs(got - exact)).toBeLessThanOrEqual(1e-11 * Math.max(1, Math.abs(exact))); };
      near(studentQuantile(share, 1), -1 / Math.tan(Math.PI * share));
      const a = 4 * share * (1 - share);
      near(studentQuantile(share, 2), 2 * (share - 0.5) * Math.sqrt(2 / a));
      const q = Math.cos(Math.acos(Math.sqrt(a)) / 3) / Math.sqrt(a);
      near(studentQuantile(share, 4), Math.sign(share - 0.5) * 2 * Math.sqrt(Math.max(0, q - 1)));
    }), { examples: [[0.5], [0.025], [1e-6]] });
  });

  test("is odd around one half and tends to the normal's", () => {
    for (const degrees of [0.5, 1, 3, 17.5, 400]) expect(studentQuantile(0.25, degrees)).toBe(-studentQuantile(0.75, degrees));
    expect(studentQuantile(0.5, 9)).toBe(0);
    expect(studentQuantile(0.975, 1e7)).toBeCloseTo(1.959964, 6);
  });

  test.each([[0, 3], [1, 3], [Number.NaN, 3], [0.9, 0], [0.9, Infinity]])("refuses %d with %d degrees", (share, degrees) => {
    expect(() => studentQuantile(share, degrees)).toThrow(/no t quantile/);
  });
});

describe("intervals", () => {
  /** Wilson's intervals as published by Newcombe, Statistics in Medicine 17 (1998), table I, method 3. */
  test.each([[81, 263, 0.2553, 0.3662], [15, 148, 0.0624, 0.1605], [0, 20, 0, 0.1611], [1, 29, 0.0061, 0.1718]])(
    "of %i of %i is Wilson's", (successes, count, low, high) => {
      const interval = shareInterval(successes, count);
      expect(interval.mean).toBe(successes / count);
      expect(interval.low).toBeCloseTo(low, 4);
      expect(interval.high).toBeCloseTo(high, 4);
    });

  test("of a share lies within [0, 1], holds the share, and mirrors", () => {
    fc.assert(fc.property(fc.integer({ min: 1, max: 5000 }), fc.double({ min: 0, max: 1, noNaN: true }), (count, at) => {
      const successes = Math.round(at * count);
      const { mean: share, low, high } = shareInterval(successes, count);
      const mirrored = shareInterval(count - successes, count);
      expect(low >= 0 && low <= share && share <= high && high <= 1 && low < high).toBe(true);
      expect(low).toBeCloseTo(1 - mirrored.high, 12);
    }), { examples: [[200, 0], [200, 1], [1, 1]] });
  });

  test("of a mean are the textbook's, and cover the truth 95 times of 100", () => {
    const interval = meanInterval([2, 4, 4, 4, 5, 5, 7, 9]);
    expect(interval.mean).toBe(5);
    // t(0.975, 7) = 2.3646, s = sqrt(32 / 7).
    expect(interval.high - interval.mean).toBeCloseTo(2.364624251 * Math.sqrt(32 / 7 / 8), 7);
    expect(meanInterval([3])).toEqual({ mean: 3, low: 3, high: 3 });
    let covered = 0;
    for (let trial = 0; trial < 2000; trial++) {
      const { low, high } = meanInterval(Array.from({ length: 4 }, (_, index) => normalPairs[(4 * trial + index) % normalPairs.length]! + 1));
      if (low <= 1 && 1 <= high) covered += 1;
    }
    expect(covered / 2000).toBeGreaterThan(0.935);
    expect(covered / 2000).toBeLessThan(0.965);
  });

  test("by bootstrap repeat with their seed and agree with Student's for many values", () => {
    const values = normalPairs.slice(0, 400);
    const interval = bootstrapInterval(values, mean, { seed: 5 });
    expect(bootstrapInterval(values, mean, { seed: 5 })).toEqual(interval);
    expect(bootstrapInterval(values, mean, { seed: 6 })).not.toEqual(interval);
    const student = meanInterval(values);
    expect(interval.mean).toBe(student.mean);
    expect(Math.abs(interval.low - student.low)).toBeLessThan(0.01);
    expect(Math.abs(interval.high - student.high)).toBeLessThan(0.01);
    expect(bootstrapInterval([7, 7, 7], (sample) => Math.max(...sample))).toEqual({ mean: 7, low: 7, high: 7 });
    expect(() => bootstrapInterval(values, mean, { resamples: 0 })).toThrow(/resamples/);
  });

  test("of nothing, or of what is no share, are refused", () => {
    expect(() => meanInterval([])).toThrow(/at least one value/);
    expect(() => standardDeviation([1])).toThrow(/at least 2 values/);
    for (const [successes, count] of [[0, 0], [3, 2], [-1, 2], [0.5, 2]] as const) expect(() => shareInterval(successes, count)).toThrow(/no share/);
  });
});

test("mean and standard deviation are those of mathjs", () => {
  fc.assert(fc.property(numbers, (values) => {
    expect(mean(values)).toBeCloseTo(math.mean(...values), 8);
    expect(standardDeviation(values)).toBeCloseTo(math.std(...values), 8);
  }));
});

test("entropy is ln n for n equal bins, 0 for one, and does not mind empty bins", () => {
  expect(entropy([5, 5, 5, 5])).toBeCloseTo(Math.log(4), 15);
  expect(entropy([0, 12, 0])).toBe(0);
  expect(entropy([])).toBe(0);
  expect(entropy([3, 1, 0])).toBeCloseTo(-(0.75 * Math.log(0.75) + 0.25 * Math.log(0.25)), 15);
});

/** 8,000 standard normals by an independent way: Box and Muller over mathjs's seeded generator. */
const normalPairs: readonly number[] = (() => {
  math.config({ randomSeed: "intervals" });
  const draw = (): number => math.random();
  return Array.from({ length: 4000 }, () => {
    const radius = Math.sqrt(-2 * Math.log(1 - draw()));
    const angle = 2 * Math.PI * draw();
    return [radius * Math.cos(angle), radius * Math.sin(angle)];
  }).flat();
})();

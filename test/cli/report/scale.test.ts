import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { extent, formatNumber, formatSeconds, formatShare, formatTick, linearScale, logScale } from "../../../src/cli/report/scale.js";

const labels = ({ ticks }: { readonly ticks: readonly { readonly label: string }[] }): string[] => ticks.map(({ label }) => label);

describe("a linear scale", () => {
  test("ends at round marks beyond the values", () => {
    const scale = linearScale({ values: [0.3, 97], range: [0, 200] });
    expect(scale.domain).toEqual([0, 100]);
    expect(labels(scale)).toEqual(["0", "20", "40", "60", "80", "100"]);
    expect(scale.place(50)).toBe(100);
  });

  test("passes over what is not finite, and has a width where there is one value or none", () => {
    expect(linearScale({ values: [Number.NaN, 1, Infinity, 3], range: [0, 1] }).domain).toEqual([1, 3]);
    const one = linearScale({ values: [5], range: [0, 1] });
    expect(one.domain[0]).toBeLessThan(5);
    expect(one.domain[1]).toBeGreaterThan(5);
    expect(linearScale({ values: [], range: [0, 1] }).domain).toEqual([0, 1]);
    expect(linearScale({ values: [0], range: [0, 1] }).domain).toEqual([-1, 1]);
  });

  test("keeps given ends, even where the values lie on them", () => {
    expect(linearScale({ values: [0, 0], range: [0, 1], low: 0 }).domain).toEqual([0, 1]);
    expect(linearScale({ values: [0.2, 0.4], range: [0, 1], low: 0, high: 1 }).domain).toEqual([0, 1]);
  });

  test("of counts has no marks between them, and of values near to one another tells them apart", () => {
    expect(labels(linearScale({ values: [0, 2], range: [0, 1], leastStep: 1 }))).toEqual(["0", "1", "2"]);
    expect(labels(linearScale({ values: [1, 1.00004], range: [0, 1], tickCount: 4 }))).toEqual(["1.00000", "1.00001", "1.00002", "1.00003", "1.00004"]);
  });

  test("for any values: marks rise, stay within the domain, are few, and the domain holds every value", () => {
    const value = fc.double({ min: -1e12, max: 1e12, noNaN: true });
    fc.assert(fc.property(fc.array(value, { minLength: 1, maxLength: 8 }), fc.integer({ min: 2, max: 8 }), (values, tickCount) => {
      const scale = linearScale({ values, range: [10, 90], tickCount });
      const { domain: [low, high], ticks } = scale;
      const slack = 1e-6 * (high - low);
      expect(high).toBeGreaterThan(low);
      expect(ticks.length).toBeGreaterThanOrEqual(1);
      expect(ticks.length).toBeLessThanOrEqual(2 * tickCount + 3);
      for (const [index, tick] of ticks.entries()) {
        expect(tick.value).toBeGreaterThanOrEqual(low - slack);
        expect(tick.value).toBeLessThanOrEqual(high + slack);
        if (index > 0) expect(tick.value).toBeGreaterThan(ticks[index - 1]!.value);
      }
      for (const each of values) {
        expect(scale.place(each)).toBeGreaterThanOrEqual(10 - 1e-3);
        expect(scale.place(each)).toBeLessThanOrEqual(90 + 1e-3);
      }
    }));
  });
});

describe("a logarithmic scale", () => {
  test("has marks at 1, 2 and 5 over few decades, and at powers of ten over many", () => {
    expect(labels(logScale({ values: [0.02, 0.9], range: [0, 1] }))).toEqual(["0.02", "0.05", "0.1", "0.2", "0.5", "1"]);
    const wide = logScale({ values: [1e-6, 900], range: [0, 1] });
    expect(labels(wide)).toEqual(["1e−6", "0.0001", "0.01", "1", "100"]);
    expect(wide.domain[1]).toBeGreaterThanOrEqual(900);
  });

  test("puts equal ratios at equal distances", () => {
    const scale = logScale({ values: [1, 10_000], range: [0, 100] });
    expect(scale.place(10) - scale.place(1)).toBeCloseTo(scale.place(1000) - scale.place(100), 9);
  });

  test("ignores what has no logarithm", () => {
    expect(logScale({ values: [-1, 0, Number.NaN, 1, 2], range: [0, 1] }).domain).toEqual([1, 2]);
    expect(logScale({ values: [0], range: [0, 1] }).ticks.length).toBeGreaterThan(0);
  });
});

test("the extent of nothing finite is undefined", () => {
  expect(extent([Number.NaN, Infinity])).toBeUndefined();
  expect(extent([3, Number.NaN, -1])).toEqual([-1, 3]);
});

test.each([
  [0, 1, "0"], [0.25, 0.25, "0.25"], [0.5, 0.25, "0.50"], [-2, 1, "−2"], [50_000, 50_000, "50k"], [2500, 2500, "2.5k"], [200_000, 200_000, "0.2M"],
  [1_000_000, 200_000, "1.0M"], [0.0005, 0.0005, "0.0005"], [2e-5, 2e-5, "2e−5"], [1000, 500, "1000"], [2.5e9, 5e8, "2.5e9"], [1.25e-5, 2.5e-6, "1.25e−5"],
])("the mark %d of a step of %d is written %s", (value, step, text) => {
  expect(formatTick(value, step)).toBe(text);
});

test.each([
  [255_000, "255,000"], [0.01234, "0.012"], [79.66, "79.7"], [1.5, "1.50"], [-3.2, "−3.20"], [1e-5, "1e−5"], [2.5e-7, "2.5e−7"], [0, "0"], [undefined, "–"], [Number.NaN, "–"], [Infinity, "∞"],
  [1234.5, "1,235"],
])("the number %s is written %s", (value, text) => {
  expect(formatNumber(value)).toBe(text);
});

test("shares and times are written for people", () => {
  expect([0.954, 0, 1, undefined, Number.NaN].map((value) => formatShare(value).replace("\u00a0", " "))).toEqual(["95 %", "0 %", "100 %", "–", "–"]);
  expect([0.34, 4.2, 59.97, 200, 3600, 7500, undefined].map(formatSeconds)).toEqual(["340 ms", "4.2 s", "1 min", "3 min 20 s", "1 h", "2 h 5 min", "–"]);
});

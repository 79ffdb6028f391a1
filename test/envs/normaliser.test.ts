import { describe, expect, test } from "vitest";
import { extremaOf, Normaliser } from "../../src/envs/index.js";
import { measure } from "../close.js";

const observations = { min: [0.2437, -0.28, 3], max: [0.6, 0.475, 3] };
const actions = { min: [-0.0125, 0], max: [0.009, 0.0125] };
const rows = Float32Array.of(0.2437, -0.28, 3, 0.6, 0.475, 3, 0.4, 0.1, 3);

function normalised(normaliser: Normaliser, input: Float32Array): number[] {
  const output = new Float32Array(input.length);
  normaliser.normaliseObservations(input, output);
  return [...output];
}

describe("normaliser", () => {
  test("dppo maps by 2 (x - min) / (max - min + 1e-6) - 1 and restores actions without the epsilon", () => {
    const normaliser = new Normaliser({ observations, actions });
    const expected = [...rows].map((x, index) => {
      const [min = 0, max = 0] = [observations.min[index % 3], observations.max[index % 3]];
      return (2 * (x - min)) / (max - min + 1e-6) - 1;
    });
    expect(measure(normalised(normaliser, rows), expected, { absolute: 2e-7 }).share).toBeLessThanOrEqual(1);
    const restored = new Float32Array(4);
    normaliser.restoreActions(Float32Array.of(-1, -1, 1, 1), restored);
    expect([...restored]).toEqual([-0.0125, 0, 0.009, 0.0125].map(Math.fround));
  });

  test("furniture widens a constant coordinate and clamps observations to 5", () => {
    const normaliser = new Normaliser({ observations, actions }, "furniture");
    expect(normalised(normaliser, Float32Array.of(0.2437, 0.475, 3))).toEqual([expect.closeTo(-1, 6), expect.closeTo(1, 6), 0]);
    expect(normalised(normaliser, Float32Array.of(100, -100, 9))).toEqual([5, -5, 5]);
  });

  test("diffusion policy only shifts a coordinate of no range", () => {
    const normaliser = new Normaliser({ observations, actions }, "diffusionPolicy");
    const [x, y, constant] = normalised(normaliser, Float32Array.of(0.6, -0.28, 3));
    expect([x, y]).toEqual([expect.closeTo(1, 6), expect.closeTo(-1, 6)]);
    expect(constant).toBe(-1);
    expect(normalised(normaliser, Float32Array.of(0.6, -0.28, 3.5))[2]).toBe(-0.5);
  });

  test.each(["dppo", "furniture", "diffusionPolicy"] as const)("%s gives back what it normalised", (kind) => {
    const normaliser = new Normaliser({ observations, actions }, kind);
    const output = new Float32Array(rows.length);
    normaliser.normaliseObservations(rows, output);
    normaliser.restoreObservations(output, output);
    expect(measure(output, rows, { absolute: 1e-6 }).share).toBeLessThanOrEqual(1);
    const chunk = Float32Array.of(0.001, 0.003, -0.01, 0.0125);
    const there = new Float32Array(4);
    normaliser.normaliseActions(chunk, there);
    normaliser.restoreActions(there, there);
    // The epsilon of dppo is divided out one way only: relative error 1e-6 / 0.0125 of the range.
    expect(measure(there, chunk, { absolute: kind === "dppo" ? 2e-6 : 1e-8 }).share).toBeLessThanOrEqual(1);
  });

  test("extrema follow the data, and zero where asked", () => {
    const table = Float32Array.of(0.25, -3, 0.5, -1);
    expect(extremaOf(table, 2)).toEqual({ min: [0.25, -3], max: [0.5, -1] });
    expect(extremaOf(table, 2, true)).toEqual({ min: [0, -3], max: [0.5, 0] });
  });

  test.each([
    [() => extremaOf([1, 2, 3], 2), "SHAPE"],
    [() => extremaOf([], 2), "SHAPE"],
    [() => extremaOf([1, Number.NaN], 2), "FORMAT"],
    [() => new Normaliser({ observations: { min: [0], max: [] }, actions }), "SHAPE"],
    [() => new Normaliser({ observations: { min: [1], max: [0] }, actions }), "FORMAT"],
    [() => new Normaliser({ observations: { min: [Number.NaN], max: [0] }, actions }), "FORMAT"],
    [() => { new Normaliser({ observations, actions }).normaliseObservations(new Float32Array(4), new Float32Array(4)); }, "SHAPE"],
  ])("bad statistics %# are refused", (act, code) => {
    expect(act).toThrow(expect.objectContaining({ code }));
  });
});

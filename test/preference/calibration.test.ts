import { describe, expect, test } from "vitest";
import { PhiloxStream } from "../../src/core/philox.js";
import { calibrate, preferenceAccuracy, preferenceLoss, rankCorrelation } from "../../src/preference/calibration.js";
import { bradleyTerry, preferenceAccuracy as trueAccuracy } from "../reference/bradley-terry.js";

const random = new PhiloxStream(21);
const differences = Array.from({ length: 4000 }, () => 3 * random.normal());
/** Labels drawn by sigmoid(d / T). */
const labelsAt = (temperature: number): (0 | 1)[] => differences.map((d) => (random.uniform() < 1 / (1 + Math.exp(-d / temperature)) ? 1 : 0));

describe("a calibration", () => {
  test("finds labels that were drawn by the model's own probabilities calibrated", () => {
    const { pairs, expectedError, temperature, reliability, accuracy } = calibrate(differences, labelsAt(1));
    expect(pairs).toBe(4000);
    expect(temperature).toBeCloseTo(1, 0);
    expect(expectedError).toBeLessThan(0.03);
    expect(reliability.reduce((sum, { count }) => sum + count, 0)).toBe(4000);
    expect(reliability.reduce((sum, bin) => sum + bin.count * (bin.accuracy ?? 0), 0) / 4000).toBeCloseTo(accuracy, 12);
    for (const { low, high, confidence = low } of reliability) expect(confidence >= low && confidence <= high + 1e-12).toBe(true);
  });

  test.each([0.4, 3])("finds the temperature %j by which labels were drawn, where the slope of the log loss is nothing", (temperature) => {
    const labels = labelsAt(temperature);
    const found = calibrate(differences, labels).temperature;
    expect(Math.abs(Math.log(found / temperature))).toBeLessThan(0.15);
    const loss = (t: number): number => calibrate(differences.map((d) => d / t), labels).logLoss;
    expect((loss(found * 1.001) - loss(found / 1.001)) / 0.002).toBeCloseTo(0, 4);
    expect(loss(found)).toBeLessThan(loss(1));
  });

  test("stays finite where the scores separate the labels, or say the opposite", () => {
    const labels = differences.map((d) => (d > 0 ? 1 : 0));
    const right = calibrate(differences, labels);
    expect(right.accuracy).toBe(1);
    expect(right.temperature).toBeGreaterThan(0);
    const wrong = calibrate(differences.map((d) => -d), labels);
    expect(wrong.accuracy).toBe(0);
    expect(Number.isFinite(wrong.temperature)).toBe(true);
  });

  test("leaves ties out, and refuses to judge by nothing", () => {
    expect(calibrate([1, 2, -3], [1, -1, 0])).toMatchObject({ pairs: 2, accuracy: 1 });
    expect(() => calibrate([1, 2], [-1, -1])).toThrow(/no strict labels/);
    expect(() => calibrate([1], [1, 0])).toThrow(/1 scores for 2 labels/);
  });
});

describe("the loss on the host", () => {
  const labels = differences.slice(0, 50).map((_, at) => ([0, 1, -1] as const)[at % 3]!);
  const d = differences.slice(0, 50);
  const r0 = d.map((each) => -each / 2 + 7);
  const r1 = d.map((each) => each / 2 + 7);

  test.each(["drop", "half", "davidson"] as const)("%s is that of the reference", (ties) => {
    const expected = bradleyTerry(r0, r1, labels, ties === "davidson" ? { kind: ties, logNu: -0.3 } : { kind: ties, smoothing: 0.1 }).loss;
    expect(preferenceLoss(d, labels, { ties, smoothing: 0.1, logNu: -0.3 })).toBeCloseTo(expected, 10);
  });

  test("accuracy is that of the reference; nothing is undefined", () => {
    expect(preferenceAccuracy(d, labels)).toBe(trueAccuracy(r0, r1, labels));
    expect(preferenceAccuracy([1], [-1])).toBeUndefined();
    expect(preferenceLoss([1], [-1], { ties: "drop", smoothing: 0 })).toBeUndefined();
  });
});

test("a rank correlation sees orders alone, and shares ranks among equals", () => {
  expect(rankCorrelation([1, 2, 3, 4], [10, 100, 1000, 1e9])).toBe(1);
  expect(rankCorrelation([1, 2, 3, 4], [4, 3, 2, 1])).toBe(-1);
  expect(rankCorrelation([1, 2, 2, 3], [1, 3, 2, 4])).toBeCloseTo(4.5 / Math.sqrt(4.5 * 5), 12);
  expect(rankCorrelation([1, 1], [1, 2])).toBe(0);
  expect(() => rankCorrelation([1], [1])).toThrow(/at least 2/);
});

import { expect, test } from "vitest";
import { noLimit } from "../../src/engine/kernel-spec.js";
import { advantageWeight, advantageWeightSpec } from "../../src/kernels/rl/advantage-weight.js";
import { expectClose } from "../close.js";
import { advantageWeight as twin } from "../reference/q-learning.js";
import { proveAgreement } from "./agreement.js";
import { deviceFor, engines, proveKernel, testNumbers } from "./harness.js";

/** Mean and sample deviation. */
function statisticsOf(values: Float32Array): [number, number] {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const squares = values.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  return [mean, values.length > 1 ? Math.sqrt(squares / (values.length - 1)) : 0];
}

proveKernel(advantageWeightSpec, [1, 3, 31, 33, 257, 1025, 2500].flatMap((count) => [false, true].map((hasBase) => {
  const [x, base] = [testNumbers(count, count), testNumbers(count, count + 1)];
  const advantages = hasBase ? x.map((value, i) => value - base[i]!) : x;
  const statistics = Float32Array.from(statisticsOf(advantages));
  // The twin takes the statistics of its own; those of 32 bits move every weight alike, by less than the tolerance.
  return {
    title: `${count}${hasBase ? " above a base" : ""}`,
    params: { count, hasBase: hasBase ? 1 : 0, beta: 2, epsilon: 1e-3, largest: 20 },
    inputs: hasBase ? { x, base, statistics } : { x, statistics },
    expected: { weights: count === 1 ? [1] : twin(advantages, { beta: 2, epsilon: Math.fround(1e-3), largest: 20 }) },
    tolerance: { relative: 5e-6 },
  };
})));

test.each(engines)("weights of advantages come out of the launcher on %s, the largest cut", async (engine) => {
  const device = await deviceFor(engine);
  const count = 1500;
  const [targets, values] = [testNumbers(count, 1), testNumbers(count, 2)];
  const [x, base, weights] = [device.tensor([count], { data: targets }), device.tensor([count], { data: values }), device.tensor([count])];
  using program = await device.program("weights", (recorder) => {
    advantageWeight(recorder, { x, base, weights }, { count, beta: 10, epsilon: 1e-6, largest: 100 });
  });
  program.run();
  const got = await device.read(weights);
  const expected = twin(targets.map((value, i) => value - values[i]!), { beta: 10, epsilon: 1e-6, largest: 100 });
  expectClose(got, expected, { relative: 1e-5 });
  expect(Math.max(...got)).toBe(100);
  expect(got.filter((weight) => weight < 1).length).toBeGreaterThan(500);
});

test.each(engines)("without a largest weight the exponent is still held within f32 on %s", async (engine) => {
  const device = await deviceFor(engine);
  const [x, weights] = [device.tensor([4], { data: [0, 0, 0, 1] }), device.tensor([4])];
  using program = await device.program("weights", (recorder) => {
    advantageWeight(recorder, { x, weights }, { count: 4, beta: 1000, epsilon: 1e-6, largest: null });
  });
  program.run();
  const got = await device.read(weights);
  expect(got.every((weight) => Number.isFinite(weight))).toBe(true);
  expect(got[3]).toBeGreaterThan(1e38);
});

proveAgreement(advantageWeightSpec, { relative: 5e-6 }, 50, ([a, b], seed) => ({
  params: { count: a * b, hasBase: 1, beta: 2, epsilon: 1e-6, largest: noLimit },
  inputs: { x: testNumbers(a * b, seed), base: testNumbers(a * b, seed + 1), statistics: [0.1, 0.8] },
}));

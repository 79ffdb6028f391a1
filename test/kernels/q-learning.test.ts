import { expect, test } from "vitest";
import {
  expectileLoss, expectileLossSpec, minimumBackward, minimumBackwardSpec, relativeValueLoss, relativeValueLossSpec, tdTarget, tdTargetSpec,
} from "../../src/kernels/rl/q-learning.js";
import { lossStatistics } from "../../src/kernels/rl/loss-statistics.js";
import { expectClose } from "../close.js";
import { differences } from "../reference/finite-difference.js";
import * as twin from "../reference/q-learning.js";
import { proveAgreement } from "./agreement.js";
import { deviceFor, engines, proveKernel, testNumbers } from "./harness.js";

const sizes = [1, 3, 31, 33, 257, 1025, 2500];

/** Values of two critics; some are equal. */
function pair(count: number, seed: number): { first: Float32Array; second: Float32Array } {
  const first = testNumbers(count, seed, 2);
  return { first, second: testNumbers(count, seed + 1, 2).map((value, i) => (i % 5 === 4 ? first[i]! : value)) };
}

function flags(count: number, seed: number): Float32Array {
  return testNumbers(count, seed).map((value) => (value > 0.5 ? 1 : 0));
}

proveKernel(tdTargetSpec, sizes.flatMap((count) => [false, true].map((hasSecond) => {
  const { first, second } = pair(count, count);
  const [rewards, terminated] = [testNumbers(count, 5), flags(count, 6)];
  return {
    title: `${count}, ${hasSecond ? "two values" : "one value"}`,
    params: { count, hasSecond: hasSecond ? 1 : 0, gamma: 0.9375 },
    inputs: hasSecond ? { rewards, terminated, first, second } : { rewards, terminated, first },
    expected: { targets: twin.tdTarget(rewards, terminated, hasSecond ? twin.minimum(first, second) : first, 0.9375) },
    tolerance: { relative: 5e-7 },
  };
})));

proveKernel(expectileLossSpec, sizes.flatMap((count) => [false, true].map((hasSecond) => {
  const { first, second } = pair(count, count);
  const values = testNumbers(count, 7);
  const wanted = hasSecond ? twin.minimum(first, second) : first;
  const partials = Array.from({ length: Math.ceil(count / 1024) }, (_, b) => {
    const part = values.subarray(b * 1024, (b + 1) * 1024);
    return twin.expectileLoss(part, wanted.subarray(b * 1024, (b + 1) * 1024), 0.8).loss * part.length;
  });
  return {
    title: `${count}, ${hasSecond ? "two values" : "one value"}`,
    params: { count, hasSecond: hasSecond ? 1 : 0, expectile: 0.8, scale: 3 / count },
    inputs: hasSecond ? { values, first, second } : { values, first },
    expected: { dvalues: twin.expectileLoss(values, wanted, 0.8).gradient.map((value) => 3 * value), partials },
    tolerance: { relative: 2e-6 },
  };
})));

proveKernel(minimumBackwardSpec, sizes.map((count) => {
  const { first, second } = pair(count, count);
  return {
    title: `${count}`, params: { count, scale: -1.5 }, inputs: { first, second },
    expected: { ...twin.minimumBackward(first, second, -1.5) }, tolerance: { absolute: 0 },
  };
}));

proveKernel(relativeValueLossSpec, sizes.flatMap((count) => [0, 1].map((isSwapped) => {
  // Apart from 0, so that the mean is no difference of large sums.
  const first = testNumbers(count, count).map((value) => value + 1.5);
  const second = testNumbers(count, count + 1).map((value) => value - 1.5);
  const { loss, gradient } = isSwapped === 1 ? twin.relativeValueLoss(second, first) : twin.relativeValueLoss(first, second);
  const slope = gradient.map((value) => 0.5 * value);
  const none = new Float64Array(count);
  return {
    title: `${count}, ${isSwapped === 1 ? "swapped" : "in order"}`,
    params: { count, isSwapped, scale: 0.5 },
    inputs: { first, second },
    expected: { loss: [loss], dfirst: isSwapped === 1 ? none : slope, dsecond: isSwapped === 1 ? slope : none },
    tolerance: { relative: 2e-6 },
  };
})));

test("the gradients of the twins are the difference quotients of their losses", () => {
  const values = Float64Array.from(testNumbers(20, 4));
  const wanted = testNumbers(20, 5);
  expectClose(
    twin.expectileLoss(values, wanted, 0.8).gradient, differences(() => twin.expectileLoss(values, wanted, 0.8).loss, values), { relative: 1e-7 },
  );
  expectClose(
    twin.relativeValueLoss(values, wanted).gradient, differences(() => twin.relativeValueLoss(values, wanted).loss, values), { relative: 1e-7 },
  );
  const sum = (): number => twin.minimum(values, wanted).reduce((total, value) => total + 2 * value, 0);
  expectClose(twin.minimumBackward(values, wanted, 2).dfirst, differences(sum, values), { relative: 1e-7 });
});

test("a value that nothing is learned from has a finite loss", async () => {
  const device = await deviceFor("wasm");
  const tensor = (): ReturnType<typeof device.tensor> => device.tensor([3]);
  const [first, second, dfirst, dsecond, loss] = [tensor(), tensor(), tensor(), tensor(), tensor()];
  using program = await device.program("zeros", (recorder) => {
    relativeValueLoss(recorder, { first, second, dfirst, dsecond, loss: loss.view(0, [1]) }, { count: 3, gradientScale: 1 });
  });
  program.run();
  expect(Number.isFinite((await device.read(dfirst))[0])).toBe(true);
  expect(Math.abs((await device.read(loss))[0]!)).toBe(0);
});

test("an expectile of 1 is refused", () => {
  expect(expectileLossSpec.check?.({ count: 1, hasSecond: 0, expectile: 1, scale: 1 })).toMatch(/between 0 and 1/);
});

test.each(engines)("targets, losses and gradients come out of their launchers on %s", async (engine) => {
  const device = await deviceFor(engine);
  const count = 130;
  const { first, second } = pair(count, 1);
  const [rewards, terminated] = [testNumbers(count, 2), flags(count, 3)];
  const given = (data: Float32Array): ReturnType<typeof device.tensor> => device.tensor([count], { data });
  const [a, b] = [given(first), given(second)];
  const [targets, dvalues, dfirst, dsecond] = [0, 1, 2, 3].map(() => device.tensor([count])) as [typeof a, typeof a, typeof a, typeof a];
  const loss = device.tensor([1]);
  const values = given(testNumbers(count, 4));
  using program = await device.program("q learning", (recorder) => {
    tdTarget(recorder, { rewards: given(rewards), terminated: given(terminated), next: [a, b], targets }, { count, gamma: 0.9 });
    const partials = expectileLoss(recorder, { values, wanted: [a, b], dvalues }, { count, expectile: 0.7, gradientScale: 2 });
    lossStatistics(recorder, partials, { statistics: loss }, { at: 0 });
    minimumBackward(recorder, { first: a, second: b, dfirst, dsecond }, { count, scale: -1 });
  });
  program.run();
  const wanted = twin.minimum(first, second);
  expectClose(await device.read(targets), twin.tdTarget(rewards, terminated, wanted, 0.9), { relative: 5e-7 });
  const expected = twin.expectileLoss(testNumbers(count, 4), wanted, 0.7);
  expectClose(await device.read(loss), [expected.loss], { relative: 2e-6 });
  expectClose(await device.read(dvalues), expected.gradient.map((value) => 2 * value), { relative: 2e-6 });
  expectClose(await device.read(dfirst), twin.minimumBackward(first, second, -1).dfirst, { absolute: 0 });
});

proveAgreement(tdTargetSpec, { relative: 5e-7 }, 50, ([a, b], seed) => ({
  params: { count: a * b, hasSecond: 1, gamma: 0.9 },
  inputs: { ...pair(a * b, seed), rewards: testNumbers(a * b, seed + 2), terminated: flags(a * b, seed + 3) },
}));
proveAgreement(expectileLossSpec, { relative: 2e-6 }, 50, ([a, b], seed) => ({
  params: { count: a * b, hasSecond: 1, expectile: 0.8, scale: 1 }, inputs: { ...pair(a * b, seed), values: testNumbers(a * b, seed + 2) },
}));
proveAgreement(minimumBackwardSpec, "bits", 50, ([a, b], seed) => ({ params: { count: a * b, scale: 0.3 }, inputs: pair(a * b, seed) }));
proveAgreement(relativeValueLossSpec, { relative: 2e-6 }, 50, ([a, b], seed) => ({
  params: { count: a * b, isSwapped: seed % 2, scale: 1 },
  inputs: { first: testNumbers(a * b, seed).map((value) => value + 2), second: testNumbers(a * b, seed + 1).map((value) => value + 2) },
}));

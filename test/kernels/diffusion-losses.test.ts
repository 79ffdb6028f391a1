import { expect, test } from "vitest";
import { ddpmSchedule } from "../../src/diffusion/schedule.js";
import { forwardNoising, forwardNoisingSpec } from "../../src/kernels/diffusion/forward-noising.js";
import { meanSquaredLoss, meanSquaredLossSpec } from "../../src/kernels/nn/mean-squared-loss.js";
import { expectClose } from "../close.js";
import { differences } from "../reference/finite-difference.js";
import { forwardNoising as noisingReference } from "../reference/forward-noising.js";
import { meanSquaredLoss as lossReference } from "../reference/mean-squared-loss.js";
import { proveAgreement } from "./agreement.js";
import { deviceFor, engines, proveKernel, testNumbers } from "./harness.js";

const shapes = [[1, 1], [3, 2], [31, 8], [33, 33], [65, 3], [257, 12]] as const;
const K = 20;
const tables = ddpmSchedule(K);
const table = Float32Array.from({ length: 2 * K }, (_, n) => (n % 2 === 0 ? tables.sqrtAlphasCumprod : tables.sqrtOneMinusAlphasCumprod)[Math.floor(n / 2)]!);

function times(rows: number): Uint32Array {
  return Uint32Array.from({ length: rows }, (_, b) => (b * 7 + 19) % K);
}

proveKernel(forwardNoisingSpec, shapes.map(([rows, width], at) => {
  const x0 = testNumbers(rows * width, at);
  const noise = testNumbers(rows * width, at + 1, 3);
  const t = times(rows);
  return {
    title: `${rows}x${width}`,
    params: { rows, width, times: K },
    inputs: { x0, noise, t, table },
    expected: { xt: noisingReference(x0, noise, t, tables.alphasCumprod) },
    tolerance: { relative: 1e-6 },
  };
}));

/** Partial losses of blocks of 64 rows, and the gradient, with a weight for each row. */
function weighted(prediction: Float32Array, wanted: Float32Array, weight: ArrayLike<number>, scale: number, width: number) {
  const rows = prediction.length / width;
  const partials = new Float64Array(Math.ceil(rows / 64));
  const gradient = Float64Array.from(prediction, (value, n) => {
    const b = Math.floor(n / width);
    const difference = value - wanted[n]!;
    partials[Math.floor(b / 64)]! += scale * weight[b]! * difference ** 2;
    return 2 * scale * weight[b]! * difference;
  });
  return { partials, gradient };
}

proveKernel(meanSquaredLossSpec, shapes.flatMap(([rows, width], at) => {
  const prediction = testNumbers(rows * width, at);
  const wanted = testNumbers(rows * width, at + 1);
  const weight = testNumbers(rows, at + 2).map((value) => value + 1);
  const scale = Math.fround(1 / (rows * width));
  const plain = weighted(prediction, wanted, new Float32Array(rows).fill(1), scale, width);
  const some = weighted(prediction, wanted, weight, scale, width);
  const dprediction = new Float32Array(rows * width);
  const params = { rows, width, scale };
  const tolerance = { relative: 2e-6 };
  return [
    { title: `${rows}x${width}`, params: { ...params, hasWeight: 0, hasGradient: 1 }, inputs: { prediction, wanted, dprediction }, expected: { partials: plain.partials, dprediction: plain.gradient }, tolerance },
    { title: `${rows}x${width} weighted`, params: { ...params, hasWeight: 1, hasGradient: 1 }, inputs: { prediction, wanted, weight, dprediction }, expected: { partials: some.partials, dprediction: some.gradient }, tolerance },
    { title: `${rows}x${width} without gradient`, params: { ...params, hasWeight: 1, hasGradient: 0 }, inputs: { prediction, wanted, weight }, expected: { partials: some.partials }, tolerance },
  ];
}));

test("the twin's gradient is the difference of its loss", () => {
  const prediction = Float64Array.from(testNumbers(12, 1));
  const target = testNumbers(12, 2);
  expectClose(lossReference(prediction, target).gradient, differences(() => lossReference(prediction, target).loss, prediction), { relative: 1e-7 });
});

test.each(engines)("noise, loss and gradient come out of their launchers on %s", async (engine) => {
  const device = await deviceFor(engine);
  const [rows, width] = [130, 6];
  const clean = testNumbers(rows * width, 1);
  const draws = testNumbers(rows * width, 2, 3);
  const tensors = {
    x0: device.tensor([rows, width], { data: clean }),
    noise: device.tensor([rows, width], { data: draws }),
    t: device.tensor([rows], { dtype: "u32", data: times(rows) }),
    table: device.tensor([K, 2], { data: table }),
    xt: device.tensor([rows, width]),
    loss: device.tensor([1]),
    dprediction: device.tensor([rows, width]),
  };
  const program = await device.program("pretraining", (recorder) => {
    const { x0, noise, t, table, xt } = tensors;
    forwardNoising(recorder, { x0, noise, t, table, xt }, { rows, width });
    meanSquaredLoss(recorder, { prediction: tensors.xt, target: tensors.noise, loss: tensors.loss, dprediction: tensors.dprediction }, { rows, width });
  });
  program.run();
  const [loss, gradient] = await device.readAll([tensors.loss, tensors.dprediction]);
  const expected = lossReference(noisingReference(clean, draws, times(rows), tables.alphasCumprod), draws);
  expect(Math.abs(loss![0]! - expected.loss)).toBeLessThan(2e-6 * expected.loss);
  expectClose(gradient!, expected.gradient, { relative: 2e-6 });
  program.close();
  for (const tensor of Object.values(tensors)) device.free(tensor);
});

proveAgreement(forwardNoisingSpec, { relative: 2e-6 }, 70, ([rows, width], seed) => ({
  params: { rows, width, times: K },
  inputs: { x0: testNumbers(rows * width, seed), noise: testNumbers(rows * width, seed + 1), t: times(rows), table },
}));

proveAgreement(meanSquaredLossSpec, { relative: 4e-6 }, 70, ([rows, width], seed) => ({
  params: { rows, width, scale: 0.5, hasWeight: 0, hasGradient: 1 },
  inputs: { prediction: testNumbers(rows * width, seed), wanted: testNumbers(rows * width, seed + 1), dprediction: new Float32Array(rows * width) },
}));

import { expect, test } from "vitest";
import { layerNormBackward, layerNormBackwardSpec, layerNormBackwardWeight, layerNormBackwardWeightSpec, layerNorm, layerNormSpec } from "../../src/kernels/nn/layer-norm.js";
import { expectClose } from "../close.js";
import { differences } from "../reference/finite-difference.js";
import { layerNorm as reference, layerNormBackward as referenceBackward } from "../reference/layer-norm.js";
import { proveAgreement } from "./agreement.js";
import { deviceFor, engines, proveKernel, testNumbers } from "./harness.js";

const shapes = [[1, 1], [3, 2], [5, 31], [31, 32], [33, 33], [65, 7], [257, 65], [3, 513]] as const;

/** Rows around different means, so that the variance would be lost if it were a difference of squares. */
function rowsAround(rows: number, columns: number, seed: number): Float32Array {
  return testNumbers(rows * columns, seed).map((value, n) => value + (Math.floor(n / columns) % 5) * 3);
}

/** (mean, 1/√(variance + epsilon)) of each row, as f32. */
function moments(x: ArrayLike<number>, rows: number, columns: number, epsilon: number): Float32Array {
  return Float32Array.from({ length: 2 * rows }, (_, n) => {
    const row = Array.from({ length: columns }, (_value, c) => x[Math.floor(n / 2) * columns + c]!);
    const mean = row.reduce((sum, value) => sum + value / columns, 0);
    const variance = row.reduce((sum, value) => sum + (value - mean) ** 2 / columns, 0);
    return n % 2 === 0 ? mean : 1 / Math.sqrt(variance + epsilon);
  });
}

proveKernel(layerNormSpec, shapes.flatMap(([rows, columns]) => [1e-5, 1e-6].map((epsilon) => {
  const x = rowsAround(rows, columns, 1);
  const weight = testNumbers(columns, 2);
  const bias = testNumbers(columns, 3);
  return {
    title: `${rows}x${columns}, epsilon ${epsilon}`,
    params: { rows, columns, epsilon: Math.fround(epsilon) },
    inputs: { x, weight, bias },
    expected: { y: reference(x, weight, bias, Math.fround(epsilon), rows, columns), moments: moments(x, rows, columns, Math.fround(epsilon)) },
    // Two columns nearly equal have a variance near epsilon and 1/√ of it amplifies the rounding of the mean.
    tolerance: { relative: 4e-6 },
  };
})));

const backwardShapes = shapes.filter(([, columns]) => columns > 2);

proveKernel(layerNormBackwardSpec, backwardShapes.flatMap(([rows, columns]) => {
  const x = rowsAround(rows, columns, 1);
  const weight = testNumbers(columns, 2);
  const dy = testNumbers(rows * columns, 4);
  const addend = testNumbers(rows * columns, 5);
  const { dx } = referenceBackward(dy, x, weight, 1e-5, rows, columns);
  const inputs = { dy, x, weight, moments: moments(x, rows, columns, 1e-5) };
  const tolerance = { relative: 4e-6 };
  return [
    { title: `${rows}x${columns}`, params: { rows, columns, hasAddend: 0 }, inputs, expected: { dx }, tolerance },
    {
      title: `${rows}x${columns} with an addend`,
      params: { rows, columns, hasAddend: 1 },
      inputs: { ...inputs, addend },
      expected: { dx: dx.map((value, at) => value + addend[at]!) },
      tolerance,
    },
  ];
}));

proveKernel(layerNormBackwardWeightSpec, backwardShapes.map(([rows, columns]) => {
  const x = rowsAround(rows, columns, 1);
  const dy = testNumbers(rows * columns, 4);
  const blocks = Array.from({ length: Math.ceil(rows / 64) }, (_, k) => {
    const part = (values: Float32Array): Float32Array => values.subarray(64 * k * columns, (64 * k + 64) * columns);
    const { dweight, dbias } = referenceBackward(part(dy), part(x), new Float64Array(columns), 1e-5, part(dy).length / columns, columns);
    return [...dweight, ...dbias];
  });
  return {
    title: `${rows}x${columns}`,
    params: { rows, columns },
    inputs: { dy, x, moments: moments(x, rows, columns, 1e-5) },
    expected: { partials: blocks.flat() },
    tolerance: { relative: 4e-6 },
  };
}));

test("the twin's gradients are the differences of its values", () => {
  const [rows, columns] = [3, 5];
  const x = Float64Array.from(rowsAround(rows, columns, 1));
  const weight = Float64Array.from(testNumbers(columns, 2));
  const bias = Float64Array.from(testNumbers(columns, 3));
  const dy = testNumbers(rows * columns, 4);
  const f = (): number => reference(x, weight, bias, 1e-5, rows, columns).reduce((sum, value, n) => sum + value * dy[n]!, 0);
  const { dx, dweight, dbias } = referenceBackward(dy, x, weight, 1e-5, rows, columns);
  expectClose(dx, differences(f, x), { relative: 1e-7 });
  expectClose(dweight, differences(f, weight), { relative: 1e-7 });
  expectClose(dbias, differences(f, bias), { relative: 1e-7 });
});

test.each(engines)("on %s the way back is the adjoint of the way forth", async (engine) => {
  const device = await deviceFor(engine);
  const [rows, columns] = [130, 33];
  const inputs = {
    x: device.tensor([rows, columns], { data: rowsAround(rows, columns, 1) }),
    weight: device.tensor([columns], { data: testNumbers(columns, 2) }),
    bias: device.tensor([columns], { data: testNumbers(columns, 3) }),
    dy: device.tensor([rows, columns], { data: testNumbers(rows * columns, 4) }),
  };
  const { x, weight, bias, dy } = inputs;
  const [y, dx, dweight, dbias, held] = [[rows, columns], [rows, columns], [columns], [columns], [rows, 2]].map((shape) => device.tensor(shape));
  const program = await device.program("layer norm", (recorder) => {
    layerNorm(recorder, { x, weight, bias, y: y!, moments: held! }, { rows, columns, epsilon: 1e-5 });
    layerNormBackward(recorder, { dy, x, weight, moments: held!, dx: dx! }, { rows, columns });
    layerNormBackwardWeight(recorder, { dy, x, moments: held!, dweight: dweight!, dbias: dbias! }, { rows, columns });
  });
  program.run();
  const [gotY, gotDx, gotDweight, gotDbias] = await device.readAll([y!, dx!, dweight!, dbias!]);
  const dot = (a: ArrayLike<number>, b: ArrayLike<number>): number => Array.from(a, (value, n) => value * b[n]!).reduce((sum, value) => sum + value, 0);
  const [gotX, gotWeight, gotBias, gotDy] = await device.readAll([x, weight, bias, dy]);
  // y is linear in (weight, bias): <dy, y> = <dweight, weight> + <dbias, bias>. It does not change when a constant is
  // added to a row of x: every row of dx adds up to 0.
  const forward = dot(gotDy!, gotY!);
  expect(Math.abs(forward - dot(gotDweight!, gotWeight!) - dot(gotDbias!, gotBias!))).toBeLessThan(1e-5 * Math.abs(forward) + 1e-4);
  for (let b = 0; b < rows; b++) {
    const row = Array.from(gotDx!.subarray(b * columns, (b + 1) * columns));
    expect(Math.abs(row.reduce((sum, value) => sum + value, 0))).toBeLessThan(5e-5);
  }
  const expected = referenceBackward(gotDy!, gotX!, gotWeight!, 1e-5, rows, columns);
  expectClose(gotDweight!, expected.dweight, { relative: 4e-6 });
  expectClose(gotDbias!, expected.dbias, { relative: 4e-6 });
  program.close();
  for (const tensor of [...Object.values(inputs), y!, dx!, dweight!, dbias!, held!]) device.free(tensor);
});

proveAgreement(layerNormSpec, { absolute: 1e-5 }, 60, ([rows, columns], seed) => ({
  params: { rows, columns: columns + 3, epsilon: 1e-5 },
  inputs: { x: testNumbers(rows * (columns + 3), seed), weight: testNumbers(columns + 3, seed + 1), bias: testNumbers(columns + 3, seed + 2) },
}));

proveAgreement(layerNormBackwardSpec, { relative: 4e-6 }, 60, ([rows, width], seed) => {
  const columns = width + 3;
  const x = rowsAround(rows, columns, seed);
  return {
    params: { rows, columns, hasAddend: 0 },
    inputs: { dy: testNumbers(rows * columns, seed + 1), x, weight: testNumbers(columns, seed + 2), moments: moments(x, rows, columns, 1e-5) },
  };
});

proveAgreement(layerNormBackwardWeightSpec, { relative: 4e-6 }, 90, ([rows, width], seed) => {
  const columns = width + 3;
  const x = rowsAround(rows, columns, seed);
  return { params: { rows, columns }, inputs: { dy: testNumbers(rows * columns, seed + 1), x, moments: moments(x, rows, columns, 1e-5) } };
});

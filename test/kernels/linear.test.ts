import fc from "fast-check";
import { expect, test } from "vitest";
import { activations, type Activation } from "../../src/kernels/nn/activation.js";
import {
  isBestUnpacked,
  linear,
  linearBackwardInput,
  linearBackwardInputSpec,
  linearBackwardInputUnpackedSpec,
  linearBackwardWeight,
  linearBackwardWeightSpec,
  linearPack,
  linearPackedInput,
  linearPackedInputSpec,
  linearPackSpec,
  linearSpec,
  packedLength,
  sumPartsSpec,
} from "../../src/kernels/nn/linear.js";
import { createDevice, enableRelaxedSimd } from "../../src/engine/create-device.js";
import type { Device } from "../../src/engine/device.js";
import { expectClose } from "../close.js";
import { activations as activationTwins } from "../reference/activations.js";
import * as twin from "../reference/linear.js";
import { deviceFor, engines, expectSameBits, proveKernel, testNumbers } from "./harness.js";

/** Rows, features in, features out: every tile remainder, and blocks of rows on both sides of a boundary. */
const shapes = [
  [1, 1, 1], [3, 1, 31], [31, 3, 1], [2, 33, 8], [5, 7, 9], [25, 28, 65], [33, 65, 33], [65, 32, 3], [6, 257, 16],
  [257, 13, 7], [130, 9, 257], [7, 31, 32], [140, 41, 45],
] as const;

/** packed[p][k][l], as the header of linear_pack says, for a matrix given by its elements. */
function pack(at: (m: number, k: number) => number, width: number, depth: number): Float32Array {
  const packed = new Float32Array(Math.ceil(width / 8) * 8 * depth);
  for (let m = 0; m < width; m++) {
    for (let k = 0; k < depth; k++) packed[(Math.floor(m / 8) * depth + k) * 8 + (m % 8)] = at(m, k);
  }
  return packed;
}

/** Weights of about the size that keeps outputs near 1. */
function weights(length: number, fanIn: number, seed: number): Float32Array {
  return testNumbers(length, seed, 1 / Math.sqrt(fanIn));
}

/** A weight as columns of longer rows: `column` numbers in front of each, `behind` after it. */
function sliceIn(weight: Float32Array, rows: number, columns: number, column: number, behind: number) {
  const rowStride = column + columns + behind;
  const matrix = testNumbers(rows * rowStride, 14);
  for (let row = 0; row < rows; row++) matrix.set(weight.subarray(row * columns, (row + 1) * columns), row * rowStride + column);
  return { matrix, rowStride, column };
}

function columnsOf(matrix: ArrayLike<number>, rows: number, stride: number, column: number, count: number): Float64Array {
  return Float64Array.from({ length: rows * count }, (_, n) => matrix[Math.floor(n / count) * stride + column + (n % count)]!);
}

proveKernel(linearPackSpec, shapes.flatMap(([extra, inFeatures, outFeatures]) => [0, 1].map((transposed) => {
  const column = extra % 4;
  const rowStride = column + inFeatures + (extra % 3);
  const weight = testNumbers(outFeatures * rowStride, 3);
  const element = (o: number, i: number): number => weight[o * rowStride + column + i]!;
  return {
    title: `${outFeatures}x${inFeatures} of rows of ${rowStride} from ${column}${transposed === 1 ? ", transposed" : ""}`,
    params: { inFeatures, outFeatures, rowStride, column, transposed },
    inputs: { weight },
    expected: {
      packed: transposed === 1
        ? pack((m, k) => element(k, m), inFeatures, outFeatures)
        : pack(element, outFeatures, inFeatures),
    },
    tolerance: { absolute: 0 },
  };
})));

const combinations = [
  { bias: true, addend: false, y: true, activated: true, kind: "mish" },
  { bias: false, addend: true, y: true, activated: false, kind: "identity" },
  { bias: true, addend: true, y: false, activated: true, kind: "relu" },
] as const;

/** Numbers of a layer forward and what its float64 twin makes of them, with the weight as a matrix of its own. */
function forwardCase(rows: number, inFeatures: number, outFeatures: number, use: (typeof combinations)[number]) {
  const x = testNumbers(rows * inFeatures, 1);
  const weight = weights(outFeatures * inFeatures, inFeatures, 2);
  const bias = testNumbers(outFeatures, 3);
  const addend = testNumbers(rows * outFeatures, 4);
  const y = twin.linear(x, weight, use.bias ? bias : undefined, rows, inFeatures, outFeatures);
  if (use.addend) for (const [n, value] of addend.entries()) y[n]! += value;
  const empty = new Float32Array(rows * outFeatures);
  return {
    x,
    weight,
    title: `${rows}x${inFeatures}x${outFeatures} ${JSON.stringify(use)}`,
    params: {
      rows, inFeatures, outFeatures, activation: activations[use.kind],
      hasBias: Number(use.bias), hasAddend: Number(use.addend), writesY: Number(use.y), writesActivated: Number(use.activated),
    },
    others: {
      ...(use.bias ? { bias } : {}),
      ...(use.addend ? { addend } : {}),
      ...(use.y ? { y: empty } : {}),
      ...(use.activated ? { activated: empty } : {}),
    },
    expected: {
      ...(use.y ? { y } : {}),
      ...(use.activated ? { activated: y.map((value) => activationTwins[use.kind].value(value)) } : {}),
    },
    tolerance: { absolute: 2e-6, relative: 1e-6 },
  };
}

proveKernel(linearSpec, shapes.flatMap(([rows, inFeatures, outFeatures]) => combinations.map((use) => {
  const { x, weight, others, ...rest } = forwardCase(rows, inFeatures, outFeatures, use);
  return { ...rest, inputs: { ...others, x, packed: pack((o, i) => weight[o * inFeatures + i]!, outFeatures, inFeatures) } };
})));

proveKernel(linearPackedInputSpec, shapes.flatMap(([rows, inFeatures, outFeatures]) => combinations.map((use) => {
  const { x, weight, others, params, ...rest } = forwardCase(rows, inFeatures, outFeatures, use);
  const slice = sliceIn(weight, outFeatures, inFeatures, rows % 4, rows % 3);
  return {
    ...rest,
    params: { ...params, rowStride: slice.rowStride, column: slice.column },
    inputs: { ...others, packed: pack((b, i) => x[b * inFeatures + i]!, rows, inFeatures), weight: slice.matrix },
  };
})));

const backwardCombinations = [
  { pre: undefined, addend: false },
  { pre: "relu", addend: false },
  { pre: "mish", addend: true },
] as const;

/** Numbers of a layer backward and what its float64 twin makes of them, with the weight as a matrix of its own. */
function backwardCase(rows: number, inFeatures: number, outFeatures: number, use: (typeof backwardCombinations)[number]) {
  const dy = testNumbers(rows * outFeatures, 5);
  const weight = weights(outFeatures * inFeatures, outFeatures, 6);
  const pre = testNumbers(rows * inFeatures, 7, 3);
  const addend = testNumbers(rows * inFeatures, 8);
  const kind: Activation = use.pre ?? "identity";
  const dx = twin.linearBackwardInput(dy, weight, rows, inFeatures, outFeatures)
    .map((value, n) => value * (use.pre === undefined ? 1 : activationTwins[kind].slope(pre[n]!)) + (use.addend ? addend[n]! : 0));
  return {
    weight,
    title: `${rows}x${inFeatures}x${outFeatures} ${JSON.stringify(use)}`,
    params: {
      rows, inFeatures, outFeatures, activation: activations[kind],
      hasPre: Number(use.pre !== undefined), hasAddend: Number(use.addend),
    },
    others: {
      dy,
      ...(use.pre === undefined ? {} : { pre }),
      ...(use.addend ? { addend } : {}),
    },
    expected: { dx },
    tolerance: { absolute: 2e-6, relative: 1e-6 },
  };
}

proveKernel(linearBackwardInputSpec, shapes.flatMap(([rows, inFeatures, outFeatures]) => backwardCombinations.map((use) => {
  const { weight, others, ...rest } = backwardCase(rows, inFeatures, outFeatures, use);
  return { ...rest, inputs: { ...others, packed: pack((i, o) => weight[o * inFeatures + i]!, inFeatures, outFeatures) } };
})));

proveKernel(linearBackwardInputUnpackedSpec, shapes.flatMap(([rows, inFeatures, outFeatures]) => backwardCombinations.map((use) => {
  const { weight, others, params, ...rest } = backwardCase(rows, inFeatures, outFeatures, use);
  const slice = sliceIn(weight, outFeatures, inFeatures, rows % 4, rows % 3);
  return { ...rest, params: { ...params, rowStride: slice.rowStride, column: slice.column }, inputs: { ...others, weight: slice.matrix } };
})));

/** The rows of part `part` of a weight gradient, as the kernel's header says. */
function rowsOfPart(rows: number, parts: number, part: number): readonly [number, number] {
  const count = 128 * Math.ceil(Math.ceil(rows / parts) / 128);
  return [Math.min(part * count, rows), Math.min((part + 1) * count, rows)];
}

proveKernel(linearBackwardWeightSpec, shapes.flatMap(([rows, inFeatures, outFeatures]) => (rows > 100 ? [1, 2, 3] : [1]).map((parts) => {
  const column = rows % 4;
  const rowStride = column + inFeatures + (rows % 3);
  const dy = testNumbers(rows * outFeatures, 9, 1 / Math.sqrt(rows));
  const x = testNumbers(rows * inFeatures, 10);
  // Columns beside the slice belong to other layers: they keep what they hold.
  const before = testNumbers(parts * outFeatures * rowStride, 11);
  const dWeight = Float64Array.from(before);
  const dBias = new Float64Array(parts * outFeatures);
  for (let part = 0; part < parts; part++) {
    const [start, stop] = rowsOfPart(rows, parts, part);
    const slopes = dy.subarray(start * outFeatures, stop * outFeatures);
    const gradient = twin.linearBackwardWeight(slopes, x.subarray(start * inFeatures, stop * inFeatures), stop - start, inFeatures, outFeatures);
    for (const [n, value] of gradient.entries()) {
      dWeight[(part * outFeatures + Math.floor(n / inFeatures)) * rowStride + column + (n % inFeatures)] = value;
    }
    dBias.set(twin.linearBackwardBias(slopes, stop - start, outFeatures), part * outFeatures);
  }
  const hasBias = rows % 2;
  return {
    title: `${rows}x${inFeatures}x${outFeatures} in ${parts} parts into rows of ${rowStride} from ${column}`,
    params: { rows, inFeatures, outFeatures, rowStride, column, hasBias, parts },
    inputs: { dy, x, dWeight: before, ...(hasBias === 1 ? { dBias: new Float32Array(parts * outFeatures) } : {}) },
    expected: { dWeight, ...(hasBias === 1 ? { dBias } : {}) },
    tolerance: { absolute: 1e-6, relative: 1e-6 },
  };
})));

proveKernel(sumPartsSpec, shapes.map(([rows, columns, parts]) => {
  const column = rows % 4;
  const rowStride = column + columns + (rows % 3);
  const data = testNumbers(parts * rows * columns, 12, 1 / Math.sqrt(parts));
  const y = Float64Array.from(testNumbers(rows * rowStride, 13));
  const before = Float32Array.from(y);
  for (let r = 0; r < rows; r++) {
    for (let c = 0; c < columns; c++) {
      let sum = 0;
      for (let s = 0; s < parts; s++) sum += data[(s * rows + r) * columns + c]!;
      y[r * rowStride + column + c] = sum;
    }
  }
  return {
    title: `${parts} parts of ${rows}x${columns} into rows of ${rowStride} from ${column}`,
    params: { parts, rows, columns, rowStride, column },
    inputs: { parts: data, y: before },
    expected: { y },
    tolerance: { absolute: 1e-6, relative: 1e-6 },
  };
}));

test("dx and dW of the float64 twin are the adjoints of y, and their finite differences", () => {
  const [B, I, O] = [5, 7, 3];
  const x = Float64Array.from(testNumbers(B * I, 1));
  const weight = Float64Array.from(testNumbers(O * I, 2));
  const dy = Float64Array.from(testNumbers(B * O, 3));
  const loss = (inputs: Float64Array, matrix: Float64Array): number =>
    twin.linear(inputs, matrix, undefined, B, I, O).reduce((sum, y, n) => sum + y * dy[n]!, 0);
  const dx = twin.linearBackwardInput(dy, weight, B, I, O);
  const dWeight = twin.linearBackwardWeight(dy, x, B, I, O);
  const dot = (a: Float64Array, b: Float64Array): number => a.reduce((sum, value, n) => sum + value * b[n]!, 0);
  // y is linear in x and in W, so <dy, y> = <dx, x> = <dW, W>.
  expect(dot(dx, x)).toBeCloseTo(loss(x, weight), 12);
  expect(dot(dWeight, weight)).toBeCloseTo(loss(x, weight), 12);
  const along = Float64Array.from(testNumbers(O * I, 4));
  const moved = (step: number): Float64Array => weight.map((value, n) => value + step * along[n]!);
  expect((loss(x, moved(1e-5)) - loss(x, moved(-1e-5))) / 2e-5).toBeCloseTo(dot(dWeight, along), 8);
});

interface Layer {
  readonly rows: number;
  readonly inFeatures: number;
  readonly outFeatures: number;
  readonly column: number;
  readonly kind: Activation;
}

/** One layer forward and backward through the launchers, weight and gradients inside flat buffers as networks have them. */
async function runLayer(device: Device, layer: Layer): Promise<Record<string, Float32Array<ArrayBuffer>>> {
  const { rows, inFeatures, outFeatures, column, kind } = layer;
  const rowStride = column + inFeatures + 2;
  const biasAt = Math.ceil((outFeatures * rowStride) / 64) * 64;
  const size = biasAt + outFeatures;
  const parameters = device.tensor([size], { data: testNumbers(size, 21, 0.5) });
  const gradients = device.tensor([size]);
  const x = device.tensor([rows, inFeatures], { data: testNumbers(rows * inFeatures, 22) });
  const dy = device.tensor([rows, outFeatures], { data: testNumbers(rows * outFeatures, 23) });
  const y = device.tensor([rows, outFeatures]);
  const activated = device.tensor([rows, outFeatures]);
  const unpacked = device.tensor([rows, outFeatures]);
  const dx = device.tensor([rows, inFeatures]);
  const slice = { inFeatures, outFeatures, rowStride, column };
  const program = await device.program("layer", (recorder) => {
    const weight = parameters.view(0, [outFeatures, rowStride]);
    const packed = recorder.temporary([packedLength(inFeatures, outFeatures)], "packed");
    linearPack(recorder, { weight, packed }, slice);
    const bias = parameters.view(biasAt, [outFeatures]);
    linear(recorder, { x, packed, bias, y, activated }, { rows, inFeatures, outFeatures, activation: kind });
    linearPackedInput(recorder, { x, weight, bias, activated: unpacked }, { ...slice, rows, activation: kind });
    linearBackwardInput(recorder, { dy, weight, pre: x, dx }, { ...slice, rows, activation: kind });
    linearBackwardWeight(recorder, {
      dy, x, dWeight: gradients.view(0, [outFeatures, rowStride]), dBias: gradients.view(biasAt, [outFeatures]),
    }, { ...slice, rows });
  });
  try {
    program.run();
    const [yData, activatedData, unpackedData, dxData, gradientData] = await Promise.all(
      [y, activated, unpacked, dx, gradients].map((tensor) => device.read(tensor)),
    );
    return { y: yData!, activated: activatedData!, unpacked: unpackedData!, dx: dxData!, gradients: gradientData! };
  } finally {
    program.close();
    for (const tensor of [parameters, gradients, x, dy, y, activated, unpacked, dx]) device.free(tensor);
  }
}

// 1,100 rows: a GPU sums the weight gradient in two parts.
test.each([37, 1100])("a layer of %i rows recorded by the launchers equals its float64 twin on every engine", async (count) => {
  const layer: Layer = { rows: count, inFeatures: 19, outFeatures: 21, column: 5, kind: "tanh" };
  const { rows, inFeatures, outFeatures, column } = layer;
  const rowStride = column + inFeatures + 2;
  const biasAt = Math.ceil((outFeatures * rowStride) / 64) * 64;
  const parameters = testNumbers(biasAt + outFeatures, 21, 0.5);
  const weight = columnsOf(parameters, outFeatures, rowStride, column, inFeatures);
  const x = testNumbers(rows * inFeatures, 22);
  const dy = testNumbers(rows * outFeatures, 23);
  const y = twin.linear(x, weight, parameters.subarray(biasAt), rows, inFeatures, outFeatures);
  const dx = twin.linearBackwardInput(dy, weight, rows, inFeatures, outFeatures).map((value, n) => value * activationTwins.tanh.slope(x[n]!));
  const dWeight = twin.linearBackwardWeight(dy, x, rows, inFeatures, outFeatures);
  for (const engine of engines) {
    const got = await runLayer(await deviceFor(engine), layer);
    expectClose(got.y!, y, { relative: 2e-6 }, `${engine} y`);
    expectClose(got.activated!, y.map((value) => Math.tanh(value)), { absolute: 1e-5 }, `${engine} activated`);
    expectClose(got.unpacked!, got.activated!, { absolute: 1e-6 }, `${engine} activated, from packed x`);
    expectClose(got.dx!, dx, { relative: 2e-5 }, `${engine} dx`);
    expectClose(columnsOf(got.gradients!, outFeatures, rowStride, column, inFeatures), dWeight, { relative: 2e-6 }, `${engine} dW`);
    expectClose(got.gradients!.subarray(biasAt), twin.linearBackwardBias(dy, rows, outFeatures), { relative: 2e-6 }, `${engine} db`);
  }
});

test.runIf(engines.length > 1)("both engines agree on layers of random shapes", async () => {
  await fc.assert(fc.asyncProperty(
    fc.record({
      rows: fc.integer({ min: 1, max: 150 }),
      inFeatures: fc.integer({ min: 1, max: 40 }),
      outFeatures: fc.integer({ min: 1, max: 40 }),
      column: fc.integer({ min: 0, max: 9 }),
      kind: fc.constantFrom<Activation>("identity", "relu", "mish"),
    }),
    async (layer) => {
      const wasm = await runLayer(await deviceFor("wasm"), layer);
      const webgpu = await runLayer(await deviceFor("webgpu"), layer);
      for (const [name, data] of Object.entries(wasm)) expectClose(webgpu[name]!, data, { absolute: 2e-6, relative: 4e-6 }, name);
    },
  ), { numRuns: 15, seed: 7 });
});

/** A layer that this many rows go back through as it lies, and one more through a packed weight. */
const fewRows = { inFeatures: 139, outFeatures: 130, column: 5, kind: "mish" } as const;
const fewCount = 69;

test("a weight as it lies gives the same bits as a packed one, forward and back", async () => {
  expect(isBestUnpacked("wasm", fewCount, fewRows.outFeatures, fewRows.inFeatures)).toBe(true);
  expect(isBestUnpacked("wasm", fewCount + 1, fewRows.outFeatures, fewRows.inFeatures)).toBe(false);
  expect(isBestUnpacked("webgpu", fewCount, fewRows.outFeatures, fewRows.inFeatures)).toBe(false);
  const device = await deviceFor("wasm");
  const few = await runLayer(device, { ...fewRows, rows: fewCount });
  const more = await runLayer(device, { ...fewRows, rows: fewCount + 1 });
  expectSameBits(few, { ...few, dx: more.dx!.subarray(0, few.dx!.length), unpacked: few.activated! }, "few rows");
});

test.each([
  { rows: 133, inFeatures: 30, outFeatures: 41, column: 3, kind: "relu" },
  { ...fewRows, rows: fewCount },
] as const)("the bits of a layer of $inFeatures by $outFeatures do not depend on the thread count", async (layer) => {
  const alone = await runLayer(await deviceFor("wasm", 1), layer);
  for (const threads of [2, 4]) {
    expectSameBits(alone, await runLayer(await deviceFor("wasm", threads), layer), `${threads} threads`);
  }
});

// The relaxed build cuts rows and features into other tiles.
test.runIf(enableRelaxedSimd())("the relaxed build agrees with the plain one, on any thread count to the bit", async () => {
  using one = await createDevice({ engine: "wasm", wasm: { simd: "relaxed", threads: 1 } });
  using two = await createDevice({ engine: "wasm", wasm: { simd: "relaxed", threads: 2 } });
  for (const [rows, inFeatures, outFeatures] of [...shapes, [11, 8, 5], [25, 130, 12], [62, 140, 20], [29, 16, 6], [133, 30, 41], [300, 17, 24], [fewCount, fewRows.inFeatures, fewRows.outFeatures]] as const) {
    const layer: Layer = { rows, inFeatures, outFeatures, column: 3, kind: "mish" };
    const plain = await runLayer(await deviceFor("wasm"), layer);
    const relaxed = await runLayer(one, layer);
    for (const [name, data] of Object.entries(plain)) {
      expectClose(relaxed[name]!, data, { absolute: 2e-6, relative: 4e-6 }, `${rows}x${inFeatures}x${outFeatures}: ${name}`);
    }
    expectSameBits(relaxed, await runLayer(two, layer), `${rows}x${inFeatures}x${outFeatures} on 2 threads`);
  }
});

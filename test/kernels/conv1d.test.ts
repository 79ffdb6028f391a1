import fc from "fast-check";
import { expect, test } from "vitest";
import {
  conv1d,
  conv1dBackwardWeight,
  conv1dBackwardWeightSpec,
  conv1dPack,
  conv1dPackSpec,
  conv1dSpec,
  planConvolution,
  type ConvolutionDirection,
  type ConvolutionShape,
} from "../../src/kernels/nn/conv1d.js";
import { packedLength } from "../../src/kernels/nn/linear.js";
import { createDevice, enableRelaxedSimd } from "../../src/engine/create-device.js";
import type { Device } from "../../src/engine/device.js";
import { expectClose } from "../close.js";
import { differences } from "../reference/finite-difference.js";
import * as twin from "../reference/conv1d.js";
import { deviceFor, engines, expectSameBits, proveKernel, testNumbers } from "./harness.js";

/** A convolution of a kind, with `rows` samples: the long sequence has `length` positions. */
function shapeOf(kind: "same" | "down" | "up" | "point", length: number, shortChannels: number, longChannels: number, kernel = 5): ConvolutionShape {
  const channels = { shortChannels, longChannels, weightChannels: longChannels + (shortChannels % 3), column: shortChannels % 3 };
  switch (kind) {
    case "same": return { ...channels, longLength: length, shortLength: length, kernel, stride: 1, padding: (kernel - 1) / 2 };
    case "point": return { ...channels, longLength: length, shortLength: length, kernel: 1, stride: 1, padding: 0 };
    // Odd lengths lose nothing on the way down: ceil(length / 2) positions.
    case "down": return { ...channels, longLength: length, shortLength: Math.ceil(length / 2), kernel: 3, stride: 2, padding: 1 };
    case "up": return { ...channels, longLength: 2 * length, shortLength: length, kernel: 4, stride: 2, padding: 1 };
  }
}

/** Samples and shapes: every tile remainder, kernels longer than the sequence, every stride. */
const cases: readonly (readonly [number, ConvolutionShape])[] = [
  [1, shapeOf("same", 1, 1, 1)],
  [2, shapeOf("same", 2, 9, 3)],
  [3, shapeOf("same", 4, 7, 8)],
  [25, shapeOf("same", 4, 33, 17)],
  [9, shapeOf("same", 16, 8, 7)],
  [5, shapeOf("same", 8, 3, 16, 3)],
  [7, shapeOf("point", 4, 17, 33)],
  [31, shapeOf("down", 4, 16, 9)],
  [4, shapeOf("down", 7, 5, 8)],
  [6, shapeOf("up", 2, 8, 9)],
  [65, shapeOf("up", 4, 3, 7)],
  [257, shapeOf("same", 3, 4, 6)],
];
const directions: readonly ConvolutionDirection[] = ["toShort", "toLong"];

/** The slice of a weight [S, weightChannels, K] that takes part. */
function slice(weight: ArrayLike<number>, shape: ConvolutionShape): Float64Array {
  const { shortChannels, longChannels, weightChannels, column, kernel } = shape;
  return Float64Array.from({ length: shortChannels * longChannels * kernel }, (_, n) => {
    const [s, rest] = [Math.floor(n / (longChannels * kernel)), n % (longChannels * kernel)];
    return weight[(s * weightChannels + column) * kernel + rest]!;
  });
}

function weightOf(shape: ConvolutionShape, seed: number): Float32Array {
  const { shortChannels, weightChannels, kernel } = shape;
  return testNumbers(shortChannels * weightChannels * kernel, seed, 1 / Math.sqrt(weightChannels * kernel));
}

/** packed[p][j C + c][l], as the header of conv1d_pack says. */
function pack(weight: ArrayLike<number>, shape: ConvolutionShape, direction: ConvolutionDirection): Float32Array {
  const { taps } = planConvolution(shape, direction);
  const { shortChannels, longChannels, weightChannels, column, kernel } = shape;
  const [M, C] = direction === "toShort" ? [shortChannels, longChannels] : [longChannels, shortChannels];
  const depth = taps.length * C;
  const packed = new Float32Array(packedLength(depth, M));
  for (let m = 0; m < M; m++) {
    for (const [j, tap] of taps.entries()) {
      for (let c = 0; c < C; c++) {
        const [s, l] = direction === "toShort" ? [m, c] : [c, m];
        packed[(Math.floor(m / 8) * depth + j * C + c) * 8 + (m % 8)] = weight[(s * weightChannels + column + l) * kernel + tap]!;
      }
    }
  }
  return packed;
}

function described(rows: number, shape: ConvolutionShape, more = ""): string {
  return `${rows} samples ${JSON.stringify(shape)} ${more}`;
}

test("a window holds the taps that meet the sequence, and only those that meet it anywhere are packed", () => {
  // Kernel 5 over two positions: taps 0 and 4 meet padding alone.
  expect(planConvolution(shapeOf("same", 2, 1, 1), "toShort")).toEqual({ taps: [1, 2, 3], windows: [0, 2, 1, 0, 2, 0] });
  expect(planConvolution(shapeOf("same", 2, 1, 1), "toLong")).toEqual({ taps: [3, 2, 1], windows: [0, 2, 1, 0, 2, 0] });
  expect(planConvolution(shapeOf("down", 4, 1, 1), "toShort")).toEqual({ taps: [0, 1, 2], windows: [0, 2, 1, 1, 3, 0] });
  // Even positions of a doubled sequence meet the odd taps, the later position through the earlier tap.
  expect(planConvolution(shapeOf("up", 2, 1, 1), "toLong")).toEqual({ taps: [2, 0, 3, 1], windows: [0, 1, 3, 0, 2, 0, 0, 2, 2, 1, 1, 0] });
});

test("a convolution whose stride leaves positions out is refused", () => {
  const shape = { shortLength: 2, shortChannels: 1, longLength: 4, longChannels: 1, weightChannels: 1, column: 0, kernel: 1, stride: 2, padding: 0 };
  expect(() => planConvolution(shape, "toLong")).toThrow(/meets no tap/);
});

proveKernel(conv1dPackSpec, cases.flatMap(([rows, shape]) => directions.map((direction) => {
  const weight = weightOf(shape, 1);
  const { taps } = planConvolution(shape, direction);
  const { shortChannels, longChannels, weightChannels, kernel, column } = shape;
  const [short, long] = [[shortChannels, weightChannels * kernel], [longChannels, kernel]] as const;
  const [[outChannels, outStride], [inChannels, inStride]] = direction === "toShort" ? [short, long] : [long, short];
  return {
    title: described(rows, shape, direction),
    params: { outChannels, inChannels, taps: taps.length, outStride, inStride, offset: column * kernel },
    inputs: { weight, taps: Uint32Array.from(taps) },
    expected: { packed: pack(weight, shape, direction) },
    tolerance: { absolute: 0 },
  };
})));

proveKernel(conv1dSpec, cases.flatMap(([rows, shape]) => directions.map((direction) => {
  const { taps, windows } = planConvolution(shape, direction);
  const short = [shape.shortLength, shape.shortChannels] as const;
  const long = [shape.longLength, shape.longChannels] as const;
  const [[inLength, inChannels], [outLength, outChannels]] = direction === "toShort" ? [long, short] : [short, long];
  const x = testNumbers(rows * inLength * inChannels, 2);
  const weight = weightOf(shape, 3);
  const use = { bias: rows % 2 === 1, addend: rows % 3 !== 0 };
  const bias = testNumbers(outChannels, 4);
  const addend = testNumbers(rows * outLength * outChannels, 5);
  const product = direction === "toShort" ? twin.convolve : twin.convolveTransposed;
  const y = product(x, slice(weight, shape), rows, shape)
    .map((value, n) => value + (use.bias ? bias[n % outChannels]! : 0) + (use.addend ? addend[n]! : 0));
  return {
    title: described(rows, shape, direction),
    params: { rows, inLength, inChannels, outLength, outChannels, taps: taps.length, hasBias: Number(use.bias), hasAddend: Number(use.addend) },
    inputs: {
      x, packed: pack(weight, shape, direction), windows: Uint32Array.from(windows),
      ...(use.bias ? { bias } : {}),
      ...(use.addend ? { addend } : {}),
    },
    expected: { y },
    tolerance: { absolute: 2e-6, relative: 1e-6 },
  };
})));

proveKernel(conv1dBackwardWeightSpec, cases.flatMap(([rows, shape]) => [rows, Math.ceil(rows / 3)].map((blockRows) => {
  const { shortLength, shortChannels, longLength, longChannels, weightChannels, column, kernel, stride, padding } = shape;
  const short = testNumbers(rows * shortLength * shortChannels, 6, 1 / Math.sqrt(rows * shortLength));
  const long = testNumbers(rows * longLength * longChannels, 7);
  // Channels beside the slice belong to another launch: they keep what they hold.
  const before = testNumbers(shortChannels * weightChannels * kernel, 8);
  const dWeight = Float64Array.from(before);
  for (const [n, value] of twin.convolveBackwardWeight(short, long, rows, shape).entries()) {
    const [s, rest] = [Math.floor(n / (longChannels * kernel)), n % (longChannels * kernel)];
    dWeight[(s * weightChannels + column) * kernel + rest] = value;
  }
  const hasBias = rows % 2;
  const dBias = Float64Array.from({ length: shortChannels }, (_, s) =>
    Array.from({ length: rows * shortLength }, (_row, r) => short[r * shortChannels + s]!).reduce((sum, value) => sum + value, 0));
  return {
    title: described(rows, shape, `in blocks of ${blockRows}`),
    params: {
      rows, shortLength, shortChannels, longLength, longChannels, weightChannels, column, kernel, stride, padding, blockRows, hasBias,
    },
    inputs: { short, long, dWeight: before, ...(hasBias === 1 ? { dBias: new Float32Array(shortChannels) } : {}) },
    expected: { dWeight, ...(hasBias === 1 ? { dBias } : {}) },
    tolerance: { absolute: 2e-6, relative: 1e-6 },
  };
})));

test("the twin's transposed product and its weight gradient are the adjoints of its product, and their finite differences", () => {
  for (const [rows, shape] of [[2, shapeOf("same", 2, 3, 2)], [3, shapeOf("down", 5, 2, 3)], [2, shapeOf("up", 3, 3, 2)]] as const) {
    const long = Float64Array.from(testNumbers(rows * shape.longLength * shape.longChannels, 1));
    const short = Float64Array.from(testNumbers(rows * shape.shortLength * shape.shortChannels, 2));
    const weight = slice(weightOf(shape, 3), shape);
    const dot = (a: Float64Array, b: Float64Array): number => a.reduce((sum, value, n) => sum + value * b[n]!, 0);
    const forward = (): number => dot(twin.convolve(long, weight, rows, shape), short);
    expect(dot(twin.convolveTransposed(short, weight, rows, shape), long)).toBeCloseTo(forward(), 11);
    const dWeight = twin.convolveBackwardWeight(short, long, rows, shape);
    expect(dot(dWeight, weight)).toBeCloseTo(forward(), 11);
    expectClose(dWeight, differences(forward, weight), { relative: 1e-7 });
  }
});

/** A layer forth and back through the launchers, as networks record it. */
async function runLayer(device: Device, rows: number, shape: ConvolutionShape, direction: ConvolutionDirection): Promise<Record<string, Float32Array<ArrayBuffer>>> {
  const { shortLength, shortChannels, longLength, longChannels } = shape;
  const back = direction === "toShort" ? "toLong" : "toShort";
  const given = {
    weight: device.tensor([shape.shortChannels * shape.weightChannels * shape.kernel], { data: weightOf(shape, 11) }),
    short: device.tensor([rows, shortLength, shortChannels], { data: testNumbers(rows * shortLength * shortChannels, 12) }),
    long: device.tensor([rows, longLength, longChannels], { data: testNumbers(rows * longLength * longChannels, 13) }),
    bias: device.tensor([direction === "toShort" ? shortChannels : longChannels], { data: testNumbers(Math.max(shortChannels, longChannels), 14).slice(0, direction === "toShort" ? shortChannels : longChannels) }),
  };
  const made = {
    forth: device.tensor(direction === "toShort" ? given.short.shape : given.long.shape),
    back: device.tensor(direction === "toShort" ? given.long.shape : given.short.shape),
    dWeight: device.tensor([given.weight.length]),
    dBias: device.tensor(given.bias.shape),
  };
  const [input, gradient] = direction === "toShort" ? [given.long, given.short] : [given.short, given.long];
  const program = await device.program("layer", (recorder) => {
    const record = (x: typeof input, y: typeof input, way: ConvolutionDirection, bias?: typeof input): void => {
      const plan = planConvolution(shape, way);
      const taps = recorder.constant(plan.taps, "taps", "u32");
      const windows = recorder.constant(plan.windows, "windows", "u32");
      const [M, C] = way === "toShort" ? [shortChannels, longChannels] : [longChannels, shortChannels];
      const packed = recorder.temporary([packedLength(plan.taps.length * C, M)], "packed");
      conv1dPack(recorder, { weight: given.weight, taps, packed }, shape, way);
      conv1d(recorder, { x, packed, windows, bias, y }, shape, { rows, taps: plan.taps.length, direction: way });
    };
    record(input, made.forth, direction, given.bias);
    record(gradient, made.back, back);
    conv1dBackwardWeight(recorder, { short: given.short, long: given.long, dWeight: made.dWeight, dBias: made.dBias }, shape, { rows, direction });
  });
  try {
    program.run();
    const names = Object.keys(made);
    const read = await Promise.all(Object.values(made).map((tensor) => device.read(tensor)));
    return Object.fromEntries(names.map((name, at) => [name, read[at]!]));
  } finally {
    program.close();
    for (const tensor of [...Object.values(given), ...Object.values(made)]) device.free(tensor);
  }
}

test.each(directions)("a layer %s recorded by the launchers equals its float64 twin on every engine", async (direction) => {
  const [rows, shape] = [19, shapeOf("up", 4, 9, 5)];
  const weight = slice(weightOf(shape, 11), shape);
  const short = testNumbers(rows * shape.shortLength * shape.shortChannels, 12);
  const long = testNumbers(rows * shape.longLength * shape.longChannels, 13);
  const bias = testNumbers(9, 14);
  const down = twin.convolve(long, weight, rows, shape);
  const up = twin.convolveTransposed(short, weight, rows, shape);
  const channels = direction === "toShort" ? 9 : 5;
  const [forth, back, gradient] = direction === "toShort" ? [down, up, short] : [up, down, long];
  const dBias = new Float64Array(channels);
  for (const [n, value] of gradient.entries()) dBias[n % channels]! += value;
  for (const engine of engines) {
    const got = await runLayer(await deviceFor(engine), rows, shape, direction);
    expectClose(got.forth!, forth.map((value, n) => value + bias[n % channels]!), { relative: 2e-6 }, `${engine} forth`);
    expectClose(got.back!, back, { relative: 2e-6 }, `${engine} back`);
    expectClose(slice(got.dWeight!, shape), twin.convolveBackwardWeight(short, long, rows, shape), { relative: 4e-6 }, `${engine} dW`);
    expectClose(got.dBias!, dBias, { relative: 4e-6 }, `${engine} db`);
  }
});

const anyShape = fc.record({
  rows: fc.integer({ min: 1, max: 70 }),
  kind: fc.constantFrom("same", "down", "up", "point"),
  length: fc.integer({ min: 2, max: 9 }),
  shortChannels: fc.integer({ min: 1, max: 30 }),
  longChannels: fc.integer({ min: 1, max: 30 }),
  kernel: fc.constantFrom(1, 3, 5, 7),
  direction: fc.constantFrom(...directions),
});

test.runIf(engines.length > 1)("both engines agree on convolutions of random shapes", async () => {
  await fc.assert(fc.asyncProperty(anyShape, async ({ rows, kind, length, shortChannels, longChannels, kernel, direction }) => {
    const shape = shapeOf(kind, length, shortChannels, longChannels, kernel);
    const wasm = await runLayer(await deviceFor("wasm"), rows, shape, direction);
    const webgpu = await runLayer(await deviceFor("webgpu"), rows, shape, direction);
    for (const [name, data] of Object.entries(wasm)) expectClose(webgpu[name]!, data, { absolute: 4e-6, relative: 4e-6 }, name);
  }), { numRuns: 12, seed: 7 });
});

// The relaxed build cuts rows and channels into other tiles.
test.runIf(enableRelaxedSimd())("the relaxed build agrees with the plain one, on any thread count to the bit", async () => {
  using one = await createDevice({ engine: "wasm", wasm: { simd: "relaxed", threads: 1 } });
  using two = await createDevice({ engine: "wasm", wasm: { simd: "relaxed", threads: 2 } });
  for (const [rows, shape] of cases) {
    for (const direction of directions) {
      const plain = await runLayer(await deviceFor("wasm"), rows, shape, direction);
      const relaxed = await runLayer(one, rows, shape, direction);
      for (const [name, data] of Object.entries(plain)) {
        expectClose(relaxed[name]!, data, { absolute: 4e-6, relative: 4e-6 }, `${described(rows, shape, direction)}: ${name}`);
      }
      expectSameBits(relaxed, await runLayer(two, rows, shape, direction), `${described(rows, shape, direction)} on 2 threads`);
    }
  }
});

import fc from "fast-check";
import { expect, test } from "vitest";
import type { Device } from "../../src/engine/device.js";
import type { Tensor } from "../../src/engine/tensor.js";
import { activation } from "../../src/kernels/nn/activation.js";
import { columnSum } from "../../src/kernels/nn/columns.js";
import { linear, linearPack, packedLength } from "../../src/kernels/nn/linear.js";
import { deviceFor, testNumbers } from "../kernels/harness.js";

/** One step of a random program: which of five buffers it reads, which it writes, and how it splits them. */
interface Step {
  readonly from: number;
  readonly to: number;
  readonly rows: number;
  /** It covers one part of this many: rows of another length, though the buffer and the split are the same. */
  readonly parts: number;
}

const length = 5040;
const bufferCount = 5;

const steps = fc.array(
  fc.record({
    from: fc.integer({ min: 0, max: bufferCount - 1 }),
    to: fc.integer({ min: 0, max: bufferCount - 1 }),
    // Divisors of the length: equal splits need no barrier, unequal ones do.
    rows: fc.constantFrom(1, 2, 3, 7, 16, 70, 720, 5040),
    parts: fc.constantFrom(1, 1, 2, 5),
  }).filter((step) => step.from !== step.to),
  { minLength: 2, maxLength: 30 },
);

async function run(device: Device, program: readonly Step[]): Promise<Float32Array[]> {
  const buffers: Tensor[] = Array.from({ length: bufferCount }, (_, at) =>
    device.tensor([length], { label: `buffer ${at}`, data: testNumbers(length, at, 3) }));
  using recorded = await device.program("random", (recorder) => {
    for (const { from, to, rows, parts } of program) {
      activation(recorder, { x: buffers[from]!, y: buffers[to]! }, { rows, columns: Math.ceil(length / rows / parts), kind: "mish" });
    }
  });
  recorded.run();
  recorded.run();
  const results = (await device.readAll(buffers)) as Float32Array[];
  for (const buffer of buffers) device.free(buffer);
  return results;
}

test("any program gives the bits of one thread on 2 and on 4", async () => {
  const [one, two, four] = await Promise.all([deviceFor("wasm", 1), deviceFor("wasm", 2), deviceFor("wasm", 4)]);
  await fc.assert(fc.asyncProperty(steps, async (program) => {
    const expected = await run(one, program);
    expect(await run(two, program)).toEqual(expected);
    expect(await run(four, program)).toEqual(expected);
  }), { numRuns: 40 });
});

/** A step on parts of one buffer, which is where a network's gradients are: a sum over the rows of one into another, or f of it. */
interface PartStep {
  readonly from: number;
  readonly to: number;
  readonly rows: number;
  readonly isSum: boolean;
}

const partLength = 16_384;
const partCount = 8;

const partSteps = fc.array(
  fc.record({
    from: fc.integer({ min: 0, max: partCount - 1 }),
    to: fc.integer({ min: 0, max: partCount - 1 }),
    // 256 rows are one unit: one thread adds them, the others go on.
    rows: fc.constantFrom(1, 4, 64, 256, 256),
    isSum: fc.boolean(),
  }),
  { minLength: 2, maxLength: 40 },
);

async function runParts(device: Device, program: readonly PartStep[]): Promise<Float32Array[]> {
  // A launch may not read what it writes, so two buffers take turns.
  const flats = [0, 1].map((at) => device.tensor([partCount * partLength], { label: `flat ${at}`, data: testNumbers(partCount * partLength, at, 3) }));
  const part = (turn: number, at: number): Tensor => flats[turn % 2]!.view(at * partLength, [partLength]);
  using recorded = await device.program("parts", (recorder) => {
    for (const [turn, { from, to, rows, isSum }] of program.entries()) {
      const [x, y] = [part(turn, from), part(turn + 1, to)];
      if (isSum) columnSum(recorder, { x, out: y }, { rows, columns: partLength / rows, scale: 0.3 });
      else activation(recorder, { x, y }, { rows, columns: partLength / rows, kind: "tanh" });
    }
  });
  recorded.run();
  recorded.run();
  const results = await Promise.all(flats.map((flat) => device.read(flat)));
  for (const flat of flats) device.free(flat);
  return results;
}

function bytes(values: Float32Array): Uint8Array {
  return new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
}

test("any program on parts of buffers gives the bits of one thread on 2 and on 4", async () => {
  const [one, two, four] = await Promise.all([deviceFor("wasm", 1), deviceFor("wasm", 2), deviceFor("wasm", 4)]);
  await fc.assert(fc.asyncProperty(partSteps, async (program) => {
    const expected = await runParts(one, program);
    for (const device of [two, four]) {
      for (const [at, flat] of (await runParts(device, program)).entries()) expect(Buffer.compare(bytes(flat), bytes(expected[at]!))).toBe(0);
    }
  }), { numRuns: 40 });
});

/** A step between square tables: products that threads claim piece by piece, and small launches of fixed shares. */
interface ClaimStep {
  readonly from: number;
  readonly to: number;
  readonly kind: "product" | "activation" | "sum";
}

const claimRows = 500;
const claimColumns = 256;
const claimSteps = fc.array(
  fc.record({ from: fc.integer({ min: 0, max: 3 }), to: fc.integer({ min: 0, max: 3 }), kind: fc.constantFrom("product", "product", "activation", "sum") })
    .filter(({ from, to }) => from !== to),
  { minLength: 2, maxLength: 12 },
) as fc.Arbitrary<ClaimStep[]>;

async function runClaims(device: Device, program: readonly ClaimStep[]): Promise<Float32Array[]> {
  const length = claimRows * claimColumns;
  const tables = Array.from({ length: 4 }, (_, at) => device.tensor([claimRows, claimColumns], { label: `table ${at}`, data: testNumbers(length, at) }));
  const weight = device.tensor([claimColumns, claimColumns], { label: "weight", data: testNumbers(claimColumns ** 2, 9).map((value) => value / 16) });
  using recorded = await device.program("claims", (recorder) => {
    const packed = recorder.temporary([packedLength(claimColumns, claimColumns)], "packed");
    linearPack(recorder, { weight, packed }, { outFeatures: claimColumns, inFeatures: claimColumns, rowStride: claimColumns, column: 0 });
    for (const { from, to, kind } of program) {
      const [x, y] = [tables[from]!, tables[to]!];
      if (kind === "product") linear(recorder, { x, packed, y }, { rows: claimRows, inFeatures: claimColumns, outFeatures: claimColumns, activation: "tanh" });
      else if (kind === "activation") activation(recorder, { x, y }, { rows: claimRows, columns: claimColumns, kind: "tanh" });
      else columnSum(recorder, { x, out: y.view(0, [claimColumns], "first row") }, { rows: claimRows, columns: claimColumns });
    }
  });
  for (let round = 0; round < 3; round++) recorded.run();
  const results = (await device.readAll(tables)) as Float32Array[];
  for (const tensor of [...tables, weight]) device.free(tensor);
  return results;
}

test("launches that threads claim piece by piece give the bits of one thread on 2 and on 4", async () => {
  const [one, two, four] = await Promise.all([deviceFor("wasm", 1), deviceFor("wasm", 2), deviceFor("wasm", 4)]);
  await fc.assert(fc.asyncProperty(claimSteps, async (program) => {
    const expected = await runClaims(one, program);
    expect(await runClaims(two, program)).toEqual(expected);
    expect(await runClaims(four, program)).toEqual(expected);
  }), { numRuns: 6 });
});

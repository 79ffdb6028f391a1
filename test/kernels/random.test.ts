import fc from "fast-check";
import { expect, test } from "vitest";
import { anyKernel } from "../../src/engine/kernel-spec.js";
import {
  randomIndex,
  randomIndexSpec,
  randomNormal,
  randomNormalSpec,
  randomPermutation,
  randomPermutationSpec,
  randomUniform,
  randomUniformSpec,
} from "../../src/kernels/rng/random.js";
import { indices, normals, permutation, uniforms, type RandomKey } from "../reference/random.js";
import { proveAgreement } from "./agreement.js";
import { deviceFor, engines, proveKernel, runKernel } from "./harness.js";

const lengths = [1, 3, 4, 5, 31, 65, 257, 1025, 5000] as const;

interface Key {
  readonly seed0: number;
  readonly seed1: number;
  readonly stream: number;
  readonly step: number;
}

function referenceKey(key: Key): RandomKey {
  return { counter: [key.stream, key.step, 0], key: [key.seed0, key.seed1] };
}

const key: Key = { seed0: 0xa4093822, seed1: 0x299f31d0, stream: 0x85a308d3, step: 0xf3198a2e };
const same = { absolute: 0 };

proveKernel(randomUniformSpec, lengths.map((length) => ({
  title: `${length}`,
  params: { length, ...key },
  inputs: {},
  expected: { out: uniforms(length, referenceKey(key)) },
  tolerance: same,
})));

proveKernel(randomIndexSpec, [...lengths.map((length) => [length, 1000] as const), [64, 1] as const, [64, 0x80000000] as const, [64, 0xffffffff] as const]
  .map(([length, count]) => ({
    title: `${length} below ${count}`,
    params: { length, count, ...key },
    inputs: {},
    expected: { out: indices(length, count, referenceKey(key)) },
    tolerance: same,
  })));

// Worst where u1 is near 1 (ln u1 near 0) and where |normal| is near 5.
proveKernel(randomNormalSpec, [...lengths, 100_000].map((length) => ({
  title: `${length}`,
  params: { length, ...key },
  inputs: {},
  expected: { out: normals(length, referenceKey(key)) },
  tolerance: { absolute: 2e-6 },
})));

proveKernel(randomPermutationSpec, [...lengths, 256, 1024, 4097].map((length) => ({
  title: `${length}`,
  params: { length, ...key },
  inputs: {},
  expected: { out: permutation(length, referenceKey(key)) },
  tolerance: same,
})));

/** Words that Random123 publishes for counter 0 under key 0. */
const publishedWords = [0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8];
const zeroKey: Key = { seed0: 0, seed1: 0, stream: 0, step: 0 };

test.each(engines)("the first block is the published one on %s", async (engine) => {
  const device = await deviceFor(engine);
  // Half of 2^32 keeps the upper 31 bits of each word.
  const { out } = await runKernel(device, anyKernel(randomIndexSpec), { length: 4, count: 0x80000000, ...zeroKey }, {});
  expect([...out!]).toEqual(publishedWords.map((word) => word >>> 1));
});

/** Upper bound of chi-square with k degrees of freedom at six standard deviations, by Wilson and Hilferty. */
function chiSquareBound(k: number): number {
  return k * (1 - 2 / (9 * k) + 6 * Math.sqrt(2 / (9 * k))) ** 3;
}

function chiSquare(counts: readonly number[], draws: number): number {
  const expected = draws / counts.length;
  return counts.reduce((sum, count) => sum + (count - expected) ** 2 / expected, 0);
}

test("a permutation holds every number once, whatever the key and the length", () => {
  fc.assert(fc.property(fc.integer({ min: 1, max: 700 }), fc.nat(), fc.nat(), (length, step, seed) => {
    const sorted = permutation(length, { counter: [1, step, 0], key: [seed, 2] }).sort();
    return sorted.every((value, at) => value === at);
  }), { numRuns: 100, seed: 1 });
});

test.each([3, 4, 5])("all orders of %i numbers are equally frequent", (length) => {
  const seen = new Map<string, number>();
  const draws = 12_000;
  for (let step = 0; step < draws; step++) {
    const order = permutation(length, { counter: [9, step, 0], key: [7, 7] }).join();
    seen.set(order, (seen.get(order) ?? 0) + 1);
  }
  const orders = [1, 1, 2, 6, 24, 120][length]!;
  expect(seen.size).toBe(orders);
  expect(chiSquare([...seen.values()], draws)).toBeLessThan(chiSquareBound(orders - 1));
});

test.each([17, 64, 300])("every number of %i is equally frequent in every place, alone and next to another", (length) => {
  const draws = 4000;
  const inPlace = new Array<number>(length).fill(0);
  const next = new Array<number>(length - 1).fill(0);
  for (let step = 0; step < draws; step++) {
    const order = permutation(length, { counter: [2, step, 0], key: [11, 13] });
    const place = step % length;
    inPlace[order[place]!]! += 1;
    // Distance from one place to the next, around the circle: uniform on 1 .. length - 1.
    next[((order[(place + 1) % length]! - order[place]! + length) % length) - 1]! += 1;
  }
  expect(chiSquare(inPlace, draws)).toBeLessThan(chiSquareBound(length - 1));
  expect(chiSquare(next, draws)).toBeLessThan(chiSquareBound(length - 2));
});

test("normals have the moments and tails of the normal distribution", async () => {
  const device = await deviceFor("wasm");
  const length = 200_000;
  const { out } = await runKernel(device, anyKernel(randomNormalSpec), { length, ...key }, {});
  let mean = 0;
  let square = 0;
  let fourth = 0;
  let neighbours = 0;
  let beyond2 = 0;
  for (let n = 0; n < length; n++) {
    const z = out![n]!;
    mean += z / length;
    square += z ** 2 / length;
    fourth += z ** 4 / length;
    neighbours += (z * out![(n + 1) % length]!) / length;
    if (Math.abs(z) > 2) beyond2 += 1 / length;
  }
  const error = 1 / Math.sqrt(length);
  expect(Math.abs(mean)).toBeLessThan(5 * error);
  expect(Math.abs(square - 1)).toBeLessThan(5 * Math.sqrt(2) * error);
  expect(Math.abs(fourth - 3)).toBeLessThan(5 * Math.sqrt(96) * error);
  expect(Math.abs(neighbours)).toBeLessThan(5 * error);
  expect(Math.abs(beyond2 - 0.0455)).toBeLessThan(5 * Math.sqrt(0.0455) * error);
});

test.each(engines)("launchers draw anew at each step, and streams differ, on %s", async (engine) => {
  const device = await deviceFor(engine);
  const length = 100;
  const [normal, uniform] = [0, 1].map(() => device.tensor([length]));
  const [index, order] = [0, 1].map(() => device.tensor([length], { dtype: "u32" }));
  const program = await device.program("draws", (recorder) => {
    const launches = [
      randomNormal(recorder, { out: normal! }, { length, seed: [1, 2], stream: 3, step: 4 }),
      randomUniform(recorder, { out: uniform! }, { length, seed: [1, 2], stream: 3, step: 4 }),
      randomIndex(recorder, { out: index! }, { length, count: 20, seed: [1, 2], stream: 3, step: 4 }),
      randomPermutation(recorder, { out: order! }, { length, seed: [1, 2], stream: 3, step: 4 }),
    ] as const;
    for (const launch of launches) launch.update({ step: 5 });
  });
  program.run();
  const drawn = await device.readAll([normal!, uniform!, index!, order!]);
  const reference: RandomKey = { counter: [3, 5, 0], key: [1, 2] };
  const expected = [normals(length, reference), uniforms(length, reference), indices(length, 20, reference), permutation(length, reference)];
  for (const [at, values] of expected.entries()) {
    for (let n = 0; n < length; n++) expect(Math.abs(drawn[at]![n]! - values[n]!)).toBeLessThan(2e-6);
  }
  program.close();
  for (const tensor of [normal!, uniform!, index!, order!]) device.free(tensor);
});

proveAgreement(randomUniformSpec, "bits", 3000, ([length, seed1, stream, step], seed0) => ({ params: { length, seed0, seed1, stream, step }, inputs: {} }));
proveAgreement(randomIndexSpec, "bits", 3000, ([length, count, stream, step], seed0) => ({ params: { length, count, seed0, seed1: 1, stream, step }, inputs: {} }));
proveAgreement(randomPermutationSpec, "bits", 3000, ([length, seed1, stream, step], seed0) => ({ params: { length, seed0, seed1, stream, step }, inputs: {} }));
proveAgreement(randomNormalSpec, { absolute: 2e-6 }, 3000, ([length, seed1, stream, step], seed0) => ({ params: { length, seed0, seed1, stream, step }, inputs: {} }));

import { beforeAll, expect, test } from "vitest";
import { compileFile, type CompiledFile } from "./compile.ts";

let module: CompiledFile;
const state = 65_536;

beforeAll(async () => {
  module = await compileFile("physics/mersenne-twister.ts");
});

/** The generator as its authors state it: 624 words twisted at once. */
function* referenceWords(seed: number): Generator<number> {
  const words = new Uint32Array(624);
  words[0] = seed;
  for (let i = 1; i < 624; i++) {
    const last = words[i - 1]!;
    words[i] = Math.imul(1812433253, last ^ (last >>> 30)) + i;
  }
  for (;;) {
    for (let i = 0; i < 624; i++) {
      const mixed = (words[i]! & 0x80000000) | (words[(i + 1) % 624]! & 0x7fffffff);
      words[i] = words[(i + 397) % 624]! ^ (mixed >>> 1) ^ ((mixed & 1) === 0 ? 0 : 0x9908b0df);
    }
    for (let word of words) {
      word ^= word >>> 11;
      word ^= (word << 7) & 0x9d2c5680;
      word ^= (word << 15) & 0xefc60000;
      yield (word ^ (word >>> 18)) >>> 0;
    }
  }
}

test.each([0, 1, 5489, 100_000, 0xffffffff])("seed %i gives the words of the full twist, beyond two rounds of it", (seed) => {
  module.call("seedTwister", state, seed);
  const words = referenceWords(seed);
  const expected = Array.from({ length: 1400 }, () => {
    const [high, low] = [words.next().value as number, words.next().value as number];
    return ((high >>> 5) * 67108864 + (low >>> 6)) / 9007199254740992;
  });
  expect(expected.map(() => module.call("drawUniform", state))).toEqual(expected);
});

test("the first word of the standard seed is the published one", () => {
  expect(referenceWords(5489).next().value).toBe(3499211612);
});

test("whole numbers stay in their range, reach both ends, and a range of one needs no draw", () => {
  module.call("seedTwister", state, 7);
  expect(module.call("drawInteger", state, 4, 5)).toBe(4);
  const first = referenceWords(7);
  expect(module.call("drawUniform", state)).toBe(
    (((first.next().value as number) >>> 5) * 67108864 + ((first.next().value as number) >>> 6)) / 9007199254740992,
  );
  const seen = new Set<number>();
  for (let draw = 0; draw < 20_000; draw++) seen.add(module.call("drawInteger", state, -3, 400));
  expect(Math.min(...seen)).toBe(-3);
  expect(Math.max(...seen)).toBe(399);
  expect(seen.size).toBe(403);
});

test("normal numbers have mean 0 and deviation 1", () => {
  module.call("seedTwister", state, 3);
  const draws = Array.from({ length: 40_000 }, () => module.call("drawNormal", state));
  const mean = draws.reduce((sum, value) => sum + value, 0) / draws.length;
  const square = draws.reduce((sum, value) => sum + (value - mean) ** 2, 0) / draws.length;
  expect(Math.abs(mean)).toBeLessThan(0.02);
  expect(Math.abs(square - 1)).toBeLessThan(0.03);
});

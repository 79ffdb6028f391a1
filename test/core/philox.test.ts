import { describe, expect, test } from "vitest";
import { PhiloxStream, philoxBlock } from "../../src/core/philox.js";
import { uniform01 } from "../reference/random.ts";

/** Known answers published with Random123 (kat_vectors, "philox4x32 10"): counter, key, block. */
const answers: readonly (readonly [readonly number[], readonly number[], readonly number[]])[] = [
  [[0, 0, 0, 0], [0, 0], [0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8]],
  [
    [0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff],
    [0xffffffff, 0xffffffff],
    [0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd],
  ],
  [
    [0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344],
    [0xa4093822, 0x299f31d0],
    [0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1],
  ],
];

describe("philox 4x32-10", () => {
  test.each(answers)("gives the published block of counter %j", (counter, key, block) => {
    const out = new Uint32Array(4);
    const [c0 = 0, c1 = 0, c2 = 0, c3 = 0] = counter;
    const [k0 = 0, k1 = 0] = key;
    philoxBlock(out, c0, c1, c2, c3, k0, k1);
    expect([...out]).toEqual(block);
  });

  test("a stream reads its blocks word by word and starts again from the same seed", () => {
    const stream = new PhiloxStream(0);
    expect([stream.word(), stream.word(), stream.word(), stream.word()]).toEqual(answers[0]?.[2]);
    const again = new PhiloxStream(7, 3);
    const first = Array.from({ length: 100 }, () => again.normal());
    const second = new PhiloxStream(7, 3);
    expect(Array.from({ length: 100 }, () => second.normal())).toEqual(first);
    const other = new PhiloxStream(7, 4);
    expect(Array.from({ length: 100 }, () => other.normal())).not.toEqual(first);
  });

  test("uniform, normal and bounded numbers have the moments of their distributions", () => {
    const stream = new PhiloxStream(11);
    const count = 50_000;
    let uniform = 0;
    let normal = 0;
    let square = 0;
    const faces = [0, 0, 0, 0, 0, 0];
    for (let i = 0; i < count; i++) {
      uniform += stream.uniform();
      const z = stream.normal();
      normal += z;
      square += z * z;
      const face = stream.below(6);
      faces[face] = (faces[face] ?? 0) + 1;
    }
    // Five standard errors of each mean.
    expect(Math.abs(uniform / count - 0.5)).toBeLessThan(5 * Math.sqrt(1 / 12 / count));
    expect(Math.abs(normal / count)).toBeLessThan(5 / Math.sqrt(count));
    expect(Math.abs(square / count - 1)).toBeLessThan(5 * Math.sqrt(2 / count));
    for (const face of faces) expect(Math.abs(face / count - 1 / 6)).toBeLessThan(5 * Math.sqrt(5 / 36 / count));
  });
});

describe("uniform01", () => {
  test("stays inside (0, 1), exactly, in 32-bit floats", () => {
    for (const word of [0, 1, 511, 512, 0x7fffffff, 0x80000000, 0xfffffe00, 0xffffffff]) {
      const value = uniform01(word);
      expect(value).toBeGreaterThan(0);
      expect(value).toBeLessThan(1);
      expect(Math.fround(value)).toBe(value);
    }
    expect(uniform01(0)).toBe(2 ** -24);
    expect(uniform01(0xffffffff)).toBe(1 - 2 ** -24);
  });
});

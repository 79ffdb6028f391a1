import { philoxBlock, uniform01 } from "../../src/core/philox.ts";

/** What a stream of random numbers is keyed by: counter words 1 to 3 and the two key words of Philox. */
export interface RandomKey {
  readonly counter: readonly [number, number, number];
  readonly key: readonly [number, number];
}

/** `count` random words: block i has the counter (i, …counter) and fills the places 4i to 4i + 3. */
export function words(count: number, { counter, key }: RandomKey): Uint32Array {
  const out = new Uint32Array(Math.ceil(count / 4) * 4);
  for (let block = 0; 4 * block < count; block++) {
    philoxBlock(out.subarray(4 * block, 4 * block + 4), block, ...counter, ...key);
  }
  return out.subarray(0, count);
}

/** `count` uniform numbers of (0, 1), one a word. */
export function uniforms(count: number, key: RandomKey): Float64Array {
  return Float64Array.from(words(count, key), uniform01);
}

/**
 * `count` standard normal numbers, two from each pair of words (Box and Muller): with u₁, u₂ the uniforms of words 2i
 * and 2i + 1 and r = √(−2 ln u₁), number 2i is r cos 2πu₂ and number 2i + 1 is r sin 2πu₂.
 */
export function normals(count: number, key: RandomKey): Float64Array {
  const u = uniforms(Math.ceil(count / 2) * 2, key);
  return new Float64Array(count).map((_, i) => {
    const radius = Math.sqrt(-2 * Math.log(u[i - (i % 2)]!));
    const angle = 2 * Math.PI * u[i - (i % 2) + 1]!;
    return i % 2 === 0 ? radius * Math.cos(angle) : radius * Math.sin(angle);
  });
}

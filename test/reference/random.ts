import { philoxBlock } from "../../src/core/philox.ts";

/**
 * A uniform number of the open interval (0, 1): (2k + 1) / 2^24 with k the upper 23 bits of the word. Odd numerators
 * below 2^24 are exact in 32-bit floats, so that every engine has the same value and never 0 or 1; a 24-bit k would
 * round up to 1 at its end.
 */
export function uniform01(word: number): number {
  return ((word >>> 9) * 2 + 1) * 2 ** -24;
}

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

/** `length` whole numbers below `count`: the upper word of word · count. */
export function indices(length: number, count: number, key: RandomKey): Uint32Array {
  return words(length, key).map((word) => Number((BigInt(word) * BigInt(count)) >> 32n));
}

function mix(word: number): number {
  let x = word;
  x = Math.imul(x ^ (x >>> 16), 0x85ebca6b);
  x = Math.imul(x ^ (x >>> 13), 0xc2b2ae35);
  return (x ^ (x >>> 16)) >>> 0;
}

/**
 * A permutation of 0 to length − 1: place n holds the first number below `length` in F(n), F(F(n)), …, where F is a
 * Feistel network of 8 rounds on two halves of h bits, 4^h ≥ length, h ≥ 4. Round keys are the 8 words of `key`, with
 * 1 in the last counter word.
 */
export function permutation(length: number, { counter, key }: RandomKey): Uint32Array {
  const roundKeys = words(8, { counter: [counter[0], counter[1], 1], key });
  let halfBits = 4;
  while (4 ** halfBits < length) halfBits++;
  const half = 2 ** halfBits;
  const network = (value: number): number => {
    let left = Math.floor(value / half);
    let right = value % half;
    for (const roundKey of roundKeys) [left, right] = [right, (left ^ mix((right ^ roundKey) >>> 0) % half) >>> 0];
    return left * half + right;
  };
  return Uint32Array.from({ length }, (_, n) => {
    let value = network(n);
    while (value >= length) value = network(value);
    return value;
  });
}

/**
 * Philox 4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011): a counter-based generator.
 * Block number c under key k is a pure function of (c, k), so a seed gives the same numbers on every engine, thread
 * count and batch split. Round: (hi0, lo0) = M0 * c0, (hi1, lo1) = M1 * c2;
 * c' = (hi1 ^ c1 ^ k0, lo1, hi0 ^ c3 ^ k1, lo0); the key grows by the Weyl constants between rounds.
 */
const multiplier0 = 0xd2511f53;
const multiplier1 = 0xcd9e8d57;
const weyl0 = 0x9e3779b9;
const weyl1 = 0xbb67ae85;

/** Upper 32 bits of the product of two 32-bit words, from their 16-bit halves. */
function multiplyHigh(a: number, b: number): number {
  const aLow = a & 0xffff;
  const aHigh = a >>> 16;
  const bLow = b & 0xffff;
  const bHigh = b >>> 16;
  const middle = aHigh * bLow + ((aLow * bLow) >>> 16);
  const cross = aLow * bHigh + (middle & 0xffff);
  return (aHigh * bHigh + Math.floor(middle / 0x10000) + Math.floor(cross / 0x10000)) >>> 0;
}

/**
 * Writes the four words of one block to `out`.
 *
 * @param counter0 lowest word of the 128-bit counter; `counter3` is the highest
 * @param key0 lower word of the 64-bit key
 */
export function philoxBlock(
  out: Uint32Array,
  counter0: number,
  counter1: number,
  counter2: number,
  counter3: number,
  key0: number,
  key1: number,
): void {
  let c0 = counter0 >>> 0;
  let c1 = counter1 >>> 0;
  let c2 = counter2 >>> 0;
  let c3 = counter3 >>> 0;
  let k0 = key0 >>> 0;
  let k1 = key1 >>> 0;
  for (let round = 0; round < 10; round++) {
    const high0 = multiplyHigh(multiplier0, c0);
    const low0 = Math.imul(multiplier0, c0) >>> 0;
    const high1 = multiplyHigh(multiplier1, c2);
    const low1 = Math.imul(multiplier1, c2) >>> 0;
    c0 = (high1 ^ c1 ^ k0) >>> 0;
    c1 = low1;
    c2 = (high0 ^ c3 ^ k1) >>> 0;
    c3 = low0;
    k0 = (k0 + weyl0) >>> 0;
    k1 = (k1 + weyl1) >>> 0;
  }
  out[0] = c0;
  out[1] = c1;
  out[2] = c2;
  out[3] = c3;
}

/** The first word that a kernel draws with a key: 32 bits for decisions of the host that no kernel makes. */
export function randomWord(seed: number, stream: number, step: number): number {
  const words = new Uint32Array(4);
  philoxBlock(words, 0, stream, step, 0, seed, 0);
  return words[0] ?? 0;
}

/** The numbers 0 to count - 1 in an order that a key decides (Fisher and Yates). */
export function shuffled(count: number, seed: number, stream: number, step: number): Uint32Array {
  const order = Uint32Array.from({ length: count }, (_, at) => at);
  const words = new Uint32Array(4);
  for (let last = count - 1; last > 0; last--) {
    philoxBlock(words, last, stream, step, 0, seed, 0);
    const at = Math.floor(((words[0] ?? 0) / 2 ** 32) * (last + 1));
    const taken = order[at] ?? 0;
    order[at] = order[last] ?? 0;
    order[last] = taken;
  }
  return order;
}

/** A sequence of random numbers: the blocks 0, 1, 2, ... of one seed and stream, read word by word. */
export class PhiloxStream {
  readonly #seed: number;
  readonly #stream: number;
  readonly #block = new Uint32Array(4);
  #next = 4;
  #counter = 0;
  #spare: number | undefined;

  /** @param seed key, lower word  @param stream key, upper word: streams of one seed are independent */
  constructor(seed: number, stream = 0) {
    this.#seed = seed;
    this.#stream = stream;
  }

  /** A whole number from 0 to 2^32 - 1. */
  word(): number {
    if (this.#next === 4) {
      philoxBlock(this.#block, this.#counter, Math.floor(this.#counter / 0x100000000), 0, 0, this.#seed, this.#stream);
      this.#counter += 1;
      this.#next = 0;
    }
    const word = this.#block[this.#next] ?? 0;
    this.#next += 1;
    return word;
  }

  /** Uniform on [0, 1), 53 bits. */
  uniform(): number {
    const high = this.word() >>> 5;
    const low = this.word() >>> 6;
    return (high * 0x4000000 + low) / 0x20000000000000;
  }

  /** A whole number from 0 to `count - 1`, without bias: words beyond the last full multiple of `count` are refused. */
  below(count: number): number {
    const limit = Math.floor(0x100000000 / count) * count;
    let word = this.word();
    while (word >= limit) word = this.word();
    return word % count;
  }

  /** Standard normal, by the polar method. */
  normal(): number {
    if (this.#spare !== undefined) {
      const spare = this.#spare;
      this.#spare = undefined;
      return spare;
    }
    let x: number;
    let y: number;
    let square: number;
    do {
      x = 2 * this.uniform() - 1;
      y = 2 * this.uniform() - 1;
      square = x * x + y * y;
    } while (square >= 1 || square === 0);
    const scale = Math.sqrt((-2 * Math.log(square)) / square);
    this.#spare = x * scale;
    return y * scale;
  }
}

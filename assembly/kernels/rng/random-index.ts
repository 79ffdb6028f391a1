// random_index — out[n] = floor(w count / 2^32), w = word n % 4 of Philox block [n / 4, stream, step, 0] under key [seed0, seed1]
// shapes  out [N] u32, in 0 .. count - 1 (bias below count / 2^32)
// owns    unit: 256 elements, 64 blocks
// split   units
// order   no sums
// alias   none
// test    test/kernels/random.test.ts  equal bits with src/core/philox.ts
import { multiplyHigh4, philox4, storeBlocks, word0, word1, word2, word3 } from "../lib/philox";

/** args: length, count, seed0, seed1, stream, step; out */
export function randomIndex(args: usize, from: u32, to: u32): void {
  const end = min(load<u32>(args), to * 256);
  const count = i32x4.splat(load<i32>(args, 4));
  const out = <usize>load<u32>(args, 24);
  for (let n = from * 256; n < end; n += 16) {
    philox4(n >> 2, load<u32>(args, 16), load<u32>(args, 20), 0, load<u32>(args, 8), load<u32>(args, 12));
    storeBlocks(
      out + (<usize>n << 2),
      multiplyHigh4(word0, count), multiplyHigh4(word1, count), multiplyHigh4(word2, count), multiplyHigh4(word3, count),
      end - n,
    );
  }
}

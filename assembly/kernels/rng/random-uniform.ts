// random_uniform — out[n] = uniform01(word n % 4 of Philox block [n / 4, stream, step, 0] under key [seed0, seed1])
// shapes  out [N] f32, in (0, 1)
// owns    unit: 256 elements, 64 blocks
// split   units
// order   no sums
// alias   none
// test    test/kernels/random.test.ts  equal bits with src/core/philox.ts
import { philox4, storeBlocks, uniform4, word0, word1, word2, word3 } from "../lib/philox";

/** args: length, seed0, seed1, stream, step; out */
export function randomUniform(args: usize, from: u32, to: u32): void {
  const end = min(load<u32>(args), to * 256);
  const out = <usize>load<u32>(args, 20);
  for (let n = from * 256; n < end; n += 16) {
    philox4(n >> 2, load<u32>(args, 12), load<u32>(args, 16), 0, load<u32>(args, 4), load<u32>(args, 8));
    storeBlocks(out + (<usize>n << 2), uniform4(word0), uniform4(word1), uniform4(word2), uniform4(word3), end - n);
  }
}

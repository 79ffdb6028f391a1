// random_normal — out[2i] = r cos 2 pi u2, out[2i+1] = r sin 2 pi u2, r = sqrt(-2 ln u1), (u1, u2) = uniforms 2i, 2i+1 of random_uniform
// shapes  out [N] f32, standard normal (Box-Muller)
// owns    unit: 256 elements, 64 Philox blocks
// split   units
// order   no sums
// alias   none
// test    test/kernels/random.test.ts  atol 2e-6
import { log4, splat } from "../lib/math";
import { philox4, storeBlocks, uniform4, word0, word1, word2, word3 } from "../lib/philox";
import { cosine, sine, sineCosineTurns4 } from "../lib/trigonometry";

// @ts-ignore: decorator
@inline
function radius4(word: v128): v128 {
  return f32x4.sqrt(f32x4.mul(splat(-2.0), log4(uniform4(word))));
}

/** args: length, seed0, seed1, stream, step; out */
export function randomNormal(args: usize, from: u32, to: u32): void {
  const end = min(load<u32>(args), to * 256);
  const out = <usize>load<u32>(args, 20);
  for (let n = from * 256; n < end; n += 16) {
    philox4(n >> 2, load<u32>(args, 12), load<u32>(args, 16), 0, load<u32>(args, 4), load<u32>(args, 8));
    const first = radius4(word0);
    sineCosineTurns4(uniform4(word1));
    const n0 = f32x4.mul(first, cosine);
    const n1 = f32x4.mul(first, sine);
    const second = radius4(word2);
    sineCosineTurns4(uniform4(word3));
    storeBlocks(out + (<usize>n << 2), n0, n1, f32x4.mul(second, cosine), f32x4.mul(second, sine), end - n);
  }
}

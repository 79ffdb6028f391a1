// random_permutation — out = a permutation of 0 .. N - 1: out[n] = F(F(.. F(n))) until below N, F a keyed bijection of 0 .. 4^h - 1
// shapes  out [N] u32
// owns    unit: 256 elements
// split   units
// order   no sums
// alias   none
// test    test/kernels/random.test.ts  equal bits with test/reference/random.ts; chi-square of positions and of whole permutations

// F: balanced Feistel network of 8 rounds on two halves of h bits; see kernels/rng/random_permutation.wgsl. Four elements
// walk their cycles side by side; a lane that has arrived below N stays.
import { select4 } from "../lib/math";
import { philox4, word0, word1, word2, word3 } from "../lib/philox";
import { storePart } from "../lib/tail";

// @ts-ignore: decorator
@inline
function mix4(x: v128): v128 {
  x = i32x4.mul(v128.xor(x, i32x4.shr_u(x, 16)), i32x4.splat(<i32>0x85ebca6b));
  x = i32x4.mul(v128.xor(x, i32x4.shr_u(x, 13)), i32x4.splat(<i32>0xc2b2ae35));
  return v128.xor(x, i32x4.shr_u(x, 16));
}

/** left ^ (mix(right ^ key) & mask) */
// @ts-ignore: decorator
@inline
function round4(left: v128, right: v128, key: v128, mask: v128): v128 {
  return v128.xor(left, v128.and(mix4(v128.xor(right, key)), mask));
}

/** args: length, seed0, seed1, stream, step; out */
export function randomPermutation(args: usize, from: u32, to: u32): void {
  const length = load<u32>(args);
  const out = <usize>load<u32>(args, 20);
  // Blocks 0 and 1 are lanes 0 and 1 of the four words.
  philox4(0, load<u32>(args, 12), load<u32>(args, 16), 1, load<u32>(args, 4), load<u32>(args, 8));
  const key0 = v128.shuffle<i32>(word0, word0, 0, 0, 0, 0);
  const key1 = v128.shuffle<i32>(word1, word1, 0, 0, 0, 0);
  const key2 = v128.shuffle<i32>(word2, word2, 0, 0, 0, 0);
  const key3 = v128.shuffle<i32>(word3, word3, 0, 0, 0, 0);
  const key4 = v128.shuffle<i32>(word0, word0, 1, 1, 1, 1);
  const key5 = v128.shuffle<i32>(word1, word1, 1, 1, 1, 1);
  const key6 = v128.shuffle<i32>(word2, word2, 1, 1, 1, 1);
  const key7 = v128.shuffle<i32>(word3, word3, 1, 1, 1, 1);
  const halfBits = <i32>max<u32>(4, (33 - clz<u32>(length - 1)) / 2);
  const mask = i32x4.splat(<i32>((<u32>1 << halfBits) - 1));
  const limit = i32x4.splat(<i32>length);

  const end = min(length, to * 256);
  for (let n = from * 256; n < end; n += 4) {
    // Lanes beyond the end walk from 0, which ends like any other walk.
    const places = i32x4.add(i32x4.splat(<i32>n), i32x4(0, 1, 2, 3));
    let value = v128.and(places, i32x4.lt_u(places, limit));
    let isWalking = i32x4.splat(-1);
    do {
      let left = i32x4.shr_u(value, halfBits);
      let right = v128.and(value, mask);
      left = round4(left, right, key0, mask);
      right = round4(right, left, key1, mask);
      left = round4(left, right, key2, mask);
      right = round4(right, left, key3, mask);
      left = round4(left, right, key4, mask);
      right = round4(right, left, key5, mask);
      left = round4(left, right, key6, mask);
      right = round4(right, left, key7, mask);
      const next = v128.or(i32x4.shl(left, halfBits), right);
      value = select4(next, value, isWalking);
      isWalking = i32x4.ge_u(value, limit);
    } while (v128.any_true(isWalking));
    storePart(out + (<usize>n << 2), value, end - n);
  }
}

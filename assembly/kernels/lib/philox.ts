/** Philox 4x32-10 on four blocks at once: the same bits as src/core/philox.ts and kernels/lib/philox.wgsl. */
import { splat } from "./math";
import { storePart } from "./tail";

/** Word 0 of the four blocks of the last {@link philox4}; the others are words 1 to 3. */
export let word0: v128 = i32x4.splat(0);
export let word1: v128 = i32x4.splat(0);
export let word2: v128 = i32x4.splat(0);
export let word3: v128 = i32x4.splat(0);

/** Upper 32 bits of four products. */
// @ts-ignore: decorator
@inline
export function multiplyHigh4(a: v128, b: v128): v128 {
  return v128.shuffle<i32>(i64x2.extmul_low_i32x4_u(a, b), i64x2.extmul_high_i32x4_u(a, b), 1, 3, 5, 7);
}

/** Sets the words of the blocks [block + 0 .. 3, counter1, counter2, counter3] under key [key0, key1]. */
export function philox4(block: u32, counter1: u32, counter2: u32, counter3: u32, key0: u32, key1: u32): void {
  const multiplier0 = i32x4.splat(<i32>0xd2511f53);
  const multiplier1 = i32x4.splat(<i32>0xcd9e8d57);
  let c0 = i32x4.add(i32x4.splat(<i32>block), i32x4(0, 1, 2, 3));
  let c1 = i32x4.splat(<i32>counter1);
  let c2 = i32x4.splat(<i32>counter2);
  let c3 = i32x4.splat(<i32>counter3);
  for (let round = 0; round < 10; round++) {
    const high0 = multiplyHigh4(c0, multiplier0);
    const high1 = multiplyHigh4(c2, multiplier1);
    const low0 = i32x4.mul(c0, multiplier0);
    const low1 = i32x4.mul(c2, multiplier1);
    c0 = v128.xor(v128.xor(high1, c1), i32x4.splat(<i32>key0));
    c1 = low1;
    c2 = v128.xor(v128.xor(high0, c3), i32x4.splat(<i32>key1));
    c3 = low0;
    key0 += 0x9e3779b9;
    key1 += 0xbb67ae85;
  }
  word0 = c0;
  word1 = c1;
  word2 = c2;
  word3 = c3;
}

/** Uniform on (0, 1): odd / 2^24, exact. */
// @ts-ignore: decorator
@inline
export function uniform4(word: v128): v128 {
  const odd = i32x4.add(i32x4.shl(i32x4.shr_u(word, 9), 1), i32x4.splat(1));
  return f32x4.mul(f32x4.convert_i32x4_s(odd), splat(5.9604644775390625e-8));
}

/** Stores the first `count` of 16 elements; element 4b + k is lane b of the k-th vector. */
export function storeBlocks(at: usize, a: v128, b: v128, c: v128, d: v128, count: u32): void {
  const ab01 = v128.shuffle<i32>(a, b, 0, 4, 1, 5);
  const cd01 = v128.shuffle<i32>(c, d, 0, 4, 1, 5);
  const ab23 = v128.shuffle<i32>(a, b, 2, 6, 3, 7);
  const cd23 = v128.shuffle<i32>(c, d, 2, 6, 3, 7);
  storePart(at, v128.shuffle<i64>(ab01, cd01, 0, 2), count);
  if (count > 4) storePart(at + 16, v128.shuffle<i64>(ab01, cd01, 1, 3), count - 4);
  if (count > 8) storePart(at + 32, v128.shuffle<i64>(ab23, cd23, 0, 2), count - 8);
  if (count > 12) storePart(at + 48, v128.shuffle<i64>(ab23, cd23, 1, 3), count - 12);
}

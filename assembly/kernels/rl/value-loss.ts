// value_loss — loss[i] = w[i]/2 max(e^2, c^2), dvalues[i] = w[i] e scale, e = V - R, c = V_old + clamp(V - V_old, -clip, clip) - R; partials[b] = sum of loss in block b of 1024
//         dvalues[i] = 0 where |V - V_old| > clip and c^2 >= e^2; without V_old c = e, without w w = 1
// shapes  values, returns, oldValues (optional), weights w (optional), dvalues [N] f32; partials [blocks] f32, blocks = ceil(N / 1024)
// owns    unit: one block
// split   units
// order   f32: four sums over i mod 4, added as a tree, then the tail in order of i
// alias   none
// test    test/kernels/value-loss.test.ts  rtol 2e-6  at 1, 3, 31, 257, 1025, 2500
import { splat, sum4 } from "../lib/math";

const BLOCK: u32 = 1024;

/** The larger square of four elements; `slope` is left in a global, one a thread. */
let slope: v128 = f32x4(0, 0, 0, 0);

// @ts-ignore: decorator
@inline
function square4(value: v128, target: v128, old: v128, hasOld: bool, clip: v128): v128 {
  const error = f32x4.sub(value, target);
  const square = f32x4.mul(error, error);
  slope = error;
  if (!hasOld) return square;
  const change = f32x4.sub(value, old);
  const bounded = f32x4.min(f32x4.max(change, f32x4.neg(clip)), clip);
  const clippedError = f32x4.sub(f32x4.add(old, bounded), target);
  const clippedSquare = f32x4.mul(clippedError, clippedError);
  const isClipped = v128.and(f32x4.gt(f32x4.abs(change), clip), f32x4.ge(clippedSquare, square));
  slope = v128.andnot(error, isClipped);
  return v128.bitselect(clippedSquare, square, isClipped);
}

/** args: count, hasOld, hasWeights, clip, scale; values, returns, oldValues, weights, dvalues, partials */
export function valueLoss(args: usize, from: u32, to: u32): void {
  const count = load<u32>(args);
  const hasOld = load<u32>(args, 4) != 0;
  const hasWeights = load<u32>(args, 8) != 0;
  const clip = splat(load<f32>(args, 12));
  const scale = splat(load<f32>(args, 16));
  const values = <usize>load<u32>(args, 20);
  const returns = <usize>load<u32>(args, 24);
  // What is absent has the pointer 0; anything readable serves, it is not used.
  const oldValues = hasOld ? <usize>load<u32>(args, 28) : values;
  const weights = hasWeights ? <usize>load<u32>(args, 32) : values;
  const dvalues = <usize>load<u32>(args, 36);
  const partials = <usize>load<u32>(args, 40);
  const one = splat(1);
  for (let block = from; block < to; block++) {
    const end = <usize>min(count, (block + 1) * BLOCK) << 2;
    let at = <usize>block * BLOCK << 2;
    let sums = splat(0);
    for (; at + 16 <= end; at += 16) {
      const weight = hasWeights ? v128.load(weights + at) : one;
      const square = square4(v128.load(values + at), v128.load(returns + at), v128.load(oldValues + at), hasOld, clip);
      sums = f32x4.add(sums, f32x4.mul(weight, square));
      v128.store(dvalues + at, f32x4.mul(f32x4.mul(weight, slope), scale));
    }
    let sum = sum4(sums);
    for (; at < end; at += 4) {
      const weight = hasWeights ? v128.load32_splat(weights + at) : one;
      const square = square4(v128.load32_splat(values + at), v128.load32_splat(returns + at), v128.load32_splat(oldValues + at), hasOld, clip);
      sum += f32x4.extract_lane(f32x4.mul(weight, square), 0);
      store<f32>(dvalues + at, f32x4.extract_lane(f32x4.mul(f32x4.mul(weight, slope), scale), 0));
    }
    store<f32>(partials + (<usize>block << 2), 0.5 * sum);
  }
}

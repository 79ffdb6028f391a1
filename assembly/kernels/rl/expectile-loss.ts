// expectile_loss — loss[i] = w e^2, dvalues[i] = -2 scale w e, e = min(first[i], second[i]) - values[i], w = expectile where e > 0, else 1 - expectile; partials[b] = sum of loss in block b of 1024
//         without second e = first[i] - values[i]
// shapes  values, first, second (optional), dvalues [N] f32; partials [blocks] f32, blocks = ceil(N / 1024)
// owns    unit: one block
// split   units
// order   f32: four sums over i mod 4, then the lanes
// alias   none
// test    test/kernels/q-learning.test.ts  rtol 2e-6  at 1, 3, 31, 33, 257, 1025, 2500
import { madd, splat } from "../lib/math";
import { sumLanes } from "../lib/sum";
import { loadPart, storePart } from "../lib/tail";

const BLOCK: u32 = 1024;

/** args: count, hasSecond, expectile, scale; values, first, second, dvalues, partials */
export function expectileLoss(args: usize, from: u32, to: u32): void {
  const count = load<u32>(args);
  const hasSecond = load<u32>(args, 4) != 0;
  const expectile = load<f32>(args, 8);
  const above = splat(expectile);
  const below = splat(1 - expectile);
  const slope = splat(-2 * load<f32>(args, 12));
  const values = <usize>load<u32>(args, 16);
  const first = <usize>load<u32>(args, 20);
  // Without a second value its pointer is 0; the first one is no smaller than itself.
  const second = hasSecond ? <usize>load<u32>(args, 24) : first;
  const dvalues = <usize>load<u32>(args, 28);
  const partials = <usize>load<u32>(args, 32);
  for (let block = from; block < to; block++) {
    const end = min(count, (block + 1) * BLOCK);
    let sum = splat(0);
    for (let i = block * BLOCK; i < end; i += 4) {
      const at = <usize>i << 2;
      const left = end - i;
      // Lanes behind the end are 0 - 0.
      const wanted = f32x4.min(loadPart(first + at, left), loadPart(second + at, left));
      const error = f32x4.sub(wanted, loadPart(values + at, left));
      const weighted = f32x4.mul(v128.bitselect(above, below, f32x4.gt(error, splat(0))), error);
      sum = madd(weighted, error, sum);
      storePart(dvalues + at, f32x4.mul(slope, weighted), left);
    }
    store<f32>(partials + (<usize>block << 2), sumLanes(sum));
  }
}

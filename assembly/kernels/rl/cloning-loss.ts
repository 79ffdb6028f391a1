// cloning_loss — partials[b] = -sum_i clamp(logp[i], low, high), i in block b of 1024; dlogp[i] = -scale where low <= logp[i] <= high, else 0
// shapes  logp, dlogp [N] f32; partials [blocks] f32, blocks = ceil(N / 1024)
// owns    unit: one block
// split   units
// order   f32: four sums over i mod 4, added as a tree, then the tail in order of i
// alias   none
// test    test/kernels/ppo-loss.test.ts  rtol 2e-6  at 1, 3, 31, 257, 1025, 2500
import { splat, sum4 } from "../lib/math";

const BLOCK: u32 = 1024;

/** args: count, low, high, scale; logp, dlogp, partials */
export function cloningLoss(args: usize, from: u32, to: u32): void {
  const count = load<u32>(args);
  const low = load<f32>(args, 4);
  const high = load<f32>(args, 8);
  const slope = -load<f32>(args, 12);
  const logp = <usize>load<u32>(args, 16);
  const dlogp = <usize>load<u32>(args, 20);
  const partials = <usize>load<u32>(args, 24);
  const low4 = splat(low), high4 = splat(high), slope4 = splat(slope);
  for (let block = from; block < to; block++) {
    const end = <usize>min(count, (block + 1) * BLOCK) << 2;
    let at = <usize>block * BLOCK << 2;
    let sums = splat(0);
    for (; at + 16 <= end; at += 16) {
      const value = v128.load(logp + at);
      sums = f32x4.add(sums, f32x4.min(f32x4.max(value, low4), high4));
      v128.store(dlogp + at, v128.and(slope4, v128.and(f32x4.ge(value, low4), f32x4.le(value, high4))));
    }
    let sum = sum4(sums);
    for (; at < end; at += 4) {
      const value = load<f32>(logp + at);
      sum += min(max(value, low), high);
      store<f32>(dlogp + at, value >= low && value <= high ? slope : 0);
    }
    store<f32>(partials + (<usize>block << 2), -sum);
  }
}

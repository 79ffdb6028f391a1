// moments — partials[b] = mean_i z[i], partials[blocks + b] = sum_i (z[i] - mean)^2, z = x - base, i in block b of 1024
// shapes  x [N] f32; base [N] f32, optional; partials [2, blocks] f32, blocks = ceil(N / 1024)
// owns    unit: one block
// split   units
// order   f32: four sums over i mod 4, added as a tree, then the tail in order of i; the mean first, then the squares
// alias   none
// test    test/kernels/advantages.test.ts  rtol 2e-6  at 1, 3, 31, 257, 1025, 5000
import { madd, sum4 } from "../lib/math";

const BLOCK: u32 = 1024;

/** args: count, hasBase; x, base, partials */
export function moments(args: usize, from: u32, to: u32): void {
  const count = load<u32>(args);
  const hasBase = load<u32>(args, 4) != 0;
  const x = <usize>load<u32>(args, 8);
  const base = <usize>load<u32>(args, 12);
  const partials = <usize>load<u32>(args, 16);
  const blocks = (count + BLOCK - 1) / BLOCK;
  for (let block = from; block < to; block++) {
    const first = block * BLOCK;
    const size = min(count - first, BLOCK);
    const start = <usize>first << 2;
    const end = start + (<usize>size << 2);
    const vectors = end & ~15;

    let sums = f32x4.splat(0);
    let at = start;
    for (; at < vectors; at += 16) {
      const z = v128.load(x + at);
      sums = f32x4.add(sums, hasBase ? f32x4.sub(z, v128.load(base + at)) : z);
    }
    let sum = sum4(sums);
    for (; at < end; at += 4) sum += hasBase ? load<f32>(x + at) - load<f32>(base + at) : load<f32>(x + at);
    const mean = sum / <f32>size;

    const mean4 = f32x4.splat(mean);
    let squares = f32x4.splat(0);
    for (at = start; at < vectors; at += 16) {
      const z = v128.load(x + at);
      const away = f32x4.sub(hasBase ? f32x4.sub(z, v128.load(base + at)) : z, mean4);
      squares = madd(away, away, squares);
    }
    let square = sum4(squares);
    for (; at < end; at += 4) {
      const away = (hasBase ? load<f32>(x + at) - load<f32>(base + at) : load<f32>(x + at)) - mean;
      square += away * away;
    }
    store<f32>(partials + (<usize>block << 2), mean);
    store<f32>(partials + (<usize>(blocks + block) << 2), square);
  }
}

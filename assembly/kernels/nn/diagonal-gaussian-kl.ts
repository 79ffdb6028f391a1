// diagonal_gaussian_kl — kl[b] = sum_c ln(q / p) + (p^2 + (mean - reference)^2) / (2 q^2) - 1/2, p = deviation[b, c], q = referenceDeviation[b, c]
// shapes  mean [B, X] f32; deviation [B, X] f32; reference [B, X] f32; referenceDeviation [B, X] f32; kl [B] f32
// owns    unit: one row
// split   rows
// order   f32: four lanes over columns mod 4, then the lanes
// alias   none
// test    test/kernels/gaussian-kl.test.ts  rtol 2e-6 atol 5e-7  at 1 to 257 rows of 1 to 65

// With r = p / q a column is (r^2 - 1) / 2 - ln r + ((mean - reference) / q)^2 / 2; near r = 1 the first two cancel.
import { log4, madd, splat } from "../lib/math";
import { sumLanes } from "../lib/sum";
import { firstLanes, loadPart } from "../lib/tail";

/** args: rows, width; mean, deviation, reference, referenceDeviation, kl */
export function diagonalGaussianKl(args: usize, from: u32, to: u32): void {
  const width = load<u32>(args, 4);
  const mean = <usize>load<u32>(args, 8);
  const deviation = <usize>load<u32>(args, 12);
  const reference = <usize>load<u32>(args, 16);
  const referenceDeviation = <usize>load<u32>(args, 20);
  const kl = <usize>load<u32>(args, 24);
  for (let b = from; b < to; b++) {
    let sum = splat(0);
    for (let c: u32 = 0; c < width; c += 4) {
      const at = <usize>(b * width + c) << 2;
      const left = width - c;
      const inverse = f32x4.div(splat(1), loadPart(referenceDeviation + at, left));
      const r = f32x4.mul(loadPart(deviation + at, left), inverse);
      const z = f32x4.mul(f32x4.sub(loadPart(mean + at, left), loadPart(reference + at, left)), inverse);
      const spread = f32x4.mul(splat(0.5), f32x4.mul(f32x4.sub(r, splat(1)), f32x4.add(r, splat(1))));
      const column = madd(f32x4.mul(splat(0.5), z), z, f32x4.sub(spread, log4(r)));
      // Lanes beyond the row are 0 / 0: their bits are masked away.
      sum = f32x4.add(sum, v128.and(column, firstLanes(left)));
    }
    store<f32>(kl + (<usize>b << 2), sumLanes(sum));
  }
}

// diagonal_gaussian_kl — kl[b] = sum_c ln(q / p) + (p^2 + (mean - reference)^2) / (2 q^2) - 1/2, p = exp(logStd[b, c]), q = exp(referenceLogStd[b, c])
// shapes  mean [B, X] f32; logStd [B, X] f32; reference [B, X] f32; referenceLogStd [B, X] f32; kl [B] f32
// owns    unit: one row
// split   rows
// order   f32: four lanes over columns mod 4, then the lanes
// alias   none
// test    test/kernels/gaussian-kl.test.ts  rtol 2e-6 atol 5e-7  at 1 to 257 rows of 1 to 65
import { exp4, madd, splat } from "../lib/math";
import { sumLanes } from "../lib/sum";
import { loadPart } from "../lib/tail";

/** args: rows, width; mean, logStd, reference, referenceLogStd, kl */
export function diagonalGaussianKl(args: usize, from: u32, to: u32): void {
  const width = load<u32>(args, 4);
  const mean = <usize>load<u32>(args, 8);
  const logStd = <usize>load<u32>(args, 12);
  const reference = <usize>load<u32>(args, 16);
  const referenceLogStd = <usize>load<u32>(args, 20);
  const kl = <usize>load<u32>(args, 24);
  for (let b = from; b < to; b++) {
    let sum = splat(0);
    for (let c: u32 = 0; c < width; c += 4) {
      const at = <usize>(b * width + c) << 2;
      const left = width - c;
      // Lanes beyond the row are two equal Gaussians: they add nothing.
      const q = loadPart(referenceLogStd + at, left);
      const apart = f32x4.sub(loadPart(logStd + at, left), q);
      const z = f32x4.mul(f32x4.sub(loadPart(mean + at, left), loadPart(reference + at, left)), exp4(f32x4.neg(q)));
      const spread = f32x4.mul(splat(0.5), f32x4.sub(exp4(f32x4.add(apart, apart)), splat(1)));
      sum = f32x4.add(sum, madd(f32x4.mul(splat(0.5), z), z, f32x4.sub(spread, apart)));
    }
    store<f32>(kl + (<usize>b << 2), sumLanes(sum));
  }
}

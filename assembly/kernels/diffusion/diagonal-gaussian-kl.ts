// diagonal_gaussian_kl — kl[b] = sum_c ( s_q - s_p + (exp(2 s_p) + (m_p - m_q)^2) / (2 exp(2 s_q)) - 1/2 )[b, c], s = log std;
//           dMean[b, c] = weight (m_p - m_q) / exp(2 s_q); dLogStd[b, c] = weight (exp(2 (s_p - s_q)) - 1)
// shapes  mean, logStd (p), meanQ, logStdQ (q), dMean, dLogStd [B, C] f32; kl [B] f32
// owns    unit: one row
// split   rows
// order   f32: four lanes over c mod 4, then the lanes
// alias   none
// test    test/kernels/gaussian-kl.test.ts  rtol 4e-6  at 1 to 257 rows of 1 to 33
import { exp4, splat } from "../lib/math";
import { sumLanes } from "../lib/sum";
import { firstLanes, loadPart, storePart } from "../lib/tail";

/** args: rows, width, weight; mean, logStd, meanQ, logStdQ, kl, dMean, dLogStd */
export function diagonalGaussianKl(args: usize, from: u32, to: u32): void {
  const width = load<u32>(args, 4);
  const weight = splat(load<f32>(args, 8));
  const mean = <usize>load<u32>(args, 12);
  const logStd = <usize>load<u32>(args, 16);
  const meanQ = <usize>load<u32>(args, 20);
  const logStdQ = <usize>load<u32>(args, 24);
  const kl = <usize>load<u32>(args, 28);
  const dMean = <usize>load<u32>(args, 32);
  const dLogStd = <usize>load<u32>(args, 36);
  const half = splat(0.5);
  const two = splat(2.0);
  for (let b = from; b < to; b++) {
    const row = <usize>(b * width) << 2;
    let sum = splat(0);
    for (let c: u32 = 0; c < width; c += 4) {
      const left = width - c;
      const place = row + (<usize>c << 2);
      const p = loadPart(logStd + place, left);
      const q = loadPart(logStdQ + place, left);
      const precision = exp4(f32x4.neg(f32x4.mul(two, q)));
      const ratio = exp4(f32x4.mul(two, f32x4.sub(p, q)));
      const difference = f32x4.sub(loadPart(mean + place, left), loadPart(meanQ + place, left));
      const square = f32x4.mul(f32x4.mul(difference, difference), precision);
      const term = f32x4.sub(f32x4.add(f32x4.sub(q, p), f32x4.mul(half, f32x4.add(ratio, square))), half);
      sum = f32x4.add(sum, v128.and(term, firstLanes(left)));
      storePart(dMean + place, f32x4.mul(weight, f32x4.mul(difference, precision)), left);
      storePart(dLogStd + place, f32x4.mul(weight, f32x4.sub(ratio, splat(1.0))), left);
    }
    store<f32>(kl + (<usize>b << 2), sumLanes(sum));
  }
}

// diagonal_gaussian_kl_backward_add — dmean += scale (mean - reference) / q^2, dlogstd += scale (p^2 / q^2 - 1), p = exp(logStd), q = exp(referenceLogStd)
// shapes  mean [B, X] f32; logStd [B, X] f32; reference [B, X] f32; referenceLogStd [B, X] f32; dmean [B, X] f32; dlogstd [B, X] f32
// owns    unit: one row
// split   rows
// order   no sums
// alias   none
// test    test/kernels/gaussian-kl.test.ts  rtol 2e-6  at 1 to 257 rows of 1 to 65
import { exp4, madd, splat } from "../lib/math";
import { loadPart, storePart } from "../lib/tail";

/** args: rows, width, scale; mean, logStd, reference, referenceLogStd, dmean, dlogstd */
export function diagonalGaussianKlBackwardAdd(args: usize, from: u32, to: u32): void {
  const width = load<u32>(args, 4);
  const scale = v128.load32_splat(args, 8);
  const mean = <usize>load<u32>(args, 12);
  const logStd = <usize>load<u32>(args, 16);
  const reference = <usize>load<u32>(args, 20);
  const referenceLogStd = <usize>load<u32>(args, 24);
  const dmean = <usize>load<u32>(args, 28);
  const dlogstd = <usize>load<u32>(args, 32);
  // All rows are one run of elements.
  const end = to * width;
  for (let n = from * width; n < end; n += 4) {
    const at = <usize>n << 2;
    const left = end - n;
    const q = loadPart(referenceLogStd + at, left);
    const apart = f32x4.sub(loadPart(logStd + at, left), q);
    const d = f32x4.sub(loadPart(mean + at, left), loadPart(reference + at, left));
    const slope = f32x4.mul(d, exp4(f32x4.mul(splat(-2), q)));
    storePart(dmean + at, madd(scale, slope, loadPart(dmean + at, left)), left);
    const spread = f32x4.sub(exp4(f32x4.add(apart, apart)), splat(1));
    storePart(dlogstd + at, madd(scale, spread, loadPart(dlogstd + at, left)), left);
  }
}

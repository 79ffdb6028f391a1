// gaussian_sample — out[b, w] = mean[b, w] + exp(logStd[b, w]) clamp(z[b, w], -clip, clip)
// shapes  mean, logStd, z, out [B, W] f32
// owns    unit: one row
// split   rows
// order   no sums
// alias   none
// test    test/kernels/stochastic-heads.test.ts  rtol 2e-6  at 1 to 257 rows of 1 to 33
import { exp4, madd, splat } from "../lib/math";
import { loadPart, storePart } from "../lib/tail";

/** args: rows, width, clip; mean, logStd, z, out */
export function gaussianSample(args: usize, from: u32, to: u32): void {
  const width = load<u32>(args, 4);
  const clip = splat(load<f32>(args, 8));
  const mean = <usize>load<u32>(args, 12);
  const logStd = <usize>load<u32>(args, 16);
  const z = <usize>load<u32>(args, 20);
  const out = <usize>load<u32>(args, 24);
  const end = to * width;
  for (let n = from * width; n < end; n += 4) {
    const left = end - n;
    const at = <usize>n << 2;
    const draw = f32x4.min(f32x4.max(loadPart(z + at, left), f32x4.neg(clip)), clip);
    storePart(out + at, madd(exp4(loadPart(logStd + at, left)), draw, loadPart(mean + at, left)), left);
  }
}

// gaussian_density_backward — with z = (x - mean) / std: dMean[b, w] = scale dLogProb[b] z / std;
//           dLogStd[b, w] = scale (dLogProb[b] (z^2 - 1) + dEntropy)
// shapes  x, mean, logStd [B, W] f32; dLogProb [B] f32; dMean, dLogStd [B, W] f32
// owns    unit: one row
// split   rows
// order   no sums
// alias   none
// test    test/kernels/stochastic-heads.test.ts  rtol 4e-6  at 1 to 257 rows of 1 to 33
import { exp4, splat } from "../lib/math";
import { loadPart, storePart } from "../lib/tail";

/** args: rows, width, scale, dEntropy; x, mean, logStd, dLogProb, dMean, dLogStd */
export function gaussianDensityBackward(args: usize, from: u32, to: u32): void {
  const width = load<u32>(args, 4);
  const scale = splat(load<f32>(args, 8));
  const dEntropy = splat(load<f32>(args, 12));
  const x = <usize>load<u32>(args, 16);
  const mean = <usize>load<u32>(args, 20);
  const logStd = <usize>load<u32>(args, 24);
  const dLogProb = <usize>load<u32>(args, 28);
  const dMean = <usize>load<u32>(args, 32);
  const dLogStd = <usize>load<u32>(args, 36);
  for (let b = from; b < to; b++) {
    const row = <usize>(b * width) << 2;
    const d = splat(load<f32>(dLogProb + (<usize>b << 2)));
    for (let w: u32 = 0; w < width; w += 4) {
      const left = width - w;
      const at = row + (<usize>w << 2);
      const inverse = exp4(f32x4.neg(loadPart(logStd + at, left)));
      const z = f32x4.mul(f32x4.sub(loadPart(x + at, left), loadPart(mean + at, left)), inverse);
      storePart(dMean + at, f32x4.mul(f32x4.mul(scale, d), f32x4.mul(z, inverse)), left);
      const slope = f32x4.mul(d, f32x4.sub(f32x4.mul(z, z), splat(1.0)));
      storePart(dLogStd + at, f32x4.mul(scale, f32x4.add(slope, dEntropy)), left);
    }
  }
}

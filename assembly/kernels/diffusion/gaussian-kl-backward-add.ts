// gaussian_kl_backward_add — dmean[b, c] += scale (mean[b, c] - reference[b, c]) / s_b^2, s_b = max(std_b, floor)
// shapes  mean [B, X] f32; reference [B, X] f32; step [B] u32, optional; schedule [steps, 8] f32, optional; dmean [B, X] f32
// owns    unit: one row
// split   rows
// order   no sums
// alias   none
// test    test/kernels/gaussian-kl.test.ts  rtol 2e-6  at 1 to 257 rows of 1 to 65
import { rowDeviation } from "../lib/deviation";
import { madd, splat } from "../lib/math";
import { loadPart, storePart } from "../lib/tail";

/** args: rows, width, steps, hasSchedule, sigma, floorStd, scale; mean, reference, step, schedule, dmean */
export function gaussianKlBackwardAdd(args: usize, from: u32, to: u32): void {
  const width = load<u32>(args, 4);
  const last = load<u32>(args, 8) - 1;
  const source = load<u32>(args, 12) << 1;
  const sigma = load<f32>(args, 16);
  const floor = load<f32>(args, 20);
  const scale = load<f32>(args, 24);
  const mean = <usize>load<u32>(args, 28);
  const reference = <usize>load<u32>(args, 32);
  const step = <usize>load<u32>(args, 36);
  const schedule = <usize>load<u32>(args, 40);
  const dmean = <usize>load<u32>(args, 44);
  for (let b = from; b < to; b++) {
    const s = rowDeviation(source, sigma, floor, step + (<usize>b << 2), schedule, last);
    const factor = splat(scale / (s * s));
    for (let c: u32 = 0; c < width; c += 4) {
      const at = <usize>(b * width + c) << 2;
      const left = width - c;
      const d = f32x4.sub(loadPart(mean + at, left), loadPart(reference + at, left));
      storePart(dmean + at, madd(factor, d, loadPart(dmean + at, left)), left);
    }
  }
}

// gaussian_kl — kl[b] = sum_c (mean[b, c] - reference[b, c])^2 / (2 s_b^2), two Gaussians of one deviation s_b = max(std_b, floor)
// shapes  mean [B, X] f32; reference [B, X] f32; step [B] u32, optional; schedule [steps, 8] f32, optional; kl [B] f32
// owns    unit: one row
// split   rows
// order   f32: four lanes over columns mod 4, then the lanes
// alias   none
// test    test/kernels/gaussian-kl.test.ts  rtol 2e-6  at 1 to 257 rows of 1 to 65
import { rowDeviation } from "../lib/deviation";
import { madd, splat } from "../lib/math";
import { sumLanes } from "../lib/sum";
import { loadPart } from "../lib/tail";

/** args: rows, width, steps, hasSchedule, sigma, floorStd; mean, reference, step, schedule, kl */
export function gaussianKl(args: usize, from: u32, to: u32): void {
  const width = load<u32>(args, 4);
  const last = load<u32>(args, 8) - 1;
  const source = load<u32>(args, 12) << 1;
  const sigma = load<f32>(args, 16);
  const floor = load<f32>(args, 20);
  const mean = <usize>load<u32>(args, 24);
  const reference = <usize>load<u32>(args, 28);
  const step = <usize>load<u32>(args, 32);
  const schedule = <usize>load<u32>(args, 36);
  const kl = <usize>load<u32>(args, 40);
  for (let b = from; b < to; b++) {
    const s = rowDeviation(source, sigma, floor, step + (<usize>b << 2), schedule, last);
    let sum = splat(0);
    for (let c: u32 = 0; c < width; c += 4) {
      const at = <usize>(b * width + c) << 2;
      const left = width - c;
      // Lanes beyond the row are 0 - 0.
      const d = f32x4.sub(loadPart(mean + at, left), loadPart(reference + at, left));
      sum = madd(d, d, sum);
    }
    store<f32>(kl + (<usize>b << 2), sumLanes(sum) / (<f32>2 * s * s));
  }
}

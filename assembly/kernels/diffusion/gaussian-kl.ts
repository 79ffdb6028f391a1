// gaussian_kl — kl[b] = sum_c (mean - reference)[b, c]^2 / (2 std_b^2), std_b = max(schedule[step[b], 5], stdFloor);
//           dMean[b, c] = weight (mean - reference)[b, c] / std_b^2
// shapes  mean, reference, dMean [B, C] f32; step [B] u32; schedule [n, 8] f32; kl [B] f32
// owns    unit: one row
// split   rows
// order   f32: four lanes over c mod 4, then the lanes
// alias   none
// test    test/kernels/gaussian-kl.test.ts  rtol 2e-6  at 1 to 257 rows of 1 to 33
import { madd, splat } from "../lib/math";
import { sumLanes } from "../lib/sum";
import { loadPart, storePart } from "../lib/tail";

/** args: rows, width, steps, stdFloor, weight; mean, reference, step, schedule, kl, dMean */
export function gaussianKl(args: usize, from: u32, to: u32): void {
  const width = load<u32>(args, 4);
  const steps = load<u32>(args, 8);
  const stdFloor = load<f32>(args, 12);
  const weight = load<f32>(args, 16);
  const mean = <usize>load<u32>(args, 20);
  const reference = <usize>load<u32>(args, 24);
  const step = <usize>load<u32>(args, 28);
  const schedule = <usize>load<u32>(args, 32);
  const kl = <usize>load<u32>(args, 36);
  const dMean = <usize>load<u32>(args, 40);
  for (let b = from; b < to; b++) {
    const at = min<u32>(load<u32>(step + (<usize>b << 2)), steps - 1);
    const std = max<f32>(load<f32>(schedule + (<usize>at << 5), 20), stdFloor);
    const precision: f32 = <f32>1 / (std * std);
    const pull = splat(weight * precision);
    const row = <usize>(b * width) << 2;
    let sum = splat(0);
    for (let c: u32 = 0; c < width; c += 4) {
      const left = width - c;
      const place = row + (<usize>c << 2);
      const difference = f32x4.sub(loadPart(mean + place, left), loadPart(reference + place, left));
      sum = madd(difference, difference, sum);
      storePart(dMean + place, f32x4.mul(pull, difference), left);
    }
    store<f32>(kl + (<usize>b << 2), <f32>0.5 * sumLanes(sum) * precision);
  }
}

// gaussian_log_prob — logp[b, c] = -(value - mean)^2 / (2 s^2) - ln s - ln(2 pi) / 2, elementwise, s = max(std, floor)
// shapes  value [B, X] f32; mean [B, X] f32; logStd [B, X] f32, optional; step [B] u32, optional; schedule [steps, 8] f32, optional; logp [B, X] f32
// owns    unit: one row
// split   rows
// order   no sums
// alias   none
// test    test/kernels/gaussian-log-prob.test.ts  rtol 2e-6 atol 2e-6  at 1 to 257 rows of 1 to 33
import { FROM_TENSOR, rowDeviation } from "../lib/deviation";
import { exp4, log4, splat } from "../lib/math";
import { loadPart, storePart } from "../lib/tail";

/** args: rows, width, steps, source, sigma, floorStd; value, mean, logStd, step, schedule, logp */
export function gaussianLogProb(args: usize, from: u32, to: u32): void {
  const width = load<u32>(args, 4);
  const last = load<u32>(args, 8) - 1;
  const source = load<u32>(args, 12);
  const sigma = load<f32>(args, 16);
  const floor = load<f32>(args, 20);
  const value = <usize>load<u32>(args, 24);
  const mean = <usize>load<u32>(args, 28);
  const logStd = <usize>load<u32>(args, 32);
  const step = <usize>load<u32>(args, 36);
  const schedule = <usize>load<u32>(args, 40);
  const logp = <usize>load<u32>(args, 44);
  for (let b = from; b < to; b++) {
    let inverse = splat(0);
    let constant = splat(0);
    if (source != FROM_TENSOR) {
      const s = splat(rowDeviation(source, sigma, floor, step + (<usize>b << 2), schedule, last));
      inverse = f32x4.div(splat(1), s);
      constant = f32x4.add(log4(s), splat(0.91893853));
    }
    for (let c: u32 = 0; c < width; c += 4) {
      const at = <usize>(b * width + c) << 2;
      const left = width - c;
      if (source == FROM_TENSOR) {
        const s = f32x4.max(exp4(loadPart(logStd + at, left)), splat(floor));
        inverse = f32x4.div(splat(1), s);
        constant = f32x4.add(log4(s), splat(0.91893853));
      }
      const z = f32x4.mul(f32x4.sub(loadPart(value + at, left), loadPart(mean + at, left)), inverse);
      storePart(logp + at, f32x4.neg(f32x4.add(f32x4.mul(splat(0.5), f32x4.mul(z, z)), constant)), left);
    }
  }
}

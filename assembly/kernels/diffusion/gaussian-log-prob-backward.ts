// gaussian_log_prob_backward — dmean = dlogp z / s, dlogstd = dlogp (z^2 - 1), z = (value - mean) / s, s = max(std, floor)
// shapes  dlogp [B, X] f32; value [B, X] f32; mean [B, X] f32; logStd [B, X] f32, optional; step [B] u32, optional;
//         schedule [steps, 8] f32, optional; dmean [B, X] f32; dlogstd [B, X] f32, optional
// owns    unit: one row
// split   rows
// order   no sums
// alias   none
// test    test/kernels/gaussian-log-prob.test.ts  rtol 4e-6  at 1 to 257 rows of 1 to 33
import { FROM_SCHEDULE, FROM_TENSOR } from "../lib/deviation";
import { exp4, splat } from "../lib/math";
import { loadPart, storePart } from "../lib/tail";

/** args: rows, width, steps, source, sigma, floorStd, hasDlogstd; dlogp, value, mean, logStd, step, schedule, dmean, dlogstd */
export function gaussianLogProbBackward(args: usize, from: u32, to: u32): void {
  const width = load<u32>(args, 4);
  const last = load<u32>(args, 8) - 1;
  const source = load<u32>(args, 12);
  const sigma = v128.load32_splat(args, 16);
  const floor = v128.load32_splat(args, 20);
  const hasDlogstd = load<u32>(args, 24) != 0;
  const dlogp = <usize>load<u32>(args, 28);
  const value = <usize>load<u32>(args, 32);
  const mean = <usize>load<u32>(args, 36);
  const logStd = <usize>load<u32>(args, 40);
  const step = <usize>load<u32>(args, 44);
  const schedule = <usize>load<u32>(args, 48);
  const dmean = <usize>load<u32>(args, 52);
  const dlogstd = <usize>load<u32>(args, 56);
  for (let b = from; b < to; b++) {
    let std = sigma;
    if (source == FROM_SCHEDULE) std = v128.load32_splat(schedule + (<usize>min(last, load<u32>(step + (<usize>b << 2))) << 5), 20);
    let inverse = f32x4.div(splat(1), f32x4.max(std, floor));
    for (let c: u32 = 0; c < width; c += 4) {
      const at = <usize>(b * width + c) << 2;
      const left = width - c;
      if (source == FROM_TENSOR) {
        std = exp4(loadPart(logStd + at, left));
        inverse = f32x4.div(splat(1), f32x4.max(std, floor));
      }
      const g = loadPart(dlogp + at, left);
      const z = f32x4.mul(f32x4.sub(loadPart(value + at, left), loadPart(mean + at, left)), inverse);
      storePart(dmean + at, f32x4.mul(f32x4.mul(g, z), inverse), left);
      if (hasDlogstd) {
        const slope = f32x4.sub(f32x4.mul(z, z), splat(1));
        storePart(dlogstd + at, v128.and(f32x4.mul(g, slope), f32x4.ge(std, floor)), left);
      }
    }
  }
}

// gaussian_density — logProb[b] = scale sum_w ( -(x - mean)^2 / (2 std^2) - ln std - ln(2 pi)/2 )[b, w], std = exp(logStd);
//           entropy[b] = scale sum_w ( ln(2 pi e)/2 + logStd[b, w] )
// shapes  x, mean, logStd [B, W] f32; logProb [B] f32; entropy [B] f32
// owns    unit: one row
// split   rows
// order   f32: four lanes over w mod 4, then the lanes
// alias   none
// test    test/kernels/stochastic-heads.test.ts  rtol 2e-6  at 1 to 257 rows of 1 to 33
import { exp4, madd, splat } from "../lib/math";
import { sumLanes } from "../lib/sum";
import { loadPart } from "../lib/tail";

/** args: rows, width, scale; x, mean, logStd, logProb, entropy */
export function gaussianDensity(args: usize, from: u32, to: u32): void {
  const width = load<u32>(args, 4);
  const scale = load<f32>(args, 8);
  const x = <usize>load<u32>(args, 12);
  const mean = <usize>load<u32>(args, 16);
  const logStd = <usize>load<u32>(args, 20);
  const logProb = <usize>load<u32>(args, 24);
  const entropy = <usize>load<u32>(args, 28);
  for (let b = from; b < to; b++) {
    const row = <usize>(b * width) << 2;
    let squares = splat(0);
    let logs = splat(0);
    for (let w: u32 = 0; w < width; w += 4) {
      const left = width - w;
      const at = row + (<usize>w << 2);
      // Lanes beyond the row hold 0 - 0 and logStd 0: they add nothing.
      const s = loadPart(logStd + at, left);
      const z = f32x4.mul(f32x4.sub(loadPart(x + at, left), loadPart(mean + at, left)), exp4(f32x4.neg(s)));
      squares = madd(z, z, squares);
      logs = f32x4.add(logs, s);
    }
    const sum = sumLanes(logs);
    store<f32>(logProb + (<usize>b << 2), scale * (<f32>-0.5 * sumLanes(squares) - sum - <f32>width * <f32>0.91893853));
    store<f32>(entropy + (<usize>b << 2), scale * (sum + <f32>width * <f32>1.4189385));
  }
}

// denoise_mean — mean[b, c] of the reverse step step[b] from x[b, c] and network[b, c], by lib/denoise
// shapes  x [B, X] f32; network [B, X] f32; step [B] u32; schedule [steps, 8] f32 = (a, b, c, d, e, std, 0, 0); mean [B, X] f32
// owns    unit: one row
// split   rows
// order   no sums
// alias   none
// test    test/kernels/denoise.test.ts  rtol 2e-6  at 1 to 257 rows of 1 to 33
import { stepMean4, useStep } from "../lib/denoise";
import { loadPart, storePart } from "../lib/tail";

/** args: rows, width, steps, predictEpsilon, x0Clip, epsClip; x, network, step, schedule, mean */
export function denoiseMean(args: usize, from: u32, to: u32): void {
  const width = load<u32>(args, 4);
  const last = load<u32>(args, 8) - 1;
  const predictEpsilon = load<u32>(args, 12) != 0;
  const x0Clip = v128.load32_splat(args, 16);
  const epsClip = v128.load32_splat(args, 20);
  const x = <usize>load<u32>(args, 24);
  const network = <usize>load<u32>(args, 28);
  const step = <usize>load<u32>(args, 32);
  const schedule = <usize>load<u32>(args, 36);
  const mean = <usize>load<u32>(args, 40);
  for (let b = from; b < to; b++) {
    useStep(schedule + (<usize>min(last, load<u32>(step + (<usize>b << 2))) << 5));
    for (let c: u32 = 0; c < width; c += 4) {
      const at = <usize>(b * width + c) << 2;
      const left = width - c;
      storePart(mean + at, stepMean4(loadPart(x + at, left), loadPart(network + at, left), predictEpsilon, x0Clip, epsClip), left);
    }
  }
}

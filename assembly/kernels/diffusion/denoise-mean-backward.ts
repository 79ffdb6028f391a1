// denoise_mean_backward — dnetwork = dmean d mean / d network, dx = dmean d mean / d x, elementwise, slopes by lib/denoise
// shapes  dmean [B, X] f32; x [B, X] f32; network [B, X] f32; step [B] u32; schedule [steps, 8] f32 = (a, b, c, d, e, std, 0, 0);
//         dnetwork [B, X] f32; dx [B, X] f32, optional
// owns    unit: one row
// split   rows
// order   no sums
// alias   none
// test    test/kernels/denoise.test.ts  rtol 2e-6  at 1 to 257 rows of 1 to 33
import { slopeNet, slopeX, stepSlopes4, useStep } from "../lib/denoise";
import { loadPart, storePart } from "../lib/tail";

/** args: rows, width, steps, predictEpsilon, x0Clip, epsClip, hasDx; dmean, x, network, step, schedule, dnetwork, dx */
export function denoiseMeanBackward(args: usize, from: u32, to: u32): void {
  const width = load<u32>(args, 4);
  const last = load<u32>(args, 8) - 1;
  const predictEpsilon = load<u32>(args, 12) != 0;
  const x0Clip = v128.load32_splat(args, 16);
  const epsClip = v128.load32_splat(args, 20);
  const hasDx = load<u32>(args, 24) != 0;
  const dmean = <usize>load<u32>(args, 28);
  const x = <usize>load<u32>(args, 32);
  const network = <usize>load<u32>(args, 36);
  const step = <usize>load<u32>(args, 40);
  const schedule = <usize>load<u32>(args, 44);
  const dnetwork = <usize>load<u32>(args, 48);
  const dx = <usize>load<u32>(args, 52);
  for (let b = from; b < to; b++) {
    useStep(schedule + (<usize>min(last, load<u32>(step + (<usize>b << 2))) << 5));
    for (let c: u32 = 0; c < width; c += 4) {
      const at = <usize>(b * width + c) << 2;
      const left = width - c;
      stepSlopes4(loadPart(x + at, left), loadPart(network + at, left), predictEpsilon, x0Clip, epsClip);
      const g = loadPart(dmean + at, left);
      storePart(dnetwork + at, f32x4.mul(g, slopeNet), left);
      if (hasDx) storePart(dx + at, f32x4.mul(g, slopeX), left);
    }
  }
}

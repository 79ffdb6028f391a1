// mean_squared_loss — partials[k] = scale sum of w_b (prediction[b, c] - wanted[b, c])^2, b in block k of 64; dprediction = 2 scale w_b (prediction - wanted)
// shapes  prediction [B, X] f32; wanted [B, X] f32; weight [B] f32, optional; dprediction [B, X] f32, optional; partials [ceil(B / 64)] f32
// owns    unit: one block of 64 rows
// split   blocks
// order   f32: four lanes over columns mod 4, rows in order, then the lanes; column_sum adds the blocks in order
// alias   none
// test    test/kernels/diffusion-losses.test.ts  rtol 2e-6  at 1 to 257 rows of 1 to 33
import { madd, splat } from "../lib/math";
import { sumLanes } from "../lib/sum";
import { loadPart, storePart } from "../lib/tail";

/** args: rows, width, scale, hasWeight, hasGradient; prediction, wanted, weight, dprediction, partials */
export function meanSquaredLoss(args: usize, from: u32, to: u32): void {
  const rows = load<u32>(args);
  const width = load<u32>(args, 4);
  const scale = load<f32>(args, 8);
  const hasWeight = load<u32>(args, 12) != 0;
  const hasGradient = load<u32>(args, 16) != 0;
  const prediction = <usize>load<u32>(args, 20);
  const wanted = <usize>load<u32>(args, 24);
  const weight = <usize>load<u32>(args, 28);
  const dprediction = <usize>load<u32>(args, 32);
  const partials = <usize>load<u32>(args, 36);
  for (let k = from; k < to; k++) {
    const end = min(rows, k * 64 + 64);
    let sum = splat(0);
    for (let b = k * 64; b < end; b++) {
      const factor = splat(hasWeight ? scale * load<f32>(weight + (<usize>b << 2)) : scale);
      for (let c: u32 = 0; c < width; c += 4) {
        const at = <usize>(b * width + c) << 2;
        const left = width - c;
        // Lanes beyond the row are 0 - 0.
        const difference = f32x4.sub(loadPart(prediction + at, left), loadPart(wanted + at, left));
        const scaled = f32x4.mul(factor, difference);
        sum = madd(scaled, difference, sum);
        if (hasGradient) storePart(dprediction + at, f32x4.add(scaled, scaled), left);
      }
    }
    store<f32>(partials + (<usize>k << 2), sumLanes(sum));
  }
}

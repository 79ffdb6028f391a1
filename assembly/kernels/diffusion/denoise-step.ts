// denoise_step — xNext[b, c] = clamp(mean[b, c] + sigma clamp(noise[noiseOffset + b X + c], +-randnClip), +-finalClip), mean by lib/denoise
// shapes  x [B, X] f32; network [B, X] f32; noise [noiseOffset + B X] f32; schedule [steps, 8] f32 = (a, b, c, d, e, std, 0, 0);
//         xNext [B, X] f32; chain [B, chainSlots, X] f32, optional: x to slot chainInputSlot, xNext to slot chainSlot
// owns    unit: one row
// split   rows
// order   no sums
// alias   none
// test    test/kernels/denoise.test.ts  rtol 2e-6  at 1 to 257 rows of 1 to 33
import { clampAbs4, stepMean4, useStep } from "../lib/denoise";
import { madd } from "../lib/math";
import { copyWords, loadPart, storePart } from "../lib/tail";

/** Rows of one slot of the chain. */
function record(source: usize, chain: usize, width: u32, slots: u32, slot: u32, from: u32, to: u32): void {
  for (let b = from; b < to; b++) {
    copyWords(chain + (<usize>((b * slots + slot) * width) << 2), source + (<usize>(b * width) << 2), width);
  }
}

/**
 * args: rows, width, steps, step, sigma, x0Clip, epsClip, randnClip, finalClip, predictEpsilon, noiseOffset, chainSlots,
 * chainSlot, chainInputSlot; x, network, noise, schedule, xNext, chain
 */
export function denoiseStep(args: usize, from: u32, to: u32): void {
  const width = load<u32>(args, 4);
  const step = min(load<u32>(args, 12), load<u32>(args, 8) - 1);
  const sigma = v128.load32_splat(args, 16);
  const x0Clip = v128.load32_splat(args, 20);
  const epsClip = v128.load32_splat(args, 24);
  const randnClip = v128.load32_splat(args, 28);
  const finalClip = v128.load32_splat(args, 32);
  const predictEpsilon = load<u32>(args, 36) != 0;
  const slots = load<u32>(args, 44);
  const slot = load<u32>(args, 48);
  const inputSlot = load<u32>(args, 52);
  const x = <usize>load<u32>(args, 56);
  const network = <usize>load<u32>(args, 60);
  const noise = <usize>load<u32>(args, 64) + (<usize>load<u32>(args, 40) << 2);
  const xNext = <usize>load<u32>(args, 72);
  const chain = <usize>load<u32>(args, 76);
  useStep(<usize>load<u32>(args, 68) + (<usize>step << 5));
  // All rows have one step: they are one run of elements.
  const end = to * width;
  for (let n = from * width; n < end; n += 4) {
    const at = <usize>n << 2;
    const left = end - n;
    const mean = stepMean4(loadPart(x + at, left), loadPart(network + at, left), predictEpsilon, x0Clip, epsClip);
    const z = clampAbs4(loadPart(noise + at, left), randnClip);
    storePart(xNext + at, clampAbs4(madd(sigma, z, mean), finalClip), left);
  }
  if (inputSlot < slots) record(x, chain, width, slots, inputSlot, from, to);
  if (slot < slots) record(xNext, chain, width, slots, slot, from, to);
}

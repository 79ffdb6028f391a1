// advantage_weight — weights[i] = min(exp(beta (x[i] - base[i] - mean) / (deviation + epsilon)), largest), (mean, deviation) = statistics; without base it is 0
// shapes  x, base (optional), weights [N] f32; statistics [2] f32 of moments
// owns    unit: 1024 elements
// split   units
// order   no sums
// alias   none
// test    test/kernels/advantage-weight.test.ts  rtol 5e-6  at 1, 3, 31, 33, 257, 1025, 2500
import { exp4, splat } from "../lib/math";
import { loadPart, storePart } from "../lib/tail";

const BLOCK: u32 = 1024;

/** args: count, hasBase, beta, epsilon, largest; x, base, statistics, weights */
export function advantageWeight(args: usize, from: u32, to: u32): void {
  const hasBase = load<u32>(args, 4) != 0;
  const largest = splat(load<f32>(args, 16));
  const x = <usize>load<u32>(args, 20);
  const base = <usize>load<u32>(args, 24);
  const statistics = <usize>load<u32>(args, 28);
  const weights = <usize>load<u32>(args, 32);
  const mean = splat(load<f32>(statistics));
  const rate = splat(load<f32>(args, 8) / (load<f32>(statistics, 4) + load<f32>(args, 12)));
  const end = min(load<u32>(args), to * BLOCK);
  for (let i = from * BLOCK; i < end; i += 4) {
    const at = <usize>i << 2;
    const left = end - i;
    let advantage = loadPart(x + at, left);
    if (hasBase) advantage = f32x4.sub(advantage, loadPart(base + at, left));
    const exponent = f32x4.mul(rate, f32x4.sub(advantage, mean));
    storePart(weights + at, f32x4.min(exp4(f32x4.min(f32x4.max(exponent, splat(-87)), splat(88))), largest), left);
  }
}

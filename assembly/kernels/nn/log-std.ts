// log_std — logStd[b, w] of a head: kind 0: constant; 1: clamp(source[m A + a], low, high) / 2, tiled over rows and horizon;
//           2: (low + (high - low)(tanh(source[b, w]) + 1) / 2) / 2; 3: clamp(source[b, w], low, high) / 2; w = (m H + h) A + a
// shapes  source [M, A] (kind 1) or [B, W] (kinds 2, 3) f32, absent for kind 0; logStd [B, W] f32
// owns    unit: one row
// split   rows
// order   no sums
// alias   none
// test    test/kernels/stochastic-heads.test.ts  atol 2e-6  at 1 to 257 rows, 1 to 5 modes
import { madd, splat, tanh4 } from "../lib/math";
import { loadPart, storePart } from "../lib/tail";

/** args: rows, width, actionSize, perMode, kind, low, high, constant; source, logStd */
export function logStd(args: usize, from: u32, to: u32): void {
  const width = load<u32>(args, 4);
  const actionSize = load<u32>(args, 8);
  const perMode = load<u32>(args, 12);
  const kind = load<u32>(args, 16);
  const low = load<f32>(args, 20);
  const high = load<f32>(args, 24);
  const source = <usize>load<u32>(args, 32);
  const out = <usize>load<u32>(args, 36);
  const half = splat(0.5);
  if (kind == 1) {
    for (let b = from; b < to; b++) {
      const row = out + (<usize>(b * width) << 2);
      for (let w: u32 = 0; w < width; w++) {
        // source[m, a] for element w of any row: m = w / (H A), a = w mod A
        const at = (w / perMode) * actionSize + (w % actionSize);
        const value = load<f32>(source + (<usize>at << 2));
        store<f32>(row + (<usize>w << 2), <f32>0.5 * min<f32>(max<f32>(value, low), high));
      }
    }
    return;
  }
  const end = to * width;
  for (let n = from * width; n < end; n += 4) {
    const left = end - n;
    const at = <usize>n << 2;
    if (kind == 0) {
      storePart(out + at, splat(load<f32>(args, 28)), left);
      continue;
    }
    const value = loadPart(source + at, left);
    const logVariance = kind == 2
      ? madd(splat(<f32>0.5 * (high - low)), f32x4.add(tanh4(value), splat(1.0)), splat(low))
      : f32x4.min(f32x4.max(value, splat(low)), splat(high));
    storePart(out + at, f32x4.mul(half, logVariance), left);
  }
}

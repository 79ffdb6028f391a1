// forward_noising — xt[b, c] = table[t_b, 0] x0[b, c] + table[t_b, 1] noise[b, c]
// shapes  x0 [B, X] f32; noise [B, X] f32; t [B] u32; table [K, 2] f32 = (sqrt abar_t, sqrt(1 - abar_t)); xt [B, X] f32
// owns    unit: one row
// split   rows
// order   no sums
// alias   none
// test    test/kernels/diffusion-losses.test.ts  rtol 1e-6  at 1 to 257 rows of 1 to 33
import { madd } from "../lib/math";
import { loadPart, storePart } from "../lib/tail";

/** args: rows, width, times; x0, noise, t, table, xt */
export function forwardNoising(args: usize, from: u32, to: u32): void {
  const width = load<u32>(args, 4);
  const last = load<u32>(args, 8) - 1;
  const x0 = <usize>load<u32>(args, 12);
  const noise = <usize>load<u32>(args, 16);
  const t = <usize>load<u32>(args, 20);
  const table = <usize>load<u32>(args, 24);
  const xt = <usize>load<u32>(args, 28);
  for (let b = from; b < to; b++) {
    const entry = table + (<usize>min(last, load<u32>(t + (<usize>b << 2))) << 3);
    const signal = v128.load32_splat(entry);
    const spread = v128.load32_splat(entry, 4);
    for (let c: u32 = 0; c < width; c += 4) {
      const at = <usize>(b * width + c) << 2;
      const left = width - c;
      storePart(xt + at, madd(signal, loadPart(x0 + at, left), f32x4.mul(spread, loadPart(noise + at, left))), left);
    }
  }
}

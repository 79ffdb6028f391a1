// ema — average[i] = decay average[i] + share p[i]
// shapes  p [P] f32; average [P] f32, read and written
// owns    unit: 1024 elements
// split   units
// order   no sums
// alias   none
// test    test/kernels/optim.test.ts  rtol 2e-7  at 1, 3, 31, 33, 1023, 1025, 2500
import { madd, splat } from "../lib/math";

const BLOCK: u32 = 1024;

/** args: count, decay, share; p, average */
export function ema(args: usize, from: u32, to: u32): void {
  const count = load<u32>(args);
  const decay = splat(load<f32>(args, 4));
  const share = splat(load<f32>(args, 8));
  const p = <usize>load<u32>(args, 12);
  const average = <usize>load<u32>(args, 16);
  let at = <usize>from * BLOCK << 2;
  const end = <usize>min(count, to * BLOCK) << 2;
  for (; at + 16 <= end; at += 16) {
    v128.store(average + at, madd(decay, v128.load(average + at), f32x4.mul(share, v128.load(p + at))));
  }
  for (; at < end; at += 4) {
    const next = madd(decay, v128.load32_splat(average + at), f32x4.mul(share, v128.load32_splat(p + at)));
    store<f32>(average + at, f32x4.extract_lane(next, 0));
  }
}

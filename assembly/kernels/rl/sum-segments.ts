// sum_segments — score[s] = sum_h r[s,h]
// shapes  r [S, H] f32; score [S] f32
// owns    unit: one segment
// split   units
// order   f32: four sums by h mod 4, added as a tree, then the tail in order of h
// alias   none
// test    test/kernels/bradley-terry.test.ts  rtol 2e-6  at 1x1, 3x31, 65x33, 257x3
import { sum4 } from "../lib/math";

/** args: segments, horizon; r, score */
export function sumSegments(args: usize, from: u32, to: u32): void {
  const horizon = load<u32>(args, 4);
  const r = <usize>load<u32>(args, 8);
  const score = <usize>load<u32>(args, 12);
  let at = r + (<usize>from * horizon << 2);
  for (let s = from; s < to; s++) {
    const end = at + (<usize>horizon << 2);
    let sums = f32x4.splat(0);
    for (; at + 16 <= end; at += 16) sums = f32x4.add(sums, v128.load(at));
    let sum = sum4(sums);
    for (; at < end; at += 4) sum += load<f32>(at);
    store<f32>(score + (<usize>s << 2), sum);
  }
}

// minimum_backward — dfirst[i] = scale d min(first[i], second[i]) / d first[i], dsecond[i] = scale - dfirst[i]; where both are equal each gets half
// shapes  first, second, dfirst, dsecond [N] f32
// owns    unit: 1024 elements
// split   units
// order   no sums
// alias   none
// test    test/kernels/q-learning.test.ts  equal bits  at 1, 3, 31, 33, 257, 1025, 2500
import { splat } from "../lib/math";
import { loadPart, storePart } from "../lib/tail";

const BLOCK: u32 = 1024;

/** args: count, scale; first, second, dfirst, dsecond */
export function minimumBackward(args: usize, from: u32, to: u32): void {
  const half = splat(0.5 * load<f32>(args, 4));
  const first = <usize>load<u32>(args, 8);
  const second = <usize>load<u32>(args, 12);
  const dfirst = <usize>load<u32>(args, 16);
  const dsecond = <usize>load<u32>(args, 20);
  const end = min(load<u32>(args), to * BLOCK);
  for (let i = from * BLOCK; i < end; i += 4) {
    const at = <usize>i << 2;
    const left = end - i;
    const a = loadPart(first + at, left);
    const b = loadPart(second + at, left);
    // Half of the scale where a <= b, half of it where a < b: both, one or none.
    storePart(dfirst + at, f32x4.add(v128.and(half, f32x4.le(a, b)), v128.and(half, f32x4.lt(a, b))), left);
    storePart(dsecond + at, f32x4.add(v128.and(half, f32x4.le(b, a)), v128.and(half, f32x4.lt(b, a))), left);
  }
}

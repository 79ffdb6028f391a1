// clamp_backward — dx[i] = dy[i] where -limit <= x[i] <= limit, else 0
// shapes  x, dy, dx [N] f32
// owns    unit: 1024 elements
// split   units
// order   no sums
// alias   none
// test    test/kernels/clamp.test.ts  equal bits  at 1, 3, 31, 33, 257, 1025, 2500
import { splat } from "../lib/math";
import { loadPart, storePart } from "../lib/tail";

const BLOCK: u32 = 1024;

/** args: count, limit; x, dy, dx */
export function clampBackward(args: usize, from: u32, to: u32): void {
  const limit = splat(load<f32>(args, 4));
  const x = <usize>load<u32>(args, 8);
  const dy = <usize>load<u32>(args, 12);
  const dx = <usize>load<u32>(args, 16);
  const end = min(load<u32>(args), to * BLOCK);
  for (let i = from * BLOCK; i < end; i += 4) {
    const at = <usize>i << 2;
    const isInside = f32x4.le(f32x4.abs(loadPart(x + at, end - i)), limit);
    storePart(dx + at, v128.and(loadPart(dy + at, end - i), isInside), end - i);
  }
}

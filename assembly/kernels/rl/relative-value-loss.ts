// relative_value_loss — loss[0] = -sum_i a[i] / S, da[i] = -scale / S, db[i] = 0, S = max(sum_i |b[i]|, 1e-12), (a, b) = (first, second), or (second, first) where swapped
// shapes  first, second, dfirst, dsecond [N] f32; loss [1] f32
// owns    unit: all
// split   none
// order   f32: four sums over i mod 4, then the lanes
// alias   none
// test    test/kernels/q-learning.test.ts  rtol 2e-6  at 1, 3, 31, 33, 257, 1025, 2500
import { splat } from "../lib/math";
import { sumLanes } from "../lib/sum";
import { loadPart, storePart } from "../lib/tail";

/** args: count, isSwapped, scale; first, second, dfirst, dsecond, loss */
export function relativeValueLoss(args: usize, from: u32, to: u32): void {
  if (from == to) return;
  const count = load<u32>(args);
  const isSwapped = load<u32>(args, 4) != 0;
  const first = <usize>load<u32>(args, 12);
  const second = <usize>load<u32>(args, 16);
  const dfirst = <usize>load<u32>(args, 20);
  const dsecond = <usize>load<u32>(args, 24);
  const a = isSwapped ? second : first;
  const b = isSwapped ? first : second;
  const da = isSwapped ? dsecond : dfirst;
  const db = isSwapped ? dfirst : dsecond;
  let values = splat(0);
  let magnitudes = splat(0);
  for (let i: u32 = 0; i < count; i += 4) {
    const at = <usize>i << 2;
    // Lanes behind the end are 0.
    values = f32x4.add(values, loadPart(a + at, count - i));
    magnitudes = f32x4.add(magnitudes, f32x4.abs(loadPart(b + at, count - i)));
  }
  const size = max<f32>(sumLanes(magnitudes), 1e-12);
  const slope = splat(-load<f32>(args, 8) / size);
  for (let i: u32 = 0; i < count; i += 4) {
    const at = <usize>i << 2;
    storePart(da + at, slope, count - i);
    storePart(db + at, splat(0), count - i);
  }
  store<f32>(<usize>load<u32>(args, 28), -sumLanes(values) / size);
}

// sum_parts — y[r, column + c] = sum_s parts[s, r, c]
// shapes  parts [S, R, C] f32; y [R, rowStride] f32, of which columns column .. column + C are written
// owns    unit: one row
// order   over s ascending, f32
// alias   none
// test    test/kernels/linear.test.ts  rtol 1e-6
import { splat } from "../lib/math";

/** args: parts, rows, columns, rowStride, column; parts, y */
export function sumParts(args: usize, from: u32, to: u32): void {
  const count = load<u32>(args);
  const columns = <usize>load<u32>(args, 8);
  const stride = <usize>load<u32>(args, 12) << 2;
  const part = (<usize>load<u32>(args, 4) * columns) << 2;
  const parts = <usize>load<u32>(args, 20);
  const y = <usize>load<u32>(args, 24) + (<usize>load<u32>(args, 16) << 2);
  for (let r = from; r < to; r++) {
    let source = parts + ((<usize>r * columns) << 2);
    let target = y + <usize>r * stride;
    let left = columns;
    for (; left >= 4; left -= 4) {
      let sum = splat(0);
      let at = source;
      for (let s: u32 = 0; s < count; s++, at += part) sum = f32x4.add(sum, v128.load(at));
      v128.store(target, sum);
      source += 16;
      target += 16;
    }
    for (; left > 0; left--) {
      let sum: f32 = 0;
      let at = source;
      for (let s: u32 = 0; s < count; s++, at += part) sum += load<f32>(at);
      store<f32>(target, sum);
      source += 4;
      target += 4;
    }
  }
}

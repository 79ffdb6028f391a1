// column_sum — out[c] = scale sum_r x[r stride + offset + c], c = 0 .. C - 1
// shapes  x [R, stride] f32; out [C] f32
// owns    unit: 64 columns
// split   columns
// order   f32: rows in order
// alias   none
// test    test/kernels/columns.test.ts  rtol 2e-6  at 1 to 257 rows of 1 to 65
import { splat } from "../lib/math";
import { loadPart, storePart } from "../lib/tail";

/** args: rows, columns, stride, offset, scale; x, out */
export function columnSum(args: usize, from: u32, to: u32): void {
  const rows = load<u32>(args);
  const end = min(load<u32>(args, 4), to * 64);
  const stride = <usize>load<u32>(args, 8) << 2;
  const x = <usize>load<u32>(args, 20) + (<usize>load<u32>(args, 12) << 2);
  const out = <usize>load<u32>(args, 24);
  const scale = v128.load32_splat(args, 16);
  for (let c = from * 64; c < end; c += 4) {
    const left = end - c;
    let at = x + (<usize>c << 2);
    let sum = splat(0);
    for (let r: u32 = 0; r < rows; r++) {
      sum = f32x4.add(sum, loadPart(at, left));
      at += stride;
    }
    storePart(out + (<usize>c << 2), f32x4.mul(scale, sum), left);
  }
}

// column_sum — out[k, c] = scale sum of x[r stride + offset + c], r in block k of blockRows, c = 0 .. C - 1
// shapes  x [R, stride] f32; out [ceil(R / blockRows), C] f32
// owns    unit: 64 columns of a block
// split   units
// order   f32: rows of a block in order
// alias   none
// test    test/kernels/columns.test.ts  rtol 2e-6  at 1 to 257 rows of 1 to 65
import { splat } from "../lib/math";
import { loadPart, storePart } from "../lib/tail";

/** args: rows, columns, stride, offset, blockRows, scale; x, out */
export function columnSum(args: usize, from: u32, to: u32): void {
  const rows = load<u32>(args);
  const columns = load<u32>(args, 4);
  const stride = <usize>load<u32>(args, 8) << 2;
  const blockRows = load<u32>(args, 16);
  const x = <usize>load<u32>(args, 24) + (<usize>load<u32>(args, 12) << 2);
  const out = <usize>load<u32>(args, 28);
  const scale = v128.load32_splat(args, 20);
  const strips = (columns + 63) / 64;
  for (let unit = from; unit < to; unit++) {
    const k = unit / strips;
    const start = (unit - k * strips) * 64;
    const end = min(columns, start + 64);
    const firstRow = k * blockRows;
    const lastRow = min(rows, firstRow + blockRows);
    for (let c = start; c < end; c += 4) {
      const left = end - c;
      let at = x + firstRow * stride + (<usize>c << 2);
      let sum = splat(0);
      for (let r = firstRow; r < lastRow; r++) {
        sum = f32x4.add(sum, loadPart(at, left));
        at += stride;
      }
      storePart(out + (<usize>(k * columns + c) << 2), f32x4.mul(scale, sum), left);
    }
  }
}

// copy_columns — dst[r, dstColumn + c] = src[r, srcColumn + c], c = 0 .. C - 1
// shapes  src [B, srcStride] f32; dst [B, dstStride] f32, other columns left as they are
// owns    unit: one row
// split   rows
// order   no sums
// alias   none
// test    test/kernels/columns.test.ts  equal bits  at 1 to 257 rows of 1 to 65
import { copyWords } from "../lib/tail";

/** args: rows, columns, srcStride, srcColumn, dstStride, dstColumn; src, dst */
export function copyColumns(args: usize, from: u32, to: u32): void {
  const columns = load<u32>(args, 4);
  const srcStride = <usize>load<u32>(args, 8) << 2;
  const dstStride = <usize>load<u32>(args, 16) << 2;
  let src = <usize>load<u32>(args, 24) + (<usize>load<u32>(args, 12) << 2) + <usize>from * srcStride;
  let dst = <usize>load<u32>(args, 28) + (<usize>load<u32>(args, 20) << 2) + <usize>from * dstStride;
  for (let r = from; r < to; r++) {
    copyWords(dst, src, columns);
    src += srcStride;
    dst += dstStride;
  }
}

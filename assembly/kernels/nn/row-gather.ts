// row_gather — out[r, c] = source[base + (i / divisor) quotientStride + (i % divisor) remainderStride, c], i = index[indexOffset + r]
// shapes  source [S, C] f32; index [indexOffset + R] u32; out [R, C] f32
// owns    unit: one row
// split   rows
// order   no sums
// alias   none
// test    test/kernels/columns.test.ts  equal bits  at 1 to 257 rows of 1 to 65
import { gatherRows } from "../lib/gather";

/** args: rows, width, sourceRows, indexOffset, divisor, quotientStride, remainderStride, base; source, index, out */
export function rowGather(args: usize, from: u32, to: u32): void {
  gatherRows(args, from, to);
}

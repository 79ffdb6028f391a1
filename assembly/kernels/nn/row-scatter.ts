// row_scatter — dst[min(index[r], S - 1), c] = src[r, c], r = 0 .. R - 1 in order: of rows for one place the last one stays
// shapes  src [R, C] f32; index [R] u32; dst [S, C] f32, other rows left as they are
// owns    unit: all
// split   none
// order   no sums; rows in order
// alias   none
// test    test/kernels/row-scatter.test.ts  equal bits  at 1 to 257 rows of 1 to 300
import { copyWords } from "../lib/tail";

/** args: rows, width, dstRows; src, index, dst */
export function rowScatter(args: usize, from: u32, to: u32): void {
  if (from == to) return;
  const rows = load<u32>(args);
  const width = load<u32>(args, 4);
  const last = load<u32>(args, 8) - 1;
  const src = <usize>load<u32>(args, 12);
  const index = <usize>load<u32>(args, 16);
  const dst = <usize>load<u32>(args, 20);
  for (let r: u32 = 0; r < rows; r++) {
    const row = min(load<u32>(index + (<usize>r << 2)), last);
    copyWords(dst + (<usize>row * width << 2), src + (<usize>r * width << 2), width);
  }
}

// pair_sum — y[n,b,c] = f(first[start + n, c] + second[b,c])
// shapes  first [start + N, C] f32; second [B, C] f32; y [N, B, C] f32
// owns    unit: one row (n, b)
// order   no sums
// alias   none
// test    test/kernels/pair-sum.test.ts  rtol 1e-6  at 1 to 33 rows of 1 to 65
import { activate4, MISH, mish4 } from "../lib/activation";
import { loadPart, storePart } from "../lib/tail";

/** args: start, firstRows, secondRows, columns, activation; first, second, y */
export function pairSum(args: usize, from: u32, to: u32): void {
  const secondRows = load<u32>(args, 8);
  const columns = load<u32>(args, 12);
  const kind = load<u32>(args, 16);
  const stride = <usize>columns << 2;
  let y = <usize>load<u32>(args, 28) + from * stride;
  for (let row = from; row < to; row++) {
    const n = row / secondRows;
    const first = <usize>load<u32>(args, 20) + (load<u32>(args) + n) * stride;
    const second = <usize>load<u32>(args, 24) + (row - n * secondRows) * stride;
    for (let c: u32 = 0; c < columns; c += 4) {
      const at = <usize>c << 2;
      const left = columns - c;
      const sum = f32x4.add(loadPart(first + at, left), loadPart(second + at, left));
      storePart(y + at, kind == MISH ? mish4(sum) : activate4(kind, sum), left);
    }
    y += stride;
  }
}

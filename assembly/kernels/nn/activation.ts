// activation — y[n] = f_kind(x[n])
// shapes  x [N] f32; y [N] f32
// owns    unit: one row of `columns` elements
// split   rows
// order   no sums
// alias   none
// test    test/kernels/activation.test.ts  rtol 2e-6 atol 2e-6
import { activate4 } from "../lib/activation";

/** args: rows, columns, kind; x, y */
export function activation(args: usize, from: u32, to: u32): void {
  const columns = load<u32>(args, 4);
  const kind = load<u32>(args, 8);
  const x = <usize>load<u32>(args, 12);
  const y = <usize>load<u32>(args, 16);
  const end = (<usize>to * columns) << 2;
  let at = (<usize>from * columns) << 2;
  for (; at + 16 <= end; at += 16) v128.store(y + at, activate4(kind, v128.load(x + at)));
  for (; at < end; at += 4) store<f32>(y + at, f32x4.extract_lane(activate4(kind, f32x4.splat(load<f32>(x + at))), 0));
}

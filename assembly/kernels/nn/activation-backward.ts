// activation_backward — dx[n] = dy[n] f'_kind(x[n])
// shapes  x [N] f32; dy [N] f32; dx [N] f32
// owns    unit: one row of `columns` elements
// split   rows
// order   no sums
// alias   none
// test    test/kernels/activation.test.ts  rtol 4e-6 atol 4e-6
import { activationSlope4 } from "../lib/activation";

/** args: rows, columns, kind; x, dy, dx */
export function activationBackward(args: usize, from: u32, to: u32): void {
  const columns = load<u32>(args, 4);
  const kind = load<u32>(args, 8);
  const x = <usize>load<u32>(args, 12);
  const dy = <usize>load<u32>(args, 16);
  const dx = <usize>load<u32>(args, 20);
  const end = (<usize>to * columns) << 2;
  let at = (<usize>from * columns) << 2;
  for (; at + 16 <= end; at += 16) {
    v128.store(dx + at, f32x4.mul(v128.load(dy + at), activationSlope4(kind, v128.load(x + at))));
  }
  for (; at < end; at += 4) {
    const slope = f32x4.extract_lane(activationSlope4(kind, f32x4.splat(load<f32>(x + at))), 0);
    store<f32>(dx + at, load<f32>(dy + at) * slope);
  }
}

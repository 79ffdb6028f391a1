// linear — y[b,o] = sum_i x[b,i] W[o,i] + bias[o] + addend[b,o]; activated[b,o] = f(y[b,o])
// shapes  x [B, I] f32; packed [ceil(O / 8), I, 8] f32 (linear_pack); bias [O] f32, addend [B, O] f32, both optional;
//         y [B, O] f32, activated [B, O] f32, either optional
// owns    unit: one row
// order   over i ascending, f32; then the bias, then the addend
// alias   none
// test    test/kernels/linear.test.ts  rtol 2e-6
import { follow, multiply } from "../lib/product";

/** args: rows, inFeatures, outFeatures, activation, hasBias, hasAddend, writesY, writesActivated; x, packed, bias, addend, y, activated */
export function linear(args: usize, from: u32, to: u32): void {
  const depth = <usize>load<u32>(args, 4);
  const columns = <usize>load<u32>(args, 8);
  follow(
    columns, columns << 2, load<u32>(args, 40), 0, 0, load<u32>(args, 44), load<u32>(args, 48), load<u32>(args, 52), load<u32>(args, 12),
  );
  multiply(load<u32>(args, 32), depth << 2, load<u32>(args, 36), depth << 5, depth, from, to, load<u32>(args, 56));
}

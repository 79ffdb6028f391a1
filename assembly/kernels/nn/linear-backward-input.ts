// linear_backward_input — dx[b,i] = (sum_o dy[b,o] W[o,i]) f'(pre[b,i]) + addend[b,i]
// shapes  dy [B, O] f32; packed [ceil(I / 8), O, 8] f32 (linear_pack, transposed); pre [B, I] f32, addend [B, I] f32,
//         both optional; dx [B, I] f32
// owns    unit: one row
// order   over o ascending, f32
// alias   none
// test    test/kernels/linear.test.ts  rtol 2e-6
import { follow, multiply } from "../lib/product";

/** args: rows, inFeatures, outFeatures, activation, hasPre, hasAddend; dy, packed, pre, addend, dx */
export function linearBackwardInput(args: usize, from: u32, to: u32): void {
  const columns = <usize>load<u32>(args, 4);
  const depth = <usize>load<u32>(args, 8);
  follow(columns, columns << 2, 0, load<u32>(args, 32), load<u32>(args, 12), load<u32>(args, 36), load<u32>(args, 40), 0, 0);
  multiply(load<u32>(args, 24), depth << 2, load<u32>(args, 28), depth << 5, depth, from, to, load<u32>(args, 44));
}

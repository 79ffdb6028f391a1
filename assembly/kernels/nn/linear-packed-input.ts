// linear_packed_input — y[b,o] = sum_i x[b,i] W[o, column + i] + bias[o] + addend[b,o]; activated[b,o] = f(y[b,o])
// shapes  packed [ceil(B / 8), I, 8] f32 (linear_pack of x [B, I]); weight [O, rowStride] f32, of which columns
//         column .. column + I; bias [O] f32, addend [B, O] f32, both optional; y [B, O] f32, activated [B, O] f32, either
//         optional
// owns    unit: one column of y
// order   over i ascending, f32; then the bias, then the addend
// alias   none
// test    test/kernels/linear.test.ts  rtol 2e-6
//
// linear with its factors exchanged, y^T = W x^T: rows of W are read in place, in order, and it is x that is packed, which is
// less work where rows are few.
import { followTurned, multiply } from "../lib/product";

/** args: rows, inFeatures, outFeatures, rowStride, column, activation, hasBias, hasAddend, writesY, writesActivated; packed, weight, bias, addend, y, activated */
export function linearPackedInput(args: usize, from: u32, to: u32): void {
  const depth = <usize>load<u32>(args, 4);
  const weight = <usize>load<u32>(args, 44) + (<usize>load<u32>(args, 16) << 2);
  followTurned(
    load<u32>(args), <usize>load<u32>(args, 8) << 2, load<u32>(args, 48), load<u32>(args, 52), load<u32>(args, 56), load<u32>(args, 60),
    load<u32>(args, 20),
  );
  multiply(weight, <usize>load<u32>(args, 12) << 2, load<u32>(args, 40), depth << 5, depth, from, to, load<u32>(args, 64));
}

// linear_backward_input_unpacked — dx[b,i] = (sum_o dy[b,o] W[o, column + i]) f'(pre[b,i]) + addend[b,i]
// shapes  dy [B, O] f32; weight [O, rowStride] f32, of which columns column .. column + I; pre [B, I] f32, addend [B, I] f32,
//         both optional; dx [B, I] f32; scratch [ceil(I / 16), O, 16] f32
// owns    unit: 16 columns of dx
// order   over o ascending, f32
// alias   none
// test    test/kernels/linear.test.ts  rtol 2e-6
//
// linear_backward_input for few rows: a thread packs columns of W when their turn comes, two panels, which are whole lines of
// the cache, and multiplies all rows with them while they are near.
import { pack } from "../lib/pack";
import { follow, multiplyPanels } from "../lib/product";

/** Columns of a unit. */
const WIDTH: usize = 16;

/** Two whole panels: `pack` of 16 columns, a line of the cache a row. */
function packPair(source: usize, stride: usize, rows: usize, packed: usize, step: usize): void {
  for (let k: usize = 0; k < rows; k++) {
    v128.store(packed, v128.load(source));
    v128.store(packed, v128.load(source, 16), 16);
    v128.store(packed + step, v128.load(source, 32));
    v128.store(packed + step, v128.load(source, 48), 16);
    source += stride;
    packed += 32;
  }
}

/** args: rows, inFeatures, outFeatures, rowStride, column, activation, hasPre, hasAddend; dy, weight, pre, addend, dx, scratch */
export function linearBackwardInputUnpacked(args: usize, from: u32, to: u32): void {
  const columns = <usize>load<u32>(args, 4);
  const depth = <usize>load<u32>(args, 8);
  const stride = <usize>load<u32>(args, 12) << 2;
  const weight = <usize>load<u32>(args, 36) + (<usize>load<u32>(args, 16) << 2);
  const step = depth << 5;
  const panels = <usize>load<u32>(args, 52) + from * (step << 1);
  follow(columns, columns << 2, 0, load<u32>(args, 40), load<u32>(args, 20), load<u32>(args, 44), load<u32>(args, 48), 0, 0);
  for (let column = from * WIDTH; column < min<usize>(to * WIDTH, columns); column += WIDTH) {
    const end = min<usize>(column + WIDTH, columns);
    if (end - column == WIDTH) packPair(weight + (column << 2), stride, depth, panels, step);
    else pack(weight + (column << 2), stride, depth, end - column, 8, panels, step);
    multiplyPanels(load<u32>(args, 32), depth << 2, panels, step, depth, 0, load<u32>(args), column, end, load<u32>(args, 56));
  }
}

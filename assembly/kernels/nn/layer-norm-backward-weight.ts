// layer_norm_backward_weight — partials[k, 0, c] = sum of dy[b, c] (x[b, c] - mean_b) rstd_b, partials[k, 1, c] = sum of dy[b, c], b in block k of 64
// shapes  dy [B, C] f32; x [B, C] f32; moments [B, 2] f32 = (mean_b, rstd_b); partials [ceil(B / 64), 2, C] f32
// owns    unit: one block of 64 rows
// split   blocks
// order   f32: rows of the block in order; column_sum adds the blocks in order
// alias   none
// test    test/kernels/layer-norm.test.ts  rtol 4e-6  at 1 to 257 rows of 1 to 513
import { madd, splat } from "../lib/math";
import { loadPart, storePart } from "../lib/tail";

/** args: rows, columns; dy, x, moments, partials */
export function layerNormBackwardWeight(args: usize, from: u32, to: u32): void {
  const rows = load<u32>(args);
  const columns = load<u32>(args, 4);
  const dy = <usize>load<u32>(args, 8);
  const x = <usize>load<u32>(args, 12);
  const moments = <usize>load<u32>(args, 16);
  const partials = <usize>load<u32>(args, 20);
  for (let k = from; k < to; k++) {
    const end = min(rows, k * 64 + 64);
    for (let c: u32 = 0; c < columns; c += 4) {
      const left = columns - c;
      let weightSum = splat(0);
      let biasSum = splat(0);
      for (let b = k * 64; b < end; b++) {
        const at = <usize>(b * columns + c) << 2;
        const mean = v128.load32_splat(moments + (<usize>b << 3));
        const rstd = v128.load32_splat(moments + (<usize>b << 3), 4);
        const g = loadPart(dy + at, left);
        weightSum = madd(g, f32x4.mul(f32x4.sub(loadPart(x + at, left), mean), rstd), weightSum);
        biasSum = f32x4.add(biasSum, g);
      }
      storePart(partials + (<usize>(2 * k * columns + c) << 2), weightSum, left);
      storePart(partials + (<usize>((2 * k + 1) * columns + c) << 2), biasSum, left);
    }
  }
}

// layer_norm_backward — dx[b, c] = rstd_b (g - mean_c g - n mean_c (g n)) + addend[b, c], g = dy[b, c] weight[c], n = (x[b, c] - mean_b) rstd_b
// shapes  dy [B, C] f32; x [B, C] f32; weight [C] f32; moments [B, 2] f32 = (mean_b, rstd_b); addend (optional), dx [B, C] f32
// owns    unit: one row
// split   rows
// order   f32: four lanes over columns mod 4, then the lanes
// alias   none
// test    test/kernels/layer-norm.test.ts  rtol 4e-6  at 1 to 257 rows of 1 to 513
import { madd, nmadd, splat } from "../lib/math";
import { sumLanes } from "../lib/sum";
import { loadPart, storePart } from "../lib/tail";

/** args: rows, columns, hasAddend; dy, x, weight, moments, addend, dx */
export function layerNormBackward(args: usize, from: u32, to: u32): void {
  const columns = load<u32>(args, 4);
  const hasAddend = load<u32>(args, 8);
  const weight = <usize>load<u32>(args, 20);
  const moments = <usize>load<u32>(args, 24);
  for (let b = from; b < to; b++) {
    const row = <usize>(b * columns) << 2;
    const dy = <usize>load<u32>(args, 12) + row;
    const x = <usize>load<u32>(args, 16) + row;
    const addend = <usize>load<u32>(args, 28) + row;
    const dx = <usize>load<u32>(args, 32) + row;
    const mean = splat(load<f32>(moments + (<usize>b << 3)));
    const rstd = splat(load<f32>(moments + (<usize>b << 3), 4));
    let sumG = splat(0);
    let sumGN = splat(0);
    for (let c: u32 = 0; c < columns; c += 4) {
      const at = <usize>c << 2;
      const left = columns - c;
      // Lanes beyond the row hold g = 0 and add nothing.
      const g = f32x4.mul(loadPart(dy + at, left), loadPart(weight + at, left));
      sumG = f32x4.add(sumG, g);
      sumGN = madd(g, f32x4.mul(f32x4.sub(loadPart(x + at, left), mean), rstd), sumGN);
    }
    const meanG = splat(sumLanes(sumG) / <f32>columns);
    const meanGN = splat(sumLanes(sumGN) / <f32>columns);
    for (let c: u32 = 0; c < columns; c += 4) {
      const at = <usize>c << 2;
      const left = columns - c;
      const n = f32x4.mul(f32x4.sub(loadPart(x + at, left), mean), rstd);
      const g = f32x4.mul(loadPart(dy + at, left), loadPart(weight + at, left));
      let d = f32x4.mul(rstd, nmadd(n, meanGN, f32x4.sub(g, meanG)));
      if (hasAddend) d = f32x4.add(d, loadPart(addend + at, left));
      storePart(dx + at, d, left);
    }
  }
}

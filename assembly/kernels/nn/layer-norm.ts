// layer_norm — y[b, c] = (x[b, c] - mean_b) rstd_b weight[c] + bias[c], rstd_b = 1 / sqrt(mean_c (x[b, c] - mean_b)^2 + epsilon)
// shapes  x [B, C] f32; weight [C] f32; bias [C] f32; y [B, C] f32; moments [B, 2] f32 = (mean_b, rstd_b)
// owns    unit: one row
// split   rows
// order   f32: four lanes over columns mod 4, then the lanes; the variance after the mean
// alias   none
// test    test/kernels/layer-norm.test.ts  rtol 2e-6  at 1 to 257 rows of 1 to 513
import { madd, splat } from "../lib/math";
import { sumLanes } from "../lib/sum";
import { firstLanes, loadPart, storePart } from "../lib/tail";

/** args: rows, columns, epsilon; x, weight, bias, y, moments */
export function layerNorm(args: usize, from: u32, to: u32): void {
  const columns = load<u32>(args, 4);
  const epsilon = load<f32>(args, 8);
  const weight = <usize>load<u32>(args, 16);
  const bias = <usize>load<u32>(args, 20);
  const moments = <usize>load<u32>(args, 28);
  for (let b = from; b < to; b++) {
    const x = <usize>load<u32>(args, 12) + (<usize>(b * columns) << 2);
    const y = <usize>load<u32>(args, 24) + (<usize>(b * columns) << 2);
    let sum = splat(0);
    for (let c: u32 = 0; c < columns; c += 4) sum = f32x4.add(sum, loadPart(x + (<usize>c << 2), columns - c));
    const mean = sumLanes(sum) / <f32>columns;
    const mean4 = splat(mean);
    let squares = splat(0);
    for (let c: u32 = 0; c < columns; c += 4) {
      const left = columns - c;
      const d = v128.and(f32x4.sub(loadPart(x + (<usize>c << 2), left), mean4), firstLanes(left));
      squares = madd(d, d, squares);
    }
    const rstd: f32 = <f32>1 / sqrt<f32>(sumLanes(squares) / <f32>columns + epsilon);
    const rstd4 = splat(rstd);
    for (let c: u32 = 0; c < columns; c += 4) {
      const at = <usize>c << 2;
      const left = columns - c;
      const n = f32x4.mul(f32x4.sub(loadPart(x + at, left), mean4), rstd4);
      storePart(y + at, madd(n, loadPart(weight + at, left), loadPart(bias + at, left)), left);
    }
    store<f32>(moments + (<usize>b << 3), mean);
    store<f32>(moments + (<usize>b << 3), rstd, 4);
  }
}

// mixture_sample — m = the first component with sum_{k <= m} w_k > u[b] (the last where rounding leaves none), w = softmax(logits[b]);
//           out[b, c] = mean[b, m, c] + exp(logStd[b, m, c]) z[b, c]
// shapes  logits [B, M]; mean, logStd [B, M, C]; u [B]; z, out [B, C] f32; M <= 16
// owns    unit: one row
// split   rows
// order   f32 over m in order
// alias   none
// test    test/kernels/stochastic-heads.test.ts  rtol 2e-6  at 1 to 257 rows, 1 to 16 components
import { exp4, madd } from "../lib/math";
import { exp1 } from "../lib/mixture";
import { loadPart, storePart } from "../lib/tail";

/** args: rows, components, width; logits, mean, logStd, u, z, out */
export function mixtureSample(args: usize, from: u32, to: u32): void {
  const components = load<u32>(args, 4);
  const width = load<u32>(args, 8);
  const logits = <usize>load<u32>(args, 12);
  const mean = <usize>load<u32>(args, 16);
  const logStd = <usize>load<u32>(args, 20);
  const u = <usize>load<u32>(args, 24);
  const z = <usize>load<u32>(args, 28);
  const out = <usize>load<u32>(args, 32);
  for (let b = from; b < to; b++) {
    const first = logits + (<usize>(b * components) << 2);
    let top: f32 = -3.4e38;
    for (let m: u32 = 0; m < components; m++) top = max(top, load<f32>(first + (<usize>m << 2)));
    let mass: f32 = 0;
    for (let m: u32 = 0; m < components; m++) mass += exp1(load<f32>(first + (<usize>m << 2)) - top);
    const target = load<f32>(u + (<usize>b << 2)) * mass;
    let chosen = components - 1;
    let cumulated: f32 = 0;
    for (let m: u32 = 0; m < components; m++) {
      cumulated += exp1(load<f32>(first + (<usize>m << 2)) - top);
      if (cumulated > target) {
        chosen = m;
        break;
      }
    }
    const row = <usize>((b * components + chosen) * width) << 2;
    const outRow = <usize>(b * width) << 2;
    for (let c: u32 = 0; c < width; c += 4) {
      const left = width - c;
      const at = <usize>c << 2;
      const value = madd(exp4(loadPart(logStd + row + at, left)), loadPart(z + outRow + at, left), loadPart(mean + row + at, left));
      storePart(out + outRow + at, value, left);
    }
  }
}

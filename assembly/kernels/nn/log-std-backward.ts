// log_std_backward — dSource[b, w] = dLogStd[b, w] slope; kind 2: slope = (high - low)(1 - tanh(source)^2) / 4;
//           kind 3: slope = 1/2 where low <= source <= high, else 0
// shapes  source [B, W] f32; dLogStd [B, W] f32; dSource [B, W] f32
// owns    unit: one row
// split   rows
// order   no sums
// alias   none
// test    test/kernels/stochastic-heads.test.ts  atol 2e-6  at 1 to 257 rows
import { splat, tanh4 } from "../lib/math";
import { loadPart, storePart } from "../lib/tail";

/** args: rows, width, kind, low, high; source, dLogStd, dSource */
export function logStdBackward(args: usize, from: u32, to: u32): void {
  const width = load<u32>(args, 4);
  const kind = load<u32>(args, 8);
  const low = load<f32>(args, 12);
  const high = load<f32>(args, 16);
  const source = <usize>load<u32>(args, 20);
  const dLogStd = <usize>load<u32>(args, 24);
  const dSource = <usize>load<u32>(args, 28);
  const end = to * width;
  for (let n = from * width; n < end; n += 4) {
    const left = end - n;
    const at = <usize>n << 2;
    const value = loadPart(source + at, left);
    let slope: v128;
    if (kind == 2) {
      const t = tanh4(value);
      slope = f32x4.mul(splat(<f32>0.25 * (high - low)), f32x4.sub(splat(1.0), f32x4.mul(t, t)));
    } else {
      const isInside = v128.and(f32x4.ge(value, splat(low)), f32x4.le(value, splat(high)));
      slope = v128.and(isInside, splat(0.5));
    }
    storePart(dSource + at, f32x4.mul(loadPart(dLogStd + at, left), slope), left);
  }
}

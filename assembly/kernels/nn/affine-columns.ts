// affine_columns — dst[dstOffset + r dstStride + c] = clamp(scale[c mod Q] src[srcOffset + r srcStride + c] + shift[c mod Q], -limit, limit)
// shapes  src, dst [.., stride] f32, other elements of dst left as they are; scale, shift [Q] f32, both or neither
// owns    unit: one row
// split   rows
// order   no sums
// alias   none
// test    test/kernels/affine-columns.test.ts  rtol 1e-6 atol 1e-6, a plain copy equal bits  at 1 to 257 rows of 1 to 65
import { copyWords } from "../lib/tail";

/** args: rows, columns, period, srcOffset, srcStride, dstOffset, dstStride, hasMap, limit; src, scale, shift, dst */
export function affineColumns(args: usize, from: u32, to: u32): void {
  const columns = load<u32>(args, 4);
  const period = load<u32>(args, 8);
  const srcStride = <usize>load<u32>(args, 16) << 2;
  const dstStride = <usize>load<u32>(args, 24) << 2;
  const hasMap = load<u32>(args, 28) != 0;
  const limit = load<f32>(args, 32);
  const scale = <usize>load<u32>(args, 40);
  const shift = <usize>load<u32>(args, 44);
  let src = <usize>load<u32>(args, 36) + (<usize>load<u32>(args, 12) << 2) + <usize>from * srcStride;
  let dst = <usize>load<u32>(args, 48) + (<usize>load<u32>(args, 20) << 2) + <usize>from * dstStride;
  for (let r = from; r < to; r++) {
    if (hasMap) {
      let q: u32 = 0;
      for (let c: u32 = 0; c < columns; c++) {
        const at = <usize>c << 2;
        const place = <usize>q << 2;
        const x = load<f32>(scale + place) * load<f32>(src + at) + load<f32>(shift + place);
        store<f32>(dst + at, min<f32>(max<f32>(x, -limit), limit));
        if (++q == period) q = 0;
      }
    } else {
      copyWords(dst, src, columns);
    }
    src += srcStride;
    dst += dstStride;
  }
}

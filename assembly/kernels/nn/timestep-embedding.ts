// timestep_embedding — out[b, j] = sin(t[b] w_j), out[b, h + j] = cos(t[b] w_j), w_j = 10000^(-j / (h - 1)), h = D / 2
// shapes  t [B] u32; frequencies [h] u32 = round(2^32 w_j / 2 pi); out [B, D] f32
// owns    unit: one row
// split   rows
// order   no sums
// alias   none
// test    test/kernels/timestep-embedding.test.ts  atol 2e-6  at t up to 1000, D 4 to 66

// t w_j is counted in turns of 2^32: the product of two u32 drops whole turns exactly, so a large t costs no accuracy.
import { splat } from "../lib/math";
import { loadPart, storePart } from "../lib/tail";
import { cosine, sine, sineCosineTurns4 } from "../lib/trigonometry";

/** args: rows, dim; t, frequencies, out */
export function timestepEmbedding(args: usize, from: u32, to: u32): void {
  const h = load<u32>(args, 4) / 2;
  const t = <usize>load<u32>(args, 8);
  const frequencies = <usize>load<u32>(args, 12);
  const out = <usize>load<u32>(args, 16);
  for (let b = from; b < to; b++) {
    const time = i32x4.splat(load<i32>(t + (<usize>b << 2)));
    const row = out + (<usize>(b * h) << 3);
    for (let j: u32 = 0; j < h; j += 4) {
      const angle = i32x4.mul(time, loadPart(frequencies + (<usize>j << 2), h - j));
      // Signed: turns in [-1/2, 1/2), where floats are finest around 0.
      sineCosineTurns4(f32x4.mul(f32x4.convert_i32x4_s(angle), splat(2.3283064365386963e-10)));
      storePart(row + (<usize>j << 2), sine, h - j);
      storePart(row + (<usize>(h + j) << 2), cosine, h - j);
    }
  }
}

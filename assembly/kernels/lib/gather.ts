/** Rows of 32-bit words, whatever they mean: the body of row_gather and row_gather_u32. */
import { copyWords } from "./tail";

/**
 * out[r] = source[base + (i / divisor) quotientStride + (i % divisor) remainderStride], i = index[indexOffset + r]; a row
 * beyond the source reads its last row.
 */
export function gatherRows(args: usize, from: u32, to: u32): void {
  const width = load<u32>(args, 4);
  const last = load<u32>(args, 8) - 1;
  const divisor = load<u32>(args, 16);
  const quotientStride = load<u32>(args, 20);
  const remainderStride = load<u32>(args, 24);
  const base = load<u32>(args, 28);
  const source = <usize>load<u32>(args, 32);
  const index = <usize>load<u32>(args, 36) + (<usize>load<u32>(args, 12) << 2);
  const out = <usize>load<u32>(args, 40);
  for (let r = from; r < to; r++) {
    const i = load<u32>(index + (<usize>r << 2));
    const quotient = i / divisor;
    const row = min(last, base + quotient * quotientStride + (i - quotient * divisor) * remainderStride);
    copyWords(out + (<usize>(r * width) << 2), source + (<usize>(row * width) << 2), width);
  }
}

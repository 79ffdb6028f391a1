/**
 * Packing of neighbouring columns, so that a product's inner loop reads memory in order.
 */

/** packed[p][b][l] = source[b, lanes p + l], lanes = 4, 6 or 8, 0 from `columns` on: whole rows at a time, which is how they lie in memory. */
export function pack(source: usize, stride: usize, rows: usize, columns: usize, lanes: usize, packed: usize, step: usize): void {
  const width = lanes << 2;
  const whole = columns / lanes;
  const rest = columns - whole * lanes;
  for (let b: usize = 0; b < rows; b++) {
    let from = source;
    let to = packed;
    if (lanes == 8) {
      for (let p: usize = 0; p < whole; p++, from += 32, to += step) {
        v128.store(to, v128.load(from));
        v128.store(to, v128.load(from, 16), 16);
      }
    } else {
      for (let p: usize = 0; p < whole; p++, from += width, to += step) {
        v128.store(to, v128.load(from));
        if (lanes == 6) store<u64>(to, load<u64>(from, 16), 16);
      }
    }
    if (rest > 0) {
      for (let l: usize = 0; l < lanes; l++) store<f32>(to + (l << 2), l < rest ? load<f32>(from + (l << 2)) : 0);
    }
    source += stride;
    packed += width;
  }
}

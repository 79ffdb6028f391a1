// row_counts — counts[s] = number of i = 0 .. R - 1 with floor(index[offset + i] / divisor) = s
// shapes  index [.., R] u32; counts [S] f32
// owns    unit: all counts
// split   one unit
// order   whole numbers
// alias   none
// test    test/kernels/row-counts.test.ts  equal bits  at 1 to 700 indices of 1 to 300 rows

/** args: rows, count, offset, divisor; index, counts */
export function rowCounts(args: usize, _from: u32, _to: u32): void {
  const rows = load<u32>(args);
  const count = load<u32>(args, 4);
  const divisor = load<u32>(args, 12);
  const index = <usize>load<u32>(args, 16) + (<usize>load<u32>(args, 8) << 2);
  const counts = <usize>load<u32>(args, 20);
  memory.fill(counts, 0, <usize>rows << 2);
  for (let i: u32 = 0; i < count; i++) {
    const row = load<u32>(index + (<usize>i << 2)) / divisor;
    if (row >= rows) continue;
    const place = counts + (<usize>row << 2);
    store<f32>(place, load<f32>(place) + 1);
  }
}

// loss_statistics — statistics[at + c] = sum_b partials[c,b] / divisor, c < columns; stop = 1 where statistics[at + watched] > limit; nothing where stop is set
// shapes  partials [columns, blocks] f32; statistics [at + columns or more] f32, those columns written; stop [1] u32, optional, read and written
// owns    unit: all
// split   one unit
// order   f64, in order of b
// alias   none
// test    test/kernels/ppo-loss.test.ts  rtol 2e-6  at 1, 3, 257, 600 blocks

/** args: columns, blocks, divisor, at, watched, limit, hasStop; partials, statistics, stop */
export function lossStatistics(args: usize, from: u32, to: u32): void {
  const columns = load<u32>(args);
  const blocks = load<u32>(args, 4);
  const divisor = <f64>load<f32>(args, 8);
  const watched = load<u32>(args, 16);
  const limit = load<f32>(args, 20);
  const hasStop = load<u32>(args, 24) != 0;
  let partial = <usize>load<u32>(args, 28);
  const statistics = <usize>load<u32>(args, 32) + (<usize>load<u32>(args, 12) << 2);
  const stop = <usize>load<u32>(args, 36);
  if (hasStop && load<u32>(stop) != 0) return;
  for (let c: u32 = 0; c < columns; c++) {
    let sum: f64 = 0;
    for (let b: u32 = 0; b < blocks; b++, partial += 4) sum += <f64>load<f32>(partial);
    const mean = <f32>(sum / divisor);
    store<f32>(statistics + (<usize>c << 2), mean);
    if (hasStop && c == watched && mean > limit) store<u32>(stop, 1);
  }
}

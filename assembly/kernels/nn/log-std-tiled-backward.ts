// log_std_tiled_backward — dLogVariance[m, a] = sum over b, h of dLogStd[b, (m H + h) A + a] / 2 where low <= logVariance[m, a] <= high, else 0
// shapes  logVariance [M, A] f32; dLogStd [B, W] f32, W = M H A; dLogVariance [M, A] f32
// owns    unit: one element of the result
// split   elements of the result
// order   f64 over rows, then over h, in order; rounded once
// alias   none
// test    test/kernels/stochastic-heads.test.ts  rtol 4e-6  at 1 to 257 rows, 1 to 5 modes

/** args: rows, width, actionSize, perMode, low, high; logVariance, dLogStd, dLogVariance */
export function logStdTiledBackward(args: usize, from: u32, to: u32): void {
  const rows = load<u32>(args);
  const width = load<u32>(args, 4);
  const actionSize = load<u32>(args, 8);
  const perMode = load<u32>(args, 12);
  const low = load<f32>(args, 16);
  const high = load<f32>(args, 20);
  const logVariance = <usize>load<u32>(args, 24);
  const dLogStd = <usize>load<u32>(args, 28);
  const dLogVariance = <usize>load<u32>(args, 32);
  for (let element = from; element < to; element++) {
    const first = (element / actionSize) * perMode + (element % actionSize);
    let sum: f64 = 0;
    for (let b: u32 = 0; b < rows; b++) {
      const row = dLogStd + (<usize>(b * width + first) << 2);
      for (let h: u32 = 0; h < perMode; h += actionSize) sum += <f64>load<f32>(row + (<usize>h << 2));
    }
    const value = load<f32>(logVariance + (<usize>element << 2));
    store<f32>(dLogVariance + (<usize>element << 2), value >= low && value <= high ? <f32>(0.5 * sum) : <f32>0);
  }
}

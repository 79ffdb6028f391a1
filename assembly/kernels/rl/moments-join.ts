// moments_join — result = [m, sqrt(q / (N - 1))], m = sum_b n_b mean[b] / N, q = sum_b squares[b] + n_b (mean[b] - m)^2; deviation 0 for N = 1
// shapes  partials [2, blocks] f32 of moments, blocks = ceil(N / 1024), n_b entries in block b; result [2] f32
// owns    unit: all
// split   one unit
// order   f64, in order of b
// alias   none
// test    test/kernels/advantages.test.ts  rtol 2e-6  at 1, 3, 1025, 5000, 600000

const BLOCK: u32 = 1024;

/** args: count; partials, result */
export function momentsJoin(args: usize, from: u32, to: u32): void {
  const count = load<u32>(args);
  const means = <usize>load<u32>(args, 4);
  const result = <usize>load<u32>(args, 8);
  const blocks = (count + BLOCK - 1) / BLOCK;
  const insides = means + (<usize>blocks << 2);
  let sum: f64 = 0;
  for (let b: u32 = 0; b < blocks; b++) {
    sum += <f64>load<f32>(means + (<usize>b << 2)) * <f64>min(count - b * BLOCK, BLOCK);
  }
  const mean = sum / <f64>count;
  let squares: f64 = 0;
  for (let b: u32 = 0; b < blocks; b++) {
    const away = <f64>load<f32>(means + (<usize>b << 2)) - mean;
    squares += <f64>load<f32>(insides + (<usize>b << 2)) + <f64>min(count - b * BLOCK, BLOCK) * away * away;
  }
  store<f32>(result, <f32>mean);
  store<f32>(result, count > 1 ? <f32>sqrt(squares / <f64>(count - 1)) : 0, 4);
}

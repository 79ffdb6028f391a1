// reward_statistics — joins mean and variance of a batch of E N returns to state = [mean, variance, count, 1 / sqrt(variance + 1e-8)]
//       b = E N, m = mean_e mean[e], q = sum_e squares[e] + N sum_e (mean[e] - m)^2, d = m - mean, total = count + b
//       mean += d b / total; variance = (variance count + q + d^2 count b / total) / (total - 1); count = total
// shapes  partials [2, E] f32: mean and squares of discounted_returns; state [4] f32, read and written
// owns    unit: all
// split   one unit
// order   f64, in order of e
// alias   none
// test    test/kernels/reward-scale.test.ts  rtol 4e-6  at 1, 3, 33, 257, 600 environments

/** args: steps, envs; partials, state */
export function rewardStatistics(args: usize, from: u32, to: u32): void {
  const steps = load<u32>(args);
  const envs = load<u32>(args, 4);
  const means = <usize>load<u32>(args, 8);
  const state = <usize>load<u32>(args, 12);
  const insides = means + (<usize>envs << 2);
  let sum: f64 = 0;
  for (let e: u32 = 0; e < envs; e++) sum += <f64>load<f32>(means + (<usize>e << 2));
  const batchMean = sum / <f64>envs;
  let squares: f64 = 0;
  for (let e: u32 = 0; e < envs; e++) {
    const away = <f64>load<f32>(means + (<usize>e << 2)) - batchMean;
    squares += <f64>load<f32>(insides + (<usize>e << 2)) + <f64>steps * away * away;
  }
  const size = <f64>steps * <f64>envs;
  const mean = <f64>load<f32>(state);
  const count = <f64>load<f32>(state, 8);
  const total = count + size;
  const delta = batchMean - mean;
  const variance = (<f64>load<f32>(state, 4) * count + squares + delta * delta * count * size / total) / (total - 1);
  store<f32>(state, <f32>(mean + delta * size / total));
  store<f32>(state, <f32>variance, 4);
  store<f32>(state, <f32>total, 8);
  store<f32>(state, <f32>(1.0 / sqrt(variance + 1e-8)), 12);
}

// discounted_returns — R_e = r[n,e] + (1 - first[n,e]) gamma R_e for n = 0 .. N-1; partials[e] = mean_n R_e, partials[E + e] = sum_n (R_e - mean)^2
// shapes  rewards, firsts [N, E] f32, firsts 0 or 1; returns [E] f32, read and written: R_e; partials [2, E] f32
// owns    unit: four environments
// split   units
// order   f64, in order of n; sum_n (R_e - mean)^2 = sum_n R_e^2 - N mean^2
// alias   none
// test    test/kernels/reward-scale.test.ts  rtol 4e-6  at 1x1, 3x4, 31x33, 257x65
import { high, low, narrow } from "../lib/double";

/** args: steps, envs, gamma; rewards, firsts, returns, partials */
export function discountedReturns(args: usize, from: u32, to: u32): void {
  const steps = load<u32>(args);
  const envs = load<u32>(args, 4);
  const gamma = <f64>load<f32>(args, 8);
  const rewards = <usize>load<u32>(args, 12);
  const firsts = <usize>load<u32>(args, 16);
  const returns = <usize>load<u32>(args, 20);
  const means = <usize>load<u32>(args, 24);
  const stride = <usize>envs << 2;
  const squares = means + stride;

  const one = f64x2.splat(1);
  const zero = f64x2.splat(0);
  const gamma2 = f64x2.splat(gamma);
  const share2 = f64x2.splat(1.0 / <f64>steps);
  const whole = min(to, envs / 4);
  for (let unit = from; unit < whole; unit++) {
    const column = <usize>unit << 4;
    const start = v128.load(returns + column);
    let running0 = low(start), running1 = high(start);
    let sum0 = zero, sum1 = zero, square0 = zero, square1 = zero;
    let i = column;
    for (let n: u32 = 0; n < steps; n++, i += stride) {
      const reward = v128.load(rewards + i);
      const first = v128.load(firsts + i);
      running0 = f64x2.add(low(reward), f64x2.mul(f64x2.mul(f64x2.sub(one, low(first)), gamma2), running0));
      running1 = f64x2.add(high(reward), f64x2.mul(f64x2.mul(f64x2.sub(one, high(first)), gamma2), running1));
      sum0 = f64x2.add(sum0, running0);
      sum1 = f64x2.add(sum1, running1);
      square0 = f64x2.add(square0, f64x2.mul(running0, running0));
      square1 = f64x2.add(square1, f64x2.mul(running1, running1));
    }
    const mean0 = f64x2.mul(sum0, share2), mean1 = f64x2.mul(sum1, share2);
    v128.store(returns + column, narrow(running0, running1));
    v128.store(means + column, narrow(mean0, mean1));
    const away0 = f64x2.max(f64x2.sub(square0, f64x2.mul(sum0, mean0)), zero);
    const away1 = f64x2.max(f64x2.sub(square1, f64x2.mul(sum1, mean1)), zero);
    // The second row of the partials starts anywhere: stores need no alignment.
    v128.store(squares + column, narrow(away0, away1));
  }
  if (to <= envs / 4) return;
  for (let e = envs & ~3; e < envs; e++) {
    const column = <usize>e << 2;
    let running = <f64>load<f32>(returns + column);
    let sum: f64 = 0, square: f64 = 0;
    let i = column;
    for (let n: u32 = 0; n < steps; n++, i += stride) {
      running = <f64>load<f32>(rewards + i) + (1.0 - <f64>load<f32>(firsts + i)) * gamma * running;
      sum += running;
      square += running * running;
    }
    const mean = sum / <f64>steps;
    store<f32>(returns + column, <f32>running);
    store<f32>(means + column, <f32>mean);
    store<f32>(squares + column, <f32>max(square - sum * mean, 0));
  }
}

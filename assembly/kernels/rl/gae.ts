// gae — A[n,e] = d + gamma lambda (1 - end) A[n+1,e], d = c r[n,e] + gamma next (1 - terminated[n,e]) - V[n,e], returns = A + V, n = N-1 .. 0
//       next = V[n+1,e], lastValues[e] for n = N-1; end = terminated[n,e]
//       where correct and truncated[n,e]: next = finalValues[n,e], end = 1
// shapes  rewards, values, terminated, truncated (optional), finalValues (optional), advantages, returns [N, E] f32; lastValues [E] f32; flags are 0 or 1
// owns    unit: four environments
// split   units
// order   f64, backwards in n
// alias   none
// test    test/kernels/gae.test.ts  rtol 4e-6  at 1x1, 3x4, 31x33, 500x40
import { high, low, narrow } from "../lib/double";

/** args: steps, envs, gamma, lambda, rewardScale, correct; rewards, values, lastValues, terminated, truncated, finalValues, advantages, returns */
export function gae(args: usize, from: u32, to: u32): void {
  const steps = load<u32>(args);
  const envs = load<u32>(args, 4);
  const gamma = <f64>load<f32>(args, 8);
  const decay = gamma * <f64>load<f32>(args, 12);
  const rewardScale = <f64>load<f32>(args, 16);
  const correct = load<u32>(args, 20) != 0;
  const rewards = <usize>load<u32>(args, 24);
  const values = <usize>load<u32>(args, 28);
  const lastValues = <usize>load<u32>(args, 32);
  const terminated = <usize>load<u32>(args, 36);
  const truncated = <usize>load<u32>(args, 40);
  const finalValues = <usize>load<u32>(args, 44);
  const advantages = <usize>load<u32>(args, 48);
  const returns = <usize>load<u32>(args, 52);
  const stride = <usize>envs << 2;

  const one = f64x2.splat(1);
  const zero = f64x2.splat(0);
  const gamma2 = f64x2.splat(gamma);
  const decay2 = f64x2.splat(decay);
  const rewardScale2 = f64x2.splat(rewardScale);
  const whole = min(to, envs / 4);
  for (let unit = from; unit < whole; unit++) {
    const column = <usize>unit << 4;
    const start = v128.load(lastValues + column);
    let next0 = low(start), next1 = high(start);
    let last0 = zero, last1 = zero;
    let i = column + stride * (steps - 1);
    for (let n: u32 = 0; n < steps; n++, i -= stride) {
      const value = v128.load(values + i);
      const value0 = low(value), value1 = high(value);
      const end = v128.load(terminated + i);
      const goesOn0 = f64x2.sub(one, low(end)), goesOn1 = f64x2.sub(one, high(end));
      let carries0 = goesOn0, carries1 = goesOn1;
      if (correct) {
        const cut = f32x4.ne(v128.load(truncated + i), f32x4.splat(0));
        // The mask of four floats widened to two masks of doubles.
        const cut0 = i64x2.extend_low_i32x4_s(cut), cut1 = i64x2.extend_high_i32x4_s(cut);
        const final = v128.load(finalValues + i);
        next0 = v128.bitselect(low(final), next0, cut0);
        next1 = v128.bitselect(high(final), next1, cut1);
        carries0 = v128.andnot(carries0, cut0);
        carries1 = v128.andnot(carries1, cut1);
      }
      const reward = v128.load(rewards + i);
      const delta0 = f64x2.sub(f64x2.add(f64x2.mul(rewardScale2, low(reward)), f64x2.mul(f64x2.mul(gamma2, next0), goesOn0)), value0);
      const delta1 = f64x2.sub(f64x2.add(f64x2.mul(rewardScale2, high(reward)), f64x2.mul(f64x2.mul(gamma2, next1), goesOn1)), value1);
      last0 = f64x2.add(delta0, f64x2.mul(f64x2.mul(decay2, carries0), last0));
      last1 = f64x2.add(delta1, f64x2.mul(f64x2.mul(decay2, carries1), last1));
      v128.store(advantages + i, narrow(last0, last1));
      v128.store(returns + i, narrow(f64x2.add(last0, value0), f64x2.add(last1, value1)));
      next0 = value0;
      next1 = value1;
    }
  }
  if (to <= envs / 4) return;
  for (let e = envs & ~3; e < envs; e++) {
    const column = <usize>e << 2;
    let next = <f64>load<f32>(lastValues + column);
    let last: f64 = 0;
    let i = column + stride * (steps - 1);
    for (let n: u32 = 0; n < steps; n++, i -= stride) {
      const value = <f64>load<f32>(values + i);
      const goesOn = 1.0 - <f64>load<f32>(terminated + i);
      let carries = goesOn;
      if (correct && load<f32>(truncated + i) != 0) {
        next = <f64>load<f32>(finalValues + i);
        carries = 0;
      }
      const delta = rewardScale * <f64>load<f32>(rewards + i) + gamma * next * goesOn - value;
      last = delta + decay * carries * last;
      store<f32>(advantages + i, <f32>last);
      store<f32>(returns + i, <f32>(last + value));
      next = value;
    }
  }
}

// scale_rewards — scaled[i] = clamp(r[i] state[3], -clip, clip)
// shapes  rewards, scaled [N] f32; state [4] f32 of reward_statistics
// owns    unit: 1024 elements
// split   units
// order   no sums
// alias   none
// test    test/kernels/reward-scale.test.ts  rtol 2e-7  at 1, 3, 31, 257, 1025

const BLOCK: u32 = 1024;

/** args: count, clip; rewards, state, scaled */
export function scaleRewards(args: usize, from: u32, to: u32): void {
  const count = load<u32>(args);
  const clip = load<f32>(args, 4);
  const rewards = <usize>load<u32>(args, 8);
  const factor = load<f32>(<usize>load<u32>(args, 12), 12);
  const scaled = <usize>load<u32>(args, 16);
  const factor4 = f32x4.splat(factor);
  const low = f32x4.splat(-clip);
  const high = f32x4.splat(clip);
  let at = <usize>from * BLOCK << 2;
  const end = <usize>min(count, to * BLOCK) << 2;
  for (; at + 16 <= end; at += 16) {
    v128.store(scaled + at, f32x4.min(f32x4.max(f32x4.mul(v128.load(rewards + at), factor4), low), high));
  }
  for (; at < end; at += 4) store<f32>(scaled + at, min(max(load<f32>(rewards + at) * factor, -clip), clip));
}

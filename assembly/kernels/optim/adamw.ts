// adamw — m = b1 m + (1 - b1) g', v = b2 v + (1 - b2) g'^2, p = p' - rate c1 m / (sqrt(v) c2 + eps); nothing where state says inactive
//         decoupled: g' = s g, p' = p (1 - rate decay); else g' = s g + decay p, p' = p
// shapes  g [P] f32; state [6] f32 of adam_advance, c1 = state[1], c2 = state[2], s = state[3], active = state[4]; p, m, v [P] f32, read and written
// owns    unit: 1024 elements
// split   units
// order   no sums
// alias   none
// test    test/kernels/optim.test.ts  rtol 2e-6  at 1, 3, 31, 33, 1023, 1025, 2500
import { madd, nmadd, splat } from "../lib/math";

const BLOCK: u32 = 1024;

/** args: count, rate, beta1, beta2, rest1, rest2, epsilon, weightDecay, decoupled; g, state, p, m, v */
export function adamw(args: usize, from: u32, to: u32): void {
  const count = load<u32>(args);
  const rate = load<f32>(args, 4);
  const beta1 = splat(load<f32>(args, 8));
  const beta2 = splat(load<f32>(args, 12));
  const rest1 = splat(load<f32>(args, 16));
  const rest2 = splat(load<f32>(args, 20));
  const epsilon = splat(load<f32>(args, 24));
  const weightDecay = load<f32>(args, 28);
  const decoupled = load<u32>(args, 32) != 0;
  const g = <usize>load<u32>(args, 36);
  const state = <usize>load<u32>(args, 40);
  const p = <usize>load<u32>(args, 44);
  const m = <usize>load<u32>(args, 48);
  const v = <usize>load<u32>(args, 52);
  if (load<f32>(state, 16) == 0) return;
  const step = splat(rate * load<f32>(state, 4));
  const correction = splat(load<f32>(state, 8));
  const scale = splat(load<f32>(state, 12));
  // One formula for both: p' = p - shrink p and g' = s g + coupled p, one of the two factors being 0.
  const shrink = splat(decoupled ? rate * weightDecay : 0);
  const coupled = splat(decoupled ? 0 : weightDecay);
  let at = <usize>from * BLOCK << 2;
  const end = <usize>min(count, to * BLOCK) << 2;
  for (; at + 16 <= end; at += 16) {
    const weight = v128.load(p + at);
    const gradient = madd(coupled, weight, f32x4.mul(scale, v128.load(g + at)));
    const first = madd(beta1, v128.load(m + at), f32x4.mul(rest1, gradient));
    const second = madd(beta2, v128.load(v + at), f32x4.mul(rest2, f32x4.mul(gradient, gradient)));
    v128.store(m + at, first);
    v128.store(v + at, second);
    const change = f32x4.div(f32x4.mul(step, first), madd(f32x4.sqrt(second), correction, epsilon));
    v128.store(p + at, f32x4.sub(nmadd(shrink, weight, weight), change));
  }
  for (; at < end; at += 4) {
    const weight = v128.load32_splat(p + at);
    const gradient = madd(coupled, weight, f32x4.mul(scale, v128.load32_splat(g + at)));
    const first = madd(beta1, v128.load32_splat(m + at), f32x4.mul(rest1, gradient));
    const second = madd(beta2, v128.load32_splat(v + at), f32x4.mul(rest2, f32x4.mul(gradient, gradient)));
    store<f32>(m + at, f32x4.extract_lane(first, 0));
    store<f32>(v + at, f32x4.extract_lane(second, 0));
    const change = f32x4.div(f32x4.mul(step, first), madd(f32x4.sqrt(second), correction, epsilon));
    store<f32>(p + at, f32x4.extract_lane(f32x4.sub(nmadd(shrink, weight, weight), change), 0));
  }
}

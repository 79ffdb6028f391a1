// td_target — targets[i] = rewards[i] + gamma (1 - terminated[i]) min(first[i], second[i]); without second: first[i]
// shapes  rewards, terminated, first, second (optional), targets [N] f32
// owns    unit: 1024 elements
// split   units
// order   no sums
// alias   none
// test    test/kernels/q-learning.test.ts  rtol 5e-7  at 1, 3, 31, 33, 257, 1025, 2500
import { madd, splat } from "../lib/math";
import { loadPart, storePart } from "../lib/tail";

const BLOCK: u32 = 1024;

/** args: count, hasSecond, gamma; rewards, terminated, first, second, targets */
export function tdTarget(args: usize, from: u32, to: u32): void {
  const hasSecond = load<u32>(args, 4) != 0;
  const gamma = splat(load<f32>(args, 8));
  const rewards = <usize>load<u32>(args, 12);
  const terminated = <usize>load<u32>(args, 16);
  const first = <usize>load<u32>(args, 20);
  // Without a second value its pointer is 0; the first one is no smaller than itself.
  const second = hasSecond ? <usize>load<u32>(args, 24) : first;
  const targets = <usize>load<u32>(args, 28);
  const end = min(load<u32>(args), to * BLOCK);
  for (let i = from * BLOCK; i < end; i += 4) {
    const at = <usize>i << 2;
    const left = end - i;
    const next = f32x4.min(loadPart(first + at, left), loadPart(second + at, left));
    const share = f32x4.mul(gamma, f32x4.sub(splat(1), loadPart(terminated + at, left)));
    storePart(targets + at, madd(share, next, loadPart(rewards + at, left)), left);
  }
}

// squared_norm — partials[b] = sum of g[i]^2 and partials[blocks + b] = number of non-finite g[i], i in block b of 4096
// shapes  g [P] f32; partials [2, blocks] f32, blocks = ceil(P / 4096)
// owns    unit: one block
// split   units
// order   f32: sixteen sums over i mod 16, added as a tree, then the tail in order of i
// alias   none
// test    test/kernels/optim.test.ts  rtol 2e-6  at 1, 3, 31, 257, 4095, 4097, 12300

const BLOCK: u32 = 4096;

/** Bits of every lane that is NaN or infinite: an exponent of all ones. */
// @ts-ignore: decorator
@inline
function badLanes(x: v128): v128 {
  const exponent = i32x4.splat(0x7f800000);
  return i32x4.eq(v128.and(x, exponent), exponent);
}

/** Elements that the last sum left out. */
let badCount: i32 = 0;

/**
 * Sum of the squares of g from `at` to `end`; without what is not finite, if `skipsBad`, a literal, the number of which is then left in
 * `badCount`.
 */
// @ts-ignore: decorator
@inline
function sumOfSquares(at: usize, end: usize, skipsBad: bool): f32 {
  let s0 = f32x4.splat(0), s1 = s0, s2 = s0, s3 = s0, bad = s0;
  for (; at + 64 <= end; at += 64) {
    let x0 = v128.load(at), x1 = v128.load(at, 16), x2 = v128.load(at, 32), x3 = v128.load(at, 48);
    if (skipsBad) {
      const b0 = badLanes(x0), b1 = badLanes(x1), b2 = badLanes(x2), b3 = badLanes(x3);
      bad = i32x4.add(bad, i32x4.add(i32x4.add(b0, b1), i32x4.add(b2, b3)));
      x0 = v128.andnot(x0, b0);
      x1 = v128.andnot(x1, b1);
      x2 = v128.andnot(x2, b2);
      x3 = v128.andnot(x3, b3);
    }
    s0 = f32x4.add(s0, f32x4.mul(x0, x0));
    s1 = f32x4.add(s1, f32x4.mul(x1, x1));
    s2 = f32x4.add(s2, f32x4.mul(x2, x2));
    s3 = f32x4.add(s3, f32x4.mul(x3, x3));
  }
  const s = f32x4.add(f32x4.add(s0, s1), f32x4.add(s2, s3));
  let sum = (f32x4.extract_lane(s, 0) + f32x4.extract_lane(s, 1)) + (f32x4.extract_lane(s, 2) + f32x4.extract_lane(s, 3));
  // A bad lane is -1 in every comparison.
  if (skipsBad) badCount = -(i32x4.extract_lane(bad, 0) + i32x4.extract_lane(bad, 1) + i32x4.extract_lane(bad, 2) + i32x4.extract_lane(bad, 3));
  for (; at < end; at += 4) {
    if (skipsBad && (load<u32>(at) & 0x7f800000) == 0x7f800000) {
      badCount++;
    } else {
      const value = load<f32>(at);
      sum += value * value;
    }
  }
  return sum;
}

/** args: count; g, partials */
export function squaredNorm(args: usize, from: u32, to: u32): void {
  const count = load<u32>(args);
  const g = <usize>load<u32>(args, 4);
  const partials = <usize>load<u32>(args, 8);
  const blocks = (count + BLOCK - 1) / BLOCK;
  for (let block = from; block < to; block++) {
    const at = g + (<usize>block * BLOCK << 2);
    const end = g + (<usize>min(count, (block + 1) * BLOCK) << 2);
    badCount = 0;
    let sum = sumOfSquares(at, end, false);
    // Whatever is not finite shows in the sum: looking at every element takes twice as long, and is seldom needed.
    if (!isFinite(sum)) sum = sumOfSquares(at, end, true);
    store<f32>(partials + (<usize>block << 2), sum);
    store<f32>(partials + (<usize>(blocks + block) << 2), <f32>badCount);
  }
}

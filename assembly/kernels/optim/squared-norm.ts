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

/** Sixteen sums as a tree. */
// @ts-ignore: decorator
@inline
function added(s0: v128, s1: v128, s2: v128, s3: v128): f32 {
  const s = f32x4.add(f32x4.add(s0, s1), f32x4.add(s2, s3));
  return (f32x4.extract_lane(s, 0) + f32x4.extract_lane(s, 1)) + (f32x4.extract_lane(s, 2) + f32x4.extract_lane(s, 3));
}

/** Elements that the last sum left out. */
let badCount: i32 = 0;

/** Sum of the squares of g from `at` to `end`. */
function sumOfSquares(at: usize, end: usize): f32 {
  let s0 = f32x4.splat(0), s1 = s0, s2 = s0, s3 = s0;
  for (; at + 64 <= end; at += 64) {
    const x0 = v128.load(at), x1 = v128.load(at, 16), x2 = v128.load(at, 32), x3 = v128.load(at, 48);
    s0 = f32x4.add(s0, f32x4.mul(x0, x0));
    s1 = f32x4.add(s1, f32x4.mul(x1, x1));
    s2 = f32x4.add(s2, f32x4.mul(x2, x2));
    s3 = f32x4.add(s3, f32x4.mul(x3, x3));
  }
  let sum = added(s0, s1, s2, s3);
  for (; at < end; at += 4) {
    const value = load<f32>(at);
    sum += value * value;
  }
  return sum;
}

/** The same without what is not finite, the number of which is left in `badCount`. */
function sumOfFiniteSquares(at: usize, end: usize): f32 {
  let s0 = f32x4.splat(0), s1 = s0, s2 = s0, s3 = s0, bad = s0;
  for (; at + 64 <= end; at += 64) {
    const x0 = v128.load(at), x1 = v128.load(at, 16), x2 = v128.load(at, 32), x3 = v128.load(at, 48);
    const b0 = badLanes(x0), b1 = badLanes(x1), b2 = badLanes(x2), b3 = badLanes(x3);
    bad = i32x4.add(bad, i32x4.add(i32x4.add(b0, b1), i32x4.add(b2, b3)));
    const y0 = v128.andnot(x0, b0), y1 = v128.andnot(x1, b1), y2 = v128.andnot(x2, b2), y3 = v128.andnot(x3, b3);
    s0 = f32x4.add(s0, f32x4.mul(y0, y0));
    s1 = f32x4.add(s1, f32x4.mul(y1, y1));
    s2 = f32x4.add(s2, f32x4.mul(y2, y2));
    s3 = f32x4.add(s3, f32x4.mul(y3, y3));
  }
  let sum = added(s0, s1, s2, s3);
  // A bad lane is -1 in every comparison.
  badCount = -(i32x4.extract_lane(bad, 0) + i32x4.extract_lane(bad, 1) + i32x4.extract_lane(bad, 2) + i32x4.extract_lane(bad, 3));
  for (; at < end; at += 4) {
    if ((load<u32>(at) & 0x7f800000) == 0x7f800000) {
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
    let sum = sumOfSquares(at, end);
    // Whatever is not finite shows in the sum: looking at every element takes twice as long, and is seldom needed.
    if (!isFinite(sum)) sum = sumOfFiniteSquares(at, end);
    store<f32>(partials + (<usize>block << 2), sum);
    store<f32>(partials + (<usize>(blocks + block) << 2), <f32>badCount);
  }
}

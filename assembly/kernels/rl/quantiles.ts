// quantiles — statistics[2 + s] = x_(k_s) + share_s (x_(k_s + 1) - x_(k_s)), s = 0, 1; x_(k) the k-th smallest of x, from 0
// shapes  x [N] f32; statistics [4] f32, the last two written
// owns    unit: one quantile
// split   units
// order   exact: selection bit by bit on keys whose order as i32 is the order of the numbers
// alias   none
// test    test/kernels/advantages.test.ts  rtol 2e-7  at 1, 2, 3, 31, 257, 5000

/** Bits of a number as a key, and back: negative numbers have all bits but the sign turned over. */
// @ts-ignore: decorator
@inline
function turned(bits: i32): i32 {
  return bits ^ <i32>(<u32>(bits >> 31) >> 1);
}

// @ts-ignore: decorator
@inline
function turned4(bits: v128): v128 {
  return v128.xor(bits, i32x4.shr_u(i32x4.shr_s(bits, 31), 1));
}

/** Number of keys below `bound`. */
function countBelow(x: usize, count: u32, bound: i32): u32 {
  const end = x + (<usize>count << 2);
  const bounds = i32x4.splat(bound);
  let at = x;
  let counts = i32x4.splat(0);
  for (; at + 16 <= end; at += 16) counts = i32x4.sub(counts, i32x4.lt_s(turned4(v128.load(at)), bounds));
  let below = i32x4.extract_lane(counts, 0) + i32x4.extract_lane(counts, 1) + i32x4.extract_lane(counts, 2) + i32x4.extract_lane(counts, 3);
  for (; at < end; at += 4) below += i32(turned(load<i32>(at)) < bound);
  return <u32>below;
}

/** Least key above `found`. */
function leastAbove(x: usize, count: u32, found: i32): i32 {
  const end = x + (<usize>count << 2);
  const bound = i32x4.splat(found);
  const largest = i32x4.splat(i32.MAX_VALUE);
  let least4 = largest;
  let at = x;
  for (; at + 16 <= end; at += 16) {
    const keys = turned4(v128.load(at));
    least4 = i32x4.min_s(least4, v128.bitselect(keys, largest, i32x4.gt_s(keys, bound)));
  }
  let least = min(
    min(i32x4.extract_lane(least4, 0), i32x4.extract_lane(least4, 1)),
    min(i32x4.extract_lane(least4, 2), i32x4.extract_lane(least4, 3)),
  );
  for (; at < end; at += 4) {
    const key = turned(load<i32>(at));
    if (key > found) least = min(least, key);
  }
  return least;
}

/** args: count, lowRank, highRank, lowShare, highShare; x, statistics */
export function quantiles(args: usize, from: u32, to: u32): void {
  const count = load<u32>(args);
  const x = <usize>load<u32>(args, 20);
  const statistics = <usize>load<u32>(args, 24);
  for (let side = from; side < to; side++) {
    const at = <usize>side << 2;
    const rank = load<u32>(args + at, 4);
    const share = load<f32>(args + at, 12);
    // The largest key with at most `rank` keys below it is the one of that rank. As u32 keys would start from 0 and
    // grow bit by bit; turning the sign bit makes them i32.
    let prefix: u32 = 0;
    for (let bit = 31; bit >= 0; bit--) {
      const candidate = prefix | (1 << bit);
      if (countBelow(x, count, <i32>(candidate ^ 0x80000000)) <= rank) prefix = candidate;
    }
    const found = <i32>(prefix ^ 0x80000000);
    const value = reinterpret<f32>(turned(found));
    let above = value;
    // The next in order: the same number again where it occurs often enough, else the least key above.
    if (share > 0 && countBelow(x, count, found + 1) <= rank + 1) above = reinterpret<f32>(turned(leastAbove(x, count, found)));
    store<f32>(statistics + at, value + share * (above - value), 8);
  }
}

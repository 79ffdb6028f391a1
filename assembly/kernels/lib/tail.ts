/**
 * Vectors at the end of rows whose length is no multiple of four: only the first lanes are in memory. A count of four or
 * more means all of them, so a loop over a row can pass what is left of it.
 */

function storeTail(at: usize, value: v128, count: u32): void {
  v128.store32_lane(at, value, 0);
  if (count > 1) v128.store32_lane(at, value, 1, 4);
  if (count > 2) v128.store32_lane(at, value, 2, 8);
}

function loadTail(at: usize, count: u32): v128 {
  let value = v128.load32_zero(at);
  if (count > 1) value = v128.load32_lane(at, value, 1, 4);
  if (count > 2) value = v128.load32_lane(at, value, 2, 8);
  return value;
}

/** Stores the first `count` lanes, at least one. */
// @ts-ignore: decorator
@inline
export function storePart(at: usize, value: v128, count: u32): void {
  if (count >= 4) v128.store(at, value);
  else storeTail(at, value, count);
}

/** Loads the first `count` lanes, at least one; the others are 0. */
// @ts-ignore: decorator
@inline
export function loadPart(at: usize, count: u32): v128 {
  return count >= 4 ? v128.load(at) : loadTail(at, count);
}

/** Copies `count` words. */
export function copyWords(to: usize, from: usize, count: u32): void {
  let left = count;
  for (; left >= 4; left -= 4) {
    v128.store(to, v128.load(from));
    to += 16;
    from += 16;
  }
  if (left > 0) storePart(to, loadPart(from, left), left);
}

/** All bits set in the first `count` lanes. */
// @ts-ignore: decorator
@inline
export function firstLanes(count: u32): v128 {
  return i32x4.lt_u(i32x4(0, 1, 2, 3), i32x4.splat(<i32>count));
}

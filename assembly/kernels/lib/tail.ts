/** The first `count` (1 to 4) lanes of a vector to or from memory: rows whose length is no multiple of four end in one. */

/** Stores lanes 0 .. count - 1. */
export function storePart(at: usize, value: v128, count: u32): void {
  v128.store32_lane(at, value, 0);
  if (count > 1) v128.store32_lane(at, value, 1, 4);
  if (count > 2) v128.store32_lane(at, value, 2, 8);
  if (count > 3) v128.store32_lane(at, value, 3, 12);
}

/** Loads lanes 0 .. count - 1; the others are 0. */
export function loadPart(at: usize, count: u32): v128 {
  let value = v128.load32_zero(at);
  if (count > 1) value = v128.load32_lane(at, value, 1, 4);
  if (count > 2) value = v128.load32_lane(at, value, 2, 8);
  if (count > 3) value = v128.load32_lane(at, value, 3, 12);
  return value;
}

// Boxes in memory: left, bottom, right, top, f64 each; the two low sides and the two high sides are a v128 each.

/** Whether two boxes meet; touching counts. */
// @ts-ignore: decorator
@inline
export function overlap(a: usize, b: usize): bool {
  return i64x2.all_true(v128.and(
    f64x2.le(v128.load(a), v128.load(b, 16)),
    f64x2.le(v128.load(b), v128.load(a, 16)),
  ));
}

/** Whether box `outer` contains the box with the given sides. */
// @ts-ignore: decorator
@inline
export function contains(outer: usize, low: v128, high: v128): bool {
  return i64x2.all_true(v128.and(f64x2.le(v128.load(outer), low), f64x2.le(high, v128.load(outer, 16))));
}

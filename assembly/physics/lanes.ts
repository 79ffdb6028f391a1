// Two environments in one register: lane 0 and lane 1 of an f64x2 never mix, so every operation below is the scalar
// IEEE operation of each environment on its own, and the bits of one lane cannot depend on the other.

// Constants stand in memory, one f64 each, and are named by their address.

/** The constant at an address, in both lanes. */
// @ts-ignore: decorator
@inline
export function both(constant: usize): v128 {
  return v128.load_splat<f64>(constant);
}

/** A number in both lanes; for what is not in a hot loop. */
// @ts-ignore: decorator
@inline
export function lanes(value: f64): v128 {
  return f64x2.splat(value);
}

// @ts-ignore: decorator
@inline
export function add(a: v128, b: v128): v128 {
  return f64x2.add(a, b);
}

// @ts-ignore: decorator
@inline
export function sub(a: v128, b: v128): v128 {
  return f64x2.sub(a, b);
}

// @ts-ignore: decorator
@inline
export function mul(a: v128, b: v128): v128 {
  return f64x2.mul(a, b);
}

// @ts-ignore: decorator
@inline
export function neg(a: v128): v128 {
  return f64x2.neg(a);
}

/** value * constant */
// @ts-ignore: decorator
@inline
export function times(value: v128, constant: usize): v128 {
  return f64x2.mul(value, v128.load_splat<f64>(constant));
}

/** a b + c d */
// @ts-ignore: decorator
@inline
export function dot2(a: v128, b: v128, c: v128, d: v128): v128 {
  return f64x2.add(f64x2.mul(a, b), f64x2.mul(c, d));
}

/** a b - c d */
// @ts-ignore: decorator
@inline
export function cross2(a: v128, b: v128, c: v128, d: v128): v128 {
  return f64x2.sub(f64x2.mul(a, b), f64x2.mul(c, d));
}

/** a b + c d + e f, from left to right. */
// @ts-ignore: decorator
@inline
export function dot3(a: v128, b: v128, c: v128, d: v128, e: v128, f: v128): v128 {
  return f64x2.add(f64x2.add(f64x2.mul(a, b), f64x2.mul(c, d)), f64x2.mul(e, f));
}

/** The value held inside [-limit, limit]; not a number becomes the limit. */
// @ts-ignore: decorator
@inline
export function bounded(value: v128, limit: v128): v128 {
  return f64x2.pmax(f64x2.neg(limit), f64x2.pmin(limit, value));
}

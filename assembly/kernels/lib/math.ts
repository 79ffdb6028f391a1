/**
 * Elementary functions on four floats at once. A lane's result depends on that lane alone, so tails that splat one
 * number give the same bits as full vectors.
 */

// @ts-ignore: decorator
@inline
export function splat(x: f32): v128 {
  return f32x4.splat(x);
}

/** a * b + c; fused in the relaxed build. */
// @ts-ignore: decorator
@inline
export function madd(a: v128, b: v128, c: v128): v128 {
  if (ASC_FEATURE_RELAXED_SIMD) return f32x4.relaxed_madd(a, b, c);
  return f32x4.add(f32x4.mul(a, b), c);
}

/** c - a * b; fused in the relaxed build. */
// @ts-ignore: decorator
@inline
export function nmadd(a: v128, b: v128, c: v128): v128 {
  if (ASC_FEATURE_RELAXED_SIMD) return f32x4.relaxed_nmadd(a, b, c);
  return f32x4.sub(c, f32x4.mul(a, b));
}

/** 1.5 * 2^23: floats from here on are whole numbers, so a sum with it is rounded, and ends in the bits of the integer. */
const WHOLE: f32 = 12582912;

/**
 * e^x for x in [-87.33, 88.37], relative error below 2e-7: x = n ln 2 + r with |r| <= ln 2 / 2 (ln 2 in two parts), a
 * polynomial of degree 6 in r, and 2^n by adding n to the exponent. Results are normal numbers.
 */
// @ts-ignore: decorator
@inline
export function expWithin4(x: v128): v128 {
  const whole = madd(x, splat(1.44269504088896341), splat(WHOLE));
  const n = f32x4.sub(whole, splat(WHOLE));
  const r = nmadd(n, splat(-2.12194440e-4), nmadd(n, splat(0.693359375), x));
  let p = splat(1.9875691500e-4);
  p = madd(p, r, splat(1.3981999507e-3));
  p = madd(p, r, splat(8.3334519073e-3));
  p = madd(p, r, splat(4.1665795894e-2));
  p = madd(p, r, splat(1.6666665459e-1));
  p = madd(p, r, splat(5.0000001201e-1));
  p = f32x4.add(madd(f32x4.mul(r, r), p, r), splat(1.0));
  return i32x4.add(p, i32x4.shl(whole, 23));
}

/** e^x, x clamped to [-87.33, 88.37]. */
export function exp4(x: v128): v128 {
  return expWithin4(f32x4.max(f32x4.min(x, splat(88.37)), splat(-87.33)));
}

/**
 * ln x for normal positive x, relative error below 2e-7: x = m 2^e with m in [sqrt 1/2, sqrt 2), a polynomial of degree
 * 9 in m - 1, plus e ln 2 in two parts.
 */
export function log4(x: v128): v128 {
  let e = f32x4.convert_i32x4_s(i32x4.sub(i32x4.shr_u(x, 23), i32x4.splat(126)));
  let m = v128.or(v128.and(x, i32x4.splat(0x007fffff)), i32x4.splat(0x3f000000));
  const isSmall = f32x4.lt(m, splat(0.707106781186547524));
  e = f32x4.sub(e, v128.and(isSmall, splat(1.0)));
  m = f32x4.sub(f32x4.add(m, v128.and(isSmall, m)), splat(1.0));
  const z = f32x4.mul(m, m);
  let p = splat(7.0376836292e-2);
  p = madd(p, m, splat(-1.1514610310e-1));
  p = madd(p, m, splat(1.1676998740e-1));
  p = madd(p, m, splat(-1.2420140846e-1));
  p = madd(p, m, splat(1.4249322787e-1));
  p = madd(p, m, splat(-1.6668057665e-1));
  p = madd(p, m, splat(2.0000714765e-1));
  p = madd(p, m, splat(-2.4999993993e-1));
  p = madd(p, m, splat(3.3333331174e-1));
  let y = f32x4.mul(f32x4.mul(p, m), z);
  y = madd(e, splat(-2.12194440e-4), y);
  y = nmadd(z, splat(0.5), y);
  return madd(e, splat(0.693359375), f32x4.add(m, y));
}

/** ln(1 + y) for y in [0, 1]: y (1 - y/2 + y^2/3) where 1 + y would round y away, ln(1 + y) elsewhere. */
export function log1p4(y: v128): v128 {
  const small = f32x4.mul(y, madd(y, madd(y, splat(0.33333333), splat(-0.5)), splat(1.0)));
  return v128.bitselect(small, log4(f32x4.add(y, splat(1.0))), f32x4.lt(y, splat(1e-3)));
}

/** The bits of a where the mask is set, of b elsewhere. */
// @ts-ignore: decorator
@inline
export function select4(a: v128, b: v128, mask: v128): v128 {
  return v128.bitselect(a, b, mask);
}

/** tanh x: an odd polynomial below 0.625, 1 - 2/(e^2x + 1) above; relative error below 3e-7. */
export function tanh4(x: v128): v128 {
  const z = f32x4.abs(x);
  const s = f32x4.mul(x, x);
  let p = splat(-5.70498872745e-3);
  p = madd(p, s, splat(2.06390887954e-2));
  p = madd(p, s, splat(-5.37397155531e-2));
  p = madd(p, s, splat(1.33314422036e-1));
  p = madd(p, s, splat(-3.33332819422e-1));
  const near = madd(f32x4.mul(p, s), x, x);
  const e = exp4(f32x4.mul(f32x4.min(z, splat(15.0)), splat(2.0)));
  const far = f32x4.sub(splat(1.0), f32x4.div(splat(2.0), f32x4.add(e, splat(1.0))));
  const signed = v128.or(far, v128.and(x, i32x4.splat(<i32>0x80000000)));
  return select4(near, signed, f32x4.lt(z, splat(0.625)));
}

/** 1 / (1 + e^-x) without overflow. */
export function sigmoid4(x: v128): v128 {
  const e = exp4(f32x4.neg(f32x4.abs(x)));
  const top = select4(splat(1.0), e, f32x4.ge(x, splat(0.0)));
  return f32x4.div(top, f32x4.add(splat(1.0), e));
}

/** Sum of the four lanes, in pairs. */
// @ts-ignore: decorator
@inline
export function sum4(x: v128): f32 {
  return (f32x4.extract_lane(x, 0) + f32x4.extract_lane(x, 1)) + (f32x4.extract_lane(x, 2) + f32x4.extract_lane(x, 3));
}

// Sine and cosine in f64, the same bits on every machine: those of the C library that the reference physics ran on, in its
// build with fused multiply-add.
//
//   x  = r + q pi/2,  |r| <= pi/4, r as a sum of two doubles                       reduction by a four-part pi/2
//   |r| = k/128 + h,  |h| <= 1/256, S = sin(k/128), C = cos(k/128) from a table    each a sum of two doubles
//   sin |r| = S + (S (cos h - 1) + C sin h),   cos |r| = C + (C (cos h - 1) - S sin h)
//
// Error below 0.55 ulp. Arguments up to 1e8 are reduced with full accuracy.
//
// WebAssembly has no fused multiply-add for f64. The correction in brackets is three hundred times smaller than the result, so its
// own last bits matter only where the sum lies next to the middle of two doubles. There, and only there (one angle in twenty),
// it is computed again with every multiply-add rounded once, in software.
import { SINE_TABLE } from "./sine-table";

/** Results of the last `sineCosine`; WebAssembly functions called from AssemblyScript return one value only. */
export let sine: f64 = 0.0;
export let cosine: f64 = 0.0;

const HALF_PI: f64 = 1.5707963267948966;
const HALF_PI_REST: f64 = 6.123233995736766e-17;
const TWO_OVER_PI: f64 = 0.6366197723675814;
/** pi/2 in parts that a small integer multiplies without rounding. */
const HALF_PI_1: f64 = 1.5707963407039642;
const HALF_PI_2: f64 = -1.3909067564377153e-8;
const HALF_PI_3: f64 = -4.97899623147991e-17;
const HALF_PI_4: f64 = -1.9034889620193266e-25;

/** Adding these rounds to a whole number, and to a multiple of 1/128. */
const ROUND_WHOLE: f64 = 6755399441055744.0;
const ROUND_128TH: f64 = 52776558133248.0;

/** From here the argument of the sine is taken from pi/2; beyond the second bound it is reduced. */
const DIRECT_LIMIT: f64 = 0.855469;
const COMPLEMENT_LIMIT: f64 = 2.426265;
/** Below this the sine is its power series. */
const SERIES_LIMIT: f64 = 0.126;

// sin h = h + h^3 (S3 + S5 h^2),  1 - cos h = h^2 (C2 + h^2 (C4 + C6 h^2)) on |h| <= 1/256
const S3: f64 = -0.16666666666666488;
const S5: f64 = 0.008333332142857223;
const C2: f64 = 0.5;
const C4: f64 = -0.04166666666666644;
const C6: f64 = 0.001388888740079376;
// sin x = x + x^3 (P3 + x^2 (P5 + …)) on |x| < 0.126
const P3: f64 = -0.16666666666666666;
const P5: f64 = 0.008333333333332329;
const P7: f64 = -0.00019841269834414642;
const P9: f64 = 2.755729806860771e-6;
const P11: f64 = -2.5022014848318398e-8;

/** Largest change of the correction that rounding each multiply-add once can make, with room to spare. */
const CORRECTION_SPREAD: f64 = 3e-18;
/** The same for the power series, as a share of its terms. */
const SERIES_SPREAD: f64 = 8.881784197001252e-16;
/** 2^27 + 1 splits a double into two halves whose products are exact. */
const SPLITTER: f64 = 134217729.0;

/** a b + c, rounded once: the product as a sum of two doubles, then the sum of three. */
function fused(a: f64, b: f64, c: f64): f64 {
  const product = a * b;
  const stretchedA = a * SPLITTER;
  const highA = stretchedA - (stretchedA - a);
  const lowA = a - highA;
  const stretchedB = b * SPLITTER;
  const highB = stretchedB - (stretchedB - b);
  const lowB = b - highB;
  const productRest = highA * highB - product + highA * lowB + lowA * highB + lowA * lowB;
  const sum = product + c;
  const share = sum - product;
  const sumRest = product - (sum - share) + (c - share);
  return sum + (sumRest + productRest);
}

// @ts-ignore: decorator
@inline
function multiplyAdd(a: f64, b: f64, c: f64, isFused: bool): f64 {
  return isFused ? fused(a, b, c) : a * b + c;
}

/** What the power series adds to x. */
// @ts-ignore: decorator
@inline
function seriesTail(x: f64, rest: f64, isFused: bool): f64 {
  const xx = x * x;
  let sum = multiplyAdd(P11, xx, P9, isFused);
  sum = multiplyAdd(sum, xx, P7, isFused);
  sum = multiplyAdd(sum, xx, P5, isFused);
  sum = multiplyAdd(sum, xx, P3, isFused);
  return multiplyAdd(multiplyAdd(sum, x, -0.5 * rest, isFused), xx, rest, isFused);
}

/** S (cos h - 1) + C sin h for h + rest. */
// @ts-ignore: decorator
@inline
function sineCorrection(row: usize, h: f64, rest: f64, isFused: bool): f64 {
  const hh = h * h;
  const s = h + multiplyAdd(h * hh, multiplyAdd(hh, S5, S3, isFused), rest, isFused);
  const c = multiplyAdd(h, rest, hh * multiplyAdd(hh, multiplyAdd(hh, C6, C4, isFused), C2, isFused), isFused);
  const tail = multiplyAdd(s, load<f64>(row, 24), load<f64>(row, 8), isFused);
  return multiplyAdd(load<f64>(row, 16), s, multiplyAdd(-load<f64>(row), c, tail, isFused), isFused);
}

/** C (cos h - 1) - S sin h. */
// @ts-ignore: decorator
@inline
function cosineCorrection(row: usize, h: f64, isFused: bool): f64 {
  const hh = h * h;
  const s = multiplyAdd(h * hh, multiplyAdd(hh, S5, S3, isFused), h, isFused);
  const c = hh * multiplyAdd(hh, multiplyAdd(hh, C6, C4, isFused), C2, isFused);
  const tail = multiplyAdd(-s, load<f64>(row, 8), load<f64>(row, 24), isFused);
  return multiplyAdd(-load<f64>(row), s, multiplyAdd(-load<f64>(row, 16), c, tail, isFused), isFused);
}

// The careful forms are functions of their own: inlined, they would crowd the common path.

function carefulSeriesTail(x: f64, rest: f64): f64 {
  return seriesTail(x, rest, true);
}

function carefulSineCorrection(row: usize, h: f64, rest: f64): f64 {
  return sineCorrection(row, h, rest, true);
}

function carefulCosineCorrection(row: usize, h: f64): f64 {
  return cosineCorrection(row, h, true);
}

/** sin(x + rest); rest is far below the last bit of x. */
function sineNear(x: f64, rest: f64): f64 {
  const magnitude = Math.abs(x);
  if (magnitude < SERIES_LIMIT) {
    const tail = seriesTail(x, rest, false);
    const spread = (magnitude * x * x + Math.abs(rest)) * SERIES_SPREAD;
    const low = x + (tail - spread);
    return low === x + (tail + spread) ? low : x + carefulSeriesTail(x, rest);
  }
  const shifted = ROUND_128TH + magnitude;
  const node = shifted - ROUND_128TH;
  const row = SINE_TABLE + ((<usize>(node * 128.0)) << 5);
  const h = magnitude - node;
  const dx = x <= 0.0 ? -rest : rest;
  const base = load<f64>(row);
  const correction = sineCorrection(row, h, dx, false);
  const low = base + (correction - CORRECTION_SPREAD);
  const value = low === base + (correction + CORRECTION_SPREAD) ? low : base + carefulSineCorrection(row, h, dx);
  return copysign<f64>(value, x);
}

/** cos(x + rest). */
function cosineNear(x: f64, rest: f64): f64 {
  const magnitude = Math.abs(x);
  const node = ROUND_128TH + magnitude - ROUND_128TH;
  const row = SINE_TABLE + ((<usize>(node * 128.0)) << 5);
  const h = magnitude - node + (x < 0.0 ? -rest : rest);
  const base = load<f64>(row, 16);
  const correction = cosineCorrection(row, h, false);
  const low = base + (correction - CORRECTION_SPREAD);
  return low === base + (correction + CORRECTION_SPREAD) ? low : base + carefulCosineCorrection(row, h);
}

/** Leaves the sine and the cosine of `x` in `sine` and `cosine`. */
export function sineCosine(x: f64): void {
  const magnitude = Math.abs(x);
  if (magnitude < DIRECT_LIMIT) {
    sine = sineNear(x, 0.0);
    cosine = cosineNear(x, 0.0);
    return;
  }
  if (magnitude < COMPLEMENT_LIMIT) {
    const complement = HALF_PI - magnitude;
    const near = complement + HALF_PI_REST;
    sine = copysign<f64>(cosineNear(complement, HALF_PI_REST), x);
    cosine = sineNear(near, complement - near + HALF_PI_REST);
    return;
  }
  const quarters = x * TWO_OVER_PI + ROUND_WHOLE - ROUND_WHOLE;
  const quadrant = <i32>(<i64>quarters) & 3;
  const coarse = x - quarters * HALF_PI_1 - quarters * HALF_PI_2;
  const third = quarters * HALF_PI_3;
  const middle = coarse - third;
  const fourth = quarters * HALF_PI_4;
  const near = middle - fourth;
  const rest = coarse - middle - third + (middle - near - fourth);
  const s = sineNear(near, rest);
  const c = cosineNear(near, rest);
  // sin(r + q pi/2) runs through s, c, -s, -c; cos(r + q pi/2) through c, -s, -c, s
  const sinePart = (quadrant & 1) !== 0 ? c : s;
  const cosinePart = (quadrant & 1) !== 0 ? s : c;
  sine = (quadrant & 2) !== 0 ? -sinePart : sinePart;
  cosine = ((quadrant + 1) & 2) !== 0 ? -cosinePart : cosinePart;
}

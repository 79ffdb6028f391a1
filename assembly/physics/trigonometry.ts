// Sine and cosine in f64, the same bits on every machine, and the bits of the C library that the reference physics ran on
// (its build without fused multiply-add).
//
//   x  = r + q pi/2,  |r| <= pi/4, r as a sum of two doubles                       reduction by a four-part pi/2
//   |r| = k/128 + h,  |h| <= 1/256, S = sin(k/128), C = cos(k/128) from a table    each a sum of two doubles
//   sin |r| = S + (S (cos h - 1) + C sin h),   cos |r| = C + (C (cos h - 1) - S sin h)
//
// Error below 0.55 ulp. Arguments up to 1e8 are reduced with full accuracy.
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

/** sin(x + rest); rest is far below the last bit of x. */
function sineNear(x: f64, rest: f64): f64 {
  const magnitude = Math.abs(x);
  if (magnitude < SERIES_LIMIT) {
    const xx = x * x;
    const tail = ((((P11 * xx + P9) * xx + P7) * xx + P5) * xx + P3) * x - 0.5 * rest;
    return x + (tail * xx + rest);
  }
  const dx = x <= 0.0 ? -rest : rest;
  const shifted = ROUND_128TH + magnitude;
  const node = shifted - ROUND_128TH;
  const row = SINE_TABLE + ((<usize>(node * 128.0)) << 5);
  const h = magnitude - node;
  const hh = h * h;
  const s = h + (dx + h * hh * (S3 + hh * S5));
  const c = h * dx + hh * (C2 + hh * (C4 + hh * C6));
  const sn = load<f64>(row);
  const correction = load<f64>(row, 8) + s * load<f64>(row, 24) - sn * c + load<f64>(row, 16) * s;
  return copysign<f64>(sn + correction, x);
}

/** cos(x + rest). */
function cosineNear(x: f64, rest: f64): f64 {
  const magnitude = Math.abs(x);
  const node = ROUND_128TH + magnitude - ROUND_128TH;
  const row = SINE_TABLE + ((<usize>(node * 128.0)) << 5);
  const h = magnitude - node + (x < 0.0 ? -rest : rest);
  const hh = h * h;
  const s = h + h * hh * (S3 + hh * S5);
  const c = hh * (C2 + hh * (C4 + hh * C6));
  const cs = load<f64>(row, 16);
  const correction = load<f64>(row, 24) - s * load<f64>(row, 8) - cs * c - load<f64>(row) * s;
  return cs + correction;
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

// Sine and cosine of two lanes, without the host and without AssemblyScript's `Math`: +, -, * and bit operations only,
// so the bits are the same everywhere.
//
// Reduction: k = nearest(x 2/pi), r = ((x - k P1) - k P2) - k P3, P1 + P2 + P3 = pi/2 in pieces of 33 bits, so that
// k P1 and k P2 are exact for |k| < 2^20. Kernels on |r| <= pi/4: the minimax polynomials of degree 13 and 14 whose
// coefficients every libm shares. Error below 1 ulp of 1 for |x| < 1e6.
import { add, both, mul, sub, times } from "./lanes";

/** 1.5 * 2^52: adding it rounds to the nearest integer, which then stands in the low bits. */
const ROUNDER: usize = memory.data<f64>([6755399441055744.0]);
const TWO_OVER_PI: usize = memory.data<f64>([0.6366197723675814]);
const HALF_PI_1: usize = memory.data<f64>([1.57079632673412561417]);
const HALF_PI_2: usize = memory.data<f64>([6.0771005063039659766e-11]);
const HALF_PI_3: usize = memory.data<f64>([2.0222662487959505776e-21]);
const S13: usize = memory.data<f64>([1.58969099521155010221e-10]);
const S11: usize = memory.data<f64>([-2.50507602534068634195e-8]);
const S9: usize = memory.data<f64>([2.75573137070700676789e-6]);
const S7: usize = memory.data<f64>([-1.98412698298579493134e-4]);
const S5: usize = memory.data<f64>([8.33333333332248946124e-3]);
const S3: usize = memory.data<f64>([-1.66666666666666324348e-1]);
const C14: usize = memory.data<f64>([-1.13596475577881948265e-11]);
const C12: usize = memory.data<f64>([2.08757232129817482790e-9]);
const C10: usize = memory.data<f64>([-2.75573143513906633035e-7]);
const C8: usize = memory.data<f64>([2.48015872894767294178e-5]);
const C6: usize = memory.data<f64>([-1.38888888888741095749e-3]);
const C4: usize = memory.data<f64>([4.16666666666666019037e-2]);
const ONE: usize = memory.data<f64>([1]);
const HALF: usize = memory.data<f64>([0.5]);
const SIXTH: usize = memory.data<f64>([0.16666666666666666]);
const TWENTY_FOURTH: usize = memory.data<f64>([0.041666666666666664]);
const HUNDRED_TWENTIETH: usize = memory.data<f64>([0.008333333333333333]);

/** Writes sin x at `sinAt` and cos x at `cosAt`, both lanes. */
export function sinCos(x: v128, sinAt: usize, cosAt: usize): void {
  const shifted = add(times(x, TWO_OVER_PI), both(ROUNDER));
  const k = sub(shifted, both(ROUNDER));
  const r = sub(
    sub(sub(x, times(k, HALF_PI_1)), times(k, HALF_PI_2)),
    times(k, HALF_PI_3),
  );
  const z = mul(r, r);
  let p = times(z, S13);
  p = mul(z, add(p, both(S11)));
  p = mul(z, add(p, both(S9)));
  p = mul(z, add(p, both(S7)));
  p = mul(z, add(p, both(S5)));
  p = mul(z, add(p, both(S3)));
  const sine = add(r, mul(r, p));
  let q = times(z, C14);
  q = mul(z, add(q, both(C12)));
  q = mul(z, add(q, both(C10)));
  q = mul(z, add(q, both(C8)));
  q = mul(z, add(q, both(C6)));
  q = mul(z, add(q, both(C4)));
  const cosine = add(sub(both(ONE), times(z, HALF)), mul(z, q));
  // Quadrant k mod 4: odd swaps the two; bit 1 of k negates the sine, bit 1 of k + 1 the cosine.
  const odd = i64x2.neg(v128.and(shifted, i64x2.splat(1)));
  const sineSign = i64x2.shl(v128.and(shifted, i64x2.splat(2)), 62);
  const cosineSign = i64x2.shl(v128.and(i64x2.add(shifted, i64x2.splat(1)), i64x2.splat(2)), 62);
  v128.store(sinAt, v128.xor(v128.bitselect(cosine, sine, odd), sineSign));
  v128.store(cosAt, v128.xor(v128.bitselect(sine, cosine, odd), cosineSign));
}

/** Largest |delta| for which {@link turn} is exact to rounding. */
export const TURN_LIMIT: f64 = 0.006;

/**
 * The sine and cosine at `sinAt`, `cosAt` follow their angle through a step |delta| <= TURN_LIMIT:
 *   sin(x + d) = s + (c sin d + s (cos d - 1)),   cos(x + d) = c + (c (cos d - 1) - s sin d),
 *   sin d = d (1 - d^2/6 (1 - d^2/20)) + O(d^7/5040),   cos d - 1 = -d^2/2 (1 - d^2/12) + O(d^6/720),
 * the first neglected terms below 6e-17. A walk of n steps is off by at most n ulp; it starts anew from
 * {@link sinCos} at every environment step.
 */
// @ts-ignore: decorator
@inline
export function turn(delta: v128, sinAt: usize, cosAt: usize): void {
  const s = v128.load(sinAt), c = v128.load(cosAt);
  const square = mul(delta, delta);
  const sine = mul(delta, sub(both(ONE), mul(square, sub(both(SIXTH), times(square, HUNDRED_TWENTIETH)))));
  const versed = mul(square, sub(times(square, TWENTY_FOURTH), both(HALF)));
  v128.store(sinAt, add(s, add(mul(c, sine), mul(s, versed))));
  v128.store(cosAt, add(c, sub(mul(c, versed), mul(s, sine))));
}

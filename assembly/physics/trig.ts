// Sine and cosine of two lanes, without the host and without AssemblyScript's `Math`: +, -, * and bit operations only,
// so the bits are the same everywhere.
//
// Reduction: k = nearest(x 2/pi), r = ((x - k P1) - k P2) - k P3, P1 + P2 + P3 = pi/2 in pieces of 33 bits, so that
// k P1 and k P2 are exact for |k| < 2^20. Kernels on |r| <= pi/4: the minimax polynomials of degree 13 and 14 whose
// coefficients every libm shares. Error below 1 ulp of 1 for |x| < 1e6.
import { add, lanes, mul, sub, times } from "./lanes";

/** 1.5 * 2^52: adding it rounds to the nearest integer, which then stands in the low bits. */
const ROUNDER: f64 = 6755399441055744.0;

/** Writes sin x at `sinAt` and cos x at `cosAt`, both lanes. */
export function sinCos(x: v128, sinAt: usize, cosAt: usize): void {
  const shifted = add(times(x, 0.6366197723675814), lanes(ROUNDER));
  const k = sub(shifted, lanes(ROUNDER));
  const r = sub(
    sub(sub(x, times(k, 1.57079632673412561417)), times(k, 6.0771005063039659766e-11)),
    times(k, 2.0222662487959505776e-21),
  );
  const z = mul(r, r);
  let p = times(z, 1.58969099521155010221e-10);
  p = mul(z, add(p, lanes(-2.50507602534068634195e-8)));
  p = mul(z, add(p, lanes(2.75573137070700676789e-6)));
  p = mul(z, add(p, lanes(-1.98412698298579493134e-4)));
  p = mul(z, add(p, lanes(8.33333333332248946124e-3)));
  p = mul(z, add(p, lanes(-1.66666666666666324348e-1)));
  const sine = add(r, mul(r, p));
  let q = times(z, -1.13596475577881948265e-11);
  q = mul(z, add(q, lanes(2.08757232129817482790e-9)));
  q = mul(z, add(q, lanes(-2.75573143513906633035e-7)));
  q = mul(z, add(q, lanes(2.48015872894767294178e-5)));
  q = mul(z, add(q, lanes(-1.38888888888741095749e-3)));
  q = mul(z, add(q, lanes(4.16666666666666019037e-2)));
  const cosine = add(sub(lanes(1), times(z, 0.5)), mul(z, q));
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
  const sine = mul(delta, sub(lanes(1), mul(square, sub(lanes(1 / 6.0), times(square, 1 / 120.0)))));
  const versed = mul(square, sub(times(square, 1 / 24.0), lanes(0.5)));
  v128.store(sinAt, add(s, add(mul(c, sine), mul(s, versed))));
  v128.store(cosAt, add(c, sub(mul(c, versed), mul(s, sine))));
}

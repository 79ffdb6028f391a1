/** Sine and cosine of four angles at once, by the polynomials of kernels/lib/elementary.wgsl. */
import { madd, nmadd, select4, splat } from "./math";

/** sin 2πu, left by the last {@link sineCosineTurns4}. */
export let sine: v128 = f32x4.splat(0);
/** cos 2πu, left by the last {@link sineCosineTurns4}. */
export let cosine: v128 = f32x4.splat(0);

/**
 * Sets {@link sine} and {@link cosine} for u in [-1, 1], absolute error below 2e-7: quarter turns come off exactly, then
 * polynomials on [-π/4, π/4].
 */
// @ts-ignore: decorator
@inline
export function sineCosineTurns4(u: v128): void {
  const quarter = f32x4.nearest(f32x4.mul(u, splat(4.0)));
  const r = f32x4.mul(nmadd(quarter, splat(0.25), u), splat(6.2831853));
  const z = f32x4.mul(r, r);
  let p = madd(splat(-1.9515295891e-4), z, splat(8.3321608736e-3));
  p = madd(p, z, splat(-1.6666654611e-1));
  const s = madd(f32x4.mul(p, z), r, r);
  p = madd(splat(2.443315711809948e-5), z, splat(-1.388731625493765e-3));
  p = madd(p, z, splat(4.166664568298827e-2));
  const c = madd(f32x4.mul(p, z), z, nmadd(splat(0.5), z, splat(1.0)));
  const q = i32x4.trunc_sat_f32x4_s(quarter);
  const isOdd = i32x4.eq(v128.and(q, i32x4.splat(1)), i32x4.splat(1));
  // The sine is negative in quarters 2 and 3, the cosine in 1 and 2: bit 1 of q and of q + 1, moved to the sign.
  const sineSign = i32x4.shl(v128.and(q, i32x4.splat(2)), 30);
  const cosineSign = i32x4.shl(v128.and(i32x4.add(q, i32x4.splat(1)), i32x4.splat(2)), 30);
  sine = v128.xor(select4(c, s, isOdd), sineSign);
  cosine = v128.xor(select4(s, c, isOdd), cosineSign);
}

import { exp4, madd, select4, splat } from "./math";

/**
 * e^d - 1 - d, from which ratio = 1 + d + excess and the k3 estimate of a divergence come without cancellation:
 * d^2 (1/2 + d/6 + ... + d^8/10!) below 0.7, where the difference would lose what makes it up.
 */
export function excess4(d: v128): v128 {
  let p = splat(2.7557319e-7);
  p = madd(p, d, splat(2.7557319e-6));
  p = madd(p, d, splat(2.4801588e-5));
  p = madd(p, d, splat(1.9841270e-4));
  p = madd(p, d, splat(0.0013888889));
  p = madd(p, d, splat(0.0083333333));
  p = madd(p, d, splat(0.041666668));
  p = madd(p, d, splat(0.16666667));
  p = madd(p, d, splat(0.5));
  const near = f32x4.mul(f32x4.mul(d, d), p);
  const far = f32x4.sub(f32x4.sub(exp4(d), splat(1)), d);
  return select4(near, far, f32x4.lt(f32x4.abs(d), splat(0.7)));
}

/**
 * y = f_kind(x) and its slope, four at once. Codes (the same list stands in src/kernels/nn/activation.ts and
 * kernels/lib/activation.wgsl): 0 identity, 1 relu, 2 leaky relu (slope 0.01), 3 elu (alpha 1), 4 gelu (erf), 5 tanh,
 * 6 mish, 7 softplus.
 */
import { exp4, expWithin4, log1p4, madd, select4, sigmoid4, splat, tanh4 } from "./math";

/**
 * erf x: Maclaurin series to x^13 below 0.5; above, 1 - t exp(-x^2 + Q(t)) with t = 1/(1 + x/2) (rational fit of
 * Numerical Recipes' erfcc, relative error of erfc below 1.2e-7).
 */
function errorFunction4(x: v128): v128 {
  const z = f32x4.abs(x);
  const s = f32x4.mul(z, z);
  let p = splat(0.00010683761);
  p = madd(p, s, splat(-0.00075757576));
  p = madd(p, s, splat(0.00462962963));
  p = madd(p, s, splat(-0.02380952381));
  p = madd(p, s, splat(0.1));
  p = madd(p, s, splat(-0.33333333333));
  p = madd(p, s, splat(1.0));
  const near = f32x4.mul(f32x4.mul(x, splat(1.1283791671)), p);
  const t = f32x4.div(splat(1.0), madd(splat(0.5), z, splat(1.0)));
  let q = splat(0.17087277);
  q = madd(q, t, splat(-0.82215223));
  q = madd(q, t, splat(1.48851587));
  q = madd(q, t, splat(-1.13520398));
  q = madd(q, t, splat(0.27886807));
  q = madd(q, t, splat(-0.18628806));
  q = madd(q, t, splat(0.09678418));
  q = madd(q, t, splat(0.37409196));
  q = madd(q, t, splat(1.00002368));
  q = madd(q, t, splat(-1.26551223));
  const far = f32x4.sub(splat(1.0), f32x4.mul(t, exp4(f32x4.sub(q, s))));
  const signed = v128.or(far, v128.and(x, i32x4.splat(<i32>0x80000000)));
  return select4(near, signed, f32x4.lt(z, splat(0.5)));
}

/** Code of mish, which most U-Nets use: kernels that spend their time on it do it in place. */
export const MISH: u32 = 6;

/** mish(x) = x tanh(softplus(x)) = x a / (a + 2) with n = e^x, a = n (n + 2); x to full precision above 20. */
// @ts-ignore: decorator
@inline
export function mish4(x: v128): v128 {
  const n = expWithin4(f32x4.max(f32x4.min(x, splat(20.0)), splat(-87.33)));
  const a = f32x4.mul(n, f32x4.add(n, splat(2.0)));
  return f32x4.mul(x, f32x4.div(a, f32x4.add(a, splat(2.0))));
}

// What `takeMish` found; globals belong to one thread.
export let mishValue: v128 = i32x4(0, 0, 0, 0);
export let mishSlope: v128 = i32x4(0, 0, 0, 0);

/**
 * Sets `mishValue` and `mishSlope` of x. With t = tanh(softplus(x)) = a d, d = 1 / (a + 2): 1 - t^2 = 4 d^2 (1 + n)^2 and
 * sigmoid(x) = n / (1 + n), so the slope t + x (1 - t^2) sigmoid(x) is a d + 4 x d^2 n (1 + n).
 */
// @ts-ignore: decorator
@inline
export function takeMish(x: v128): void {
  const n = expWithin4(f32x4.max(f32x4.min(x, splat(20.0)), splat(-87.33)));
  const a = f32x4.mul(n, f32x4.add(n, splat(2.0)));
  const d = f32x4.div(splat(1.0), f32x4.add(a, splat(2.0)));
  const t = f32x4.mul(a, d);
  const twice = f32x4.add(d, d);
  const rest = f32x4.mul(f32x4.mul(twice, twice), madd(n, n, n));
  mishValue = f32x4.mul(x, t);
  mishSlope = madd(x, rest, t);
}

export function activate4(kind: u32, x: v128): v128 {
  switch (kind) {
    case 1: return f32x4.max(x, splat(0.0));
    case 2: return select4(x, f32x4.mul(x, splat(0.01)), f32x4.gt(x, splat(0.0)));
    case 3: {
      // e^x - 1 near 0 by its series: the difference would lose what makes it up.
      const low = f32x4.min(x, splat(0.0));
      let p = madd(splat(0.0083333333), low, splat(0.041666668));
      p = madd(p, low, splat(0.16666667));
      p = madd(p, low, splat(0.5));
      const series = madd(f32x4.mul(low, low), p, low);
      const far = f32x4.sub(exp4(low), splat(1.0));
      return select4(x, select4(series, far, f32x4.gt(low, splat(-0.1))), f32x4.gt(x, splat(0.0)));
    }
    case 4: return f32x4.mul(f32x4.mul(splat(0.5), x), f32x4.add(splat(1.0), errorFunction4(f32x4.mul(x, splat(0.70710678)))));
    case 5: return tanh4(x);
    case MISH: return mish4(x);
    // max(x, 0) + ln(1 + e^-|x|): no overflow on either side.
    case 7: return f32x4.add(f32x4.max(x, splat(0.0)), log1p4(exp4(f32x4.neg(f32x4.abs(x)))));
    default: return x;
  }
}

/** Slope of activate4 at x; at the kink of relu and leaky relu the slope of the left side, as PyTorch takes it. */
export function activationSlope4(kind: u32, x: v128): v128 {
  switch (kind) {
    case 1: return v128.and(f32x4.gt(x, splat(0.0)), splat(1.0));
    case 2: return select4(splat(1.0), splat(0.01), f32x4.gt(x, splat(0.0)));
    case 3: return select4(splat(1.0), exp4(f32x4.min(x, splat(0.0))), f32x4.gt(x, splat(0.0)));
    case 4: {
      // Phi(x) + x phi(x)
      const cumulative = f32x4.mul(splat(0.5), f32x4.add(splat(1.0), errorFunction4(f32x4.mul(x, splat(0.70710678)))));
      const density = f32x4.mul(splat(0.39894228), exp4(f32x4.mul(splat(-0.5), f32x4.mul(x, x))));
      return madd(x, density, cumulative);
    }
    case 5: {
      const y = tanh4(x);
      return f32x4.sub(splat(1.0), f32x4.mul(y, y));
    }
    case MISH: {
      takeMish(x);
      return mishSlope;
    }
    case 7: return sigmoid4(x);
    default: return splat(1.0);
  }
}

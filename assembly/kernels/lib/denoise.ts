/**
 * Mean of one reverse step, DDPM and DDIM in one formula, and its slopes; four elements of one row at once. With a row
 * (a, b, c, d, e, std) of the schedule and the network output `net`:
 *
 *     x0   = clamp(a x − b net, ±x0Clip)           or clamp(net, ±x0Clip) where the network predicts x0
 *     eps  = net where x0 was inside, else (a x − x0) / b; then clamp(eps, ±epsClip)
 *     mean = c x0 + d x + e eps                    (DDPM: e = 0; DDIM: d = 0)
 *
 * Inside its clip x0 gives back eps = net, so the re-derivation of DDIM needs no case of its own. A clip passes the
 * gradient where the value is inside, bounds included.
 */
import { madd, nmadd, select4, splat } from "./math";

let a: v128 = f32x4.splat(0);
let b: v128 = f32x4.splat(0);
let inverseB: v128 = f32x4.splat(0);
let c: v128 = f32x4.splat(0);
let d: v128 = f32x4.splat(0);
let e: v128 = f32x4.splat(0);

/** d mean / d net and d mean / d x, left by the last {@link stepSlopes4}. */
export let slopeNet: v128 = f32x4.splat(0);
export let slopeX: v128 = f32x4.splat(0);

/** Takes a row of the schedule for the calls that follow. */
export function useStep(row: usize): void {
  a = v128.load32_splat(row);
  b = v128.load32_splat(row, 4);
  c = v128.load32_splat(row, 8);
  d = v128.load32_splat(row, 12);
  e = v128.load32_splat(row, 16);
  inverseB = f32x4.div(splat(1), b);
}

/** x held within ±limit. */
// @ts-ignore: decorator
@inline
export function clampAbs4(x: v128, limit: v128): v128 {
  return f32x4.max(f32x4.min(x, limit), f32x4.neg(limit));
}

// @ts-ignore: decorator
@inline
export function stepMean4(x: v128, net: v128, predictEpsilon: bool, x0Clip: v128, epsClip: v128): v128 {
  const scaled = f32x4.mul(a, x);
  const raw = predictEpsilon ? nmadd(b, net, scaled) : net;
  const x0 = clampAbs4(raw, x0Clip);
  let eps = f32x4.mul(f32x4.sub(scaled, x0), inverseB);
  if (predictEpsilon) eps = select4(net, eps, f32x4.le(f32x4.abs(raw), x0Clip));
  return madd(c, x0, madd(d, x, f32x4.mul(e, clampAbs4(eps, epsClip))));
}

/** Sets {@link slopeNet} and {@link slopeX}. */
// @ts-ignore: decorator
@inline
export function stepSlopes4(x: v128, net: v128, predictEpsilon: bool, x0Clip: v128, epsClip: v128): void {
  const scaled = f32x4.mul(a, x);
  const raw = predictEpsilon ? nmadd(b, net, scaled) : net;
  const x0 = clampAbs4(raw, x0Clip);
  const isInside = f32x4.le(f32x4.abs(raw), x0Clip);
  const derived = f32x4.mul(f32x4.sub(scaled, x0), inverseB);
  if (predictEpsilon) {
    const eps = select4(net, derived, isInside);
    const gate = f32x4.le(f32x4.abs(eps), epsClip);
    // Inside: x0 = a x − b net, eps = net. Outside: x0 is a constant, eps = (a x − x0) / b.
    const epsNet = v128.and(v128.and(isInside, gate), splat(1));
    const epsX = v128.and(v128.andnot(gate, isInside), f32x4.mul(a, inverseB));
    slopeNet = nmadd(c, v128.and(isInside, b), f32x4.mul(e, epsNet));
    slopeX = madd(c, v128.and(isInside, a), madd(e, epsX, d));
  } else {
    const gate = f32x4.le(f32x4.abs(derived), epsClip);
    // x0 = net, eps = (a x − x0) / b.
    slopeNet = v128.and(isInside, nmadd(e, v128.and(gate, inverseB), c));
    slopeX = madd(e, v128.and(gate, f32x4.mul(a, inverseB)), d);
  }
}

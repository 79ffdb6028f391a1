// Coverage: area of (T intersected with goal T) / area of the goal T.
//
// In the goal's own frame its two rectangles are upright: [x0, x1] x [y0, y1]. For a simple polygon with edges y(x),
//   area(polygon ∩ rectangle) = | sum over edges of the integral over x in [x0, x1] of clamp(y(x), y0, y1) - y0 |,
// edges that run to the left counting negative. So the outline of the T (eight edges) is walked once for each goal rectangle; no
// clipped polygon is ever built. Where the clamp bends inside an edge, the integral is the width times the mean of the
// clamped values, which is uniform in y:  mean = (middle + above) / (high - low).
import {
  BAR_BOTTOM, BAR_LEFT, BAR_RIGHT, BAR_TOP, BLOCK_REACH, GRAVITY_Y, STEM_BOTTOM, STEM_LEFT, STEM_RIGHT, STEM_TOP,
} from "./constants";

/** Goal pose: origin (256, 256), angle pi/4. */
export const GOAL_X: f64 = 256.0;
export const GOAL_Y: f64 = 256.0;
export const GOAL_ANGLE: f64 = Math.PI / 4.0;
const HALF_ROOT: f64 = Math.SQRT1_2;
/** 120 x 30 + 30 x 90. */
const GOAL_AREA: f64 = 6300.0;

/** Signed integral of one edge over the strip [x0, x1], clamped to [y0, y0 + height] and measured from y0. */
// @ts-ignore: decorator
@inline
function edgeArea(ax: f64, ay: f64, bx: f64, by: f64, x0: f64, x1: f64, y0: f64, height: f64): f64 {
  const isForward = ax < bx;
  let left = isForward ? ax : bx;
  let right = isForward ? bx : ax;
  let low = (isForward ? ay : by) - y0;
  let high = (isForward ? by : ay) - y0;
  if (right <= x0 || left >= x1 || (low <= 0.0 && high <= 0.0)) return 0.0;
  if (left < x0 || right > x1) {
    const slope = (high - low) / (right - left);
    if (right > x1) {
      high += slope * (x1 - right);
      right = x1;
    }
    if (left < x0) {
      low += slope * (x0 - left);
      left = x0;
    }
  }
  const width = isForward ? right - left : left - right;
  if (low > high) {
    const swap = low;
    low = high;
    high = swap;
  }
  if (high <= 0.0) return 0.0;
  if (low >= height) return height * width;
  if (low >= 0.0 && high <= height) return 0.5 * (low + high) * width;
  const bottom = low > 0.0 ? low : 0.0;
  const top = high < height ? high : height;
  const middle = 0.5 * (top - bottom) * (top + bottom);
  const above = high > height ? height * (high - height) : 0.0;
  return (middle + above) / (high - low) * width;
}

/** Coverage of the T with origin (x, y) and the cosine and sine of its angle. */
export function coverage(x: f64, y: f64, cs: f64, sn: f64): f64 {
  // Centres of gravity farther apart than two reaches: nothing to see.
  const gapX = x - GRAVITY_Y * sn - (GOAL_X - GRAVITY_Y * HALF_ROOT);
  const gapY = y + GRAVITY_Y * cs - (GOAL_Y + GRAVITY_Y * HALF_ROOT);
  if (gapX * gapX + gapY * gapY > 4.0 * BLOCK_REACH * BLOCK_REACH) return 0.0;

  // Pose of the T in the goal's frame.
  const c = (cs + sn) * HALF_ROOT;
  const s = (sn - cs) * HALF_ROOT;
  const ox = (x - GOAL_X + (y - GOAL_Y)) * HALF_ROOT;
  const oy = (y - GOAL_Y - (x - GOAL_X)) * HALF_ROOT;
  const x0 = c * BAR_LEFT - s * BAR_TOP + ox;
  const y0 = s * BAR_LEFT + c * BAR_TOP + oy;
  const x1 = c * BAR_RIGHT - s * BAR_TOP + ox;
  const y1 = s * BAR_RIGHT + c * BAR_TOP + oy;
  const x2 = c * BAR_RIGHT - s * BAR_BOTTOM + ox;
  const y2 = s * BAR_RIGHT + c * BAR_BOTTOM + oy;
  const x3 = c * STEM_RIGHT - s * STEM_TOP + ox;
  const y3 = s * STEM_RIGHT + c * STEM_TOP + oy;
  const x4 = c * STEM_RIGHT - s * STEM_BOTTOM + ox;
  const y4 = s * STEM_RIGHT + c * STEM_BOTTOM + oy;
  const x5 = c * STEM_LEFT - s * STEM_BOTTOM + ox;
  const y5 = s * STEM_LEFT + c * STEM_BOTTOM + oy;
  const x6 = c * STEM_LEFT - s * STEM_TOP + ox;
  const y6 = s * STEM_LEFT + c * STEM_TOP + oy;
  const x7 = c * BAR_LEFT - s * BAR_BOTTOM + ox;
  const y7 = s * BAR_LEFT + c * BAR_BOTTOM + oy;

  let area = 0.0;
  for (let part = 0; part < 2; part++) {
    const left = part === 0 ? BAR_LEFT : STEM_LEFT;
    const right = part === 0 ? BAR_RIGHT : STEM_RIGHT;
    const base = part === 0 ? BAR_TOP : STEM_TOP;
    const height = part === 0 ? BAR_BOTTOM - BAR_TOP : STEM_BOTTOM - STEM_TOP;
    area += edgeArea(x0, y0, x1, y1, left, right, base, height)
      + edgeArea(x1, y1, x2, y2, left, right, base, height)
      + edgeArea(x2, y2, x3, y3, left, right, base, height)
      + edgeArea(x3, y3, x4, y4, left, right, base, height)
      + edgeArea(x4, y4, x5, y5, left, right, base, height)
      + edgeArea(x5, y5, x6, y6, left, right, base, height)
      + edgeArea(x6, y6, x7, y7, left, right, base, height)
      + edgeArea(x7, y7, x0, y0, left, right, base, height);
  }
  return Math.min(Math.abs(area) / GOAL_AREA, 1.0);
}

// Pose of the T. The solver moves the centre of gravity p and the angle a; everything else follows:
//   origin = p - R(a) (0, 45),   world(q) = R(a) q + origin,   box = [min, max] of the world vertices
import { cosine, sine, sineCosine } from "../libm-trigonometry";
import { BAR_BOTTOM, BAR_LEFT, BAR_RIGHT, BAR_TOP, GRAVITY_Y, STEM_BOTTOM, STEM_LEFT, STEM_RIGHT, STEM_TOP } from "./constants";
import {
  BLOCK_ANGLE, BLOCK_COS, BLOCK_SIN, BLOCK_X, BLOCK_Y, BOXES, BOX_STRIDE, ORIGIN_X, ORIGIN_Y, POLYGON_VERTICES_STRIDE, VERTICES,
} from "./memory";

/** Recomputes sine and cosine; call it after the angle has changed. */
export function turnBlock(scene: usize): void {
  sineCosine(load<f64>(scene, BLOCK_ANGLE));
  store<f64>(scene, cosine, BLOCK_COS);
  store<f64>(scene, sine, BLOCK_SIN);
}

/** Recomputes the origin from the centre of gravity and the stored rotation. */
export function placeOrigin(scene: usize): void {
  const cs = load<f64>(scene, BLOCK_COS);
  const sn = load<f64>(scene, BLOCK_SIN);
  // c.x = 0 stays in the formula: 0 * cs - c.y * sn is not -(c.y * sn) when the sine is zero.
  store<f64>(scene, load<f64>(scene, BLOCK_X) - (0.0 * cs - GRAVITY_Y * sn), ORIGIN_X);
  store<f64>(scene, load<f64>(scene, BLOCK_Y) - (0.0 * sn + GRAVITY_Y * cs), ORIGIN_Y);
}

/** World vertices of one rectangle and its box, x and y in two lanes: (cs, sn) x + (-sn, cs) y + (ox, oy). */
// @ts-ignore: decorator
@inline
function placeRectangle(scene: usize, index: usize, left: f64, right: f64, top: f64, bottom: f64): void {
  const cs = load<f64>(scene, BLOCK_COS);
  const sn = load<f64>(scene, BLOCK_SIN);
  const columnX = v128.load(scene, BLOCK_COS);
  const columnY = f64x2.replace_lane(f64x2.splat(cs), 0, -sn);
  const origin = v128.load(scene, ORIGIN_X);
  const atLeft = f64x2.mul(columnX, f64x2.splat(left));
  const atRight = f64x2.mul(columnX, f64x2.splat(right));
  const atTop = f64x2.mul(columnY, f64x2.splat(top));
  const atBottom = f64x2.mul(columnY, f64x2.splat(bottom));
  const v0 = f64x2.add(f64x2.add(atLeft, atTop), origin);
  const v1 = f64x2.add(f64x2.add(atRight, atTop), origin);
  const v2 = f64x2.add(f64x2.add(atRight, atBottom), origin);
  const v3 = f64x2.add(f64x2.add(atLeft, atBottom), origin);
  const vertices = scene + VERTICES + index * POLYGON_VERTICES_STRIDE;
  v128.store(vertices, v0);
  v128.store(vertices, v1, 16);
  v128.store(vertices, v2, 32);
  v128.store(vertices, v3, 48);
  const box = scene + BOXES + index * BOX_STRIDE;
  v128.store(box, f64x2.pmin(f64x2.pmin(v0, v1), f64x2.pmin(v2, v3)));
  v128.store(box, f64x2.pmax(f64x2.pmax(v0, v1), f64x2.pmax(v2, v3)), 16);
}

/** Recomputes the world vertices and boxes of both rectangles. */
export function placeShapes(scene: usize): void {
  placeRectangle(scene, 0, BAR_LEFT, BAR_RIGHT, BAR_TOP, BAR_BOTTOM);
  placeRectangle(scene, 1, STEM_LEFT, STEM_RIGHT, STEM_TOP, STEM_BOTTOM);
}

/** Turns the T about its centre of gravity to a raw angle. */
export function setBlockAngle(scene: usize, angle: f64): void {
  store<f64>(scene, angle, BLOCK_ANGLE);
  turnBlock(scene);
  placeOrigin(scene);
}

/** Moves the T so that its origin comes to (x, y) under the stored rotation: p = R(a) c + (x, y). */
export function setBlockPosition(scene: usize, x: f64, y: f64): void {
  const cs = load<f64>(scene, BLOCK_COS);
  const sn = load<f64>(scene, BLOCK_SIN);
  store<f64>(scene, cs * 0.0 + -sn * GRAVITY_Y + x, BLOCK_X);
  store<f64>(scene, sn * 0.0 + cs * GRAVITY_Y + y, BLOCK_Y);
  placeOrigin(scene);
}

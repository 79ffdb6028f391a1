// Pose of the T. The solver moves the centre of gravity p and the angle a; everything else follows:
//   origin = p - R(a) (0, 45),   world(q) = R(a) q + origin,   box = [min, max] of the world vertices
import { cosine, sine, sineCosine } from "../trigonometry";
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

/** World vertices (cs x + (-sn) y + ox, sn x + cs y + oy) of one rectangle, and its box. */
// @ts-ignore: decorator
@inline
function placeRectangle(scene: usize, index: usize, left: f64, right: f64, top: f64, bottom: f64): void {
  const cs = load<f64>(scene, BLOCK_COS);
  const sn = load<f64>(scene, BLOCK_SIN);
  const ox = load<f64>(scene, ORIGIN_X);
  const oy = load<f64>(scene, ORIGIN_Y);
  const x0 = cs * left + -sn * top + ox;
  const y0 = sn * left + cs * top + oy;
  const x1 = cs * right + -sn * top + ox;
  const y1 = sn * right + cs * top + oy;
  const x2 = cs * right + -sn * bottom + ox;
  const y2 = sn * right + cs * bottom + oy;
  const x3 = cs * left + -sn * bottom + ox;
  const y3 = sn * left + cs * bottom + oy;
  const vertices = scene + VERTICES + index * POLYGON_VERTICES_STRIDE;
  store<f64>(vertices, x0);
  store<f64>(vertices, y0, 8);
  store<f64>(vertices, x1, 16);
  store<f64>(vertices, y1, 24);
  store<f64>(vertices, x2, 32);
  store<f64>(vertices, y2, 40);
  store<f64>(vertices, x3, 48);
  store<f64>(vertices, y3, 56);
  const box = scene + BOXES + index * BOX_STRIDE;
  store<f64>(box, Math.min(Math.min(x0, x1), Math.min(x2, x3)));
  store<f64>(box, Math.min(Math.min(y0, y1), Math.min(y2, y3)), 8);
  store<f64>(box, Math.max(Math.max(x0, x1), Math.max(x2, x3)), 16);
  store<f64>(box, Math.max(Math.max(y0, y1), Math.max(y2, y3)), 24);
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

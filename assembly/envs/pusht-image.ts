// Pictures of Push-T: the scene on a canvas of 512 x 512 pixels, scaled to the size asked for; 96 x 96 is the image observation.
//
// Order: background, goal, bar, stem (fill, then outline), agent, walls, one marker for each contact of the last physics step.
import {
  BAR_BOTTOM, BAR_LEFT, BAR_RIGHT, BAR_TOP, DISC_RADIUS, STEM_BOTTOM, STEM_LEFT, STEM_RIGHT, STEM_TOP, WALLS, WALL_STRIDE,
} from "../physics/planar/constants";
import { GOAL_ANGLE, GOAL_X, GOAL_Y } from "../physics/planar/coverage";
import {
  ACTIVE_CONTACTS, AGENT_X, AGENT_Y, BLOCK_COS, BLOCK_SIN, CONTACTS, CONTACT_NX, CONTACT_NY, CONTACT_P1X, CONTACT_P1Y,
  CONTACT_P2X, CONTACT_P2Y, CONTACT_STRIDE, ORIGIN_X, ORIGIN_Y,
} from "../physics/planar/memory";
import { cosine, sine, sineCosine } from "../physics/libm-trigonometry";
import { stateOf } from "./batch";
import {
  CANVAS, CANVAS_BYTES, colour, fatLine, fillCanvas, fillCircle, fillQuadrilateral, roundHalfEven, scaleCanvas, smoothLine,
} from "./raster";

/** Bytes of the canvas that the host lends for drawing. */
export const PUSHT_CANVAS_BYTES: u32 = CANVAS_BYTES;

const BACKGROUND: u32 = colour(255, 255, 255);
const GOAL: u32 = colour(144, 238, 144);
const BLOCK_FILL: u32 = colour(143, 163, 184);
const BLOCK_OUTLINE: u32 = colour(119, 136, 153);
const AGENT_RIM: u32 = colour(65, 105, 225);
const AGENT_FILL: u32 = colour(78, 126, 255);
const WALL: u32 = colour(211, 211, 211);
const MARKER: u32 = colour(231, 76, 60);
const TARGET: u32 = colour(255, 0, 0);

/** A rim of 4 px around the agent. */
const AGENT_INNER: i32 = <i32>DISC_RADIUS - 4;
/** A marker reaches this far beyond both surface points. */
const MARKER_REACH: f64 = 2.0;

/** One rectangle of a T with origin (ox, oy): filled, and outlined where `outline` is not 0. */
function drawRectangle(
  canvas: usize, left: f64, right: f64, top: f64, bottom: f64, ox: f64, oy: f64, cs: f64, sn: f64, fill: u32, outline: u32,
): void {
  const x0 = cs * left + -sn * top + ox;
  const y0 = sn * left + cs * top + oy;
  const x1 = cs * right + -sn * top + ox;
  const y1 = sn * right + cs * top + oy;
  const x2 = cs * right + -sn * bottom + ox;
  const y2 = sn * right + cs * bottom + oy;
  const x3 = cs * left + -sn * bottom + ox;
  const y3 = sn * left + cs * bottom + oy;
  fillQuadrilateral(
    canvas, roundHalfEven(x0), roundHalfEven(y0), roundHalfEven(x1), roundHalfEven(y1),
    roundHalfEven(x2), roundHalfEven(y2), roundHalfEven(x3), roundHalfEven(y3), fill,
  );
  if (outline === 0) return;
  fatLine(canvas, x0, y0, x1, y1, outline);
  fatLine(canvas, x1, y1, x2, y2, outline);
  fatLine(canvas, x2, y2, x3, y3, outline);
  fatLine(canvas, x3, y3, x0, y0, outline);
}

function drawT(canvas: usize, ox: f64, oy: f64, cs: f64, sn: f64, fill: u32, outline: u32): void {
  drawRectangle(canvas, BAR_LEFT, BAR_RIGHT, BAR_TOP, BAR_BOTTOM, ox, oy, cs, sn, fill, outline);
  drawRectangle(canvas, STEM_LEFT, STEM_RIGHT, STEM_TOP, STEM_BOTTOM, ox, oy, cs, sn, fill, outline);
}

/** Everything but the markers. */
function drawScene(canvas: usize, agentX: f64, agentY: f64, ox: f64, oy: f64, cs: f64, sn: f64): void {
  fillCanvas(canvas, BACKGROUND);
  sineCosine(GOAL_ANGLE);
  drawT(canvas, GOAL_X, GOAL_Y, cosine, sine, GOAL, 0);
  drawT(canvas, ox, oy, cs, sn, BLOCK_FILL, BLOCK_OUTLINE);
  const x = roundHalfEven(agentX);
  const y = roundHalfEven(agentY);
  fillCircle(canvas, x, y, <i32>DISC_RADIUS, AGENT_RIM);
  fillCircle(canvas, x, y, AGENT_INNER, AGENT_FILL);
  for (let wall: usize = 0; wall < 4; wall++) {
    const ends = WALLS + wall * WALL_STRIDE;
    fatLine(canvas, load<f64>(ends), load<f64>(ends, 8), load<f64>(ends, 16), load<f64>(ends, 24), WALL);
  }
}

// @ts-ignore: decorator
@inline
function drawMarker(canvas: usize, ax: f64, ay: f64, bx: f64, by: f64): void {
  smoothLine(canvas, roundHalfEven(ax), roundHalfEven(ay), roundHalfEven(bx), roundHalfEven(by), MARKER);
}

/** Draws one environment as it stands on the canvas, with the contacts of its last physics step. */
export function pusht_draw(batch: usize, environment: u32, canvas: usize): void {
  const state = stateOf(batch, environment);
  drawScene(
    canvas, load<f64>(state, AGENT_X), load<f64>(state, AGENT_Y), load<f64>(state, ORIGIN_X), load<f64>(state, ORIGIN_Y),
    load<f64>(state, BLOCK_COS), load<f64>(state, BLOCK_SIN),
  );
  const contacts = <usize>load<u32>(state, ACTIVE_CONTACTS);
  for (let i: usize = 0; i < contacts; i++) {
    const contact = state + CONTACTS + i * CONTACT_STRIDE;
    const reachX = load<f64>(contact, CONTACT_NX) * MARKER_REACH;
    const reachY = load<f64>(contact, CONTACT_NY) * MARKER_REACH;
    drawMarker(
      canvas, load<f64>(contact, CONTACT_P1X) - reachX, load<f64>(contact, CONTACT_P1Y) - reachY,
      load<f64>(contact, CONTACT_P2X) + reachX, load<f64>(contact, CONTACT_P2Y) + reachY,
    );
  }
}

/** Draws a pose; `markers` points to `count` segments of four f64 each (from x, y to x, y). */
export function pusht_draw_pose(
  agentX: f64, agentY: f64, blockX: f64, blockY: f64, angle: f64, markers: usize, count: u32, canvas: usize,
): void {
  sineCosine(angle);
  drawScene(canvas, agentX, agentY, blockX, blockY, cosine, sine);
  for (let i: u32 = 0; i < count; i++) {
    const marker = markers + <usize>i * 32;
    drawMarker(canvas, load<f64>(marker), load<f64>(marker, 8), load<f64>(marker, 16), load<f64>(marker, 24));
  }
}

/** Scales the canvas to `size` x `size` pixels of 3 (RGB) or 4 (RGBA) bytes at `out`. */
export function pusht_scale(canvas: usize, size: i32, channels: i32, out: usize): void {
  scaleCanvas(canvas, size, channels, out);
}

let picture: usize = 0;
let pictureSize: i32 = 0;
let pictureChannels: i32 = 0;

function markRow(y: i32, x0: i32, x1: i32): void {
  if (y < 0 || y >= pictureSize) return;
  const last = min(x1, pictureSize - 1);
  for (let x = max(x0, 0); x <= last; x++) {
    const pixel = picture + <usize>((y * pictureSize + x) * pictureChannels);
    store<u8>(pixel, <u8>TARGET);
    store<u8>(pixel, <u8>(TARGET >> 8), 1);
    store<u8>(pixel, <u8>(TARGET >> 16), 2);
  }
}

/** Filled circle of odd diameter by the error-driven walk of one octant: the round end of a thick stroke. */
function markEnd(x0: i32, y0: i32, radius: i32): void {
  let error = 0;
  let dx = radius;
  let dy = 0;
  let plus = 1;
  let minus = 2 * radius - 1;
  while (dx >= dy) {
    markRow(y0 - dy, x0 - dx, x0 + dx);
    markRow(y0 + dy, x0 - dx, x0 + dx);
    markRow(y0 - dx, x0 - dy, x0 + dy);
    markRow(y0 + dx, x0 - dy, x0 + dy);
    dy += 1;
    error += plus;
    plus += 2;
    if (error <= 0) continue;
    error -= minus;
    dx -= 1;
    minus -= 2;
  }
}

/**
 * Marks the commanded target on a scaled picture with a red cross. On a picture of side S: centre trunc(target S / 512), length
 * trunc(8 S / 96), thickness trunc(S / 96). A stroke of odd thickness t > 1 covers (t + 1) / 2 pixels to either side.
 */
export function pusht_mark_target(targetX: f64, targetY: f64, size: i32, channels: i32, out: usize): void {
  picture = out;
  pictureSize = size;
  pictureChannels = channels;
  const x = <i32>(targetX / <f64>CANVAS * <f64>size);
  const y = <i32>(targetY / <f64>CANVAS * <f64>size);
  const arm = <i32>(8.0 / 96.0 * <f64>size) / 2;
  const thickness = <i32>(1.0 / 96.0 * <f64>size);
  const half = thickness > 1 ? (thickness + 1) / 2 : 0;
  for (let row = -half; row <= half; row++) markRow(y + row, x - arm, x + arm);
  for (let row = y - arm; row <= y + arm; row++) markRow(row, x - half, x + half);
  if (half === 0) return;
  markEnd(x - arm, y, half);
  markEnd(x + arm, y, half);
  markEnd(x, y - arm, half);
  markEnd(x, y + arm, half);
}

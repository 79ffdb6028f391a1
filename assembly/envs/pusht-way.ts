// Ways of the disc around the T, in the T's own frame: the T grown by CLEARANCE is the union of two upright rectangles, and a
// shortest way around it bends only at its convex corners. Where a box of the world is to be kept out of, ways bend at its corners too.
import { BAR_BOTTOM, BAR_RIGHT, BAR_TOP, STEM_BOTTOM, STEM_RIGHT } from "../physics/planar/constants";
import { BLOCK_COS, BLOCK_SIN, ORIGIN_X, ORIGIN_Y } from "../physics/planar/memory";

/** Distance from the T at which the disc walks around it. */
export const CLEARANCE: f64 = 21.0;
/** Targets stay this far inside the canvas. */
const CANVAS_LOW: f64 = 3.0;
const CANVAS_HIGH: f64 = 509.0;

// Scratch
const SEES: usize = 0;
const DISTANCES: usize = 64;
const CAME_FROM: usize = 192;
const PATH: usize = 256;
/** Where ways bend, in the T's frame, f64 x 2: the corners of the T, and those of the box. */
const BENDS: usize = 512;
export const WAYS_BYTES: usize = 704;

let scratch: usize = 0;

/** World points of the way last written, f64 x 2 each. */
// @ts-ignore: decorator
@inline
export function wayPoints(): usize {
  return scratch + PATH;
}

const BAR_X: f64 = BAR_RIGHT + CLEARANCE;
const BAR_Y0: f64 = BAR_TOP - CLEARANCE;
const BAR_Y1: f64 = BAR_BOTTOM + CLEARANCE;
const STEM_X: f64 = STEM_RIGHT + CLEARANCE;
const STEM_Y1: f64 = STEM_BOTTOM + CLEARANCE;
/** Touching the grown outline is no crossing. */
const SKIN: f64 = 0.5;
const CORNERS: u32 = 6;
/** The convex corners of the grown T. */
const CORNER_POINTS: usize = memory.data<f64>([
  -81.0, -21.0, 81.0, -21.0, 81.0, 51.0, 36.0, 141.0, -36.0, 141.0, -81.0, 51.0,
]);

// @ts-ignore: decorator
@inline
export function clamp(value: f64, low: f64, high: f64): f64 {
  return Math.min(Math.max(value, low), high);
}

/** Whether the open rectangle is crossed by a-b (slab test). */
function crosses(ax: f64, ay: f64, bx: f64, by: f64, x0: f64, x1: f64, y0: f64, y1: f64): bool {
  const dx = bx - ax;
  const dy = by - ay;
  let from = 0.0;
  let to = 1.0;
  if (dx === 0.0) {
    if (ax <= x0 || ax >= x1) return false;
  } else {
    const t0 = (x0 - ax) / dx;
    const t1 = (x1 - ax) / dx;
    from = Math.max(from, Math.min(t0, t1));
    to = Math.min(to, Math.max(t0, t1));
  }
  if (dy === 0.0) {
    if (ay <= y0 || ay >= y1) return false;
  } else {
    const t0 = (y0 - ay) / dy;
    const t1 = (y1 - ay) / dy;
    from = Math.max(from, Math.min(t0, t1));
    to = Math.min(to, Math.max(t0, t1));
  }
  return from < to;
}

function isClear(ax: f64, ay: f64, bx: f64, by: f64): bool {
  return !crosses(ax, ay, bx, by, SKIN - BAR_X, BAR_X - SKIN, BAR_Y0 + SKIN, BAR_Y1 - SKIN)
    && !crosses(ax, ay, bx, by, SKIN - STEM_X, STEM_X - SKIN, BAR_Y0 + SKIN, STEM_Y1 - SKIN);
}

// @ts-ignore: decorator
@inline
export function isInsideGrown(x: f64, y: f64): bool {
  if (Math.abs(x) < BAR_X - SKIN && y > BAR_Y0 + SKIN && y < BAR_Y1 - SKIN) return true;
  return Math.abs(x) < STEM_X - SKIN && y > BAR_Y0 + SKIN && y < STEM_Y1 - SKIN;
}

// Nearest point of the grown outline found so far.
let exitX: f64 = 0.0;
let exitY: f64 = 0.0;
let exitSquare: f64 = 0.0;

function tryExit(x: f64, y: f64, fromX: f64, fromY: f64): void {
  const square = (x - fromX) * (x - fromX) + (y - fromY) * (y - fromY);
  if (square >= exitSquare) return;
  exitSquare = square;
  exitX = x;
  exitY = y;
}

/** Leaves in (exitX, exitY) where the disc at (x, y) leaves the grown T: the point itself if it is outside. */
function findExit(x: f64, y: f64): void {
  exitX = x;
  exitY = y;
  if (!isInsideGrown(x, y)) return;
  exitSquare = Infinity;
  tryExit(clamp(x, -BAR_X, BAR_X), BAR_Y0, x, y);
  tryExit(-BAR_X, clamp(y, BAR_Y0, BAR_Y1), x, y);
  tryExit(BAR_X, clamp(y, BAR_Y0, BAR_Y1), x, y);
  tryExit(clamp(x, STEM_X, BAR_X), BAR_Y1, x, y);
  tryExit(clamp(x, -BAR_X, -STEM_X), BAR_Y1, x, y);
  tryExit(-STEM_X, clamp(y, BAR_Y1, STEM_Y1), x, y);
  tryExit(STEM_X, clamp(y, BAR_Y1, STEM_Y1), x, y);
  tryExit(clamp(x, -STEM_X, STEM_X), STEM_Y1, x, y);
}

// @ts-ignore: decorator
@inline
export function between(ax: f64, ay: f64, bx: f64, by: f64): f64 {
  return Math.sqrt((bx - ax) * (bx - ax) + (by - ay) * (by - ay));
}

export function isOnCanvas(x: f64, y: f64): bool {
  return x >= CANVAS_LOW && x <= CANVAS_HIGH && y >= CANVAS_LOW && y <= CANVAS_HIGH;
}

function bendX(bend: u32): f64 {
  return load<f64>(scratch + BENDS + (<usize>bend << 4));
}

function bendY(bend: u32): f64 {
  return load<f64>(scratch + BENDS + (<usize>bend << 4), 8);
}

function setBend(bend: u32, x: f64, y: f64): void {
  store<f64>(scratch + BENDS + (<usize>bend << 4), x);
  store<f64>(scratch + BENDS + (<usize>bend << 4), y, 8);
}

// The box to keep out of, with a margin around it, in the world; empty where there is none.
let boxX0: f64 = 0.0;
let boxX1: f64 = 0.0;
let boxY0: f64 = 0.0;
let boxY1: f64 = 0.0;
let bends: u32 = CORNERS;

// The frame of the T of the way that is measured.
let frameCos: f64 = 1.0;
let frameSin: f64 = 0.0;
let frameX: f64 = 0.0;
let frameY: f64 = 0.0;

// @ts-ignore: decorator
@inline
function worldX(x: f64, y: f64): f64 {
  return frameCos * x - frameSin * y + frameX;
}

// @ts-ignore: decorator
@inline
function worldY(x: f64, y: f64): f64 {
  return frameSin * x + frameCos * y + frameY;
}

/** Ways keep out of this rectangle of the world from now on; of none where it is empty. */
export function keepOut(x0: f64, x1: f64, y0: f64, y1: f64): void {
  boxX0 = x0;
  boxX1 = x1;
  boxY0 = y0;
  boxY1 = y1;
  bends = x0 < x1 && y0 < y1 ? CORNERS + 4 : CORNERS;
}

/** Whether a point of the world lies in the rectangle to keep out of, deeper than `depth`. */
// @ts-ignore: decorator
@inline
export function isKeptOut(x: f64, y: f64, depth: f64 = 0.0): bool {
  return x > boxX0 + depth && x < boxX1 - depth && y > boxY0 + depth && y < boxY1 - depth;
}

/** Whether the disc can go straight from a to b, in the T's frame; out of the box it can from anywhere in it. */
function isOpen(ax: f64, ay: f64, bx: f64, by: f64): bool {
  if (!isClear(ax, ay, bx, by)) return false;
  if (bends === CORNERS) return true;
  const x = worldX(ax, ay);
  const y = worldY(ax, ay);
  return isKeptOut(x, y) || !crosses(x, y, worldX(bx, by), worldY(bx, by), boxX0, boxX1, boxY0, boxY1);
}

/** Takes the frame of the T of `scene`, and the corners of the box in it. */
function enterFrame(scene: usize): void {
  frameCos = load<f64>(scene, BLOCK_COS);
  frameSin = load<f64>(scene, BLOCK_SIN);
  frameX = load<f64>(scene, ORIGIN_X);
  frameY = load<f64>(scene, ORIGIN_Y);
  for (let bend = CORNERS; bend < bends; bend++) {
    const x = ((bend & 1) === 0 ? boxX0 - SKIN : boxX1 + SKIN) - frameX;
    const y = ((bend & 2) === 0 ? boxY0 - SKIN : boxY1 + SKIN) - frameY;
    setBend(bend, frameCos * x + frameSin * y, frameCos * y - frameSin * x);
  }
}

/** Gives the scratch of this instance, and notes which corners of the grown T see each other past it: it never changes. */
export function prepareWays(pointer: usize): void {
  scratch = pointer;
  memory.copy(scratch + BENDS, CORNER_POINTS, <usize>CORNERS << 4);
  for (let a: u32 = 0; a < CORNERS; a++) {
    for (let b: u32 = 0; b < CORNERS; b++) {
      store<u8>(scratch + SEES + <usize>(a * CORNERS + b), isClear(bendX(a), bendY(a), bendX(b), bendY(b)) ? 1 : 0);
    }
  }
}

/** Whether two bends see each other; what only the T decides is known. */
function seesBend(a: u32, b: u32): bool {
  if (a < CORNERS && b < CORNERS) {
    if (load<u8>(scratch + SEES + <usize>(a * CORNERS + b)) === 0) return false;
    if (bends === CORNERS) return true;
  }
  return isOpen(bendX(a), bendY(a), bendX(b), bendY(b));
}

/** Bend before the goal on the way last found, or -1 for a straight way; CAME_FROM leads on from there. */
let lastBend: i32 = -1;

/**
 * Length of the shortest way from world point a to world point b around the T of `scene` and the box, over bends that lie on the canvas;
 * infinite where there is none. Dijkstra over six or ten bends.
 */
export function wayLength(scene: usize, ax: f64, ay: f64, bx: f64, by: f64): f64 {
  enterFrame(scene);
  const fromX = frameCos * (ax - frameX) + frameSin * (ay - frameY);
  const fromY = frameCos * (ay - frameY) - frameSin * (ax - frameX);
  const toX = frameCos * (bx - frameX) + frameSin * (by - frameY);
  const toY = frameCos * (by - frameY) - frameSin * (bx - frameX);
  findExit(fromX, fromY);
  const leaving = between(fromX, fromY, exitX, exitY);
  lastBend = -1;
  if (isKeptOut(bx, by)) return Infinity;
  if (isOpen(exitX, exitY, toX, toY)) return leaving + between(exitX, exitY, toX, toY);

  const distances = scratch + DISTANCES;
  const cameFrom = scratch + CAME_FROM;
  let open: u32 = 0;
  for (let bend: u32 = 0; bend < bends; bend++) {
    const x = bendX(bend);
    const y = bendY(bend);
    const isSeen = isOpen(exitX, exitY, x, y);
    store<f64>(distances + (<usize>bend << 3), isSeen ? leaving + between(exitX, exitY, x, y) : Infinity);
    store<i8>(cameFrom + <usize>bend, -1);
    if (isOnCanvas(worldX(x, y), worldY(x, y))) open |= 1 << bend;
  }
  let best = Infinity;
  while (open !== 0) {
    let nearest: u32 = 0;
    let least = Infinity;
    for (let bend: u32 = 0; bend < bends; bend++) {
      const length = load<f64>(distances + (<usize>bend << 3));
      if ((open >> bend & 1) === 0 || length >= least) continue;
      least = length;
      nearest = bend;
    }
    if (least >= best) break;
    open &= ~(1 << nearest);
    const x = bendX(nearest);
    const y = bendY(nearest);
    if (isOpen(x, y, toX, toY)) {
      const total = least + between(x, y, toX, toY);
      if (total < best) {
        best = total;
        lastBend = <i32>nearest;
      }
    }
    for (let bend: u32 = 0; bend < bends; bend++) {
      if (!seesBend(nearest, bend)) continue;
      const total = least + between(x, y, bendX(bend), bendY(bend));
      if (total >= load<f64>(distances + (<usize>bend << 3))) continue;
      store<f64>(distances + (<usize>bend << 3), total);
      store<i8>(cameFrom + <usize>bend, <i8>nearest);
    }
  }
  return best;
}

/** Writes the way last measured, from a to b, as world points at PATH; returns their number. */
export function writeWay(ax: f64, ay: f64, bx: f64, by: f64): u32 {
  let count: u32 = 0;
  for (let bend = lastBend; bend >= 0; bend = <i32>load<i8>(scratch + CAME_FROM + <usize>bend)) count++;
  let place = scratch + PATH;
  store<f64>(place, ax);
  store<f64>(place, ay, 8);
  store<f64>(place, worldX(exitX, exitY), 16);
  store<f64>(place, worldY(exitX, exitY), 24);
  let bend = lastBend;
  for (let i = count; i > 0; i--) {
    const point = place + 16 + (<usize>i << 4);
    store<f64>(point, worldX(bendX(<u32>bend), bendY(<u32>bend)));
    store<f64>(point, worldY(bendX(<u32>bend), bendY(<u32>bend)), 8);
    bend = <i32>load<i8>(scratch + CAME_FROM + <usize>bend);
  }
  place += 32 + (<usize>count << 4);
  store<f64>(place, bx);
  store<f64>(place, by, 8);
  return count + 3;
}

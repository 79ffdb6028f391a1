// Ways of the disc around the T, in the T's own frame: the T grown by CLEARANCE is the union of two upright rectangles, and a
// shortest way around it bends only at its convex corners.
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
export const WAYS_BYTES: usize = 512;

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
export function crosses(ax: f64, ay: f64, bx: f64, by: f64, x0: f64, x1: f64, y0: f64, y1: f64): bool {
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

function cornerX(corner: u32): f64 {
  return load<f64>(CORNER_POINTS + (<usize>corner << 4));
}

function cornerY(corner: u32): f64 {
  return load<f64>(CORNER_POINTS + (<usize>corner << 4), 8);
}

/** Gives the scratch of this instance, and notes which corners of the grown T see each other: it never changes. */
export function prepareWays(pointer: usize): void {
  scratch = pointer;
  for (let a: u32 = 0; a < CORNERS; a++) {
    for (let b: u32 = 0; b < CORNERS; b++) {
      store<u8>(scratch + SEES + <usize>(a * CORNERS + b), isClear(cornerX(a), cornerY(a), cornerX(b), cornerY(b)) ? 1 : 0);
    }
  }
}

/** Corner before the goal on the way last found, or -1 for a straight way; CAME_FROM leads on from there. */
let lastCorner: i32 = -1;

/**
 * Length of the shortest way from world point a to world point b around the T of `scene`, over corners that lie on the canvas; infinite
 * where there is none. Dijkstra over six corners.
 */
export function wayLength(scene: usize, ax: f64, ay: f64, bx: f64, by: f64): f64 {
  const cs = load<f64>(scene, BLOCK_COS);
  const sn = load<f64>(scene, BLOCK_SIN);
  const ox = load<f64>(scene, ORIGIN_X);
  const oy = load<f64>(scene, ORIGIN_Y);
  const fromX = cs * (ax - ox) + sn * (ay - oy);
  const fromY = cs * (ay - oy) - sn * (ax - ox);
  const toX = cs * (bx - ox) + sn * (by - oy);
  const toY = cs * (by - oy) - sn * (bx - ox);
  findExit(fromX, fromY);
  const leaving = between(fromX, fromY, exitX, exitY);
  lastCorner = -1;
  if (isClear(exitX, exitY, toX, toY)) return leaving + between(exitX, exitY, toX, toY);

  const distances = scratch + DISTANCES;
  const cameFrom = scratch + CAME_FROM;
  let open: u32 = 0;
  for (let corner: u32 = 0; corner < CORNERS; corner++) {
    const x = cornerX(corner);
    const y = cornerY(corner);
    const isSeen = isClear(exitX, exitY, x, y);
    store<f64>(distances + (<usize>corner << 3), isSeen ? leaving + between(exitX, exitY, x, y) : Infinity);
    store<i8>(cameFrom + <usize>corner, -1);
    if (isOnCanvas(cs * x - sn * y + ox, sn * x + cs * y + oy)) open |= 1 << corner;
  }
  let best = Infinity;
  while (open !== 0) {
    let nearest: u32 = 0;
    let least = Infinity;
    for (let corner: u32 = 0; corner < CORNERS; corner++) {
      const length = load<f64>(distances + (<usize>corner << 3));
      if ((open >> corner & 1) === 0 || length >= least) continue;
      least = length;
      nearest = corner;
    }
    if (least >= best) break;
    open &= ~(1 << nearest);
    const x = cornerX(nearest);
    const y = cornerY(nearest);
    if (isClear(x, y, toX, toY)) {
      const total = least + between(x, y, toX, toY);
      if (total < best) {
        best = total;
        lastCorner = <i32>nearest;
      }
    }
    for (let corner: u32 = 0; corner < CORNERS; corner++) {
      if (load<u8>(scratch + SEES + <usize>(nearest * CORNERS + corner)) === 0) continue;
      const total = least + between(x, y, cornerX(corner), cornerY(corner));
      if (total >= load<f64>(distances + (<usize>corner << 3))) continue;
      store<f64>(distances + (<usize>corner << 3), total);
      store<i8>(cameFrom + <usize>corner, <i8>nearest);
    }
  }
  return best;
}

/** Writes the way last measured, from a to b, as world points at PATH; returns their number. */
export function writeWay(scene: usize, ax: f64, ay: f64, bx: f64, by: f64): u32 {
  const cs = load<f64>(scene, BLOCK_COS);
  const sn = load<f64>(scene, BLOCK_SIN);
  const ox = load<f64>(scene, ORIGIN_X);
  const oy = load<f64>(scene, ORIGIN_Y);
  let corners: u32 = 0;
  for (let corner = lastCorner; corner >= 0; corner = <i32>load<i8>(scratch + CAME_FROM + <usize>corner)) corners++;
  let place = scratch + PATH;
  store<f64>(place, ax);
  store<f64>(place, ay, 8);
  store<f64>(place, cs * exitX - sn * exitY + ox, 16);
  store<f64>(place, sn * exitX + cs * exitY + oy, 24);
  let corner = lastCorner;
  for (let i = corners; i > 0; i--) {
    const point = place + 16 + (<usize>i << 4);
    const x = cornerX(<u32>corner);
    const y = cornerY(<u32>corner);
    store<f64>(point, cs * x - sn * y + ox);
    store<f64>(point, sn * x + cs * y + oy, 8);
    corner = <i32>load<i8>(scratch + CAME_FROM + <usize>corner);
  }
  place += 32 + (<usize>corners << 4);
  store<f64>(place, bx);
  store<f64>(place, by, 8);
  return corners + 3;
}

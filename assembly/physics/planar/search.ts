// Closest features of a rectangle and a point or segment core, by the reference's own search: GJK on the difference set
// {b - a : a in the core, b in the rectangle}, then an expanding polytope when the cores overlap. Every comparison and
// every sum is written in the reference's order, because the last bits of the result are part of the contract.
//
// A point of the difference set is an edge end (i, j): core point i, rectangle vertex j, packed as 4 i + j.
import { TINY } from "./constants";
import { HULL, NEXT_HULL } from "./memory";

const ROUNDS: i32 = 30;

// Result of `finish` and `searchClosest`: unit normal from the core to the rectangle, signed distance of the cores, and the
// surface points of both cores.
export let normalX: f64 = 0.0;
export let normalY: f64 = 0.0;
export let distance: f64 = 0.0;
export let coreX: f64 = 0.0;
export let coreY: f64 = 0.0;
export let surfaceX: f64 = 0.0;
export let surfaceY: f64 = 0.0;

// The query: core points (two, equal for a disc) and where the rectangle's vertices lie.
let core0X: f64 = 0.0;
let core0Y: f64 = 0.0;
let core1X: f64 = 0.0;
let core1Y: f64 = 0.0;
let vertices: usize = 0;

// @ts-ignore: decorator
@inline
function differenceX(point: u32): f64 {
  return load<f64>(vertices + (<usize>(point & 3) << 4)) - (point >= 4 ? core1X : core0X);
}

// @ts-ignore: decorator
@inline
function differenceY(point: u32): f64 {
  return load<f64>(vertices + (<usize>(point & 3) << 4), 8) - (point >= 4 ? core1Y : core0Y);
}

/** Farthest point of the difference set along n: the core's farthest along -n, the first farthest vertex along n. */
function support(nx: f64, ny: f64): u32 {
  const isEnd0 = core0X * -nx + core0Y * -ny > core1X * -nx + core1Y * -ny;
  let best = load<f64>(vertices) * nx + load<f64>(vertices, 8) * ny;
  let index: u32 = 0;
  for (let i: u32 = 1; i < 4; i++) {
    const vertex = vertices + (<usize>i << 4);
    const height = load<f64>(vertex) * nx + load<f64>(vertex, 8) * ny;
    if (height > best) {
      best = height;
      index = i;
    }
  }
  return isEnd0 ? index : index + 4;
}

/** Whether c lies on the greater side of a -> b. */
// @ts-ignore: decorator
@inline
function greater(ax: f64, ay: f64, bx: f64, by: f64, cx: f64, cy: f64): bool {
  return (by - ay) * (ax + bx - 2.0 * cx) > (bx - ax) * (ay + by - 2.0 * cy);
}

/** Place of the point of segment a-b that is nearest to 0: -1 at a, 1 at b. */
// @ts-ignore: decorator
@inline
function nearest(ax: f64, ay: f64, bx: f64, by: f64): f64 {
  const dx = bx - ax;
  const dy = by - ay;
  const square = dx * dx + dy * dy;
  if (square === 0.0) return 0.0;
  return -Math.min(Math.max((dx * (ax + bx) + dy * (ay + by)) / square, -1.0), 1.0);
}

// @ts-ignore: decorator
@inline
function mix(a: f64, b: f64, t: f64): f64 {
  const half = 0.5 * t;
  return a * (0.5 - half) + b * (0.5 + half);
}

/** Squared distance of 0 from segment a-b. */
function squaredDistance(a: u32, b: u32): f64 {
  const ax = differenceX(a);
  const ay = differenceY(a);
  const bx = differenceX(b);
  const by = differenceY(b);
  const t = nearest(ax, ay, bx, by);
  const x = mix(ax, bx, t);
  const y = mix(ay, by, t);
  return x * x + y * y;
}

/** Sets the query of `searchClosest` and `finish`. */
export function setQuery(ends: usize, rectangle: usize): void {
  core0X = load<f64>(ends);
  core0Y = load<f64>(ends, 8);
  core1X = load<f64>(ends, 16);
  core1Y = load<f64>(ends, 24);
  vertices = rectangle;
}

/** The same for a disc: a core of one point. */
export function setPointQuery(x: f64, y: f64, rectangle: usize): void {
  core0X = x;
  core0Y = y;
  core1X = x;
  core1Y = y;
  vertices = rectangle;
}

/**
 * Results for the edge (a, b) of the difference set. With P its nearest point to 0:
 *   n = unit(rperp(b - a)), d = n.P;   nearest at an end and outside: d = |P|, n = P / (|P| + tiny)
 */
export function finish(a: u32, b: u32): void {
  const ax = differenceX(a);
  const ay = differenceY(a);
  const bx = differenceX(b);
  const by = differenceY(b);
  const t = nearest(ax, ay, bx, by);
  const px = mix(ax, bx, t);
  const py = mix(ay, by, t);
  const vertexA = vertices + (<usize>(a & 3) << 4);
  const vertexB = vertices + (<usize>(b & 3) << 4);
  coreX = mix(a >= 4 ? core1X : core0X, b >= 4 ? core1X : core0X, t);
  coreY = mix(a >= 4 ? core1Y : core0Y, b >= 4 ? core1Y : core0Y, t);
  surfaceX = mix(load<f64>(vertexA), load<f64>(vertexB), t);
  surfaceY = mix(load<f64>(vertexA, 8), load<f64>(vertexB, 8), t);
  const edgeX = bx - ax;
  const edgeY = by - ay;
  const scale = 1.0 / (Math.sqrt(edgeX * edgeX + edgeY * edgeY) + TINY);
  normalX = edgeY * scale;
  normalY = -edgeX * scale;
  distance = normalX * px + normalY * py;
  if (distance <= 0.0 || (-1.0 < t && t < 1.0)) return;
  const length = Math.sqrt(px * px + py * py);
  const inverse = 1.0 / (length + TINY);
  distance = length;
  normalX = px * inverse;
  normalY = py * inverse;
}

/** The normal of `finish` alone, for an edge whose nearest point lies inside it. */
export function finishNormal(a: u32, b: u32): void {
  const edgeX = differenceX(b) - differenceX(a);
  const edgeY = differenceY(b) - differenceY(a);
  // The root of a rounded square is the number itself, so an upright or level edge needs none.
  const length = edgeX === 0.0 ? Math.abs(edgeY) : edgeY === 0.0 ? Math.abs(edgeX) : Math.sqrt(edgeX * edgeX + edgeY * edgeY);
  const scale = 1.0 / (length + TINY);
  normalX = edgeY * scale;
  normalY = -edgeX * scale;
}

/** Expands the hull of three points around 0 until its nearest edge is an edge of the difference set. */
function expand(scene: usize, a: u32, b: u32, c: u32): void {
  let hull = scene + HULL;
  let next = scene + NEXT_HULL;
  store<u8>(hull, <u8>a);
  store<u8>(hull, <u8>b, 1);
  store<u8>(hull, <u8>c, 2);
  let count = 3;
  for (let round = 1; ; round++) {
    let least = Infinity;
    let edge = 0;
    for (let i = count - 1, j = 0; j < count; i = j, j++) {
      const square = squaredDistance(load<u8>(hull + <usize>i), load<u8>(hull + <usize>j));
      if (square < least) {
        least = square;
        edge = i;
      }
    }
    const v0: u32 = load<u8>(hull + <usize>edge);
    const v1: u32 = load<u8>(hull + <usize>((edge + 1) % count));
    const x0 = differenceX(v0);
    const y0 = differenceY(v0);
    const x1 = differenceX(v1);
    const y1 = differenceY(v1);
    const p = support(-(y1 - y0), x1 - x0);
    const px = differenceX(p);
    const py = differenceY(p);
    if (p === v0 || p === v1 || round >= ROUNDS || !greater(x0, y0, x1, y1, px, py)) {
      finish(v0, v1);
      return;
    }
    store<u8>(next, <u8>p);
    let kept = 1;
    for (let i = 0; i < count; i++) {
      const last: u32 = load<u8>(next + <usize>(kept - 1));
      const here: u32 = load<u8>(hull + <usize>((edge + 1 + i) % count));
      const after: u32 = i + 1 < count ? <u32>load<u8>(hull + <usize>((edge + 2 + i) % count)) : p;
      if (greater(differenceX(last), differenceY(last), differenceX(after), differenceY(after), differenceX(here), differenceY(here))) {
        store<u8>(next + <usize>kept, <u8>here);
        kept++;
      }
    }
    count = kept;
    const swap = hull;
    hull = next;
    next = swap;
  }
}

/** Runs the search from the axis given: the perpendicular of (centre of the core's box - centre of the rectangle's box). */
export function searchClosest(scene: usize, axisX: f64, axisY: f64): void {
  let v0 = support(axisX, axisY);
  let v1 = support(-axisX, -axisY);
  for (let round = 1; round <= ROUNDS; round++) {
    if (greater(differenceX(v1), differenceY(v1), differenceX(v0), differenceY(v0), 0.0, 0.0)) {
      const swap = v0;
      v0 = v1;
      v1 = swap;
    }
    const x0 = differenceX(v0);
    const y0 = differenceY(v0);
    const x1 = differenceX(v1);
    const y1 = differenceY(v1);
    const t = nearest(x0, y0, x1, y1);
    let nx = -(y1 - y0);
    let ny = x1 - x0;
    if (!(-1.0 < t && t < 1.0)) {
      nx = -mix(x0, x1, t);
      ny = -mix(y0, y1, t);
    }
    const p = support(nx, ny);
    const px = differenceX(p);
    const py = differenceY(p);
    if (greater(px, py, x0, y0, 0.0, 0.0) && greater(x1, y1, px, py, 0.0, 0.0)) {
      expand(scene, v0, p, v1);
      return;
    }
    if (px * nx + py * ny <= Math.max(x0 * nx + y0 * ny, x1 * nx + y1 * ny)) break;
    if (squaredDistance(v0, p) < squaredDistance(p, v1)) v1 = p;
    else v0 = p;
  }
  finish(v0, v1);
}

// Narrow phase: contacts of the disc or a wall with one rectangle of the T.
//
// Two ways lead to the closest features. `exact` is the reference's search (search.ts). `fast` names the features in closed
// form and lets the search finish from them with the same arithmetic, so that its results have the same bits; where two
// features are within MARGIN of being equally close, it runs the search.
//
// disc  In the T's axes the rectangle is [left, right] x [top, bottom] and the centre is (x, y). With
//         sx = max(left - x, x - right),  sy = max(top - y, y - bottom)
//       both positive: the corner; else the face of the larger of the two, which is also the least penetrated one.
// wall  Apart: the nearest vertex, if it lies between the wall's ends. Overlapping: the least penetrated of six axes.
import {
  BAR_BOTTOM, BAR_LEFT, BAR_RIGHT, BAR_TOP, DISC_RADIUS, STEM_BOTTOM, STEM_LEFT, STEM_RIGHT, STEM_TOP, TINY, WALLS, WALL_BOX,
  WALL_RADIUS, WALL_STRIDE,
} from "./constants";
import {
  AGENT_VX, AGENT_VY, AGENT_X, AGENT_Y, BAR, BLOCK_COS, BLOCK_SIN, BOXES, BOX_STRIDE, DISC, ORIGIN_X, ORIGIN_Y,
  POLYGON_VERTICES_STRIDE, VERTICES,
} from "./memory";
import { addContact, openArbiter } from "./arbiter";
import { overlap } from "./box";
import {
  coreX, coreY, distance, finish, finishNormal, normalX, normalY, searchClosest, setPointQuery, setQuery, surfaceX, surfaceY,
} from "./search";

/** Two features closer than this to a tie are left to the search; px. */
const MARGIN: f64 = 1e-9;

let isExact: bool = false;

/** Chooses the collision path of this instance for the calls that follow. */
export function useExactSearch(exact: bool): void {
  isExact = exact;
}

/** Candidate pair of the broad phase, in either order. */
export function collide(scene: usize, a: u32, b: u32): void {
  const polygon = (a > b ? a : b) - BAR;
  const other = a > b ? b : a;
  if (a === DISC) collideDisc(scene, b - BAR);
  else if (b === DISC) collideDisc(scene, a - BAR);
  else collideWall(scene, other, polygon);
}

// @ts-ignore: decorator
@inline
function verticesOf(scene: usize, polygon: u32): usize {
  return scene + VERTICES + <usize>polygon * POLYGON_VERTICES_STRIDE;
}

function collideDisc(scene: usize, polygon: u32): void {
  const x = load<f64>(scene, AGENT_X);
  const y = load<f64>(scene, AGENT_Y);
  const box = scene + BOXES + <usize>polygon * BOX_STRIDE;
  if (x - DISC_RADIUS > load<f64>(box, 16) || load<f64>(box) > x + DISC_RADIUS) return;
  if (y - DISC_RADIUS > load<f64>(box, 24) || load<f64>(box, 8) > y + DISC_RADIUS) return;
  if (isExact) {
    searchDisc(scene, polygon, x, y);
  } else {
    const edge = discEdge(scene, polygon, x, y);
    if (edge === SEPARATE) return;
    if (edge === UNCERTAIN) {
      searchDisc(scene, polygon, x, y);
    } else {
      setPointQuery(x, y, verticesOf(scene, polygon));
      finish(<u32>edge, (<u32>edge + 3) & 3);
    }
  }
  if (distance - DISC_RADIUS > 0.0) return;
  openArbiter(scene, DISC, polygon);
  addContact(
    scene, 10 * DISC + BAR + polygon, 0, normalX, normalY,
    coreX + normalX * DISC_RADIUS, coreY + normalY * DISC_RADIUS, surfaceX, surfaceY,
    x, y, load<f64>(scene, AGENT_VX), load<f64>(scene, AGENT_VY),
  );
}

function searchDisc(scene: usize, polygon: u32, x: f64, y: f64): void {
  const box = scene + BOXES + <usize>polygon * BOX_STRIDE;
  setPointQuery(x, y, verticesOf(scene, polygon));
  const centreX = (x - DISC_RADIUS) * 0.5 + (x + DISC_RADIUS) * 0.5;
  const centreY = (y - DISC_RADIUS) * 0.5 + (y + DISC_RADIUS) * 0.5;
  const awayX = centreX - (load<f64>(box) * 0.5 + load<f64>(box, 16) * 0.5);
  const awayY = centreY - (load<f64>(box, 8) * 0.5 + load<f64>(box, 24) * 0.5);
  searchClosest(scene, -awayY, awayX);
}

const SEPARATE: i32 = -1;
const UNCERTAIN: i32 = -2;

/** Face i (from vertex i - 1 to vertex i) on which the search ends for a disc at (x, y), or why there is none. */
// @ts-ignore: decorator
@inline
function discEdge(scene: usize, polygon: u32, x: f64, y: f64): i32 {
  const cs = load<f64>(scene, BLOCK_COS);
  const sn = load<f64>(scene, BLOCK_SIN);
  const dx = x - load<f64>(scene, ORIGIN_X);
  const dy = y - load<f64>(scene, ORIGIN_Y);
  const isBar = polygon === 0;
  const localX = cs * dx + sn * dy;
  const localY = cs * dy - sn * dx;
  const beyondLeft = (isBar ? BAR_LEFT : STEM_LEFT) - localX;
  const beyondRight = localX - (isBar ? BAR_RIGHT : STEM_RIGHT);
  const beyondTop = (isBar ? BAR_TOP : STEM_TOP) - localY;
  const beyondBottom = localY - (isBar ? BAR_BOTTOM : STEM_BOTTOM);
  const sx = beyondLeft > beyondRight ? beyondLeft : beyondRight;
  const sy = beyondTop > beyondBottom ? beyondTop : beyondBottom;
  if (sx > DISC_RADIUS + MARGIN || sy > DISC_RADIUS + MARGIN) return SEPARATE;
  const faceX = beyondLeft > beyondRight ? 0 : 2;
  const faceY = beyondTop > beyondBottom ? 1 : 3;
  if (sx > MARGIN && sy > MARGIN) {
    if (sx * sx + sy * sy > (DISC_RADIUS + MARGIN) * (DISC_RADIUS + MARGIN)) return SEPARATE;
    return faceX;
  }
  if (sx > MARGIN && sy < -MARGIN) return faceX;
  if (sy > MARGIN && sx < -MARGIN) return faceY;
  if (sx < -MARGIN && sy < -MARGIN && Math.abs(sx - sy) > MARGIN) return sx > sy ? faceX : faceY;
  return UNCERTAIN;
}

function collideWall(scene: usize, wall: u32, polygon: u32): void {
  const ends = WALLS + <usize>wall * WALL_STRIDE;
  const box = scene + BOXES + <usize>polygon * BOX_STRIDE;
  if (!overlap(box, ends + WALL_BOX)) return;
  const vertices = verticesOf(scene, polygon);
  setQuery(ends, vertices);
  const edge = isExact ? UNCERTAIN : wallEdge(scene, wall, polygon, box, vertices);
  if (edge === SEPARATE) return;
  let farthest = UNCERTAIN;
  if (edge === UNCERTAIN) {
    const awayX = load<f64>(ends, WALL_BOX) * 0.5 + load<f64>(ends, WALL_BOX + 16) * 0.5 - (load<f64>(box) * 0.5 + load<f64>(box, 16) * 0.5);
    const awayY = load<f64>(ends, WALL_BOX + 8) * 0.5 + load<f64>(ends, WALL_BOX + 24) * 0.5 - (load<f64>(box, 8) * 0.5 + load<f64>(box, 24) * 0.5);
    searchClosest(scene, -awayY, awayX);
    if (distance - WALL_RADIUS > 0.0) return;
  } else {
    finishNormal(<u32>edge & 7, <u32>edge >> 3);
    // One vertex with both ends of the wall: it is the farthest along -n, and no other is near it.
    if (((edge ^ edge >> 3) & 3) === 0) farthest = edge & 3;
  }
  clip(scene, wall, polygon, ends, vertices, farthest);
}

/**
 * Edge of the difference set on which the search ends, packed as first point + 8 * second point; only the normal of a touching
 * pair matters, so a pair too near the threshold is UNCERTAIN. The difference set of a wall and a rectangle has six edges: the wall with the lowest
 * and with the highest vertex across it, and each face with one end of the wall. The edge of largest separation is the one.
 */
// @ts-ignore: decorator
@inline
function wallEdge(scene: usize, wall: u32, polygon: u32, box: usize, vertices: usize): i32 {
  const ends = WALLS + <usize>wall * WALL_STRIDE;
  // Walls 0 and 2 stand upright: distances run along x, the span along y.
  const across: usize = (wall & 1) === 0 ? 0 : 8;
  const along: usize = 8 - across;
  const line = load<f64>(ends + across);
  const below = load<f64>(box + across) - line;
  const above = line - load<f64>(box + across + 16);
  const isAbove = below > above;
  const separation = isAbove ? below : above;
  if (separation > WALL_RADIUS + MARGIN) return SEPARATE;
  if (separation > WALL_RADIUS - MARGIN) return UNCERTAIN;

  // The vertices on the near side of the box; a second one within the margin decides nothing.
  const side = load<f64>(box + across + (isAbove ? 0 : 16));
  let near: u32 = 0;
  for (let i: u32 = 0; i < 4; i++) {
    near |= <u32>(Math.abs(load<f64>(vertices + (<usize>i << 4) + across) - side) < MARGIN) << i;
  }
  if (popcnt(near) !== 1) return UNCERTAIN;
  const index = <i32>ctz(near);
  // The two points in the order that keeps the difference set on their right.
  const isForward = isAbove !== (wall === 2);
  const wallPair = isForward ? index | (index + 4) << 3 : index + 4 | index << 3;
  if (separation > MARGIN) {
    const beside = load<f64>(vertices + (<usize>index << 4) + along);
    const end0 = load<f64>(ends + along);
    const end1 = load<f64>(ends + along + 16);
    const isBetween = beside > Math.min(end0, end1) + MARGIN && beside < Math.max(end0, end1) - MARGIN;
    return isBetween ? wallPair : UNCERTAIN;
  }
  if (separation > -MARGIN) return UNCERTAIN;

  // The cores may overlap: the wall's ends in the T's axes, against the faces.
  const cs = load<f64>(scene, BLOCK_COS);
  const sn = load<f64>(scene, BLOCK_SIN);
  const x0 = load<f64>(ends) - load<f64>(scene, ORIGIN_X);
  const y0 = load<f64>(ends, 8) - load<f64>(scene, ORIGIN_Y);
  const x1 = load<f64>(ends, 16) - load<f64>(scene, ORIGIN_X);
  const y1 = load<f64>(ends, 24) - load<f64>(scene, ORIGIN_Y);
  const endX0 = cs * x0 + sn * y0;
  const endY0 = cs * y0 - sn * x0;
  const endX1 = cs * x1 + sn * y1;
  const endY1 = cs * y1 - sn * x1;
  const isBar = polygon === 0;
  const left = (isBar ? BAR_LEFT : STEM_LEFT) - Math.max(endX0, endX1);
  const top = (isBar ? BAR_TOP : STEM_TOP) - Math.max(endY0, endY1);
  const right = Math.min(endX0, endX1) - (isBar ? BAR_RIGHT : STEM_RIGHT);
  const bottom = Math.min(endY0, endY1) - (isBar ? BAR_BOTTOM : STEM_BOTTOM);
  const isLeft = left > right;
  const isTop = top > bottom;
  const x = isLeft ? left : right;
  const y = isTop ? top : bottom;
  const face = Math.max(x, y);
  if (face > -MARGIN || Math.abs(face - separation) < MARGIN || Math.abs(separation - (isAbove ? above : below)) < MARGIN) return UNCERTAIN;
  if (separation > face) return wallPair;
  if (Math.abs(x - y) < MARGIN || Math.abs(x > y ? endX0 - endX1 : endY0 - endY1) < MARGIN) return UNCERTAIN;
  const from = x > y ? (isLeft ? 0 : 2) : (isTop ? 1 : 3);
  const isEnd1 = x > y ? isLeft === endX1 > endX0 : isTop === endY1 > endY0;
  const end = isEnd1 ? 4 : 0;
  return from + end | ((from + 3 & 3) + end) << 3;
}

/** a (1 - t) + b t, x and y in two lanes. */
// @ts-ignore: decorator
@inline
function lerp(a: v128, b: v128, t: f64): v128 {
  return f64x2.add(f64x2.mul(a, f64x2.splat(1.0 - t)), f64x2.mul(b, f64x2.splat(t)));
}

/** px ny - py nx. */
// @ts-ignore: decorator
@inline
function cross(point: v128, normal: v128): f64 {
  return f64x2.extract_lane(point, 0) * f64x2.extract_lane(normal, 1) - f64x2.extract_lane(point, 1) * f64x2.extract_lane(normal, 0);
}

// @ts-ignore: decorator
@inline
function clamp01(value: f64): f64 {
  return value < 0.0 ? 0.0 : value > 1.0 ? 1.0 : value;
}

/**
 * Contacts of the wall and the rectangle's edge that faces it, from their overlap along the edge. With s = cross(point, n) of the
 * four ends (edge 1 the wall, edge 2 the rectangle):
 *   contact 1 joins end a of edge 1 with end b of edge 2, contact 2 the other two; each kept iff (P2 - P1).n <= 0
 * `knownFarthest`: the vertex farthest along -n, or UNCERTAIN.
 */
function clip(scene: usize, wall: u32, polygon: u32, ends: usize, vertices: usize, knownFarthest: i32): void {
  const nx = normalX;
  const ny = normalY;
  // Edge 1 runs so that its right side faces along n. rperp(end 1 - end 0) = (dy, -dx); its length does not change the sign.
  const wallX = load<f64>(ends, 16) - load<f64>(ends);
  const wallY = load<f64>(ends, 24) - load<f64>(ends, 8);
  const isForward = wallY * nx - wallX * ny > 0.0;
  const edge1A = isForward ? ends : ends + 16;
  const edge1B = isForward ? ends + 16 : ends;
  const index1A: u32 = isForward ? 0 : 1;
  const index1B: u32 = 1 - index1A;

  // Edge 2: of the two faces that meet at the vertex farthest along -n, the one that faces it more.
  const mx = -nx;
  const my = -ny;
  const farthest = knownFarthest === UNCERTAIN ? farthestVertex(vertices, mx, my) : <u32>knownFarthest;
  const here = facing(scene, farthest, mx, my);
  const next = facing(scene, (farthest + 1) & 3, mx, my);
  const index2A = here > next ? (farthest + 3) & 3 : farthest;
  const index2B = (index2A + 1) & 3;
  const edge2A = vertices + (<usize>index2A << 4);
  const edge2B = vertices + (<usize>index2B << 4);

  const normal = f64x2.replace_lane(f64x2.splat(nx), 1, ny);
  const a1 = v128.load(edge1A);
  const b1 = v128.load(edge1B);
  const a2 = v128.load(edge2A);
  const b2 = v128.load(edge2B);
  const s1a = cross(a1, normal);
  const s1b = cross(b1, normal);
  const s2a = cross(a2, normal);
  const s2b = cross(b2, normal);
  const k1 = 1.0 / (s1b - s1a + TINY);
  const k2 = 1.0 / (s2b - s2a + TINY);
  const skin = f64x2.mul(normal, f64x2.splat(WALL_RADIUS));
  let isOpen = false;
  for (let contact: u32 = 0; contact < 2; contact++) {
    const isFirst = contact === 0;
    const p1 = f64x2.add(skin, lerp(a1, b1, clamp01(((isFirst ? s2b : s2a) - s1a) * k1)));
    const p2 = lerp(a2, b2, clamp01(((isFirst ? s1a : s1b) - s2a) * k2));
    const apart = f64x2.mul(f64x2.sub(p2, p1), normal);
    if (f64x2.extract_lane(apart, 0) + f64x2.extract_lane(apart, 1) > 0.0) continue;
    if (!isOpen) {
      openArbiter(scene, wall, polygon);
      isOpen = true;
    }
    const id = isFirst ? index1A * 4 + index2B : index1B * 4 + index2A;
    addContact(
      scene, 10 * wall + BAR + polygon, id, nx, ny, f64x2.extract_lane(p1, 0), f64x2.extract_lane(p1, 1),
      f64x2.extract_lane(p2, 0), f64x2.extract_lane(p2, 1), 0.0, 0.0, 0.0, 0.0,
    );
  }
}

/** First vertex of largest height along m. */
function farthestVertex(vertices: usize, mx: f64, my: f64): u32 {
  let best = -Infinity;
  let farthest: u32 = 0;
  for (let i: u32 = 0; i < 4; i++) {
    const vertex = vertices + (<usize>i << 4);
    const height = load<f64>(vertex) * mx + load<f64>(vertex, 8) * my;
    if (height <= best) continue;
    best = height;
    farthest = i;
  }
  return farthest;
}

/** Component along m of the outward normal of face i: R (-1,0), R (0,-1), R (1,0), R (0,1). */
function facing(scene: usize, face: u32, mx: f64, my: f64): f64 {
  const cs = load<f64>(scene, BLOCK_COS);
  const sn = load<f64>(scene, BLOCK_SIN);
  if (face === 0) return mx * -cs + my * -sn;
  if (face === 1) return mx * sn + my * -cs;
  if (face === 2) return mx * cs + my * sn;
  return mx * -sn + my * cs;
}

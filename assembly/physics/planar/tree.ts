// Broad phase. Its trees decide in which order pairs are handed to the narrow phase, and that order decides the
// solver's, so it follows the reference exactly. Four facts make it small:
//   - the tree of the walls never changes: (((3, 2), 1), 0), so a query meets walls in the order 3, 2, 1, 0;
//   - three leaves have only two forms of tree, and an insertion leaves ((leaf, a), b) or (a, (leaf, b));
//   - an inner box is the union of its leaves' boxes, so testing the leaves' own boxes is enough;
//   - a pair matters only to the leaf that is second in it, and never between bar and stem or disc and wall.
import { COLLISION_SLOP, DISC_RADIUS, WALLS, WALL_BOX, WALL_STRIDE } from "./constants";
import {
  AGENT_VX, AGENT_X, BAR, BLOCK_VX, BLOCK_VY, BOXES, BOX_STRIDE, DISC, FAT_BOXES, PAIR_LISTS, STEM, TREE_LEAVES, TREE_SIDE,
} from "./memory";
import { contains, overlap } from "./box";
import { collide } from "./collide";

/** Fattening of a box as a share of its size and of its velocity; the reference uses the same float as for the slop. */
const FATTENING: f64 = COLLISION_SLOP;

// @ts-ignore: decorator
@inline
function fatBox(scene: usize, leaf: u32): usize {
  return scene + FAT_BOXES + <usize>(leaf - DISC) * BOX_STRIDE;
}

// @ts-ignore: decorator
@inline
function listOf(scene: usize, leaf: u32): usize {
  return scene + PAIR_LISTS + (<usize>(leaf - DISC) << 2);
}

function remember(scene: usize, leaf: u32, first: u32): void {
  const list = listOf(scene, leaf);
  store<u32>(list, load<u32>(list) << 4 | (first + 1));
}

/** Takes `first` out of the leaf's list. */
function forget(scene: usize, leaf: u32, first: u32): void {
  const list = listOf(scene, leaf);
  const value = load<u32>(list);
  for (let shift: u32 = 0; shift < 32 && value >> shift !== 0; shift += 4) {
    if ((value >> shift & 15) !== first + 1) continue;
    const below = value & ((1 << shift) - 1);
    const above = shift === 28 ? 0 : value >> (shift + 4) << shift;
    store<u32>(list, above | below);
    return;
  }
}

// @ts-ignore: decorator
@inline
function area(box: usize): f64 {
  return (load<f64>(box, 16) - load<f64>(box)) * (load<f64>(box, 24) - load<f64>(box, 8));
}

function mergedArea(a: usize, b: usize): f64 {
  return (Math.max(load<f64>(a, 16), load<f64>(b, 16)) - Math.min(load<f64>(a), load<f64>(b)))
    * (Math.max(load<f64>(a, 24), load<f64>(b, 24)) - Math.min(load<f64>(a, 8), load<f64>(b, 8)));
}

function proximity(a: usize, b: usize): f64 {
  return Math.abs(load<f64>(a) + load<f64>(a, 16) - load<f64>(b) - load<f64>(b, 16))
    + Math.abs(load<f64>(a, 8) + load<f64>(a, 24) - load<f64>(b, 8) - load<f64>(b, 24));
}

/** Takes the leaf out of the tree and puts it back beside the child whose side grows least. */
function reinsert(scene: usize, leaf: u32): void {
  const leaves = scene + TREE_LEAVES;
  let a: u32 = load<u8>(leaves);
  let b: u32 = load<u8>(leaves, 2);
  if (a === leaf) a = load<u8>(leaves, 1);
  else if (b === leaf) b = load<u8>(leaves, 1);
  const box = fatBox(scene, leaf);
  const boxA = fatBox(scene, a);
  const boxB = fatBox(scene, b);
  let costA = area(boxB) + mergedArea(boxA, box);
  let costB = area(boxA) + mergedArea(boxB, box);
  if (costA === costB) {
    costA = proximity(boxA, box);
    costB = proximity(boxB, box);
  }
  const side: u8 = costB < costA ? 1 : 0;
  store<u8>(leaves, <u8>(side !== 0 ? a : leaf));
  store<u8>(leaves, <u8>(side !== 0 ? leaf : a), 1);
  store<u8>(leaves, <u8>b, 2);
  store<u8>(scene, side, TREE_SIDE);
}

/** Drops all pairs of the leaf. */
function unpair(scene: usize, leaf: u32): void {
  store<u32>(listOf(scene, leaf), 0);
  if (leaf === DISC) {
    forget(scene, BAR, DISC);
    forget(scene, STEM, DISC);
  } else {
    forget(scene, DISC, leaf);
  }
}

/**
 * Keeps the leaf's fat box if it still contains the box; else stores a new one, fattened and stretched along the velocity, and
 * moves the leaf. True if it moved.
 */
// @ts-ignore: decorator
@inline
function update(scene: usize, leaf: u32, low: v128, high: v128, velocity: v128): bool {
  const fat = fatBox(scene, leaf);
  if (contains(fat, low, high)) return false;
  fatten(fat, low, high, velocity);
  reinsert(scene, leaf);
  unpair(scene, leaf);
  return true;
}

/** fat = (low + min(-k size, k V), high + max(k size, k V)) with k = FATTENING. */
function fatten(fat: usize, low: v128, high: v128, velocity: v128): void {
  const share = f64x2.splat(FATTENING);
  const size = f64x2.mul(f64x2.sub(high, low), share);
  const stretch = f64x2.mul(velocity, share);
  v128.store(fat, f64x2.add(low, f64x2.pmin(f64x2.neg(size), stretch)));
  v128.store(fat, f64x2.add(high, f64x2.pmax(size, stretch)), 16);
}

/** Query of a fresh leaf against leaf `o` that stands on its right: the pair is made, and handled when `o` is visited. */
function queryRight(scene: usize, leaf: u32, o: u32): void {
  if (leaf !== DISC && o !== DISC) return;
  if (overlap(fatBox(scene, leaf), fatBox(scene, o))) remember(scene, o, leaf);
}

/** Query of a fresh leaf against leaf `o` that stands on its left. */
function queryLeft(scene: usize, leaf: u32, o: u32, isOtherFresh: bool): void {
  if (leaf !== DISC && o !== DISC) return;
  if (!overlap(fatBox(scene, leaf), fatBox(scene, o))) return;
  if (!isOtherFresh) remember(scene, leaf, o);
  collide(scene, leaf, o);
}

function visitFresh(scene: usize, place: u32, leaf: u32, fresh: u32): void {
  const leaves = scene + TREE_LEAVES;
  if (leaf !== DISC) {
    const box = fatBox(scene, leaf);
    for (let wall: i32 = 3; wall >= 0; wall--) {
      if (!overlap(box, WALLS + <usize>wall * WALL_STRIDE + WALL_BOX)) continue;
      remember(scene, leaf, <u32>wall);
      collide(scene, leaf, <u32>wall);
    }
  }
  const a: u32 = load<u8>(leaves);
  const b: u32 = load<u8>(leaves, 1);
  const c: u32 = load<u8>(leaves, 2);
  if (place === 0) {
    queryRight(scene, leaf, b);
    queryRight(scene, leaf, c);
  } else if (place === 1) {
    queryRight(scene, leaf, c);
    queryLeft(scene, leaf, a, (fresh >> a & 1) !== 0);
  } else if (load<u8>(scene, TREE_SIDE) === 0) {
    queryLeft(scene, leaf, a, (fresh >> a & 1) !== 0);
    queryLeft(scene, leaf, b, (fresh >> b & 1) !== 0);
  } else {
    queryLeft(scene, leaf, b, (fresh >> b & 1) !== 0);
    queryLeft(scene, leaf, a, (fresh >> a & 1) !== 0);
  }
}

/** Construction poses: tree (bar, (stem, disc)), one pair (stem, disc), fat boxes of shapes at rest. */
export function buildTree(scene: usize, agentX: f64, agentY: f64): void {
  const centre = f64x2.replace_lane(f64x2.splat(agentX), 1, agentY);
  const radius = f64x2.splat(DISC_RADIUS);
  const still = f64x2.splat(0.0);
  fatten(fatBox(scene, DISC), f64x2.sub(centre, radius), f64x2.add(centre, radius), still);
  for (let leaf = BAR; leaf <= STEM; leaf++) {
    const box = scene + BOXES + <usize>(leaf - BAR) * BOX_STRIDE;
    fatten(fatBox(scene, leaf), v128.load(box), v128.load(box, 16), still);
  }
  store<u8>(scene, <u8>BAR, TREE_LEAVES);
  store<u8>(scene, <u8>STEM, TREE_LEAVES + 1);
  store<u8>(scene, <u8>DISC, TREE_LEAVES + 2);
  store<u8>(scene, 1, TREE_SIDE);
  store<u32>(listOf(scene, DISC), STEM + 1);
  store<u32>(listOf(scene, BAR), 0);
  store<u32>(listOf(scene, STEM), 0);
}

/** One step of the broad phase; calls `collide` for every candidate pair in the order of the reference. */
export function findPairs(scene: usize, blockMoved: bool): void {
  let fresh: u32 = 0;
  if (blockMoved) {
    const velocity = f64x2.replace_lane(v128.load64_splat(scene, BLOCK_VX), 1, load<f64>(scene, BLOCK_VY));
    for (let leaf = BAR; leaf <= STEM; leaf++) {
      const box = scene + BOXES + <usize>(leaf - BAR) * BOX_STRIDE;
      if (update(scene, leaf, v128.load(box), v128.load(box, 16), velocity)) fresh |= 1 << leaf;
    }
  }
  const centre = v128.load(scene, AGENT_X);
  const radius = f64x2.splat(DISC_RADIUS);
  if (update(scene, DISC, f64x2.sub(centre, radius), f64x2.add(centre, radius), v128.load(scene, AGENT_VX))) fresh |= 1 << DISC;

  if (fresh === 0) {
    for (let place: usize = 0; place < 3; place++) visitOld(scene, load<u8>(scene + TREE_LEAVES + place));
    return;
  }
  for (let place: u32 = 0; place < 3; place++) {
    const leaf: u32 = load<u8>(scene + TREE_LEAVES + <usize>place);
    if ((fresh >> leaf & 1) !== 0) visitFresh(scene, place, leaf, fresh);
    else visitOld(scene, leaf);
  }
}

/** A leaf that stayed in its fat box: its pairs, latest first. */
// @ts-ignore: decorator
@inline
function visitOld(scene: usize, leaf: u32): void {
  for (let list = load<u32>(listOf(scene, leaf)); list !== 0; list >>= 4) collide(scene, leaf, (list & 15) - 1);
}

// Arbiters: the memory of a touching pair, and the contacts of the current step.
//
// A pair that touched one step ago is NORMAL: its impulses are applied again before the passes (warm start). A pair that
// touched two or three steps ago is FIRST: its impulses are only where the accumulation starts from. Anything older, or
// new, is FIRST and starts from 0. So the age alone tells the state and nothing needs to be expired step by step.
import { BIAS_COEFFICIENT, COLLISION_PERSISTENCE, COLLISION_SLOP, INVERSE_MOMENT, TIME_STEP } from "./constants";
import {
  ACTIVE_ARBITERS, ACTIVE_CONTACTS, ARBITERS, ARBITER_COUNT, ARBITER_IDS, ARBITER_JN, ARBITER_STAMP, ARBITER_STRIDE,
  BLOCK_X, BLOCK_Y, CONTACTS, CONTACT_BIAS, CONTACT_FIRST, CONTACT_JBIAS, CONTACT_JN_HOME, CONTACT_NMASS,
  CONTACT_NX, CONTACT_NY, CONTACT_ORDER, CONTACT_OTHER_VX, CONTACT_OTHER_VY, CONTACT_P1X, CONTACT_P1Y, CONTACT_P2X, CONTACT_P2Y, CONTACT_PAIR,
  CONTACT_R1X, CONTACT_R1Y, CONTACT_R2X, CONTACT_R2Y, CONTACT_STRIDE, STAMP,
} from "./memory";

// What the arbiter now being filled held before.
let arbiter: usize = 0;
let isFirst: u32 = 1;
let oldCount: i32 = 0;
let oldId0: u32 = 0;
let oldId1: u32 = 0;
let oldJn0: f64 = 0.0;
let oldJn1: f64 = 0.0;

/** Starts the contacts of the pair (other, polygon), polygon 0 = bar, 1 = stem; `addContact` must follow. */
export function openArbiter(scene: usize, other: u32, polygon: u32): void {
  arbiter = scene + ARBITERS + <usize>(other * 2 + polygon) * ARBITER_STRIDE;
  const stamp = load<i32>(scene, STAMP);
  const age = stamp - load<i32>(arbiter, ARBITER_STAMP);
  isFirst = age === 1 ? 0 : 1;
  oldCount = age <= COLLISION_PERSISTENCE ? load<i32>(arbiter, ARBITER_COUNT) : 0;
  oldId0 = load<u32>(arbiter, ARBITER_IDS);
  oldId1 = load<u32>(arbiter, ARBITER_IDS + 4);
  oldJn0 = load<f64>(arbiter, ARBITER_JN);
  oldJn1 = load<f64>(arbiter, ARBITER_JN + 8);
  store<i32>(arbiter, stamp, ARBITER_STAMP);
  store<i32>(arbiter, 0, ARBITER_COUNT);
  store<u32>(scene, load<u32>(scene, ACTIVE_ARBITERS) + 1, ACTIVE_ARBITERS);
}

/**
 * Adds one contact of the open arbiter: normal n towards the T, surface points P1 and P2, the other shape's position o and
 * velocity. With r1 = P1 - o, r2 = P2 - p:
 *   nMass = 1 / (1 + i_inv (r2 x n)^2),  bias = -c min(0, (r2 - r1 + p - o).n + slop) / dt
 */
export function addContact(
  scene: usize, pair: u32, id: u32, nx: f64, ny: f64, p1x: f64, p1y: f64, p2x: f64, p2y: f64,
  otherX: f64, otherY: f64, otherVx: f64, otherVy: f64,
): void {
  const px = load<f64>(scene, BLOCK_X);
  const py = load<f64>(scene, BLOCK_Y);
  const r1x = p1x - otherX;
  const r1y = p1y - otherY;
  const r2x = p2x - px;
  const r2y = p2y - py;
  const rcn = r2x * ny - r2y * nx;
  const dist = (r2x - r1x + (px - otherX)) * nx + (r2y - r1y + (py - otherY)) * ny;
  const depth = dist + COLLISION_SLOP;

  const count = load<u32>(scene, ACTIVE_CONTACTS);
  store<u32>(scene, count + 1, ACTIVE_CONTACTS);
  const slot = load<i32>(arbiter, ARBITER_COUNT);
  store<i32>(arbiter, slot + 1, ARBITER_COUNT);
  store<u32>(arbiter + (<usize>slot << 2), id, ARBITER_IDS);
  let jn = 0.0;
  if (oldCount > 0 && oldId0 === id) jn = oldJn0;
  else if (oldCount > 1 && oldId1 === id) jn = oldJn1;

  const contact = scene + CONTACTS + <usize>count * CONTACT_STRIDE;
  const bias = -BIAS_COEFFICIENT * (depth < 0.0 ? depth : 0.0) / TIME_STEP;
  const zero = f64x2.splat(0.0);
  v128.store(contact, f64x2.replace_lane(zero, 1, jn), CONTACT_JBIAS);
  v128.store(contact, f64x2.replace_lane(zero, 0, bias), CONTACT_BIAS);
  v128.store(contact, f64x2.replace_lane(zero, 1, otherVx), CONTACT_OTHER_VX);
  v128.store(contact, f64x2.replace_lane(zero, 1, otherVy), CONTACT_OTHER_VY);
  store<f64>(contact, nx, CONTACT_NX);
  store<f64>(contact, ny, CONTACT_NY);
  store<f64>(contact, r2x, CONTACT_R2X);
  store<f64>(contact, r2y, CONTACT_R2Y);
  store<f64>(contact, 1.0 / (1.0 + INVERSE_MOMENT * rcn * rcn), CONTACT_NMASS);
  store<f64>(contact, r1x, CONTACT_R1X);
  store<f64>(contact, r1y, CONTACT_R1Y);
  store<f64>(contact, p1x, CONTACT_P1X);
  store<f64>(contact, p1y, CONTACT_P1Y);
  store<f64>(contact, p2x, CONTACT_P2X);
  store<f64>(contact, p2y, CONTACT_P2Y);
  store<u32>(contact, <u32>(arbiter + ARBITER_JN + (<usize>slot << 3) - scene), CONTACT_JN_HOME);
  store<u32>(contact, pair, CONTACT_PAIR);
  store<u32>(contact, load<u32>(scene, ACTIVE_ARBITERS) - 1, CONTACT_ORDER);
  store<u32>(contact, isFirst, CONTACT_FIRST);
}

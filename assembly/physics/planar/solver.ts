// Sequential impulses on the T, the only body that contacts move. With n, r2, nMass, bias of each contact and the other
// shape's velocity o, ten passes over the contacts in the order of the active list:
//
//   vbr = vb + perp(r2) wb          jb = (bias - vbr.n) nMass       jBias' = max(jBias + jb, 0)     B = n (jBias' - jBias)
//   vr  = v + perp(r2) w - o        jn = (0 - vr.n) nMass           jn'    = max(jn_acc + jn, 0)    J = n (jn' - jn_acc)
//   vb += B, wb += i_inv (r2 x B)   v += J, w += i_inv (r2 x J)
//
// The two systems have one form, so lane 0 carries the bias system and lane 1 the velocities.
//
// An update is a chain of fifteen dependent operations, and the next update of the same T depends on it. So the contacts of
// several scenes are dealt in turn into one list, and the processor works on the chains of all of them at once. The order
// within each scene is kept; scenes do not meet; no bit depends on the company.
import { INVERSE_MOMENT, SOLVER_PASSES } from "./constants";
import {
  ACTIVE_CONTACTS, BLOCK_VBX, BLOCK_VBY, BLOCK_WB, CONTACTS, CONTACT_BIAS, CONTACT_FIRST,
  CONTACT_JBIAS, CONTACT_JN, CONTACT_JN_HOME, CONTACT_NMASS, CONTACT_NX, CONTACT_NY, CONTACT_OTHER_VX, CONTACT_OTHER_VY,
  CONTACT_R2X, CONTACT_R2Y, CONTACT_STRIDE,
} from "./memory";

/** Scenes whose contacts are solved side by side. */
export const GROUP: u32 = 16;

/** The T comes to rest: no contact holds its velocity up. */
export function rest(scene: usize): void {
  const zero = f64x2.splat(0.0);
  v128.store(scene, zero, BLOCK_VBX);
  v128.store(scene, zero, BLOCK_VBY);
  v128.store(scene, zero, BLOCK_WB);
}

/** Damps the T (its velocity of the last step is gone) and applies the impulses of contacts that go on. */
export function warmStart(scene: usize): void {
  let vx = 0.0;
  let vy = 0.0;
  let w = 0.0;
  const first = scene + CONTACTS;
  const end = first + <usize>load<u32>(scene, ACTIVE_CONTACTS) * CONTACT_STRIDE;
  for (let contact = first; contact < end; contact += CONTACT_STRIDE) {
    if (load<u32>(contact, CONTACT_FIRST) !== 0) continue;
    const jn = load<f64>(contact, CONTACT_JN);
    const jx = load<f64>(contact, CONTACT_NX) * jn;
    const jy = load<f64>(contact, CONTACT_NY) * jn;
    vx += jx;
    vy += jy;
    w += INVERSE_MOMENT * (load<f64>(contact, CONTACT_R2X) * jy - load<f64>(contact, CONTACT_R2Y) * jx);
  }
  const zero = f64x2.splat(0.0);
  v128.store(scene, f64x2.replace_lane(zero, 1, vx), BLOCK_VBX);
  v128.store(scene, f64x2.replace_lane(zero, 1, vy), BLOCK_VBY);
  v128.store(scene, f64x2.replace_lane(zero, 1, w), BLOCK_WB);
}

/** One update of one contact; returns what it added to the impulses. */
// @ts-ignore: decorator
@inline
function relax(scene: usize, contact: usize): v128 {
  const velocityX = v128.load(scene, BLOCK_VBX);
  const velocityY = v128.load(scene, BLOCK_VBY);
  const spin = v128.load(scene, BLOCK_WB);
  const nx = v128.load64_splat(contact, CONTACT_NX);
  const ny = v128.load64_splat(contact, CONTACT_NY);
  const r2x = v128.load64_splat(contact, CONTACT_R2X);
  const r2y = v128.load64_splat(contact, CONTACT_R2Y);
  const relativeX = f64x2.sub(f64x2.sub(velocityX, f64x2.mul(r2y, spin)), v128.load(contact, CONTACT_OTHER_VX));
  const relativeY = f64x2.sub(f64x2.add(velocityY, f64x2.mul(r2x, spin)), v128.load(contact, CONTACT_OTHER_VY));
  const approach = f64x2.add(f64x2.mul(relativeX, nx), f64x2.mul(relativeY, ny));
  const old = v128.load(contact, CONTACT_JBIAS);
  const step = f64x2.mul(f64x2.sub(v128.load(contact, CONTACT_BIAS), approach), v128.load64_splat(contact, CONTACT_NMASS));
  const accumulated = f64x2.pmax(f64x2.splat(0.0), f64x2.add(old, step));
  v128.store(contact, accumulated, CONTACT_JBIAS);
  const added = f64x2.sub(accumulated, old);
  const jx = f64x2.mul(nx, added);
  const jy = f64x2.mul(ny, added);
  v128.store(scene, f64x2.add(velocityX, jx), BLOCK_VBX);
  v128.store(scene, f64x2.add(velocityY, jy), BLOCK_VBY);
  const turn = f64x2.mul(f64x2.splat(INVERSE_MOMENT), f64x2.sub(f64x2.mul(r2x, jy), f64x2.mul(r2y, jx)));
  v128.store(scene, f64x2.add(spin, turn), BLOCK_WB);
  return added;
}

/** Remembers the impulses for the next step. */
// @ts-ignore: decorator
@inline
function keepImpulses(scene: usize): void {
  const first = scene + CONTACTS;
  const end = first + <usize>load<u32>(scene, ACTIVE_CONTACTS) * CONTACT_STRIDE;
  for (let contact = first; contact < end; contact += CONTACT_STRIDE) {
    store<f64>(scene + <usize>load<u32>(contact, CONTACT_JN_HOME), load<f64>(contact, CONTACT_JN));
  }
}

/**
 * Solves `count` scenes whose addresses stand at `scenes`, u32; all have contacts, and warm starts are applied. `list` has room
 * for their contacts, 8 bytes each.
 */
export function solve(scenes: usize, count: u32, list: usize): void {
  let end = list;
  let isLeft = true;
  for (let turn: u32 = 0; isLeft; turn++) {
    isLeft = false;
    for (let i: u32 = 0; i < count; i++) {
      const scene = <usize>load<u32>(scenes + (<usize>i << 2));
      const contacts = load<u32>(scene, ACTIVE_CONTACTS);
      // A lone contact settles within two or three passes.
      if (contacts === 1 || turn >= contacts) continue;
      store<u32>(end, <u32>scene);
      store<u32>(end, <u32>(scene + CONTACTS + <usize>turn * CONTACT_STRIDE), 4);
      end += 8;
      isLeft = true;
    }
  }
  for (let i: u32 = 0; i < count; i++) {
    const scene = <usize>load<u32>(scenes + (<usize>i << 2));
    if (load<u32>(scene, ACTIVE_CONTACTS) > 1) continue;
    // A pass that changes no impulse ends the work: those after it would change nothing either.
    for (let pass = 0; pass < SOLVER_PASSES; pass++) if (!v128.any_true(relax(scene, scene + CONTACTS))) break;
  }
  if (end !== list) {
    for (let pass = 0; pass < SOLVER_PASSES; pass++) {
      for (let item = list; item < end; item += 8) relax(<usize>load<u32>(item), <usize>load<u32>(item, 4));
    }
  }
  for (let i: u32 = 0; i < count; i++) keepImpulses(<usize>load<u32>(scenes + (<usize>i << 2)));
}

// Sequential impulses on the T, the only body that contacts move. With n, r2, nMass, bias of each contact and the other
// shape's velocity o, ten passes over the contacts in the order of the active list:
//
//   vbr = vb + perp(r2) wb          jb = (bias - vbr.n) nMass       jBias' = max(jBias + jb, 0)     B = n (jBias' - jBias)
//   vr  = v + perp(r2) w - o        jn = (0 - vr.n) nMass           jn'    = max(jn_acc + jn, 0)    J = n (jn' - jn_acc)
//   vb += B, wb += i_inv (r2 x B)   v += J, w += i_inv (r2 x J)
//
// The two systems have one form, so lane 0 carries the bias system and lane 1 the velocities. A pass that changes no
// impulse ends the work: the passes after it would change nothing either.
import { INVERSE_MOMENT, SOLVER_PASSES } from "./constants";
import {
  ACTIVE_CONTACTS, BLOCK_VBX, BLOCK_VBY, BLOCK_VX, BLOCK_VY, BLOCK_W, BLOCK_WB, CONTACTS, CONTACT_BIAS, CONTACT_FIRST,
  CONTACT_JBIAS, CONTACT_JN, CONTACT_JN_HOME, CONTACT_NMASS, CONTACT_NX, CONTACT_NY, CONTACT_OTHER_VX, CONTACT_OTHER_VY,
  CONTACT_R2X, CONTACT_R2Y, CONTACT_STRIDE,
} from "./memory";

/** Damps the T (its velocity of the last step is gone), applies warm starts, runs the passes, stores the results. */
export function solve(scene: usize): void {
  const first = scene + CONTACTS;
  const end = first + <usize>load<u32>(scene, ACTIVE_CONTACTS) * CONTACT_STRIDE;

  let vx = load<f64>(scene, BLOCK_VX) * 0.0;
  let vy = load<f64>(scene, BLOCK_VY) * 0.0;
  let w = load<f64>(scene, BLOCK_W) * 0.0;
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
  const inverseMoment = f64x2.splat(INVERSE_MOMENT);
  let velocityX = f64x2.replace_lane(zero, 1, vx);
  let velocityY = f64x2.replace_lane(zero, 1, vy);
  let spin = f64x2.replace_lane(zero, 1, w);
  for (let pass = 0; pass < SOLVER_PASSES; pass++) {
    let changed = zero;
    for (let contact = first; contact < end; contact += CONTACT_STRIDE) {
      const nx = v128.load64_splat(contact, CONTACT_NX);
      const ny = v128.load64_splat(contact, CONTACT_NY);
      const r2x = v128.load64_splat(contact, CONTACT_R2X);
      const r2y = v128.load64_splat(contact, CONTACT_R2Y);
      const relativeX = f64x2.sub(f64x2.sub(velocityX, f64x2.mul(r2y, spin)), v128.load(contact, CONTACT_OTHER_VX));
      const relativeY = f64x2.sub(f64x2.add(velocityY, f64x2.mul(r2x, spin)), v128.load(contact, CONTACT_OTHER_VY));
      const approach = f64x2.add(f64x2.mul(relativeX, nx), f64x2.mul(relativeY, ny));
      const old = v128.load(contact, CONTACT_JBIAS);
      const step = f64x2.mul(f64x2.sub(v128.load(contact, CONTACT_BIAS), approach), v128.load64_splat(contact, CONTACT_NMASS));
      const accumulated = f64x2.pmax(zero, f64x2.add(old, step));
      v128.store(contact, accumulated, CONTACT_JBIAS);
      const difference = f64x2.sub(accumulated, old);
      changed = v128.or(changed, difference);
      const jx = f64x2.mul(nx, difference);
      const jy = f64x2.mul(ny, difference);
      velocityX = f64x2.add(velocityX, jx);
      velocityY = f64x2.add(velocityY, jy);
      spin = f64x2.add(spin, f64x2.mul(inverseMoment, f64x2.sub(f64x2.mul(r2x, jy), f64x2.mul(r2y, jx))));
    }
    if (!v128.any_true(changed)) break;
  }

  for (let contact = first; contact < end; contact += CONTACT_STRIDE) {
    store<f64>(scene + <usize>load<u32>(contact, CONTACT_JN_HOME), load<f64>(contact, CONTACT_JN));
  }
  store<f64>(scene, f64x2.extract_lane(velocityX, 0), BLOCK_VBX);
  store<f64>(scene, f64x2.extract_lane(velocityY, 0), BLOCK_VBY);
  store<f64>(scene, f64x2.extract_lane(spin, 0), BLOCK_WB);
  store<f64>(scene, f64x2.extract_lane(velocityX, 1), BLOCK_VX);
  store<f64>(scene, f64x2.extract_lane(velocityY, 1), BLOCK_VY);
  store<f64>(scene, f64x2.extract_lane(spin, 1), BLOCK_W);
}

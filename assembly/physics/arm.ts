// The arm of the Avoid task (a seven-joint Panda with a vertical rod), two at a time, one millisecond per step.
//
//   q*, v*  <- reference of the IK                                       (arm-reference.ts)
//   tau_i    = clip(Kp_i (q*_i - q_i) + Kd_i (v*_i - qd_i) + bias_i, +-L_i)
//   a        = M^-1 (tau - b + J_c^T f)                                  (arm-dynamics.ts, arm-contact.ts)
//   qd <- qd + 0.001 a;   q <- q + 0.001 qd;   bias <- b
//
// `bias` is b of the step before: the torques lag by one step. Tool centre point and contacts belong to the state at the
// start of a step, as MuJoCo reports them.
import { addContactForces, locateTool } from "./arm-contact";
import { composites, inwards, outwards, solve } from "./arm-dynamics";
import { BIAS, CLEARANCE, COS, LOWEST, Q, QD, QDD, REF, REF_COS, REF_OLD, REF_SIN, SIN, SLACK } from "./arm-lanes";
import { iterate } from "./arm-reference";
import { add, both, bounded, lanes, sub, times } from "./lanes";
import { TURN_LIMIT, sinCos, turn } from "./arm-trigonometry";

const MILLISECOND: usize = memory.data<f64>([0.001]);
const PER_MILLISECOND: usize = memory.data<f64>([1000]);
/** Kp, Kd, L of joints 1 to 4, of 5, of 6 and of 7: N m/rad, N m s/rad, N m. */
const GAINS: usize = memory.data<f64>([120, 10, 87, 50, 6, 12, 30, 5, 12, 10, 3, 12]);

/**
 * Starts an interval: everything that is not state is made anew, so that the bits of an interval follow from its state.
 */
export function beginInterval(at: usize): void {
  for (let i: usize = 0; i < 112; i += 16) {
    sinCos(v128.load(at + i, Q), at + i + SIN, at + i + COS);
    sinCos(v128.load(at + i, REF), at + i + REF_SIN, at + i + REF_COS);
  }
  v128.store(at, lanes(-1), SLACK);
  v128.store(at, lanes(0), CLEARANCE);
  memory.fill(at + LOWEST, 0, 96);
}

/** One millisecond. `obstacles`: 0 leaves the six cylinders out. */
export function stepArm(at: usize, obstacles: u32): void {
  // The reference is one long chain of dependent operations; what does not wait for it fills the gaps.
  memory.copy(at + REF_OLD, at + REF, 112);
  iterate(at);
  outwards(at);
  iterate(at);
  inwards(at);
  composites(at);
  iterate(at);
  solve(
    at, torque(at, 0, GAINS), torque(at, 16, GAINS), torque(at, 32, GAINS), torque(at, 48, GAINS),
    torque(at, 64, GAINS + 24), torque(at, 80, GAINS + 48), torque(at, 96, GAINS + 72),
  );
  addContactForces(at, obstacles);
  let furthest = lanes(0);
  for (let i: usize = 0; i < 112; i += 16) {
    const velocity = add(v128.load(at + i, QD), times(v128.load(at + i, QDD), MILLISECOND));
    const delta = times(velocity, MILLISECOND);
    v128.store(at + i, velocity, QD);
    v128.store(at + i, add(v128.load(at + i, Q), delta), Q);
    turn(delta, at + i + SIN, at + i + COS);
    furthest = f64x2.pmax(furthest, f64x2.abs(delta));
  }
  const tooFar = f64x2.gt(furthest, lanes(TURN_LIMIT));
  if (v128.any_true(tooFar)) turnAnew(at, tooFar);
}

/** Brings the arm to rest at q: no velocity, bias b(q, 0). Leaves the tool's place and what it touches. */
export function restArm(at: usize, obstacles: u32): void {
  memory.fill(at + QD, 0, 112);
  beginInterval(at);
  outwards(at);
  inwards(at);
  composites(at);
  const zero = lanes(0);
  solve(at, zero, zero, zero, zero, zero, zero, zero);
  locateTool(at);
  addContactForces(at, obstacles);
}

/** tau_i of one joint; `gains`: Kp, Kd, L. */
// @ts-ignore: decorator
@inline
function torque(at: usize, joint: usize, gains: usize): v128 {
  const reference = v128.load(at + joint, REF);
  const velocity = times(sub(reference, v128.load(at + joint, REF_OLD)), PER_MILLISECOND);
  return bounded(
    add(
      add(
        times(sub(reference, v128.load(at + joint, Q)), gains),
        times(sub(velocity, v128.load(at + joint, QD)), gains + 8),
      ),
      v128.load(at + joint, BIAS),
    ),
    both(gains + 16),
  );
}

/** Sines and cosines of q from the angles themselves, for the lanes that turned too far in one step. */
function turnAnew(at: usize, tooFar: v128): void {
  for (let i: usize = 0; i < 112; i += 16) {
    const sine = v128.load(at + i, SIN), cosine = v128.load(at + i, COS);
    sinCos(v128.load(at + i, Q), at + i + SIN, at + i + COS);
    v128.store(at + i, v128.bitselect(v128.load(at + i, SIN), sine, tooFar), SIN);
    v128.store(at + i, v128.bitselect(v128.load(at + i, COS), cosine, tooFar), COS);
  }
}

// The open-loop reference of the arm: resolved-rate inverse kinematics, three iterations a millisecond.
//
// One iteration, at joint angles q* (n, u: null-space and task velocity, J: 6x7 Jacobian of the tool centre point):
//   w = J^T A^-1 (u - J n) + n,   A = J J^T + 1e-12 I with its eigenvalues clipped to [0.01, 100]
//   w <- w min(1, 3 / |w|),       q* <- clip(q* + 0.001 w, qmin, qmax)
//
// Where no eigenvalue is clipped, w is the one vector with J w = u and nu.w = nu.n, nu the null vector of J (the 1e-12
// moves it by less than 1e-10 of itself). Neither condition changes when the rows of J are recombined, so J is written
// where it is sparsest: in the axes of the elbow (frame 4), about the wrist W where axes 5 and 6 meet. With r = W - S
// from the shoulder S where axes 1, 2, 3 meet, both in the plane z = 0 of frame 4:
//
//       joint     1         2          3    4       5   6    7
//   v_x       [ -Z r_y    c3 r_y      0   -0.384    0   0   -0.088 s5 ]      Z = -s3 s2
//   v_y       [  Z r_x   -c3 r_x      0   -0.0825   0   0    0        ]      X = -c3 s2
//   v_z       [ Xb+c2 g   s3 b        g    0        0   0   -0.088 c5 ]      b = c4 r_y + s4 r_x
//   omega_x   [  z1x      c4 s3      s4    0        0   s5   c5 s6    ]      g = s4 r_y - c4 r_x
//   omega_y   [  z1y     -s4 s3      c4    0        1   0   -c6       ]
//   omega_z   [  Z       -c3          0    1        0   c5  -s5 s6    ]
//
// With the shoulder's three rates  m = Z x1 - c3 x2,  k = X x1 + s3 x2,  n3 = c2 x1 + x3  the rows solve in closed form,
// first (m, x4), then (x6, x7), then (k, n3), then (x1, x2, x3), then x5. Two of the small systems have one unknown
// more than equations; each is solved by its least-norm solution and its null direction, so nothing is divided by s2 or
// c5, which may vanish. What is divided by (elbow and wrist determinants) vanishes only beyond the reach of the arm.
//
// That no eigenvalue is clipped is *proved*, not assumed: J is 3-Lipschitz in q* (largest |dJ| / |dq*| found by
// maximising over the joint range: 2.38), so sigma_min(J) cannot fall faster than 3 |dq*|. A Cholesky factorisation of
// A - sigma^2 I that succeeds proves sigma_min > sigma; the slack sigma - 0.1 is used up by the motion before the next
// proof is needed. A lane whose proof fails takes the eigen-decomposition of arm-reference-general.ts.
import { GOAL, GOAL_HEIGHT, HAND_TURN, REF, REF_COS, REF_OLD, REF_SIN, SLACK, TASK, WANTED, WRIST_TASK } from "./arm-lanes";
import { generalVelocity } from "./arm-reference-general";
import { ELBOW, FOREARM, SHOULDER_HEIGHT, TOOL, UPPER_ARM, WRIST } from "./arm-model";
import { add, both, bounded, cross2, dot2, dot3, lanes, mul, neg, sub, times } from "./lanes";
import { turn } from "./arm-trigonometry";

/** Bound of |dJ| / |dq*|, spectral norms. */
const LIPSCHITZ: usize = memory.data<f64>([3]);
/** The proofs tried in turn: sigma_min > 0.17, else > 0.12, else just not clipped. */
const SIGMA_FAR: f64 = 0.17;
const SIGMA_NEAR: f64 = 0.12;
/** Singular values below 0.1 = sqrt(0.01) are clipped. */
const SIGMA_CLIP: f64 = 0.1;
/** Joint speed limit, rad/s. */
const SPEED_LIMIT: usize = memory.data<f64>([3]);
const MILLISECOND: usize = memory.data<f64>([0.001]);
const ONE: usize = memory.data<f64>([1]);
const HALF: usize = memory.data<f64>([0.5]);
/** Keeps a root away from zero; only a hand turned over comes near. */
const LEAST: usize = memory.data<f64>([1e-9]);
// Gains, 1/s, and the errors at which they stop growing, m and rad.
const PLANE_GAIN: usize = memory.data<f64>([200]);
const HEIGHT_GAIN: usize = memory.data<f64>([800]);
const TURN_GAIN: usize = memory.data<f64>([30]);
const REST_GAIN: usize = memory.data<f64>([40]);
const POSITION_LIMIT: usize = memory.data<f64>([0.01]);
const ORIENTATION_LIMIT: usize = memory.data<f64>([0.1]);
const REST_LIMIT: usize = memory.data<f64>([0.2]);
// Posture at rest (joints 1, 3, 5: 0), joint 7 as stored, and qmin, qmax of each joint, rad.
const REST_2: usize = memory.data<f64>([0.174]);
const REST_4: usize = memory.data<f64>([-0.872]);
const REST_6: usize = memory.data<f64>([1.222]);
const REST_7: usize = memory.data<f64>([0.785 - HAND_TURN]);
const JOINT_LIMITS: usize = memory.data<f64>([
  -2.8973, 2.8973, -1.7628, 1.7628, -2.8973, 2, -3.0718, -0.0698, -2.8973, 2.8973, -0.0175, 3.7525,
  -2.8973 - HAND_TURN, 2.8973 - HAND_TURN,
]);
/** Where the closed form would divide by less than this, the general form is taken. */
const PIVOT_LIMIT: usize = memory.data<f64>([1e-3]);
const PIVOT_LIMIT_SQUARED: usize = memory.data<f64>([1e-6]);

/** Advances the reference by one millisecond towards the set-point at GOAL. REF_OLD keeps where it started. */
export function advanceReference(at: usize): void {
  memory.copy(at + REF_OLD, at + REF, 112);
  iterate(at);
  iterate(at);
  iterate(at);
}

/**
 * Where the hand is and which way it should go: the task velocity, in world axes to TASK, and to WRIST_TASK in elbow axes
 * with its linear part moved from the tool centre point to the wrist.
 */
function aim(at: usize): void {
  const s1 = v128.load(at, REF_SIN), c1 = v128.load(at, REF_COS);
  const s2 = v128.load(at, REF_SIN + 16), c2 = v128.load(at, REF_COS + 16);
  const s3 = v128.load(at, REF_SIN + 32), c3 = v128.load(at, REF_COS + 32);
  const s4 = v128.load(at, REF_SIN + 48), c4 = v128.load(at, REF_COS + 48);
  const s5 = v128.load(at, REF_SIN + 64), c5 = v128.load(at, REF_COS + 64);
  const s6 = v128.load(at, REF_SIN + 80), c6 = v128.load(at, REF_COS + 80);
  const s7 = v128.load(at, REF_SIN + 96), c7 = v128.load(at, REF_COS + 96);

  // The axes x, y, z of frame 1 without q1 (the world turned about its z), in elbow axes; y is joint axis 2, z axis 1.
  const forward = mul(c2, c3);
  const xx = dot2(c4, forward, s4, s2), xy = cross2(c4, s2, s4, forward), xz = mul(c2, s3);
  const yx = mul(c4, s3), yy = neg(mul(s4, s3)), yz = neg(c3);
  const X = neg(mul(c3, s2));
  const zx = dot2(c4, X, s4, c2), zy = cross2(c4, c2, s4, X), zz = neg(mul(s3, s2));

  // Shoulder to wrist, r; wrist to tool centre point, d = 0.088 x6 + 0.212 z7 = (c5 e, h, -s5 e).
  const one = both(ONE);
  const rx = add(times(sub(c4, one), ELBOW), times(s4, UPPER_ARM));
  const ry = add(sub(both(FOREARM), times(s4, ELBOW)), times(c4, UPPER_ARM));
  const e = add(times(c6, WRIST), times(s6, TOOL));
  const h = sub(times(s6, WRIST), times(c6, TOOL));
  const dx = mul(c5, e), dz = neg(mul(s5, e));
  // Row by row: the part along (c5, 0, -s5), the forearm's own x before joint 6.
  const fx = cross2(xx, c5, xz, s5), fy = cross2(yx, c5, yz, s5), fz = cross2(zx, c5, zz, s5);
  const ryh = add(ry, h);
  const tx = dot3(xx, rx, xy, ryh, fx, e);
  const ty = dot3(yx, rx, yy, ryh, fy, e);
  const tz = dot3(zx, rx, zy, ryh, fz, e);

  // Position error, world axes, and the velocity it asks for.
  const centimetre = both(POSITION_LIMIT);
  const ux = times(bounded(sub(v128.load(at, GOAL), cross2(c1, tx, s1, ty)), centimetre), PLANE_GAIN);
  const uy = times(bounded(sub(v128.load(at, GOAL + 16), dot2(s1, tx, c1, ty)), centimetre), PLANE_GAIN);
  const uz = times(bounded(sub(sub(v128.load(at, GOAL_HEIGHT), both(SHOULDER_HEIGHT)), tz), centimetre), HEIGHT_GAIN);

  // Orientation error of the hand R against (0, 1, 0, 0): with the quaternion h of R, 4 h1 = 2 sqrt(1 + R00 - R11 - R22),
  //   e = (h0, h3, -h2) = (R21 - R12, R20 + R02, -(R10 + R01)) / 4 h1.
  // x6, z6, z7 are dotted with the rows; the hand's x and y are x6, z6 turned by q7.
  const x6 = dot2(fx, c6, xy, s6), y6 = dot2(fy, c6, yy, s6), z6 = dot2(fz, c6, zy, s6);
  const x7 = cross2(fx, s6, xy, c6), y7 = cross2(fy, s6, yy, c6), z7 = cross2(fz, s6, zy, c6);
  const x5 = dot2(xx, s5, xz, c5), y5 = dot2(yx, s5, yz, c5), z5 = dot2(zx, s5, zz, c5);
  const even = sub(x6, y5), odd = add(x5, y6);
  const evenTurned = dot2(c7, even, s7, odd), oddTurned = cross2(c7, odd, s7, even);
  const trace = add(sub(one, z7), cross2(c1, evenTurned, s1, oddTurned));
  const inverse = f64x2.div(both(HALF), f64x2.sqrt(f64x2.pmax(both(LEAST), trace)));
  const e0 = sub(cross2(c7, z5, s7, z6), dot2(s1, x7, c1, y7));
  const e1 = add(dot2(c7, z6, s7, z5), cross2(c1, x7, s1, y7));
  const e2 = neg(dot2(s1, evenTurned, c1, oddTurned));
  v128.store(at, ux, TASK), v128.store(at, uy, TASK + 16), v128.store(at, uz, TASK + 32);
  const turnLimit = both(ORIENTATION_LIMIT);
  const ox = times(bounded(mul(e0, inverse), turnLimit), TURN_GAIN);
  const oy = times(bounded(mul(e1, inverse), turnLimit), TURN_GAIN);
  const oz = times(bounded(mul(e2, inverse), turnLimit), TURN_GAIN);

  v128.store(at, ox, TASK + 48), v128.store(at, oy, TASK + 64), v128.store(at, oz, TASK + 80);

  const vx = dot2(c1, ux, s1, uy), vy = cross2(c1, uy, s1, ux);
  const wx = dot2(c1, ox, s1, oy), wy = cross2(c1, oy, s1, ox);
  const gx = dot3(xx, wx, yx, wy, zx, oz);
  const gy = dot3(xy, wx, yy, wy, zy, oz);
  const gz = dot3(xz, wx, yz, wy, zz, oz);
  const bx = sub(dot3(xx, vx, yx, vy, zx, uz), cross2(gy, dz, gz, h));
  const by = sub(dot3(xy, vx, yy, vy, zy, uz), cross2(gz, dx, gx, dz));
  const bz = sub(dot3(xz, vx, yz, vy, zz, uz), cross2(gx, h, gy, dx));
  v128.store(at, gx, WRIST_TASK), v128.store(at, gy, WRIST_TASK + 16), v128.store(at, gz, WRIST_TASK + 32);
  v128.store(at, bx, WRIST_TASK + 48), v128.store(at, by, WRIST_TASK + 64), v128.store(at, bz, WRIST_TASK + 80);
}

/**
 * One of the three iterations of a millisecond. Quotients are products with reciprocals of what the pose alone decides: those
 * are ready before the task velocity is.
 */
export function iterate(at: usize): void {
  aim(at);
  const gx = v128.load(at, WRIST_TASK), gy = v128.load(at, WRIST_TASK + 16), gz = v128.load(at, WRIST_TASK + 32);
  const bx = v128.load(at, WRIST_TASK + 48), by = v128.load(at, WRIST_TASK + 64), bz = v128.load(at, WRIST_TASK + 80);
  const s4 = v128.load(at, REF_SIN + 48), c4 = v128.load(at, REF_COS + 48);
  const s5 = v128.load(at, REF_SIN + 64), c5 = v128.load(at, REF_COS + 64);
  const s6 = v128.load(at, REF_SIN + 80), c6 = v128.load(at, REF_COS + 80);
  const one = both(ONE);
  const rx = add(times(sub(c4, one), ELBOW), times(s4, UPPER_ARM));
  const ry = add(sub(both(FOREARM), times(s4, ELBOW)), times(c4, UPPER_ARM));

  // (m, x4) from v_x, v_y, with x7 left open: m = m0 - 0.0825 k7 x7, x4 = x40 - r_x k7 x7.
  const elbow = add(times(ry, ELBOW), times(rx, FOREARM));
  const inverseElbow = f64x2.div(one, elbow);
  const m0 = mul(sub(times(by, FOREARM), times(bx, ELBOW)), inverseElbow);
  const x40 = neg(mul(dot2(ry, by, rx, bx), inverseElbow));
  const kappa = add(s6, mul(times(add(rx, both(ELBOW)), WRIST), inverseElbow));
  const k7 = mul(times(s5, WRIST), inverseElbow);
  // (x6, x7) from omega_z: c5 x6 - s5 kappa x7 = rho; null direction (s5 kappa, c5).
  const kappa5 = mul(s5, kappa);
  const wrist = dot2(c5, c5, kappa5, kappa5);
  const rho = mul(sub(gz, add(m0, x40)), f64x2.div(one, wrist));
  const x6p = mul(rho, c5), x7p = neg(mul(rho, kappa5));
  // (k, n3) from v_z, omega_x, for the solution (p) and for the null direction (n).
  const beta = dot2(c4, ry, s4, rx), gamma = cross2(s4, ry, c4, rx);
  const inverseR = f64x2.div(one, rx);
  const swing = mul(c5, s6);
  const pull = times(c5, WRIST);
  const f2p = add(bz, mul(pull, x7p)), f2n = mul(pull, c5);
  const f3p = sub(gx, dot2(s5, x6p, swing, x7p)), f3n = neg(dot2(s5, kappa5, swing, c5));
  const kp = mul(cross2(s4, f2p, gamma, f3p), inverseR), kn = mul(cross2(s4, f2n, gamma, f3n), inverseR);
  const np = mul(cross2(beta, f3p, c4, f2p), inverseR), nn = mul(cross2(beta, f3n, c4, f2n), inverseR);
  const leverP = mul(k7, x7p), leverN = mul(k7, c5);
  const mp = sub(m0, times(leverP, ELBOW)), mn = neg(times(leverN, ELBOW));
  const s2 = v128.load(at, REF_SIN + 16), c2 = v128.load(at, REF_COS + 16);
  const s3 = v128.load(at, REF_SIN + 32), c3 = v128.load(at, REF_COS + 32);
  const zy = add(mul(c4, c2), mul(s4, mul(c3, s2)));
  // x1 from s2 x1 + c3 k + s3 m = 0 with k = kp + tau kn, m = mp + tau mn; null direction (x1, tau) = (-B, s2).
  const B = dot2(c3, kn, s3, mn);
  const shoulder = dot2(s2, s2, B, B);
  const C = mul(neg(dot2(c3, kp, s3, mp)), f64x2.div(one, shoulder));
  const tau = mul(C, B);
  const p1 = mul(C, s2);
  const k = add(kp, mul(tau, kn)), m = add(mp, mul(tau, mn));
  const p2 = cross2(s3, k, c3, m);
  const p3 = sub(add(np, mul(tau, nn)), mul(c2, p1));
  const p7 = add(x7p, mul(tau, c5));
  const p4 = sub(x40, mul(mul(rx, k7), p7));
  const p6 = add(x6p, mul(tau, kappa5));
  const s43 = mul(s4, s3);
  const p5 = add(sub(gy, mul(zy, p1)), add(cross2(s43, p2, c4, p3), mul(c6, p7)));
  const n1 = neg(B);
  const n2 = mul(s2, cross2(s3, kn, c3, mn));
  const n3 = add(mul(s2, nn), mul(c2, B));
  const n7 = mul(s2, c5);
  const n4 = neg(mul(mul(rx, k7), n7));
  const n6 = mul(s2, kappa5);
  const n5 = sub(add(cross2(s43, n2, c4, n3), mul(c6, n7)), mul(zy, n1));

  // Null-space velocity, then w = p + nu (nu.(n - p)) / (nu.nu).
  const q1 = v128.load(at, REF), q2 = v128.load(at, REF + 16), q3 = v128.load(at, REF + 32), q4 = v128.load(at, REF + 48);
  const q5 = v128.load(at, REF + 64), q6 = v128.load(at, REF + 80), q7 = v128.load(at, REF + 96);
  const r1 = restVelocity(neg(q1)), r2 = restVelocity(sub(both(REST_2), q2)), r3 = restVelocity(neg(q3));
  const r4 = restVelocity(sub(both(REST_4), q4)), r5 = restVelocity(neg(q5)), r6 = restVelocity(sub(both(REST_6), q6));
  const r7 = restVelocity(sub(both(REST_7), q7));
  const along = add(
    add(dot2(n1, sub(r1, p1), n2, sub(r2, p2)), dot2(n3, sub(r3, p3), n4, sub(r4, p4))),
    dot3(n5, sub(r5, p5), n6, sub(r6, p6), n7, sub(r7, p7)),
  );
  const nullSquare = add(add(dot2(n1, n1, n2, n2), dot2(n3, n3, n4, n4)), dot3(n5, n5, n6, n6, n7, n7));
  const share = mul(along, f64x2.div(one, nullSquare));
  let w1 = add(p1, mul(share, n1)), w2 = add(p2, mul(share, n2)), w3 = add(p3, mul(share, n3)), w4 = add(p4, mul(share, n4));
  let w5 = add(p5, mul(share, n5)), w6 = add(p6, mul(share, n6)), w7 = add(p7, mul(share, n7));

  // Lanes without a proof, or where the closed form divides by next to nothing.
  let slack = v128.load(at, SLACK);
  const unproved = f64x2.lt(slack, lanes(0));
  if (v128.any_true(unproved)) {
    slack = v128.bitselect(provedSlack(at), slack, unproved);
  }
  const general = v128.or(
    f64x2.lt(slack, lanes(0)),
    v128.or(
      f64x2.lt(f64x2.abs(elbow), both(PIVOT_LIMIT)),
      v128.or(f64x2.lt(f64x2.abs(rx), both(PIVOT_LIMIT)), f64x2.lt(f64x2.pmin(wrist, shoulder), both(PIVOT_LIMIT_SQUARED))),
    ),
  );
  if (v128.any_true(general)) {
    v128.store(at, w1, WANTED), v128.store(at, w2, WANTED + 16), v128.store(at, w3, WANTED + 32), v128.store(at, w4, WANTED + 48);
    v128.store(at, w5, WANTED + 64), v128.store(at, w6, WANTED + 80), v128.store(at, w7, WANTED + 96);
    const mask = i64x2.bitmask(general);
    if (mask & 1) generalVelocity(at, 0);
    if (mask & 2) generalVelocity(at, 8);
    w1 = v128.load(at, WANTED), w2 = v128.load(at, WANTED + 16), w3 = v128.load(at, WANTED + 32), w4 = v128.load(at, WANTED + 48);
    w5 = v128.load(at, WANTED + 64), w6 = v128.load(at, WANTED + 80), w7 = v128.load(at, WANTED + 96);
  }

  const norm = f64x2.sqrt(add(add(dot2(w1, w1, w2, w2), dot2(w3, w3, w4, w4)), dot3(w5, w5, w6, w6, w7, w7)));
  const fast = f64x2.gt(norm, both(SPEED_LIMIT));
  let step = both(MILLISECOND);
  if (v128.any_true(fast)) step = v128.bitselect(f64x2.div(mul(step, both(SPEED_LIMIT)), norm), step, fast);
  v128.store(at, sub(slack, mul(times(norm, LIPSCHITZ), step)), SLACK);
  move(at, 0, q1, mul(step, w1));
  move(at, 16, q2, mul(step, w2));
  move(at, 32, q3, mul(step, w3));
  move(at, 48, q4, mul(step, w4));
  move(at, 64, q5, mul(step, w5));
  move(at, 80, q6, mul(step, w6));
  move(at, 96, q7, mul(step, w7));
}

/** 40 clip(rest - q*, +-0.2) */
// @ts-ignore: decorator
@inline
function restVelocity(away: v128): v128 {
  return times(bounded(away, both(REST_LIMIT)), REST_GAIN);
}

/** q* <- clip(q* + step, qmin, qmax), its sine and cosine with it; |step| <= 0.003. */
// @ts-ignore: decorator
@inline
function move(at: usize, offset: usize, q: v128, step: v128): void {
  const limits = JOINT_LIMITS + offset;
  const next = f64x2.pmax(both(limits), f64x2.pmin(both(limits + 8), add(q, step)));
  v128.store(at + offset, next, REF);
  turn(sub(next, q), at + offset + REF_SIN, at + offset + REF_COS);
}

/**
 * The slack sigma - 0.1 that a Cholesky factorisation of J J^T - sigma^2 I proves, about the tool centre point in elbow
 * axes, for the largest of the three sigma that succeeds; -1 where none does.
 */
function provedSlack(at: usize): v128 {
  const s2 = v128.load(at, REF_SIN + 16), c2 = v128.load(at, REF_COS + 16);
  const s3 = v128.load(at, REF_SIN + 32), c3 = v128.load(at, REF_COS + 32);
  const s4 = v128.load(at, REF_SIN + 48), c4 = v128.load(at, REF_COS + 48);
  const s5 = v128.load(at, REF_SIN + 64), c5 = v128.load(at, REF_COS + 64);
  const s6 = v128.load(at, REF_SIN + 80), c6 = v128.load(at, REF_COS + 80);
  const X = neg(mul(c3, s2));
  const zx = dot2(c4, X, s4, c2), zy = cross2(c4, c2, s4, X), zz = neg(mul(s3, s2));
  const rx = add(times(sub(c4, both(ONE)), ELBOW), times(s4, UPPER_ARM));
  const ry = add(sub(both(FOREARM), times(s4, ELBOW)), times(c4, UPPER_ARM));
  const beta = dot2(c4, ry, s4, rx), gamma = cross2(s4, ry, c4, rx), lift = dot2(X, beta, c2, gamma);
  const e = add(times(c6, WRIST), times(s6, TOOL)), dx = mul(c5, e), dz = neg(mul(s5, e));
  const dy = sub(times(s6, WRIST), times(c6, TOOL));
  // Columns (v about the wrist; omega) of the table above; v about the tool centre point is v + omega x d.
  const o2x = mul(c4, s3), o2y = neg(mul(s4, s3)), o2z = neg(c3);
  const o7x = mul(c5, s6), o7y = neg(c6), o7z = neg(mul(s5, s6));
  const v1x = add(neg(mul(zz, ry)), cross2(zy, dz, zz, dy));
  const v1y = add(mul(zz, rx), cross2(zz, dx, zx, dz));
  const v1z = add(lift, cross2(zx, dy, zy, dx));
  const v2x = add(mul(c3, ry), cross2(o2y, dz, o2z, dy));
  const v2y = sub(cross2(o2z, dx, o2x, dz), mul(c3, rx));
  const v2z = add(mul(s3, beta), cross2(o2x, dy, o2y, dx));
  const v3x = mul(c4, dz), v3y = neg(mul(s4, dz)), v3z = add(gamma, cross2(s4, dy, c4, dx));
  const v4x = neg(add(both(FOREARM), dy)), v4y = sub(dx, both(ELBOW));
  const v5x = dz, v5z = neg(dx);
  const v6x = neg(mul(c5, dy)), v6y = cross2(c5, dx, s5, dz), v6z = mul(s5, dy);
  const v7x = sub(cross2(o7y, dz, o7z, dy), times(s5, WRIST));
  const v7y = cross2(o7z, dx, o7x, dz);
  const v7z = sub(cross2(o7x, dy, o7y, dx), times(c5, WRIST));
  // J J^T, lower triangle.
  const a11 = add(add(dot3(v1x, v1x, v2x, v2x, v3x, v3x), dot2(v4x, v4x, v5x, v5x)), dot2(v6x, v6x, v7x, v7x));
  const a21 = add(add(dot3(v1y, v1x, v2y, v2x, v3y, v3x), mul(v4y, v4x)), dot2(v6y, v6x, v7y, v7x));
  const a22 = add(add(dot3(v1y, v1y, v2y, v2y, v3y, v3y), mul(v4y, v4y)), dot2(v6y, v6y, v7y, v7y));
  const a31 = add(add(dot3(v1z, v1x, v2z, v2x, v3z, v3x), mul(v5z, v5x)), dot2(v6z, v6x, v7z, v7x));
  const a32 = add(dot3(v1z, v1y, v2z, v2y, v3z, v3y), dot2(v6z, v6y, v7z, v7y));
  const a33 = add(add(dot3(v1z, v1z, v2z, v2z, v3z, v3z), mul(v5z, v5z)), dot2(v6z, v6z, v7z, v7z));
  const a41 = add(dot3(zx, v1x, o2x, v2x, s4, v3x), dot2(s5, v6x, o7x, v7x));
  const a42 = add(dot3(zx, v1y, o2x, v2y, s4, v3y), dot2(s5, v6y, o7x, v7y));
  const a43 = add(dot3(zx, v1z, o2x, v2z, s4, v3z), dot2(s5, v6z, o7x, v7z));
  const a44 = add(dot3(zx, zx, o2x, o2x, s4, s4), dot2(s5, s5, o7x, o7x));
  const a51 = add(dot3(zy, v1x, o2y, v2x, c4, v3x), add(v5x, mul(o7y, v7x)));
  const a52 = add(dot3(zy, v1y, o2y, v2y, c4, v3y), mul(o7y, v7y));
  const a53 = add(dot3(zy, v1z, o2y, v2z, c4, v3z), add(v5z, mul(o7y, v7z)));
  const a54 = add(dot3(zy, zx, o2y, o2x, c4, s4), mul(o7y, o7x));
  const a55 = add(dot3(zy, zy, o2y, o2y, c4, c4), add(lanes(1), mul(o7y, o7y)));
  const a61 = add(dot2(zz, v1x, o2z, v2x), add(v4x, dot2(c5, v6x, o7z, v7x)));
  const a62 = add(dot2(zz, v1y, o2z, v2y), add(v4y, dot2(c5, v6y, o7z, v7y)));
  const a63 = add(dot2(zz, v1z, o2z, v2z), dot2(c5, v6z, o7z, v7z));
  const a64 = add(dot2(zz, zx, o2z, o2x), dot2(c5, s5, o7z, o7x));
  const a65 = add(dot2(zz, zy, o2z, o2y), mul(o7z, o7y));
  const a66 = add(dot2(zz, zz, o2z, o2z), add(lanes(1), dot2(c5, c5, o7z, o7z)));
  let slack = lanes(-1);
  for (let k = 0; k < 3; k++) {
    const sigma = k == 0 ? SIGMA_FAR : k == 1 ? SIGMA_NEAR : SIGMA_CLIP;
    const proved = definite(
      sigma, a11, a21, a22, a31, a32, a33, a41, a42, a43, a44, a51, a52, a53, a54, a55, a61, a62, a63, a64, a65, a66,
    );
    slack = v128.bitselect(lanes(sigma - SIGMA_CLIP), slack, v128.and(proved, f64x2.lt(slack, lanes(0))));
    if (!v128.any_true(f64x2.lt(slack, lanes(0)))) break;
  }
  return slack;
}

/** All pivots of A - sigma^2 I = L D L^T above rounding: a mask per lane. */
function definite(
  sigma: f64, a11: v128, a21: v128, a22: v128, a31: v128, a32: v128, a33: v128, a41: v128, a42: v128, a43: v128,
  a44: v128, a51: v128, a52: v128, a53: v128, a54: v128, a55: v128, a61: v128, a62: v128, a63: v128, a64: v128,
  a65: v128, a66: v128,
): v128 {
  const one = lanes(1), shift = lanes(sigma * sigma);
  const d1 = sub(a11, shift), i1 = f64x2.div(one, d1);
  const l21 = mul(a21, i1), l31 = mul(a31, i1), l41 = mul(a41, i1), l51 = mul(a51, i1), l61 = mul(a61, i1);
  const d2 = sub(sub(a22, shift), mul(l21, a21)), i2 = f64x2.div(one, d2);
  const b32 = sub(a32, mul(l31, a21)), b42 = sub(a42, mul(l41, a21)), b52 = sub(a52, mul(l51, a21)), b62 = sub(a62, mul(l61, a21));
  const l32 = mul(b32, i2), l42 = mul(b42, i2), l52 = mul(b52, i2), l62 = mul(b62, i2);
  const d3 = sub(sub(sub(a33, shift), mul(l31, a31)), mul(l32, b32)), i3 = f64x2.div(one, d3);
  const b43 = sub(a43, dot2(l41, a31, l42, b32)), b53 = sub(a53, dot2(l51, a31, l52, b32)), b63 = sub(a63, dot2(l61, a31, l62, b32));
  const l43 = mul(b43, i3), l53 = mul(b53, i3), l63 = mul(b63, i3);
  const d4 = sub(sub(a44, shift), dot3(l41, a41, l42, b42, l43, b43)), i4 = f64x2.div(one, d4);
  const b54 = sub(a54, dot3(l51, a41, l52, b42, l53, b43)), b64 = sub(a64, dot3(l61, a41, l62, b42, l63, b43));
  const l54 = mul(b54, i4), l64 = mul(b64, i4);
  const d5 = sub(sub(a55, shift), add(dot2(l51, a51, l52, b52), dot2(l53, b53, l54, b54))), i5 = f64x2.div(one, d5);
  const b65 = sub(a65, add(dot2(l61, a51, l62, b52), dot2(l63, b53, l64, b54)));
  const d6 = sub(sub(a66, shift), add(add(dot2(l61, a61, l62, b62), dot2(l63, b63, l64, b64)), mul(mul(b65, i5), b65)));
  const least = lanes(1e-9);
  return v128.and(
    v128.and(f64x2.gt(d1, least), v128.and(f64x2.gt(d2, least), f64x2.gt(d3, least))),
    v128.and(f64x2.gt(d4, least), v128.and(f64x2.gt(d5, least), f64x2.gt(d6, least))),
  );
}

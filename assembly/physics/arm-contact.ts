// Rod against the six cylinders and the table, for two arms.
//
// The rod's axis is P(s) = c + s z, s in [-0.18, 0.12], c the tool centre point, z the unit axis away from the hand. Its
// gap to cylinder k (centre o, radius R, top h) is the least horizontal |P(s) - o| over the s below the top, less R and
// the rod's radius. Contact where the gap is negative at the start of a step; the deepest contact exerts the force of a
// soft constraint with impedance d (0.90 to 0.95 over the first millimetre), time constant T, damping ratio 1:
//   a_ref,n = -(2 / (d1 T)) v_n - d / (d1^2 T^2) gap,   a_ref,t = -(2 / (d1 T)) v_t,   d1 the largest impedance
//   (A + diag R) f = a_ref - a_0,   f_n >= 0,  |f_t| <= f_n,   A = J M^-1 J^T,  R_n = (1 - d) / d A_nn,  R_t = R_n / 3
// by 30 Gauss-Seidel sweeps, or at once where their limit lies inside the cone; a_0 = J a; then a <- a + M^-1 J^T f.
//
// Far from every surface nothing of this is computed: no point of the rod moves further in a step than
// 0.001 sum_i R_i |qd_i|, R_i the rod's largest distance from joint axis i, so a distance once measured stays a bound
// until that much motion has used it up.
import { CHAIN_BYTES, worldChain } from "./arm-chain";
import { AXIS, CLEARANCE, COS, FACTOR, INVERSE_D, ON_TABLE, QD, QDD, SCRATCH, SIN, TCP, TOUCHED } from "./arm-lanes";
import { ELBOW, FOREARM, SHOULDER_HEIGHT, TOOL, UPPER_ARM, WRIST } from "./arm-model";
import { add, both, cross2, dot2, dot3, lanes, mul, neg, sub, times } from "./lanes";

/** The rod along its axis from the tool centre point, and its radius, m. */
const ROD_START: f64 = -0.18;
export const ROD_END: f64 = 0.12;
export const ROD_RADIUS: f64 = 0.01;

export const OBSTACLE_COUNT: i32 = 6;
/** Centre x, y, radius, top of each cylinder, m. */
const OBSTACLES: usize = memory.data<f64>([
  0.5, -0.1, 0.03, 0.07,
  0.425, 0.08, 0.025, 0.1,
  0.575, 0.08, 0.025, 0.1,
  0.35, 0.26, 0.025, 0.1,
  0.5, 0.26, 0.025, 0.1,
  0.65, 0.26, 0.025, 0.1,
]);

// @ts-ignore: decorator
@inline
export function obstacleValue(obstacle: i32, column: i32): f64 {
  return load<f64>(OBSTACLES + (<usize>(obstacle * 4 + column) << 3));
}

/** Heights of the table top and of the frame bar at its far edge, and where they end along x, m. */
const TABLE_TOP: f64 = -0.019;
const TABLE_END: f64 = 0.69;
const BAR_TOP: f64 = -0.02;
const BAR_END: f64 = 0.71;

// 0.001 R_i: R the rod's largest distance from joint axes 1 to 3, from 4, from 5 and 6, and from 7, m.
const RADIUS_FAR: usize = memory.data<f64>([1.2e-3]);
const RADIUS_ELBOW: usize = memory.data<f64>([0.8e-3]);
const RADIUS_WRIST: usize = memory.data<f64>([0.4e-3]);
const RADIUS_ROD: usize = memory.data<f64>([0.02e-3]);

// Contact in scratch: normal (3), two tangents (3 each), point (3), then J (3x7), M^-1 J^T (7x4, the last column 0).
const DIRECTIONS: usize = SCRATCH + CHAIN_BYTES;
const POINT: usize = DIRECTIONS + 72;
const JACOBIAN: usize = POINT + 24;
const RESPONSE: usize = JACOBIAN + 168;
const COUPLING: usize = RESPONSE + 224;

/** Adds to QDD what the contacts of the state do; TOUCHED and ON_TABLE say which there are. */
export function addContactForces(at: usize, obstacles: u32): void {
  const v = at + QD;
  const motion = add(
    times(add(add(f64x2.abs(v128.load(v)), f64x2.abs(v128.load(v, 16))), f64x2.abs(v128.load(v, 32))), RADIUS_FAR),
    add(
      times(f64x2.abs(v128.load(v, 48)), RADIUS_ELBOW),
      add(
        times(add(f64x2.abs(v128.load(v, 64)), f64x2.abs(v128.load(v, 80))), RADIUS_WRIST),
        times(f64x2.abs(v128.load(v, 96)), RADIUS_ROD),
      ),
    ),
  );
  // The velocity now is the one that has brought the arm here since the last call.
  const clearance = sub(v128.load(at, CLEARANCE), motion);
  v128.store(at, clearance, CLEARANCE);
  v128.store(at, lanes(-1), TOUCHED);
  v128.store(at, lanes(0), ON_TABLE);
  const near = f64x2.le(clearance, lanes(0));
  if (!v128.any_true(near)) return;
  locateTool(at);
  const mask = i64x2.bitmask(near);
  if (mask & 1) touch(at, 0, obstacles);
  if (mask & 2) touch(at, 8, obstacles);
}

/** TCP and AXIS from the sines and cosines of q. Names as in arm-reference.ts. */
export function locateTool(at: usize): void {
  const s1 = v128.load(at, SIN), c1 = v128.load(at, COS);
  const s2 = v128.load(at, SIN + 16), c2 = v128.load(at, COS + 16);
  const s3 = v128.load(at, SIN + 32), c3 = v128.load(at, COS + 32);
  const s4 = v128.load(at, SIN + 48), c4 = v128.load(at, COS + 48);
  const s5 = v128.load(at, SIN + 64), c5 = v128.load(at, COS + 64);
  const s6 = v128.load(at, SIN + 80), c6 = v128.load(at, COS + 80);
  const forward = mul(c2, c3);
  const xx = dot2(c4, forward, s4, s2), xy = cross2(c4, s2, s4, forward), xz = mul(c2, s3);
  const yx = mul(c4, s3), yy = neg(mul(s4, s3)), yz = neg(c3);
  const X = neg(mul(c3, s2));
  const zx = dot2(c4, X, s4, c2), zy = cross2(c4, c2, s4, X), zz = neg(mul(s3, s2));
  const rx = add(times(sub(c4, lanes(1)), ELBOW), times(s4, UPPER_ARM));
  const e = add(times(c6, WRIST), times(s6, TOOL));
  const ry = add(
    add(sub(both(FOREARM), times(s4, ELBOW)), times(c4, UPPER_ARM)), sub(times(s6, WRIST), times(c6, TOOL)),
  );
  const fx = cross2(xx, c5, xz, s5), fy = cross2(yx, c5, yz, s5), fz = cross2(zx, c5, zz, s5);
  const tx = dot3(xx, rx, xy, ry, fx, e), ty = dot3(yx, rx, yy, ry, fy, e);
  v128.store(at, cross2(c1, tx, s1, ty), TCP);
  v128.store(at, dot2(s1, tx, c1, ty), TCP + 16);
  v128.store(at, add(dot3(zx, rx, zy, ry, fz, e), both(SHOULDER_HEIGHT)), TCP + 32);
  const ax = cross2(fx, s6, xy, c6), ay = cross2(fy, s6, yy, c6);
  v128.store(at, cross2(c1, ax, s1, ay), AXIS);
  v128.store(at, dot2(s1, ax, c1, ay), AXIS + 16);
  v128.store(at, cross2(fz, s6, zy, c6), AXIS + 32);
}

/** Least horizontal distance of P(s) from (ox, oy) over s in [low, ROD_END], and where it is. */
let nearestS: f64 = 0;
function horizontalDistance(dx: f64, dy: f64, zx: f64, zy: f64, low: f64): f64 {
  const tilt = zx * zx + zy * zy;
  const s = tilt > 1e-16 ? max<f64>(low, min<f64>(ROD_END, -(dx * zx + dy * zy) / tilt)) : ROD_END;
  nearestS = s;
  const x = dx + s * zx, y = dy + s * zy;
  return sqrt<f64>(x * x + y * y);
}

/**
 * Height of the lowest point with x <= `end` of the rod's end disc, whose centre is e and whose axis is z; a large number
 * where the disc lies beyond. On the disc's plane the height is e_z - (z_x dx + z_y dy) / z_z, so the point is the lowest
 * of the rim, or where the rim crosses `end`.
 */
let lowestX: f64 = 0;
let lowestY: f64 = 0;
function discHeight(ex: f64, ey: f64, ez: f64, zx: f64, zy: f64, zz: f64, end: f64): f64 {
  if (ex - ROD_RADIUS > end || zz > -0.5) return 1e9;
  const across = sqrt<f64>(zx * zx + zy * zy);
  const scale = across > 1e-12 ? ROD_RADIUS / across : 0;
  let dx = scale * zz * zx, dy = scale * zz * zy;
  if (ex + dx > end) {
    dx = end - ex;
    const half = sqrt<f64>(max<f64>(0, ROD_RADIUS * ROD_RADIUS - dx * dx));
    dy = zy > 0 ? -half : half;
  }
  lowestX = ex + dx, lowestY = ey + dy;
  return ez - (zx * dx + zy * dy) / zz;
}

/** The contacts of one lane (byte 0 or 8): renews CLEARANCE, and where the rod touches, adds the force to QDD. */
function touch(at: usize, lane: usize, obstacles: u32): void {
  const cx = load<f64>(at + TCP + lane), cy = load<f64>(at + TCP + 16 + lane), cz = load<f64>(at + TCP + 32 + lane);
  const zx = load<f64>(at + AXIS + lane), zy = load<f64>(at + AXIS + 16 + lane), zz = load<f64>(at + AXIS + 32 + lane);
  let touched = -1;
  // Table: the lower end disc against the table top, and against the frame bar that goes on a little further.
  const ex = cx + ROD_END * zx, ey = cy + ROD_END * zy, ez = cz + ROD_END * zz;
  const bar = discHeight(ex, ey, ez, zx, zy, zz, BAR_END) - BAR_TOP;
  let rimX = lowestX, rimY = lowestY;
  const top = discHeight(ex, ey, ez, zx, zy, zz, TABLE_END) - TABLE_TOP;
  if (top <= bar) rimX = lowestX, rimY = lowestY;
  let deepest = min<f64>(0, min<f64>(top, bar));
  let clearance = ez - ROD_RADIUS - TABLE_TOP;
  if (deepest < 0) store<f64>(at + ON_TABLE + lane, 1);
  let contact = deepest < 0 ? OBSTACLE_COUNT : -1;
  let contactS = 0.0;
  if (obstacles != 0) {
    for (let k = 0; k < OBSTACLE_COUNT; k++) {
      const dx = cx - obstacleValue(k, 0), dy = cy - obstacleValue(k, 1);
      const reach = obstacleValue(k, 2) + ROD_RADIUS;
      const bound = horizontalDistance(dx, dy, zx, zy, ROD_START) - reach;
      clearance = min<f64>(clearance, bound);
      if (bound >= 0) continue;
      // The part of the rod below the top: s >= s_h for an axis that points down.
      const height = obstacleValue(k, 3);
      const low = zz < 0 ? (height - cz) / zz : cz < height ? ROD_START : ROD_END + 1;
      if (low > ROD_END) continue;
      const gap = horizontalDistance(dx, dy, zx, zy, max<f64>(ROD_START, low)) - reach;
      if (gap >= 0) continue;
      if (touched < 0) touched = k;
      if (gap < deepest) {
        deepest = gap;
        contact = k;
        contactS = nearestS;
      }
    }
  }
  store<f64>(at + CLEARANCE + lane, clearance);
  store<f64>(at + TOUCHED + lane, touched);
  if (contact < 0) return;

  const directions = at + DIRECTIONS, point = at + POINT;
  let constant = 0.02, softest = 0.9, stiffest = 0.95;
  if (contact == OBSTACLE_COUNT) {
    if (top <= bar) constant = 0.011, softest = 0.9495, stiffest = 0.9745;
    // A rod that has come down beyond the bar leans on its side instead: the shallower of the two ways out.
    const aside = ex - ROD_RADIUS - BAR_END;
    if (aside > deepest) {
      storeDirection(directions, 1, 0, 0), storeDirection(directions + 24, 0, 1, 0), storeDirection(directions + 48, 0, 0, 1);
      storeDirection(point, BAR_END + 0.5 * aside, ey, BAR_TOP + 0.5 * deepest);
      deepest = aside;
      constant = 0.011, softest = 0.9495, stiffest = 0.9745;
    } else {
      storeDirection(directions, 0, 0, 1), storeDirection(directions + 24, 1, 0, 0), storeDirection(directions + 48, 0, 1, 0);
      storeDirection(point, rimX, rimY, (top <= bar ? TABLE_TOP : BAR_TOP) + 0.5 * deepest);
    }
  } else {
    const x = cx + contactS * zx, y = cy + contactS * zy;
    let nx = x - obstacleValue(contact, 0), ny = y - obstacleValue(contact, 1);
    const distance = sqrt<f64>(nx * nx + ny * ny);
    if (distance > 1e-9) nx /= distance, ny /= distance;
    else nx = 1, ny = 0;
    const depth = ROD_RADIUS + 0.5 * deepest;
    storeDirection(directions, nx, ny, 0), storeDirection(directions + 24, -ny, nx, 0), storeDirection(directions + 48, 0, 0, 1);
    storeDirection(point, x - depth * nx, y - depth * ny, cz + contactS * zz);
  }
  push(at, lane, deepest, constant, softest, stiffest);
}

/** Adds M^-1 J^T f of the contact in scratch to QDD of one lane. */
function push(at: usize, lane: usize, gap: f64, constant: f64, softest: f64, stiffest: f64): void {
  const chain = at + SCRATCH, jacobian = at + JACOBIAN, response = at + RESPONSE, coupling = at + COUPLING;
  worldChain(at + SIN + lane, at + COS + lane, chain);
  const px = load<f64>(at + POINT), py = load<f64>(at + POINT, 8), pz = load<f64>(at + POINT, 16);
  const directions = at + DIRECTIONS;
  for (let i: usize = 0; i < 7; i++) {
    const joint = chain + i * 48;
    const ax = load<f64>(joint), ay = load<f64>(joint, 8), az = load<f64>(joint, 16);
    const rx = px - load<f64>(joint, 24), ry = py - load<f64>(joint, 32), rz = pz - load<f64>(joint, 40);
    const vx = ay * rz - az * ry, vy = az * rx - ax * rz, vz = ax * ry - ay * rx;
    for (let row: usize = 0; row < 3; row++) {
      const direction = directions + row * 24;
      const value = load<f64>(direction) * vx + load<f64>(direction, 8) * vy + load<f64>(direction, 16) * vz;
      store<f64>(jacobian + row * 56 + (i << 3), value);
      store<f64>(response + (i << 5) + (row << 3), value);
    }
    store<f64>(response + (i << 5), 0, 24);
  }
  solveColumns(at, lane, response);
  for (let row: usize = 0; row < 3; row++) {
    for (let column: usize = row; column < 3; column++) {
      let sum = 0.0;
      for (let i: usize = 0; i < 7; i++) {
        sum += load<f64>(jacobian + row * 56 + (i << 3)) * load<f64>(response + (i << 5) + (column << 3));
      }
      store<f64>(coupling + (row * 3 + column << 3), sum);
    }
  }
  const x = min<f64>(1, -gap / 1e-3);
  const ramp = x < 0.5 ? 2 * x * x : 1 - 2 * (1 - x) * (1 - x);
  const impedance = softest + (stiffest - softest) * ramp;
  const damping = 2 / (stiffest * constant), stiffness = impedance / (stiffest * stiffest * constant * constant);
  const ann = load<f64>(coupling), a01 = load<f64>(coupling, 8), a02 = load<f64>(coupling, 16);
  const a12 = load<f64>(coupling, 40);
  const softness = (1 - impedance) / impedance * ann;
  const a00 = ann + softness, a11 = load<f64>(coupling, 32) + softness / 3, a22 = load<f64>(coupling, 64) + softness / 3;
  // Right-hand side a_ref - a_0.
  const b0 = -along(at + QD, lane, jacobian) * damping - stiffness * gap - along(at + QDD, lane, jacobian);
  const b1 = -along(at + QD, lane, jacobian + 56) * damping - along(at + QDD, lane, jacobian + 56);
  const b2 = -along(at + QD, lane, jacobian + 112) * damping - along(at + QDD, lane, jacobian + 112);
  // Sticking: the three equations as they stand, by elimination.
  const m01 = a01 / a00, m02 = a02 / a00;
  const s11 = a11 - m01 * a01, s12 = a12 - m01 * a02, m12 = s12 / s11, y1 = b1 - m01 * b0;
  let f2 = (b2 - m02 * b0 - m12 * y1) / (a22 - m02 * a02 - m12 * s12);
  let f1 = y1 / s11 - m12 * f2;
  let f0 = b0 / a00 - m01 * f1 - m02 * f2;
  if (f0 < 0 || f1 * f1 + f2 * f2 > f0 * f0) {
    // Sliding or letting go: projected Gauss-Seidel.
    const i0 = 1 / a00, i1 = 1 / a11, i2 = 1 / a22;
    f0 = 0, f1 = 0, f2 = 0;
    for (let sweep = 0; sweep < 30; sweep++) {
      const before0 = f0, before1 = f1, before2 = f2;
      f0 = max<f64>(0, (b0 - a01 * f1 - a02 * f2) * i0);
      f1 = (b1 - a01 * f0 - a12 * f2) * i1;
      f2 = (b2 - a02 * f0 - a12 * f1) * i2;
      const tangential = f1 * f1 + f2 * f2;
      if (tangential > f0 * f0) {
        const scale = f0 / sqrt<f64>(tangential);
        f1 *= scale, f2 *= scale;
      }
      // Settled: further sweeps change nothing that counts.
      const change = abs<f64>(f0 - before0) + abs<f64>(f1 - before1) + abs<f64>(f2 - before2);
      if (change <= 1e-12 * f0) break;
    }
  }
  for (let i: usize = 0; i < 7; i++) {
    const place = at + QDD + (i << 4) + lane;
    const columns = response + (i << 5);
    store<f64>(place, load<f64>(place) + f0 * load<f64>(columns) + f1 * load<f64>(columns, 8) + f2 * load<f64>(columns, 16));
  }
}

/** J_row times a joint vector of one lane. */
function along(vector: usize, lane: usize, row: usize): f64 {
  let sum = 0.0;
  for (let i: usize = 0; i < 7; i++) sum += load<f64>(row + (i << 3)) * load<f64>(vector + (i << 4) + lane);
  return sum;
}

/** X <- M^-1 X for one lane, X 7x4 by rows, M = L^T D L from FACTOR: two columns in each register. */
function solveColumns(at: usize, lane: usize, x: usize): void {
  for (let columns: usize = 0; columns < 32; columns += 16) {
    const place = x + columns, factor = at + FACTOR + lane, inverse = at + INVERSE_D + lane;
    let x1 = v128.load(place, 0);
    let x2 = v128.load(place, 32);
    let x3 = v128.load(place, 64);
    let x4 = v128.load(place, 96);
    let x5 = v128.load(place, 128);
    let x6 = v128.load(place, 160);
    let x7 = v128.load(place, 192);
    x1 = sub(x1, mul(x7, both(factor + 240))), x2 = sub(x2, mul(x7, both(factor + 256)));
    x3 = sub(x3, mul(x7, both(factor + 272))), x4 = sub(x4, mul(x7, both(factor + 288)));
    x5 = sub(x5, mul(x7, both(factor + 304))), x6 = sub(x6, mul(x7, both(factor + 320)));
    x1 = sub(x1, mul(x6, both(factor + 160))), x2 = sub(x2, mul(x6, both(factor + 176)));
    x3 = sub(x3, mul(x6, both(factor + 192))), x4 = sub(x4, mul(x6, both(factor + 208)));
    x5 = sub(x5, mul(x6, both(factor + 224)));
    x1 = sub(x1, mul(x5, both(factor + 96))), x2 = sub(x2, mul(x5, both(factor + 112)));
    x3 = sub(x3, mul(x5, both(factor + 128))), x4 = sub(x4, mul(x5, both(factor + 144)));
    x1 = sub(x1, mul(x4, both(factor + 48))), x2 = sub(x2, mul(x4, both(factor + 64)));
    x3 = sub(x3, mul(x4, both(factor + 80)));
    x1 = sub(x1, mul(x3, both(factor + 16))), x2 = sub(x2, mul(x3, both(factor + 32)));
    x1 = sub(x1, mul(x2, both(factor + 0)));
    x1 = mul(x1, both(inverse));
    x2 = mul(x2, both(inverse + 16));
    x2 = sub(x2, mul(x1, both(factor + 0)));
    x3 = mul(x3, both(inverse + 32));
    x3 = sub(x3, mul(x1, both(factor + 16))), x3 = sub(x3, mul(x2, both(factor + 32)));
    x4 = mul(x4, both(inverse + 48));
    x4 = sub(x4, mul(x1, both(factor + 48))), x4 = sub(x4, mul(x2, both(factor + 64)));
    x4 = sub(x4, mul(x3, both(factor + 80)));
    x5 = mul(x5, both(inverse + 64));
    x5 = sub(x5, mul(x1, both(factor + 96))), x5 = sub(x5, mul(x2, both(factor + 112)));
    x5 = sub(x5, mul(x3, both(factor + 128))), x5 = sub(x5, mul(x4, both(factor + 144)));
    x6 = mul(x6, both(inverse + 80));
    x6 = sub(x6, mul(x1, both(factor + 160))), x6 = sub(x6, mul(x2, both(factor + 176)));
    x6 = sub(x6, mul(x3, both(factor + 192))), x6 = sub(x6, mul(x4, both(factor + 208)));
    x6 = sub(x6, mul(x5, both(factor + 224)));
    x7 = mul(x7, both(inverse + 96));
    x7 = sub(x7, mul(x1, both(factor + 240))), x7 = sub(x7, mul(x2, both(factor + 256)));
    x7 = sub(x7, mul(x3, both(factor + 272))), x7 = sub(x7, mul(x4, both(factor + 288)));
    x7 = sub(x7, mul(x5, both(factor + 304))), x7 = sub(x7, mul(x6, both(factor + 320)));
    v128.store(place, x1, 0), v128.store(place, x2, 32), v128.store(place, x3, 64), v128.store(place, x4, 96);
    v128.store(place, x5, 128), v128.store(place, x6, 160), v128.store(place, x7, 192);
  }
}

// @ts-ignore: decorator
@inline
function storeDirection(at: usize, x: f64, y: f64, z: f64): void {
  store<f64>(at, x), store<f64>(at, y, 8), store<f64>(at, z, 16);
}

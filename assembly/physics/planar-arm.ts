// Level P of the Avoid task: the tool centre point as a driven, damped point in polar coordinates about the base.
//
// p = (rho, phi) of the tool centre point, u of the set-point, v = dp/dt. K, D, F are 2x2, each entry the product of six
// fitted coefficients with the basis (1, a, g, a^2, a g, g^2), a = (rho - 0.55) / 0.2, g = phi / 0.6, taken at p when the
// set-point changes. One interval of 35 ms:
//   v <- v + F (u_new - u_old)
//   7 times, h = 0.005:  v <- v + h (K (u_new - p) - D v);  p <- p + h v;  then the contact of the disc of radius 0.010
import { OBSTACLE_COUNT, ROD_RADIUS, obstacleValue } from "./arm-contact";

/** Rows rr, rp, pr, pp of K (1/s^2), D (1/s) and F (1/s). Fitted by us to the arm of Level A. */
const COEFFICIENTS: usize = memory.data<f64>([
  // K
  251.97267, 42.12652, 100.43133, 44.82271, -11.99399, 54.1076,
  9.46048, -7.65932, 11.08394, -22.0546, 0.09758, -5.63458,
  22.25261, -54.2202, 10.39349, 10.60735, -68.72477, 32.41223,
  41.28104, -27.25584, 1.92475, 21.2482, -5.69537, -0.25221,
  // D
  19.08931, -1.78232, 2.41121, 0.94232, -0.95547, -0.27484,
  0.0055, -0.41359, -0.5594, 0.41591, -0.80286, 0.15527,
  0.39581, 0.15342, -0.34517, 1.05004, -1.40294, 0.1178,
  3.75273, -2.62433, 0.4579, 1.59205, -0.10436, -0.48994,
  // F
  20.31538, -2.76642, 0.60407, -0.71569, 0.87128, 0.25153,
  -0.54198, 0.31694, -1.59744, 0.64907, -0.90407, 0.16407,
  0.19587, 0.35133, -0.51112, -0.37397, 0.57706, 0.37361,
  3.60435, -2.29785, 0.25633, 1.34374, 0.31037, -0.52972,
]);

/** State of one point: p (2), v (2), u (2), kind of contact, f64. */
export const PLANAR_BYTES: usize = 56;

const SUBSTEP: f64 = 0.005;
// A disc that meets a cylinder within 45 degrees of its normal sticks there for as long as it is pushed; friction does not
// stop one that grazes it. The arm behaves so; a point without the arm's other joints has to be told.
const FREE: f64 = 0;
const SLIDING: f64 = 1;
const STUCK: f64 = 2;

/** The reach of the arm, m: a set-point beyond it counts as lying on it. */
const REACH: f64 = 0.85;
// Where the coefficients have been fitted; beyond they keep the values of its edge, where the motion is stable.
const LEAST_RHO: f64 = 0.3;
const LEAST_PHI: f64 = -0.6;
const LARGEST_PHI: f64 = 1.2;

/** Puts the point at rest at (x, y), its set-point at (goalX, goalY). */
export function placePlanar(at: usize, x: f64, y: f64, goalX: f64, goalY: f64): void {
  store<f64>(at, Math.sqrt(x * x + y * y)), store<f64>(at, Math.atan2(y, x), 8);
  store<f64>(at, 0, 16), store<f64>(at, 0, 24);
  store<f64>(at, Math.sqrt(goalX * goalX + goalY * goalY), 32), store<f64>(at, Math.atan2(goalY, goalX), 40);
  store<f64>(at, FREE, 48);
}

/** One entry of K, D or F (`matrix` 0, 1, 2) at the basis values given. */
function entry(matrix: usize, index: usize, a: f64, g: f64): f64 {
  const row = COEFFICIENTS + (matrix * 4 + index) * 48;
  return load<f64>(row) + load<f64>(row, 8) * a + load<f64>(row, 16) * g + load<f64>(row, 24) * (a * a)
    + load<f64>(row, 32) * (a * g) + load<f64>(row, 40) * (g * g);
}

/** Runs one interval towards the set-point (goalX, goalY). Returns the obstacle touched at its end, or -1. */
export function stepPlanar(at: usize, goalX: f64, goalY: f64, obstacles: u32): i32 {
  let rho = load<f64>(at), phi = load<f64>(at, 8), vr = load<f64>(at, 16), vp = load<f64>(at, 24);
  const ur = Math.min(Math.sqrt(goalX * goalX + goalY * goalY), REACH), up = Math.atan2(goalY, goalX);
  const dr = ur - load<f64>(at, 32), dp = up - load<f64>(at, 40);
  const a = (Math.min(Math.max(rho, LEAST_RHO), REACH) - 0.55) / 0.2;
  const g = Math.min(Math.max(phi, LEAST_PHI), LARGEST_PHI) / 0.6;
  const krr = entry(0, 0, a, g), krp = entry(0, 1, a, g), kpr = entry(0, 2, a, g), kpp = entry(0, 3, a, g);
  const drr = entry(1, 0, a, g), drp = entry(1, 1, a, g), dpr = entry(1, 2, a, g), dpp = entry(1, 3, a, g);
  vr += entry(2, 0, a, g) * dr + entry(2, 1, a, g) * dp;
  vp += entry(2, 2, a, g) * dr + entry(2, 3, a, g) * dp;
  let contact = load<f64>(at, 48);
  let touched = -1;
  for (let k = 0; k < 7; k++) {
    const er = ur - rho, ep = up - phi;
    const ar = krr * er + krp * ep - drr * vr - drp * vp;
    const ap = kpr * er + kpp * ep - dpr * vr - dpp * vp;
    vr += SUBSTEP * ar, vp += SUBSTEP * ap;
    rho += SUBSTEP * vr, phi += SUBSTEP * vp;
    touched = -1;
    if (obstacles == 0) continue;
    const c = Math.cos(phi), s = Math.sin(phi);
    const x = rho * c, y = rho * s;
    for (let i = 0; i < OBSTACLE_COUNT; i++) {
      const ox = x - obstacleValue(i, 0), oy = y - obstacleValue(i, 1);
      const reach = obstacleValue(i, 2) + ROD_RADIUS;
      const distance = Math.sqrt(ox * ox + oy * oy);
      if (distance >= reach) continue;
      // Out to the boundary along the normal; the inward velocity goes, friction takes as much of the tangential one.
      touched = i;
      const nx = distance > 1e-9 ? ox / distance : 1.0, ny = distance > 1e-9 ? oy / distance : 0.0;
      const vx = vr * c - rho * s * vp, vy = vr * s + rho * c * vp;
      const normal = vx * nx + vy * ny, across = vy * nx - vx * ny;
      const removed = Math.max(-normal, 0), size = Math.abs(across);
      if (contact == FREE) contact = size <= removed ? STUCK : SLIDING;
      const tangential = contact == STUCK || size <= removed ? 0 : across * (1 - removed / size);
      const kept = Math.max(normal, 0);
      const wx = kept * nx - tangential * ny, wy = kept * ny + tangential * nx;
      const back = contact == STUCK ? SUBSTEP * across : 0.0;
      const mx = ox + back * ny, my = oy - back * nx;
      const out = reach / Math.max(Math.sqrt(mx * mx + my * my), 1e-9);
      const px = obstacleValue(i, 0) + mx * out, py = obstacleValue(i, 1) + my * out;
      rho = Math.sqrt(px * px + py * py), phi = Math.atan2(py, px);
      vr = (wx * px + wy * py) / rho, vp = (wy * px - wx * py) / (rho * rho);
      break;
    }
    if (touched < 0) contact = FREE;
  }
  store<f64>(at, rho), store<f64>(at, phi, 8), store<f64>(at, vr, 16), store<f64>(at, vp, 24);
  store<f64>(at, ur, 32), store<f64>(at, up, 40), store<f64>(at, contact, 48);
  return touched;
}

/** Cartesian position of the point. */
export function planarX(at: usize): f64 {
  return load<f64>(at) * Math.cos(load<f64>(at, 8));
}

export function planarY(at: usize): f64 {
  return load<f64>(at) * Math.sin(load<f64>(at, 8));
}

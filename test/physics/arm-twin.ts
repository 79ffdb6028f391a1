/**
 * The arm of Avoid as its definition reads, scalar, with the published links and no shortcut: 4x4 frames, a full Jacobian,
 * Newton-Euler with mass, centre and tensor of every link, the mass matrix column by column. The float64 twin that
 * assembly/physics/arm*.ts is held against.
 */
type Vector = readonly [number, number, number];
type Matrix = readonly [Vector, Vector, Vector];

const halfPi = Math.PI / 2;
const offsets: readonly Vector[] = [
  [0, 0, 0.333], [0, 0, 0], [0, -0.316, 0], [0.0825, 0, 0], [-0.0825, 0.384, 0], [0, 0, 0], [0.088, 0, 0],
];
const twists = [0, -halfPi, halfPi, halfPi, -halfPi, halfPi, halfPi];

interface Link {
  readonly mass: number;
  readonly centre: Vector;
  /** About the centre of mass, link axes. */
  readonly tensor: Matrix;
}

function principal(mass: number, centre: Vector, quaternion: readonly number[], moments: Vector): Link {
  const size = Math.hypot(...quaternion);
  const [w, x, y, z] = quaternion.map((value) => value / size) as [number, number, number, number];
  const axes: Matrix = [
    [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
    [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
    [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
  ];
  const entry = (i: number, j: number) => [0, 1, 2].reduce((sum, k) => sum + axes[i]![k]! * moments[k]! * axes[j]![k]!, 0);
  const row = (i: number): Vector => [entry(i, 0), entry(i, 1), entry(i, 2)];
  return { mass, centre, tensor: [row(0), row(1), row(2)] };
}

export const links: readonly Link[] = [
  principal(2.77281, [1.1399e-5, -0.0312655, -0.0693733], [0.98466, 0.174481, -0.000101815, 0.000347662], [0.0164224, 0.0153969, 0.00546286]),
  principal(2.7996, [-1.31766e-5, -0.0703216, 0.0311782], [0.57484, 0.818266, -6.05764e-5, -6.61626e-5], [0.016787, 0.0157415, 0.00553027]),
  principal(2.14603, [0.0443483, 0.0249283, -0.03813], [0.0615263, 0.349824, 0.234291, 0.904956], [0.00915257, 0.00896477, 0.00384742]),
  principal(2.18807, [-0.0385503, 0.0395256, 0.0247162], [0.813566, 0.465041, 0.309792, 0.160858], [0.00946899, 0.00928491, 0.00396694]),
  principal(3.19545, [-6.36776e-5, 0.0384124, -0.10997], [0.990767, -0.135571, 0.000963106, 0.000694406], [0.0278873, 0.0268823, 0.00569569]),
  principal(1.35761, [0.0510023, 0.00693267, 0.00616899], [-0.0460841, 0.754362, 0.044494, 0.653325], [0.00412168, 0.0033698, 0.00213304]),
  {
    mass: 1.3503143698124804,
    centre: [0.0029852607097, 0.0029866471885, 0.1205563836697],
    tensor: [
      [0.12436712704, -0.00114880261, 0.0001396071],
      [-0.00114880261, 0.12436756128, 0.00013937576],
      [0.0001396071, 0.00013937576, 0.12293560102],
    ],
  },
];

const rest = [0, 0.174, 0, -0.872, 0, 1.222, 0.785];
const lower = [-2.8973, -1.7628, -2.8973, -3.0718, -2.8973, -0.0175, -2.8973];
const upper = [2.8973, 1.7628, 2, -0.0698, 2.8973, 3.7525, 2.8973];
const stiffness = [120, 120, 120, 120, 50, 30, 10];
const damping = [10, 10, 10, 10, 6, 5, 3];
const limits = [87, 87, 87, 87, 12, 12, 12];
export const start = [
  -0.356408684719144, 0.42944545403685375, -0.13501059530077475, -2.0546518930206967, 0.09357822291576079, 2.4807179407013367,
  0.2325067588494456,
];

const cross = (a: Vector, b: Vector): Vector => [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]];
const plus = (a: Vector, b: Vector): Vector => [a[0] + b[0], a[1] + b[1], a[2] + b[2]];
const minus = (a: Vector, b: Vector): Vector => [a[0] - b[0], a[1] - b[1], a[2] - b[2]];
const scaled = (a: Vector, k: number): Vector => [a[0] * k, a[1] * k, a[2] * k];
const dot = (a: readonly number[], b: readonly number[]) => a.reduce((sum, value, index) => sum + value * b[index]!, 0);
const apply = (m: Matrix, v: Vector): Vector => [dot(m[0], v), dot(m[1], v), dot(m[2], v)];
const transposed = (m: Matrix): Matrix => [
  [m[0][0], m[1][0], m[2][0]], [m[0][1], m[1][1], m[2][1]], [m[0][2], m[1][2], m[2][2]],
];
const product = (a: Matrix, b: Matrix): Matrix => {
  const columns = transposed(b);
  const row = (r: Vector): Vector => [dot(r, columns[0]), dot(r, columns[1]), dot(r, columns[2])];
  return [row(a[0]), row(a[1]), row(a[2])];
};
const clip = (value: number, limit: number) => Math.min(limit, Math.max(-limit, value));
const aboutX = (a: number): Matrix => [[1, 0, 0], [0, Math.cos(a), -Math.sin(a)], [0, Math.sin(a), Math.cos(a)]];
const aboutZ = (a: number): Matrix => [[Math.cos(a), -Math.sin(a), 0], [Math.sin(a), Math.cos(a), 0], [0, 0, 1]];
const identity: Matrix = [[1, 0, 0], [0, 1, 0], [0, 0, 1]];

export interface Pose {
  readonly position: Vector;
  /** Hand axes in its columns. */
  readonly hand: Matrix;
  /** 6 rows of 7: linear velocity, angular velocity. */
  readonly jacobian: readonly (readonly number[])[];
}

export function forwardKinematics(q: readonly number[]): Pose {
  let rotation = identity;
  let origin: Vector = [0, 0, 0];
  const axes: Vector[] = [];
  const origins: Vector[] = [];
  for (let i = 0; i < 7; i++) {
    origin = plus(origin, apply(rotation, offsets[i]!));
    rotation = product(product(rotation, aboutX(twists[i]!)), aboutZ(q[i]!));
    axes.push(transposed(rotation)[2]);
    origins.push(origin);
  }
  const hand = product(rotation, aboutZ(-Math.PI / 4));
  const position = plus(origin, apply(hand, [0, 0, 0.107 + 0.105]));
  const linear = axes.map((axis, i) => cross(axis, minus(position, origins[i]!)));
  const jacobian = [0, 1, 2].map((row) => linear.map((column) => column[row]!))
    .concat([0, 1, 2].map((row) => axes.map((column) => column[row]!)));
  return { position, hand, jacobian };
}

/** Inverse of J J^T + 1e-12 I with eigenvalues held inside [0.01, 100], applied to a vector; by Jacobi rotations. */
function clippedSolve(square: readonly (readonly number[])[], vector: readonly number[]): { x: number[]; least: number } {
  const n = vector.length;
  const a = square.map((row) => [...row]);
  const v = square.map((_, i) => square.map((__, j): number => (i === j ? 1 : 0)));
  for (let sweep = 0; sweep < 30; sweep++) {
    for (let p = 0; p < n; p++) {
      for (let q = p + 1; q < n; q++) {
        if (Math.abs(a[p]![q]!) < 1e-300) continue;
        const angle = 0.5 * Math.atan2(2 * a[p]![q]!, a[q]![q]! - a[p]![p]!);
        const [c, s] = [Math.cos(angle), Math.sin(angle)];
        for (let k = 0; k < n; k++) {
          [a[k]![p], a[k]![q]] = [c * a[k]![p]! - s * a[k]![q]!, s * a[k]![p]! + c * a[k]![q]!];
        }
        for (let k = 0; k < n; k++) {
          [a[p]![k], a[q]![k]] = [c * a[p]![k]! - s * a[q]![k]!, s * a[p]![k]! + c * a[q]![k]!];
          [v[k]![p], v[k]![q]] = [c * v[k]![p]! - s * v[k]![q]!, s * v[k]![p]! + c * v[k]![q]!];
        }
      }
    }
  }
  const x = new Array<number>(n).fill(0);
  for (let k = 0; k < n; k++) {
    const column = v.map((row) => row[k]!);
    const share = dot(column, vector) / Math.min(100, Math.max(0.01, a[k]![k]!));
    for (let i = 0; i < n; i++) x[i]! += share * column[i]!;
  }
  return { x, least: Math.min(...a.map((row, i) => row[i]!)) };
}

/** Joint velocity of one IK iteration before the speed limit, and the least eigenvalue of J J^T + 1e-12 I. */
export function wantedVelocity(q: readonly number[], goal: readonly [number, number]): { w: number[]; least: number } {
  const { position, hand, jacobian } = forwardKinematics(q);
  const [r0, r1, r2] = hand;
  // The quaternion of the hand, from its largest component, which near the target is the one of x.
  const hx = 0.5 * Math.sqrt(1 + r0[0] - r1[1] - r2[2]);
  const h = [(r2[1] - r1[2]) / (4 * hx), hx, (r1[0] + r0[1]) / (4 * hx), (r0[2] + r2[0]) / (4 * hx)] as const;
  const d = [0, 1, 0, 0] as const;
  const orientation: Vector = [
    h[0] * d[1] - d[0] * h[1] - h[3] * d[2] + h[2] * d[3],
    h[0] * d[2] - d[0] * h[2] + h[3] * d[1] - h[1] * d[3],
    h[0] * d[3] - d[0] * h[3] - h[2] * d[1] + h[1] * d[2],
  ];
  const gains = [200, 200, 800];
  const u = [goal[0], goal[1], 0.12].map((value, i) => gains[i]! * clip(value - position[i]!, 0.01))
    .concat(orientation.map((value) => 30 * clip(value, 0.1)));
  const n = q.map((value, i) => 40 * clip(rest[i]! - value, 0.2));
  const square = jacobian.map((row, i) => jacobian.map((other, j) => dot(row, other) + (i === j ? 1e-12 : 0)));
  const { x, least } = clippedSolve(square, u.map((value, i) => value - dot(jacobian[i]!, n)));
  return { w: n.map((value, k) => value + jacobian.reduce((sum, row, i) => sum + row[k]! * x[i]!, 0)), least };
}

/** Joint torques for the accelerations given, by Newton-Euler. */
export function inverseDynamics(q: readonly number[], qd: readonly number[], qdd: readonly number[], gravity = 9.81): number[] {
  let [w, dw, a]: Vector[] = [[0, 0, 0], [0, 0, 0], [0, 0, gravity]] as [Vector, Vector, Vector];
  const steps = links.map((link, i) => {
    const rotation = product(aboutX(twists[i]!), aboutZ(q[i]!));
    const back = transposed(rotation);
    const p = offsets[i]!;
    a = apply(back, plus(a!, plus(cross(dw!, p), cross(w!, cross(w!, p)))));
    const turned = apply(back, w!);
    dw = plus(plus(apply(back, dw!), cross(turned, [0, 0, qd[i]!])), [0, 0, qdd[i]!]);
    w = plus(turned, [0, 0, qd[i]!]);
    const centre = plus(a, plus(cross(dw, link.centre), cross(w, cross(w, link.centre))));
    const force = scaled(centre, link.mass);
    const torque = plus(plus(apply(link.tensor, dw), cross(w, apply(link.tensor, w))), cross(link.centre, force));
    return { rotation, p, force, torque };
  });
  let force: Vector = [0, 0, 0];
  let torque: Vector = [0, 0, 0];
  const out = new Array<number>(7);
  for (let i = 6; i >= 0; i--) {
    const step = steps[i]!;
    force = plus(force, step.force);
    torque = plus(torque, step.torque);
    out[i] = torque[2];
    force = apply(step.rotation, force);
    torque = plus(apply(step.rotation, torque), cross(step.p, force));
  }
  return out;
}

/** M^-1 (tau - b) by elimination with the mass matrix's columns from {@link inverseDynamics}. */
export function acceleration(q: readonly number[], qd: readonly number[], torque: readonly number[]): { a: number[]; bias: number[] } {
  const still = new Array<number>(7).fill(0);
  const bias = inverseDynamics(q, qd, still);
  const columns = still.map((_, j) => inverseDynamics(q, still, still.map((__, k) => (k === j ? 1 : 0)), 0));
  const m = still.map((_, i) => [...columns.map((column) => column[i]!), torque[i]! - bias[i]!]);
  for (let k = 0; k < 7; k++) {
    for (let i = k + 1; i < 7; i++) {
      const share = m[i]![k]! / m[k]![k]!;
      for (let j = k; j < 8; j++) m[i]![j]! -= share * m[k]![j]!;
    }
  }
  const a = new Array<number>(7).fill(0);
  for (let i = 6; i >= 0; i--) {
    let value = m[i]![7]!;
    for (let j = i + 1; j < 7; j++) value -= m[i]![j]! * a[j]!;
    a[i] = value / m[i]![i]!;
  }
  return { a, bias };
}

/** An arm in free motion; `step` is one millisecond. */
export class ArmTwin {
  q: number[];
  qd = new Array<number>(7).fill(0);
  reference: number[];
  bias: number[];
  /** Tool centre point of the state that the last step started from. */
  reported: Vector;

  constructor(q: readonly number[] = start) {
    this.q = [...q];
    this.reference = [...q];
    this.bias = inverseDynamics(this.q, this.qd, this.qd);
    this.reported = forwardKinematics(this.q).position;
  }

  step(goal: readonly [number, number]): void {
    this.reported = forwardKinematics(this.q).position;
    const before = [...this.reference];
    for (let iteration = 0; iteration < 3; iteration++) {
      const { w } = wantedVelocity(this.reference, goal);
      const scale = Math.min(1, 3 / Math.hypot(...w));
      this.reference = this.reference.map((value, i) => Math.min(upper[i]!, Math.max(lower[i]!, value + 0.001 * scale * w[i]!)));
    }
    const torque = this.q.map((value, i) => {
      const velocity = (this.reference[i]! - before[i]!) / 0.001;
      return clip(stiffness[i]! * (this.reference[i]! - value) + damping[i]! * (velocity - this.qd[i]!) + this.bias[i]!, limits[i]!);
    });
    const { a, bias } = acceleration(this.q, this.qd, torque);
    this.qd = this.qd.map((value, i) => value + 0.001 * a[i]!);
    this.q = this.q.map((value, i) => value + 0.001 * this.qd[i]!);
    this.bias = bias;
  }
}

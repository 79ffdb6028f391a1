// The equations of motion of the arm, two at a time: M(q) a + b(q, qd) = tau.
//
// b by recursive Newton-Euler, M by composite bodies, both in link axes with the regrouped constants of arm-model.ts
// (no mass, h = (hx, hy, 0), J_zz = 0). Going out to link i a vector is turned by (in again: the inverse)
//   R_i^T v = (c x' + s y', c y' - s x', z'),   (x', y', z') = (x, z, -y) for alpha = +pi/2, (x, -z, y) for -pi/2.
// With U = [dw]x + w w^T - |w|^2 I, a link exerts about its origin
//   F = U h,   N = h x v + vee(U J),   vee(B) = (B_zy - B_yz, B_xz - B_zx, B_yx - B_xy).
// Names: digits are link numbers; o a part of n; u entries of U off its diagonal, pi the diagonal of -U.
import { BIAS, COS, FACTOR, INVERSE_D, QD, QDD, SIN } from "./arm-lanes";
import {
  ELBOW, FOREARM, GRAVITY, H2X, H2Y, H3X, H3Y, H4X, H4Y, H5X, H5Y, H6X, H6Y, H7X, H7Y, J2XX, J2XY, J2XZ, J2YY, J2YZ,
  J3XX, J3XY, J3XZ, J3YY, J3YZ, J4XX, J4XY, J4XZ, J4YY, J4YZ, J5XX, J5XY, J5XZ, J5YY, J5YZ, J6XX, J6XY, J6XZ, J6YY,
  J6YZ, J7XX, J7XY, J7XZ, J7YY, J7YZ, I1ZZ, TWICE_ELBOW, TWICE_FOREARM, TWICE_UPPER_ARM, TWICE_WRIST, UPPER_ARM,
  WRIST,
} from "./arm-model";
import { add, both, cross2, dot2, dot3, lanes, mul, neg, sub, times } from "./lanes";

/** Solves M a = tau - b. Leaves a in QDD, the factors of M in FACTOR and INVERSE_D, b in BIAS. */
export function accelerate(
  at: usize, tau1: v128, tau2: v128, tau3: v128, tau4: v128, tau5: v128, tau6: v128, tau7: v128,
): void {
  const s2 = v128.load(at, SIN + 16), c2 = v128.load(at, COS + 16);
  const s3 = v128.load(at, SIN + 32), c3 = v128.load(at, COS + 32);
  const s4 = v128.load(at, SIN + 48), c4 = v128.load(at, COS + 48);
  const s5 = v128.load(at, SIN + 64), c5 = v128.load(at, COS + 64);
  const s6 = v128.load(at, SIN + 80), c6 = v128.load(at, COS + 80);
  const s7 = v128.load(at, SIN + 96), c7 = v128.load(at, COS + 96);
  const r1 = v128.load(at, QD), r2 = v128.load(at, QD + 16), r3 = v128.load(at, QD + 32), r4 = v128.load(at, QD + 48);
  const r5 = v128.load(at, QD + 64), r6 = v128.load(at, QD + 80), r7 = v128.load(at, QD + 96);

  // Outwards: angular velocity w, angular acceleration d, acceleration v of the origins (joints at rest, base falling up).
  const w2x = neg(mul(s2, r1)), w2y = neg(mul(c2, r1));
  const d2x = mul(w2y, r2), d2y = neg(mul(w2x, r2));
  const v2x = neg(times(s2, GRAVITY)), v2y = neg(times(c2, GRAVITY));
  // Link 2.
  const m2x = mul(w2x, w2x), m2y = mul(w2y, w2y), m2z = mul(r2, r2);
  const p2x = add(m2y, m2z), p2y = add(m2x, m2z), p2z = add(m2x, m2y);
  const m2xy = mul(w2x, w2y), m2xz = mul(w2x, r2), m2yz = mul(w2y, r2);
  const u2xy = m2xy, u2yx = m2xy;
  const u2xz = add(m2xz, d2y), u2zx = sub(m2xz, d2y), u2yz = sub(m2yz, d2x), u2zy = add(m2yz, d2x);
  const f2x = sub(times(u2xy, H2Y), times(p2x, H2X)), f2y = sub(times(u2yx, H2X), times(p2y, H2Y));
  const f2z = add(times(u2zx, H2X), times(u2zy, H2Y));
  const o2x = sub(add(times(u2zx, J2XY), times(u2zy, J2YY)), times(u2yx, J2XZ));
  const n2x = add(o2x, times(sub(p2y, p2z), J2YZ));
  const o2y = sub(add(times(sub(p2z, p2x), J2XZ), times(u2xy, J2YZ)), times(u2zx, J2XX));
  const n2y = sub(o2y, times(u2zy, J2XY));
  const o2z = sub(add(times(u2yx, J2XX), times(sub(p2x, p2y), J2XY)), times(u2xy, J2YY));
  const n2z = sub(add(sub(add(o2z, times(u2yz, J2XZ)), times(u2xz, J2YZ)), times(v2y, H2X)), times(v2x, H2Y));
  // Link 3.
  const a3x = sub(v2x, times(u2xy, UPPER_ARM)), a3y = add(v2y, times(p2y, UPPER_ARM));
  const a3z = neg(times(u2zy, UPPER_ARM));
  const w3x = dot2(c3, w2x, s3, r2), w3y = cross2(c3, r2, s3, w2x), w3z = sub(r3, w2y);
  const d3x = dot2(c3, d2x, w3y, r3), d3y = neg(dot2(s3, d2x, w3x, r3)), d3z = neg(d2y);
  const v3x = dot2(c3, a3x, s3, a3z), v3y = cross2(c3, a3z, s3, a3x), v3z = neg(a3y);
  const m3x = mul(w3x, w3x), m3y = mul(w3y, w3y), m3z = mul(w3z, w3z);
  const p3x = add(m3y, m3z), p3y = add(m3x, m3z), p3z = add(m3x, m3y);
  const m3xy = mul(w3x, w3y), m3xz = mul(w3x, w3z), m3yz = mul(w3y, w3z);
  const u3xy = sub(m3xy, d3z), u3yx = add(m3xy, d3z);
  const u3xz = add(m3xz, d3y), u3zx = sub(m3xz, d3y), u3yz = sub(m3yz, d3x), u3zy = add(m3yz, d3x);
  const f3x = sub(times(u3xy, H3Y), times(p3x, H3X)), f3y = sub(times(u3yx, H3X), times(p3y, H3Y));
  const f3z = add(times(u3zx, H3X), times(u3zy, H3Y));
  const o3x = sub(add(times(u3zx, J3XY), times(u3zy, J3YY)), times(u3yx, J3XZ));
  const n3x = add(add(o3x, times(sub(p3y, p3z), J3YZ)), times(v3z, H3Y));
  const o3y = sub(add(times(sub(p3z, p3x), J3XZ), times(u3xy, J3YZ)), times(u3zx, J3XX));
  const n3y = sub(sub(o3y, times(u3zy, J3XY)), times(v3z, H3X));
  const o3z = sub(add(times(u3yx, J3XX), times(sub(p3x, p3y), J3XY)), times(u3xy, J3YY));
  const n3z = sub(add(sub(add(o3z, times(u3yz, J3XZ)), times(u3xz, J3YZ)), times(v3y, H3X)), times(v3x, H3Y));
  // Link 4.
  const a4x = sub(v3x, times(p3x, ELBOW)), a4y = add(v3y, times(u3yx, ELBOW)), a4z = add(v3z, times(u3zx, ELBOW));
  const w4x = dot2(c4, w3x, s4, w3z), w4y = cross2(c4, w3z, s4, w3x), w4z = sub(r4, w3y);
  const d4x = dot3(c4, d3x, s4, d3z, w4y, r4), d4y = sub(cross2(c4, d3z, s4, d3x), mul(w4x, r4)), d4z = neg(d3y);
  const v4x = dot2(c4, a4x, s4, a4z), v4y = cross2(c4, a4z, s4, a4x), v4z = neg(a4y);
  const m4x = mul(w4x, w4x), m4y = mul(w4y, w4y), m4z = mul(w4z, w4z);
  const p4x = add(m4y, m4z), p4y = add(m4x, m4z), p4z = add(m4x, m4y);
  const m4xy = mul(w4x, w4y), m4xz = mul(w4x, w4z), m4yz = mul(w4y, w4z);
  const u4xy = sub(m4xy, d4z), u4yx = add(m4xy, d4z);
  const u4xz = add(m4xz, d4y), u4zx = sub(m4xz, d4y), u4yz = sub(m4yz, d4x), u4zy = add(m4yz, d4x);
  const f4x = sub(times(u4xy, H4Y), times(p4x, H4X)), f4y = sub(times(u4yx, H4X), times(p4y, H4Y));
  const f4z = add(times(u4zx, H4X), times(u4zy, H4Y));
  const o4x = sub(add(times(u4zx, J4XY), times(u4zy, J4YY)), times(u4yx, J4XZ));
  const n4x = add(add(o4x, times(sub(p4y, p4z), J4YZ)), times(v4z, H4Y));
  const o4y = sub(add(times(sub(p4z, p4x), J4XZ), times(u4xy, J4YZ)), times(u4zx, J4XX));
  const n4y = sub(sub(o4y, times(u4zy, J4XY)), times(v4z, H4X));
  const o4z = sub(add(times(u4yx, J4XX), times(sub(p4x, p4y), J4XY)), times(u4xy, J4YY));
  const n4z = sub(add(sub(add(o4z, times(u4yz, J4XZ)), times(u4xz, J4YZ)), times(v4y, H4X)), times(v4x, H4Y));
  // Link 5.
  const a5x = add(add(v4x, times(p4x, ELBOW)), times(u4xy, FOREARM));
  const a5y = sub(sub(v4y, times(u4yx, ELBOW)), times(p4y, FOREARM));
  const a5z = add(sub(v4z, times(u4zx, ELBOW)), times(u4zy, FOREARM));
  const w5x = cross2(c5, w4x, s5, w4z), w5y = neg(dot2(c5, w4z, s5, w4x)), w5z = add(r5, w4y);
  const d5x = add(cross2(c5, d4x, s5, d4z), mul(w5y, r5)), d5y = neg(dot3(c5, d4z, s5, d4x, w5x, r5)), d5z = d4y;
  const v5x = cross2(c5, a5x, s5, a5z), v5y = neg(dot2(c5, a5z, s5, a5x)), v5z = a5y;
  const m5x = mul(w5x, w5x), m5y = mul(w5y, w5y), m5z = mul(w5z, w5z);
  const p5x = add(m5y, m5z), p5y = add(m5x, m5z), p5z = add(m5x, m5y);
  const m5xy = mul(w5x, w5y), m5xz = mul(w5x, w5z), m5yz = mul(w5y, w5z);
  const u5xy = sub(m5xy, d5z), u5yx = add(m5xy, d5z);
  const u5xz = add(m5xz, d5y), u5zx = sub(m5xz, d5y), u5yz = sub(m5yz, d5x), u5zy = add(m5yz, d5x);
  const f5x = sub(times(u5xy, H5Y), times(p5x, H5X)), f5y = sub(times(u5yx, H5X), times(p5y, H5Y));
  const f5z = add(times(u5zx, H5X), times(u5zy, H5Y));
  const o5x = sub(add(times(u5zx, J5XY), times(u5zy, J5YY)), times(u5yx, J5XZ));
  const n5x = add(add(o5x, times(sub(p5y, p5z), J5YZ)), times(v5z, H5Y));
  const o5y = sub(add(times(sub(p5z, p5x), J5XZ), times(u5xy, J5YZ)), times(u5zx, J5XX));
  const n5y = sub(sub(o5y, times(u5zy, J5XY)), times(v5z, H5X));
  const o5z = sub(add(times(u5yx, J5XX), times(sub(p5x, p5y), J5XY)), times(u5xy, J5YY));
  const n5z = sub(add(sub(add(o5z, times(u5yz, J5XZ)), times(u5xz, J5YZ)), times(v5y, H5X)), times(v5x, H5Y));
  // Link 6.
  const w6x = dot2(c6, w5x, s6, w5z), w6y = cross2(c6, w5z, s6, w5x), w6z = sub(r6, w5y);
  const d6x = dot3(c6, d5x, s6, d5z, w6y, r6), d6y = sub(cross2(c6, d5z, s6, d5x), mul(w6x, r6)), d6z = neg(d5y);
  const v6x = dot2(c6, v5x, s6, v5z), v6y = cross2(c6, v5z, s6, v5x), v6z = neg(v5y);
  const m6x = mul(w6x, w6x), m6y = mul(w6y, w6y), m6z = mul(w6z, w6z);
  const p6x = add(m6y, m6z), p6y = add(m6x, m6z), p6z = add(m6x, m6y);
  const m6xy = mul(w6x, w6y), m6xz = mul(w6x, w6z), m6yz = mul(w6y, w6z);
  const u6xy = sub(m6xy, d6z), u6yx = add(m6xy, d6z);
  const u6xz = add(m6xz, d6y), u6zx = sub(m6xz, d6y), u6yz = sub(m6yz, d6x), u6zy = add(m6yz, d6x);
  const f6x = sub(times(u6xy, H6Y), times(p6x, H6X)), f6y = sub(times(u6yx, H6X), times(p6y, H6Y));
  const f6z = add(times(u6zx, H6X), times(u6zy, H6Y));
  const o6x = sub(add(times(u6zx, J6XY), times(u6zy, J6YY)), times(u6yx, J6XZ));
  const n6x = add(add(o6x, times(sub(p6y, p6z), J6YZ)), times(v6z, H6Y));
  const o6y = sub(add(times(sub(p6z, p6x), J6XZ), times(u6xy, J6YZ)), times(u6zx, J6XX));
  const n6y = sub(sub(o6y, times(u6zy, J6XY)), times(v6z, H6X));
  const o6z = sub(add(times(u6yx, J6XX), times(sub(p6x, p6y), J6XY)), times(u6xy, J6YY));
  const n6z = sub(add(sub(add(o6z, times(u6yz, J6XZ)), times(u6xz, J6YZ)), times(v6y, H6X)), times(v6x, H6Y));
  // Link 7.
  const a7x = sub(v6x, times(p6x, WRIST)), a7y = add(v6y, times(u6yx, WRIST)), a7z = add(v6z, times(u6zx, WRIST));
  const w7x = dot2(c7, w6x, s7, w6z), w7y = cross2(c7, w6z, s7, w6x), w7z = sub(r7, w6y);
  const d7x = dot3(c7, d6x, s7, d6z, w7y, r7), d7y = sub(cross2(c7, d6z, s7, d6x), mul(w7x, r7)), d7z = neg(d6y);
  const v7x = dot2(c7, a7x, s7, a7z), v7y = cross2(c7, a7z, s7, a7x), v7z = neg(a7y);
  const m7x = mul(w7x, w7x), m7y = mul(w7y, w7y), m7z = mul(w7z, w7z);
  const p7x = add(m7y, m7z), p7y = add(m7x, m7z), p7z = add(m7x, m7y);
  const m7xy = mul(w7x, w7y), m7xz = mul(w7x, w7z), m7yz = mul(w7y, w7z);
  const u7xy = sub(m7xy, d7z), u7yx = add(m7xy, d7z);
  const u7xz = add(m7xz, d7y), u7zx = sub(m7xz, d7y), u7yz = sub(m7yz, d7x), u7zy = add(m7yz, d7x);
  const f7x = sub(times(u7xy, H7Y), times(p7x, H7X)), f7y = sub(times(u7yx, H7X), times(p7y, H7Y));
  const f7z = add(times(u7zx, H7X), times(u7zy, H7Y));
  const o7x = sub(add(times(u7zx, J7XY), times(u7zy, J7YY)), times(u7yx, J7XZ));
  const n7x = add(add(o7x, times(sub(p7y, p7z), J7YZ)), times(v7z, H7Y));
  const o7y = sub(add(times(sub(p7z, p7x), J7XZ), times(u7xy, J7YZ)), times(u7zx, J7XX));
  const n7y = sub(sub(o7y, times(u7zy, J7XY)), times(v7z, H7X));
  const o7z = sub(add(times(u7yx, J7XX), times(sub(p7x, p7y), J7XY)), times(u7xy, J7YY));
  const n7z = sub(add(sub(add(o7z, times(u7yz, J7XZ)), times(u7xz, J7YZ)), times(v7y, H7X)), times(v7x, H7Y));

  // Inwards: forces g and torques t add up; the axial torque of link i is b_i. R v = (x', -z, y') or (x', z, -y').
  const b7 = n7z;
  const F7x = cross2(c7, f7x, s7, f7y), F7y = dot2(s7, f7x, c7, f7y);
  const N7x = cross2(c7, n7x, s7, n7y), N7y = dot2(s7, n7x, c7, n7y);
  const g6x = add(f6x, F7x), g6y = sub(f6y, f7z), g6z = add(f6z, F7y);
  const t6x = add(n6x, N7x);
  const t6y = sub(sub(n6y, n7z), times(F7y, WRIST));
  const t6z = sub(add(n6z, N7y), times(f7z, WRIST));
  const b6 = t6z;
  const F6x = cross2(c6, g6x, s6, g6y), F6y = dot2(s6, g6x, c6, g6y);
  const N6x = cross2(c6, t6x, s6, t6y), N6y = dot2(s6, t6x, c6, t6y);
  const g5x = add(f5x, F6x), g5y = sub(f5y, g6z), g5z = add(f5z, F6y);
  const t5x = add(n5x, N6x);
  const t5y = sub(n5y, t6z);
  const t5z = add(n5z, N6y);
  const b5 = t5z;
  const F5x = cross2(c5, g5x, s5, g5y), F5y = dot2(s5, g5x, c5, g5y);
  const N5x = cross2(c5, t5x, s5, t5y), N5y = dot2(s5, t5x, c5, t5y);
  const g4x = add(f4x, F5x), g4y = add(f4y, g5z), g4z = sub(f4z, F5y);
  const t4x = sub(add(n4x, N5x), times(F5y, FOREARM));
  const t4y = sub(add(n4y, t5z), times(F5y, ELBOW));
  const t4z = sub(sub(sub(n4z, N5y), times(g5z, ELBOW)), times(F5x, FOREARM));
  const b4 = t4z;
  const F4x = cross2(c4, g4x, s4, g4y), F4y = dot2(s4, g4x, c4, g4y);
  const N4x = cross2(c4, t4x, s4, t4y), N4y = dot2(s4, t4x, c4, t4y);
  const g3x = add(f3x, F4x), g3y = sub(f3y, g4z), g3z = add(f3z, F4y);
  const t3x = add(n3x, N4x);
  const t3y = sub(sub(n3y, t4z), times(F4y, ELBOW));
  const t3z = sub(add(n3z, N4y), times(g4z, ELBOW));
  const b3 = t3z;
  const F3x = cross2(c3, g3x, s3, g3y), F3y = dot2(s3, g3x, c3, g3y);
  const N3x = cross2(c3, t3x, s3, t3y), N3y = dot2(s3, t3x, c3, t3y);
  const t2x = sub(add(n2x, N3x), times(F3y, UPPER_ARM));
  const t2y = sub(n2y, t3z);
  const t2z = add(add(n2z, N3y), times(F3x, UPPER_ARM));
  const b2 = t2z;
  const b1 = neg(dot2(s2, t2x, c2, t2y));

  // Composite bodies: links i to 7 as one, first moment h and pseudo-inertia k about the origin of link i.
  // Turning about z: e = s (kxx - kyy) + 2 c kxy gives kxx - s e, kyy + s e, c e - kxy. Moving by p: k + h p^T + p h^T.
  const h7x = both(H7X), h7y = both(H7Y);
  const k7xx = both(J7XX), k7yy = both(J7YY), k7xy = both(J7XY), k7xz = both(J7XZ), k7yz = both(J7YZ);
  // Links 7 to 7 in the frame of link 6, and link 6.
  const e7 = add(mul(s7, sub(k7xx, k7yy)), mul(add(c7, c7), k7xy)), se7 = mul(s7, e7);
  const q7xy = sub(mul(c7, e7), k7xy), q7xz = cross2(c7, k7xz, s7, k7yz), q7yz = dot2(s7, k7xz, c7, k7yz);
  const q7x = cross2(c7, h7x, s7, h7y), q7y = dot2(s7, h7x, c7, h7y);
  const h6x = add(both(H6X), q7x), h6y = both(H6Y), h6z = q7y;
  const k6xx = add(sub(add(both(J6XX), k7xx), se7), times(q7x, TWICE_WRIST));
  const k6yy = both(J6YY);
  const k6xy = sub(both(J6XY), q7xz);
  const k6xz = add(add(both(J6XZ), q7xy), times(q7y, WRIST));
  const k6yz = sub(both(J6YZ), q7yz);
  const k6zz = add(k7yy, se7);
  // Links 6 to 7 in the frame of link 5, and link 5.
  const e6 = add(mul(s6, sub(k6xx, k6yy)), mul(add(c6, c6), k6xy)), se6 = mul(s6, e6);
  const q6xy = sub(mul(c6, e6), k6xy), q6xz = cross2(c6, k6xz, s6, k6yz), q6yz = dot2(s6, k6xz, c6, k6yz);
  const q6x = cross2(c6, h6x, s6, h6y), q6y = dot2(s6, h6x, c6, h6y);
  const h5x = add(both(H5X), q6x), h5y = sub(both(H5Y), h6z), h5z = q6y;
  const k5xx = sub(add(both(J5XX), k6xx), se6);
  const k5yy = add(both(J5YY), k6zz);
  const k5xy = sub(both(J5XY), q6xz);
  const k5xz = add(both(J5XZ), q6xy);
  const k5yz = sub(both(J5YZ), q6yz);
  const k5zz = add(k6yy, se6);
  // Links 5 to 7 in the frame of link 4, and link 4.
  const e5 = add(mul(s5, sub(k5xx, k5yy)), mul(add(c5, c5), k5xy)), se5 = mul(s5, e5);
  const q5xy = sub(mul(c5, e5), k5xy), q5xz = cross2(c5, k5xz, s5, k5yz), q5yz = dot2(s5, k5xz, c5, k5yz);
  const q5x = cross2(c5, h5x, s5, h5y), q5y = dot2(s5, h5x, c5, h5y);
  const h4x = add(both(H4X), q5x), h4y = add(both(H4Y), h5z), h4z = neg(q5y);
  const k4xx = sub(sub(add(both(J4XX), k5xx), se5), times(q5x, TWICE_ELBOW));
  const k4yy = add(add(both(J4YY), k5zz), times(h5z, TWICE_FOREARM));
  const k4xy = add(sub(add(both(J4XY), q5xz), times(h5z, ELBOW)), times(q5x, FOREARM));
  const k4xz = add(sub(both(J4XZ), q5xy), times(q5y, ELBOW));
  const k4yz = sub(sub(both(J4YZ), q5yz), times(q5y, FOREARM));
  const k4zz = add(k5yy, se5);
  // Links 4 to 7 in the frame of link 3, and link 3.
  const e4 = add(mul(s4, sub(k4xx, k4yy)), mul(add(c4, c4), k4xy)), se4 = mul(s4, e4);
  const q4xy = sub(mul(c4, e4), k4xy), q4xz = cross2(c4, k4xz, s4, k4yz), q4yz = dot2(s4, k4xz, c4, k4yz);
  const q4x = cross2(c4, h4x, s4, h4y), q4y = dot2(s4, h4x, c4, h4y);
  const h3x = add(both(H3X), q4x), h3y = sub(both(H3Y), h4z), h3z = q4y;
  const k3xx = add(sub(add(both(J3XX), k4xx), se4), times(q4x, TWICE_ELBOW));
  const k3yy = add(both(J3YY), k4zz);
  const k3xy = sub(sub(both(J3XY), q4xz), times(h4z, ELBOW));
  const k3xz = add(add(both(J3XZ), q4xy), times(q4y, ELBOW));
  const k3yz = sub(both(J3YZ), q4yz);
  const k3zz = add(k4yy, se4);
  // Links 3 to 7 in the frame of link 2, and link 2.
  const e3 = add(mul(s3, sub(k3xx, k3yy)), mul(add(c3, c3), k3xy)), se3 = mul(s3, e3);
  const q3xy = sub(mul(c3, e3), k3xy), q3xz = cross2(c3, k3xz, s3, k3yz), q3yz = dot2(s3, k3xz, c3, k3yz);
  const q3x = cross2(c3, h3x, s3, h3y), q3y = dot2(s3, h3x, c3, h3y);
  const h2x = add(both(H2X), q3x), h2y = sub(both(H2Y), h3z), h2z = q3y;
  const k2xx = sub(add(both(J2XX), k3xx), se3);
  const k2yy = add(add(both(J2YY), k3zz), times(h3z, TWICE_UPPER_ARM));
  const k2xy = sub(sub(both(J2XY), q3xz), times(q3x, UPPER_ARM));
  const k2xz = add(both(J2XZ), q3xy);
  const k2yz = sub(sub(both(J2YZ), q3yz), times(q3y, UPPER_ARM));
  const k2zz = add(k3yy, se3);
  // All in the frame of link 1: only the moment about its axis.
  const e2 = add(mul(s2, sub(k2xx, k2yy)), mul(add(c2, c2), k2xy)), se2 = mul(s2, e2);
  const i11 = add(both(I1ZZ), add(sub(k2xx, se2), k2zz));

  // Column j of M: unit acceleration of joint j asks for f = (-hy, hx, 0), n = (-kxz, -kyz, kxx + kyy) of the composite,
  // carried inwards; its axial torque at joint i is M_ij. xji, yji: f turned; uji, vji: n turned.
  // Column 7.
  const i77 = add(k7xx, k7yy);
  const x77 = dot2(c7, h7y, s7, h7x), y77 = cross2(s7, h7y, c7, h7x);
  const u77 = cross2(c7, k7xz, s7, k7yz), v77 = dot2(s7, k7xz, c7, k7yz);
  const t77y = sub(times(y77, WRIST), i77);
  const i76 = neg(v77);
  const x76 = mul(c6, x77), y76 = mul(s6, x77);
  const u76 = dot2(c6, u77, s6, t77y), v76 = cross2(s6, u77, c6, t77y);
  const i75 = neg(v76);
  const x75 = dot2(c5, x76, s5, y77), y75 = cross2(s5, x76, c5, y77);
  const u75 = cross2(c5, u76, s5, i76), v75 = dot2(s5, u76, c5, i76);
  const t75x = sub(times(y75, FOREARM), u75);
  const t75y = add(i75, times(y75, ELBOW));
  const i74 = add(add(v75, times(y76, ELBOW)), times(x75, FOREARM));
  const x74 = cross2(c4, x75, s4, y76), y74 = dot2(s4, x75, c4, y76);
  const u74 = cross2(c4, t75x, s4, t75y), v74 = dot2(s4, t75x, c4, t75y);
  const t74y = sub(times(y74, ELBOW), i74);
  const i73 = sub(v74, times(y75, ELBOW));
  const x73 = cross2(c3, x74, s3, y75), y73 = dot2(s3, x74, c3, y75);
  const u73 = cross2(c3, u74, s3, t74y), v73 = dot2(s3, u74, c3, t74y);
  const t73x = add(u73, times(y73, UPPER_ARM));
  const i72 = sub(v73, times(x73, UPPER_ARM));
  const i71 = neg(cross2(s2, t73x, c2, i73));
  // Column 6.
  const i66 = add(k6xx, k6yy);
  const x66 = dot2(c6, h6y, s6, h6x), y66 = cross2(s6, h6y, c6, h6x);
  const u66 = cross2(c6, k6xz, s6, k6yz), v66 = dot2(s6, k6xz, c6, k6yz);
  const i65 = neg(v66);
  const x65 = mul(c5, x66), y65 = mul(s5, x66);
  const u65 = cross2(c5, u66, s5, i66), v65 = dot2(s5, u66, c5, i66);
  const t65x = sub(times(y65, FOREARM), u65);
  const t65y = add(i65, times(y65, ELBOW));
  const i64 = add(add(v65, times(y66, ELBOW)), times(x65, FOREARM));
  const x64 = cross2(c4, x65, s4, y66), y64 = dot2(s4, x65, c4, y66);
  const u64 = cross2(c4, t65x, s4, t65y), v64 = dot2(s4, t65x, c4, t65y);
  const t64y = sub(times(y64, ELBOW), i64);
  const i63 = sub(v64, times(y65, ELBOW));
  const x63 = cross2(c3, x64, s3, y65), y63 = dot2(s3, x64, c3, y65);
  const u63 = cross2(c3, u64, s3, t64y), v63 = dot2(s3, u64, c3, t64y);
  const t63x = add(u63, times(y63, UPPER_ARM));
  const i62 = sub(v63, times(x63, UPPER_ARM));
  const i61 = neg(cross2(s2, t63x, c2, i63));
  // Column 5.
  const i55 = add(k5xx, k5yy);
  const x55 = dot2(c5, h5y, s5, h5x), y55 = cross2(s5, h5y, c5, h5x);
  const u55 = cross2(c5, k5xz, s5, k5yz), v55 = dot2(s5, k5xz, c5, k5yz);
  const t55x = sub(times(y55, FOREARM), u55);
  const t55y = add(i55, times(y55, ELBOW));
  const i54 = add(v55, times(x55, FOREARM));
  const x54 = mul(c4, x55), y54 = mul(s4, x55);
  const u54 = cross2(c4, t55x, s4, t55y), v54 = dot2(s4, t55x, c4, t55y);
  const t54y = sub(times(y54, ELBOW), i54);
  const i53 = sub(v54, times(y55, ELBOW));
  const x53 = cross2(c3, x54, s3, y55), y53 = dot2(s3, x54, c3, y55);
  const u53 = cross2(c3, u54, s3, t54y), v53 = dot2(s3, u54, c3, t54y);
  const t53x = add(u53, times(y53, UPPER_ARM));
  const i52 = sub(v53, times(x53, UPPER_ARM));
  const i51 = neg(cross2(s2, t53x, c2, i53));
  // Column 4.
  const i44 = add(k4xx, k4yy);
  const x44 = dot2(c4, h4y, s4, h4x), y44 = cross2(s4, h4y, c4, h4x);
  const u44 = cross2(c4, k4xz, s4, k4yz), v44 = dot2(s4, k4xz, c4, k4yz);
  const t44y = sub(times(y44, ELBOW), i44);
  const i43 = neg(v44);
  const x43 = mul(c3, x44), y43 = mul(s3, x44);
  const u43 = dot2(c3, u44, s3, t44y), v43 = cross2(s3, u44, c3, t44y);
  const t43x = sub(times(y43, UPPER_ARM), u43);
  const i42 = neg(add(v43, times(x43, UPPER_ARM)));
  const i41 = neg(cross2(s2, t43x, c2, i43));
  // Column 3.
  const i33 = add(k3xx, k3yy);
  const x33 = dot2(c3, h3y, s3, h3x), y33 = cross2(s3, h3y, c3, h3x);
  const u33 = cross2(c3, k3xz, s3, k3yz), v33 = dot2(s3, k3xz, c3, k3yz);
  const t33x = sub(times(y33, UPPER_ARM), u33);
  const i32 = neg(add(v33, times(x33, UPPER_ARM)));
  const i31 = neg(cross2(s2, t33x, c2, i33));
  // Column 2.
  const i22 = add(k2xx, k2yy);
  const i21 = dot2(s2, k2xz, c2, k2yz);

  const one = lanes(1);
  // M = L^T D L from the tip, the right-hand side y carried along: for k = 7 .. 2 every row above loses l_ki times row k.
  const y1 = sub(tau1, b1), y2 = sub(tau2, b2), y3 = sub(tau3, b3), y4 = sub(tau4, b4), y5 = sub(tau5, b5);
  const y6 = sub(tau6, b6), y7 = sub(tau7, b7);
  const g7 = f64x2.div(one, i77);
  const l76 = mul(i76, g7), l75 = mul(i75, g7), l74 = mul(i74, g7), l73 = mul(i73, g7), l72 = mul(i72, g7);
  const l71 = mul(i71, g7);
  const a766 = sub(i66, mul(l76, i76)), a765 = sub(i65, mul(l76, i75)), a764 = sub(i64, mul(l76, i74));
  const a763 = sub(i63, mul(l76, i73)), a762 = sub(i62, mul(l76, i72)), a761 = sub(i61, mul(l76, i71));
  const a755 = sub(i55, mul(l75, i75)), a754 = sub(i54, mul(l75, i74)), a753 = sub(i53, mul(l75, i73));
  const a752 = sub(i52, mul(l75, i72)), a751 = sub(i51, mul(l75, i71)), a744 = sub(i44, mul(l74, i74));
  const a743 = sub(i43, mul(l74, i73)), a742 = sub(i42, mul(l74, i72)), a741 = sub(i41, mul(l74, i71));
  const a733 = sub(i33, mul(l73, i73)), a732 = sub(i32, mul(l73, i72)), a731 = sub(i31, mul(l73, i71));
  const a722 = sub(i22, mul(l72, i72)), a721 = sub(i21, mul(l72, i71)), a711 = sub(i11, mul(l71, i71));
  const z76 = sub(y6, mul(l76, y7)), z75 = sub(y5, mul(l75, y7)), z74 = sub(y4, mul(l74, y7));
  const z73 = sub(y3, mul(l73, y7)), z72 = sub(y2, mul(l72, y7)), z71 = sub(y1, mul(l71, y7));
  const g6 = f64x2.div(one, a766);
  const l65 = mul(a765, g6), l64 = mul(a764, g6), l63 = mul(a763, g6), l62 = mul(a762, g6), l61 = mul(a761, g6);
  const a655 = sub(a755, mul(l65, a765)), a654 = sub(a754, mul(l65, a764)), a653 = sub(a753, mul(l65, a763));
  const a652 = sub(a752, mul(l65, a762)), a651 = sub(a751, mul(l65, a761)), a644 = sub(a744, mul(l64, a764));
  const a643 = sub(a743, mul(l64, a763)), a642 = sub(a742, mul(l64, a762)), a641 = sub(a741, mul(l64, a761));
  const a633 = sub(a733, mul(l63, a763)), a632 = sub(a732, mul(l63, a762)), a631 = sub(a731, mul(l63, a761));
  const a622 = sub(a722, mul(l62, a762)), a621 = sub(a721, mul(l62, a761)), a611 = sub(a711, mul(l61, a761));
  const z65 = sub(z75, mul(l65, z76)), z64 = sub(z74, mul(l64, z76)), z63 = sub(z73, mul(l63, z76));
  const z62 = sub(z72, mul(l62, z76)), z61 = sub(z71, mul(l61, z76));
  const g5 = f64x2.div(one, a655);
  const l54 = mul(a654, g5), l53 = mul(a653, g5), l52 = mul(a652, g5), l51 = mul(a651, g5);
  const a544 = sub(a644, mul(l54, a654)), a543 = sub(a643, mul(l54, a653)), a542 = sub(a642, mul(l54, a652));
  const a541 = sub(a641, mul(l54, a651)), a533 = sub(a633, mul(l53, a653)), a532 = sub(a632, mul(l53, a652));
  const a531 = sub(a631, mul(l53, a651)), a522 = sub(a622, mul(l52, a652)), a521 = sub(a621, mul(l52, a651));
  const a511 = sub(a611, mul(l51, a651));
  const z54 = sub(z64, mul(l54, z65)), z53 = sub(z63, mul(l53, z65)), z52 = sub(z62, mul(l52, z65));
  const z51 = sub(z61, mul(l51, z65));
  const g4 = f64x2.div(one, a544);
  const l43 = mul(a543, g4), l42 = mul(a542, g4), l41 = mul(a541, g4);
  const a433 = sub(a533, mul(l43, a543)), a432 = sub(a532, mul(l43, a542)), a431 = sub(a531, mul(l43, a541));
  const a422 = sub(a522, mul(l42, a542)), a421 = sub(a521, mul(l42, a541)), a411 = sub(a511, mul(l41, a541));
  const z43 = sub(z53, mul(l43, z54)), z42 = sub(z52, mul(l42, z54)), z41 = sub(z51, mul(l41, z54));
  const g3 = f64x2.div(one, a433);
  const l32 = mul(a432, g3), l31 = mul(a431, g3);
  const a322 = sub(a422, mul(l32, a432)), a321 = sub(a421, mul(l32, a431)), a311 = sub(a411, mul(l31, a431));
  const z32 = sub(z42, mul(l32, z43)), z31 = sub(z41, mul(l31, z43));
  const g2 = f64x2.div(one, a322);
  const l21 = mul(a321, g2);
  const a211 = sub(a311, mul(l21, a321));
  const z21 = sub(z31, mul(l21, z32));
  const g1 = f64x2.div(one, a211);
  const a1 = mul(z21, g1);
  const a2 = sub(mul(z32, g2), mul(l21, a1));
  const a3 = sub(sub(mul(z43, g3), mul(l31, a1)), mul(l32, a2));
  const a4 = sub(sub(sub(mul(z54, g4), mul(l41, a1)), mul(l42, a2)), mul(l43, a3));
  const a5 = sub(sub(sub(sub(mul(z65, g5), mul(l51, a1)), mul(l52, a2)), mul(l53, a3)), mul(l54, a4));
  const d6 = sub(sub(mul(z76, g6), mul(l61, a1)), mul(l62, a2));
  const a6 = sub(sub(sub(d6, mul(l63, a3)), mul(l64, a4)), mul(l65, a5));
  const d7 = sub(sub(sub(mul(y7, g7), mul(l71, a1)), mul(l72, a2)), mul(l73, a3));
  const a7 = sub(sub(sub(d7, mul(l74, a4)), mul(l75, a5)), mul(l76, a6));

  v128.store(at, a1, QDD + 0), v128.store(at, a2, QDD + 16), v128.store(at, a3, QDD + 32), v128.store(at, a4, QDD + 48);
  v128.store(at, a5, QDD + 64), v128.store(at, a6, QDD + 80), v128.store(at, a7, QDD + 96);
  v128.store(at, b1, BIAS + 0), v128.store(at, b2, BIAS + 16), v128.store(at, b3, BIAS + 32);
  v128.store(at, b4, BIAS + 48), v128.store(at, b5, BIAS + 64), v128.store(at, b6, BIAS + 80);
  v128.store(at, b7, BIAS + 96);
  v128.store(at, g1, INVERSE_D + 0), v128.store(at, g2, INVERSE_D + 16), v128.store(at, g3, INVERSE_D + 32);
  v128.store(at, g4, INVERSE_D + 48), v128.store(at, g5, INVERSE_D + 64), v128.store(at, g6, INVERSE_D + 80);
  v128.store(at, g7, INVERSE_D + 96);
  v128.store(at, l21, FACTOR + 0), v128.store(at, l31, FACTOR + 16), v128.store(at, l32, FACTOR + 32);
  v128.store(at, l41, FACTOR + 48), v128.store(at, l42, FACTOR + 64), v128.store(at, l43, FACTOR + 80);
  v128.store(at, l51, FACTOR + 96), v128.store(at, l52, FACTOR + 112), v128.store(at, l53, FACTOR + 128);
  v128.store(at, l54, FACTOR + 144), v128.store(at, l61, FACTOR + 160), v128.store(at, l62, FACTOR + 176);
  v128.store(at, l63, FACTOR + 192), v128.store(at, l64, FACTOR + 208), v128.store(at, l65, FACTOR + 224);
  v128.store(at, l71, FACTOR + 240), v128.store(at, l72, FACTOR + 256), v128.store(at, l73, FACTOR + 272);
  v128.store(at, l74, FACTOR + 288), v128.store(at, l75, FACTOR + 304), v128.store(at, l76, FACTOR + 320);
}

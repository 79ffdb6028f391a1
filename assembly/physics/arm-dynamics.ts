// The equations of motion of the arm, two at a time: M(q) a + b(q, qd) = tau.
//
// b by recursive Newton-Euler, M by composite bodies, both in link axes with the regrouped constants of arm-model.ts
// (no mass, h = (hx, hy, 0), J_zz = 0). Going out to link i a vector is turned by (in again: the inverse)
//   R_i^T v = (c x' + s y', c y' - s x', z'),   (x', y', z') = (x, z, -y) for alpha = +pi/2, (x, -z, y) for -pi/2.
// With U = [dw]x + w w^T - |w|^2 I, a link exerts about its origin
//   F = U h,   N = h x v + vee(U J),   vee(B) = (B_zy - B_yz, B_xz - B_zx, B_yx - B_xy).
// The compiler keeps no more than sixteen values in registers and orders what is between two stores as it likes. So every
// part ends by storing what later parts need, which keeps its values few: twice as fast as one long expression. The parts
// `outwards`, `inwards`, `composites`, then `solve` make a step; only the last needs the torques.
// Names: digits are link numbers; o a part of n; u entries of U off its diagonal, pi the diagonal of -U.
import { BIAS, BIAS_NOW, COS, FACTOR, INVERSE_D, MASS, QD, QDD, ROWS, SIN, WRENCH } from "./arm-lanes";
import {
  ELBOW, FOREARM, GRAVITY, H2X, H2Y, H3X, H3Y, H4X, H4Y, H5X, H5Y, H6X, H6Y, H7X, H7Y, J2XX, J2XY, J2XZ, J2YY, J2YZ,
  J3XX, J3XY, J3XZ, J3YY, J3YZ, J4XX, J4XY, J4XZ, J4YY, J4YZ, J5XX, J5XY, J5XZ, J5YY, J5YZ, J6XX, J6XY, J6XZ, J6YY,
  J6YZ, J7XX, J7XY, J7XZ, J7YY, J7YZ, I1ZZ, TWICE_ELBOW, TWICE_FOREARM, TWICE_UPPER_ARM, TWICE_WRIST, UPPER_ARM,
  WRIST,
} from "./arm-model";
import { add, both, cross2, dot2, dot3, lanes, mul, neg, sub, times } from "./lanes";

/** Angular velocity w, angular acceleration d, acceleration v of the origins (joints at rest, base falling up); F and N. */
export function outwards(at: usize): void {
  const s2 = v128.load(at, SIN + 16), c2 = v128.load(at, COS + 16);
  const r1 = v128.load(at, QD), r2 = v128.load(at, QD + 16);
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
  v128.store(at, f2x, WRENCH + 0), v128.store(at, f2y, WRENCH + 16), v128.store(at, f2z, WRENCH + 32);
  v128.store(at, n2x, WRENCH + 48), v128.store(at, n2y, WRENCH + 64), v128.store(at, n2z, WRENCH + 80);
  // Link 3.
  const s3 = v128.load(at, SIN + 32), c3 = v128.load(at, COS + 32), r3 = v128.load(at, QD + 32);
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
  v128.store(at, f3x, WRENCH + 96), v128.store(at, f3y, WRENCH + 112), v128.store(at, f3z, WRENCH + 128);
  v128.store(at, n3x, WRENCH + 144), v128.store(at, n3y, WRENCH + 160), v128.store(at, n3z, WRENCH + 176);
  // Link 4.
  const s4 = v128.load(at, SIN + 48), c4 = v128.load(at, COS + 48), r4 = v128.load(at, QD + 48);
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
  v128.store(at, f4x, WRENCH + 192), v128.store(at, f4y, WRENCH + 208), v128.store(at, f4z, WRENCH + 224);
  v128.store(at, n4x, WRENCH + 240), v128.store(at, n4y, WRENCH + 256), v128.store(at, n4z, WRENCH + 272);
  // Link 5.
  const s5 = v128.load(at, SIN + 64), c5 = v128.load(at, COS + 64), r5 = v128.load(at, QD + 64);
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
  v128.store(at, f5x, WRENCH + 288), v128.store(at, f5y, WRENCH + 304), v128.store(at, f5z, WRENCH + 320);
  v128.store(at, n5x, WRENCH + 336), v128.store(at, n5y, WRENCH + 352), v128.store(at, n5z, WRENCH + 368);
  // Link 6.
  const s6 = v128.load(at, SIN + 80), c6 = v128.load(at, COS + 80), r6 = v128.load(at, QD + 80);
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
  v128.store(at, f6x, WRENCH + 384), v128.store(at, f6y, WRENCH + 400), v128.store(at, f6z, WRENCH + 416);
  v128.store(at, n6x, WRENCH + 432), v128.store(at, n6y, WRENCH + 448), v128.store(at, n6z, WRENCH + 464);
  // Link 7.
  const s7 = v128.load(at, SIN + 96), c7 = v128.load(at, COS + 96), r7 = v128.load(at, QD + 96);
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
  v128.store(at, f7x, WRENCH + 480), v128.store(at, f7y, WRENCH + 496), v128.store(at, f7z, WRENCH + 512);
  v128.store(at, n7x, WRENCH + 528), v128.store(at, n7y, WRENCH + 544), v128.store(at, n7z, WRENCH + 560);
}

/** Forces f and torques n add up towards the base, R v = (x', -z, y') or (x', z, -y'); the axial torque of link i is b_i. */
export function inwards(at: usize): void {
  let fx = v128.load(at, WRENCH + 480), fy = v128.load(at, WRENCH + 496), fz = v128.load(at, WRENCH + 512);
  let nx = v128.load(at, WRENCH + 528), ny = v128.load(at, WRENCH + 544), nz = v128.load(at, WRENCH + 560);
  let s = v128.load(at, SIN + 96), c = v128.load(at, COS + 96);
  v128.store(at, nz, BIAS_NOW + 96);
  // Onto link 6.
  const x7 = cross2(c, fx, s, fy), y7 = dot2(s, fx, c, fy), u7 = cross2(c, nx, s, ny), v7 = dot2(s, nx, c, ny), z7 = fz;
  const t6x = add(v128.load(at, WRENCH + 432), u7);
  const t6y = sub(sub(v128.load(at, WRENCH + 448), nz), times(y7, WRIST));
  const t6z = sub(add(v128.load(at, WRENCH + 464), v7), times(z7, WRIST));
  fx = add(v128.load(at, WRENCH + 384), x7);
  fy = sub(v128.load(at, WRENCH + 400), z7);
  fz = add(v128.load(at, WRENCH + 416), y7);
  nx = t6x, ny = t6y, nz = t6z;
  v128.store(at, nz, BIAS_NOW + 80);
  // Onto link 5.
  s = v128.load(at, SIN + 80), c = v128.load(at, COS + 80);
  const x6 = cross2(c, fx, s, fy), y6 = dot2(s, fx, c, fy), u6 = cross2(c, nx, s, ny), v6 = dot2(s, nx, c, ny), z6 = fz;
  const t5x = add(v128.load(at, WRENCH + 336), u6);
  const t5y = sub(v128.load(at, WRENCH + 352), nz);
  const t5z = add(v128.load(at, WRENCH + 368), v6);
  fx = add(v128.load(at, WRENCH + 288), x6);
  fy = sub(v128.load(at, WRENCH + 304), z6);
  fz = add(v128.load(at, WRENCH + 320), y6);
  nx = t5x, ny = t5y, nz = t5z;
  v128.store(at, nz, BIAS_NOW + 64);
  // Onto link 4.
  s = v128.load(at, SIN + 64), c = v128.load(at, COS + 64);
  const x5 = cross2(c, fx, s, fy), y5 = dot2(s, fx, c, fy), u5 = cross2(c, nx, s, ny), v5 = dot2(s, nx, c, ny), z5 = fz;
  const t4x = sub(add(v128.load(at, WRENCH + 240), u5), times(y5, FOREARM));
  const t4y = sub(add(v128.load(at, WRENCH + 256), nz), times(y5, ELBOW));
  const t4z = sub(sub(sub(v128.load(at, WRENCH + 272), v5), times(z5, ELBOW)), times(x5, FOREARM));
  fx = add(v128.load(at, WRENCH + 192), x5);
  fy = add(v128.load(at, WRENCH + 208), z5);
  fz = sub(v128.load(at, WRENCH + 224), y5);
  nx = t4x, ny = t4y, nz = t4z;
  v128.store(at, nz, BIAS_NOW + 48);
  // Onto link 3.
  s = v128.load(at, SIN + 48), c = v128.load(at, COS + 48);
  const x4 = cross2(c, fx, s, fy), y4 = dot2(s, fx, c, fy), u4 = cross2(c, nx, s, ny), v4 = dot2(s, nx, c, ny), z4 = fz;
  const t3x = add(v128.load(at, WRENCH + 144), u4);
  const t3y = sub(sub(v128.load(at, WRENCH + 160), nz), times(y4, ELBOW));
  const t3z = sub(add(v128.load(at, WRENCH + 176), v4), times(z4, ELBOW));
  fx = add(v128.load(at, WRENCH + 96), x4);
  fy = sub(v128.load(at, WRENCH + 112), z4);
  fz = add(v128.load(at, WRENCH + 128), y4);
  nx = t3x, ny = t3y, nz = t3z;
  v128.store(at, nz, BIAS_NOW + 32);
  // Onto link 2.
  s = v128.load(at, SIN + 32), c = v128.load(at, COS + 32);
  const x3 = cross2(c, fx, s, fy), y3 = dot2(s, fx, c, fy), u3 = cross2(c, nx, s, ny), v3 = dot2(s, nx, c, ny), z3 = fz;
  const t2x = sub(add(v128.load(at, WRENCH + 48), u3), times(y3, UPPER_ARM));
  const t2y = sub(v128.load(at, WRENCH + 64), nz);
  const t2z = add(add(v128.load(at, WRENCH + 80), v3), times(x3, UPPER_ARM));
  nx = t2x, ny = t2y, nz = t2z;
  v128.store(at, nz, BIAS_NOW + 16);
  s = v128.load(at, SIN + 16), c = v128.load(at, COS + 16);
  v128.store(at, neg(dot2(s, nx, c, ny)), BIAS_NOW);
}

/**
 * Composite bodies: links i to 7 as one, first moment h and pseudo-inertia k about the origin of link i. Turning about z:
 * e = s (kxx - kyy) + 2 c kxy gives kxx - s e, kyy + s e, c e - kxy. Moving by p: k + h p^T + p h^T.
 *
 * Column i of M: unit acceleration of joint i asks for f = (-hy, hx, 0), n = (-kxz, -kyz, kxx + kyy) of the composite,
 * carried inwards; its axial torque at joint j is M_ij.
 */
export function composites(at: usize): void {
  const h7x = both(H7X), h7y = both(H7Y);
  const k7xx = both(J7XX), k7yy = both(J7YY), k7xy = both(J7XY), k7xz = both(J7XZ), k7yz = both(J7YZ);
  let fx = h7x, fy = h7x, fz = h7x, nx = h7x, ny = h7x, nz = h7x;
  let s = v128.load(at, SIN + 96), c = v128.load(at, COS + 96);
  // Column 7.
  nz = add(k7xx, k7yy);
  v128.store(at, nz, MASS + 432);
  s = v128.load(at, SIN + 96), c = v128.load(at, COS + 96);
  const x77 = dot2(c, h7y, s, h7x), y77 = cross2(s, h7y, c, h7x), u77 = cross2(c, k7xz, s, k7yz);
  const v77 = dot2(s, k7xz, c, k7yz);
  nx = u77;
  ny = sub(times(y77, WRIST), nz);
  nz = neg(v77);
  fx = x77;
  fz = y77;
  v128.store(at, nz, MASS + 416);
  s = v128.load(at, SIN + 80), c = v128.load(at, COS + 80);
  const x76 = mul(c, fx), y76 = mul(s, fx), u76 = dot2(c, nx, s, ny), v76 = cross2(s, nx, c, ny);
  nx = u76;
  ny = nz;
  nz = neg(v76);
  fx = x76;
  fy = fz;
  fz = y76;
  v128.store(at, nz, MASS + 400);
  s = v128.load(at, SIN + 64), c = v128.load(at, COS + 64);
  const x75 = dot2(c, fx, s, fy), y75 = cross2(s, fx, c, fy), u75 = cross2(c, nx, s, ny), v75 = dot2(s, nx, c, ny);
  nx = sub(times(y75, FOREARM), u75);
  ny = add(nz, times(y75, ELBOW));
  nz = add(add(v75, times(fz, ELBOW)), times(x75, FOREARM));
  fx = x75;
  fy = fz;
  fz = y75;
  v128.store(at, nz, MASS + 384);
  s = v128.load(at, SIN + 48), c = v128.load(at, COS + 48);
  const x74 = cross2(c, fx, s, fy), y74 = dot2(s, fx, c, fy), u74 = cross2(c, nx, s, ny), v74 = dot2(s, nx, c, ny);
  nx = u74;
  ny = sub(times(y74, ELBOW), nz);
  nz = sub(v74, times(fz, ELBOW));
  fx = x74;
  fy = fz;
  fz = y74;
  v128.store(at, nz, MASS + 368);
  s = v128.load(at, SIN + 32), c = v128.load(at, COS + 32);
  const x73 = cross2(c, fx, s, fy), y73 = dot2(s, fx, c, fy), u73 = cross2(c, nx, s, ny), v73 = dot2(s, nx, c, ny);
  nx = add(u73, times(y73, UPPER_ARM));
  ny = nz;
  nz = sub(v73, times(x73, UPPER_ARM));
  fx = x73;
  fy = fz;
  fz = y73;
  v128.store(at, nz, MASS + 352);
  s = v128.load(at, SIN + 16), c = v128.load(at, COS + 16);
  v128.store(at, neg(cross2(s, nx, c, ny)), MASS + 336);
  // Links 7 to 7 in the frame of link 6, and link 6.
  s = v128.load(at, SIN + 96), c = v128.load(at, COS + 96);
  const e7 = add(mul(s, sub(k7xx, k7yy)), mul(add(c, c), k7xy)), se7 = mul(s, e7);
  const q7xy = sub(mul(c, e7), k7xy), q7xz = cross2(c, k7xz, s, k7yz), q7yz = dot2(s, k7xz, c, k7yz);
  const q7x = cross2(c, h7x, s, h7y), q7y = dot2(s, h7x, c, h7y);
  const h6x = add(both(H6X), q7x), h6y = both(H6Y), h6z = q7y;
  const k6xx = add(sub(add(both(J6XX), k7xx), se7), times(q7x, TWICE_WRIST));
  const k6yy = both(J6YY);
  const k6xy = sub(both(J6XY), q7xz);
  const k6xz = add(add(both(J6XZ), q7xy), times(q7y, WRIST));
  const k6yz = sub(both(J6YZ), q7yz);
  const k6zz = add(k7yy, se7);
  // Column 6.
  nz = add(k6xx, k6yy);
  v128.store(at, nz, MASS + 320);
  s = v128.load(at, SIN + 80), c = v128.load(at, COS + 80);
  const x66 = dot2(c, h6y, s, h6x), y66 = cross2(s, h6y, c, h6x), u66 = cross2(c, k6xz, s, k6yz);
  const v66 = dot2(s, k6xz, c, k6yz);
  nx = u66;
  ny = nz;
  nz = neg(v66);
  fx = x66;
  fz = y66;
  v128.store(at, nz, MASS + 304);
  s = v128.load(at, SIN + 64), c = v128.load(at, COS + 64);
  const x65 = mul(c, fx), y65 = mul(s, fx), u65 = cross2(c, nx, s, ny), v65 = dot2(s, nx, c, ny);
  nx = sub(times(y65, FOREARM), u65);
  ny = add(nz, times(y65, ELBOW));
  nz = add(add(v65, times(fz, ELBOW)), times(x65, FOREARM));
  fx = x65;
  fy = fz;
  fz = y65;
  v128.store(at, nz, MASS + 288);
  s = v128.load(at, SIN + 48), c = v128.load(at, COS + 48);
  const x64 = cross2(c, fx, s, fy), y64 = dot2(s, fx, c, fy), u64 = cross2(c, nx, s, ny), v64 = dot2(s, nx, c, ny);
  nx = u64;
  ny = sub(times(y64, ELBOW), nz);
  nz = sub(v64, times(fz, ELBOW));
  fx = x64;
  fy = fz;
  fz = y64;
  v128.store(at, nz, MASS + 272);
  s = v128.load(at, SIN + 32), c = v128.load(at, COS + 32);
  const x63 = cross2(c, fx, s, fy), y63 = dot2(s, fx, c, fy), u63 = cross2(c, nx, s, ny), v63 = dot2(s, nx, c, ny);
  nx = add(u63, times(y63, UPPER_ARM));
  ny = nz;
  nz = sub(v63, times(x63, UPPER_ARM));
  fx = x63;
  fy = fz;
  fz = y63;
  v128.store(at, nz, MASS + 256);
  s = v128.load(at, SIN + 16), c = v128.load(at, COS + 16);
  v128.store(at, neg(cross2(s, nx, c, ny)), MASS + 240);
  // Links 6 to 7 in the frame of link 5, and link 5.
  s = v128.load(at, SIN + 80), c = v128.load(at, COS + 80);
  const e6 = add(mul(s, sub(k6xx, k6yy)), mul(add(c, c), k6xy)), se6 = mul(s, e6);
  const q6xy = sub(mul(c, e6), k6xy), q6xz = cross2(c, k6xz, s, k6yz), q6yz = dot2(s, k6xz, c, k6yz);
  const q6x = cross2(c, h6x, s, h6y), q6y = dot2(s, h6x, c, h6y);
  const h5x = add(both(H5X), q6x), h5y = sub(both(H5Y), h6z), h5z = q6y;
  const k5xx = sub(add(both(J5XX), k6xx), se6);
  const k5yy = add(both(J5YY), k6zz);
  const k5xy = sub(both(J5XY), q6xz);
  const k5xz = add(both(J5XZ), q6xy);
  const k5yz = sub(both(J5YZ), q6yz);
  const k5zz = add(k6yy, se6);
  // Column 5.
  nz = add(k5xx, k5yy);
  v128.store(at, nz, MASS + 224);
  s = v128.load(at, SIN + 64), c = v128.load(at, COS + 64);
  const x55 = dot2(c, h5y, s, h5x), y55 = cross2(s, h5y, c, h5x), u55 = cross2(c, k5xz, s, k5yz);
  const v55 = dot2(s, k5xz, c, k5yz);
  nx = sub(times(y55, FOREARM), u55);
  ny = add(nz, times(y55, ELBOW));
  nz = add(v55, times(x55, FOREARM));
  fx = x55;
  fz = y55;
  v128.store(at, nz, MASS + 208);
  s = v128.load(at, SIN + 48), c = v128.load(at, COS + 48);
  const x54 = mul(c, fx), y54 = mul(s, fx), u54 = cross2(c, nx, s, ny), v54 = dot2(s, nx, c, ny);
  nx = u54;
  ny = sub(times(y54, ELBOW), nz);
  nz = sub(v54, times(fz, ELBOW));
  fx = x54;
  fy = fz;
  fz = y54;
  v128.store(at, nz, MASS + 192);
  s = v128.load(at, SIN + 32), c = v128.load(at, COS + 32);
  const x53 = cross2(c, fx, s, fy), y53 = dot2(s, fx, c, fy), u53 = cross2(c, nx, s, ny), v53 = dot2(s, nx, c, ny);
  nx = add(u53, times(y53, UPPER_ARM));
  ny = nz;
  nz = sub(v53, times(x53, UPPER_ARM));
  fx = x53;
  fy = fz;
  fz = y53;
  v128.store(at, nz, MASS + 176);
  s = v128.load(at, SIN + 16), c = v128.load(at, COS + 16);
  v128.store(at, neg(cross2(s, nx, c, ny)), MASS + 160);
  // Links 5 to 7 in the frame of link 4, and link 4.
  s = v128.load(at, SIN + 64), c = v128.load(at, COS + 64);
  const e5 = add(mul(s, sub(k5xx, k5yy)), mul(add(c, c), k5xy)), se5 = mul(s, e5);
  const q5xy = sub(mul(c, e5), k5xy), q5xz = cross2(c, k5xz, s, k5yz), q5yz = dot2(s, k5xz, c, k5yz);
  const q5x = cross2(c, h5x, s, h5y), q5y = dot2(s, h5x, c, h5y);
  const h4x = add(both(H4X), q5x), h4y = add(both(H4Y), h5z), h4z = neg(q5y);
  const k4xx = sub(sub(add(both(J4XX), k5xx), se5), times(q5x, TWICE_ELBOW));
  const k4yy = add(add(both(J4YY), k5zz), times(h5z, TWICE_FOREARM));
  const k4xy = add(sub(add(both(J4XY), q5xz), times(h5z, ELBOW)), times(q5x, FOREARM));
  const k4xz = add(sub(both(J4XZ), q5xy), times(q5y, ELBOW));
  const k4yz = sub(sub(both(J4YZ), q5yz), times(q5y, FOREARM));
  const k4zz = add(k5yy, se5);
  // Column 4.
  nz = add(k4xx, k4yy);
  v128.store(at, nz, MASS + 144);
  s = v128.load(at, SIN + 48), c = v128.load(at, COS + 48);
  const x44 = dot2(c, h4y, s, h4x), y44 = cross2(s, h4y, c, h4x), u44 = cross2(c, k4xz, s, k4yz);
  const v44 = dot2(s, k4xz, c, k4yz);
  nx = u44;
  ny = sub(times(y44, ELBOW), nz);
  nz = neg(v44);
  fx = x44;
  fz = y44;
  v128.store(at, nz, MASS + 128);
  s = v128.load(at, SIN + 32), c = v128.load(at, COS + 32);
  const x43 = mul(c, fx), y43 = mul(s, fx), u43 = dot2(c, nx, s, ny), v43 = cross2(s, nx, c, ny);
  nx = sub(times(y43, UPPER_ARM), u43);
  ny = nz;
  nz = neg(add(v43, times(x43, UPPER_ARM)));
  fx = x43;
  fy = fz;
  fz = y43;
  v128.store(at, nz, MASS + 112);
  s = v128.load(at, SIN + 16), c = v128.load(at, COS + 16);
  v128.store(at, neg(cross2(s, nx, c, ny)), MASS + 96);
  // Links 4 to 7 in the frame of link 3, and link 3.
  s = v128.load(at, SIN + 48), c = v128.load(at, COS + 48);
  const e4 = add(mul(s, sub(k4xx, k4yy)), mul(add(c, c), k4xy)), se4 = mul(s, e4);
  const q4xy = sub(mul(c, e4), k4xy), q4xz = cross2(c, k4xz, s, k4yz), q4yz = dot2(s, k4xz, c, k4yz);
  const q4x = cross2(c, h4x, s, h4y), q4y = dot2(s, h4x, c, h4y);
  const h3x = add(both(H3X), q4x), h3y = sub(both(H3Y), h4z), h3z = q4y;
  const k3xx = add(sub(add(both(J3XX), k4xx), se4), times(q4x, TWICE_ELBOW));
  const k3yy = add(both(J3YY), k4zz);
  const k3xy = sub(sub(both(J3XY), q4xz), times(h4z, ELBOW));
  const k3xz = add(add(both(J3XZ), q4xy), times(q4y, ELBOW));
  const k3yz = sub(both(J3YZ), q4yz);
  const k3zz = add(k4yy, se4);
  // Column 3.
  nz = add(k3xx, k3yy);
  v128.store(at, nz, MASS + 80);
  s = v128.load(at, SIN + 32), c = v128.load(at, COS + 32);
  const x33 = dot2(c, h3y, s, h3x), y33 = cross2(s, h3y, c, h3x), u33 = cross2(c, k3xz, s, k3yz);
  const v33 = dot2(s, k3xz, c, k3yz);
  nx = sub(times(y33, UPPER_ARM), u33);
  ny = nz;
  nz = neg(add(v33, times(x33, UPPER_ARM)));
  fx = x33;
  fz = y33;
  v128.store(at, nz, MASS + 64);
  s = v128.load(at, SIN + 16), c = v128.load(at, COS + 16);
  v128.store(at, neg(cross2(s, nx, c, ny)), MASS + 48);
  // Links 3 to 7 in the frame of link 2, and link 2.
  s = v128.load(at, SIN + 32), c = v128.load(at, COS + 32);
  const e3 = add(mul(s, sub(k3xx, k3yy)), mul(add(c, c), k3xy)), se3 = mul(s, e3);
  const q3xy = sub(mul(c, e3), k3xy), q3xz = cross2(c, k3xz, s, k3yz), q3yz = dot2(s, k3xz, c, k3yz);
  const q3x = cross2(c, h3x, s, h3y), q3y = dot2(s, h3x, c, h3y);
  const h2x = add(both(H2X), q3x), h2y = sub(both(H2Y), h3z), h2z = q3y;
  const k2xx = sub(add(both(J2XX), k3xx), se3);
  const k2yy = add(add(both(J2YY), k3zz), times(h3z, TWICE_UPPER_ARM));
  const k2xy = sub(sub(both(J2XY), q3xz), times(q3x, UPPER_ARM));
  const k2xz = add(both(J2XZ), q3xy);
  const k2yz = sub(sub(both(J2YZ), q3yz), times(q3y, UPPER_ARM));
  const k2zz = add(k3yy, se3);
  // Column 2.
  nz = add(k2xx, k2yy);
  v128.store(at, nz, MASS + 32);
  s = v128.load(at, SIN + 16), c = v128.load(at, COS + 16);
  v128.store(at, dot2(s, k2xz, c, k2yz), MASS + 16);
  // All in the frame of link 1: only the moment about its axis.
  s = v128.load(at, SIN + 16), c = v128.load(at, COS + 16);
  const e2 = add(mul(s, sub(k2xx, k2yy)), mul(add(c, c), k2xy)), se2 = mul(s, e2);
  v128.store(at, add(both(I1ZZ), add(sub(k2xx, se2), k2zz)), MASS);
}

/**
 * Solves M a = tau - b: leaves a in QDD, the factors of M in FACTOR and INVERSE_D, b in BIAS. M = L^T D L from the tip: row i
 * less l_ki times row k, for every k > i, is D_i L_i. So is the right-hand side y made.
 */
export function solve(
  at: usize, tau1: v128, tau2: v128, tau3: v128, tau4: v128, tau5: v128, tau6: v128, tau7: v128,
): void {
  const one = lanes(1);
  // Row 7.
  const d77 = v128.load(at, MASS + 432);
  const g7 = f64x2.div(one, d77);
  v128.store(at, g7, INVERSE_D + 96);
  const d76 = v128.load(at, MASS + 416);
  v128.store(at, d76, ROWS + 416), v128.store(at, mul(d76, g7), FACTOR + 320);
  const d75 = v128.load(at, MASS + 400);
  v128.store(at, d75, ROWS + 400), v128.store(at, mul(d75, g7), FACTOR + 304);
  const d74 = v128.load(at, MASS + 384);
  v128.store(at, d74, ROWS + 384), v128.store(at, mul(d74, g7), FACTOR + 288);
  const d73 = v128.load(at, MASS + 368);
  v128.store(at, d73, ROWS + 368), v128.store(at, mul(d73, g7), FACTOR + 272);
  const d72 = v128.load(at, MASS + 352);
  v128.store(at, d72, ROWS + 352), v128.store(at, mul(d72, g7), FACTOR + 256);
  const d71 = v128.load(at, MASS + 336);
  v128.store(at, d71, ROWS + 336), v128.store(at, mul(d71, g7), FACTOR + 240);
  const b7 = v128.load(at, BIAS_NOW + 96);
  v128.store(at, b7, BIAS + 96);
  let y7 = sub(tau7, b7);
  v128.store(at, y7, QDD + 96);
  // Row 6.
  const l76 = v128.load(at, FACTOR + 320);
  const d66 = sub(v128.load(at, MASS + 320), mul(l76, v128.load(at, ROWS + 416)));
  const g6 = f64x2.div(one, d66);
  v128.store(at, g6, INVERSE_D + 80);
  const d65 = sub(v128.load(at, MASS + 304), mul(l76, v128.load(at, ROWS + 400)));
  v128.store(at, d65, ROWS + 304), v128.store(at, mul(d65, g6), FACTOR + 224);
  const d64 = sub(v128.load(at, MASS + 288), mul(l76, v128.load(at, ROWS + 384)));
  v128.store(at, d64, ROWS + 288), v128.store(at, mul(d64, g6), FACTOR + 208);
  const d63 = sub(v128.load(at, MASS + 272), mul(l76, v128.load(at, ROWS + 368)));
  v128.store(at, d63, ROWS + 272), v128.store(at, mul(d63, g6), FACTOR + 192);
  const d62 = sub(v128.load(at, MASS + 256), mul(l76, v128.load(at, ROWS + 352)));
  v128.store(at, d62, ROWS + 256), v128.store(at, mul(d62, g6), FACTOR + 176);
  const d61 = sub(v128.load(at, MASS + 240), mul(l76, v128.load(at, ROWS + 336)));
  v128.store(at, d61, ROWS + 240), v128.store(at, mul(d61, g6), FACTOR + 160);
  const b6 = v128.load(at, BIAS_NOW + 80);
  v128.store(at, b6, BIAS + 80);
  let y6 = sub(tau6, b6);
  y6 = sub(y6, mul(l76, v128.load(at, QDD + 96)));
  v128.store(at, y6, QDD + 80);
  // Row 5.
  const l75 = v128.load(at, FACTOR + 304), l65 = v128.load(at, FACTOR + 224);
  const e55 = sub(v128.load(at, MASS + 224), mul(l75, v128.load(at, ROWS + 400)));
  const d55 = sub(e55, mul(l65, v128.load(at, ROWS + 304)));
  const g5 = f64x2.div(one, d55);
  v128.store(at, g5, INVERSE_D + 64);
  const e54 = sub(v128.load(at, MASS + 208), mul(l75, v128.load(at, ROWS + 384)));
  const d54 = sub(e54, mul(l65, v128.load(at, ROWS + 288)));
  v128.store(at, d54, ROWS + 208), v128.store(at, mul(d54, g5), FACTOR + 144);
  const e53 = sub(v128.load(at, MASS + 192), mul(l75, v128.load(at, ROWS + 368)));
  const d53 = sub(e53, mul(l65, v128.load(at, ROWS + 272)));
  v128.store(at, d53, ROWS + 192), v128.store(at, mul(d53, g5), FACTOR + 128);
  const e52 = sub(v128.load(at, MASS + 176), mul(l75, v128.load(at, ROWS + 352)));
  const d52 = sub(e52, mul(l65, v128.load(at, ROWS + 256)));
  v128.store(at, d52, ROWS + 176), v128.store(at, mul(d52, g5), FACTOR + 112);
  const e51 = sub(v128.load(at, MASS + 160), mul(l75, v128.load(at, ROWS + 336)));
  const d51 = sub(e51, mul(l65, v128.load(at, ROWS + 240)));
  v128.store(at, d51, ROWS + 160), v128.store(at, mul(d51, g5), FACTOR + 96);
  const b5 = v128.load(at, BIAS_NOW + 64);
  v128.store(at, b5, BIAS + 64);
  let y5 = sub(tau5, b5);
  y5 = sub(y5, mul(l75, v128.load(at, QDD + 96)));
  y5 = sub(y5, mul(l65, v128.load(at, QDD + 80)));
  v128.store(at, y5, QDD + 64);
  // Row 4.
  const l74 = v128.load(at, FACTOR + 288), l64 = v128.load(at, FACTOR + 208), l54 = v128.load(at, FACTOR + 144);
  const e44 = sub(v128.load(at, MASS + 144), mul(l74, v128.load(at, ROWS + 384)));
  const d44 = sub(sub(e44, mul(l64, v128.load(at, ROWS + 288))), mul(l54, v128.load(at, ROWS + 208)));
  const g4 = f64x2.div(one, d44);
  v128.store(at, g4, INVERSE_D + 48);
  const e43 = sub(v128.load(at, MASS + 128), mul(l74, v128.load(at, ROWS + 368)));
  const d43 = sub(sub(e43, mul(l64, v128.load(at, ROWS + 272))), mul(l54, v128.load(at, ROWS + 192)));
  v128.store(at, d43, ROWS + 128), v128.store(at, mul(d43, g4), FACTOR + 80);
  const e42 = sub(v128.load(at, MASS + 112), mul(l74, v128.load(at, ROWS + 352)));
  const d42 = sub(sub(e42, mul(l64, v128.load(at, ROWS + 256))), mul(l54, v128.load(at, ROWS + 176)));
  v128.store(at, d42, ROWS + 112), v128.store(at, mul(d42, g4), FACTOR + 64);
  const e41 = sub(v128.load(at, MASS + 96), mul(l74, v128.load(at, ROWS + 336)));
  const d41 = sub(sub(e41, mul(l64, v128.load(at, ROWS + 240))), mul(l54, v128.load(at, ROWS + 160)));
  v128.store(at, d41, ROWS + 96), v128.store(at, mul(d41, g4), FACTOR + 48);
  const b4 = v128.load(at, BIAS_NOW + 48);
  v128.store(at, b4, BIAS + 48);
  let y4 = sub(tau4, b4);
  y4 = sub(y4, mul(l74, v128.load(at, QDD + 96)));
  y4 = sub(y4, mul(l64, v128.load(at, QDD + 80)));
  y4 = sub(y4, mul(l54, v128.load(at, QDD + 64)));
  v128.store(at, y4, QDD + 48);
  // Row 3.
  const l73 = v128.load(at, FACTOR + 272), l63 = v128.load(at, FACTOR + 192), l53 = v128.load(at, FACTOR + 128);
  const l43 = v128.load(at, FACTOR + 80);
  let e33 = v128.load(at, MASS + 80);
  e33 = sub(e33, mul(l73, v128.load(at, ROWS + 368)));
  e33 = sub(e33, mul(l63, v128.load(at, ROWS + 272)));
  e33 = sub(e33, mul(l53, v128.load(at, ROWS + 192)));
  e33 = sub(e33, mul(l43, v128.load(at, ROWS + 128)));
  const d33 = e33;
  const g3 = f64x2.div(one, d33);
  v128.store(at, g3, INVERSE_D + 32);
  let e32 = v128.load(at, MASS + 64);
  e32 = sub(e32, mul(l73, v128.load(at, ROWS + 352)));
  e32 = sub(e32, mul(l63, v128.load(at, ROWS + 256)));
  e32 = sub(e32, mul(l53, v128.load(at, ROWS + 176)));
  e32 = sub(e32, mul(l43, v128.load(at, ROWS + 112)));
  const d32 = e32;
  v128.store(at, d32, ROWS + 64), v128.store(at, mul(d32, g3), FACTOR + 32);
  let e31 = v128.load(at, MASS + 48);
  e31 = sub(e31, mul(l73, v128.load(at, ROWS + 336)));
  e31 = sub(e31, mul(l63, v128.load(at, ROWS + 240)));
  e31 = sub(e31, mul(l53, v128.load(at, ROWS + 160)));
  e31 = sub(e31, mul(l43, v128.load(at, ROWS + 96)));
  const d31 = e31;
  v128.store(at, d31, ROWS + 48), v128.store(at, mul(d31, g3), FACTOR + 16);
  const b3 = v128.load(at, BIAS_NOW + 32);
  v128.store(at, b3, BIAS + 32);
  let y3 = sub(tau3, b3);
  y3 = sub(y3, mul(l73, v128.load(at, QDD + 96)));
  y3 = sub(y3, mul(l63, v128.load(at, QDD + 80)));
  y3 = sub(y3, mul(l53, v128.load(at, QDD + 64)));
  y3 = sub(y3, mul(l43, v128.load(at, QDD + 48)));
  v128.store(at, y3, QDD + 32);
  // Row 2.
  const l72 = v128.load(at, FACTOR + 256), l62 = v128.load(at, FACTOR + 176), l52 = v128.load(at, FACTOR + 112);
  const l42 = v128.load(at, FACTOR + 64), l32 = v128.load(at, FACTOR + 32);
  let e22 = v128.load(at, MASS + 32);
  e22 = sub(e22, mul(l72, v128.load(at, ROWS + 352)));
  e22 = sub(e22, mul(l62, v128.load(at, ROWS + 256)));
  e22 = sub(e22, mul(l52, v128.load(at, ROWS + 176)));
  e22 = sub(e22, mul(l42, v128.load(at, ROWS + 112)));
  e22 = sub(e22, mul(l32, v128.load(at, ROWS + 64)));
  const d22 = e22;
  const g2 = f64x2.div(one, d22);
  v128.store(at, g2, INVERSE_D + 16);
  let e21 = v128.load(at, MASS + 16);
  e21 = sub(e21, mul(l72, v128.load(at, ROWS + 336)));
  e21 = sub(e21, mul(l62, v128.load(at, ROWS + 240)));
  e21 = sub(e21, mul(l52, v128.load(at, ROWS + 160)));
  e21 = sub(e21, mul(l42, v128.load(at, ROWS + 96)));
  e21 = sub(e21, mul(l32, v128.load(at, ROWS + 48)));
  const d21 = e21;
  v128.store(at, d21, ROWS + 16), v128.store(at, mul(d21, g2), FACTOR + 0);
  const b2 = v128.load(at, BIAS_NOW + 16);
  v128.store(at, b2, BIAS + 16);
  let y2 = sub(tau2, b2);
  y2 = sub(y2, mul(l72, v128.load(at, QDD + 96)));
  y2 = sub(y2, mul(l62, v128.load(at, QDD + 80)));
  y2 = sub(y2, mul(l52, v128.load(at, QDD + 64)));
  y2 = sub(y2, mul(l42, v128.load(at, QDD + 48)));
  y2 = sub(y2, mul(l32, v128.load(at, QDD + 32)));
  v128.store(at, y2, QDD + 16);
  // Row 1.
  const l71 = v128.load(at, FACTOR + 240), l61 = v128.load(at, FACTOR + 160), l51 = v128.load(at, FACTOR + 96);
  const l41 = v128.load(at, FACTOR + 48), l31 = v128.load(at, FACTOR + 16), l21 = v128.load(at, FACTOR + 0);
  let e11 = v128.load(at, MASS + 0);
  e11 = sub(e11, mul(l71, v128.load(at, ROWS + 336)));
  e11 = sub(e11, mul(l61, v128.load(at, ROWS + 240)));
  e11 = sub(e11, mul(l51, v128.load(at, ROWS + 160)));
  e11 = sub(e11, mul(l41, v128.load(at, ROWS + 96)));
  e11 = sub(e11, mul(l31, v128.load(at, ROWS + 48)));
  e11 = sub(e11, mul(l21, v128.load(at, ROWS + 16)));
  const d11 = e11;
  const g1 = f64x2.div(one, d11);
  v128.store(at, g1, INVERSE_D + 0);
  const b1 = v128.load(at, BIAS_NOW);
  v128.store(at, b1, BIAS);
  let y1 = sub(tau1, b1);
  y1 = sub(y1, mul(l71, v128.load(at, QDD + 96)));
  y1 = sub(y1, mul(l61, v128.load(at, QDD + 80)));
  y1 = sub(y1, mul(l51, v128.load(at, QDD + 64)));
  y1 = sub(y1, mul(l41, v128.load(at, QDD + 48)));
  y1 = sub(y1, mul(l31, v128.load(at, QDD + 32)));
  y1 = sub(y1, mul(l21, v128.load(at, QDD + 16)));
  v128.store(at, y1, QDD + 0);
  // Back again: a_k = g_k y_k less l_ki a_i for every i < k.
  let a1 = mul(v128.load(at, QDD + 0), v128.load(at, INVERSE_D + 0));
  v128.store(at, a1, QDD + 0);
  let a2 = mul(v128.load(at, QDD + 16), v128.load(at, INVERSE_D + 16));
  a2 = sub(a2, mul(a1, v128.load(at, FACTOR + 0)));
  v128.store(at, a2, QDD + 16);
  let a3 = mul(v128.load(at, QDD + 32), v128.load(at, INVERSE_D + 32));
  a3 = sub(a3, mul(a1, v128.load(at, FACTOR + 16)));
  a3 = sub(a3, mul(a2, v128.load(at, FACTOR + 32)));
  v128.store(at, a3, QDD + 32);
  let a4 = mul(v128.load(at, QDD + 48), v128.load(at, INVERSE_D + 48));
  a4 = sub(a4, mul(a1, v128.load(at, FACTOR + 48)));
  a4 = sub(a4, mul(a2, v128.load(at, FACTOR + 64)));
  a4 = sub(a4, mul(a3, v128.load(at, FACTOR + 80)));
  v128.store(at, a4, QDD + 48);
  let a5 = mul(v128.load(at, QDD + 64), v128.load(at, INVERSE_D + 64));
  a5 = sub(a5, mul(a1, v128.load(at, FACTOR + 96)));
  a5 = sub(a5, mul(a2, v128.load(at, FACTOR + 112)));
  a5 = sub(a5, mul(a3, v128.load(at, FACTOR + 128)));
  a5 = sub(a5, mul(a4, v128.load(at, FACTOR + 144)));
  v128.store(at, a5, QDD + 64);
  let a6 = mul(v128.load(at, QDD + 80), v128.load(at, INVERSE_D + 80));
  a6 = sub(a6, mul(a1, v128.load(at, FACTOR + 160)));
  a6 = sub(a6, mul(a2, v128.load(at, FACTOR + 176)));
  a6 = sub(a6, mul(a3, v128.load(at, FACTOR + 192)));
  a6 = sub(a6, mul(a4, v128.load(at, FACTOR + 208)));
  a6 = sub(a6, mul(a5, v128.load(at, FACTOR + 224)));
  v128.store(at, a6, QDD + 80);
  let a7 = mul(v128.load(at, QDD + 96), v128.load(at, INVERSE_D + 96));
  a7 = sub(a7, mul(a1, v128.load(at, FACTOR + 240)));
  a7 = sub(a7, mul(a2, v128.load(at, FACTOR + 256)));
  a7 = sub(a7, mul(a3, v128.load(at, FACTOR + 272)));
  a7 = sub(a7, mul(a4, v128.load(at, FACTOR + 288)));
  a7 = sub(a7, mul(a5, v128.load(at, FACTOR + 304)));
  a7 = sub(a7, mul(a6, v128.load(at, FACTOR + 320)));
  v128.store(at, a7, QDD + 96);
}

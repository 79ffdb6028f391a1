// One arm in world axes, scalar: joint axes and origins, for the paths that are taken rarely (singular poses, contact).
//
// T_i = Trans(p_i) RotX(alpha_i) RotZ(q_i) with p_i = (a_i, -sin(alpha_i) d_i, cos(alpha_i) d_i), alpha_i in {0, -+pi/2}.

/** Bytes of the chain: axis z_i (3) and origin p_i (3) of joints 1 to 7, then the tool centre point (3); f64. */
export const CHAIN_BYTES: usize = 360;

/** Distance of the tool centre point beyond joint 7, along its axis. */
const TOOL: f64 = 0.212;

/**
 * Writes the chain of one lane to `out`. `sines` and `cosines` point at that lane of joint 1; joints stand 16 bytes
 * apart.
 */
export function worldChain(sines: usize, cosines: usize, out: usize): void {
  // Columns x, y, z of the frame, and its origin.
  let xx = 1.0, xy = 0.0, xz = 0.0, yx = 0.0, yy = 1.0, yz = 0.0, zx = 0.0, zy = 0.0, zz = 1.0;
  let px = 0.0, py = 0.0, pz = 0.0;
  for (let i: usize = 0; i < 7; i++) {
    const a = i == 3 ? 0.0825 : i == 4 ? -0.0825 : i == 6 ? 0.088 : 0.0;
    const d = i == 0 ? 0.333 : i == 2 ? 0.316 : i == 4 ? 0.384 : 0.0;
    px += a * xx, py += a * xy, pz += a * xz;
    // RotX(alpha) y and z: (y, z) at 0, (z, -y) at +pi/2, (-z, y) at -pi/2.
    const turn = i == 0 ? 0 : i == 1 || i == 4 ? -1 : 1;
    if (turn != 0) {
      const sign = <f64>turn;
      const ox = yx, oy = yy, oz = yz;
      yx = sign * zx, yy = sign * zy, yz = sign * zz;
      zx = -sign * ox, zy = -sign * oy, zz = -sign * oz;
    }
    px += d * zx, py += d * zy, pz += d * zz;
    const s = load<f64>(sines + (i << 4)), c = load<f64>(cosines + (i << 4));
    const ax = xx, ay = xy, az = xz;
    xx = c * ax + s * yx, xy = c * ay + s * yy, xz = c * az + s * yz;
    yx = c * yx - s * ax, yy = c * yy - s * ay, yz = c * yz - s * az;
    const row = out + i * 48;
    store<f64>(row, zx), store<f64>(row, zy, 8), store<f64>(row, zz, 16);
    store<f64>(row, px, 24), store<f64>(row, py, 32), store<f64>(row, pz, 40);
  }
  store<f64>(out, px + TOOL * zx, 336);
  store<f64>(out, py + TOOL * zy, 344);
  store<f64>(out, pz + TOOL * zz, 352);
}

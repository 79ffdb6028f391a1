// Symmetric eigen-decomposition by cyclic Jacobi rotations: a = V diag(lambda) V^T.

/**
 * `a` (n x n, row-major, destroyed) keeps the eigenvalues on its diagonal, `v` (n x n) receives the eigenvectors in its
 * columns. A rotation annuls a_pq with t = tan(theta) = sign(z) / (|z| + sqrt(z^2 + 1)), z = (a_qq - a_pp) / (2 a_pq).
 * Sweeps end when the squares off the diagonal are below 1e-30 of those on it; convergence is quadratic, 16 is never met.
 */
export function eigenSymmetric(a: usize, v: usize, n: i32): void {
  for (let i = 0; i < n; i++) {
    for (let j = 0; j < n; j++) store<f64>(v + (<usize>(i * n + j) << 3), i == j ? 1 : 0);
  }
  for (let sweep = 0; sweep < 16; sweep++) {
    let off = 0.0, on = 0.0;
    for (let i = 0; i < n; i++) {
      const diagonal = load<f64>(a + (<usize>(i * n + i) << 3));
      on += diagonal * diagonal;
      for (let j = 0; j < i; j++) {
        const value = load<f64>(a + (<usize>(i * n + j) << 3));
        off += value * value;
      }
    }
    if (off <= 1e-30 * on) return;
    for (let p = 0; p < n - 1; p++) {
      for (let q = p + 1; q < n; q++) rotate(a, v, n, p, q);
    }
  }
}

function rotate(a: usize, v: usize, n: i32, p: i32, q: i32): void {
  const pp = a + (<usize>(p * n + p) << 3), qq = a + (<usize>(q * n + q) << 3);
  const pq = a + (<usize>(p * n + q) << 3), qp = a + (<usize>(q * n + p) << 3);
  const value = load<f64>(pq);
  if (value == 0) return;
  const z = (load<f64>(qq) - load<f64>(pp)) / (2 * value);
  const root = abs<f64>(z) + sqrt<f64>(z * z + 1);
  const t = z < 0 ? -1 / root : 1 / root;
  const c = 1 / sqrt<f64>(t * t + 1);
  const s = t * c;
  store<f64>(pp, load<f64>(pp) - t * value);
  store<f64>(qq, load<f64>(qq) + t * value);
  store<f64>(pq, 0);
  store<f64>(qp, 0);
  for (let k = 0; k < n; k++) {
    const vp = v + (<usize>(k * n + p) << 3), vq = v + (<usize>(k * n + q) << 3);
    const x = load<f64>(vp), y = load<f64>(vq);
    store<f64>(vp, c * x - s * y);
    store<f64>(vq, s * x + c * y);
    if (k == p || k == q) continue;
    const kp = a + (<usize>(k * n + p) << 3), kq = a + (<usize>(k * n + q) << 3);
    const f = load<f64>(kp), g = load<f64>(kq);
    const fp = c * f - s * g, gq = s * f + c * g;
    store<f64>(kp, fp);
    store<f64>(a + (<usize>(p * n + k) << 3), fp);
    store<f64>(kq, gq);
    store<f64>(a + (<usize>(q * n + k) << 3), gq);
  }
}

// elementary — logarithm, sine and cosine good to 2e-7 on every driver
//
// The built-in log is only good to 2^-21 around 1 and the built-in sine to 2^-11: too coarse for random numbers that
// two engines agree on. Same polynomials as assembly/kernels/lib/{math,trigonometry}.ts.

// ln x for normal positive x: x = m 2^e with m in [sqrt 1/2, sqrt 2), a polynomial in m - 1, e ln 2 in two parts.
fn precise_log(x: f32) -> f32 {
  let bits = bitcast<u32>(x);
  var e = f32(i32(bits >> 23u) - 126);
  var m = bitcast<f32>((bits & 0x007fffffu) | 0x3f000000u);
  if (m < 0.70710678) { e = e - 1.0; m = m + m; }
  m = m - 1.0;
  let z = m * m;
  let p = ((((((((7.0376836292e-2 * m - 1.1514610310e-1) * m + 1.1676998740e-1) * m - 1.2420140846e-1) * m + 1.4249322787e-1) * m
        - 1.6668057665e-1) * m + 2.0000714765e-1) * m - 2.4999993993e-1) * m + 3.3333331174e-1) * m * z;
  return e * 0.693359375 + (m + (p + e * -2.12194440e-4 - 0.5 * z));
}

// (sin 2 pi u, cos 2 pi u) for u in [-1, 1]: quarter turns off exactly, then polynomials on [-pi/4, pi/4].
fn sine_cosine_turns(u: f32) -> vec2<f32> {
  let quarter = round(4.0 * u);
  let r = (u - 0.25 * quarter) * 6.2831853;
  let z = r * r;
  let s = ((-1.9515295891e-4 * z + 8.3321608736e-3) * z - 1.6666654611e-1) * z * r + r;
  let c = ((2.443315711809948e-5 * z - 1.388731625493765e-3) * z + 4.166664568298827e-2) * z * z - 0.5 * z + 1.0;
  let q = bitcast<u32>(i32(quarter));
  let sine = select(s, c, (q & 1u) == 1u);
  let cosine = select(c, s, (q & 1u) == 1u);
  return vec2<f32>(select(sine, -sine, (q & 2u) == 2u), select(cosine, -cosine, ((q + 1u) & 2u) == 2u));
}

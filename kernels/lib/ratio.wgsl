// ratio — excess(d) = e^d - 1 - d, from which ratio = 1 + d + excess and the k3 estimate of a divergence come without cancellation

// d^2 (1/2 + d/6 + ... + d^8/10!) where the difference would lose what makes it up; |d| kept where e^d is a number.
fn excess(d: f32) -> f32 {
  if (abs(d) < 0.7) {
    let p = 0.5 + d * (0.16666667 + d * (0.041666668 + d * (0.0083333333 + d * (0.0013888889 + d * (1.9841270e-4 + d * (2.4801588e-5 + d * (2.7557319e-6 + d * 2.7557319e-7)))))));
    return d * d * p;
  }
  return exp(clamp(d, -87.0, 87.0)) - 1.0 - d;
}

// activation — y = f_kind(x) and its slope f'_kind(x), elementwise
//
// Codes (the same list stands in src/kernels/nn/activation.ts and assembly/kernels/lib/activation.ts):
// 0 identity, 1 relu, 2 leaky relu (slope 0.01), 3 elu (alpha 1), 4 gelu (erf), 5 tanh, 6 mish, 7 softplus.

// erf(x), |error| <= 1.2e-7 of the true value: x * P(x^2) below 1, else 1 - exp(-x^2) * Q(1/(1 + x/2)) (rational fit of
// Numerical Recipes' erfcc, whose relative error of erfc is below 1.2e-7 everywhere).
fn error_function(x: f32) -> f32 {
  let z = abs(x);
  if (z < 0.5) {
    // Maclaurin series of erf to x^13: the tail at 0.5 is below 2e-9.
    let s = z * z;
    let p = 1.0 + s * (-0.33333333333 + s * (0.1 + s * (-0.02380952381 + s * (0.00462962963 + s * (-0.00075757576 + s * 0.00010683761)))));
    return x * 1.1283791671 * p;
  }
  let t = 1.0 / (1.0 + 0.5 * z);
  let q = -1.26551223 + t * (1.00002368 + t * (0.37409196 + t * (0.09678418 + t * (-0.18628806 + t * (0.27886807
        + t * (-1.13520398 + t * (1.48851587 + t * (-0.82215223 + t * 0.17087277))))))));
  let complement = t * exp(-z * z + q);
  return select(complement - 1.0, 1.0 - complement, x >= 0.0);
}

// softplus(x) = max(x, 0) + log(1 + exp(-|x|)): no overflow on either side.
fn softplus(x: f32) -> f32 {
  let e = exp(-abs(x));
  // log(1 + e) loses e below 2^-24; there log(1 + e) = e to full precision.
  return max(x, 0.0) + select(log(1.0 + e), e * (1.0 - 0.5 * e), e < 1e-3);
}

// tanh with the argument kept where exp cannot overflow.
fn stable_tanh(x: f32) -> f32 {
  return tanh(clamp(x, -15.0, 15.0));
}

// tanh(softplus(x)) without tanh: with n = exp(x), it is (n^2 + 2n)/(n^2 + 2n + 2); 1 to full precision above 20.
fn tanh_softplus(x: f32) -> f32 {
  let n = exp(min(x, 20.0));
  let a = n * (n + 2.0);
  return a / (a + 2.0);
}

fn sigmoid(x: f32) -> f32 {
  let e = exp(-abs(x));
  return select(e, 1.0, x >= 0.0) / (1.0 + e);
}

fn activate(kind: u32, x: f32) -> f32 {
  switch (kind) {
    case 1u: { return max(x, 0.0); }
    case 2u: { return select(0.01 * x, x, x > 0.0); }
    // exp(x) - 1 near 0 by its series: the difference would lose what makes it up.
    case 3u: { return select(select(exp(min(x, 0.0)) - 1.0, x * (1.0 + x * (0.5 + x * (0.16666667 + x * (0.041666668 + x * 0.0083333333)))), x > -0.1), x, x > 0.0); }
    case 4u: { return 0.5 * x * (1.0 + error_function(x * 0.70710678)); }
    case 5u: { return stable_tanh(x); }
    case 6u: { return x * tanh_softplus(x); }
    case 7u: { return softplus(x); }
    default: { return x; }
  }
}

// Slope of activate at x; at the kink of relu and leaky relu the slope of the left side, as PyTorch takes it.
fn activation_slope(kind: u32, x: f32) -> f32 {
  switch (kind) {
    case 1u: { return select(0.0, 1.0, x > 0.0); }
    case 2u: { return select(0.01, 1.0, x > 0.0); }
    case 3u: { return select(exp(min(x, 0.0)), 1.0, x > 0.0); }
    case 4u: {
      // Phi(x) + x phi(x)
      return 0.5 * (1.0 + error_function(x * 0.70710678)) + x * 0.39894228 * exp(-0.5 * x * x);
    }
    case 5u: { let y = stable_tanh(x); return 1.0 - y * y; }
    case 6u: {
      // t + x (1 - t^2) sigmoid(x), t = tanh(softplus(x))
      let t = tanh_softplus(x);
      return t + x * (1.0 - t * t) * sigmoid(x);
    }
    case 7u: { return sigmoid(x); }
    default: { return 1.0; }
  }
}

// Solves A_c y = b for a symmetric positive 6x6 matrix A whose eigenvalues below a floor count as the floor.
//
// While A - floor I has a negative pivot, some eigenpair (lambda, v) lies below the floor; it is found by inverse iteration
// and Rayleigh quotients and lifted onto it,
//   A <- A + (floor - lambda) v v^T,
// which is what clipping does to it and leaves all other eigenpairs alone. Mostly there is one. Should the iteration stop
// anywhere else, the full eigen-decomposition answers.
import { eigenSymmetric } from "./eigen";

const FACTORS: usize = 0;
const VECTOR: usize = 21 * 8;
const IMAGE: usize = 27 * 8;
const EIGENVECTORS: usize = 33 * 8;
/** Bytes of scratch that {@link solveClipped} needs. */
export const CLIPPED_SOLVE_BYTES: usize = 69 * 8;

/** Eigenvalues are clipped from above, too; those of a Jacobian with arms below a metre never come near. */
const CEILING: f64 = 100;

/**
 * `a`: A, row-major, destroyed. `b` becomes y. `guess`: 6 numbers, an eigenvector found before or zero; keeps the one found.
 */
export function solveClipped(a: usize, b: usize, guess: usize, scratch: usize, floor: f64): void {
  const factors = scratch + FACTORS;
  // A hair below the floor, so that what has been lifted onto it passes.
  const test = floor * (1 - 1e-9);
  for (let found = 0; !factorise(a, test, factors); found++) {
    if (found == 6 || !lift(a, guess, scratch, floor)) {
      solveByEigenvectors(a, b, scratch, floor);
      return;
    }
  }
  factorise(a, 0, factors);
  solveFactored(factors, b);
}

/** Lifts one eigenvalue of A onto the floor. False where the iteration has not led to one below it. */
function lift(a: usize, guess: usize, scratch: usize, floor: f64): bool {
  const factors = scratch + FACTORS, v = scratch + VECTOR, image = scratch + IMAGE;
  memory.copy(v, guess, 48);
  if (!(normalise(v) > 0)) {
    // Nothing known: three steps of inverse iteration from an arbitrary vector.
    for (let i: usize = 0; i < 6; i++) store<f64>(v + (i << 3), 1 + 0.1 * <f64>i);
    factorise(a, 0, factors);
    for (let k = 0; k < 3; k++) {
      solveFactored(factors, v);
      normalise(v);
    }
  }
  for (let k = 0; k < 8; k++) {
    const lambda = rayleigh(a, v, image);
    let residual = 0.0;
    for (let i: usize = 0; i < 6; i++) {
      const r = load<f64>(image + (i << 3)) - lambda * load<f64>(v + (i << 3));
      residual += r * r;
    }
    if (residual < 1e-28) {
      if (!(lambda < floor)) return false;
      for (let i: usize = 0; i < 6; i++) {
        for (let j: usize = 0; j < 6; j++) {
          const place = a + (i * 6 + j << 3);
          store<f64>(place, load<f64>(place) + (floor - lambda) * (load<f64>(v + (i << 3)) * load<f64>(v + (j << 3))));
        }
      }
      memory.copy(guess, v, 48);
      return true;
    }
    factorise(a, lambda, factors);
    solveFactored(factors, v);
    if (!(normalise(v) > 0)) return false;
  }
  return false;
}

/** Writes A v to `image`; returns v.A v for a unit vector v. */
function rayleigh(a: usize, v: usize, image: usize): f64 {
  const x0 = load<f64>(v), x1 = load<f64>(v, 8), x2 = load<f64>(v, 16);
  const x3 = load<f64>(v, 24), x4 = load<f64>(v, 32), x5 = load<f64>(v, 40);
  let sum = 0.0;
  for (let i: usize = 0; i < 6; i++) {
    const row = a + i * 48;
    const value = load<f64>(row) * x0 + load<f64>(row, 8) * x1 + load<f64>(row, 16) * x2
      + load<f64>(row, 24) * x3 + load<f64>(row, 32) * x4 + load<f64>(row, 40) * x5;
    store<f64>(image + (i << 3), value);
    sum += value * load<f64>(v + (i << 3));
  }
  return sum;
}

/** Scales a vector to length 1 and returns the length that it had; 0 or not a number where it cannot be scaled. */
function normalise(v: usize): f64 {
  let sum = 0.0;
  for (let i: usize = 0; i < 48; i += 8) sum += load<f64>(v + i) * load<f64>(v + i);
  const length = sqrt<f64>(sum);
  if (!(length > 0 && length < Infinity)) return 0;
  for (let i: usize = 0; i < 48; i += 8) store<f64>(v + i, load<f64>(v + i) / length);
  return length;
}

/** y = sum over k of v_k (v_k.b) / clip(lambda_k) */
function solveByEigenvectors(a: usize, b: usize, scratch: usize, floor: f64): void {
  const vectors = scratch + EIGENVECTORS, y = scratch + IMAGE;
  eigenSymmetric(a, vectors, 6);
  memory.fill(y, 0, 48);
  for (let k: usize = 0; k < 6; k++) {
    const column = vectors + (k << 3);
    let along = 0.0;
    for (let i: usize = 0; i < 6; i++) along += load<f64>(column + i * 48) * load<f64>(b + (i << 3));
    const share = along / min<f64>(max<f64>(load<f64>(a + (k * 7 << 3)), floor), CEILING);
    for (let i: usize = 0; i < 6; i++) store<f64>(y + (i << 3), load<f64>(y + (i << 3)) + share * load<f64>(column + i * 48));
  }
  memory.copy(b, y, 48);
}

/**
 * A - shift I = L D L^T from the lower triangle of A: L by rows (15), then 1/D (6). True where all pivots are positive;
 * otherwise the factors still hold, unless a pivot vanished.
 */
export function factorise(a: usize, shift: f64, out: usize): bool {
  const d1 = load<f64>(a, 0) - shift;
  const i1 = 1 / d1;
  const b21 = load<f64>(a, 48), l21 = b21 * i1;
  const b31 = load<f64>(a, 96), l31 = b31 * i1;
  const b41 = load<f64>(a, 144), l41 = b41 * i1;
  const b51 = load<f64>(a, 192), l51 = b51 * i1;
  const b61 = load<f64>(a, 240), l61 = b61 * i1;
  const d2 = load<f64>(a, 56) - shift - l21 * b21;
  const i2 = 1 / d2;
  const b32 = load<f64>(a, 104) - l31 * b21, l32 = b32 * i2;
  const b42 = load<f64>(a, 152) - l41 * b21, l42 = b42 * i2;
  const b52 = load<f64>(a, 200) - l51 * b21, l52 = b52 * i2;
  const b62 = load<f64>(a, 248) - l61 * b21, l62 = b62 * i2;
  const d3 = load<f64>(a, 112) - shift - l31 * b31 - l32 * b32;
  const i3 = 1 / d3;
  const b43 = load<f64>(a, 160) - l41 * b31 - l42 * b32, l43 = b43 * i3;
  const b53 = load<f64>(a, 208) - l51 * b31 - l52 * b32, l53 = b53 * i3;
  const b63 = load<f64>(a, 256) - l61 * b31 - l62 * b32, l63 = b63 * i3;
  const d4 = load<f64>(a, 168) - shift - l41 * b41 - l42 * b42 - l43 * b43;
  const i4 = 1 / d4;
  const b54 = load<f64>(a, 216) - l51 * b41 - l52 * b42 - l53 * b43, l54 = b54 * i4;
  const b64 = load<f64>(a, 264) - l61 * b41 - l62 * b42 - l63 * b43, l64 = b64 * i4;
  const d5 = load<f64>(a, 224) - shift - l51 * b51 - l52 * b52 - l53 * b53 - l54 * b54;
  const i5 = 1 / d5;
  const b65 = load<f64>(a, 272) - l61 * b51 - l62 * b52 - l63 * b53 - l64 * b54, l65 = b65 * i5;
  const d6 = load<f64>(a, 280) - shift - l61 * b61 - l62 * b62 - l63 * b63 - l64 * b64 - l65 * b65;
  const i6 = 1 / d6;
  store<f64>(out, l21, 0), store<f64>(out, l31, 8), store<f64>(out, l32, 16), store<f64>(out, l41, 24);
  store<f64>(out, l42, 32), store<f64>(out, l43, 40), store<f64>(out, l51, 48), store<f64>(out, l52, 56);
  store<f64>(out, l53, 64), store<f64>(out, l54, 72), store<f64>(out, l61, 80), store<f64>(out, l62, 88);
  store<f64>(out, l63, 96), store<f64>(out, l64, 104), store<f64>(out, l65, 112), store<f64>(out, i1, 120);
  store<f64>(out, i2, 128), store<f64>(out, i3, 136), store<f64>(out, i4, 144), store<f64>(out, i5, 152);
  store<f64>(out, i6, 160);
  return d1 > 0 && d2 > 0 && d3 > 0 && d4 > 0 && d5 > 0 && d6 > 0;
}

/** x <- (L D L^T)^-1 x with the factors that {@link factorise} has left. */
export function solveFactored(factors: usize, x: usize): void {
  const y1 = load<f64>(x, 0);
  const y2 = load<f64>(x, 8) - load<f64>(factors, 0) * y1;
  const y3 = load<f64>(x, 16) - load<f64>(factors, 8) * y1 - load<f64>(factors, 16) * y2;
  const y4 = load<f64>(x, 24) - load<f64>(factors, 24) * y1 - load<f64>(factors, 32) * y2 - load<f64>(factors, 40) * y3;
  const y5 = load<f64>(x, 32) - load<f64>(factors, 48) * y1 - load<f64>(factors, 56) * y2
    - load<f64>(factors, 64) * y3 - load<f64>(factors, 72) * y4;
  const y6 = load<f64>(x, 40) - load<f64>(factors, 80) * y1 - load<f64>(factors, 88) * y2
    - load<f64>(factors, 96) * y3 - load<f64>(factors, 104) * y4 - load<f64>(factors, 112) * y5;
  const x6 = y6 * load<f64>(factors, 160);
  const x5 = y5 * load<f64>(factors, 152) - load<f64>(factors, 112) * x6;
  const x4 = y4 * load<f64>(factors, 144) - load<f64>(factors, 72) * x5 - load<f64>(factors, 104) * x6;
  const x3 = y3 * load<f64>(factors, 136) - load<f64>(factors, 40) * x4 - load<f64>(factors, 64) * x5
    - load<f64>(factors, 96) * x6;
  const x2 = y2 * load<f64>(factors, 128) - load<f64>(factors, 16) * x3 - load<f64>(factors, 32) * x4
    - load<f64>(factors, 56) * x5 - load<f64>(factors, 88) * x6;
  const x1 = y1 * load<f64>(factors, 120) - load<f64>(factors, 0) * x2 - load<f64>(factors, 8) * x3
    - load<f64>(factors, 24) * x4 - load<f64>(factors, 48) * x5 - load<f64>(factors, 80) * x6;
  store<f64>(x, x1, 0), store<f64>(x, x2, 8), store<f64>(x, x3, 16);
  store<f64>(x, x4, 24), store<f64>(x, x5, 32), store<f64>(x, x6, 40);
}

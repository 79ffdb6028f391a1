// The joint velocity of one IK iteration as its definition reads, for one lane: wherever the closed form of
// arm-reference.ts has no proof.
//   w = J^T A^-1 (u - J n) + n,   A = J J^T + 1e-12 I with its eigenvalues clipped to [0.01, 100]
import { CHAIN_BYTES, worldChain } from "./arm-chain";
import { HAND_TURN, LOWEST, REF, REF_COS, REF_SIN, SCRATCH, TASK, WANTED } from "./arm-lanes";
import { solveClipped } from "./clipped-solve";

const JACOBIAN: usize = SCRATCH + CHAIN_BYTES;
const SQUARE: usize = JACOBIAN + 42 * 8;
const REST: usize = SQUARE + 36 * 8;
const RESIDUAL: usize = REST + 7 * 8;
const WORK: usize = RESIDUAL + 6 * 8;

/** Replaces WANTED of the lane at byte `lane` (0 or 8). TASK holds the task velocity u. */
export function generalVelocity(at: usize, lane: usize): void {
  const chain = at + SCRATCH;
  worldChain(at + REF_SIN + lane, at + REF_COS + lane, chain);
  const tx = load<f64>(chain, 336), ty = load<f64>(chain, 344), tz = load<f64>(chain, 352);
  const jacobian = at + JACOBIAN;
  for (let i: usize = 0; i < 7; i++) {
    const row = chain + i * 48, column = jacobian + (i << 3);
    const zx = load<f64>(row), zy = load<f64>(row, 8), zz = load<f64>(row, 16);
    const rx = tx - load<f64>(row, 24), ry = ty - load<f64>(row, 32), rz = tz - load<f64>(row, 40);
    store<f64>(column, zy * rz - zz * ry), store<f64>(column, zz * rx - zx * rz, 56);
    store<f64>(column, zx * ry - zy * rx, 112);
    store<f64>(column, zx, 168), store<f64>(column, zy, 224), store<f64>(column, zz, 280);
  }
  const rest = at + REST;
  store<f64>(rest, pull(at, lane, 0, 0)), store<f64>(rest, pull(at, lane, 1, 0.174), 8);
  store<f64>(rest, pull(at, lane, 2, 0), 16), store<f64>(rest, pull(at, lane, 3, -0.872), 24);
  store<f64>(rest, pull(at, lane, 4, 0), 32), store<f64>(rest, pull(at, lane, 5, 1.222), 40);
  store<f64>(rest, pull(at, lane, 6, 0.785 - HAND_TURN), 48);

  const square = at + SQUARE, residual = at + RESIDUAL;
  for (let i: usize = 0; i < 6; i++) {
    const row = jacobian + i * 56;
    let u = load<f64>(at + TASK + (i << 4) + lane);
    for (let k: usize = 0; k < 7; k++) u -= load<f64>(row + (k << 3)) * load<f64>(rest + (k << 3));
    store<f64>(residual + (i << 3), u);
    for (let j: usize = 0; j <= i; j++) {
      const other = jacobian + j * 56;
      let sum = i == j ? 1e-12 : 0.0;
      for (let k: usize = 0; k < 7; k++) sum += load<f64>(row + (k << 3)) * load<f64>(other + (k << 3));
      store<f64>(square + (i * 6 + j << 3), sum);
      store<f64>(square + (j * 6 + i << 3), sum);
    }
  }
  const guess = at + LOWEST + 6 * lane;
  solveClipped(square, residual, guess, at + WORK, 0.01);
  const y0 = load<f64>(residual), y1 = load<f64>(residual, 8), y2 = load<f64>(residual, 16);
  const y3 = load<f64>(residual, 24), y4 = load<f64>(residual, 32), y5 = load<f64>(residual, 40);
  for (let k: usize = 0; k < 7; k++) {
    const column = jacobian + (k << 3);
    const w = load<f64>(column) * y0 + load<f64>(column, 56) * y1 + load<f64>(column, 112) * y2
      + load<f64>(column, 168) * y3 + load<f64>(column, 224) * y4 + load<f64>(column, 280) * y5;
    store<f64>(at + WANTED + (k << 4) + lane, w + load<f64>(rest + (k << 3)));
  }
}

/** 40 clip(rest - q*, +-0.2) */
// @ts-ignore: decorator
@inline
function pull(at: usize, lane: usize, joint: usize, rest: f64): f64 {
  return 40 * max<f64>(-0.2, min<f64>(0.2, rest - load<f64>(at + REF + (joint << 4) + lane)));
}

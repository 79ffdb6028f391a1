// ppo_loss — loss[r] = max(-A rho, -A clamp(rho, 1 - eps_j, 1 + eps_j)), rho = e^d; dlogp[r,k] = -A rho gate[r,k] weight gradientScale, k < counted, else 0
//         d = weight sum_k clamp(new[r,k]) - clamp(old[r,k]), k < counted; gate 0 where new[r,k] is beyond the clamp
//         aggregateFirst: d = clamp(weight sum_k new[r,k]) - clamp(weight sum_k old[r,k]); gate 0 where the first sum is beyond the clamp
//         dlogp is also 0 where rho is outside the range and A (rho - 1) >= 0
//         A = discount_j clamp((clamp(advantages[r / repeats], lowest, highest) - mean) / (deviation + 1e-8), -advantageLimit, advantageLimit)
//         j = transitions[r], or r mod K' without; partials[c,b] = sum over rows of block b of loss, rho - 1 - d, |rho - 1| > eps_j, rho
// shapes  newLogProb, oldLogProb, dlogp [R, W] f32; advantages [R / repeats] f32; transitions [R] u32, optional; schedule [2, K'] f32: eps, discount
//         statistics [4] f32, optional: mean, deviation, lowest, highest; partials [4, blocks] f32, blocks = ceil(R / 256)
// owns    unit: one block of 256 rows
// split   units
// order   f32: k in four sums by k mod 4, then the tail; rows in four sums by r mod 4
// alias   none
// test    test/kernels/ppo-loss.test.ts  rtol 4e-6  at 1x1, 3x4, 31x6, 257x8, 600x28
import { splat, sum4 } from "../lib/math";
import { excess4 } from "../lib/ratio";

const BLOCK: u32 = 256;

/** sum_k clamp(a[k]) - clamp(b[k]) */
function clampedDifference(a: usize, b: usize, counted: u32, low: f32, high: f32): f32 {
  const end = a + (<usize>counted << 2);
  const low4 = splat(low), high4 = splat(high);
  let sums = splat(0);
  for (; a + 16 <= end; a += 16, b += 16) {
    const fresh = f32x4.min(f32x4.max(v128.load(a), low4), high4);
    const stored = f32x4.min(f32x4.max(v128.load(b), low4), high4);
    sums = f32x4.add(sums, f32x4.sub(fresh, stored));
  }
  let sum = sum4(sums);
  for (; a < end; a += 4, b += 4) sum += min(max(load<f32>(a), low), high) - min(max(load<f32>(b), low), high);
  return sum;
}

function sumOf(a: usize, counted: u32): f32 {
  const end = a + (<usize>counted << 2);
  let sums = splat(0);
  for (; a + 16 <= end; a += 16) sums = f32x4.add(sums, v128.load(a));
  let sum = sum4(sums);
  for (; a < end; a += 4) sum += load<f32>(a);
  return sum;
}

/** out[k] = slope where low <= value[k] <= high and k < counted, else 0 */
function writeGated(out: usize, value: usize, counted: u32, width: u32, slope: f32, low: f32, high: f32): void {
  const end = out + (<usize>counted << 2);
  const rowEnd = out + (<usize>width << 2);
  const slope4 = splat(slope), low4 = splat(low), high4 = splat(high);
  for (; out + 16 <= end; out += 16, value += 16) {
    const x = v128.load(value);
    v128.store(out, v128.and(slope4, v128.and(f32x4.ge(x, low4), f32x4.le(x, high4))));
  }
  for (; out < end; out += 4, value += 4) {
    const x = load<f32>(value);
    store<f32>(out, x >= low && x <= high ? slope : 0);
  }
  for (; out < rowEnd; out += 4) store<f32>(out, 0);
}

/** One number a row for the four rows that are computed together. */
let difference: v128 = f32x4(0, 0, 0, 0);
let advantage: v128 = f32x4(0, 0, 0, 0);
let epsilon: v128 = f32x4(0, 0, 0, 0);
let open: v128 = f32x4(0, 0, 0, 0);

/** Reads what row r is about into the lane whose bits `lane` has set. */
function readRow(args: usize, r: u32, lane: v128): void {
  const width = load<u32>(args, 4);
  const counted = load<u32>(args, 8);
  const tunedSteps = load<u32>(args, 16);
  const low = load<f32>(args, 36);
  const high = load<f32>(args, 40);
  const weight = load<f32>(args, 44);
  const limit = load<f32>(args, 48);
  const offset = <usize>r * width << 2;
  const fresh = <usize>load<u32>(args, 56) + offset;
  const stored = <usize>load<u32>(args, 60) + offset;
  let d: f32;
  if (load<u32>(args, 32)) {
    const value = weight * sumOf(fresh, counted);
    d = min(max(value, low), high) - min(max(weight * sumOf(stored, counted), low), high);
    open = v128.bitselect(i32x4.splat(value >= low && value <= high ? -1 : 0), open, lane);
  } else {
    d = weight * clampedDifference(fresh, stored, counted, low, high);
    open = v128.or(open, lane);
  }
  difference = v128.bitselect(splat(d), difference, lane);

  const transitions = <usize>load<u32>(args, 68);
  const schedule = <usize>load<u32>(args, 72);
  const statistics = <usize>load<u32>(args, 76);
  const j = load<u32>(args, 28) ? min(load<u32>(transitions + (<usize>r << 2)), tunedSteps - 1) : r % tunedSteps;
  let a = load<f32>(<usize>load<u32>(args, 64) + (<usize>(r / load<u32>(args, 12)) << 2));
  if (load<u32>(args, 24)) a = min(max(a, load<f32>(statistics, 8)), load<f32>(statistics, 12));
  if (load<u32>(args, 20)) a = (a - load<f32>(statistics)) / (load<f32>(statistics, 4) + 1e-8);
  a = min(max(a, -limit), limit) * load<f32>(schedule + (<usize>(tunedSteps + j) << 2));
  advantage = v128.bitselect(splat(a), advantage, lane);
  epsilon = v128.bitselect(splat(load<f32>(schedule + (<usize>j << 2))), epsilon, lane);
}

/** args: rows, width, counted, repeats, tunedSteps, normalise, hasLimits, hasTransitions, aggregateFirst, low, high, weight, advantageLimit, gradientScale; newLogProb, oldLogProb, advantages, transitions, schedule, statistics, dlogp, partials */
export function ppoLoss(args: usize, from: u32, to: u32): void {
  const rows = load<u32>(args);
  const width = load<u32>(args, 4);
  const counted = load<u32>(args, 8);
  const aggregateFirst = load<u32>(args, 32) != 0;
  // A row that is aggregated first has one gate for all its entries, in `open`.
  const low = aggregateFirst ? -f32.MAX_VALUE : load<f32>(args, 36);
  const high = aggregateFirst ? f32.MAX_VALUE : load<f32>(args, 40);
  const slopeScale = splat(load<f32>(args, 44) * load<f32>(args, 52));
  const fresh = <usize>load<u32>(args, 56);
  const dlogp = <usize>load<u32>(args, 80);
  const partials = <usize>load<u32>(args, 84);
  const blocks = (rows + BLOCK - 1) / BLOCK;
  const one = splat(1);
  const zero = splat(0);
  for (let block = from; block < to; block++) {
    const end = min(rows, (block + 1) * BLOCK);
    let loss = zero, divergence = zero, clipped = zero, ratio = zero;
    for (let r = block * BLOCK; r < end; r += 4) {
      const count = end - r;
      difference = zero;
      advantage = zero;
      readRow(args, r, i32x4(-1, 0, 0, 0));
      if (count > 1) readRow(args, r + 1, i32x4(0, -1, 0, 0));
      if (count > 2) readRow(args, r + 2, i32x4(0, 0, -1, 0));
      if (count > 3) readRow(args, r + 3, i32x4(0, 0, 0, -1));
      const isRow = i32x4.lt_u(i32x4(0, 1, 2, 3), i32x4.splat(count));

      const excess = excess4(difference);
      const change = f32x4.add(difference, excess);
      const rho = f32x4.add(one, change);
      const bounded = f32x4.min(f32x4.max(rho, f32x4.sub(one, epsilon)), f32x4.add(one, epsilon));
      const loser = f32x4.neg(advantage);
      const plain = f32x4.mul(loser, rho);
      const isInside = f32x4.le(f32x4.abs(change), epsilon);
      loss = f32x4.add(loss, v128.and(isRow, f32x4.max(plain, f32x4.mul(loser, bounded))));
      divergence = f32x4.add(divergence, v128.and(isRow, excess));
      clipped = f32x4.add(clipped, v128.and(isRow, v128.andnot(one, isInside)));
      ratio = f32x4.add(ratio, v128.and(isRow, rho));

      const passes = v128.and(open, v128.or(isInside, f32x4.lt(f32x4.mul(advantage, change), zero)));
      const slope = v128.and(passes, f32x4.mul(plain, slopeScale));
      const offset = <usize>r * width << 2;
      const stride = <usize>width << 2;
      writeGated(dlogp + offset, fresh + offset, counted, width, f32x4.extract_lane(slope, 0), low, high);
      if (count > 1) writeGated(dlogp + offset + stride, fresh + offset + stride, counted, width, f32x4.extract_lane(slope, 1), low, high);
      if (count > 2) writeGated(dlogp + offset + 2 * stride, fresh + offset + 2 * stride, counted, width, f32x4.extract_lane(slope, 2), low, high);
      if (count > 3) writeGated(dlogp + offset + 3 * stride, fresh + offset + 3 * stride, counted, width, f32x4.extract_lane(slope, 3), low, high);
    }
    const at = <usize>block << 2;
    const row = <usize>blocks << 2;
    store<f32>(partials + at, sum4(loss));
    store<f32>(partials + at + row, sum4(divergence));
    store<f32>(partials + at + 2 * row, sum4(clipped));
    store<f32>(partials + at + 3 * row, sum4(ratio));
  }
}

/**
 * Rows times packed panels: sum_k x[b,k] packed[p][k][l] for tiles of up to 6 rows and 8 columns, with what follows the
 * sum. A column's sum runs over k ascending in every tile, so results do not depend on how rows are cut into tiles.
 */
import { activate4, activationSlope4, MISH, mish4 } from "./activation";
import { madd, splat } from "./math";

/** Rows that go through all panels together, whole tiles of 4, 5 and 6: 60 rows of 512 floats stay in the second-level cache, and half as many more. */
const ROW_BLOCK: usize = 60;
/** The same where panels are shallow: 12 rows of sums, so that the lines they share with the next panel's stay near. */
const SHALLOW_ROW_BLOCK: usize = 12;
/** Depth from which reading panels again costs more than writing lines twice. */
const DEEP: usize = 128;
/** Rows of the tallest tile: 4, or 6 where a product and its sum are one instruction. */
const TALLEST: usize = ASC_FEATURE_RELAXED_SIMD ? 6 : 4;
/** Codes of two activations (./activation.ts). */
const IDENTITY: u32 = 0;
const RELU: u32 = 1;

// What follows a sum, set for one call of `multiply`. Globals belong to one thread: every thread has its own instance.
let columns: usize = 0;
let rowBytes: usize = 0;
let bias: usize = 0;
let pre: usize = 0;
let slopeKind: u32 = 0;
let addend: usize = 0;
let output: usize = 0;
let activated: usize = 0;
let activatedKind: u32 = 0;
/** Whether ReLU and its slope are all that follows beside sums, and results are not turned. */
let isRectified: bool = true;
/** Whether results are turned: a row of sums becomes a column of results. */
let isTurned: bool = false;

// The sums of one tile on their way to `finish`. Were they arguments of calls inside the tile, V8 would keep them in
// memory during the loop as well.
let sum0: v128 = i32x4(0, 0, 0, 0);
let sum1: v128 = i32x4(0, 0, 0, 0);
let sum2: v128 = i32x4(0, 0, 0, 0);
let sum3: v128 = i32x4(0, 0, 0, 0);
let sum4: v128 = i32x4(0, 0, 0, 0);
let sum5: v128 = i32x4(0, 0, 0, 0);
let sum6: v128 = i32x4(0, 0, 0, 0);
let sum7: v128 = i32x4(0, 0, 0, 0);
let sum8: v128 = i32x4(0, 0, 0, 0);
let sum9: v128 = i32x4(0, 0, 0, 0);
let sum10: v128 = i32x4(0, 0, 0, 0);
let sum11: v128 = i32x4(0, 0, 0, 0);

/**
 * Says what follows a sum: y = (sum + bias) f'(pre) + addend, activated = f(y). A zero pointer leaves its part out. Rows of
 * pre, addend and results are `stride` bytes apart.
 */
export function follow(
  columnCount: usize, stride: usize, biasAt: usize, preAt: usize, slope: u32, addendAt: usize, outputAt: usize, activatedAt: usize, kind: u32,
): void {
  columns = columnCount;
  rowBytes = stride;
  bias = biasAt;
  pre = preAt;
  slopeKind = slope;
  addend = addendAt;
  output = outputAt;
  activated = activatedAt;
  activatedKind = kind;
  isTurned = false;
  isRectified = (preAt == 0 || slope == RELU) && (activatedAt == 0 || kind == RELU || kind == IDENTITY);
}

/**
 * Says what follows a sum whose result is turned: rows of x are columns of results, y[column, row] = sum + bias[row] + addend[column, row].
 * `columnCount` panel columns are rows of addend and results, `stride` bytes apart.
 */
export function followTurned(
  columnCount: usize, stride: usize, biasAt: usize, addendAt: usize, outputAt: usize, activatedAt: usize, kind: u32,
): void {
  follow(columnCount, stride, biasAt, 0, 0, addendAt, outputAt, activatedAt, kind);
  isTurned = true;
  isRectified = false;
}

/** The first `count` of eight sums, one at a time: their results are `step` bytes apart, their biases `biasStep`. */
function finishSome(low: v128, high: v128, count: usize, at: usize, step: usize, biasAt: usize, biasStep: usize): void {
  let sums = low;
  for (let lane: usize = 0; lane < count; lane++, at += step, biasAt += biasStep) {
    if (lane == 4) sums = high;
    let value = f32x4.extract_lane(sums, 0);
    sums = i32x4.shuffle(sums, sums, 1, 2, 3, 0);
    if (bias != 0) value += load<f32>(bias + biasAt);
    if (pre != 0) value *= f32x4.extract_lane(activationSlope4(slopeKind, splat(load<f32>(pre + at))), 0);
    if (addend != 0) value += load<f32>(addend + at);
    if (output != 0) store<f32>(output + at, value);
    if (activated != 0) store<f32>(activated + at, f32x4.extract_lane(activate4(activatedKind, splat(value)), 0));
  }
}

/**
 * Ends the sums of eight whole columns of one row, `at` bytes into the results; `lowBias` and `highBias` are their biases.
 * ReLU, which most networks use, is done in place.
 */
// @ts-ignore: decorator
@inline
function finish8(low: v128, high: v128, lowBias: v128, highBias: v128, at: usize): void {
  low = f32x4.add(low, lowBias);
  high = f32x4.add(high, highBias);
  if (pre != 0) {
    const before = v128.load(pre + at);
    const beside = v128.load(pre + at, 16);
    if (slopeKind == RELU) {
      low = v128.and(low, f32x4.gt(before, splat(0)));
      high = v128.and(high, f32x4.gt(beside, splat(0)));
    } else {
      low = f32x4.mul(low, activationSlope4(slopeKind, before));
      high = f32x4.mul(high, activationSlope4(slopeKind, beside));
    }
  }
  if (addend != 0) {
    low = f32x4.add(low, v128.load(addend + at));
    high = f32x4.add(high, v128.load(addend + at, 16));
  }
  if (output != 0) {
    v128.store(output + at, low);
    v128.store(output + at, high, 16);
  }
  if (activated != 0) {
    if (activatedKind == RELU) {
      low = f32x4.max(low, splat(0));
      high = f32x4.max(high, splat(0));
    } else if (activatedKind == MISH) {
      low = mish4(low);
      high = mish4(high);
    } else if (activatedKind != IDENTITY) {
      low = activate4(activatedKind, low);
      high = activate4(activatedKind, high);
    }
    v128.store(activated + at, low);
    v128.store(activated + at, high, 16);
  }
}

// @ts-ignore: decorator
@inline
function store8(at: usize, low: v128, high: v128): void {
  v128.store(at, low);
  v128.store(at, high, 16);
}

/** x where what was before the ReLU is positive. */
// @ts-ignore: decorator
@inline
function where4(x: v128, before: usize): v128 {
  return v128.and(x, f32x4.gt(v128.load(before), splat(0)));
}

// @ts-ignore: decorator
@inline
function plus4(x: v128, addendAt: usize): v128 {
  return f32x4.add(x, v128.load(addendAt));
}

/**
 * Ends the sums a0 .. f1 of `count` rows 2, 4, 5 or 6 and one whole panel, where all that follows is ReLU: every part asks once for
 * all rows whether it is wanted. `count` is a literal, so that what is beyond it falls away.
 */
// @ts-ignore: decorator
@inline
function finishRectified(
  count: u32, firstRow: usize, column: usize,
  a0: v128, a1: v128, b0: v128, b1: v128, c0: v128, c1: v128, d0: v128, d1: v128, e0: v128, e1: v128, f0: v128, f1: v128,
): void {
  const stride = rowBytes;
  const at = firstRow * stride + (column << 2);
  let row: usize = 0;
  if (bias != 0) {
    row = bias + (column << 2);
    const low = v128.load(row);
    const high = v128.load(row, 16);
    a0 = f32x4.add(a0, low); a1 = f32x4.add(a1, high);
    b0 = f32x4.add(b0, low); b1 = f32x4.add(b1, high);
    if (count > 2) { c0 = f32x4.add(c0, low); c1 = f32x4.add(c1, high); }
    if (count > 3) { d0 = f32x4.add(d0, low); d1 = f32x4.add(d1, high); }
    if (count > 4) { e0 = f32x4.add(e0, low); e1 = f32x4.add(e1, high); }
    if (count > 5) { f0 = f32x4.add(f0, low); f1 = f32x4.add(f1, high); }
  }
  if (pre != 0) {
    row = pre + at;
    a0 = where4(a0, row); a1 = where4(a1, row + 16);
    row += stride; b0 = where4(b0, row); b1 = where4(b1, row + 16);
    if (count > 2) { row += stride; c0 = where4(c0, row); c1 = where4(c1, row + 16); }
    if (count > 3) { row += stride; d0 = where4(d0, row); d1 = where4(d1, row + 16); }
    if (count > 4) { row += stride; e0 = where4(e0, row); e1 = where4(e1, row + 16); }
    if (count > 5) { row += stride; f0 = where4(f0, row); f1 = where4(f1, row + 16); }
  }
  if (addend != 0) {
    row = addend + at;
    a0 = plus4(a0, row); a1 = plus4(a1, row + 16);
    row += stride; b0 = plus4(b0, row); b1 = plus4(b1, row + 16);
    if (count > 2) { row += stride; c0 = plus4(c0, row); c1 = plus4(c1, row + 16); }
    if (count > 3) { row += stride; d0 = plus4(d0, row); d1 = plus4(d1, row + 16); }
    if (count > 4) { row += stride; e0 = plus4(e0, row); e1 = plus4(e1, row + 16); }
    if (count > 5) { row += stride; f0 = plus4(f0, row); f1 = plus4(f1, row + 16); }
  }
  if (output != 0) {
    row = output + at;
    store8(row, a0, a1);
    row += stride; store8(row, b0, b1);
    if (count > 2) { row += stride; store8(row, c0, c1); }
    if (count > 3) { row += stride; store8(row, d0, d1); }
    if (count > 4) { row += stride; store8(row, e0, e1); }
    if (count > 5) { row += stride; store8(row, f0, f1); }
  }
  if (activated != 0) {
    const least = splat(activatedKind == RELU ? 0 : -Infinity);
    row = activated + at;
    store8(row, f32x4.max(a0, least), f32x4.max(a1, least));
    row += stride; store8(row, f32x4.max(b0, least), f32x4.max(b1, least));
    if (count > 2) { row += stride; store8(row, f32x4.max(c0, least), f32x4.max(c1, least)); }
    if (count > 3) { row += stride; store8(row, f32x4.max(d0, least), f32x4.max(d1, least)); }
    if (count > 4) { row += stride; store8(row, f32x4.max(e0, least), f32x4.max(e1, least)); }
    if (count > 5) { row += stride; store8(row, f32x4.max(f0, least), f32x4.max(f1, least)); }
  }
}

/** Activation of four results. */
// @ts-ignore: decorator
@inline
function activated4(x: v128): v128 {
  if (activatedKind == RELU) return f32x4.max(x, splat(0));
  return activatedKind == IDENTITY ? x : activate4(activatedKind, x);
}

/** Ends four neighbours. */
// @ts-ignore: decorator
@inline
function finish4(x: v128, at: usize): void {
  if (addend != 0) x = plus4(x, addend + at);
  if (output != 0) v128.store(output + at, x);
  if (activated != 0) v128.store(activated + at, activated4(x));
}

/** Ends two neighbours and the two of the next row. */
// @ts-ignore: decorator
@inline
function finish2x2(x: v128, at: usize): void {
  const next = at + rowBytes;
  if (addend != 0) x = f32x4.add(x, v128.load64_lane(addend + next, v128.load64_zero(addend + at), 1));
  if (output != 0) {
    v128.store64_lane(output + at, x, 0);
    v128.store64_lane(output + next, x, 1);
  }
  if (activated != 0) {
    x = activated4(x);
    v128.store64_lane(activated + at, x, 0);
    v128.store64_lane(activated + next, x, 1);
  }
}

/** Ends four rows of four sums as four rows of four neighbours; `from` bytes into the biases is that of the first. */
// @ts-ignore: decorator
@inline
function finish4x4(a: v128, b: v128, c: v128, d: v128, at: usize, from: usize): void {
  if (bias != 0) {
    a = f32x4.add(a, v128.load32_splat(bias + from));
    b = f32x4.add(b, v128.load32_splat(bias + from, 4));
    c = f32x4.add(c, v128.load32_splat(bias + from, 8));
    d = f32x4.add(d, v128.load32_splat(bias + from, 12));
  }
  const lowAb = i32x4.shuffle(a, b, 0, 4, 1, 5);
  const lowCd = i32x4.shuffle(c, d, 0, 4, 1, 5);
  const highAb = i32x4.shuffle(a, b, 2, 6, 3, 7);
  const highCd = i32x4.shuffle(c, d, 2, 6, 3, 7);
  finish4(i64x2.shuffle(lowAb, lowCd, 0, 2), at);
  finish4(i64x2.shuffle(lowAb, lowCd, 1, 3), at += rowBytes);
  finish4(i64x2.shuffle(highAb, highCd, 0, 2), at += rowBytes);
  finish4(i64x2.shuffle(highAb, highCd, 1, 3), at + rowBytes);
}

/** Ends two rows of four sums as four rows of two neighbours. */
// @ts-ignore: decorator
@inline
function finish2x4(a: v128, b: v128, at: usize, from: usize): void {
  if (bias != 0) {
    a = f32x4.add(a, v128.load32_splat(bias + from));
    b = f32x4.add(b, v128.load32_splat(bias + from, 4));
  }
  finish2x2(i32x4.shuffle(a, b, 0, 4, 1, 5), at);
  finish2x2(i32x4.shuffle(a, b, 2, 6, 3, 7), at + (rowBytes << 1));
}

/** Ends the sums of `count` rows and one panel, turned: quickly for whole panels of the heights that many rows are cut into. */
function finishTurned(count: u32, row: usize, column: usize): void {
  const used = min<usize>(8, columns - column);
  const half = rowBytes << 2;
  let from = row << 2;
  let at = column * rowBytes + from;
  if (used == 8 && count >= 4) {
    finish4x4(sum0, sum2, sum4, sum6, at, from);
    finish4x4(sum1, sum3, sum5, sum7, at + half, from);
    if (count == 6) {
      finish2x4(sum8, sum10, at + 16, from + 16);
      finish2x4(sum9, sum11, at + half + 16, from + 16);
    } else if (count == 5) {
      finishSome(sum8, sum9, 8, at + 16, rowBytes, from + 16, 0);
    }
    return;
  }
  finishSome(sum0, sum1, used, at, rowBytes, from, 0);
  if (count > 1) finishSome(sum2, sum3, used, at += 4, rowBytes, from += 4, 0);
  if (count > 2) finishSome(sum4, sum5, used, at += 4, rowBytes, from += 4, 0);
  if (count > 3) finishSome(sum6, sum7, used, at += 4, rowBytes, from += 4, 0);
  if (count > 4) finishSome(sum8, sum9, used, at += 4, rowBytes, from += 4, 0);
  if (count > 5) finishSome(sum10, sum11, used, at + 4, rowBytes, from + 4, 0);
}

/** Ends the sums of `count` rows and one panel. */
function finish(count: u32, row: usize, column: usize): void {
  if (isTurned) {
    finishTurned(count, row, column);
    return;
  }
  const stride = rowBytes;
  const offset = column << 2;
  let at = row * stride + offset;
  if (column + 8 > columns) {
    const used = columns - column;
    finishSome(sum0, sum1, used, at, 4, offset, 4);
    if (count > 1) finishSome(sum2, sum3, used, at += stride, 4, offset, 4);
    if (count > 2) finishSome(sum4, sum5, used, at += stride, 4, offset, 4);
    if (count > 3) finishSome(sum6, sum7, used, at += stride, 4, offset, 4);
    if (count > 4) finishSome(sum8, sum9, used, at += stride, 4, offset, 4);
    if (count > 5) finishSome(sum10, sum11, used, at += stride, 4, offset, 4);
    return;
  }
  let low = splat(0);
  let high = splat(0);
  if (bias != 0) {
    low = v128.load(bias + offset);
    high = v128.load(bias + offset, 16);
  }
  finish8(sum0, sum1, low, high, at);
  if (count > 1) finish8(sum2, sum3, low, high, at += stride);
  if (count > 2) finish8(sum4, sum5, low, high, at += stride);
  if (count > 3) finish8(sum6, sum7, low, high, at += stride);
  if (count > 4) finish8(sum8, sum9, low, high, at += stride);
  if (count > 5) finish8(sum10, sum11, low, high, at += stride);
}

/**
 * Ends the sums of `count` rows 2, 4, 5 or 6, a literal, and one panel: in place where that takes no call, which would cost the loop
 * in front of it registers.
 */
// @ts-ignore: decorator
@inline
function finishTile(
  count: u32, row: usize, column: usize, a0: v128, a1: v128, b0: v128, b1: v128,
  c0: v128 = splat(0), c1: v128 = splat(0), d0: v128 = splat(0), d1: v128 = splat(0),
  e0: v128 = splat(0), e1: v128 = splat(0), f0: v128 = splat(0), f1: v128 = splat(0),
): void {
  if (isRectified && column + 8 <= columns) {
    finishRectified(count, row, column, a0, a1, b0, b1, c0, c1, d0, d1, e0, e1, f0, f1);
    return;
  }
  sum0 = a0;
  sum1 = a1;
  sum2 = b0;
  sum3 = b1;
  if (count > 2) { sum4 = c0; sum5 = c1; }
  if (count > 3) { sum6 = d0; sum7 = d1; }
  if (count > 4) { sum8 = e0; sum9 = e1; }
  if (count > 5) { sum10 = f0; sum11 = f1; }
  finish(count, row, column);
}

/** One row, one panel. */
function tile1(x: usize, stride: usize, panel: usize, depth: usize, row: usize, column: usize): void {
  let a = x + row * stride;
  let a0 = splat(0), a1 = splat(0);
  const end = panel + (depth << 5);
  const last = end - 32;
  while (true) {
    let p0 = v128.load(panel);
    let p1 = v128.load(panel, 16);
    let value = v128.load32_splat(a);
    a0 = madd(value, p0, a0);
    a1 = madd(value, p1, a1);
    if (panel == last) break;
    p0 = v128.load(panel, 32);
    p1 = v128.load(panel, 48);
    value = v128.load32_splat(a, 4);
    a0 = madd(value, p0, a0);
    a1 = madd(value, p1, a1);
    panel += 64;
    a += 8;
    if (panel == end) break;
  }
  sum0 = a0;
  sum1 = a1;
  finish(1, row, column);
}

/** One row, two panels: sums enough to hide the latency of an addition. */
function tile1Wide(x: usize, stride: usize, panel: usize, step: usize, depth: usize, row: usize, column: usize): void {
  let a = x + row * stride;
  let a0 = splat(0), a1 = splat(0), a2 = splat(0), a3 = splat(0);
  const end = panel + (depth << 5);
  const last = end - 32;
  let next = panel + step;
  while (true) {
    let p0 = v128.load(panel);
    let p1 = v128.load(panel, 16);
    let p2 = v128.load(next);
    let p3 = v128.load(next, 16);
    let value = v128.load32_splat(a);
    a0 = madd(value, p0, a0);
    a1 = madd(value, p1, a1);
    a2 = madd(value, p2, a2);
    a3 = madd(value, p3, a3);
    if (panel == last) break;
    p0 = v128.load(panel, 32);
    p1 = v128.load(panel, 48);
    p2 = v128.load(next, 32);
    p3 = v128.load(next, 48);
    value = v128.load32_splat(a, 4);
    a0 = madd(value, p0, a0);
    a1 = madd(value, p1, a1);
    a2 = madd(value, p2, a2);
    a3 = madd(value, p3, a3);
    panel += 64;
    next += 64;
    a += 8;
    if (panel == end) break;
  }
  sum0 = a0;
  sum1 = a1;
  finish(1, row, column);
  sum0 = a2;
  sum1 = a3;
  finish(1, row, column + 8);
}

/** Two rows, one panel. */
function tile2(x: usize, stride: usize, panel: usize, depth: usize, row: usize, column: usize): void {
  let a = x + row * stride;
  let b = a + stride;
  let a0 = splat(0), a1 = splat(0);
  let b0 = splat(0), b1 = splat(0);
  const end = panel + (depth << 5);
  const last = end - 32;
  while (true) {
    let p0 = v128.load(panel);
    let p1 = v128.load(panel, 16);
    let value = v128.load32_splat(a);
    a0 = madd(value, p0, a0);
    a1 = madd(value, p1, a1);
    value = v128.load32_splat(b);
    b0 = madd(value, p0, b0);
    b1 = madd(value, p1, b1);
    if (panel == last) break;
    p0 = v128.load(panel, 32);
    p1 = v128.load(panel, 48);
    value = v128.load32_splat(a, 4);
    a0 = madd(value, p0, a0);
    a1 = madd(value, p1, a1);
    value = v128.load32_splat(b, 4);
    b0 = madd(value, p0, b0);
    b1 = madd(value, p1, b1);
    panel += 64;
    a += 8;
    b += 8;
    if (panel == end) break;
  }
  finishTile(2, row, column, a0, a1, b0, b1);
}

/** Two rows, two panels. */
function tile2Wide(x: usize, stride: usize, panel: usize, step: usize, depth: usize, row: usize, column: usize): void {
  let a = x + row * stride;
  let b = a + stride;
  let a0 = splat(0), a1 = splat(0), a2 = splat(0), a3 = splat(0);
  let b0 = splat(0), b1 = splat(0), b2 = splat(0), b3 = splat(0);
  const end = panel + (depth << 5);
  const last = end - 32;
  let next = panel + step;
  while (true) {
    let p0 = v128.load(panel);
    let p1 = v128.load(panel, 16);
    let p2 = v128.load(next);
    let p3 = v128.load(next, 16);
    let value = v128.load32_splat(a);
    a0 = madd(value, p0, a0);
    a1 = madd(value, p1, a1);
    a2 = madd(value, p2, a2);
    a3 = madd(value, p3, a3);
    value = v128.load32_splat(b);
    b0 = madd(value, p0, b0);
    b1 = madd(value, p1, b1);
    b2 = madd(value, p2, b2);
    b3 = madd(value, p3, b3);
    if (panel == last) break;
    p0 = v128.load(panel, 32);
    p1 = v128.load(panel, 48);
    p2 = v128.load(next, 32);
    p3 = v128.load(next, 48);
    value = v128.load32_splat(a, 4);
    a0 = madd(value, p0, a0);
    a1 = madd(value, p1, a1);
    a2 = madd(value, p2, a2);
    a3 = madd(value, p3, a3);
    value = v128.load32_splat(b, 4);
    b0 = madd(value, p0, b0);
    b1 = madd(value, p1, b1);
    b2 = madd(value, p2, b2);
    b3 = madd(value, p3, b3);
    panel += 64;
    next += 64;
    a += 8;
    b += 8;
    if (panel == end) break;
  }
  finishTile(2, row, column, a0, a1, b0, b1);
  finishTile(2, row, column + 8, a2, a3, b2, b3);
}

/** Three rows, one panel. */
function tile3(x: usize, stride: usize, panel: usize, depth: usize, row: usize, column: usize): void {
  let a = x + row * stride;
  let b = a + stride;
  let c = b + stride;
  let a0 = splat(0), a1 = splat(0);
  let b0 = splat(0), b1 = splat(0);
  let c0 = splat(0), c1 = splat(0);
  const end = panel + (depth << 5);
  const last = end - 32;
  const secondLast = end - 64;
  const thirdLast = end - 96;
  while (true) {
    let p0 = v128.load(panel);
    let p1 = v128.load(panel, 16);
    let value = v128.load32_splat(a);
    a0 = madd(value, p0, a0);
    a1 = madd(value, p1, a1);
    value = v128.load32_splat(b);
    b0 = madd(value, p0, b0);
    b1 = madd(value, p1, b1);
    value = v128.load32_splat(c);
    c0 = madd(value, p0, c0);
    c1 = madd(value, p1, c1);
    if (panel == last) break;
    p0 = v128.load(panel, 32);
    p1 = v128.load(panel, 48);
    value = v128.load32_splat(a, 4);
    a0 = madd(value, p0, a0);
    a1 = madd(value, p1, a1);
    value = v128.load32_splat(b, 4);
    b0 = madd(value, p0, b0);
    b1 = madd(value, p1, b1);
    value = v128.load32_splat(c, 4);
    c0 = madd(value, p0, c0);
    c1 = madd(value, p1, c1);
    if (panel == secondLast) break;
    p0 = v128.load(panel, 64);
    p1 = v128.load(panel, 80);
    value = v128.load32_splat(a, 8);
    a0 = madd(value, p0, a0);
    a1 = madd(value, p1, a1);
    value = v128.load32_splat(b, 8);
    b0 = madd(value, p0, b0);
    b1 = madd(value, p1, b1);
    value = v128.load32_splat(c, 8);
    c0 = madd(value, p0, c0);
    c1 = madd(value, p1, c1);
    if (panel == thirdLast) break;
    p0 = v128.load(panel, 96);
    p1 = v128.load(panel, 112);
    value = v128.load32_splat(a, 12);
    a0 = madd(value, p0, a0);
    a1 = madd(value, p1, a1);
    value = v128.load32_splat(b, 12);
    b0 = madd(value, p0, b0);
    b1 = madd(value, p1, b1);
    value = v128.load32_splat(c, 12);
    c0 = madd(value, p0, c0);
    c1 = madd(value, p1, c1);
    panel += 128;
    a += 16;
    b += 16;
    c += 16;
    if (panel == end) break;
  }
  sum0 = a0;
  sum1 = a1;
  sum2 = b0;
  sum3 = b1;
  sum4 = c0;
  sum5 = c1;
  finish(3, row, column);
}

/** Four rows, one panel: with 8 sums, 2 vectors of the panel and 4 of x a block of the loop fits into 15 registers. Every step is
 * a block of its own, because V8 loads all that a block needs before it computes. */
function tile4(x: usize, stride: usize, panel: usize, depth: usize, row: usize, column: usize): void {
  let a = x + row * stride;
  let b = a + stride;
  let c = b + stride;
  let d = c + stride;
  let a0 = splat(0), a1 = splat(0);
  let b0 = splat(0), b1 = splat(0);
  let c0 = splat(0), c1 = splat(0);
  let d0 = splat(0), d1 = splat(0);
  const end = panel + (depth << 5);
  const last = end - 32;
  const secondLast = end - 64;
  while (true) {
    let p0 = v128.load(panel);
    let p1 = v128.load(panel, 16);
    let value = v128.load32_splat(a);
    a0 = madd(value, p0, a0);
    a1 = madd(value, p1, a1);
    value = v128.load32_splat(b);
    b0 = madd(value, p0, b0);
    b1 = madd(value, p1, b1);
    value = v128.load32_splat(c);
    c0 = madd(value, p0, c0);
    c1 = madd(value, p1, c1);
    value = v128.load32_splat(d);
    d0 = madd(value, p0, d0);
    d1 = madd(value, p1, d1);
    if (panel == last) break;
    p0 = v128.load(panel, 32);
    p1 = v128.load(panel, 48);
    value = v128.load32_splat(a, 4);
    a0 = madd(value, p0, a0);
    a1 = madd(value, p1, a1);
    value = v128.load32_splat(b, 4);
    b0 = madd(value, p0, b0);
    b1 = madd(value, p1, b1);
    value = v128.load32_splat(c, 4);
    c0 = madd(value, p0, c0);
    c1 = madd(value, p1, c1);
    value = v128.load32_splat(d, 4);
    d0 = madd(value, p0, d0);
    d1 = madd(value, p1, d1);
    if (panel == secondLast) break;
    p0 = v128.load(panel, 64);
    p1 = v128.load(panel, 80);
    value = v128.load32_splat(a, 8);
    a0 = madd(value, p0, a0);
    a1 = madd(value, p1, a1);
    value = v128.load32_splat(b, 8);
    b0 = madd(value, p0, b0);
    b1 = madd(value, p1, b1);
    value = v128.load32_splat(c, 8);
    c0 = madd(value, p0, c0);
    c1 = madd(value, p1, c1);
    value = v128.load32_splat(d, 8);
    d0 = madd(value, p0, d0);
    d1 = madd(value, p1, d1);
    panel += 96;
    a += 12;
    b += 12;
    c += 12;
    d += 12;
    if (panel == end) break;
  }
  finishTile(4, row, column, a0, a1, b0, b1, c0, c1, d0, d1);
}

/** Five rows, one panel. One step a turn: a longer body runs out of registers. */
function tile5(x: usize, stride: usize, panel: usize, depth: usize, row: usize, column: usize): void {
  let a = x + row * stride;
  let b = a + stride;
  let c = b + stride;
  let d = c + stride;
  let e = d + stride;
  let a0 = splat(0), a1 = splat(0);
  let b0 = splat(0), b1 = splat(0);
  let c0 = splat(0), c1 = splat(0);
  let d0 = splat(0), d1 = splat(0);
  let e0 = splat(0), e1 = splat(0);
  const end = panel + (depth << 5);
  while (panel < end) {
    const p0 = v128.load(panel);
    const p1 = v128.load(panel, 16);
    let value = v128.load32_splat(a);
    a0 = madd(value, p0, a0);
    a1 = madd(value, p1, a1);
    value = v128.load32_splat(b);
    b0 = madd(value, p0, b0);
    b1 = madd(value, p1, b1);
    value = v128.load32_splat(c);
    c0 = madd(value, p0, c0);
    c1 = madd(value, p1, c1);
    value = v128.load32_splat(d);
    d0 = madd(value, p0, d0);
    d1 = madd(value, p1, d1);
    value = v128.load32_splat(e);
    e0 = madd(value, p0, e0);
    e1 = madd(value, p1, e1);
    panel += 32;
    a += 4;
    b += 4;
    c += 4;
    d += 4;
    e += 4;
  }
  finishTile(5, row, column, a0, a1, b0, b1, c0, c1, d0, d1, e0, e1);
}

/** Six rows, one panel, as tile5: where a product and its sum are one instruction, 58 of 58 GFLOP/s a core; else slow. */
function tile6(x: usize, stride: usize, panel: usize, depth: usize, row: usize, column: usize): void {
  let a = x + row * stride;
  let b = a + stride;
  let c = b + stride;
  let d = c + stride;
  let e = d + stride;
  let f = e + stride;
  let a0 = splat(0), a1 = splat(0);
  let b0 = splat(0), b1 = splat(0);
  let c0 = splat(0), c1 = splat(0);
  let d0 = splat(0), d1 = splat(0);
  let e0 = splat(0), e1 = splat(0);
  let f0 = splat(0), f1 = splat(0);
  const end = panel + (depth << 5);
  while (panel < end) {
    const p0 = v128.load(panel);
    const p1 = v128.load(panel, 16);
    let value = v128.load32_splat(a);
    a0 = madd(value, p0, a0);
    a1 = madd(value, p1, a1);
    value = v128.load32_splat(b);
    b0 = madd(value, p0, b0);
    b1 = madd(value, p1, b1);
    value = v128.load32_splat(c);
    c0 = madd(value, p0, c0);
    c1 = madd(value, p1, c1);
    value = v128.load32_splat(d);
    d0 = madd(value, p0, d0);
    d1 = madd(value, p1, d1);
    value = v128.load32_splat(e);
    e0 = madd(value, p0, e0);
    e1 = madd(value, p1, e1);
    value = v128.load32_splat(f);
    f0 = madd(value, p0, f0);
    f1 = madd(value, p1, f1);
    panel += 32;
    a += 4;
    b += 4;
    c += 4;
    d += 4;
    e += 4;
    f += 4;
  }
  finishTile(6, row, column, a0, a1, b0, b1, c0, c1, d0, d1, e0, e1, f0, f1);
}

/**
 * One tile of `rows` rows and one panel. Inlined at two places, so that the tiles have two callers: a function with one
 * caller would be inlined there, where V8 has fewer registers left for it.
 */
// @ts-ignore: decorator
@inline
function tile(rows: usize, x: usize, stride: usize, panel: usize, depth: usize, row: usize, column: usize): void {
  switch (<u32>rows) {
    case 2: tile2(x, stride, panel, depth, row, column); break;
    case 3: tile3(x, stride, panel, depth, row, column); break;
    case 4: tile4(x, stride, panel, depth, row, column); break;
    case 5: tile5(x, stride, panel, depth, row, column); break;
    default: tile6(x, stride, panel, depth, row, column); break;
  }
}

/** Rows [from, to) of x times all panels: `multiplyPanels` from the first column to the last. */
export function multiply(x: usize, stride: usize, packed: usize, step: usize, depth: usize, from: usize, to: usize, variant: u32): void {
  multiplyPanels(x, stride, packed, step, depth, from, to, 0, columns, variant);
}

/**
 * Rows [from, to) of x times the panels of the columns [first, end), each sum followed by what `follow` said. Rows of x are
 * `stride` bytes apart, panels `step` bytes; the first `depth` numbers of both take part. Variants: 0 the tallest tile that
 * suits the build, 1 tiles of up to 4 rows, 2 of up to 6.
 */
export function multiplyPanels(
  x: usize, stride: usize, packed: usize, step: usize, depth: usize, from: usize, to: usize, first: usize, end: usize, variant: u32,
): void {
  const tallest = variant == 0 ? TALLEST : variant == 1 ? 4 : 6;
  const block = depth > DEEP ? ROW_BLOCK : SHALLOW_ROW_BLOCK;
  let rows: usize = 0;
  for (let start = from; start < to; start += rows) {
    // A few rows that are left over join the block before: for them alone all panels would be read again.
    rows = to - start;
    if (rows >= block + (block >> 1)) rows = block;
    if (rows < 3) {
      multiplyFew(x, stride, packed, step, depth, start, rows, first, end);
      continue;
    }
    // Two rows by two panels are nearly as fast as six by one, five by one are not: 25 rows are 6, 6, 6, 5 and a pair.
    const rest = rows % 6;
    const hasPair = tallest == 6 && rows > 6 && (rest == 1 || rest == 2);
    const tall = hasPair ? rows - 2 : rows;
    // As even as can be: 25 rows in tiles of up to 4 are four times 4 and three times 3.
    const tiles = (tall + tallest - 1) / tallest;
    const height = tall / tiles;
    const higher = tall % tiles;
    let panel = packed;
    for (let column = first; column < end; column += 8) {
      let row = start;
      for (let n: usize = 0; n < higher; n++) {
        tile(height + 1, x, stride, panel, depth, row, column);
        row += height + 1;
      }
      for (let n = higher; n < tiles; n++) {
        tile(height, x, stride, panel, depth, row, column);
        row += height;
      }
      if (hasPair) {
        if (((column - first) & 8) != 0) tile2Wide(x, stride, panel - step, step, depth, row, column - 8);
        else if (column + 8 >= end) tile2(x, stride, panel, depth, row, column);
      }
      panel += step;
    }
  }
}

/** One or two rows: two panels at a time. */
function multiplyFew(x: usize, stride: usize, packed: usize, step: usize, depth: usize, row: usize, rows: usize, first: usize, end: usize): void {
  let panel = packed;
  let column = first;
  for (; column + 8 < end; column += 16) {
    if (rows == 1) tile1Wide(x, stride, panel, step, depth, row, column);
    else tile2Wide(x, stride, panel, step, depth, row, column);
    panel += step << 1;
  }
  if (column < end) {
    if (rows == 1) tile1(x, stride, panel, depth, row, column);
    else tile2(x, stride, panel, depth, row, column);
  }
}

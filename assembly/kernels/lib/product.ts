/**
 * Rows times packed panels: sum_k x[b,k] packed[p][k][l] for tiles of up to 4 rows and 8 columns, with what follows the
 * sum. A column's sum runs over k ascending in every tile, so results do not depend on how rows are cut into tiles.
 */
import { activate4, activationSlope4 } from "./activation";
import { madd, splat } from "./math";

/** Rows that go through all panels together: 64 rows of 512 floats stay in the second-level cache. */
const ROW_BLOCK: usize = 64;

// What follows a sum, set for one call of `multiply`. Globals belong to one thread: every thread has its own instance.
let columns: usize = 0;
let bias: usize = 0;
let pre: usize = 0;
let slopeKind: u32 = 0;
let addend: usize = 0;
let output: usize = 0;
let activated: usize = 0;
let activatedKind: u32 = 0;

/** Says what follows a sum: y = (sum + bias) f'(pre) + addend, activated = f(y). A zero pointer leaves its part out. */
export function follow(
  columnCount: usize, biasAt: usize, preAt: usize, slope: u32, addendAt: usize, outputAt: usize, activatedAt: usize, kind: u32,
): void {
  columns = columnCount;
  bias = biasAt;
  pre = preAt;
  slopeKind = slope;
  addend = addendAt;
  output = outputAt;
  activated = activatedAt;
  activatedKind = kind;
}

/** Four whole columns of one row; `at` = byte offset of [row, column], `column` in bytes. */
// @ts-ignore: decorator
@inline
function finish4(sum: v128, at: usize, column: usize): void {
  let value = sum;
  if (bias != 0) value = f32x4.add(value, v128.load(bias + column));
  if (pre != 0) value = f32x4.mul(value, activationSlope4(slopeKind, v128.load(pre + at)));
  if (addend != 0) value = f32x4.add(value, v128.load(addend + at));
  if (output != 0) v128.store(output + at, value);
  if (activated != 0) v128.store(activated + at, activate4(activatedKind, value));
}

/** The first columns of the last panel, one at a time. */
function finishTail(low: v128, high: v128, at: usize, column: usize): void {
  const end = columns << 2;
  let sums = low;
  for (let lane = 0; column < end; lane++, at += 4, column += 4) {
    if (lane == 4) sums = high;
    let value = f32x4.extract_lane(sums, 0);
    sums = i32x4.shuffle(sums, sums, 1, 2, 3, 0);
    if (bias != 0) value += load<f32>(bias + column);
    if (pre != 0) value *= f32x4.extract_lane(activationSlope4(slopeKind, splat(load<f32>(pre + at))), 0);
    if (addend != 0) value += load<f32>(addend + at);
    if (output != 0) store<f32>(output + at, value);
    if (activated != 0) store<f32>(activated + at, f32x4.extract_lane(activate4(activatedKind, splat(value)), 0));
  }
}

function finish8(low: v128, high: v128, row: usize, column: usize): void {
  const at = (row * columns + column) << 2;
  if (column + 8 > columns) {
    finishTail(low, high, at, column << 2);
  } else {
    finish4(low, at, column << 2);
    finish4(high, at + 16, (column << 2) + 16);
  }
}

function tile4(x: usize, stride: usize, panel: usize, depth: usize, row: usize, column: usize): void {
  let a = x + row * stride;
  let b = a + stride;
  let c = b + stride;
  let d = c + stride;
  let a0 = splat(0), a1 = splat(0), b0 = splat(0), b1 = splat(0);
  let c0 = splat(0), c1 = splat(0), d0 = splat(0), d1 = splat(0);
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
    panel += 32;
    a += 4;
    b += 4;
    c += 4;
    d += 4;
  }
  finish8(a0, a1, row, column);
  finish8(b0, b1, row + 1, column);
  finish8(c0, c1, row + 2, column);
  finish8(d0, d1, row + 3, column);
}

function tile1(x: usize, stride: usize, panel: usize, depth: usize, row: usize, column: usize): void {
  let a = x + row * stride;
  let a0 = splat(0), a1 = splat(0);
  const end = panel + (depth << 5);
  while (panel < end) {
    const value = v128.load32_splat(a);
    a0 = madd(value, v128.load(panel), a0);
    a1 = madd(value, v128.load(panel, 16), a1);
    panel += 32;
    a += 4;
  }
  finish8(a0, a1, row, column);
}

/** Rows [from, to) of x [.., depth] times all panels, each sum followed by what `follow` said. */
export function multiply(x: usize, packed: usize, depth: usize, from: usize, to: usize): void {
  const stride = depth << 2;
  for (let start = from; start < to; start += ROW_BLOCK) {
    const stop = min<usize>(start + ROW_BLOCK, to);
    let panel = packed;
    for (let column: usize = 0; column < columns; column += 8) {
      let row = start;
      for (; row + 4 <= stop; row += 4) tile4(x, stride, panel, depth, row, column);
      for (; row < stop; row++) tile1(x, stride, panel, depth, row, column);
      panel += depth << 5;
    }
  }
}

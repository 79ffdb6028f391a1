/**
 * Sums of outer products of rows: sum_b left[b,m] right[b,n] for tiles of 4 (relaxed: 6) by 8 elements, from rows packed so
 * that the inner loop reads memory in order: left in strips [b][HEIGHT], right in panels [b][8].
 */
import { madd, splat } from "./math";
import { loadPart, storePart } from "./tail";

/** Columns of left in a strip, which are rows of a tile: 6 where a product and its sum are one instruction. */
export const HEIGHT: usize = ASC_FEATURE_RELAXED_SIMD ? 6 : 4;
/** Columns of left that are packed together. */
export const GROUP: usize = HEIGHT << 2;

/** target[lane] (+)= sum of eight neighbours. */
// @ts-ignore: decorator
@inline
function put8(low: v128, high: v128, target: usize, isFirst: bool): void {
  if (!isFirst) {
    low = f32x4.add(v128.load(target), low);
    high = f32x4.add(v128.load(target, 16), high);
  }
  v128.store(target, low);
  v128.store(target, high, 16);
}

/** target[lane] (+)= sum for the first `used` of four neighbours. */
// @ts-ignore: decorator
@inline
function putPart(sums: v128, target: usize, used: usize, isFirst: bool): void {
  storePart(target, isFirst ? sums : f32x4.add(loadPart(target, <u32>used), sums), <u32>used);
}

/** target[lane] (+)= sum for the first `used` of eight lanes, which are `step` bytes apart. */
function put(low: v128, high: v128, target: usize, used: usize, step: usize, isFirst: bool): void {
  if (step == 4) {
    putPart(low, target, used, isFirst);
    if (used > 4) putPart(high, target + 16, used - 4, isFirst);
    return;
  }
  let sums = low;
  for (let lane: usize = 0; lane < used; lane++) {
    if (lane == 4) sums = high;
    const sum = f32x4.extract_lane(sums, 0);
    sums = i32x4.shuffle(sums, sums, 1, 2, 3, 0);
    store<f32>(target, isFirst ? sum : load<f32>(target) + sum);
    target += step;
  }
}

// The sums of a tile that is not whole on their way to `finish`, whose calls would cost the tiles' own code registers.
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

/** Four rows by eight columns: sums over packed rows, put to `target` at once, or left for `finish` where that is 0. */
function tile4(strip: usize, panel: usize, rows: usize, target: usize, stride: usize, isFirst: bool): void {
  let a0 = splat(0), a1 = splat(0), b0 = splat(0), b1 = splat(0);
  let c0 = splat(0), c1 = splat(0), d0 = splat(0), d1 = splat(0);
  const end = panel + (rows << 5);
  const last = end - 32;
  while (true) {
    let p0 = v128.load(panel);
    let p1 = v128.load(panel, 16);
    let value = v128.load32_splat(strip);
    a0 = madd(value, p0, a0);
    a1 = madd(value, p1, a1);
    value = v128.load32_splat(strip, 4);
    b0 = madd(value, p0, b0);
    b1 = madd(value, p1, b1);
    value = v128.load32_splat(strip, 8);
    c0 = madd(value, p0, c0);
    c1 = madd(value, p1, c1);
    value = v128.load32_splat(strip, 12);
    d0 = madd(value, p0, d0);
    d1 = madd(value, p1, d1);
    if (panel == last) break;
    p0 = v128.load(panel, 32);
    p1 = v128.load(panel, 48);
    value = v128.load32_splat(strip, 16);
    a0 = madd(value, p0, a0);
    a1 = madd(value, p1, a1);
    value = v128.load32_splat(strip, 20);
    b0 = madd(value, p0, b0);
    b1 = madd(value, p1, b1);
    value = v128.load32_splat(strip, 24);
    c0 = madd(value, p0, c0);
    c1 = madd(value, p1, c1);
    value = v128.load32_splat(strip, 28);
    d0 = madd(value, p0, d0);
    d1 = madd(value, p1, d1);
    panel += 64;
    strip += 32;
    if (panel == end) break;
  }
  if (target != 0) {
    put8(a0, a1, target, isFirst);
    put8(b0, b1, target += stride, isFirst);
    put8(c0, c1, target += stride, isFirst);
    put8(d0, d1, target += stride, isFirst);
    return;
  }
  sum0 = a0;
  sum1 = a1;
  sum2 = b0;
  sum3 = b1;
  sum4 = c0;
  sum5 = c1;
  sum6 = d0;
  sum7 = d1;
}

/** As tile4, six rows for strips of six. One step a turn: a longer body runs out of registers. */
function tile6(strip: usize, panel: usize, rows: usize, target: usize, stride: usize, isFirst: bool): void {
  let a0 = splat(0), a1 = splat(0), b0 = splat(0), b1 = splat(0), c0 = splat(0), c1 = splat(0);
  let d0 = splat(0), d1 = splat(0), e0 = splat(0), e1 = splat(0), f0 = splat(0), f1 = splat(0);
  const end = panel + (rows << 5);
  while (panel < end) {
    const p0 = v128.load(panel);
    const p1 = v128.load(panel, 16);
    let value = v128.load32_splat(strip);
    a0 = madd(value, p0, a0);
    a1 = madd(value, p1, a1);
    value = v128.load32_splat(strip, 4);
    b0 = madd(value, p0, b0);
    b1 = madd(value, p1, b1);
    value = v128.load32_splat(strip, 8);
    c0 = madd(value, p0, c0);
    c1 = madd(value, p1, c1);
    value = v128.load32_splat(strip, 12);
    d0 = madd(value, p0, d0);
    d1 = madd(value, p1, d1);
    value = v128.load32_splat(strip, 16);
    e0 = madd(value, p0, e0);
    e1 = madd(value, p1, e1);
    value = v128.load32_splat(strip, 20);
    f0 = madd(value, p0, f0);
    f1 = madd(value, p1, f1);
    panel += 32;
    strip += 24;
  }
  if (target != 0) {
    put8(a0, a1, target, isFirst);
    put8(b0, b1, target += stride, isFirst);
    put8(c0, c1, target += stride, isFirst);
    put8(d0, d1, target += stride, isFirst);
    put8(e0, e1, target += stride, isFirst);
    put8(f0, f1, target += stride, isFirst);
    return;
  }
  sum0 = a0;
  sum1 = a1;
  sum2 = b0;
  sum3 = b1;
  sum4 = c0;
  sum5 = c1;
  sum6 = d0;
  sum7 = d1;
  sum8 = e0;
  sum9 = e1;
  sum10 = f0;
  sum11 = f1;
}

/** Writes (adds, if not first) the sums of a tile into the rows and columns that there are. */
function finish(target: usize, stride: usize, step: usize, usedRows: usize, usedColumns: usize, isFirst: bool): void {
  put(sum0, sum1, target, usedColumns, step, isFirst);
  if (usedRows > 1) put(sum2, sum3, target += stride, usedColumns, step, isFirst);
  if (usedRows > 2) put(sum4, sum5, target += stride, usedColumns, step, isFirst);
  if (usedRows > 3) put(sum6, sum7, target += stride, usedColumns, step, isFirst);
  if (HEIGHT < 6) return;
  if (usedRows > 4) put(sum8, sum9, target += stride, usedColumns, step, isFirst);
  if (usedRows > 5) put(sum10, sum11, target += stride, usedColumns, step, isFirst);
}

/**
 * Sums one strip and one panel over `rows` packed rows, at least one, and writes (adds, if not first) the sums of the rows and
 * columns that are used, at most eight columns: rows are `stride` bytes apart, columns `step` bytes.
 */
// @ts-ignore: decorator
@inline
export function multiplyTile(
  strip: usize, panel: usize, rows: usize, target: usize, stride: usize, step: usize, usedRows: usize, usedColumns: usize, isFirst: bool,
): void {
  const isWhole = usedRows >= HEIGHT && usedColumns == 8 && step == 4;
  const at: usize = isWhole ? target : 0;
  if (ASC_FEATURE_RELAXED_SIMD) tile6(strip, panel, rows, at, stride, isFirst);
  else tile4(strip, panel, rows, at, stride, isFirst);
  if (!isWhole) finish(target, stride, step, usedRows, usedColumns, isFirst);
}

/** target[m] (+)= sum_b left[b,m] for the `count` columns of strips `step` bytes apart. */
export function sumStrips(strips: usize, step: usize, rows: usize, target: usize, count: usize, isFirst: bool): void {
  for (let m: usize = 0; m < count; m += HEIGHT) {
    let low = splat(0);
    let high = splat(0);
    let at = strips;
    for (let b: usize = 0; b < rows; b++) {
      low = f32x4.add(low, v128.load(at));
      if (HEIGHT == 6) high = f32x4.add(high, v128.load64_zero(at, 16));
      at += HEIGHT << 2;
    }
    put(low, high, target + (m << 2), min<usize>(HEIGHT, count - m), 4, isFirst);
    strips += step;
  }
}

// linear_backward_weight — dW[s, o, column + i] = sum_b dy[b,o] x[b,i]; db[s, o] = sum_b dy[b,o]; b in part s of S parts
// shapes  dy [B, O] f32; x [B, I] f32; dWeight [S, O, rowStride] f32, of which columns column .. column + I are written;
//         dBias [S, O] f32, optional; scratch [ceil(I / 8), 32 128 + 80] f32.
//         Part s has rows s R .. s R + R, R = 128 ceil(ceil(B / S) / 128)
// owns    unit: 8 columns of dW (thread of unit 0: db too)
// order   over b ascending in blocks of 128, f32; the sums of blocks ascending
// alias   dWeight and dBias may be separate parts of one buffer
// test    test/kernels/linear.test.ts  rtol 2e-6
//
// A block of 128 rows at a time: the thread's columns of x go into panels [128][8], four times 4 (relaxed: 6) columns of
// dy into strips [128][4], so that the inner loop reads memory in order. A thread's packing space is the scratch of its own units.
import { madd, splat } from "../lib/math";

const BLOCK: usize = 128;
/** Bytes from one panel of x to the next: a line more than its 128 rows, so that panels start in different sets of a cache. */
const PANEL_BYTES: usize = (BLOCK << 5) + 64;
/** Columns of dy in a strip, which are rows of a tile: 6 where a product and its sum are one instruction. */
const HEIGHT: usize = ASC_FEATURE_RELAXED_SIMD ? 6 : 4;
/** Bytes from one strip of dy to the next, likewise. */
const STRIP_BYTES: usize = BLOCK * (HEIGHT << 2) + 64;
/** Columns of dy that are packed together. */
const GROUP: usize = HEIGHT << 2;
/** Scratch of a unit: its panel, and room for four strips. */
const UNIT_BYTES: usize = PANEL_BYTES + (STRIP_BYTES << 2);

/** packed[p][b][l] = source[b, lanes p + l], lanes = 4, 6 or 8, 0 from `columns` on: whole rows at a time, which is how they lie in memory. */
function pack(source: usize, stride: usize, rows: usize, columns: usize, lanes: usize, packed: usize, step: usize): void {
  const width = lanes << 2;
  const whole = columns / lanes;
  const rest = columns - whole * lanes;
  for (let b: usize = 0; b < rows; b++) {
    let from = source;
    let to = packed;
    if (lanes == 8) {
      for (let p: usize = 0; p < whole; p++, from += 32, to += step) {
        v128.store(to, v128.load(from));
        v128.store(to, v128.load(from, 16), 16);
      }
    } else {
      for (let p: usize = 0; p < whole; p++, from += width, to += step) {
        v128.store(to, v128.load(from));
        if (lanes == 6) store<u64>(to, load<u64>(from, 16), 16);
      }
    }
    if (rest > 0) {
      for (let l: usize = 0; l < lanes; l++) store<f32>(to + (l << 2), l < rest ? load<f32>(from + (l << 2)) : 0);
    }
    source += stride;
    packed += width;
  }
}

/** target[lane] (+)= sum for the first `used` of eight lanes. */
function put(low: v128, high: v128, target: usize, used: usize, isFirst: bool): void {
  if (used >= 8) {
    if (!isFirst) {
      low = f32x4.add(v128.load(target), low);
      high = f32x4.add(v128.load(target, 16), high);
    }
    v128.store(target, low);
    v128.store(target, high, 16);
    return;
  }
  let sums = low;
  for (let lane: usize = 0; lane < used; lane++) {
    if (lane == 4) sums = high;
    const sum = f32x4.extract_lane(sums, 0);
    sums = i32x4.shuffle(sums, sums, 1, 2, 3, 0);
    store<f32>(target, isFirst ? sum : load<f32>(target) + sum);
    target += 4;
  }
}

// The sums of one tile on their way to `finish`; kept out of the tiles' own code, which has no registers to spare.
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

/** Four rows by eight columns of dW: sums over the rows of a block. */
function tile4(strip: usize, panel: usize, rows: usize): void {
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
  sum0 = a0;
  sum1 = a1;
  sum2 = b0;
  sum3 = b1;
  sum4 = c0;
  sum5 = c1;
  sum6 = d0;
  sum7 = d1;
}

/** Six rows by eight columns of dW, for strips of six. One step a turn: a longer body runs out of registers. */
function tile6(strip: usize, panel: usize, rows: usize): void {
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

/** Writes the sums of a tile into the rows and columns of dW that there are. */
function finish(target: usize, stride: usize, usedRows: usize, usedColumns: usize, isFirst: bool): void {
  put(sum0, sum1, target, usedColumns, isFirst);
  if (usedRows > 1) put(sum2, sum3, target += stride, usedColumns, isFirst);
  if (usedRows > 2) put(sum4, sum5, target += stride, usedColumns, isFirst);
  if (usedRows > 3) put(sum6, sum7, target += stride, usedColumns, isFirst);
  if (HEIGHT < 6) return;
  if (usedRows > 4) put(sum8, sum9, target += stride, usedColumns, isFirst);
  if (usedRows > 5) put(sum10, sum11, target += stride, usedColumns, isFirst);
}

/** Columns of dW [target, + usedColumns) for all strips of a group. */
// @ts-ignore: decorator
@inline
function sumPanel(
  strips: usize, panel: usize, rows: usize, target: usize, stride: usize, outputs: usize, usedColumns: usize, isFirst: bool,
): void {
  for (let o: usize = 0; o < outputs; o += HEIGHT) {
    if (ASC_FEATURE_RELAXED_SIMD) tile6(strips, panel, rows);
    else tile4(strips, panel, rows);
    finish(target, stride, outputs - o, usedColumns, isFirst);
    strips += STRIP_BYTES;
    target += HEIGHT * stride;
  }
}

/** db[o] (+)= the sum of column o of a block of dy, for the columns of a group. */
function addRows(strips: usize, rows: usize, dBias: usize, group: usize, groupEnd: usize, isFirst: bool): void {
  for (let o = group; o < groupEnd; o += HEIGHT) {
    let low = splat(0);
    let high = splat(0);
    let at = strips;
    for (let b: usize = 0; b < rows; b++) {
      low = f32x4.add(low, v128.load(at));
      if (HEIGHT == 6) high = f32x4.add(high, v128.load64_zero(at, 16));
      at += HEIGHT << 2;
    }
    put(low, high, dBias + (o << 2), min<usize>(HEIGHT, groupEnd - o), isFirst);
    strips += STRIP_BYTES;
  }
}

/** A part without rows is zero: columns [8 from, to) of dW, and all of db. */
function clear(dWeight: usize, stride: usize, outFeatures: usize, from: usize, to: usize, dBias: usize): void {
  for (let o: usize = 0; o < outFeatures; o++) {
    memory.fill(dWeight + o * stride + (from << 5), 0, (to - (from << 3)) << 2);
  }
  if (dBias != 0) memory.fill(dBias, 0, outFeatures << 2);
}

/** args: rows, inFeatures, outFeatures, rowStride, column, hasBias, parts; dy, x, dWeight, dBias, scratch */
export function linearBackwardWeight(args: usize, from: u32, to: u32): void {
  const rows = <usize>load<u32>(args);
  const parts = <usize>load<u32>(args, 24);
  const partRows = ((rows + parts - 1) / parts + BLOCK - 1) / BLOCK * BLOCK;
  const outFeatures = <usize>load<u32>(args, 8);
  let dWeight = <usize>load<u32>(args, 36) + (<usize>load<u32>(args, 16) << 2);
  let dBias = from == 0 ? <usize>load<u32>(args, 40) : 0;
  for (let s: usize = 0; s < parts; s++) {
    sumPart(args, from, to, min<usize>(s * partRows, rows), min<usize>(s * partRows + partRows, rows), dWeight, dBias);
    dWeight += (outFeatures * load<u32>(args, 12)) << 2;
    if (dBias != 0) dBias += outFeatures << 2;
  }
}

/** One part: rows [start, stop), columns of the units [from, to). */
function sumPart(args: usize, from: u32, to: u32, start: usize, stop: usize, dWeight: usize, dBias: usize): void {
  const inFeatures = <usize>load<u32>(args, 4);
  const outFeatures = <usize>load<u32>(args, 8);
  const stride = <usize>load<u32>(args, 12) << 2;
  const dy = <usize>load<u32>(args, 28);
  const x = <usize>load<u32>(args, 32);
  const columns = min<usize>(<usize>to << 3, inFeatures) - (<usize>from << 3);
  const panels = <usize>load<u32>(args, 44) + from * UNIT_BYTES;
  const strips = panels + (to - from) * PANEL_BYTES;
  if (start == stop) {
    clear(dWeight, stride, outFeatures, from, (<usize>from << 3) + columns, dBias);
    return;
  }
  for (let block = start; block < stop; block += BLOCK) {
    const count = min<usize>(BLOCK, stop - block);
    const isFirst = block == start;
    const xBlock = x + ((block * inFeatures + (<usize>from << 3)) << 2);
    pack(xBlock, inFeatures << 2, count, columns, 8, panels, PANEL_BYTES);
    for (let group: usize = 0; group < outFeatures; group += GROUP) {
      const groupEnd = min<usize>(group + GROUP, outFeatures);
      pack(dy + ((block * outFeatures + group) << 2), outFeatures << 2, count, groupEnd - group, HEIGHT, strips, STRIP_BYTES);
      if (dBias != 0) addRows(strips, count, dBias, group, groupEnd, isFirst);
      // Whole panels, then the rest of the columns: tiles with two callers are not inlined here, where registers are few.
      let target = dWeight + group * stride + (<usize>from << 5);
      let panel = panels;
      let left = columns;
      for (; left >= 8; left -= 8) {
        sumPanel(strips, panel, count, target, stride, groupEnd - group, 8, isFirst);
        panel += PANEL_BYTES;
        target += 32;
      }
      if (left > 0) sumPanel(strips, panel, count, target, stride, groupEnd - group, left, isFirst);
    }
  }
}

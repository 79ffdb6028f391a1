// linear_backward_weight — dW[s, o, column + i] = sum_b dy[b,o] x[b,i]; db[s, o] = sum_b dy[b,o]; b in part s of S parts
// shapes  dy [B, O] f32; x [B, I] f32; dWeight [S, O, rowStride] f32, of which columns column .. column + I are written;
//         dBias [S, O] f32, optional; scratch [ceil(I / 8), 24 128 + 80] f32.
//         Part s has rows s R .. s R + R, R = 128 ceil(ceil(B / S) / 128)
// owns    unit: 8 columns of dW (thread of unit 0: db too)
// order   over b ascending in blocks of 128, f32; the sums of blocks ascending
// alias   dWeight and dBias may be separate parts of one buffer
// test    test/kernels/linear.test.ts  rtol 2e-6
//
// A block of 128 rows at a time: the thread's columns of x go into panels [128][8], 16 columns of dy into strips
// [128][4], so that the inner loop reads memory in order. A thread's packing space is the scratch of its own units.
import { madd, splat } from "../lib/math";

const BLOCK: usize = 128;
/** Bytes from one panel of x to the next: a line more than its 128 rows, so that panels start in different sets of a cache. */
const PANEL_BYTES: usize = (BLOCK << 5) + 64;
/** Bytes from one strip of dy to the next, likewise. */
const STRIP_BYTES: usize = (BLOCK << 4) + 64;
/** Scratch of a unit: its panel, and room for four strips. */
const UNIT_BYTES: usize = PANEL_BYTES + (STRIP_BYTES << 2);

/** packed[p][b][l] = source[b, lanes p + l], 0 from `columns` on: whole rows at a time, which is how they lie in memory. */
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
      for (let p: usize = 0; p < whole; p++, from += 16, to += step) v128.store(to, v128.load(from));
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

/** Four rows by eight columns of dW: sums over the rows of a block. */
function tile(
  strip: usize, panel: usize, rows: usize, target: usize, stride: usize, usedRows: usize, usedColumns: usize, isFirst: bool,
): void {
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
  put(a0, a1, target, usedColumns, isFirst);
  if (usedRows > 1) put(b0, b1, target + stride, usedColumns, isFirst);
  if (usedRows > 2) put(c0, c1, target + (stride << 1), usedColumns, isFirst);
  if (usedRows > 3) put(d0, d1, target + stride * 3, usedColumns, isFirst);
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
    for (let group: usize = 0; group < outFeatures; group += 16) {
      const groupEnd = min<usize>(group + 16, outFeatures);
      pack(dy + ((block * outFeatures + group) << 2), outFeatures << 2, count, groupEnd - group, 4, strips, STRIP_BYTES);
      if (dBias != 0) {
        for (let o = group; o < groupEnd; o += 4) {
          const strip = strips + ((o - group) >> 2) * STRIP_BYTES;
          let sum = splat(0);
          for (let b: usize = 0; b < count; b++) sum = f32x4.add(sum, v128.load(strip + (b << 4)));
          put(sum, sum, dBias + (o << 2), min<usize>(4, outFeatures - o), isFirst);
        }
      }
      for (let u = from; u < to; u++) {
        const usedColumns = min<usize>(8, inFeatures - (<usize>u << 3));
        for (let o = group; o < groupEnd; o += 4) {
          tile(
            strips + ((o - group) >> 2) * STRIP_BYTES, panels + (u - from) * PANEL_BYTES, count,
            dWeight + o * stride + (<usize>u << 5), stride, outFeatures - o, usedColumns, isFirst,
          );
        }
      }
    }
  }
}

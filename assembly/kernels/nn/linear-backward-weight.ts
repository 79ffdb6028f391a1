// linear_backward_weight — dW[s, o, column + i] = sum_b dy[b,o] x[b,i]; db[s, o] = sum_b dy[b,o]; b in part s of S parts
// shapes  dy [B, O] f32; x [B, I] f32; dWeight [S, O, rowStride] f32, of which columns column .. column + I are written;
//         dBias [S, O] f32, optional; scratch [ceil(I / 8), 32 128 + 80] f32, if O > I [ceil(O / 12), 28 128 + 80].
//         Part s has rows s R .. s R + R, R = 128 ceil(ceil(B / S) / 128)
// owns    unit: 8 columns of dW, and its share of db in whole strips; if O > I: 12 rows of dW and db
// order   over b ascending in blocks of 128, f32; the sums of blocks ascending
// alias   dWeight and dBias may be separate parts of one buffer
// test    test/kernels/linear.test.ts  rtol 2e-6
//
// A block of 128 rows at a time: columns of x go into panels [128][8], those of dy into strips [128][4] (relaxed: [128][6]),
// so that the inner loop reads memory in order. A thread packs its units' columns of the wider of the two matrices, and all
// of the other, as many at a time as the scratch of its units holds.
import { GROUP, HEIGHT, multiplyTile, sumStrips } from "../lib/outer-product";
import { pack } from "../lib/pack";

const BLOCK: usize = 128;
/** Bytes from one panel of x to the next: a line more than its 128 rows, so that panels start in different sets of a cache. */
const PANEL_BYTES: usize = (BLOCK << 5) + 64;
/** Bytes from one strip of dy to the next, likewise. */
const STRIP_BYTES: usize = BLOCK * (HEIGHT << 2) + 64;
/** Most groups of four strips that are packed together: 512 columns and a thread's panels share the second-level cache. */
const SPAN_GROUPS: usize = 24;
/** Scratch of a unit of 8 columns of dW: its panel, and room for four strips. */
const COLUMNS_BYTES: usize = PANEL_BYTES + (STRIP_BYTES << 2);
/** Rows of dW in a unit where they are more than columns: whole strips in both builds, of four and of six. */
const UNIT_ROWS: usize = 12;
/** Scratch of such a unit: its strips (those of four take more), and room for two panels. */
const ROWS_BYTES: usize = UNIT_ROWS * (BLOCK << 2) + 192 + (PANEL_BYTES << 1);

/** Columns of dW [target, + usedColumns) for all strips of a group. */
// @ts-ignore: decorator
@inline
function sumPanel(
  strips: usize, panel: usize, rows: usize, target: usize, stride: usize, outputs: usize, usedColumns: usize, isFirst: bool,
): void {
  for (let o: usize = 0; o < outputs; o += HEIGHT) {
    multiplyTile(strips, panel, rows, target, stride, 4, outputs - o, usedColumns, isFirst);
    strips += STRIP_BYTES;
    target += HEIGHT * stride;
  }
}

/** The first output whose db is the share of `unit` or of one after it. */
// @ts-ignore: decorator
@inline
function firstBias(unit: usize, units: usize, outFeatures: usize): usize {
  return min<usize>((unit * outFeatures / units + HEIGHT - 1) / HEIGHT * HEIGHT, outFeatures);
}

/** args: rows, inFeatures, outFeatures, rowStride, column, hasBias, parts; dy, x, dWeight, dBias, scratch */
export function linearBackwardWeight(args: usize, from: u32, to: u32): void {
  const rows = <usize>load<u32>(args);
  const parts = <usize>load<u32>(args, 24);
  const partRows = ((rows + parts - 1) / parts + BLOCK - 1) / BLOCK * BLOCK;
  const outFeatures = <usize>load<u32>(args, 8);
  let dWeight = <usize>load<u32>(args, 36) + (<usize>load<u32>(args, 16) << 2);
  let dBias = <usize>load<u32>(args, 40);
  for (let s: usize = 0; s < parts; s++) {
    sumPart(args, from, to, min<usize>(s * partRows, rows), min<usize>(s * partRows + partRows, rows), dWeight, dBias);
    dWeight += (outFeatures * load<u32>(args, 12)) << 2;
    if (dBias != 0) dBias += outFeatures << 2;
  }
}

/** One part: rows [start, stop), columns or rows of dW of the units [from, to). */
function sumPart(args: usize, from: u32, to: u32, start: usize, stop: usize, dWeight: usize, dBias: usize): void {
  const inFeatures = <usize>load<u32>(args, 4);
  const outFeatures = <usize>load<u32>(args, 8);
  const stride = <usize>load<u32>(args, 12) << 2;
  const dy = <usize>load<u32>(args, 28);
  const x = <usize>load<u32>(args, 32);
  const units = <usize>(to - from);
  const isWide = outFeatures > inFeatures;
  // What of dW, and of db, is the thread's own, and how much of the two inputs is packed at a time. Rows are packed whole if
  // they can, because memory is read fastest in the order in which it lies.
  let inFrom: usize = 0;
  let inTo = inFeatures;
  let outFrom: usize = 0;
  let outTo = outFeatures;
  let inSpan: usize;
  let outSpan: usize;
  let biasFrom: usize;
  let biasTo: usize;
  let panels = <usize>load<u32>(args, 44);
  if (isWide) {
    biasFrom = outFrom = from * UNIT_ROWS;
    biasTo = outTo = min<usize>(to * UNIT_ROWS, outFeatures);
    inSpan = units << 4;
    outSpan = outTo - outFrom;
    panels += from * ROWS_BYTES;
  } else {
    inFrom = <usize>from << 3;
    inTo = min<usize>(<usize>to << 3, inFeatures);
    inSpan = inTo - inFrom;
    outSpan = GROUP * min<usize>(units, SPAN_GROUPS);
    const all = (inFeatures + 7) >> 3;
    biasFrom = firstBias(from, all, outFeatures);
    biasTo = firstBias(to, all, outFeatures);
    panels += from * COLUMNS_BYTES;
  }
  if (start == stop) {
    // A part without rows is zero.
    for (let o = outFrom; o < outTo; o++) memory.fill(dWeight + o * stride + (inFrom << 2), 0, (inTo - inFrom) << 2);
    if (dBias != 0 && biasFrom < biasTo) memory.fill(dBias + (biasFrom << 2), 0, (biasTo - biasFrom) << 2);
    return;
  }
  const strips = panels + (min<usize>(inSpan, inFeatures) + 7 >> 3) * PANEL_BYTES;
  for (let block = start; block < stop; block += BLOCK) {
    const count = min<usize>(BLOCK, stop - block);
    const isFirst = block == start;
    for (let column = inFrom; column < inTo; column += inSpan) {
      const columns = min<usize>(inSpan, inTo - column);
      pack(x + ((block * inFeatures + column) << 2), inFeatures << 2, count, columns, 8, panels, PANEL_BYTES);
      for (let span = outFrom; span < outTo; span += outSpan) {
        const spanEnd = min<usize>(span + outSpan, outTo);
        // All strips of a wide matrix' units are packed already when its second panels come.
        if (!isWide || column == 0) {
          pack(dy + ((block * outFeatures + span) << 2), outFeatures << 2, count, spanEnd - span, HEIGHT, strips, STRIP_BYTES);
          const own = max<usize>(span, biasFrom);
          const ownEnd = min<usize>(spanEnd, biasTo);
          if (dBias != 0 && own < ownEnd) {
            sumStrips(strips + (own - span) / HEIGHT * STRIP_BYTES, STRIP_BYTES, count, dBias + (own << 2), ownEnd - own, isFirst);
          }
        }
        sumSpan(strips, panels, count, dWeight + span * stride + (column << 2), stride, spanEnd - span, columns, isFirst);
      }
    }
  }
}

/** `outputs` rows by `columns` columns of dW, a group of strips at a time. */
function sumSpan(strips: usize, panels: usize, rows: usize, dWeight: usize, stride: usize, outputs: usize, columns: usize, isFirst: bool): void {
  for (let group: usize = 0; group < outputs; group += GROUP) {
    const count = min<usize>(GROUP, outputs - group);
    // Whole panels, then the rest of the columns: tiles with two callers are not inlined here, where registers are few.
    let target = dWeight + group * stride;
    let panel = panels;
    let left = columns;
    for (; left >= 8; left -= 8) {
      sumPanel(strips, panel, rows, target, stride, count, 8, isFirst);
      panel += PANEL_BYTES;
      target += 32;
    }
    if (left > 0) sumPanel(strips, panel, rows, target, stride, count, left, isFirst);
    strips += STRIP_BYTES << 2;
  }
}

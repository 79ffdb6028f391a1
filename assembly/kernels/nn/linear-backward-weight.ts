// linear_backward_weight — dW[s, o, column + i] = sum_b dy[b,o] x[b,i]; db[s, o] = sum_b dy[b,o]; b in part s of S parts
// shapes  dy [B, O] f32; x [B, I] f32; dWeight [S, O, rowStride] f32, of which columns column .. column + I are written;
//         dBias [S, O] f32, optional; scratch [ceil(I / 8), 32 128 + 80] f32.
//         Part s has rows s R .. s R + R, R = 128 ceil(ceil(B / S) / 128)
// owns    unit: 8 columns of dW, and its share of db in whole strips
// order   over b ascending in blocks of 128, f32; the sums of blocks ascending
// alias   dWeight and dBias may be separate parts of one buffer
// test    test/kernels/linear.test.ts  rtol 2e-6
//
// A block of 128 rows at a time: the thread's columns of x go into panels [128][8], the columns of dy into strips [128][4]
// (relaxed: [128][6]), as many as the scratch of the thread's own units holds, so that the inner loop reads memory in order.
import { finish, GROUP, HEIGHT, multiplyTile, pack, sumStrips } from "../lib/outer-product";

const BLOCK: usize = 128;
/** Bytes from one panel of x to the next: a line more than its 128 rows, so that panels start in different sets of a cache. */
const PANEL_BYTES: usize = (BLOCK << 5) + 64;
/** Bytes from one strip of dy to the next, likewise. */
const STRIP_BYTES: usize = BLOCK * (HEIGHT << 2) + 64;
/** Most groups of four strips that are packed together: 512 columns and a thread's panels share the second-level cache. */
const SPAN_GROUPS: usize = 24;
/** Scratch of a unit: its panel, and room for four strips. */
const UNIT_BYTES: usize = PANEL_BYTES + (STRIP_BYTES << 2);

/** Columns of dW [target, + usedColumns) for all strips of a group. */
// @ts-ignore: decorator
@inline
function sumPanel(
  strips: usize, panel: usize, rows: usize, target: usize, stride: usize, outputs: usize, usedColumns: usize, isFirst: bool,
): void {
  for (let o: usize = 0; o < outputs; o += HEIGHT) {
    multiplyTile(strips, panel, rows);
    finish(target, stride, 4, outputs - o, usedColumns, isFirst);
    strips += STRIP_BYTES;
    target += HEIGHT * stride;
  }
}

/** A part without rows is zero: columns [8 from, to) of dW, and db between two outputs. */
function clear(dWeight: usize, stride: usize, outFeatures: usize, from: usize, to: usize, dBias: usize, biasFrom: usize, biasTo: usize): void {
  for (let o: usize = 0; o < outFeatures; o++) {
    memory.fill(dWeight + o * stride + (from << 5), 0, (to - (from << 3)) << 2);
  }
  if (dBias != 0 && biasFrom < biasTo) memory.fill(dBias + (biasFrom << 2), 0, (biasTo - biasFrom) << 2);
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
  // Rows of dy are packed whole if they can, because memory is read fastest in the order in which it lies.
  const spanColumns = GROUP * min<usize>(to - from, SPAN_GROUPS);
  const units = (inFeatures + 7) >> 3;
  const biasFrom = firstBias(from, units, outFeatures);
  const biasTo = firstBias(to, units, outFeatures);
  if (start == stop) {
    clear(dWeight, stride, outFeatures, from, (<usize>from << 3) + columns, dBias, biasFrom, biasTo);
    return;
  }
  for (let block = start; block < stop; block += BLOCK) {
    const count = min<usize>(BLOCK, stop - block);
    const isFirst = block == start;
    const xBlock = x + ((block * inFeatures + (<usize>from << 3)) << 2);
    pack(xBlock, inFeatures << 2, count, columns, 8, panels, PANEL_BYTES);
    for (let span: usize = 0; span < outFeatures; span += spanColumns) {
      const spanEnd = min<usize>(span + spanColumns, outFeatures);
      pack(dy + ((block * outFeatures + span) << 2), outFeatures << 2, count, spanEnd - span, HEIGHT, strips, STRIP_BYTES);
      const own = max<usize>(span, biasFrom);
      const ownEnd = min<usize>(spanEnd, biasTo);
      if (dBias != 0 && own < ownEnd) {
        sumStrips(strips + (own - span) / HEIGHT * STRIP_BYTES, STRIP_BYTES, count, dBias + (own << 2), ownEnd - own, isFirst);
      }
      let groupStrips = strips;
      for (let group = span; group < spanEnd; group += GROUP) {
        const groupEnd = min<usize>(group + GROUP, spanEnd);
        // Whole panels, then the rest of the columns: tiles with two callers are not inlined here, where registers are few.
        let target = dWeight + group * stride + (<usize>from << 5);
        let panel = panels;
        let left = columns;
        for (; left >= 8; left -= 8) {
          sumPanel(groupStrips, panel, count, target, stride, groupEnd - group, 8, isFirst);
          panel += PANEL_BYTES;
          target += 32;
        }
        if (left > 0) sumPanel(groupStrips, panel, count, target, stride, groupEnd - group, left, isFirst);
        groupStrips += STRIP_BYTES << 2;
      }
    }
  }
}

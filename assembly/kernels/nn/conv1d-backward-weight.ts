// conv1d_backward_weight — dW[s, column + c, t] = sum_(b, o) short[b,o,s] long[b, o stride + t - padding, c], positions inside only;
//                          db[s] = sum_(b, o) short[b,o,s]
// shapes  short [B, O, S] f32; long [B, L, C] f32; dWeight [S, weightChannels, K] f32, of which channels column .. column + C are
//         written; dBias [S] f32, optional; scratch [ceil(C / 8), (8 L + 24 O) R + 80] f32, R = blockRows
// owns    unit: 8 channels of long (thread of unit 0: db too)
// order   over (o, b) ascending in blocks of R samples, f32; the sums of blocks ascending
// alias   dWeight and dBias may be separate parts of one buffer
// test    test/kernels/conv1d.test.ts  rtol 2e-6
//
// A block of samples at a time: the thread's channels of long go into panels [position][sample][8], four times 4 (relaxed: 6)
// channels of short into strips [position][sample][4]. Positions of long with the same remainder by the stride are neighbours, so
// that the positions which one tap pairs are consecutive in both, and a tap is one sum over packed rows.
import { GROUP, HEIGHT, multiplyTile, sumStrips } from "../lib/outer-product";
import { pack } from "../lib/pack";

/** Bytes from one panel or strip to the next beyond its rows: one line, so that they start in different sets of a cache. */
const GAP: usize = 64;
/** Elements of a unit's scratch for each row of short: four strips of the tallest tile. */
const STRIP_ELEMENTS: usize = 24;

/** args: rows, shortLength, shortChannels, longLength, longChannels, weightChannels, column, kernel, stride, padding, blockRows, hasBias; short, long, dWeight, dBias, scratch */
export function conv1dBackwardWeight(args: usize, from: u32, to: u32): void {
  const rows = <usize>load<u32>(args);
  const shortLength = <usize>load<u32>(args, 4);
  const shortChannels = <usize>load<u32>(args, 8);
  const longLength = <usize>load<u32>(args, 12);
  const longChannels = <usize>load<u32>(args, 16);
  const stride = <usize>load<u32>(args, 32);
  const blockRows = <usize>load<u32>(args, 40);
  const dBias = from == 0 ? <usize>load<u32>(args, 60) : 0;
  const first = <usize>from << 3;
  const columns = min<usize>(<usize>to << 3, longChannels) - first;
  const panelBytes = ((longLength * blockRows) << 5) + GAP;
  const stripBytes = shortLength * blockRows * (HEIGHT << 2) + GAP;
  const unitBytes = ((8 * longLength + STRIP_ELEMENTS * shortLength) * blockRows + 80) << 2;
  const panels = <usize>load<u32>(args, 64) + from * unitBytes;
  const strips = panels + (to - from) * panelBytes;
  const short = <usize>load<u32>(args, 48);
  const long = <usize>load<u32>(args, 52);
  for (let block: usize = 0; block < rows; block += blockRows) {
    const count = min<usize>(blockRows, rows - block);
    const isFirst = block == 0;
    let to8 = panels;
    for (let rest: usize = 0; rest < stride; rest++) {
      for (let j = rest; j < longLength; j += stride) {
        pack(long + (((block * longLength + j) * longChannels + first) << 2), (longLength * longChannels) << 2, count, columns, 8, to8, panelBytes);
        to8 += count << 5;
      }
    }
    for (let group: usize = 0; group < shortChannels; group += GROUP) {
      const groupEnd = min<usize>(group + GROUP, shortChannels);
      for (let o: usize = 0; o < shortLength; o++) {
        pack(
          short + (((block * shortLength + o) * shortChannels + group) << 2), (shortLength * shortChannels) << 2, count, groupEnd - group, HEIGHT,
          strips + o * count * (HEIGHT << 2), stripBytes,
        );
      }
      if (dBias != 0) sumStrips(strips, stripBytes, shortLength * count, dBias + (group << 2), groupEnd - group, isFirst);
      sumTaps(args, strips, stripBytes, panels, panelBytes, count, group, groupEnd, first, columns, isFirst);
    }
  }
}

/** All taps of the channels [group, groupEnd) of short and [first, first + columns) of long. */
function sumTaps(
  args: usize, strips: usize, stripBytes: usize, panels: usize, panelBytes: usize, count: usize, group: usize, groupEnd: usize,
  first: usize, columns: usize, isFirst: bool,
): void {
  const shortLength = <isize>load<u32>(args, 4);
  const longLength = <isize>load<u32>(args, 12);
  const weightChannels = <usize>load<u32>(args, 20);
  const kernel = <usize>load<u32>(args, 28);
  const stride = <isize>load<u32>(args, 32);
  const padding = <isize>load<u32>(args, 36);
  const rowBytes = (weightChannels * kernel) << 2;
  const dWeight = <usize>load<u32>(args, 56) + ((((group * weightChannels) + load<u32>(args, 24) + first) * kernel) << 2);
  for (let t: usize = 0; t < kernel; t++) {
    // The positions o of short with 0 <= o stride + shift < L; the first of them meets position `meets` of long.
    const shift = <isize>t - padding;
    const start = shift < 0 ? (stride - 1 - shift) / stride : 0;
    const end = min<isize>(shortLength, longLength > shift ? (longLength - shift + stride - 1) / stride : 0);
    const meets = start * stride + shift;
    if (start >= end) {
      if (isFirst) clear(dWeight + (t << 2), rowBytes, kernel << 2, groupEnd - group, columns);
      continue;
    }
    // Rows of the panel in front of it: all positions with a smaller remainder, and the earlier ones of its own.
    const rest = meets % stride;
    let before = meets / stride;
    for (let r: isize = 0; r < rest; r++) before += (longLength - r + stride - 1) / stride;
    const panelStart = panels + ((<usize>before * count) << 5);
    const stripStart = strips + <usize>start * count * (HEIGHT << 2);
    const depth = <usize>(end - start) * count;
    for (let c: usize = 0; c < columns; c += 8) {
      let target = dWeight + ((c * kernel + t) << 2);
      const panel = panelStart + (c >> 3) * panelBytes;
      let strip = stripStart;
      for (let s = group; s < groupEnd; s += HEIGHT) {
        multiplyTile(strip, panel, depth, target, rowBytes, kernel << 2, groupEnd - s, min<usize>(8, columns - c), isFirst);
        strip += stripBytes;
        target += HEIGHT * rowBytes;
      }
    }
  }
}

/** Zeros for a tap that meets padding everywhere. */
function clear(target: usize, rowBytes: usize, step: usize, rows: usize, columns: usize): void {
  for (let s: usize = 0; s < rows; s++) {
    for (let c: usize = 0; c < columns; c++) store<f32>(target + c * step, 0);
    target += rowBytes;
  }
}

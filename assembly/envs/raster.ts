// Integer rasterisation on a square canvas of 512 x 512 pixels, a colour word each (red in the low byte, then green, blue,
// opacity). The rules are those of the library that the public images were drawn with, so that images agree in every byte.
// Everything is clipped to the canvas. `rnd` is rounding half to even, which `f64.nearest` does.

export const CANVAS: i32 = 512;
export const CANVAS_BYTES: u32 = 512 * 512 * 4;

export function colour(red: u32, green: u32, blue: u32): u32 {
  return red | green << 8 | blue << 16 | 0xff000000;
}

// @ts-ignore: decorator
@inline
function paint(canvas: usize, x: i32, y: i32, word: u32): void {
  if (<u32>x < <u32>CANVAS && <u32>y < <u32>CANVAS) store<u32>(canvas + (<usize>(y * CANVAS + x) << 2), word);
}

/** Row y from x0 to x1, both included. */
export function fillSpan(canvas: usize, y: i32, x0: i32, x1: i32, word: u32): void {
  if (<u32>y >= <u32>CANVAS) return;
  const right = min(x1, CANVAS - 1);
  for (let x = max(x0, 0); x <= right; x++) store<u32>(canvas + (<usize>(y * CANVAS + x) << 2), word);
}

export function fillCanvas(canvas: usize, word: u32): void {
  for (let y = 0; y < CANVAS; y++) fillSpan(canvas, y, 0, CANVAS - 1, word);
}

/**
 * Filled circle of even diameter, half a pixel up and left of its centre: the midpoint walk of one octant, mirrored, with
 * rows y0 + k - 1 and y0 - k.
 */
export function fillCircle(canvas: usize, x0: i32, y0: i32, radius: i32, word: u32): void {
  let f = 1 - radius;
  let gx = 0;
  let gy = -2 * radius;
  let x = 0;
  let y = radius;
  while (x < y) {
    if (f >= 0) {
      y -= 1;
      gy += 2;
      f += gy;
    }
    x += 1;
    gx += 2;
    f += gx + 1;
    if (f >= 0) {
      fillSpan(canvas, y0 + y - 1, x0 - x, x0 + x - 1, word);
      fillSpan(canvas, y0 - y, x0 - x, x0 + x - 1, word);
    }
    fillSpan(canvas, y0 + x - 1, x0 - y, x0 + y - 1, word);
    fillSpan(canvas, y0 - x, x0 - y, x0 + y - 1, word);
  }
}

// Crossings of the row now being filled, in order.
let crossings: i32 = 0;
let crossing0: i32 = 0;
let crossing1: i32 = 0;
let crossing2: i32 = 0;
let crossing3: i32 = 0;

/** Adds the crossing of edge (ax, ay)-(bx, by) with row y, kept in order. The last row also takes edges that end in it. */
function cross(ax: i32, ay: i32, bx: i32, by: i32, y: i32, last: i32): void {
  if (ay === by) return;
  const isDown = ay < by;
  const x0 = isDown ? ax : bx;
  const y0 = isDown ? ay : by;
  const x1 = isDown ? bx : ax;
  const y1 = isDown ? by : ay;
  if (!((y0 <= y && y < y1) || (y === last && y1 === last))) return;
  let x = (y - y0) * (x1 - x0) / (y1 - y0) + x0;
  // Insertion into four sorted places.
  for (let i = 0; i < crossings; i++) {
    const other = i === 0 ? crossing0 : i === 1 ? crossing1 : crossing2;
    if (x >= other) continue;
    setCrossing(i, x);
    x = other;
  }
  setCrossing(crossings, x);
  crossings++;
}

function setCrossing(index: i32, x: i32): void {
  if (index === 0) crossing0 = x;
  else if (index === 1) crossing1 = x;
  else if (index === 2) crossing2 = x;
  else crossing3 = x;
}

/** Horizontal edges strictly inside are drawn after the rows. */
function level(canvas: usize, ax: i32, ay: i32, bx: i32, by: i32, first: i32, last: i32, word: u32): void {
  if (ay === by && first < ay && ay < last) fillSpan(canvas, ay, min(ax, bx), max(ax, bx), word);
}

/** Filled quadrilateral with whole corners: spans between the crossings of each row, divisions truncating towards 0. */
export function fillQuadrilateral(
  canvas: usize, x0: i32, y0: i32, x1: i32, y1: i32, x2: i32, y2: i32, x3: i32, y3: i32, word: u32,
): void {
  const first = min(min(y0, y1), min(y2, y3));
  const last = max(max(y0, y1), max(y2, y3));
  if (first === last) {
    fillSpan(canvas, first, min(min(x0, x1), min(x2, x3)), max(max(x0, x1), max(x2, x3)), word);
    return;
  }
  const bottom = min(last, CANVAS - 1);
  for (let y = max(first, 0); y <= bottom; y++) {
    crossings = 0;
    cross(x3, y3, x0, y0, y, last);
    cross(x0, y0, x1, y1, y, last);
    cross(x1, y1, x2, y2, y, last);
    cross(x2, y2, x3, y3, y, last);
    if (crossings > 1) fillSpan(canvas, y, crossing0, crossing1, word);
    if (crossings > 3) fillSpan(canvas, y, crossing2, crossing3, word);
  }
  level(canvas, x3, y3, x0, y0, first, last, word);
  level(canvas, x0, y0, x1, y1, first, last, word);
  level(canvas, x1, y1, x2, y2, first, last, word);
  level(canvas, x2, y2, x3, y3, first, last, word);
}

/** Line of width 4 by Bresenham: each point paints from -1 to +2 across the longer axis. */
function thickLine(canvas: usize, x0: i32, y0: i32, x1: i32, y1: i32, word: u32): void {
  const dx = abs(x1 - x0);
  const dy = abs(y1 - y0);
  const sx = x0 < x1 ? 1 : -1;
  const sy = y0 < y1 ? 1 : -1;
  const isSpreadAlongX = dx <= dy;
  let error = (dx > dy ? dx : -dy) / 2;
  let x = x0;
  let y = y0;
  while (true) {
    for (let i = -1; i <= 2; i++) paint(canvas, isSpreadAlongX ? x + i : x, isSpreadAlongX ? y : y + i, word);
    if (x === x1 && y === y1) return;
    const before = error;
    if (before > -dx) {
      error -= dy;
      x += sx;
    }
    if (before < dy) {
      error += dx;
      y += sy;
    }
  }
}

// @ts-ignore: decorator
@inline
export function roundHalfEven(value: f64): i32 {
  return <i32>nearest(value);
}

/** Line with round ends of radius 2: a line of width 4, the band of width 4 around it, and a circle at each end. */
export function fatLine(canvas: usize, ax: f64, ay: f64, bx: f64, by: f64, word: u32): void {
  const x0 = roundHalfEven(ax);
  const y0 = roundHalfEven(ay);
  const x1 = roundHalfEven(bx);
  const y1 = roundHalfEven(by);
  thickLine(canvas, x0, y0, x1, y1, word);
  if (x0 === x1 && y0 === y1) return;
  const ex = <f64>abs(y1 - y0);
  const ey = <f64>abs(x1 - x0);
  const scale = 2.0 / Math.sqrt(ex * ex + ey * ey);
  const ox = roundHalfEven(ex * scale);
  const oy = roundHalfEven(ey * scale);
  fillQuadrilateral(canvas, x0 - ox, y0 - oy, x0 + ox, y0 + oy, x1 + ox, y1 + oy, x1 - ox, y1 - oy, word);
  fillCircle(canvas, x0, y0, 2, word);
  fillCircle(canvas, x1, y1, 2, word);
}

/** trunc(weight * new + (1 - weight) * old) in f32, for each colour. */
function blend(canvas: usize, x: i32, y: i32, word: u32, weight: f32): void {
  if (<u32>x >= <u32>CANVAS || <u32>y >= <u32>CANVAS) return;
  const place = canvas + (<usize>(y * CANVAS + x) << 2);
  const old = load<u32>(place);
  let mixed: u32 = 0xff000000;
  for (let shift: u32 = 0; shift < 24; shift += 8) {
    const value = weight * <f32>(word >> shift & 255) + (<f32>1.0 - weight) * <f32>(old >> shift & 255);
    mixed |= <u32>value << shift;
  }
  store<u32>(place, mixed);
}

/** Anti-aliased line between whole ends: the ends in full, the pixels between shared by two rows (or columns). */
export function smoothLine(canvas: usize, ax: i32, ay: i32, bx: i32, by: i32, word: u32): void {
  if (ax === bx && ay === by) {
    paint(canvas, ax, ay, word);
    return;
  }
  const isSteep = abs(bx - ax) < abs(by - ay);
  let from = isSteep ? ay : ax;
  let to = isSteep ? by : bx;
  let start = isSteep ? ax : ay;
  let end = isSteep ? bx : by;
  if (from > to) {
    const swapMain = from;
    from = to;
    to = swapMain;
    const swapMinor = start;
    start = end;
    end = swapMinor;
  }
  paint(canvas, isSteep ? start : from, isSteep ? from : start, word);
  paint(canvas, isSteep ? end : to, isSteep ? to : end, word);
  const slope = <f32>(end - start) / <f32>(to - from);
  let minor = <f32>start + <f32>1.0 + slope;
  for (let main = from + 1; main < to; main++) {
    const k = <i32>minor;
    const weight = <f32>1.0 - (minor - <f32>k);
    blend(canvas, isSteep ? k - 1 : main, isSteep ? main : k - 1, word, weight);
    if (minor > <f32>k) blend(canvas, isSteep ? k : main, isSteep ? main : k, word, <f32>1.0 - weight);
    minor += slope;
  }
}

/** Weights of two neighbours are parts of 2048. */
const WEIGHT_ONE: f32 = 2048.0;

/** Place on the canvas that target pixel `d` falls on, in canvas pixels; never before the first nor after the last. */
// @ts-ignore: decorator
@inline
function sourcePlace(d: i32, step: f64): f32 {
  const place = <f32>((<f64>d + 0.5) * step - 0.5);
  return max<f32>(0.0, min<f32>(place, <f32>(CANVAS - 1)));
}

// @ts-ignore: decorator
@inline
function weightOf(share: f32): i32 {
  return <i32>nearest(share * WEIGHT_ONE);
}

/**
 * Bilinear scaling to `size` x `size` in the fixed-point form of the reference, without anti-aliasing:
 *   f = (d + 0.5) 512 / size - 0.5, s = floor f, w1 = rnd(2048 (f - s)), w0 = rnd(2048 (1 - (f - s))), along x then along y:
 *   H = p[s] w0 + p[s + 1] w1,   out = (v0 (H[s] >> 4) >> 16) + (v1 (H[s + 1] >> 4) >> 16) + 2 >> 2
 * Writes `channels` bytes a pixel: red, green, blue and, where there are four, full opacity.
 */
export function scaleCanvas(canvas: usize, size: i32, channels: i32, out: usize): void {
  const step = <f64>CANVAS / <f64>size;
  for (let row = 0; row < size; row++) {
    const placeY = sourcePlace(row, step);
    const top = <i32>placeY;
    const shareY = placeY - <f32>top;
    const v0 = weightOf(<f32>1.0 - shareY);
    const v1 = weightOf(shareY);
    const line0 = canvas + (<usize>(top * CANVAS) << 2);
    const line1 = canvas + (<usize>(min(top + 1, CANVAS - 1) * CANVAS) << 2);
    for (let column = 0; column < size; column++) {
      const placeX = sourcePlace(column, step);
      const left = <i32>placeX;
      const shareX = placeX - <f32>left;
      const w0 = weightOf(<f32>1.0 - shareX);
      const w1 = weightOf(shareX);
      const x0 = <usize>left << 2;
      const x1 = <usize>min(left + 1, CANVAS - 1) << 2;
      const pixel = out + <usize>((row * size + column) * channels);
      for (let channel: usize = 0; channel < 3; channel++) {
        const h0 = <i32>load<u8>(line0 + x0 + channel) * w0 + <i32>load<u8>(line0 + x1 + channel) * w1;
        const h1 = <i32>load<u8>(line1 + x0 + channel) * w0 + <i32>load<u8>(line1 + x1 + channel) * w1;
        store<u8>(pixel + channel, <u8>((v0 * (h0 >> 4) >> 16) + (v1 * (h1 >> 4) >> 16) + 2 >> 2));
      }
      if (channels === 4) store<u8>(pixel, 255, 3);
    }
  }
}

import { DifftuneError } from "../../core/errors.js";
import type { Image } from "../environment.js";
import { capitalUnits, glyphOf, textUnits } from "./lettering.js";

/** Red, green, blue from 0 to 255 and opacity from 0 to 1 (default 1). */
export type Colour = readonly [red: number, green: number, blue: number, opacity?: number];

/** Where text stands relative to its point. */
export interface TextStyle {
  /** Height of a capital, px. Default 9. */
  readonly size?: number;
  readonly colour?: Colour;
  readonly align?: "left" | "centre" | "right";
  /** Which height of the text is at y. */
  readonly baseline?: "top" | "middle" | "bottom";
  /** Width of the pen, px. Default a ninth of the size, at least 1. */
  readonly weight?: number;
}

const ink: Colour = [40, 44, 52];

/** Squared distance from (x, y) to the segment a-b. */
function squaredToSegment(x: number, y: number, ax: number, ay: number, bx: number, by: number): number {
  const dx = bx - ax;
  const dy = by - ay;
  const length = dx * dx + dy * dy;
  const t = length === 0 ? 0 : Math.min(Math.max(((x - ax) * dx + (y - ay) * dy) / length, 0), 1);
  const ex = x - (ax + t * dx);
  const ey = y - (ay + t * dy);
  return ex * ex + ey * ey;
}

/**
 * A raster that anti-aliases by distance: the coverage of a pixel is 1/2 - d, clamped to 0..1, with d the signed
 * distance in pixels from its centre to the edge of the shape. The parts of one shape are joined by the larger
 * coverage before they are blended, so that a translucent path has no darker joints.
 */
export class Canvas {
  readonly width: number;
  readonly height: number;
  readonly #pixels: Uint8ClampedArray<ArrayBuffer>;
  readonly #coverage: Float32Array;
  #left = 0;
  #top = 0;
  #right: number;
  #bottom: number;
  // The part of the coverage mask that the current shape has touched.
  #fromX: number;
  #fromY: number;
  #toX = 0;
  #toY = 0;

  constructor(width: number, height: number, background: Colour = [255, 255, 255]) {
    if (!Number.isInteger(width) || !Number.isInteger(height) || width < 1 || height < 1 || width * height > 2 ** 26) {
      throw new DifftuneError("SHAPE", `An image of ${width} x ${height} pixels cannot be drawn.`, { got: [width, height] });
    }
    this.width = width;
    this.height = height;
    this.#pixels = new Uint8ClampedArray(width * height * 4);
    this.#coverage = new Float32Array(width * height);
    this.#right = this.#fromX = width;
    this.#bottom = this.#fromY = height;
    for (let at = 0; at < this.#pixels.length; at += 4) {
      this.#pixels[at] = background[0];
      this.#pixels[at + 1] = background[1];
      this.#pixels[at + 2] = background[2];
      this.#pixels[at + 3] = 255 * (background[3] ?? 1);
    }
  }

  /** Restricts what follows to a rectangle of pixels; without arguments to the whole canvas. */
  clip(left = 0, top = 0, right = this.width, bottom = this.height): void {
    this.#left = Math.max(0, Math.floor(left));
    this.#top = Math.max(0, Math.floor(top));
    this.#right = Math.min(this.width, Math.ceil(right));
    this.#bottom = Math.min(this.height, Math.ceil(bottom));
  }

  /** A filled disc. */
  disc(x: number, y: number, radius: number, colour: Colour): void {
    this.#stamp(x - radius, y - radius, x + radius, y + radius, (px, py) => Math.hypot(px - x, py - y) - radius);
    this.#blend(colour);
  }

  /** A circle drawn with a pen of `width`. */
  ring(x: number, y: number, radius: number, width: number, colour: Colour): void {
    const outer = radius + width / 2;
    this.#stamp(x - outer, y - outer, x + outer, y + outer, (px, py) => Math.abs(Math.hypot(px - x, py - y) - radius) - width / 2);
    this.#blend(colour);
  }

  /** Lines through the points x, y, x, y, ... with round joints and ends; a single point is a dot. */
  path(points: ArrayLike<number>, width: number, colour: Colour, dash?: readonly [on: number, off: number]): void {
    if (dash === undefined) this.#stroke(points, width);
    else this.#dashes(points, width, dash);
    this.#blend(colour);
  }

  /** A straight line with round ends. */
  line(x0: number, y0: number, x1: number, y1: number, width: number, colour: Colour): void {
    this.path([x0, y0, x1, y1], width, colour);
  }

  /** A filled polygon, not necessarily convex. */
  polygon(points: ArrayLike<number>, colour: Colour): void {
    const count = points.length / 2;
    let [left, top, right, bottom] = [Infinity, Infinity, -Infinity, -Infinity];
    for (let index = 0; index < count; index++) {
      left = Math.min(left, points[2 * index]!);
      right = Math.max(right, points[2 * index]!);
      top = Math.min(top, points[2 * index + 1]!);
      bottom = Math.max(bottom, points[2 * index + 1]!);
    }
    this.#stamp(left, top, right, bottom, (x, y) => {
      let squared = Infinity;
      let isInside = false;
      for (let index = 0, before = count - 1; index < count; before = index++) {
        const [ax, ay, bx, by] = [points[2 * before]!, points[2 * before + 1]!, points[2 * index]!, points[2 * index + 1]!];
        squared = Math.min(squared, squaredToSegment(x, y, ax, ay, bx, by));
        if (ay > y !== by > y && x < ax + ((y - ay) * (bx - ax)) / (by - ay)) isInside = !isInside;
      }
      return isInside ? -Math.sqrt(squared) : Math.sqrt(squared);
    });
    this.#blend(colour);
  }

  /** A filled rectangle with corners of a radius. */
  rectangle(left: number, top: number, right: number, bottom: number, colour: Colour, radius = 0): void {
    const [cx, cy] = [(left + right) / 2, (top + bottom) / 2];
    const [hx, hy] = [(right - left) / 2 - radius, (bottom - top) / 2 - radius];
    this.#stamp(left, top, right, bottom, (x, y) => {
      const [qx, qy] = [Math.abs(x - cx) - hx, Math.abs(y - cy) - hy];
      return Math.hypot(Math.max(qx, 0), Math.max(qy, 0)) + Math.min(Math.max(qx, qy), 0) - radius;
    });
    this.#blend(colour);
  }

  /** One line of text. */
  text(x: number, y: number, text: string, style: TextStyle = {}): void {
    const { size = 9, colour = ink, align = "left", baseline = "middle" } = style;
    const scale = size / capitalUnits;
    const width = textUnits(text) * scale;
    let at = align === "left" ? x : align === "right" ? x - width : x - width / 2;
    const top = baseline === "top" ? y : baseline === "bottom" ? y - size : y - size / 2;
    const pen = style.weight ?? Math.max(1, size / 9);
    for (const letter of text) {
      const glyph = glyphOf(letter);
      for (const stroke of glyph.strokes) {
        this.#stroke(stroke.map((value, index) => (index % 2 === 0 ? at : top) + value * scale), pen);
      }
      at += glyph.advance * scale;
    }
    this.#blend(colour);
  }

  /** Puts an image here, pixel for pixel enlarged by a whole factor. */
  place(image: Image, left: number, top: number, factor = 1): void {
    for (let y = 0; y < image.height * factor; y++) {
      for (let x = 0; x < image.width * factor; x++) {
        const [tx, ty] = [left + x, top + y];
        if (tx < this.#left || ty < this.#top || tx >= this.#right || ty >= this.#bottom) continue;
        const from = (Math.floor(y / factor) * image.width + Math.floor(x / factor)) * 4;
        this.#pixels.set(image.pixels.subarray(from, from + 4), (ty * this.width + tx) * 4);
      }
    }
  }

  /** The picture so far; later drawing does not change it. */
  image(): Image {
    return { width: this.width, height: this.height, pixels: this.#pixels.slice() };
  }

  #stroke(points: ArrayLike<number>, width: number): void {
    const radius = width / 2;
    const last = Math.max(1, points.length / 2 - 1);
    for (let index = 0; index < last; index++) {
      const [ax, ay] = [points[2 * index]!, points[2 * index + 1]!];
      const [bx, by] = [points[2 * index + 2] ?? ax, points[2 * index + 3] ?? ay];
      this.#stamp(Math.min(ax, bx) - radius, Math.min(ay, by) - radius, Math.max(ax, bx) + radius, Math.max(ay, by) + radius,
        (x, y) => Math.sqrt(squaredToSegment(x, y, ax, ay, bx, by)) - radius);
    }
  }

  #dashes(points: ArrayLike<number>, width: number, [on, off]: readonly [number, number]): void {
    let phase = 0;
    for (let index = 0; index + 3 < points.length; index += 2) {
      const [ax, ay, bx, by] = [points[index]!, points[index + 1]!, points[index + 2]!, points[index + 3]!];
      const length = Math.hypot(bx - ax, by - ay);
      for (let at = 0; at < length;) {
        const isOn = phase < on;
        const step = Math.min((isOn ? on : on + off) - phase, length - at);
        const [from, to] = [at / length, (at + step) / length];
        if (isOn) this.#stroke([ax + from * (bx - ax), ay + from * (by - ay), ax + to * (bx - ax), ay + to * (by - ay)], width);
        at += step;
        phase += step;
        if (phase >= on + off - 1e-9) phase = 0;
      }
    }
  }

  /** Joins a shape, given by its signed distance, to the coverage mask. */
  #stamp(left: number, top: number, right: number, bottom: number, distance: (x: number, y: number) => number): void {
    const fromX = Math.max(this.#left, Math.floor(left - 1));
    const fromY = Math.max(this.#top, Math.floor(top - 1));
    const toX = Math.min(this.#right, Math.ceil(right + 1));
    const toY = Math.min(this.#bottom, Math.ceil(bottom + 1));
    if (!(fromX < toX && fromY < toY)) return;
    for (let y = fromY; y < toY; y++) {
      for (let x = fromX; x < toX; x++) {
        const coverage = Math.min(0.5 - distance(x + 0.5, y + 0.5), 1);
        const at = y * this.width + x;
        if (coverage > this.#coverage[at]!) this.#coverage[at] = coverage;
      }
    }
    this.#fromX = Math.min(this.#fromX, fromX);
    this.#fromY = Math.min(this.#fromY, fromY);
    this.#toX = Math.max(this.#toX, toX);
    this.#toY = Math.max(this.#toY, toY);
  }

  /** Blends a colour over the picture where the mask is, and clears the mask. */
  #blend([red, green, blue, opacity = 1]: Colour): void {
    for (let y = this.#fromY; y < this.#toY; y++) {
      for (let x = this.#fromX; x < this.#toX; x++) {
        const at = y * this.width + x;
        const alpha = this.#coverage[at]! * opacity;
        if (alpha === 0) continue;
        this.#coverage[at] = 0;
        const pixel = at * 4;
        const below = this.#pixels[pixel + 3]! / 255;
        const above = alpha + below * (1 - alpha);
        for (const [channel, value] of [red, green, blue].entries()) {
          const old = this.#pixels[pixel + channel]!;
          this.#pixels[pixel + channel] = (value * alpha + old * below * (1 - alpha)) / above;
        }
        this.#pixels[pixel + 3] = 255 * above;
      }
    }
    this.#fromX = this.width;
    this.#fromY = this.height;
    this.#toX = 0;
    this.#toY = 0;
  }
}

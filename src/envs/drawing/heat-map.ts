import { DifftuneError } from "../../core/errors.js";
import type { Image } from "../environment.js";
import { Canvas, type Colour } from "./canvas.js";
import type { Box } from "./pusht.js";

/** Values on a grid of cells over a rectangle, such as a learned reward over the workspace. */
export interface ValueGrid {
  /** Centres of the columns and of the rows, evenly spaced. */
  readonly x: readonly number[];
  readonly y: readonly number[];
  /** `values[j][i]` belongs to (x[i], y[j]). */
  readonly values: readonly (readonly number[])[];
}

/** What a heat map shows beside its grid. */
export interface HeatMapContent {
  /** The first row is drawn at the top: y downwards, as on a screen. */
  readonly grid: ValueGrid;
  /** Values of the two ends of the colours are ∓limit. Default 1. */
  readonly limit?: number;
  /** A rectangle that is marked. */
  readonly box?: Box | undefined;
  /** Places that are dotted: x, y, x, y, ... */
  readonly points?: ArrayLike<number> | undefined;
}

/** From red over white to blue: told apart by all common kinds of colour blindness. */
const stops: readonly Colour[] = [
  [178, 24, 43], [214, 96, 77], [244, 165, 130], [253, 219, 199], [247, 247, 247], [209, 229, 240], [146, 197, 222], [67, 147, 195], [33, 102, 172],
];

/** The colour of a share from −1 (red) over 0 (white) to 1 (blue); shares beyond are as the ends. */
export function divergingColour(share: number): readonly [red: number, green: number, blue: number] {
  const place = (Math.min(1, Math.max(-1, share)) + 1) * 0.5 * (stops.length - 1);
  const at = Math.min(stops.length - 2, Math.floor(place));
  const [from, to] = [stops[at]!, stops[at + 1]!];
  const mixed = (channel: 0 | 1 | 2): number => Math.round(from[channel] + (place - at) * (to[channel] - from[channel]));
  return [mixed(0), mixed(1), mixed(2)];
}

/** Borders of evenly spaced cells, one more than there are. */
function borders(centres: readonly number[]): readonly number[] {
  const [first, last] = [centres[0]!, centres.at(-1)!];
  const step = centres.length > 1 ? (last - first) / (centres.length - 1) : 1;
  return Array.from({ length: centres.length + 1 }, (_, at) => first + (at - 0.5) * step);
}

/** Borders of the columns and rows of a grid; one of no cells, or with rows of other lengths, is refused. */
export function gridBorders({ x, y, values }: ValueGrid): { readonly x: readonly number[]; readonly y: readonly number[] } {
  if (x.length === 0 || y.length === 0 || values.length !== y.length || values.some((row) => row.length !== x.length)) {
    throw new DifftuneError("SHAPE", `A grid of ${x.length} columns and ${y.length} rows has ${values.length} rows of ${values[0]?.length ?? 0} values.`, {
      expected: [y.length, x.length], got: [values.length, values[0]?.length ?? 0],
    });
  }
  return { x: borders(x), y: borders(y) };
}

/** At most so many of the places are dotted: of more, every so-manieth. */
const mostDots = 1500;

/** Every so-manieth of the places, at most 1500. */
export function dotsOf(points: ArrayLike<number>): readonly (readonly [x: number, y: number])[] {
  const count = Math.floor(points.length / 2);
  const stride = Math.max(1, Math.ceil(count / mostDots));
  return Array.from({ length: Math.ceil(count / stride) }, (_, at) => [points[2 * at * stride]!, points[2 * at * stride + 1]!]);
}

const dot: Colour = [27, 34, 44, 0.45];
const edge: Colour = [27, 34, 44];

/**
 * Draws a heat map with its box, its dots, axes and a scale of colours.
 *
 * @param side width of the map itself, px; the picture is as high as the rows need, with room for the axes around
 */
export function drawHeatMap({ grid, limit = 1, box, points = [] }: HeatMapContent, side = 384): Image {
  const { x, y } = gridBorders(grid);
  const [left, top, gap, bar] = [40, 12, 14, 14];
  const scale = side / (x.at(-1)! - x[0]!);
  const height = Math.max(1, Math.round(scale * (y.at(-1)! - y[0]!)));
  const canvas = new Canvas(left + side + gap + bar + 40, top + height + 26);
  const across = (value: number): number => left + scale * (value - x[0]!);
  const down = (value: number): number => top + scale * (value - y[0]!);
  for (const [row, values] of grid.values.entries()) {
    // Whole pixels, so that neighbours share their border and nothing shines through.
    const [above, below] = [Math.round(down(y[row]!)), Math.round(down(y[row + 1]!))];
    for (const [column, value] of values.entries()) {
      canvas.rectangle(Math.round(across(x[column]!)), above, Math.round(across(x[column + 1]!)), below, divergingColour(value / limit));
    }
  }
  canvas.clip(left, top, left + side, top + height);
  for (const [px, py] of dotsOf(points)) canvas.disc(across(px), down(py), 1.1, dot);
  if (box !== undefined) {
    const [x0, y0, x1, y1] = [across(box.x0), down(box.y0), across(box.x1), down(box.y1)];
    canvas.path([x0, y0, x1, y0, x1, y1, x0, y1, x0, y0], 2, edge, [7, 4]);
  }
  canvas.clip();
  for (const value of roundMarks(x[0]!, x.at(-1)!)) canvas.text(across(value), top + height + 8, String(value), { align: "centre", baseline: "top" });
  for (const value of roundMarks(y[0]!, y.at(-1)!)) canvas.text(left - 6, down(value), String(value), { align: "right" });
  const barLeft = left + side + gap;
  for (let at = 0; at < height; at++) canvas.rectangle(barLeft, top + at, barLeft + bar, top + at + 1, divergingColour(1 - (2 * at) / Math.max(1, height - 1)));
  for (const share of [1, 0.5, 0, -0.5, -1]) canvas.text(barLeft + bar + 5, top + ((1 - share) / 2) * height, String(share * limit));
  return canvas.image();
}

/** Four or five marks from the lower to the upper border. */
function roundMarks(low: number, high: number): readonly number[] {
  return Array.from({ length: 5 }, (_, at) => Math.round((low + (at / 4) * (high - low)) * 1000) / 1000);
}

import type { Scale } from "./scale.js";
import { chartWidth, coordinate, element, fitText, textAt, textWidth, type ChartName, type Ink } from "./svg.js";

const titleSize = 13;
const textSize = 11;
const legendRow = 17;

/** Pens of lines that are not whole. */
export const dashPatterns = { dashes: "5 3", dots: "1.5 3" } as const;

/** One entry of a legend. */
export interface LegendEntry {
  readonly name: string;
  readonly ink: Ink;
  /** How it is drawn in the chart: a line, a line of dashes or dots, a cross, or a filled patch (default). */
  readonly kind?: "line" | "dashes" | "dots" | "patch" | "cross" | undefined;
  /** Which shape ends its line. */
  readonly marker?: number | undefined;
}

/** The upper part of a chart, and how far down it reaches, px: title and subtitle, and a legend where more than one thing is shown. */
export function heading({ title, subtitle, width = chartWidth }: ChartName, legend: readonly LegendEntry[] = []): { readonly markup: string; readonly height: number } {
  const shownTitle = fitText(title, width - 4, titleSize);
  let markup = textAt(0, 14, shownTitle, { fill: "ink", size: titleSize, weight: 650 });
  const after = textWidth(shownTitle, titleSize) + 10;
  if (subtitle !== undefined && width - after > 40) markup += textAt(width, 14, fitText(subtitle, width - after, textSize), { size: textSize, anchor: "end" });
  let [x, y] = [0, title === "" ? 14 : 33];
  for (const { name, ink, kind = "patch", marker } of legend) {
    const label = fitText(name, Math.min(width - 24, 300), textSize);
    const entryWidth = 21 + textWidth(label, textSize) + 12;
    if (x > 0 && x + entryWidth - 12 > width) [x, y] = [0, y + legendRow];
    markup += legendSign(x, y - 4, ink, kind) + (marker === undefined ? "" : markerAt(x + 8, y - 4, marker, ink)) + textAt(x + 21, y, label, { size: textSize });
    x += entryWidth;
  }
  return { markup, height: legend.length === 0 ? 24 : y + 8 };
}

function legendSign(x: number, y: number, ink: Ink, kind: NonNullable<LegendEntry["kind"]>): string {
  if (kind === "patch") return element("rect", { x: x + 1, y: y - 5, width: 11, height: 10, rx: 2, fill: ink });
  if (kind === "cross") return element("g", { transform: `translate(${x + 8} ${y})` }, crossShape(ink));
  return element("path", { d: `M${x} ${y}h16`, stroke: ink, fill: "none", "stroke-width": "2", "stroke-dasharray": kind === "line" ? undefined : dashPatterns[kind] });
}

/** A cross around the origin. */
export function crossShape(ink: Ink): string {
  return element("path", { d: "M-3.5-3.5l7 7m0-7l-7 7", stroke: ink, fill: "none", "stroke-width": "2" });
}

/** The shape that belongs to series `index`: a second way to tell series apart, for print and for every eye. */
export function markerAt(x: number, y: number, index: number, ink: Ink): string {
  const shapes = ["M-3.4 0a3.4 3.4 0 1 0 6.8 0a3.4 3.4 0 1 0-6.8 0z", "M-3-3h6v6h-6z", "M0-4l4 7h-8z", "M0-4.4l4.4 4.4l-4.4 4.4l-4.4-4.4z", "M0 4l4-7h-8z"];
  const transform = `translate(${Math.round(10 * x) / 10} ${Math.round(10 * y) / 10})`;
  return element("path", { d: shapes[index % shapes.length], transform, fill: ink, stroke: "surface", "stroke-width": "1" });
}

/** Where the data of a chart are drawn, px. */
export interface Plot {
  readonly left: number;
  readonly right: number;
  readonly top: number;
  readonly bottom: number;
}

/** Room that the marks of a vertical axis need at its left. */
export function gutter(scale: Scale): number {
  return Math.ceil(Math.max(14, ...scale.ticks.map(({ label }) => textWidth(label, textSize))) + 8);
}

/** Lines across at the marks of the vertical axis, with their labels at the left. */
export function horizontalGrid(plot: Plot, scale: Scale): string {
  return scale.ticks.map(({ value, label }) => {
    const y = scale.place(value);
    const line = element("path", { d: `M${plot.left} ${Math.round(y) + 0.5}H${plot.right}`, stroke: "grid", fill: "none" });
    return line + textAt(plot.left - 6, y + 4, label, { anchor: "end" });
  }).join("");
}

/** The horizontal axis: its line, its marks and, below, what it counts. */
export function horizontalAxis(plot: Plot, scale: Scale, label: string): string {
  let free = Number.NEGATIVE_INFINITY;
  const marks = scale.ticks.map(({ value, label: text }) => {
    const half = textWidth(text, textSize) / 2;
    // A label at the right end stays inside of the chart; one that would touch its neighbour is left out.
    const x = Math.min(scale.place(value), plot.right + 10 - half);
    const tick = element("path", { d: `M${Math.round(scale.place(value)) + 0.5} ${plot.bottom}v4`, stroke: "axis", fill: "none" });
    if (x - half < free) return tick;
    free = x + half + 6;
    return tick + textAt(x, plot.bottom + 16, text, { anchor: "middle" });
  });
  const line = element("path", { d: `M${plot.left} ${plot.bottom + 0.5}H${plot.right}`, stroke: "axis", fill: "none" });
  return line + marks.join("") + textAt((plot.left + plot.right) / 2, plot.bottom + 31, label, { anchor: "middle" });
}

/** Shapes cut off `grace` px beyond the borders of the plot, so that a line on the border stays whole. */
export function clipped({ left, right, top, bottom }: Plot, grace: number, ...shapes: readonly string[]): string {
  const [x, y, width, height] = [left - grace, top - grace, right - left + 2 * grace, bottom - top + 2 * grace].map(coordinate);
  return element("svg", { x, y, width, height, viewBox: `${x} ${y} ${width} ${height}` }, ...shapes);
}

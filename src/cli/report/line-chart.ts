import { clipped, dashPatterns, gutter, heading, horizontalAxis, horizontalGrid, markerAt, type LegendEntry, type Plot } from "./frame.js";
import { extent, formatNumber, linearScale, logScale, type Scale } from "./scale.js";
import { chart, chartWidth, coordinate, element, escapeText, seriesInk, textAt, type ChartName, type Ink } from "./svg.js";

/** A value at a place, and what is known of its uncertainty. */
export interface LinePoint {
  readonly x: number;
  /** Where it is no finite number, the line has a gap. */
  readonly y: number;
  readonly low?: number;
  readonly high?: number;
}

/** One curve. */
export interface LineSeries {
  readonly name: string;
  /** In the order of x; where `low` and `high` are given, a band is drawn between them. */
  readonly points: readonly LinePoint[];
  /** Default: by its place in the list. */
  readonly ink?: Ink;
  /** Default: a whole line. */
  readonly dash?: "dashes" | "dots";
  /** Thin lines below the curve: the single runs that it is the mean of. */
  readonly strands?: readonly (readonly LinePoint[])[];
  /** Measurements apart from the curve, with whiskers from `low` to `high`. */
  readonly marks?: readonly LinePoint[];
}

/** Content of a {@link lineChart}. */
export interface LineChart extends ChartName {
  readonly xLabel: string;
  readonly series: readonly LineSeries[];
  /** The ends of the vertical axis, where they are known; what lies outside is cut off. */
  readonly low?: number;
  readonly high?: number;
  /** Logarithmic vertical axis; values that are not above 0 become gaps. */
  readonly isLogarithmic?: boolean;
  /** How values are written, at the vertical axis and elsewhere. */
  readonly format?: (value: number) => string;
  /** Lines across for comparison, with a word each. */
  readonly references?: readonly { readonly y: number; readonly label: string }[];
  /** Height of the plot alone, px. Default 170. */
  readonly plotHeight?: number;
  /** Whether several series have a legend. Default true. */
  readonly hasLegend?: boolean;
  /** Tells the numbers of each point to a resting pointer. */
  readonly isInspectable?: boolean;
}

/** A curve has at most about this many points; of more, the extremes of each stretch are kept. */
const pointLimit = 400;
/** Points that answer to the pointer. */
const inspectLimit = 120;

/**
 * Curves over one axis, with bands and single measurements.
 *
 * @example
 * const markup = lineChart({ id: "success", title: "Success", description: "Success rises from 0.5 to 0.93.",
 *   xLabel: "environment steps", series: [{ name: "DPPO", points: [{ x: 0, y: 0.5 }, { x: 5000, y: 0.93 }] }] });
 * await writeFile("success.svg", standalone(markup));
 */
export function lineChart(options: LineChart): string {
  const { width = chartWidth, xLabel, isLogarithmic = false, references = [], plotHeight = 170, isInspectable = false, hasLegend = true, format } = options;
  const usable = (value: number): boolean => Number.isFinite(value) && !(isLogarithmic && value <= 0);
  const series = options.series.map((each, index) => ({ ...each, index, ink: each.ink ?? seriesInk(index), points: thin(each.points) }));

  const shownX: number[] = [];
  const shownY: number[] = references.map(({ y }) => y);
  for (const { points, strands = [], marks = [] } of series) {
    for (const { x, y, low, high } of [...points, ...marks, ...strands.flat()]) {
      if (!usable(y) || !Number.isFinite(x)) continue;
      shownX.push(x);
      shownY.push(y, ...[low, high].filter((bound) => bound !== undefined));
    }
  }

  const legend = series.length < 2 || !hasLegend ? [] : series.map(({ name, ink, dash, index }): LegendEntry => ({ name, ink, kind: dash ?? "line", marker: dash === undefined ? index : undefined }));
  const top = heading(options, legend);
  const bottom = top.height + 6 + plotHeight;
  const vertical = isLogarithmic
    ? logScale({ values: shownY, range: [bottom, top.height + 6] })
    : linearScale({ values: shownY, range: [bottom, top.height + 6], low: options.low, high: options.high, tickCount: 4, ...(format === undefined ? {} : { format }) });
  const plot: Plot = { left: gutter(vertical), right: width - 12, top: top.height + 6, bottom };
  const [first, last] = extent(shownX) ?? [0, 1];
  // An axis that begins near 0 begins at 0.
  const low = first > 0 && first < 0.15 * last ? 0 : first;
  const horizontal = linearScale({ values: [low, last], range: [plot.left, plot.right], isNice: false, tickCount: 5, leastStep: shownX.every(Number.isInteger) ? 1 : 0 });
  const way: Way = { horizontal, vertical, usable, say: format ?? formatNumber };

  const bands = series.map(({ points, ink }) => drawBand(points, ink, way));
  const strandLines = series.flatMap(({ strands = [], ink }) =>
    strands.map((strand) => element("path", { d: linePath(thin(strand), way), stroke: ink, fill: "none", "stroke-width": "1", "stroke-opacity": "0.35", "stroke-linejoin": "round" })));
  const lines = series.map(({ points, ink, dash }) =>
    element("path", {
      d: linePath(points, way), stroke: ink, fill: "none", "stroke-width": "2", "stroke-linejoin": "round", "stroke-linecap": "round",
      "stroke-dasharray": dash === undefined ? undefined : dashPatterns[dash],
    }));
  const ends = series.map(({ points, ink, index, dash }) => {
    const last = points.findLast(({ x, y }) => usable(y) && Number.isFinite(x));
    return last === undefined || dash !== undefined || series.length < 2 ? "" : markerAt(horizontal.place(last.x), vertical.place(last.y), index, ink);
  });
  const marks = series.flatMap(({ marks: own = [], ink, name }) => own.map((mark) => drawMark(mark, ink, name, way)));
  const targets = isInspectable ? series.flatMap(({ points, name }) => inspectTargets(points, series.length < 2 ? "" : `${name}: `, xLabel, way)) : [];

  const body = [
    top.markup,
    horizontalGrid(plot, vertical),
    horizontalAxis(plot, horizontal, xLabel),
    clipped(plot, 3, ...bands, ...references.map((reference) => drawReference(reference, plot, vertical)), ...strandLines, ...lines),
    // Signs are whole even where they stand on the border.
    clipped(plot, 8, ...ends, ...marks, ...targets),
    shownX.length === 0 ? textAt((plot.left + plot.right) / 2, (plot.top + plot.bottom) / 2, "no data", { anchor: "middle", size: 12 }) : "",
  ];
  return chart(options, bottom + 38, body.join(""));
}

interface Way {
  readonly horizontal: Scale;
  readonly vertical: Scale;
  readonly usable: (value: number) => boolean;
  /** How a value is told. */
  readonly say: (value: number) => string;
}

/** Of many points the lowest and the highest of each stretch, so that no peak is lost. */
export function thin(points: readonly LinePoint[]): readonly LinePoint[] {
  if (points.length <= pointLimit) return points;
  const perStretch = Math.ceil((2 * points.length) / pointLimit);
  const kept: LinePoint[] = [points[0]!];
  for (let from = 1; from < points.length - 1; from += perStretch) {
    const stretch = points.slice(from, Math.min(from + perStretch, points.length - 1));
    const finite = stretch.filter(({ y }) => Number.isFinite(y));
    // A stretch without a number keeps its gap.
    if (finite.length === 0) kept.push(stretch[0]!);
    else {
      const low = finite.reduce((best, point) => (point.y < best.y ? point : best));
      const high = finite.reduce((best, point) => (point.y > best.y ? point : best));
      kept.push(...(low === high ? [low] : low.x < high.x ? [low, high] : [high, low]));
    }
  }
  return [...kept, points.at(-1)!];
}

function linePath(points: readonly LinePoint[], { horizontal, vertical, usable }: Way): string {
  let path = "";
  let isDown = false;
  for (const [index, { x, y }] of points.entries()) {
    if (!usable(y) || !Number.isFinite(x)) {
      isDown = false;
      continue;
    }
    const next = points[index + 1];
    const at = `${coordinate(horizontal.place(x))} ${coordinate(vertical.place(y))}`;
    path += `${isDown ? "L" : "M"}${at}`;
    // A point without neighbours shows as the dot of its round ends.
    if (!isDown && (next === undefined || !usable(next.y))) path += "h0.01";
    isDown = true;
  }
  return path;
}

function drawBand(points: readonly LinePoint[], ink: Ink, { horizontal, vertical, usable }: Way): string {
  let path = "";
  let upper: string[] = [];
  let lower: string[] = [];
  const close = (): void => {
    if (upper.length > 1) path += `M${upper.join("L")}L${lower.toReversed().join("L")}Z`;
    [upper, lower] = [[], []];
  };
  for (const { x, y, low, high } of points) {
    if (!usable(y) || low === undefined || high === undefined || !usable(low) || !usable(high)) {
      close();
      continue;
    }
    const place = coordinate(horizontal.place(x));
    upper.push(`${place} ${coordinate(vertical.place(high))}`);
    lower.push(`${place} ${coordinate(vertical.place(low))}`);
  }
  close();
  return path === "" ? "" : element("path", { d: path, fill: ink, "fill-opacity": "0.16" });
}

function drawMark({ x, y, low, high }: LinePoint, ink: Ink, name: string, { horizontal, vertical, usable, say }: Way): string {
  if (!usable(y) || !Number.isFinite(x)) return "";
  const [across, down] = [horizontal.place(x), vertical.place(y)];
  const hasBounds = low !== undefined && high !== undefined && usable(low) && usable(high);
  const whisker = hasBounds
    ? element("path", { d: `M${coordinate(across)} ${coordinate(vertical.place(low))}V${coordinate(vertical.place(high))}`, stroke: ink, fill: "none", "stroke-width": "1.5" })
    : "";
  const bounds = hasBounds ? ` (${say(low)} to ${say(high)})` : "";
  const dot = element("circle", { cx: across, cy: down, r: 3.6, fill: "surface", stroke: ink, "stroke-width": "1.8" });
  return element("g", {}, element("title", {}, escapeText(`${name}, evaluated: ${say(y)}${bounds}`)), whisker, dot);
}

function inspectTargets(points: readonly LinePoint[], prefix: string, xLabel: string, { horizontal, vertical, usable, say }: Way): string[] {
  if (points.length > inspectLimit) return [];
  return points.filter(({ x, y }) => usable(y) && Number.isFinite(x)).map(({ x, y, low, high }) => {
    const bounds = low === undefined || high === undefined || low === high ? "" : ` (${say(low)} to ${say(high)})`;
    const text = `${prefix}${say(y)}${bounds} at ${formatNumber(x)} ${xLabel}`;
    return element("circle", { cx: horizontal.place(x), cy: vertical.place(y), r: 6, "fill-opacity": "0" }, element("title", {}, escapeText(text)));
  });
}

function drawReference({ y, label }: { readonly y: number; readonly label: string }, plot: Plot, vertical: Scale): string {
  const down = vertical.place(y);
  const line = element("path", { d: `M${plot.left} ${coordinate(down)}H${plot.right}`, stroke: "axis", fill: "none", "stroke-dasharray": "5 4" });
  return line + textAt(plot.right - 2, down - plot.top < 14 ? down + 13 : down - 4, label, { anchor: "end" });
}

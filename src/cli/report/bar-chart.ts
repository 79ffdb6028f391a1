import { gutter, heading, horizontalGrid, type Plot } from "./frame.js";
import { formatNumber, linearScale, type Scale } from "./scale.js";
import { chart, chartWidth, coordinate, element, escapeText, fitText, seriesInk, textAt, textWidth, type ChartName, type Ink } from "./svg.js";

/** One bar, and what is known of its uncertainty. */
export interface BarValue {
  readonly value: number;
  readonly low?: number;
  readonly high?: number;
}

/** Content of a {@link groupedBars}. */
export interface GroupedBars extends ChartName {
  /** What stands below each group of bars. */
  readonly categories: readonly string[];
  /** One bar in every group; a value that is undefined leaves its place empty. */
  readonly series: readonly { readonly name: string; readonly ink?: Ink; readonly values: readonly (BarValue | undefined)[] }[];
  readonly xLabel?: string;
  readonly high?: number;
  readonly format?: (value: number) => string;
  readonly plotHeight?: number;
}

/** Upright bars in groups, from 0, with whiskers where bounds are known. */
export function groupedBars(options: GroupedBars): string {
  const { width = chartWidth, categories, series, xLabel, plotHeight = 150, format } = options;
  const say = format ?? formatNumber;
  const inkOf = (index: number): Ink => series[index]?.ink ?? seriesInk(index);
  const legend = series.length < 2 ? [] : series.map(({ name }, index) => ({ name, ink: inkOf(index) }));
  const top = heading(options, legend);
  const bottom = top.height + 6 + plotHeight;
  const values = series.flatMap((each) => each.values.flatMap((bar) => (bar === undefined ? [] : [bar.value, bar.high ?? bar.value])));
  const vertical = linearScale({ values, range: [bottom, top.height + 6], low: 0, high: options.high, tickCount: 4, ...(format === undefined ? {} : { format }) });
  const plot: Plot = { left: gutter(vertical), right: width - 8, top: top.height + 6, bottom };
  const groupWidth = (plot.right - plot.left) / Math.max(1, categories.length);
  const barWidth = Math.min(34, (groupWidth * 0.72) / Math.max(1, series.length));

  const labels = categories.map((category) => wrapped(category, groupWidth - 2));
  const labelRows = Math.max(1, ...labels.map((lines) => lines.length));
  const shapes = categories.map((category, place) => {
    const centre = plot.left + (place + 0.5) * groupWidth;
    const bars = series.map((each, index) => {
      const bar = each.values[place];
      if (bar === undefined || !Number.isFinite(bar.value)) return "";
      const left = centre + (index - series.length / 2) * barWidth;
      return drawBar(bar, left, barWidth, inkOf(index), `${category}, ${each.name}: ${say(bar.value)}`, vertical);
    });
    return bars.join("") + labels[place]!.map((line, row) => textAt(centre, bottom + 16 + 13 * row, line, { anchor: "middle", fill: "ink" })).join("");
  });
  const axis = element("path", { d: `M${plot.left} ${bottom + 0.5}H${plot.right}`, stroke: "axis", fill: "none" });
  const label = xLabel === undefined ? "" : textAt((plot.left + plot.right) / 2, bottom + 18 + 13 * labelRows, xLabel, { anchor: "middle" });
  return chart(options, bottom + 9 + 13 * labelRows + (xLabel === undefined ? 0 : 16), top.markup + horizontalGrid(plot, vertical) + shapes.join("") + axis + label);
}

const labelSize = 11;

/** The words of a label in as few lines of at most `width` px as they fit in, three at most. */
function wrapped(label: string, width: number): string[] {
  const lines: string[] = [];
  for (const word of label.split(" ")) {
    const joined = lines.length === 0 ? word : `${lines.at(-1)!} ${word}`;
    if (lines.length > 0 && (textWidth(joined, labelSize) <= width || lines.length === 3)) lines[lines.length - 1] = joined;
    else lines.push(word);
  }
  return lines.map((line) => fitText(line, width, labelSize));
}

function drawBar({ value, low, high }: BarValue, left: number, width: number, ink: Ink, text: string, vertical: Scale): string {
  const [zero, tip] = [vertical.place(0), vertical.place(value)];
  const bar = element("rect", { x: left + 0.75, y: tip, width: Math.max(1, width - 1.5), height: Math.max(0, zero - tip), rx: Math.min(2, (zero - tip) / 2), fill: ink });
  const middle = left + width / 2;
  const whisker = low === undefined || high === undefined
    ? ""
    : element("path", { d: `M${coordinate(middle)} ${coordinate(vertical.place(low))}V${coordinate(vertical.place(high))}`, stroke: "ink", fill: "none", "stroke-width": "1.3" });
  return element("g", {}, element("title", {}, escapeText(text)), bar, whisker);
}

/** Content of a {@link stackedBars}. */
export interface StackedBars extends ChartName {
  /** Names of the parts, in the order of the stack. */
  readonly parts: readonly string[];
  /** One bar each: its name and the values of its parts. */
  readonly rows: readonly { readonly name: string; readonly values: readonly number[] }[];
  /** How a total, and a part, is written. */
  readonly format: (value: number) => string;
}

const barHeight = 24;

/** Lying bars, each a stack of parts, with its total at the end. */
export function stackedBars(options: StackedBars): string {
  const { width: whole = chartWidth, parts, rows, format } = options;
  const top = heading(options, parts.map((name, index) => ({ name, ink: seriesInk(index) })));
  const totals = rows.map(({ values }) => values.reduce((sum, value) => sum + share(value), 0));
  const rowHeight = barHeight + 26;
  const room = whole - 10 - Math.max(0, ...totals.map((total) => textWidth(format(total), 12)));
  const longest = Math.max(...totals, Number.MIN_VALUE);
  const bars = rows.map(({ name, values }, row) => {
    const y = top.height + 4 + row * rowHeight;
    let x = 0;
    const segments = values.map((value, index) => {
      const width = (room * share(value)) / longest;
      const left = x;
      x += width;
      if (width < 0.3) return "";
      const label = format(value);
      const text = textWidth(label, 11) + 8 < width ? textAt(left + width / 2, y + 15 + 19, label, { anchor: "middle", fill: "onColour" }) : "";
      const rect = element("rect", { x: left, y: y + 18, width: Math.max(0.5, width - 1), height: barHeight, fill: seriesInk(index) });
      return element("g", {}, element("title", {}, escapeText(`${parts[index] ?? ""}: ${label}`)), rect, text);
    });
    const label = textAt(0, y + 13, fitText(name, whole, 11), { fill: "ink" });
    return label + segments.join("") + textAt(x + 6, y + 34, format(totals[row]!), { fill: "ink", size: 12, weight: 600 });
  });
  return chart(options, top.height + 4 + rows.length * rowHeight, top.markup + bars.join(""));
}

function share(value: number): number {
  return Number.isFinite(value) && value > 0 ? value : 0;
}

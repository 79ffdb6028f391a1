import { divergingColour, dotsOf, gridBorders, type HeatMapContent } from "../../envs/drawing/heat-map.js";
import { clipped, heading, horizontalAxis, type Plot } from "./frame.js";
import { formatTick, linearScale, type Scale } from "./scale.js";
import { chart, chartWidth, coordinate, element, textAt, type ChartName, type FixedColour } from "./svg.js";

/** Content of a {@link heatMap}. */
export interface HeatMap extends ChartName, HeatMapContent {
  /** Names of the axes. Default x and y. */
  readonly axes?: readonly [x: string, y: string] | undefined;
}

/** Steps of colour from 0 to either end. */
const levels = 16;
const [barWidth, barGap, labelRoom] = [12, 12, 34];

function colourOf(level: number): FixedColour {
  return `#${divergingColour(level / levels).map((channel) => channel.toString(16).padStart(2, "0")).join("")}`;
}

/**
 * Values over the ground, such as a learned reward over the workspace: red below 0, blue above, the same in the light and in
 * the dark, with a marked rectangle, dots where states were seen, axes and a scale. Equal scale on both axes, y downwards.
 */
export function heatMap(options: HeatMap): string {
  const { grid, limit = 1, box, points = [], axes: [xName, yName] = ["x", "y"] } = options;
  const borders = gridBorders(grid);
  const [left, right] = [borders.x[0]!, borders.x.at(-1)!];
  const [first, last] = [borders.y[0]!, borders.y.at(-1)!];
  const top = heading(options);
  const from = 42;
  const side = (options.width ?? chartWidth) - from - barGap - barWidth - labelRoom;
  const plot: Plot = { left: from, right: from + side, top: top.height + 4, bottom: top.height + 4 + (side * (last - first)) / (right - left) };
  const across = linearScale({ values: [], low: left, high: right, range: [plot.left, plot.right], tickCount: 4 });
  const down = linearScale({ values: [], low: first, high: last, range: [plot.top, plot.bottom], tickCount: 4 });
  const place = (x: number, y: number): string => `${coordinate(across.place(x))} ${coordinate(down.place(y))}`;

  const dots = element("path", {
    d: dotsOf(points).map(([x, y]) => `M${place(x, y)}h0`).join(""), fill: "none", stroke: "#1b222c", "stroke-width": "2.2", "stroke-linecap": "round", "stroke-opacity": "0.4",
  });
  const frame = box === undefined ? "" : element("path", {
    d: `M${place(box.x0, box.y0)}L${place(box.x1, box.y0)}L${place(box.x1, box.y1)}L${place(box.x0, box.y1)}Z`, fill: "none", stroke: "#1b222c", "stroke-width": "2", "stroke-dasharray": "6 3",
  });
  const cells = cellPaths(grid.values, limit, borders.x.map((x) => coordinate(across.place(x))), borders.y.map((y) => coordinate(down.place(y))));
  const map = element("g", { "shape-rendering": "crispEdges" }, ...cells);
  const marks = down.ticks.map(({ value, label }) => {
    const y = down.place(value);
    return element("path", { d: `M${coordinate(plot.left)} ${coordinate(y)}h-4`, stroke: "axis", fill: "none" }) + textAt(plot.left - 7, y + 4, label, { anchor: "end" });
  });
  const name = element("g", { transform: `translate(11 ${coordinate((plot.top + plot.bottom) / 2)}) rotate(-90)` }, textAt(0, 0, yName, { anchor: "middle" }));
  const body = top.markup + map + clipped(plot, 1, points.length === 0 ? "" : dots, frame) + horizontalAxis(plot, across, xName) + marks.join("") + name + colourBar(plot, limit);
  return chart(options, plot.bottom + 36, body);
}

/** One path for each colour; neighbours of one colour in a row are one rectangle. */
function cellPaths(rows: HeatMap["grid"]["values"], limit: number, x: readonly string[], y: readonly string[]): string[] {
  const paths = new Map<number, string>();
  for (const [row, values] of rows.entries()) {
    const levelsOfRow = values.map((value) => Math.round(levels * Math.min(1, Math.max(-1, value / limit))));
    for (let begin = 0; begin < levelsOfRow.length;) {
      const level = levelsOfRow[begin]!;
      let end = begin + 1;
      while (levelsOfRow[end] === level) end += 1;
      paths.set(level, `${paths.get(level) ?? ""}M${x[begin]} ${y[row]}H${x[end]}V${y[row + 1]}H${x[begin]}z`);
      begin = end;
    }
  }
  return [...paths].map(([level, d]) => element("path", { d, fill: colourOf(level) }));
}

function colourBar({ right, top, bottom }: Plot, limit: number): string {
  const left = right + barGap;
  const count = 2 * levels + 1;
  const height = bottom - top;
  const strips = Array.from({ length: count }, (_, at) => element("rect", {
    x: left, y: top + (at * height) / count, width: barWidth, height: height / count + 0.5, fill: colourOf(levels - at),
  }));
  const scale: Scale = linearScale({ values: [], low: -limit, high: limit, range: [bottom, top], tickCount: 4, format: formatTick });
  const labels = scale.ticks.map(({ value, label }) => textAt(left + barWidth + 5, scale.place(value) + 4, label));
  return element("g", { "shape-rendering": "crispEdges" }, ...strips) + labels.join("");
}

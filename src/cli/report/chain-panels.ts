import { clipped, heading, type Plot } from "./frame.js";
import { extent, formatNumber } from "./scale.js";
import { chart, chartWidth, coordinate, element, fitText, textAt, type ChartName, type Ink } from "./svg.js";

/** Where many samples of one decision stand after a denoising step. */
export interface ChainStep {
  /** The denoising step k; 0 is the action that is taken. */
  readonly step: number;
  /** x, y, x, y, ... one point a sample, in the same order at every step. */
  readonly points: readonly number[];
}

/** Content of {@link chainPanels}. */
export interface ChainPanels extends ChartName {
  /** Names of the two coordinates. Default x and y. */
  readonly axes?: readonly [x: string, y: string] | undefined;
  /** In the order of denoising. */
  readonly steps: readonly ChainStep[];
}

const columns = 4;
const gap = 10;
const panelLimit = 12;
const sampleLimit = 400;
/** From the least to the greatest last x: each sample keeps the colour of where it ends. */
const endInks: readonly Ink[] = ["series0", "series5", "series7", "series4", "series1"];

/**
 * The denoising chain of one decision as small multiples: the same samples after each of the last denoising steps, on
 * the same axes with equal scale. A sample has the colour of the place where it ends, so that one sees when its way
 * is decided.
 */
export function chainPanels(options: ChainPanels): string {
  const steps = options.steps.slice(-panelLimit);
  const top = heading(options);
  const { width = chartWidth } = options;
  const side = (width - (columns - 1) * gap) / columns;
  const view = viewOf(steps);
  const inks = endInksOf(steps);
  const panels = steps.map(({ step, points }, index) => {
    const left = (index % columns) * (side + gap);
    const above = top.height + 18 + Math.floor(index / columns) * (side + 28);
    const plot: Plot = { left, right: left + side, top: above, bottom: above + side };
    const place = (x: number, y: number): string => {
      const across = left + side * (0.5 + (x - view.x) / (2 * view.half));
      const down = above + side * (0.5 - (y - view.y) / (2 * view.half));
      return `${coordinate(across)} ${coordinate(down)}`;
    };
    const ground = element("rect", { x: left, y: above, width: side, height: side, fill: "panel", stroke: "grid", rx: 3 });
    return textAt(left, above - 6, `k = ${step}`, { fill: "ink" }) + ground + clipped(plot, 0, ...drawPoints(points, inks, place));
  });
  const rows = Math.ceil(steps.length / columns);
  const bottom = top.height + rows * (side + 28);
  const bounds = (centre: number): string => `${formatNumber(centre - view.half)} to ${formatNumber(centre + view.half)}`;
  const [xName, yName] = options.axes ?? ["x", "y"];
  const axes = [`across: ${xName}, ${bounds(view.x)}; colour: where it ends`, `up: ${yName}, ${bounds(view.y)}`];
  const caption = steps.length === 0 ? textAt(0, top.height + 16, "no samples") : axes.map((line, row) => textAt(0, bottom + 10 + 15 * row, fitText(line, width, 11))).join("");
  return chart(options, bottom + 34, top.markup + panels.join("") + caption);
}

interface View {
  readonly x: number;
  readonly y: number;
  readonly half: number;
}

/** A square that shows the end of the chain large, and of its noisy beginning the middle. */
function viewOf(steps: readonly ChainStep[]): View {
  const coordinates = (points: readonly number[], odd: number): number[] => points.filter((_, index) => index % 2 === odd);
  const last = steps.at(-1)?.points ?? [];
  const [xLow, xHigh] = extent(coordinates(last, 0)) ?? [-1, 1];
  const [yLow, yHigh] = extent(coordinates(last, 1)) ?? [-1, 1];
  const [x, y] = [(xLow + xHigh) / 2, (yLow + yHigh) / 2];
  let whole = 0;
  for (const { points } of steps) {
    for (let at = 0; at + 1 < points.length; at += 2) {
      const distance = Math.max(Math.abs(points[at]! - x), Math.abs(points[at + 1]! - y));
      if (Number.isFinite(distance)) whole = Math.max(whole, distance);
    }
  }
  const end = Math.max(xHigh - xLow, yHigh - yLow) / 2;
  const half = 1.06 * Math.min(whole, Math.max(1.6 * end, 0.35 * whole));
  return { x, y, half: half > 0 ? half : 1 };
}

/** The colour of each sample, by its x in the last step. */
function endInksOf(steps: readonly ChainStep[]): Ink[] {
  const points = steps.at(-1)?.points ?? [];
  const ends = points.filter((_, index) => index % 2 === 0);
  const [low, high] = extent(ends) ?? [0, 0];
  return ends.map((x) => endInks[high > low && Number.isFinite(x) ? Math.min(endInks.length - 1, Math.floor((endInks.length * (x - low)) / (high - low))) : 0]!);
}

/** One path of dots a colour: a line of no length with round ends is a dot. */
function drawPoints(points: readonly number[], inks: readonly Ink[], place: (x: number, y: number) => string): string[] {
  const paths = new Map<Ink, string>();
  const stride = Math.max(1, Math.ceil(points.length / 2 / sampleLimit));
  for (let sample = 0; 2 * sample + 1 < points.length; sample += stride) {
    const [x, y] = [points[2 * sample]!, points[2 * sample + 1]!];
    if (!Number.isFinite(x) || !Number.isFinite(y)) continue;
    const ink = inks[sample] ?? "series0";
    paths.set(ink, `${paths.get(ink) ?? ""}M${place(x, y)}h0`);
  }
  return [...paths].map(([ink, d]) => element("path", { d, stroke: ink, fill: "none", "stroke-width": "3.4", "stroke-linecap": "round", "stroke-opacity": "0.55" }));
}

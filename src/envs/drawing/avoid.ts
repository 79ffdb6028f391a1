import { avoidScene } from "../avoid-scene.js";
import type { Image } from "../environment.js";
import { Canvas, type Colour } from "./canvas.js";

/** One way through the obstacles, metres. */
export interface AvoidPath {
  /** Where the tool was, x, y, x, y, ... at control steps. */
  readonly actual?: ArrayLike<number>;
  /** Where it was told to be. */
  readonly desired?: ArrayLike<number>;
  /** The mode flags of its end (bits 0 to 8): the third row gives the colour. */
  readonly modes?: number;
  /** Whether the rod touched a cylinder: drawn red, with a cross at the end of the path unless `collisionStep` is given. */
  readonly collided?: boolean;
  /** The control step of the first touch. */
  readonly collisionStep?: number;
  /** Overrules the colour. */
  readonly colour?: Colour;
}

/** Options of {@link drawAvoid}. */
export interface AvoidDrawing {
  /** Width of the picture, px. Default 640. */
  readonly width?: number;
  /** `paper` (default): travel to the right, the robot above, as in the figures of the DPPO paper. `dppo`: x to the right, y up, as its code plots. */
  readonly orientation?: "paper" | "dppo";
  /** Leaves the cylinders out, for the variant without obstacles. */
  readonly obstacles?: boolean;
  readonly title?: string;
  /** The hand as it stands: the rod in its true size, and the place that it is told to go to. */
  readonly hand?: { readonly actual: readonly [x: number, y: number]; readonly desired: readonly [x: number, y: number] };
  /** Opacity of the paths. Default falls with their number. */
  readonly opacity?: number;
}

const [xLow, xHigh, yLow, yHigh] = [0.2, 0.8, -0.3, 0.5];
const sand: Colour = [250, 249, 246];
const frame: Colour = [196, 200, 206];
const grid: Colour = [232, 233, 236];
const letter: Colour = [92, 98, 108];
const cylinder: Colour = [62, 68, 80];
const goal: Colour = [31, 119, 180];
const crash: Colour = [208, 52, 44];
/** By the gap of the third row that was taken: flags 5 to 8, then none. */
const modeColours: readonly Colour[] = [[17, 119, 186], [0, 150, 115], [226, 140, 5], [137, 84, 168]];
const undecided: Colour = [110, 116, 126];

/** Draws ways through Avoid: cylinders with their true radii, the reward line, told and actual positions. */
export function drawAvoid(paths: readonly AvoidPath[], options: AvoidDrawing = {}): Image {
  const { width = 640, orientation = "paper", obstacles = true, title } = options;
  const isPaper = orientation === "paper";
  const margin = { left: 46, right: 14, top: title === undefined ? 14 : 34, bottom: 38 };
  const scale = (width - margin.left - margin.right) / (isPaper ? yHigh - yLow : xHigh - xLow);
  const plotHeight = Math.round(scale * (isPaper ? xHigh - xLow : yHigh - yLow));
  const height = margin.top + plotHeight + margin.bottom;
  const right = width - margin.right;
  const bottom = margin.top + plotHeight;
  const across = (x: number, y: number) => margin.left + scale * (isPaper ? y - yLow : x - xLow);
  const down = (x: number, y: number) => margin.top + scale * (isPaper ? x - xLow : yHigh - y);

  const canvas = new Canvas(width, height);
  canvas.rectangle(margin.left, margin.top, right, bottom, sand);
  if (title !== undefined) canvas.text((margin.left + right) / 2, 18, title, { size: 12, align: "centre" });
  drawTicks();
  canvas.clip(margin.left, margin.top, right, bottom);
  if (isPaper) canvas.rectangle(across(0, avoidScene.rewardLine), margin.top, right, bottom, [31, 119, 180, 0.07]);
  else canvas.rectangle(margin.left, margin.top, right, down(0, avoidScene.rewardLine), [31, 119, 180, 0.07]);
  lineAcross(avoidScene.finishBar, 1, [31, 119, 180, 0.55], [5, 4]);
  lineAcross(avoidScene.rewardLine, 2.5, goal);
  if (obstacles) {
    for (const { x, y, radius } of avoidScene.obstacles) {
      canvas.ring(across(x, y), down(x, y), (radius + avoidScene.rodRadius) * scale, 1, [62, 68, 80, 0.25]);
      canvas.disc(across(x, y), down(x, y), radius * scale, cylinder);
    }
  }
  const opacity = options.opacity ?? Math.max(0.35, Math.min(0.95, 4 / Math.sqrt(paths.length + 1)));
  for (const path of paths) drawPath(path);
  for (const path of paths) drawCollision(path);
  const { start } = avoidScene;
  canvas.disc(across(start.x, start.y), down(start.x, start.y), 4.5, [255, 255, 255]);
  canvas.ring(across(start.x, start.y), down(start.x, start.y), 4, 1.8, letter);
  if (options.hand !== undefined) drawHand(options.hand);
  canvas.clip();
  canvas.path([margin.left, margin.top, right, margin.top, right, bottom, margin.left, bottom, margin.left, margin.top], 1, frame);
  return canvas.image();

  function lineAcross(y: number, pen: number, colour: Colour, dash?: readonly [number, number]): void {
    canvas.path([across(xLow, y), down(xLow, y), across(xHigh, y), down(xHigh, y)], pen, colour, dash);
  }

  function drawTicks(): void {
    for (let tick = 0; tick <= 8; tick++) {
      const y = yLow + 0.1 * tick;
      const at = isPaper ? across(0, y) : down(0, y);
      gridLine(isPaper, at, y);
    }
    for (let tick = 0; tick <= 6; tick++) {
      const x = xLow + 0.1 * tick;
      gridLine(!isPaper, isPaper ? down(x, 0) : across(x, 0), x);
    }
    const axisTitle = { size: 9, colour: letter, align: "centre", baseline: "top" } as const;
    canvas.text((margin.left + right) / 2, bottom + 22, isPaper ? "y (m)" : "x (m)", axisTitle);
    canvas.text(margin.left - 38, (margin.top + bottom) / 2, isPaper ? "x" : "y", axisTitle);
  }

  function gridLine(isVertical: boolean, at: number, value: number): void {
    const label = Math.abs(value) < 1e-9 ? "0" : value.toFixed(1);
    if (isVertical) {
      canvas.line(at, margin.top, at, bottom, 1, grid);
      canvas.text(at, bottom + 8, label, { size: 8, colour: letter, align: "centre", baseline: "top" });
    } else {
      canvas.line(margin.left, at, right, at, 1, grid);
      canvas.text(margin.left - 7, at, label, { size: 8, colour: letter, align: "right" });
    }
  }

  function project(points: ArrayLike<number>): Float64Array {
    const out = new Float64Array(points.length);
    for (let at = 0; at + 1 < points.length; at += 2) {
      out[at] = across(points[at]!, points[at + 1]!);
      out[at + 1] = down(points[at]!, points[at + 1]!);
    }
    return out;
  }

  function drawPath(path: AvoidPath): void {
    const gap = [5, 6, 7, 8].findIndex((bit) => ((path.modes ?? 0) & (1 << bit)) !== 0);
    const [red, green, blue, own = opacity] = path.colour ?? (path.collided === true ? crash : (modeColours[gap] ?? undecided));
    const hasBoth = path.actual !== undefined && path.desired !== undefined;
    if (path.desired !== undefined) {
      canvas.path(project(path.desired), hasBoth ? 1 : 1.8, [red, green, blue, hasBoth ? 0.5 * own : own], hasBoth ? [2.5, 3] : undefined);
    }
    if (path.actual !== undefined) {
      const points = project(path.actual);
      canvas.path(points, 1.8, [red, green, blue, own]);
      if (paths.length > 12) return;
      for (let at = 0; at + 1 < points.length; at += 2) canvas.disc(points[at]!, points[at + 1]!, 1.9, [red, green, blue, own]);
    }
  }

  function drawHand({ actual, desired }: NonNullable<AvoidDrawing["hand"]>): void {
    const [dx, dy] = [across(...desired), down(...desired)];
    canvas.line(across(...actual), down(...actual), dx, dy, 1.2, letter);
    canvas.line(dx - 5, dy, dx + 5, dy, 1.6, crash);
    canvas.line(dx, dy - 5, dx, dy + 5, 1.6, crash);
    canvas.disc(across(...actual), down(...actual), avoidScene.rodRadius * scale, [226, 140, 5]);
    canvas.ring(across(...actual), down(...actual), avoidScene.rodRadius * scale, 1.2, [150, 88, 0]);
  }

  function drawCollision(path: AvoidPath): void {
    const points = path.actual ?? path.desired;
    if (path.collided !== true || points === undefined || points.length < 2) return;
    const last = points.length / 2 - 1;
    const at = Math.min(path.collisionStep ?? last, last);
    const [x, y] = project([points[2 * at]!, points[2 * at + 1]!]) as unknown as [number, number];
    for (const [pen, colour] of [[5, [255, 255, 255]], [2.4, crash]] as const) {
      canvas.line(x - 5, y - 5, x + 5, y + 5, pen, colour);
      canvas.line(x - 5, y + 5, x + 5, y - 5, pen, colour);
    }
  }
}

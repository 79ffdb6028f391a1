import { avoidScene } from "../../envs/avoid-scene.js";
import type { Box } from "../../envs/drawing/pusht.js";
import { placeShape, pushtScene } from "../../envs/pusht-scene.js";
import { clipped, crossShape, heading, type LegendEntry, type Plot } from "./frame.js";
import { extent, linearScale, type Scale } from "./scale.js";
import { chart, chartWidth, coordinate, element, escapeText, textAt, type ChartName, type Ink } from "./svg.js";

/** The way of one episode over the ground. */
export interface Trajectory {
  /** x, y, x, y, ... in the units of the environment. */
  readonly points: readonly number[];
  readonly success: boolean;
  /** The way that it took, if it took one: `m5` to `m8` of Avoid. */
  readonly label: string;
  /** Why it ended as it did: `success`, `collision`, `outOfSteps`, ... */
  readonly reason: string;
}

/** Content of a {@link trajectoryPicture}. */
export interface TrajectoryPicture extends ChartName {
  /** Name of the environment, whose scene is drawn: `avoid`, `avoid-free`, `pusht`, `pusht-reach`. Of others only the ways are drawn. */
  readonly environment: string;
  readonly trajectories: readonly Trajectory[];
  /** A rectangle that is to be kept out of, in the units of the environment. */
  readonly forbiddenBox?: Box | undefined;
}

/**
 * Ways over the scene that they were taken in, equal scale on both axes. Avoid lies as in the figures of the DPPO paper:
 * travel to the right, the robot above. Its cylinders have their true radii; the thin ring is where the middle of the rod
 * touches them. A way that collided is crossed where it first touches, and faint from there on.
 */
export function trajectoryPicture(options: TrajectoryPicture): string {
  const ground = groundOf(options.environment, options.trajectories);
  const styles = options.trajectories.map((trajectory) => styleOf(trajectory, ground.isAvoid));
  const top = heading(options, legendOf(styles));
  const [across, down] = [ground.across, ground.down];
  const left = ground.hasAxes ? 37 : 0;
  const width = (options.width ?? chartWidth) - left - (ground.hasAxes ? 10 : 0);
  const perUnit = width / Math.abs(across[1] - across[0]);
  const height = perUnit * Math.abs(down[1] - down[0]);
  const plot: Plot = { left, right: left + width, top: top.height + 4, bottom: top.height + 4 + height };
  const horizontal = linearScale({ values: [], low: across[0], high: across[1], range: [plot.left, plot.right], tickCount: 4 });
  // Down the picture: from the first value of the ground to the second.
  const [first, last] = down;
  const vertical = linearScale({ values: [], low: Math.min(first, last), high: Math.max(first, last), range: first < last ? [plot.top, plot.bottom] : [plot.bottom, plot.top], tickCount: 3 });
  const project: Projection = ground.isSwapped ? (x, y) => [horizontal.place(y), vertical.place(x)] : (x, y) => [horizontal.place(x), vertical.place(y)];

  const touches = options.trajectories.map(({ points }, index) => (styles[index]!.isCrash ? ground.touch(points) : points.length));
  const paths = options.trajectories.map(({ points }, index) => drawWay(points, touches[index]!, styles[index]!, project, options.trajectories.length));
  const crosses = options.trajectories.map(({ points }, index) => drawCross(points, touches[index]!, styles[index]!, project));
  const panel = element("rect", { x: plot.left, y: plot.top, width, height, fill: "panel" });
  const border = element("rect", { x: plot.left + 0.5, y: plot.top + 0.5, width: width - 1, height: height - 1, fill: "none", stroke: "grid" });
  const axes = ground.hasAxes ? drawAxes(plot, horizontal, vertical, ground) : "";
  const empty = options.trajectories.length === 0 ? textAt((plot.left + plot.right) / 2, plot.bottom - 12, "no trajectories", { anchor: "middle" }) : "";
  const box = options.forbiddenBox === undefined ? "" : drawBox(options.forbiddenBox, project);
  const scene = clipped(plot, 0, ground.draw(project, perUnit, plot), box, ...paths, ...crosses, empty);
  return chart(options, plot.bottom + (ground.hasAxes ? 36 : 4), top.markup + panel + scene + border + axes);
}

type Projection = (x: number, y: number) => readonly [across: number, down: number];

interface Ground {
  /** The values at the left and the right, at the top and the bottom of the picture. */
  readonly across: readonly [number, number];
  readonly down: readonly [number, number];
  /** Whether y leads to the right and x down. */
  readonly isSwapped: boolean;
  readonly isAvoid: boolean;
  readonly hasAxes: boolean;
  readonly unit: string;
  draw(project: Projection, perUnit: number, plot: Plot): string;
  /** The place in the points of a way that collided at which it did. */
  touch(points: readonly number[]): number;
}

function groundOf(environment: string, trajectories: readonly Trajectory[]): Ground {
  if (environment === "avoid" || environment === "avoid-free") {
    const drawScene = (project: Projection, perUnit: number, plot: Plot): string => drawAvoidScene(project, perUnit, plot, environment === "avoid");
    return { across: [-0.3, 0.5], down: [0.2, 0.8], isSwapped: true, isAvoid: true, hasAxes: true, unit: " (m)", draw: drawScene, touch: firstTouch };
  }
  if (environment.startsWith("pusht")) {
    const drawScene = (project: Projection, perUnit: number): string => drawPushTScene(project, perUnit, environment !== "pusht-reach");
    return { across: [0, pushtScene.side], down: [0, pushtScene.side], isSwapped: false, isAvoid: false, hasAxes: false, unit: "", draw: drawScene, touch: lastPoint };
  }
  const points = trajectories.flatMap((trajectory) => trajectory.points);
  const [xLow, xHigh] = extent(points.filter((_, index) => index % 2 === 0)) ?? [0, 1];
  const [yLow, yHigh] = extent(points.filter((_, index) => index % 2 === 1)) ?? [0, 1];
  const span = Math.max(xHigh - xLow, yHigh - yLow);
  const half = span > 0 ? 0.55 * span : 1;
  const [x, y] = [(xLow + xHigh) / 2, (yLow + yHigh) / 2];
  return { across: [x - half, x + half], down: [y + half, y - half], isSwapped: false, isAvoid: false, hasAxes: true, unit: "", draw: () => "", touch: lastPoint };
}

function lastPoint(points: readonly number[]): number {
  return Math.max(0, points.length - 2);
}

/** How near to a cylinder a position, told once a step, counts as touching, m. */
const touchTolerance = 0.001;

/** Where the rod first touches a cylinder; where it seems not to, the end. */
function firstTouch(points: readonly number[]): number {
  for (let at = 0; at + 1 < points.length; at += 2) {
    const isTouching = avoidScene.obstacles.some(({ x, y, radius }) => Math.hypot(points[at]! - x, points[at + 1]! - y) < radius + avoidScene.rodRadius + touchTolerance);
    if (isTouching) return at;
  }
  return lastPoint(points);
}

function drawAvoidScene(project: Projection, perUnit: number, plot: Plot, hasObstacles: boolean): string {
  const [goal] = project(0, avoidScene.rewardLine);
  const [startX, startY] = project(avoidScene.start.x, avoidScene.start.y);
  const region = element("rect", { x: goal, y: plot.top, width: plot.right - goal, height: plot.bottom - plot.top, fill: "goal", "fill-opacity": "0.08" });
  const line = element("path", { d: `M${coordinate(goal)} ${coordinate(plot.top)}V${coordinate(plot.bottom)}`, stroke: "goal", fill: "none", "stroke-width": "2.5" });
  const word = textAt(goal + 6, plot.bottom - 8, "goal", { fill: "goal" });
  const cylinders = !hasObstacles ? [] : avoidScene.obstacles.map(({ x, y, radius, name }) => {
    const [cx, cy] = project(x, y);
    const reach = element("circle", { cx, cy, r: (radius + avoidScene.rodRadius) * perUnit, fill: "none", stroke: "cylinder", "stroke-opacity": "0.3" });
    return reach + element("circle", { cx, cy, r: radius * perUnit, fill: "cylinder" }, element("title", {}, escapeText(`Cylinder, ${name}`)));
  });
  const start = element("circle", { cx: startX, cy: startY, r: 4, fill: "surface", stroke: "muted", "stroke-width": "1.8" });
  return region + line + word + cylinders.join("") + start;
}

function drawPushTScene(project: Projection, perUnit: number, hasGoal: boolean): string {
  const { wall, goal, outline } = pushtScene;
  const corner = project(wall.low, wall.low);
  const side = (wall.high - wall.low) * perUnit;
  const walls = element("rect", { x: corner[0], y: corner[1], width: side, height: side, fill: "none", stroke: "axis", "stroke-width": coordinate(2 * wall.radius * perUnit), "stroke-opacity": "0.5" });
  if (!hasGoal) return walls;
  const placed = placeShape(outline, goal.x, goal.y, goal.angle);
  return walls + element("path", { d: `${polyline(Array.from(placed), project)}Z`, fill: "good", "fill-opacity": "0.22", stroke: "good", "stroke-opacity": "0.6" });
}

function drawBox({ x0, y0, x1, y1 }: Box, project: Projection): string {
  const d = `${polyline([x0, y0, x1, y0, x1, y1, x0, y1], project)}Z`;
  return element("path", { d, fill: "bad", "fill-opacity": "0.12", stroke: "bad", "stroke-width": "1.6", "stroke-dasharray": "6 3" });
}

interface WayStyle {
  readonly ink: Ink;
  readonly name: string;
  readonly isCrash: boolean;
}

/** Of Push-T with a forbidden box: by the way that was taken, and whether it led to the goal. */
const boxStyles: Readonly<Partial<Record<string, readonly [solved: WayStyle, failed: WayStyle]>>> = {
  avoidedBox: [{ ink: "series0", name: "around the box", isCrash: false }, { ink: "series6", name: "around it, failed", isCrash: false }],
  enteredBox: [{ ink: "series1", name: "through the box", isCrash: false }, { ink: "series4", name: "through it, failed", isCrash: false }],
};

/** By the gap of the third row that was taken. */
const gapInks: Readonly<Partial<Record<string, Ink>>> = { m5: "series0", m6: "series2", m7: "series4", m8: "series3" };

function styleOf({ label, reason, success }: Trajectory, isAvoid: boolean): WayStyle {
  if (reason === "collision") return { ink: "bad", name: "collision", isCrash: true };
  const byBox = boxStyles[label]?.[success ? 0 : 1];
  if (byBox !== undefined) return byBox;
  if (!isAvoid) return { ink: success ? "series0" : "series1", name: success ? "success" : "failure", isCrash: false };
  const ink = gapInks[label];
  return ink === undefined ? { ink: "muted", name: "no gap", isCrash: false } : { ink, name: label, isCrash: false };
}

function legendOf(styles: readonly WayStyle[]): LegendEntry[] {
  const counts = new Map<string, { readonly style: WayStyle; count: number }>();
  for (const style of styles) {
    const entry = counts.get(style.name);
    if (entry === undefined) counts.set(style.name, { style, count: 1 });
    else entry.count += 1;
  }
  const shown = [...counts.values()].sort((a, b) => Number(a.style.isCrash) - Number(b.style.isCrash) || a.style.name.localeCompare(b.style.name, "en"));
  return shown.map(({ style: { ink, name, isCrash }, count }) => ({ name: `${name} · ${count}`, ink, kind: isCrash ? "cross" : "line" }));
}

/** The way as a path; steps of less than half a pixel are passed over. */
function polyline(points: readonly number[], project: Projection): string {
  let path = "";
  let [lastX, lastY] = [Number.NaN, Number.NaN];
  for (let at = 0; at + 1 < points.length; at += 2) {
    const [x, y] = project(points[at]!, points[at + 1]!);
    if (!Number.isFinite(x) || !Number.isFinite(y) || Math.hypot(x - lastX, y - lastY) < 0.5) continue;
    path += `${path === "" ? "M" : "L"}${coordinate(x)} ${coordinate(y)}`;
    [lastX, lastY] = [x, y];
  }
  return path;
}

function drawWay(points: readonly number[], touch: number, { ink }: WayStyle, project: Projection, count: number): string {
  const opacity = Math.max(0.35, Math.min(0.9, 4 / Math.sqrt(count + 1)));
  const draw = (part: readonly number[], width: number, strength: number): string => {
    const d = polyline(part, project);
    return d === "" ? "" : element("path", { d, stroke: ink, fill: "none", "stroke-width": String(width), "stroke-opacity": strength.toFixed(2), "stroke-linejoin": "round", "stroke-linecap": "round" });
  };
  return draw(points.slice(0, touch + 2), 1.6, opacity) + draw(points.slice(touch), 1, 0.3 * opacity);
}

function drawCross(points: readonly number[], touch: number, { ink, isCrash }: WayStyle, project: Projection): string {
  if (!isCrash || points.length < 2) return "";
  const [x, y] = project(points[touch]!, points[touch + 1]!);
  return Number.isFinite(x) && Number.isFinite(y) ? element("g", { transform: `translate(${coordinate(x)} ${coordinate(y)})` }, crossShape(ink)) : "";
}

function drawAxes(plot: Plot, horizontal: Scale, vertical: Scale, { isSwapped, unit }: Ground): string {
  const acrossMarks = horizontal.ticks.map(({ value, label }) => {
    const x = horizontal.place(value);
    return element("path", { d: `M${coordinate(x)} ${coordinate(plot.bottom)}v4`, stroke: "axis", fill: "none" }) + textAt(x, plot.bottom + 16, label, { anchor: "middle" });
  });
  const downMarks = vertical.ticks.map(({ value, label }) => {
    const y = vertical.place(value);
    const tick = element("path", { d: `M${coordinate(plot.left)} ${coordinate(y)}h-4`, stroke: "axis", fill: "none" });
    return tick + textAt(plot.left - 7, y + 4, label, { anchor: "end" });
  });
  const [acrossName, downName] = isSwapped ? ["y", "x"] : ["x", "y"];
  const acrossLabel = textAt((plot.left + plot.right) / 2, plot.bottom + 31, `${acrossName}${unit}`, { anchor: "middle" });
  const middle = (plot.top + plot.bottom) / 2;
  const downLabel = element("g", { transform: `translate(12 ${coordinate(middle)}) rotate(-90)` }, textAt(0, 0, `${downName}${unit}`, { anchor: "middle" }));
  return acrossMarks.join("") + downMarks.join("") + acrossLabel + downLabel;
}

import { avoidScene } from "../../src/envs/index.js";

/** One way through Avoid: increments told, and desired and actual positions before each of them. */
export interface Way {
  readonly mode: string;
  readonly increments: readonly (readonly [number, number])[];
  readonly desired: readonly (readonly [number, number])[];
  readonly actual: readonly (readonly [number, number])[];
}

const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
const deviation = (values: readonly number[]) => Math.sqrt(mean(values.map((value) => (value - mean(values)) ** 2)));
const quantile = (values: readonly number[], share: number) => [...values].sort((a, b) => a - b)[Math.floor(share * (values.length - 1))]!;
const isIdle = ([x, y]: readonly [number, number]) => Math.hypot(x, y) < 1e-7;

/** Steps at the beginning of a list for which something holds. */
function leading<T>(list: readonly T[], holds: (item: T) => boolean): number {
  const end = list.findIndex((item) => !holds(item));
  return end < 0 ? list.length : end;
}

function clearance(way: Way): number {
  return Math.min(...way.actual.flatMap(([x, y]) =>
    avoidScene.obstacles.map((obstacle) => Math.hypot(x - obstacle.x, y - obstacle.y) - obstacle.radius - avoidScene.rodRadius)));
}

/** Where a way first comes as far as y. */
function crossing({ desired }: Way, y: number): number | undefined {
  const after = desired.findIndex((place) => place[1] >= y);
  if (after < 1) return undefined;
  const [[x0, y0], [x1, y1]] = [desired[after - 1]!, desired[after]!];
  return x0 + ((y - y0) / (y1 - y0)) * (x1 - x0);
}

/** The figures by which ways are compared, lengths in steps and metres. */
export function wayStatistics(ways: readonly Way[]) {
  const increments = ways.flatMap((way) => way.increments);
  const share = (holds: (increment: readonly [number, number]) => boolean) => increments.filter(holds).length / increments.length;
  const lengths = ways.map((way) => way.increments.length);
  const speeds = increments.map(([x, y]) => Math.hypot(x, y));
  const clearances = ways.map(clearance);
  const crossings = ways.map(({ actual }) => actual.findIndex(([, y]) => y > avoidScene.rewardLine)).filter((step) => step >= 0);
  const spreads = [...new Set(ways.map(({ mode }) => mode))].flatMap((mode) =>
    [-0.22, -0.16, -0.1, -0.04, 0.02, 0.08, 0.14, 0.2, 0.26, 0.32].map((y) =>
      deviation(ways.filter((way) => way.mode === mode).slice(0, 4).flatMap((way) => crossing(way, y) ?? []))));
  return {
    length: mean(lengths), lengthDeviation: deviation(lengths), shortest: Math.min(...lengths), longest: Math.max(...lengths),
    speed: mean(speeds), fastest: Math.max(...speeds),
    largestX: Math.max(...increments.map(([x]) => Math.abs(x))),
    largestY: Math.max(...increments.map(([, y]) => y)), leastY: Math.min(...increments.map(([, y]) => y)),
    fullAhead: share(([, y]) => y > 0.01249), still: share(isIdle), straight: share(([x]) => Math.abs(x) < 1e-7),
    idleStart: mean(ways.map((way) => leading(way.increments, isIdle))),
    idleEnd: mean(ways.map((way) => leading([...way.increments].reverse(), isIdle))),
    lineStep: mean(crossings), leastClearance: Math.min(...clearances), clearance: quantile(clearances, 0.5),
    lateralSpread: mean(spreads),
  };
}

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { PushtBatch } from "../golden-runner/pusht-batch.ts";

type Point = readonly [number, number];

const rectangles: readonly (readonly Point[])[] = [
  [[-60, 0], [60, 0], [60, 30], [-60, 30]],
  [[-15, 30], [15, 30], [15, 120], [-15, 120]],
];

function place(points: readonly Point[], x: number, y: number, angle: number): Point[] {
  const [c, s] = [Math.cos(angle), Math.sin(angle)];
  return points.map(([px, py]) => [c * px - s * py + x, s * px + c * py + y]);
}

/** Clips a convex polygon by each side of another and takes the shoelace area: another method than the module's. */
function overlapArea(subject: readonly Point[], clip: readonly Point[]): number {
  let polygon = [...subject];
  for (const [i, [ax, ay]] of clip.entries()) {
    const [bx, by] = clip[(i + 1) % clip.length]!;
    const side = ([x, y]: Point) => (bx - ax) * (y - ay) - (by - ay) * (x - ax);
    polygon = polygon.flatMap((point, j) => {
      const next = polygon[(j + 1) % polygon.length]!;
      const [here, there] = [side(point), side(next)];
      const t = here / (here - there);
      const crossing: Point = [point[0] + t * (next[0] - point[0]), point[1] + t * (next[1] - point[1])];
      return [...(here >= 0 ? [point] : []), ...(here > 0 !== there > 0 && here !== there && here !== 0 && there !== 0 ? [crossing] : [])];
    });
  }
  const twice = polygon.reduce((sum, [x, y], j) => {
    const [nx, ny] = polygon[(j + 1) % polygon.length]!;
    return sum + x * ny - nx * y;
  }, 0);
  return Math.abs(twice) / 2;
}

function coverageByClipping(x: number, y: number, angle: number): number {
  const goal = rectangles.map((points) => place(points, 256, 256, Math.PI / 4));
  const block = rectangles.map((points) => place(points, x, y, angle));
  return block.flatMap((part) => goal.map((target) => overlapArea(part, target))).reduce((sum, area) => sum + area, 0) / 6300;
}

describe("coverage", () => {
  const batch = new PushtBatch({ count: 1 });
  const coverage = (x: number, y: number, angle: number) => batch.call("pusht_coverage", x, y, angle);

  test("is 1 on the goal, 0 far from it, and 1 again after a full turn", () => {
    expect(coverage(256, 256, Math.PI / 4)).toBeCloseTo(1, 14);
    expect(coverage(256, 256, Math.PI / 4 - 2 * Math.PI)).toBeCloseTo(1, 13);
    expect(coverage(60, 60, 0)).toBe(0);
  });

  test("is the area that convex clipping gives, anywhere", () => {
    fc.assert(
      fc.property(
        fc.double({ min: 100, max: 420, noNaN: true }), fc.double({ min: 100, max: 420, noNaN: true }), fc.double({ min: -7, max: 7, noNaN: true }),
        (x, y, angle) => {
          const got = coverage(x, y, angle);
          expect(got).toBeGreaterThanOrEqual(0);
          expect(got).toBeLessThanOrEqual(1);
          expect(Math.abs(got - coverageByClipping(x, y, angle))).toBeLessThan(1e-12);
        },
      ),
      { seed: 1, numRuns: 3000 },
    );
  });

  test("holds where edges lie on edges: quarter turns about the goal and shifts along it", () => {
    for (let quarter = 0; quarter < 4; quarter++) {
      for (const shift of [0, 1e-13, 1e-9, 15, 30, 60, 90, 120]) {
        const angle = Math.PI / 4 + (quarter * Math.PI) / 2;
        const [x, y] = [256 + shift * Math.SQRT1_2, 256 + shift * Math.SQRT1_2];
        expect(Math.abs(coverage(x, y, angle) - coverageByClipping(x, y, angle))).toBeLessThan(1e-12);
      }
    }
  });
});

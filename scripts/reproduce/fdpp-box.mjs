/** The search for a forbidden box that a policy runs through, and for starts from which it always does. */
import { placeShape, pushtScene } from "../../dist/envs/pusht-scene.js";

const inside = ({ x0, y0, x1, y1 }, x, y) => x >= x0 && x <= x1 && y >= y0 && y <= y1;
const clears = (box, points) => {
  for (let at = 0; at + 1 < points.length; at += 2) if (inside(box, points[at], points[at + 1])) return false;
  return true;
};

/** Steps of an episode that lie in a box, of its first ones. @param points x, y, x, y, ... from the start on */
export function stepsInside(box, points, steps) {
  let count = 0;
  for (let at = 2; at + 1 < Math.min(points.length, 2 * (steps + 1)); at += 2) if (inside(box, points[at], points[at + 1])) count += 1;
  return count;
}

/** Whether a way past the box exists: start, block and goal lie outside. @param start agent x, y, block x, y, angle */
export function isPassable(box, [agentX, agentY, blockX, blockY, angle]) {
  const { goal, outline } = pushtScene;
  return !inside(box, agentX, agentY) && clears(box, placeShape(outline, blockX, blockY, angle)) && clears(box, placeShape(outline, goal.x, goal.y, goal.angle));
}

/** The candidates whose rollouts all enter the box early, by their index. @param candidates `start` and the points of its `rollouts` */
export function qualifying(box, candidates, steps) {
  return candidates.flatMap(({ start, rollouts }, index) => (isPassable(box, start) && rollouts.every((points) => stepsInside(box, points, steps) > 0) ? [index] : []));
}

/** Boxes to try: the first one, then all others at the bottom right, by how far they are from it; in steps of 10 px, sides of 100 to 160. */
export function* boxes(first) {
  yield first;
  const others = [];
  const { side } = pushtScene;
  for (let width = 100; width <= 160; width += 10) {
    for (let height = 100; height <= 160; height += 10) {
      for (let x0 = side / 2 + 4; x0 + width < side; x0 += 10) {
        for (let y0 = side / 2 + 4; y0 + height < side; y0 += 10) {
          const box = { x0, y0, x1: x0 + width, y1: y0 + height };
          others.push({ box, distance: Object.keys(box).reduce((sum, edge) => sum + Math.abs(box[edge] - first[edge]), 0) });
        }
      }
    }
  }
  for (const { box } of others.sort((a, b) => a.distance - b.distance)) yield box;
}

/**
 * The first box where it has enough qualifying starts, else the one with the most, the nearest to it of several.
 *
 * @returns the box, its starts by their index, and how many boxes were tried
 */
export function findBox(first, candidates, { steps, least }) {
  let best = { box: first, indices: qualifying(first, candidates, steps), tried: 1 };
  if (best.indices.length >= least) return best;
  let tried = 0;
  for (const box of boxes(first)) {
    tried += 1;
    const indices = qualifying(box, candidates, steps);
    if (indices.length > best.indices.length) best = { box, indices, tried };
  }
  return { ...best, tried };
}

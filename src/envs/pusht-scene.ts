/** The scene of Push-T, px of its 512 x 512 world, y downwards: the same numbers stand in assembly/envs/pusht.ts. */
export const pushtScene = Object.freeze({
  side: 512,
  /** The two rectangles of the T in its own axes, x, y, x, y, ... */
  bar: Object.freeze([-60, 0, 60, 0, 60, 30, -60, 30]),
  stem: Object.freeze([-15, 30, 15, 30, 15, 120, -15, 120]),
  /** The whole outline, for drawing. */
  outline: Object.freeze([-60, 0, 60, 0, 60, 30, 15, 30, 15, 120, -15, 120, -15, 30, -60, 30]),
  goal: Object.freeze({ x: 256, y: 256, angle: Math.PI / 4 }),
  agentRadius: 15,
  /** Walls run at this distance from the edge, 2 px to each side. */
  wall: Object.freeze({ low: 5, high: 506, radius: 2 }),
});

/** Local points of the T in the world: turned by `angle` about the T's origin, which lies at (x, y). */
export function placeShape(points: ArrayLike<number>, x: number, y: number, angle: number): Float64Array {
  const [cosine, sine] = [Math.cos(angle), Math.sin(angle)];
  const placed = new Float64Array(points.length);
  for (let at = 0; at + 1 < points.length; at += 2) {
    placed[at] = x + cosine * points[at]! - sine * points[at + 1]!;
    placed[at + 1] = y + sine * points[at]! + cosine * points[at + 1]!;
  }
  return placed;
}

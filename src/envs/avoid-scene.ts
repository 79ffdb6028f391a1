/** The scene of Avoid, metres: the same numbers stand in assembly/envs/avoid.ts. x leads away from the robot, y is the way to go. */
export const avoidScene = Object.freeze({
  /** Centre and radius of each cylinder: one in the first row, two in the second, three in the third. */
  obstacles: Object.freeze([
    { x: 0.5, y: -0.1, radius: 0.03, name: "level 1" },
    { x: 0.425, y: 0.08, radius: 0.025, name: "level 2, near the robot" },
    { x: 0.575, y: 0.08, radius: 0.025, name: "level 2, far from the robot" },
    { x: 0.35, y: 0.26, radius: 0.025, name: "level 3, near the robot" },
    { x: 0.5, y: 0.26, radius: 0.025, name: "level 3, middle" },
    { x: 0.65, y: 0.26, radius: 0.025, name: "level 3, far from the robot" },
  ]),
  /** Radius of the rod that must touch no cylinder. */
  rodRadius: 0.01,
  /** Where the tool starts. */
  start: Object.freeze({ x: 0.5249284663, y: -0.2797367276 }),
  /** Behind this line DPPO pays its reward; D3IL draws its bar at 0.35. */
  rewardLine: 0.4,
  finishBar: 0.35,
  /** Beyond these the reward is negative. */
  bounds: Object.freeze({ low: 0.2, high: 0.8 }),
});

/** A mode as three digits, such as 125: which side of each row was passed. Undefined until all three rows are passed. */
export function modeOf(flags: number): string | undefined {
  const digit = (from: number, to: number) => {
    for (let bit = from; bit <= to; bit++) if ((flags & (1 << bit)) !== 0) return String(bit);
    return undefined;
  };
  const [first, second, third] = [digit(0, 1), digit(2, 4), digit(5, 8)];
  return first === undefined || second === undefined || third === undefined ? undefined : first + second + third;
}

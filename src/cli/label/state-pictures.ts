import { DifftuneError } from "../../core/errors.js";
import { Canvas } from "../../envs/drawing/canvas.js";
import { drawAvoid } from "../../envs/drawing/avoid.js";
import { divergingColour } from "../../envs/drawing/heat-map.js";
import { drawPushT, type PushTPose } from "../../envs/drawing/pusht.js";
import type { Image } from "../../envs/environment.js";
import { placeShape, pushtScene } from "../../envs/pusht-scene.js";
import type { EnvironmentName } from "../../envs/registry.js";
import type { RewardMap } from "../../preference/reward-model.js";

/** Draws the states of one environment. */
export interface StatePainter {
  readonly environment: EnvironmentName;
  /** State `at` of a segment [H, S], with the way of the whole segment where it has several. */
  paint(states: Float32Array, at: number): Image;
  /** A segment in words, for those who do not see it. */
  describe(states: Float32Array): string;
}

/** The plane that an environment is looked at in: what of a state are its coordinates, and where they lie. */
export interface Workspace {
  readonly axes: readonly [x: string, y: string];
  readonly x: readonly [number, number];
  readonly y: readonly [number, number];
  /** Reward features where none are asked for, expressions of the coordinates: within −1 and 1. */
  readonly features: readonly string[];
}

/** The workspace of an environment. */
export function workspaceOf(environment: EnvironmentName): Workspace {
  return environment.startsWith("avoid")
    ? { axes: ["desiredX", "desiredY"], x: [0.2, 0.8], y: [-0.3, 0.5], features: ["(desiredX - 0.5) / 0.3", "(desiredY - 0.1) / 0.4"] }
    : { axes: ["agentX", "agentY"], x: [0, pushtScene.side], y: [0, pushtScene.side], features: ["agentX / 256 - 1", "agentY / 256 - 1"] };
}

/** Width of a picture, px: about twice what a page shows, for sharp screens. */
const side = 512;

/** A painter of the raw states of an environment; refuses states that lack what a picture needs. */
export function statePainter(environment: EnvironmentName, columns: readonly string[]): StatePainter {
  const width = columns.length;
  const places = (names: readonly string[]): readonly number[] => names.map((name) => {
    const place = columns.indexOf(name);
    if (place !== -1) return place;
    throw new DifftuneError("FORMAT", `The states have no column "${name}", which a picture of ${environment} needs.`, {
      hint: `They have ${columns.join(", ")}.`, path: "columns", expected: names, got: columns,
    });
  });
  const describe = (states: Float32Array): string => {
    const row = (at: number): string => columns.map((name, column) => `${name} ${Number(states[at * width + column]!.toPrecision(3))}`).join(", ");
    const last = states.length / width - 1;
    return last === 0 ? row(0) : `From ${row(0)} to ${row(last)}, ${last + 1} states`;
  };
  const way = (states: Float32Array, [x, y]: readonly number[]): number[] =>
    Array.from({ length: states.length / width }, (_, at) => [states[at * width + x!]!, states[at * width + y!]!]).flat();

  if (environment.startsWith("avoid")) {
    const hand = places(["desiredX", "desiredY", "actualX", "actualY"]);
    return {
      environment, describe,
      paint: (states, at) => {
        const [desiredX, desiredY, actualX, actualY] = hand.map((place) => states[at * width + place]!) as [number, number, number, number];
        const isClip = states.length > width;
        return drawAvoid(isClip ? [{ desired: way(states, hand.slice(0, 2)), actual: way(states, hand.slice(2)) }] : [], {
          width: side, obstacles: environment !== "avoid-free", hand: { desired: [desiredX, desiredY], actual: [actualX, actualY] },
        });
      },
    };
  }
  const agent = places(["agentX", "agentY"]);
  const poseOf = blockReader(columns, places);
  return {
    environment, describe,
    paint: (states, at) => {
      const row = states.subarray(at * width, (at + 1) * width);
      const [agentX, agentY] = agent.map((place) => row[place]!) as [number, number];
      return drawPushT({ pose: { agentX, agentY, ...poseOf(row) }, ...(states.length > width ? { paths: [way(states, agent)] } : {}) }, side);
    },
  };
}

/** The second and third of the nine keypoints of Push-T, at the ends of the bar, in the axes of the T. */
const barEnds = [[-60.98347236447147, -1.1867297607997276], [60.91275557727772, -1.3933642242328201]] as const;

/** Reads where the T stands from any of the observations of Push-T: its pose, its keypoints or its corners. */
function blockReader(columns: readonly string[], places: (names: readonly string[]) => readonly number[]): (row: Float32Array) => Omit<PushTPose, "agentX" | "agentY"> {
  const pointsOf = (prefix: string, indices: readonly number[]): readonly number[] => places(indices.flatMap((index) => [`${prefix}${index}X`, `${prefix}${index}Y`]));
  /** The pose that takes the local points `a` and `b` to the world's `p` and `q`. */
  const fit = (a: Point, b: Point, p: Point, q: Point): Omit<PushTPose, "agentX" | "agentY"> => {
    const blockAngle = Math.atan2(q[1] - p[1], q[0] - p[0]) - Math.atan2(b[1] - a[1], b[0] - a[0]);
    const [turnedX, turnedY] = placeShape(a, 0, 0, blockAngle) as unknown as Point;
    return { blockX: p[0] - turnedX, blockY: p[1] - turnedY, blockAngle };
  };
  if (columns.includes("keypoint0X")) {
    const ends = pointsOf("keypoint", [1, 2]);
    return (row) => {
      const [x0, y0, x1, y1] = ends.map((place) => row[place]!) as [number, number, number, number];
      return fit(...barEnds, [x0, y0], [x1, y1]);
    };
  }
  if (columns.includes("corner0X")) {
    // The four corners of the bar, then those of the stem, in whatever order: their middles are enough.
    const corners = [pointsOf("corner", [0, 1, 2, 3]), pointsOf("corner", [4, 5, 6, 7])] as const;
    return (row) => {
      const [bar, stem] = corners.map((part) => middleOf(part.map((place) => row[place]!))) as [Point, Point];
      return fit(middleOf(pushtScene.bar), middleOf(pushtScene.stem), bar, stem);
    };
  }
  const pose = places(["blockX", "blockY", "blockAngle"]);
  return (row) => {
    const [blockX, blockY, blockAngle] = pose.map((place) => row[place]!) as [number, number, number];
    return { blockX, blockY, blockAngle };
  };
}

type Point = readonly [x: number, y: number];

/** The mean of points x, y, x, y, ... */
function middleOf(points: readonly number[]): Point {
  const mean = (axis: 0 | 1): number => points.reduce((sum, value, at) => (at % 2 === axis ? sum + value : sum), 0) / (points.length / 2);
  return [mean(0), mean(1)];
}

/**
 * A heat map that fills its picture, without axes: red is avoided, blue is preferred.
 *
 * @param points places that are dotted, x, y, x, y, ... in the unit of the map
 */
export function paintMap({ x, y, values }: RewardMap, points: readonly number[]): Image {
  const factor = Math.max(1, Math.floor(side / x.length));
  const canvas = new Canvas(factor * x.length, factor * y.length);
  const pixels = Uint8ClampedArray.from(values.flat().flatMap((value) => [...divergingColour(value), 255]));
  canvas.place({ width: x.length, height: y.length, pixels }, 0, 0, factor);
  // Centres of cells to pixels: the first centre is half a cell from the border.
  const place = (value: number, centres: readonly number[]): number => factor * (0.5 + (value - centres[0]!) / (centres[1]! - centres[0]!));
  for (let at = 0; at + 1 < points.length; at += 2) canvas.disc(place(points[at]!, x), place(points[at + 1]!, y), 2.2, [27, 34, 44, 0.55]);
  return canvas.image();
}

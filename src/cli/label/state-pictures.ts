import { DifftuneError } from "../../core/errors.js";
import { Canvas } from "../../envs/drawing/canvas.js";
import { drawAvoid } from "../../envs/drawing/avoid.js";
import { divergingColour } from "../../envs/drawing/heat-map.js";
import { drawPushT, type PushTPose } from "../../envs/drawing/pusht.js";
import type { Image } from "../../envs/environment.js";
import { pushtScene } from "../../envs/pusht-scene.js";
import type { EnvironmentName } from "../../envs/registry.js";
import type { RewardMap } from "../../preference/reward-model.js";

/** Draws the states of one environment. */
export interface StatePainter {
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
      describe,
      paint: (states, at) => {
        const [desiredX, desiredY, actualX, actualY] = hand.map((place) => states[at * width + place]!) as [number, number, number, number];
        const isClip = states.length > width;
        return drawAvoid(isClip ? [{ desired: way(states, hand.slice(0, 2)), actual: way(states, hand.slice(2)) }] : [], {
          width: side, obstacles: environment !== "avoid-free", hand: { desired: [desiredX, desiredY], actual: [actualX, actualY] },
        });
      },
    };
  }
  const names = ["agentX", "agentY", "blockX", "blockY", "blockAngle"] as const satisfies readonly (keyof PushTPose)[];
  const pose = places(names);
  return {
    describe,
    paint: (states, at) => drawPushT({
      pose: Object.fromEntries(names.map((name, index) => [name, states[at * width + pose[index]!]!])) as unknown as PushTPose,
      ...(states.length > width ? { paths: [way(states, pose)] } : {}),
    }, side),
  };
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

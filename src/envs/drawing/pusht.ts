import type { Image } from "../environment.js";
import { placeShape, pushtScene } from "../pusht-scene.js";
import { Canvas, type Colour } from "./canvas.js";

/** A state of Push-T as its observation says it: the T's position is that of its origin, the top middle of the bar. */
export interface PushTPose {
  readonly agentX: number;
  readonly agentY: number;
  readonly blockX: number;
  readonly blockY: number;
  readonly blockAngle: number;
}

/** A rectangle of the world, px. */
export interface Box {
  readonly x0: number;
  readonly y0: number;
  readonly x1: number;
  readonly y1: number;
}

/** What {@link drawPushT} shows; everything is optional but the size of the world. */
export interface PushTPicture {
  /** The T and the agent as they stand. */
  readonly pose?: PushTPose;
  /** Earlier poses of the T, drawn as faint outlines, oldest first. */
  readonly history?: readonly PushTPose[];
  /** Ways of the agent, x, y, x, y, ... in px, one per episode. */
  readonly paths?: readonly ArrayLike<number>[];
  /** Colour of each path; by default from dark to light along each. */
  readonly pathColours?: readonly Colour[];
  /** The region that the agent should stay out of. */
  readonly forbiddenBox?: Box;
  /** Where the agent is told to go. */
  readonly target?: readonly [x: number, y: number];
  /** The point to reach in the reach-only variant; hides the goal T. */
  readonly reach?: { readonly x: number; readonly y: number; readonly radius: number };
  /** Text in the upper left corner. */
  readonly caption?: string;
}

const floor: Colour = [252, 252, 250];
const wall: Colour = [214, 216, 220];
const goalFill: Colour = [189, 231, 190];
const goalEdge: Colour = [120, 196, 128];
const blockFill: Colour = [138, 156, 178];
const blockEdge: Colour = [84, 100, 122];
const agentFill: Colour = [65, 105, 225];
const agentEdge: Colour = [38, 70, 172];
const danger: Colour = [214, 62, 54];

/**
 * Draws Push-T, anti-aliased, at any size. The pixel-exact images that policies see come from the environment itself.
 *
 * @param side width and height of the picture, px
 */
export function drawPushT(picture: PushTPicture, side = 384): Image {
  const scale = side / pushtScene.side;
  const pen = Math.max(1, 2 * scale);
  const canvas = new Canvas(side, side, floor);
  const scaled = (points: ArrayLike<number>) => Float64Array.from(points, (value) => value * scale);
  const shape = (pose: { x: number; y: number; angle: number }) => scaled(placeShape(pushtScene.outline, pose.x, pose.y, pose.angle));
  const outline = (points: Float64Array, width: number, colour: Colour) => {
    canvas.path([...points, points[0]!, points[1]!], width, colour);
  };

  const { low, high, radius } = pushtScene.wall;
  canvas.path(scaled([low, low, high, low, high, high, low, high, low, low]), 2 * radius * scale, wall);
  const { forbiddenBox: box, reach, pose } = picture;
  if (reach === undefined) {
    const goal = shape(pushtScene.goal);
    canvas.polygon(goal, goalFill);
    outline(goal, pen, goalEdge);
  } else {
    canvas.disc(reach.x * scale, reach.y * scale, reach.radius * scale, goalFill);
    canvas.ring(reach.x * scale, reach.y * scale, reach.radius * scale, pen, goalEdge);
  }
  if (box !== undefined) drawBox(box);
  for (const [index, { blockX, blockY, blockAngle }] of (picture.history ?? []).entries()) {
    const age = (index + 1) / (picture.history!.length + 1);
    outline(shape({ x: blockX, y: blockY, angle: blockAngle }), 0.7 * pen, [84, 100, 122, 0.14 + 0.36 * age]);
  }
  if (pose !== undefined) {
    const block = shape({ x: pose.blockX, y: pose.blockY, angle: pose.blockAngle });
    canvas.polygon(block, blockFill);
    outline(block, pen, blockEdge);
  }
  for (const [index, path] of (picture.paths ?? []).entries()) drawWay(path, picture.pathColours?.[index]);
  if (pose !== undefined) {
    canvas.disc(pose.agentX * scale, pose.agentY * scale, pushtScene.agentRadius * scale, agentFill);
    canvas.ring(pose.agentX * scale, pose.agentY * scale, (pushtScene.agentRadius - 1) * scale, pen, agentEdge);
  }
  if (picture.target !== undefined) {
    const [x, y] = [picture.target[0] * scale, picture.target[1] * scale];
    const arm = 7 * scale;
    canvas.line(x - arm, y, x + arm, y, 1.2 * pen, danger);
    canvas.line(x, y - arm, x, y + arm, 1.2 * pen, danger);
  }
  if (picture.caption !== undefined) {
    canvas.text(14 * scale, 14 * scale, picture.caption, { size: Math.max(8, 15 * scale), baseline: "top", colour: [70, 76, 88] });
  }
  return canvas.image();

  function drawBox({ x0, y0, x1, y1 }: Box): void {
    const [left, top, right, bottom] = [x0, y0, x1, y1].map((value) => value * scale) as [number, number, number, number];
    canvas.rectangle(left, top, right, bottom, [214, 62, 54, 0.1]);
    canvas.clip(left, top, right, bottom);
    for (let at = left - (bottom - top); at < right; at += 12 * scale) {
      canvas.line(at, bottom, at + (bottom - top), top, 0.5 * pen, [214, 62, 54, 0.28]);
    }
    canvas.clip();
    canvas.path([left, top, right, top, right, bottom, left, bottom, left, top], pen, danger);
  }

  function drawWay(path: ArrayLike<number>, colour?: Colour): void {
    const points = scaled(path);
    if (colour !== undefined) {
      canvas.path(points, 0.9 * pen, colour);
      return;
    }
    const segments = points.length / 2 - 1;
    for (let index = 0; index < segments; index++) {
      const age = index / Math.max(1, segments - 1);
      canvas.path(points.subarray(2 * index, 2 * index + 4), 0.9 * pen, mix(age));
    }
  }
}

/** From the beginning of a path (0) to its end (1): blue, violet, orange. */
function mix(age: number): Colour {
  const stops = [[24, 78, 178], [148, 62, 160], [238, 124, 38]] as const;
  const place = Math.min(Math.floor(2 * age), 1);
  const share = 2 * age - place;
  const [from, to] = [stops[place]!, stops[place + 1]!];
  return [from[0] + share * (to[0] - from[0]), from[1] + share * (to[1] - from[1]), from[2] + share * (to[2] - from[2]), 0.95];
}

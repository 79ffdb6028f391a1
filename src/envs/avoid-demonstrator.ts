import * as v from "valibot";
import { DifftuneError } from "../core/errors.js";
import { oneOf, parseOptions, wholeNumber } from "../core/options.js";
import { PhiloxStream } from "../core/philox.js";
import { createAvoid, type Avoid, type AvoidOptions, type AvoidPose } from "./avoid.js";
import { avoidScene, modeOf } from "./avoid-scene.js";
import type { Demonstration } from "./demonstration.js";

/** The 24 modes: which side of each row is passed, by the flags that it sets. */
export const avoidModes: readonly string[] = Object.freeze(
  ["0", "1"].flatMap((first) => ["2", "3", "4"].flatMap((second) => ["5", "6", "7", "8"].map((third) => first + second + third))),
);

/** The sets of DPPO: two modes that part after the second row, into neighbouring gaps (M1) or ever further ones. */
export const avoidSets = Object.freeze({ M1: ["125", "126"], M2: ["125", "127"], M3: ["125", "128"], all: avoidModes });

/** The schema of {@link AvoidDemonstrationOptions}. */
export const avoidDemonstrationSchema = v.strictObject({
  /** Modes that take turns, episode by episode: a set of DPPO, `all` 24, or a list. Default M1. */
  modes: v.optional(
    v.union([
      v.picklist(["M1", "M2", "M3", "all"]),
      v.pipe(v.array(v.picklist(avoidModes, "It must be a mode, such as 125.")), v.minLength(1, "It needs at least one mode.")),
    ], "It must be M1, M2, M3, all, or a list of modes such as 125."),
    "M1",
  ),
  /** Episodes in all. Default 4 of each mode, as many as were recorded of people: 8 of M1, M2 and M3, 96 of `all`. */
  episodes: v.optional(wholeNumber(1, 1_000_000)),
  /** What the episodes follow from. */
  seed: v.optional(wholeNumber(0, 0xffffffff), 0),
  /**
   * What a row shows. `environment` (default): what the environment shows before the action, so that a policy learns from what
   * it will see, and a replay repeats to the bit. `d3il`: as the recordings of people pair them, the newest desired position with
   * the actual one of a step before; DPPO pre-trains on such rows.
   */
  pairing: v.optional(oneOf(["environment", "d3il"]), "environment"),
});

/** Options of {@link demonstrateAvoid}. */
export interface AvoidDemonstrationOptions extends v.InferInput<typeof avoidDemonstrationSchema> {
  /** Options of the environment that the demonstrations are recorded in: its reward, observation delay, height, physics. */
  readonly environment?: Pick<AvoidOptions, "reward" | "sparse" | "observationDelay" | "height" | "physics">;
  /** Stops between two batches of episodes. */
  readonly signal?: AbortSignal;
}

/** Episodes tried side by side. */
const batchCount = 32;
/** Ways drawn for one episode before giving up; one in a few is refused. */
const attemptLimit = 200;

/** Longer ways than people took are refused, in steps. */
const stepLimit = 106;
/** How far behind the reward line every way ends at least, m. */
const beyondLine = 0.01;
/** Ways that come closer to a cylinder than this, m, are refused. */
const leastClearance = 0.0019;

/** Largest increment of one axis, m per step, and of both together: a stick in a round gate, cut off at both axes. */
const axisLimit = 0.0125;
const gateRadius = 0.0154;
/** Below this an axis of the stick is dead. */
const deadZone = 0.0046;

/**
 * Demonstrations of Avoid in the manner of people with a gamepad: smooth ways through a given mode, with an idle start, at
 * most of the full speed, past the cylinders at a hand's breadth. Every one is tried out in the environment and yielded
 * only if its mode is reached and nothing touched. The same seed gives the same episodes, whatever their number.
 *
 * @example
 * for await (const demonstration of demonstrateAvoid({ modes: "M2" })) builder.add(demonstration);
 */
export async function* demonstrateAvoid(options: AvoidDemonstrationOptions = {}): AsyncGenerator<Demonstration, void, undefined> {
  const { environment, signal, ...rest } = options;
  const { modes: chosen, episodes, seed, pairing } = parseOptions(avoidDemonstrationSchema, rest, "demonstrateAvoid");
  const modes = typeof chosen === "string" ? avoidSets[chosen] : chosen;
  const total = episodes ?? 4 * modes.length;
  for (let first = 0; first < total; first += batchCount) {
    const candidates = Array.from({ length: Math.min(batchCount, total - first) }, (_, index): Candidate => ({
      mode: modes[(first + index) % modes.length]!,
      seed: (seed + first + index) % 2 ** 32,
      random: new PhiloxStream(seed, first + index),
      actions: nothing,
      accepted: undefined,
    }));
    yield* await demonstrateBatch(candidates, environment, pairing === "d3il", signal);
  }
}

/** One episode on its way to being accepted. */
interface Candidate {
  readonly mode: string;
  readonly seed: number;
  readonly random: PhiloxStream;
  /** [L, 2] */
  actions: Float32Array;
  accepted: Demonstration | undefined;
}

/** Draws ways for all candidates and tries them out, until each has one that does what it should. */
async function demonstrateBatch(
  candidates: readonly Candidate[],
  environment: AvoidDemonstrationOptions["environment"],
  isPairedAsRecorded: boolean,
  signal: AbortSignal | undefined,
): Promise<Demonstration[]> {
  using env = await createAvoid({ ...environment, count: candidates.length, actionSteps: 1, maxSteps: 0, autoReset: false, threads: 1 });
  for (let attempt = 0; attempt < attemptLimit; attempt++) {
    if (signal?.aborted === true) throw new DifftuneError("CANCELLED", "The demonstrations were cancelled.", { cause: signal.reason });
    for (const candidate of candidates) {
      candidate.actions = candidate.accepted === undefined ? drawWay(candidate.mode, candidate.random) : nothing;
    }
    await tryWays(candidates, env, isPairedAsRecorded);
    if (candidates.every(({ accepted }) => accepted !== undefined)) return candidates.map(({ accepted }) => accepted!);
  }
  const missing = candidates.find(({ accepted }) => accepted === undefined)!;
  throw new DifftuneError("ENVIRONMENT", `No way through mode ${missing.mode} was found in ${attemptLimit} tries.`, {
    hint: "Other physics or another height than the task's may put it out of reach.",
  });
}

/** Runs the ways that candidates have drawn and accepts those that reach their mode and touch nothing. */
async function tryWays(candidates: readonly Candidate[], env: Avoid, isPairedAsRecorded: boolean): Promise<void> {
  const { observations, stepRewards, running } = await env.reset(candidates.map(({ seed }) => seed));
  const trials = candidates.map(({ actions }) => ({
    observations: new Float32Array(2 * actions.length),
    rewards: new Float32Array(actions.length / 2),
    clearance: Infinity,
  }));
  const longest = Math.max(...trials.map(({ rewards }) => rewards.length));
  let before = candidates.map((_, index) => env.pose(index));
  for (let step = 0; step < longest; step++) {
    const now = candidates.map((_, index) => env.pose(index));
    for (const [index, { actions }] of candidates.entries()) {
      const row = 4 * step;
      if (2 * step < actions.length) {
        if (isPairedAsRecorded) {
          const { aheadX, aheadY } = before[index]!;
          trials[index]!.observations.set([now[index]!.desiredX, now[index]!.desiredY, aheadX, aheadY], row);
        } else {
          trials[index]!.observations.set(observations.subarray(4 * index, 4 * index + 4), row);
        }
      }
      env.actions[2 * index] = actions[2 * step] ?? 0;
      env.actions[2 * index + 1] = actions[2 * step + 1] ?? 0;
    }
    await env.stepChunk(env.actions);
    before = now;
    for (const [index, trial] of trials.entries()) {
      if (step >= trial.rewards.length) continue;
      const pose = env.pose(index);
      trial.rewards[step] = stepRewards[index]!;
      trial.clearance = Math.min(trial.clearance, clearanceOf(pose));
      if (step < trial.rewards.length - 1) continue;
      const candidate = candidates[index]!;
      const isFree = running.get(index, "collided") === 0 && running.get(index, "tableSteps") === 0 && trial.clearance >= leastClearance;
      const isThrough = pose.actualY > avoidScene.rewardLine + beyondLine && modeOf(running.get(index, "modes")) === candidate.mode;
      if (!isFree || !isThrough || step >= stepLimit) continue;
      const { actions, seed, mode } = candidate;
      candidate.accepted = { observations: trial.observations, actions, rewards: trial.rewards, seed, success: true, label: mode };
    }
  }
}

/** Distance of the rod's surface from the nearest cylinder, m, the rod standing upright. */
function clearanceOf({ actualX, actualY }: AvoidPose): number {
  return avoidScene.obstacles.reduce(
    (least, { x, y, radius }) => Math.min(least, Math.hypot(actualX - x, actualY - y) - radius - avoidScene.rodRadius),
    Infinity,
  );
}

const nothing = new Float32Array(0);

type Point = readonly [x: number, y: number];

const between = (random: PhiloxStream, low: number, high: number) => low + (high - low) * random.uniform();
const spread = (random: PhiloxStream, centre: number, deviation: number) => centre + deviation * Math.min(2.2, Math.max(-2.2, random.normal()));

/** Where each flag's passage is aimed at, x in m: beside an outer cylinder, or in the middle of a gap. */
const passages: Readonly<Record<string, readonly [centre: number, deviation: number]>> = {
  0: [0.425, 0.017], 1: [0.578, 0.017],
  2: [0.347, 0.017], 3: [0.5, 0.013], 4: [0.65, 0.016],
  5: [0.282, 0.018], 6: [0.425, 0.011], 7: [0.575, 0.011], 8: [0.722, 0.01],
};

/** The corners of a way through a mode: each row is entered a little before its cylinders and left a little behind. */
function drawCorners(mode: string, random: PhiloxStream): Point[] {
  const { start } = avoidScene;
  const corners: Point[] = [[start.x, start.y]];
  for (const [row, y] of [-0.1, 0.08, 0.26].entries()) {
    const x = spread(random, ...passages[mode[row]!]!);
    corners.push([x, y - between(random, 0, 0.045)], [spread(random, x, 0.004), y + between(random, 0, 0.045)]);
  }
  const last = corners.at(-1)!;
  corners.push([spread(random, last[0], 0.004), between(random, 0.43, 0.475)]);
  return corners;
}

/** A place on a polyline. */
interface Progress {
  segment: number;
  share: number;
}

/** Moves on to what is nearest to (x, y), on this segment or the next, never back. */
function moveOn(corners: readonly Point[], at: Progress, x: number, y: number): void {
  let best = Infinity;
  const from = { ...at };
  for (let segment = from.segment; segment < Math.min(corners.length - 1, from.segment + 2); segment++) {
    const [[ax, ay], [bx, by]] = [corners[segment]!, corners[segment + 1]!];
    const square = (bx - ax) ** 2 + (by - ay) ** 2;
    const least = segment === from.segment ? from.share : 0;
    const share = Math.min(1, Math.max(least, ((x - ax) * (bx - ax) + (y - ay) * (by - ay)) / square));
    const distance = Math.hypot(ax + share * (bx - ax) - x, ay + share * (by - ay) - y);
    if (distance < best - 1e-9) {
      best = distance;
      at.segment = segment;
      at.share = share;
    }
  }
}

/** The point at a distance ahead on the polyline; its end where it is no longer. */
function pointAhead(corners: readonly Point[], at: Progress, distance: number): Point {
  let left = distance;
  let share = at.share;
  for (let segment = at.segment; segment < corners.length - 1; segment++) {
    const [[ax, ay], [bx, by]] = [corners[segment]!, corners[segment + 1]!];
    const length = Math.hypot(bx - ax, by - ay);
    if (left <= (1 - share) * length) {
      share += left / length;
      return [ax + share * (bx - ax), ay + share * (by - ay)];
    }
    left -= (1 - share) * length;
    share = 0;
  }
  return corners.at(-1)!;
}

/** The increments [L, 2] of one way: a stick that follows the corners with a hand's lag, its gate and its dead zone. */
function drawWay(mode: string, random: PhiloxStream): Float32Array {
  const corners = drawCorners(mode, random);
  const end = corners.at(-1)![1];
  const outlook = between(random, 0.03, 0.055);
  const lag = between(random, 0.4, 0.7);
  // Most push the stick to its gate, some take it easy.
  const push = random.uniform() < 0.14 ? between(random, 0.6, 0.82) : between(random, 0.95, 1);
  const pauseAt = random.uniform() < 0.12 ? between(random, -0.2, 0.3) : Infinity;
  const steps: Point[] = [];
  const idle = (count: number) => { for (let k = 0; k < count; k++) steps.push([0, 0]); };
  idle(random.below(4) + random.below(6) + (random.uniform() < 0.08 ? 4 + random.below(8) : 0));
  let [x, y] = corners[0]!;
  let [stickX, stickY] = [0, 0];
  const at: Progress = { segment: 0, share: 0 };
  let hasPaused = false;
  while (y < end && steps.length < stepLimit) {
    if (!hasPaused && y > pauseAt) {
      hasPaused = true;
      idle(2 + random.below(8));
    }
    moveOn(corners, at, x, y);
    const [aimX, aimY] = pointAhead(corners, at, outlook);
    const distance = Math.hypot(aimX - x, aimY - y) || 1;
    stickX += lag * ((push * (aimX - x)) / distance - stickX);
    stickY += lag * ((push * (aimY - y)) / distance - stickY);
    const increment: Point = [axis(stickX), Math.max(0, axis(stickY))];
    steps.push(increment);
    x += increment[0];
    y += increment[1];
  }
  if (random.uniform() < 0.6) idle(1 + random.below(7));
  return Float32Array.from(steps.flat());
}

/** What one axis of the stick tells: dead near its middle, full before its end. */
function axis(stick: number): number {
  const increment = Math.min(axisLimit, Math.max(-axisLimit, gateRadius * stick));
  return Math.abs(increment) < deadZone ? 0 : increment;
}

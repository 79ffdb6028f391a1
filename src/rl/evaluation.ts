import * as v from "valibot";
import { DifftuneError } from "../core/errors.js";
import { parseOptions, wholeNumber } from "../core/options.js";
import { entropy, meanInterval, shareInterval, type Interval } from "../core/statistics.js";
import type { Actor, ActorOptions } from "../diffusion/acting.js";
import { Policy } from "../diffusion/policy.js";
import type { Device } from "../engine/device.js";
import type { VectorEnvironment } from "../envs/environment.js";
import { checkFit } from "./fit.js";

/** Options of {@link evaluate}. */
export const evaluateSchema = v.strictObject({
  episodes: v.pipe(v.optional(wholeNumber(1, 1_000_000), 200), v.description("Episodes that are counted: the seeds from `seed` on, one each.")),
  seed: v.pipe(v.optional(wholeNumber(0, 0xffffffff), 0), v.description("Seed of the first episode's start, and of the policy's noise.")),
  isDeterministic: v.pipe(v.optional(v.boolean("It must be true or false."), true), v.description("Without exploration noise. DDPM still draws its posterior noise.")),
  trajectories: v.pipe(v.optional(wholeNumber(0, 1_000_000), 20), v.description("Ways that are kept, those of the first episodes.")),
  signal: v.optional(v.instance(AbortSignal, "It must be an AbortSignal.")),
});

/** Options of {@link evaluate}; every one has a default. */
export type EvaluateOptions = v.InferInput<typeof evaluateSchema>;

/** What can be evaluated: a `Policy`, or anything else that acts. */
export interface Acting {
  on(device: Device, options: ActorOptions): Promise<Pick<Actor, "act" | "close">>;
}

/** The way of one episode. */
export interface Trajectory {
  /** x0, y0, x1, y1, ...: the environment's two coordinates of a way, from the start on. */
  readonly points: readonly number[];
  readonly success: boolean;
  /** As in {@link Evaluation.modes}. */
  readonly label: string;
  readonly reason: string;
}

/** An episode that did not succeed. */
export interface Failure {
  readonly seed: number;
  readonly reason: string;
  readonly detail: string;
}

/** What a policy does in an environment, over the episodes so far. Plain and frozen; intervals of 95 %. */
export interface Evaluation {
  /** Episodes counted, of {@link wanted}. */
  readonly episodes: number;
  readonly wanted: number;
  readonly isDeterministic: boolean;
  readonly seed: number;
  /** Share of the episodes, with Wilson's interval. */
  readonly success: Interval;
  /** Mean over the episodes, with Student's interval, like {@link length}. */
  readonly return: Interval;
  /** Environment steps. */
  readonly length: Interval;
  /** Episodes by the way they took, such as `m5` to `m8` of Avoid; those that took none by the reason of their end. */
  readonly modes: Readonly<Record<string, number>>;
  /** Entropy over the episodes that took a way, nats: 0 where all took one, ln n where n were taken alike. */
  readonly modeEntropy: number;
  /** Episodes by the reason of their end, `success` among them. */
  readonly reasons: Readonly<Record<string, number>>;
  /** The first 50 episodes that failed, and why. */
  readonly failures: readonly Failure[];
  readonly trajectories: readonly Trajectory[];
}

const mostFailures = 50;

/**
 * Lets a policy act and counts what comes of it: exactly the episodes of the seeds `seed` to `seed + episodes - 1`, each
 * once, whatever its length. Every environment plays one of them at a time and waits for the slowest, so that short
 * episodes are not counted more often than long ones. Yields after each round of `env.count` episodes what is known so
 * far; the last one is the result. The environment is left amid episodes of its own: reset it.
 *
 * The same options on an equal device with the same number of environments give the same bits. With another number the
 * episodes still begin alike, but the policy's noise, which is drawn by row and decision, is another sample.
 * `env.maxSteps` of 0 may never end.
 *
 * @example
 * for await (const { episodes, success } of evaluate(device, policy, env, { seed: 1 })) console.log(episodes, success);
 */
export async function* evaluate(
  device: Device,
  policy: Acting,
  env: VectorEnvironment,
  options: EvaluateOptions = {},
): AsyncGenerator<Evaluation, void, undefined> {
  const { episodes, seed, isDeterministic, trajectories, signal } = parseOptions(evaluateSchema, options, "evaluate");
  if (seed + episodes - 1 > 0xffffffff) {
    throw new DifftuneError("OPTION", `${episodes} episodes from seed ${seed} on pass the last seed, 4294967295.`, { path: "seed", got: seed });
  }
  if (policy instanceof Policy) checkFit(policy, env);
  const tally = new Tally(episodes, seed, isDeterministic);
  const way = env.path?.map((name) => env.observationSpace.place(name));
  const isOpen = new Uint8Array(env.count);
  const seeds = new Uint32Array(env.count);
  const actor = await policy.on(device, { count: env.count, isDeterministic, seed });
  try {
    for (let first = 0; first < episodes; first += env.count) {
      const count = Math.min(env.count, episodes - first);
      // Environments beyond the last episode go along and are not counted.
      for (let index = 0; index < env.count; index++) seeds[index] = seed + first + Math.min(index, count - 1);
      isOpen.fill(0).fill(1, 0, count);
      let open = count;
      let { observations } = await env.reset(seeds);
      const kept = way === undefined ? 0 : Math.min(count, Math.max(0, trajectories - first));
      const ways = Array.from({ length: kept }, (_, index) => newest(observations, env, index, way!));
      const ended: Episode[] = [];
      while (open > 0) {
        if (signal?.aborted === true) {
          throw new DifftuneError("CANCELLED", `The evaluation was stopped after ${first} of ${episodes} episodes.`, { cause: signal.reason });
        }
        const result = await env.stepChunk(await actor.act(observations));
        observations = result.observations;
        for (let index = 0; index < count; index++) {
          if (isOpen[index] === 0) continue;
          const hasEnded = result.terminated[index] === 1 || result.truncated[index] === 1;
          if (index < kept) extend(ways[index]!, env, index, way!, hasEnded);
          if (!hasEnded) continue;
          isOpen[index] = 0;
          open -= 1;
          const { success, reason, detail, mode } = env.outcome(index);
          ended[index] = {
            return: result.finished.get(index, "return"), length: result.finished.get(index, "length"),
            success, reason, detail, mode, points: ways[index],
          };
        }
      }
      for (const episode of ended) tally.add(episode);
      yield tally.evaluation();
    }
  } finally {
    actor.close();
  }
}

interface Episode {
  readonly return: number;
  readonly length: number;
  readonly success: boolean;
  readonly reason: string;
  readonly detail: string;
  readonly mode: string | undefined;
  readonly points: readonly number[] | undefined;
}

/** The episodes so far, in the order of their seeds. */
class Tally {
  readonly #wanted: number;
  readonly #seed: number;
  readonly #isDeterministic: boolean;
  readonly #returns: number[] = [];
  readonly #lengths: number[] = [];
  readonly #modes = new Map<string, number>();
  readonly #reasons = new Map<string, number>();
  readonly #taken = new Map<string, number>();
  readonly #failures: Failure[] = [];
  readonly #trajectories: Trajectory[] = [];
  #successes = 0;

  constructor(wanted: number, seed: number, isDeterministic: boolean) {
    this.#wanted = wanted;
    this.#seed = seed;
    this.#isDeterministic = isDeterministic;
  }

  add(episode: Episode): void {
    const { success, reason, detail, mode, points } = episode;
    const label = mode ?? reason;
    const seed = this.#seed + this.#returns.length;
    this.#returns.push(episode.return);
    this.#lengths.push(episode.length);
    count(this.#modes, label);
    count(this.#reasons, reason);
    if (mode !== undefined) count(this.#taken, mode);
    if (success) this.#successes += 1;
    else if (this.#failures.length < mostFailures) this.#failures.push(Object.freeze({ seed, reason, detail }));
    if (points !== undefined) this.#trajectories.push(Object.freeze({ points: Object.freeze(points), success, label, reason }));
  }

  evaluation(): Evaluation {
    const episodes = this.#returns.length;
    return Object.freeze({
      episodes,
      wanted: this.#wanted,
      isDeterministic: this.#isDeterministic,
      seed: this.#seed,
      success: shareInterval(this.#successes, episodes),
      return: meanInterval(this.#returns),
      length: meanInterval(this.#lengths),
      modes: histogram(this.#modes),
      modeEntropy: entropy(this.#taken.values()),
      reasons: histogram(this.#reasons),
      failures: Object.freeze([...this.#failures]),
      trajectories: Object.freeze([...this.#trajectories]),
    });
  }
}

function count(bins: Map<string, number>, name: string): void {
  bins.set(name, (bins.get(name) ?? 0) + 1);
}

/** In the order of the names, so that equal histograms are equal texts. */
function histogram(bins: ReadonlyMap<string, number>): Readonly<Record<string, number>> {
  return Object.freeze(Object.fromEntries([...bins].sort(([a], [b]) => (a < b ? -1 : 1))));
}

/** The coordinates `way` of the newest of the stacked observations of environment `index`. */
function newest(observations: Float32Array, env: VectorEnvironment, index: number, way: readonly number[]): number[] {
  const size = env.observationSpace.size;
  const from = ((index + 1) * env.observationSteps - 1) * size;
  return way.map((place) => observations[from + place]!);
}

/** Adds what the last chunk showed of a way: each step where the environment keeps them, otherwise its end. */
function extend(points: number[], env: VectorEnvironment, index: number, way: readonly number[], hasEnded: boolean): void {
  const { result, stepObservations, actionSteps, observationSpace } = env;
  if (stepObservations === undefined) {
    points.push(...newest(hasEnded ? result.finalObservations : result.observations, env, index, way));
    return;
  }
  for (let step = 0; step < result.steps[index]!; step++) {
    for (const place of way) points.push(stepObservations[(index * actionSteps + step) * observationSpace.size + place]!);
  }
}

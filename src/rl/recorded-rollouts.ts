import * as v from "valibot";
import { DifftuneError } from "../core/errors.js";
import { parseOptions, wholeNumber } from "../core/options.js";
import { Policy } from "../diffusion/policy.js";
import type { Device } from "../engine/device.js";
import type { Demonstration } from "../envs/demonstration.js";
import type { VectorEnvironment } from "../envs/environment.js";
import type { Acting } from "./evaluation.js";
import { checkFit } from "./fit.js";

/** Options of {@link recordRollouts}. */
export const rolloutSchema = v.strictObject({
  episodes: v.pipe(v.optional(wholeNumber(1, 1_000_000), 100), v.description("Episodes that are recorded: the seeds from `seed` on, one each.")),
  steps: v.pipe(v.optional(wholeNumber(1, 1_000_000_000), 40), v.description("First environment steps of each episode that are kept; what follows is not played.")),
  seed: v.pipe(v.optional(wholeNumber(0, 0xffffffff), 0), v.description("Seed of the first episode's start, and of the policy's noise.")),
  isDeterministic: v.pipe(v.optional(v.boolean("It must be true or false."), false), v.description("Without exploration noise. DDPM still draws its posterior noise.")),
  signal: v.optional(v.instance(AbortSignal, "It must be an AbortSignal.")),
});

/** Options of {@link recordRollouts}; every one has a default. */
export type RolloutOptions = v.InferInput<typeof rolloutSchema>;

/**
 * Lets a policy act and records the beginnings of its episodes, each state with the action that was chosen in it: rows for a
 * `DatasetBuilder`, from which segments to be compared are drawn. An episode that is cut at `steps` counts as no success.
 *
 * The same options on an equal device with the same number of environments give the same bits. The environment is left amid
 * episodes of its own: reset it.
 *
 * @param env made with `recordSteps`
 * @example
 * const builder = new DatasetBuilder(sourceOf(env));
 * for await (const { episodes } of builder.collect(recordRollouts(device, policy, env), 100)) console.log(episodes);
 */
export async function* recordRollouts(device: Device, policy: Acting, env: VectorEnvironment, options: RolloutOptions = {}): AsyncGenerator<Demonstration, void, undefined> {
  const { episodes, steps, seed, isDeterministic, signal } = parseOptions(rolloutSchema, options, "recordRollouts");
  if (seed + episodes - 1 > 0xffffffff) {
    throw new DifftuneError("OPTION", `${episodes} episodes from seed ${seed} on pass the last seed, 4294967295.`, { path: "seed", got: seed });
  }
  if (env.stepObservations === undefined) {
    throw new DifftuneError("OPTION", `Environment "${env.name}" does not keep what each step answers with.`, { hint: "Make it with recordSteps: true.", path: "recordSteps" });
  }
  if (policy instanceof Policy) checkFit(policy, env);
  const seeds = new Uint32Array(env.count);
  const actor = await policy.on(device, { count: env.count, isDeterministic, seed });
  try {
    for (let first = 0; first < episodes; first += env.count) {
      const count = Math.min(env.count, episodes - first);
      // Environments beyond the last episode go along and are not recorded.
      for (let index = 0; index < env.count; index++) seeds[index] = seed + first + Math.min(index, count - 1);
      let { observations } = await env.reset(seeds);
      const rows = Array.from({ length: count }, (_, index) => new Recording(env, index, steps));
      while (rows.some(({ isOpen }) => isOpen)) {
        if (signal?.aborted === true) {
          throw new DifftuneError("CANCELLED", `Recording was stopped after ${first} of ${episodes} episodes.`, { cause: signal.reason });
        }
        const actions = await actor.act(observations);
        // The result's views are written over by the next chunk.
        ({ observations } = await env.stepChunk(actions));
        for (const row of rows) row.take(actions);
      }
      for (const [index, row] of rows.entries()) yield row.episode(seeds[index]!);
    }
  } finally {
    actor.close();
  }
}

/** The episode of one environment as it is recorded. */
class Recording {
  readonly #env: VectorEnvironment;
  readonly #index: number;
  readonly #wanted: number;
  readonly #observations: number[] = [];
  readonly #actions: number[] = [];
  readonly #rewards: number[] = [];
  /** The state in which the next action is chosen. */
  #state: readonly number[];
  #end: { readonly success: boolean; readonly isTerminated: boolean; readonly label: string } | undefined;

  constructor(env: VectorEnvironment, index: number, wanted: number) {
    this.#env = env;
    this.#index = index;
    this.#wanted = wanted;
    const size = env.observationSpace.size;
    const newest = ((index + 1) * env.observationSteps - 1) * size;
    this.#state = [...env.result.observations.subarray(newest, newest + size)];
  }

  get isOpen(): boolean {
    return this.#end === undefined && this.#rewards.length < this.#wanted;
  }

  /** Adds what the last chunk did. */
  take(actions: Float32Array): void {
    if (!this.isOpen) return;
    const { actionSteps, actionSpace, observationSpace, result, stepObservations } = this.#env;
    const index = this.#index;
    for (let step = 0; step < result.steps[index]! && this.#rewards.length < this.#wanted; step++) {
      const row = index * actionSteps + step;
      this.#observations.push(...this.#state);
      this.#actions.push(...actions.subarray(row * actionSpace.size, (row + 1) * actionSpace.size));
      this.#rewards.push(result.stepRewards[row]!);
      this.#state = [...stepObservations!.subarray(row * observationSpace.size, (row + 1) * observationSpace.size)];
    }
    const isTerminated = result.terminated[index] === 1;
    if (!isTerminated && result.truncated[index] !== 1) return;
    if (this.#rewards.length < result.finished.get(index, "length")) return;
    const { success, mode = "" } = this.#env.outcome(index);
    this.#end = { success, isTerminated, label: mode };
  }

  episode(seed: number): Demonstration {
    return {
      observations: Float32Array.from(this.#observations), actions: Float32Array.from(this.#actions), rewards: Float32Array.from(this.#rewards),
      seed, ...(this.#end ?? { success: false, isTerminated: false, label: "" }),
    };
  }
}

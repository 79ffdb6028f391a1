import * as v from "valibot";
import { DifftuneError } from "../core/errors.js";
import { parseOptions, wholeNumber } from "../core/options.js";
import { PhiloxStream } from "../core/philox.js";
import {
  actionError,
  checkActionLength,
  checkSeeds,
  closedError,
  commonEpisodeColumns,
  EpisodeTable,
  Space,
  type ChunkResult,
  type Coordinate,
  type EpisodeOutcome,
  type Image,
  type VectorEnvironment,
} from "./environment.js";

/** What one step of a {@link SingleEnvironment} answers. */
export interface StepAnswer {
  readonly observation: ArrayLike<number>;
  readonly reward: number;
  /** The episode is over by its own rules. */
  readonly terminated: boolean;
  /** The episode counts as a success from now on. Without it, success is a terminated episode with a positive return. */
  readonly success?: boolean;
}

/** One environment in plain TypeScript or JavaScript, as a user writes it. */
export interface SingleEnvironment {
  /** Starts an episode and gives its first observation. All randomness comes from `random`, so that a seed repeats it. */
  reset(random: PhiloxStream): ArrayLike<number>;
  /** One control step. `action` is finite and is reused by the next call: copy what must be kept. */
  step(action: Float32Array): StepAnswer;
  /** Draws the environment as it stands. */
  render?(): Image;
}

/** A user's environment: its name, its spaces, and how one is made. */
export interface EnvironmentDefinition {
  readonly name: string;
  readonly observations: readonly Coordinate[];
  readonly actions: readonly Coordinate[];
  /** The two coordinates of an observation that draw the way of an episode, where it has one. */
  readonly path?: readonly [x: string, y: string];
  readonly create: () => SingleEnvironment;
}

const schema = v.strictObject({
  /** E, environments stepped together. */
  count: v.optional(wholeNumber(1, 65_536), 1),
  /** Steps after which an episode is truncated; 0 never truncates. */
  maxSteps: v.optional(wholeNumber(0, 1_000_000_000), 0),
  /** To, newest observations that the policy sees; before the episode's start the first one is repeated. */
  observationSteps: v.optional(wholeNumber(1, 64), 1),
  /** Ta, steps executed per chunk. */
  actionSteps: v.optional(wholeNumber(1, 1024), 1),
  /** Whether `stepObservations` keeps the observation of every single step. */
  recordSteps: v.optional(v.boolean("It must be true or false."), false),
  /** Episode k of environment e starts from seed + e + k * seedStride (modulo 2^32). */
  seed: v.optional(wholeNumber(0, 0xffffffff), 0),
  /** The number of environments by default; 0 repeats one start for ever. */
  seedStride: v.optional(wholeNumber(0, 0xffffffff)),
});

/** Options of {@link vectorise}. */
export type VectoriseOptions = v.InferInput<typeof schema>;

/**
 * Turns a single environment into a vector environment: seeds, stacked observations, action chunks that stop when the
 * episode does, automatic reset with the final observation kept, truncation at `maxSteps`.
 *
 * @example
 * const env = vectorise(definition, { count: 8, maxSteps: 100, actionSteps: 4 });
 * const result = env.reset();
 */
export function vectorise(definition: EnvironmentDefinition, options: VectoriseOptions = {}): VectorisedEnvironment {
  return new VectorisedEnvironment(definition, options);
}

/** E plain environments behind the contract; see {@link vectorise}. */
export class VectorisedEnvironment implements VectorEnvironment {
  readonly name: string;
  readonly count: number;
  readonly observationSteps: number;
  readonly actionSteps: number;
  readonly maxSteps: number;
  readonly observationSpace: Space;
  readonly actionSpace: Space;
  readonly path: readonly [x: string, y: string] | undefined;
  readonly actions: Float32Array;
  /** [E, Ta, D]; undefined without the option `recordSteps`. */
  readonly stepObservations: Float32Array | undefined;
  readonly result: ChunkResult;
  readonly options: Readonly<Record<string, unknown>>;
  readonly #environments: readonly SingleEnvironment[];
  readonly #seeds: Uint32Array;
  readonly #seedStride: number;
  readonly #action: Float32Array;
  #started = false;
  #closed = false;

  constructor(definition: EnvironmentDefinition, options: VectoriseOptions) {
    const resolved = parseOptions(schema, options, "vectorise");
    const { count, observationSteps, actionSteps, maxSteps, seed } = resolved;
    this.name = definition.name;
    this.count = count;
    this.observationSteps = observationSteps;
    this.actionSteps = actionSteps;
    this.maxSteps = maxSteps;
    this.observationSpace = new Space(definition.observations);
    this.actionSpace = new Space(definition.actions);
    this.path = definition.path;
    for (const name of definition.path ?? []) this.observationSpace.place(name);
    this.options = Object.freeze({ ...resolved });
    this.#environments = Array.from({ length: count }, () => definition.create());
    this.#seedStride = resolved.seedStride ?? count;
    this.#seeds = Uint32Array.from({ length: count }, (_, index) => seed + index);
    this.#action = new Float32Array(this.actionSpace.size);
    this.actions = new Float32Array(count * actionSteps * this.actionSpace.size);
    this.stepObservations = resolved.recordSteps ? new Float32Array(count * actionSteps * this.observationSpace.size) : undefined;
    const window = count * observationSteps * this.observationSpace.size;
    this.result = Object.freeze({
      observations: new Float32Array(window),
      finalObservations: new Float32Array(window),
      rewards: new Float32Array(count),
      stepRewards: new Float32Array(count * actionSteps),
      terminated: new Uint32Array(count),
      truncated: new Uint32Array(count),
      steps: new Uint32Array(count),
      finished: new EpisodeTable(commonEpisodeColumns, new Float64Array(count * commonEpisodeColumns.length)),
      running: new EpisodeTable(commonEpisodeColumns, new Float64Array(count * commonEpisodeColumns.length)),
    });
  }

  reset(seeds?: ArrayLike<number>): ChunkResult {
    if (this.#closed) throw closedError(this.name);
    if (seeds !== undefined) {
      checkSeeds(seeds, this.count);
      this.#seeds.set(seeds);
    }
    const { rewards, stepRewards, terminated, truncated, steps } = this.result;
    for (const values of [rewards, stepRewards, terminated, truncated, steps]) values.fill(0);
    for (let index = 0; index < this.count; index++) this.#start(index);
    this.#started = true;
    return this.result;
  }

  stepChunk(actions: Float32Array): ChunkResult {
    if (this.#closed) throw closedError(this.name);
    checkActionLength(actions, this.count, this.actionSteps, this.actionSpace.size);
    if (!this.#started) {
      throw new DifftuneError("ENVIRONMENT", `Environment "${this.name}" was stepped before its first reset, or after an error.`, { hint: "Call reset() first." });
    }
    for (let index = 0; index < actions.length; index++) {
      const value = actions[index] ?? Number.NaN;
      if (!(Math.abs(value) <= 1e9)) throw actionError(index, value, this.actionSteps, this.actionSpace);
    }
    // Whoever breaks off leaves the batch half stepped: then only a reset helps.
    this.#started = false;
    for (let index = 0; index < this.count; index++) this.#stepOne(index, actions);
    this.#started = true;
    return this.result;
  }

  outcome(index: number, episode: "finished" | "running" = "finished"): EpisodeOutcome {
    const table = this.result[episode];
    const length = table.get(index, "length");
    if (table.get(index, "success") === 1) {
      return { success: true, reason: "success", detail: `Success after ${length} steps.` };
    }
    return length === this.maxSteps
      ? { success: false, reason: "outOfSteps", detail: `No success within ${length} steps.` }
      : { success: false, reason: "terminated", detail: `Ended after ${length} steps without success.` };
  }

  render(index = 0): Image {
    const environment = this.#environments[index];
    if (environment?.render === undefined || this.#closed) {
      throw new DifftuneError("ENVIRONMENT", `Environment "${this.name}" ${index} cannot be drawn.`, {
        hint: "It has no render(), is closed, or there is no environment of that number.",
        index,
      });
    }
    return environment.render();
  }

  close(): void {
    this.#closed = true;
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #start(index: number): void {
    const seed = this.#seeds[index] ?? 0;
    this.#seeds[index] = seed + this.#seedStride;
    const observation = this.#attempt(index, "reset", () => this.#environments[index]!.reset(new PhiloxStream(seed)));
    this.#check(observation, index, "reset");
    const { running, observations } = this.result;
    const width = commonEpisodeColumns.length;
    running.values.fill(0, index * width, (index + 1) * width);
    const size = this.observationSpace.size;
    const from = index * this.observationSteps * size;
    for (let place = 0; place < this.observationSteps * size; place++) {
      observations[from + place] = observation[place % size] ?? 0;
    }
  }

  #stepOne(index: number, actions: Float32Array): void {
    const { observations, finalObservations, rewards, stepRewards, terminated, truncated, steps, finished, running } = this.result;
    const environment = this.#environments[index]!;
    const actionSize = this.actionSpace.size;
    const size = this.observationSpace.size;
    const from = index * this.observationSteps * size;
    const to = from + this.observationSteps * size;
    const width = commonEpisodeColumns.length;
    const row = index * width;
    stepRewards.fill(0, index * this.actionSteps, (index + 1) * this.actionSteps);
    let total = 0;
    let step = 0;
    let ended = false;
    let cut = false;
    while (step < this.actionSteps && !ended && !cut) {
      const at = (index * this.actionSteps + step) * actionSize;
      for (let place = 0; place < actionSize; place++) this.#action[place] = actions[at + place] ?? 0;
      const answer = this.#attempt(index, "step", () => environment.step(this.#action));
      this.#check(answer.observation, index, "step");
      const reward = answer.reward;
      if (!Number.isFinite(reward)) throw this.#contractError(index, "step", `the reward is ${reward}`, reward);
      observations.copyWithin(from, from + size, to);
      for (let place = 0; place < size; place++) observations[to - size + place] = answer.observation[place] ?? 0;
      this.stepObservations?.set(observations.subarray(to - size, to), (index * this.actionSteps + step) * size);
      stepRewards[index * this.actionSteps + step] = reward;
      total += reward;
      step += 1;
      const episodeReturn = (running.values[row] ?? 0) + reward;
      const length = (running.values[row + 1] ?? 0) + 1;
      running.values[row] = episodeReturn;
      running.values[row + 1] = length;
      ended = answer.terminated;
      cut = !ended && this.maxSteps > 0 && length >= this.maxSteps;
      if (answer.success ?? (ended && episodeReturn > 0)) running.values[row + 2] = 1;
    }
    rewards[index] = total;
    steps[index] = step;
    terminated[index] = ended ? 1 : 0;
    truncated[index] = cut ? 1 : 0;
    if (!ended && !cut) return;
    for (let place = from; place < to; place++) finalObservations[place] = observations[place] ?? 0;
    for (let column = row; column < row + width; column++) finished.values[column] = running.values[column] ?? 0;
    this.#start(index);
  }

  /** Runs the user's code; what it throws comes out as an error that names the environment. */
  #attempt<Answer>(index: number, source: string, act: () => Answer): Answer {
    try {
      return act();
    } catch (cause) {
      const text = cause instanceof Error ? cause.message : String(cause);
      throw new DifftuneError("ENVIRONMENT", `Environment "${this.name}" ${index} threw in ${source}(): ${text}`, { index, cause });
    }
  }

  #check(observation: ArrayLike<number> | undefined, index: number, source: string): asserts observation is ArrayLike<number> {
    if (observation?.length !== this.observationSpace.size) {
      throw this.#contractError(index, source, `the observation has ${observation?.length} numbers instead of ${this.observationSpace.size}`, observation?.length);
    }
    for (let place = 0; place < observation.length; place++) {
      if (!Number.isFinite(observation[place])) {
        const name = this.observationSpace.coordinates[place]?.name;
        throw this.#contractError(index, source, `observation "${name}" is ${observation[place]}`, observation[place]);
      }
    }
  }

  #contractError(index: number, source: string, fault: string, got: unknown): DifftuneError {
    return new DifftuneError("ENVIRONMENT", `Environment "${this.name}" ${index} broke its contract: after ${source}(), ${fault}.`, { index, got });
  }
}

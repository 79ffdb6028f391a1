import { DifftuneError } from "../core/errors.js";
import type { LinearMemory } from "../core/linear-memory.js";
import { nearestName } from "../core/options.js";

/** One number of an observation or an action. */
export interface Coordinate {
  readonly name: string;
  /** Smallest and largest usual value; -Infinity and Infinity where there is no bound. Bounds are told, not enforced. */
  readonly low: number;
  readonly high: number;
  /** Unit, for people: `px`, `m`, `rad`. */
  readonly unit?: string;
}

/** The layout of one observation or one action: named coordinates in a fixed order. */
export class Space {
  readonly coordinates: readonly Coordinate[];
  readonly #places = new Map<string, number>();

  constructor(coordinates: readonly Coordinate[]) {
    if (coordinates.length === 0) {
      throw new DifftuneError("ENVIRONMENT", "A space needs at least one coordinate.");
    }
    for (const [place, { name, low, high }] of coordinates.entries()) {
      if (!(low < high)) {
        throw new DifftuneError("ENVIRONMENT", `Coordinate "${name}" has the bounds ${low} and ${high}; low must be below high.`, {
          path: name,
          got: [low, high],
        });
      }
      if (this.#places.has(name)) {
        throw new DifftuneError("ENVIRONMENT", `Two coordinates are named "${name}".`, { path: name });
      }
      this.#places.set(name, place);
    }
    this.coordinates = Object.freeze(coordinates.map((coordinate) => Object.freeze({ ...coordinate })));
  }

  /** Number of coordinates. */
  get size(): number {
    return this.coordinates.length;
  }

  /** The names in order. */
  get names(): readonly string[] {
    return this.coordinates.map((coordinate) => coordinate.name);
  }

  /** The place of a coordinate, so that nobody counts columns by hand. */
  place(name: string): number {
    return this.#places.get(name) ?? unknownName("coordinate", name, this.names);
  }
}

function unknownName(kind: string, name: string, known: readonly string[]): never {
  const nearest = nearestName(name, known);
  throw new DifftuneError("OPTION", `There is no ${kind} "${name}".`, {
    hint: nearest === undefined ? `There are ${known.join(", ")}.` : `Did you mean "${nearest}"?`,
    expected: known,
    got: name,
  });
}

/** Numbers about episodes: one row per environment, named columns. A view, rewritten by every chunk. */
export class EpisodeTable {
  readonly names: readonly string[];
  /** [count, names.length], row by row. */
  readonly values: Float64Array;

  constructor(names: readonly string[], values: Float64Array) {
    this.names = names;
    this.values = values;
  }

  /** The place of a column in each row. */
  place(name: string): number {
    const place = this.names.indexOf(name);
    return place >= 0 ? place : unknownName("column", name, this.names);
  }

  /** The number of environment `index` in column `name`. */
  get(index: number, name: string): number {
    const value = this.values[index * this.names.length + this.place(name)];
    if (value === undefined) {
      throw new DifftuneError("SHAPE", `There is no environment ${index}.`, { index, expected: this.values.length / this.names.length });
    }
    return value;
  }
}

/** The columns that the episode table of every environment starts with. */
export const commonEpisodeColumns = ["return", "length", "success"] as const;

/**
 * What one chunk did. The same object and the same views come back from every call, rewritten in place: copy what must
 * outlast the next call. E environments, To stacked observations, Ta executed steps, D and A numbers.
 */
export interface ChunkResult {
  /** [E, To, D], oldest first: what the next action is chosen from. After an automatic reset, the first of the new episode. */
  readonly observations: Float32Array;
  /** [E, To, D]: the last observations of an episode that ended in this chunk; meaningful only there. */
  readonly finalObservations: Float32Array;
  /** [E]: sum over the steps executed in this chunk. */
  readonly rewards: Float32Array;
  /** [E, Ta]: the single rewards; 0 after the end of an episode. */
  readonly stepRewards: Float32Array;
  /** [E]: 1 where the episode ended by its own rules. No value follows; never 1 together with `truncated`. */
  readonly terminated: Uint32Array;
  /** [E]: 1 where the episode was cut at `maxSteps`. Its value goes on: bootstrap from `finalObservations`. */
  readonly truncated: Uint32Array;
  /** [E]: executed steps, less than Ta where the episode ended inside the chunk. */
  readonly steps: Uint32Array;
  /** The last finished episode of each environment; all columns of {@link commonEpisodeColumns} and the environment's own. */
  readonly finished: EpisodeTable;
  /** The same columns of the episode that is running. */
  readonly running: EpisodeTable;
}

/** Why an episode counts as it does, for people and for tables. */
export interface EpisodeOutcome {
  readonly success: boolean;
  /** A stable word, such as `success`, `outOfSteps`, `collision`. */
  readonly reason: string;
  /** One sentence. */
  readonly detail: string;
  /** Which of several ways of doing the task was taken, where the environment tells them apart. */
  readonly mode?: string;
}

/** An image: rows from top to bottom, four bytes a pixel, red, green, blue, opacity. */
export interface Image {
  readonly width: number;
  readonly height: number;
  readonly pixels: Uint8ClampedArray<ArrayBuffer>;
}

/**
 * E environments stepped together, one action chunk at a time: the contract of every environment of this package.
 *
 * An algorithm awaits `reset` and `stepChunk`; an environment that needs no other thread answers at once, without a
 * promise. Whatever the implementation, stepping allocates nothing.
 *
 * @example
 * const result = await env.reset();
 * while (learning) {
 *   policy.act(result.observations, env.actions);
 *   await env.stepChunk(env.actions);
 * }
 */
export interface VectorEnvironment extends Disposable {
  readonly name: string;
  /** E. */
  readonly count: number;
  /** To, observations that the policy sees. */
  readonly observationSteps: number;
  /** Ta, steps executed per chunk. */
  readonly actionSteps: number;
  /** Steps after which an episode is truncated; 0 if never. */
  readonly maxSteps: number;
  readonly observationSpace: Space;
  readonly actionSpace: Space;
  /** The two coordinates of an observation that draw the way of an episode, where it has one. */
  readonly path?: readonly [x: string, y: string] | undefined;
  /** [E, Ta, D]: the observation that each step of the last chunk answered with, where the environment keeps them. */
  readonly stepObservations?: Float32Array | undefined;
  /** [E, Ta, A]: a place to write actions to, so that `stepChunk(env.actions)` copies nothing. */
  readonly actions: Float32Array;
  /** The linear memory that observations and actions lie in, if they do; an engine in the same memory copies nothing. */
  readonly memory?: LinearMemory | undefined;
  /** The last result; the object that `reset` and `stepChunk` return. */
  readonly result: ChunkResult;
  /** Everything that defines the environment, resolved and frozen; stored with a policy. */
  readonly options: Readonly<Record<string, unknown>>;
  /**
   * Starts an episode in every environment.
   *
   * @param seeds one seed per environment, whole numbers below 2^32. Without them each environment goes on to its next
   * seed: episode k of environment e has `seed + e + k E`, `seed` being an option of the environment.
   */
  reset(seeds?: ArrayLike<number>): ChunkResult | Promise<ChunkResult>;
  /**
   * Executes Ta actions in every environment. An episode that ends inside the chunk drops the rest of it and starts
   * anew at once. A wrong size, a NaN or an infinite action is refused before anything moves.
   */
  stepChunk(actions: Float32Array): ChunkResult | Promise<ChunkResult>;
  /**
   * Executes Ta actions in environments `from` to `to` alone, so that one half of a batch can be simulated while a policy
   * decides for the other. `actions` and the result are those of all environments; the others' rows stay as they are.
   */
  stepRows?(actions: Float32Array, from: number, to: number): ChunkResult | Promise<ChunkResult>;
  /** The verdict on the last finished episode of environment `index`, or on the running one as it stands. */
  outcome(index: number, episode?: "finished" | "running"): EpisodeOutcome;
  /** Draws environment `index` as it stands. */
  render(index?: number): Image;
  /**
   * The state of all environments and the seeds to come, so that a stopped run can be resumed: `restore` in an environment
   * made with the same options, and the same bits follow. Plain environments of a user cannot be saved.
   */
  save?(): Uint8Array;
  /** Goes on from what `save` gave. */
  restore?(saved: Uint8Array): void;
  /** Gives everything back. Twice is once. */
  close(): void;
}

/** Refuses an array that is no row per environment of whole numbers below 2^32. */
export function checkSeeds(seeds: ArrayLike<number>, count: number): void {
  if (seeds.length !== count) {
    throw new DifftuneError("SHAPE", `reset got ${seeds.length} seeds for ${count} environments.`, { expected: count, got: seeds.length });
  }
  for (let index = 0; index < count; index++) {
    const seed = seeds[index] ?? Number.NaN;
    if (!Number.isInteger(seed) || seed < 0 || seed > 0xffffffff) {
      throw new DifftuneError("OPTION", `Seed ${index} is ${seed}; a seed is a whole number from 0 to 4294967295.`, { index, got: seed });
    }
  }
}

/** Refuses an action chunk of the wrong type or length. */
export function checkActionLength(actions: unknown, count: number, actionSteps: number, actionSize: number): asserts actions is Float32Array {
  const expected = count * actionSteps * actionSize;
  const length = actions instanceof Float32Array ? actions.length : undefined;
  if (length !== expected) {
    throw new DifftuneError(
      "SHAPE",
      `stepChunk got ${length === undefined ? "no Float32Array" : `${length} numbers`}; it takes a Float32Array of ${expected} numbers.`,
      { hint: `That is ${count} environments x ${actionSteps} steps x ${actionSize} numbers.`, expected, got: length ?? typeof actions },
    );
  }
}

/** The error for an action that is no finite number: which environment, step and coordinate. */
export function actionError(flatIndex: number, value: number | undefined, actionSteps: number, space: Space): DifftuneError {
  const coordinate = space.coordinates[flatIndex % space.size];
  const row = Math.floor(flatIndex / space.size);
  return new DifftuneError(
    "ENVIRONMENT",
    `Action "${coordinate?.name}" of environment ${Math.floor(row / actionSteps)}, step ${row % actionSteps}, is ${value}; actions must be finite and within 1e9.`,
    { hint: "Nothing has moved. The policy has diverged, or its actions were not restored to physical units.", index: flatIndex, got: value },
  );
}

/** The error for any use after `close`. */
export function closedError(name: string): DifftuneError {
  return new DifftuneError("ENVIRONMENT", `Environment "${name}" is closed.`, { hint: "Create a new one." });
}

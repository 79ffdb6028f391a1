import * as v from "valibot";
import { DifftuneError } from "../core/errors.js";
import { finiteNumber, oneOf, parseOptions, wholeNumber } from "../core/options.js";
import { PhiloxStream } from "../core/philox.js";
import { resolveChunking, type Chunking } from "../envs/chunking.js";
import type { Normaliser } from "../envs/normaliser.js";
import type { Dataset } from "./dataset.js";

const entries = {
  observationSteps: v.optional(wholeNumber(1, 64), 1),
  horizon: wholeNumber(1, 1024),
  actionSteps: v.optional(wholeNumber(1, 1024)),
  horizonStart: v.optional(oneOf(["oldest", "newest"]), "oldest"),
  padding: v.optional(oneOf(["none", "edges"]), "none"),
  maxEpisodes: v.optional(wholeNumber(1, 0xffffffff)),
  episodes: v.optional(v.array(wholeNumber(0, 0xffffffff), "It must be a list of episode numbers.")),
};

/** What {@link windowsOf} takes. */
export interface WindowOptions {
  /** To, observations of a window, oldest first. Default 1. */
  readonly observationSteps?: number;
  /** H, actions of a window. */
  readonly horizon: number;
  /** Ta, actions that will be executed; only `padding` asks for it. Default: all that lie ahead. */
  readonly actionSteps?: number;
  /** To which of the observations the first action belongs: `newest` as in DPPO, `oldest` as in diffusion policy. Default "oldest". */
  readonly horizonStart?: "oldest" | "newest";
  /**
   * What happens at the ends of an episode. `none` (DPPO): every action of a window was recorded. `edges` (diffusion
   * policy): windows begin up to To - 1 steps early and end up to Ta - 1 steps late, and what is missing repeats the first
   * or the last row, so that every recorded step is the present of some window. Default "none".
   */
  readonly padding?: "none" | "edges";
  /** Only the first so many episodes are used. Default: all. */
  readonly maxEpisodes?: number;
  /** The episodes that are used, in this order, such as one half of {@link splitEpisodes}. Default: all. */
  readonly episodes?: readonly number[];
}

const windowSchema = v.strictObject(entries satisfies Record<keyof WindowOptions, v.GenericSchema>);

/** What {@link transitionWindowsOf} takes. */
export interface TransitionWindowOptions extends Omit<WindowOptions, "padding" | "actionSteps"> {
  /** γ of the return to go. Default 1. */
  readonly discount?: number;
}

const transitionSchema = v.strictObject({
  observationSteps: entries.observationSteps,
  horizon: entries.horizon,
  horizonStart: entries.horizonStart,
  maxEpisodes: entries.maxEpisodes,
  episodes: entries.episodes,
  discount: v.optional(finiteNumber(0, 1), 1),
} satisfies Record<keyof TransitionWindowOptions, v.GenericSchema>);

/** Stacks of observations and the chunks that were done after them, row by row. */
export interface WindowRows {
  readonly rows: number;
  /** [rows, To, D] */
  readonly states: Float32Array;
  /** [rows, H, A] */
  readonly chunks: Float32Array;
}

/** {@link WindowRows} with what a value function learns from. */
export interface TransitionRows extends WindowRows {
  /** [rows]: the reward of the window's first step alone. */
  readonly rewards: Float32Array;
  /** [rows]: 1 where the window's first step terminated the episode. */
  readonly dones: Float32Array;
  /** [rows, To, D]: the stack H steps later. */
  readonly nextStates: Float32Array;
  /** [rows]: Σ_k γ^k r over the rest of the episode. */
  readonly returnsToGo: Float32Array;
}

/**
 * The training windows of a data set: indices alone, until they are {@link Windows.materialise}d. Window k begins at row
 * `starts[k]` of the data set, which padding may put before its episode.
 */
export class Windows {
  readonly dataset: Dataset;
  readonly chunking: Chunking;
  /** [count]: the row of the first action. */
  readonly starts: Int32Array;
  /** [count]: the episode of each window. */
  readonly episodes: Uint32Array;

  /** @internal Use {@link windowsOf}. */
  constructor(dataset: Dataset, chunking: Chunking, starts: Int32Array, episodes: Uint32Array) {
    this.dataset = dataset;
    this.chunking = chunking;
    this.starts = starts;
    this.episodes = episodes;
  }

  get count(): number {
    return this.starts.length;
  }

  /** The numbers of all windows, in order; normalised, or as they were recorded where there is no normaliser. */
  materialise(normaliser?: Normaliser): WindowRows {
    checkSizes(this.dataset, normaliser);
    const { horizon } = this.chunking;
    const { actions, actionSize } = this.dataset;
    const states = this.stacks(0, this.count);
    const chunks = new Float32Array(this.count * horizon * actionSize);
    for (let window = 0; window < this.count; window++) {
      copyRows(actions, actionSize, this.starts[window]!, horizon, this.bounds(window), chunks, window * horizon);
    }
    normaliser?.normaliseObservations(states, states);
    normaliser?.normaliseActions(chunks, chunks);
    return { rows: this.count, states, chunks };
  }

  /** @internal [count, To, D]: the stack of each of the first `filled` windows, `later` steps later; zeros for the others. */
  protected stacks(later: number, filled: number): Float32Array {
    const { observationSteps, horizonStart } = this.chunking;
    const { observations, observationSize } = this.dataset;
    const stacks = new Float32Array(this.count * observationSteps * observationSize);
    const back = horizonStart === "newest" ? observationSteps - 1 : 0;
    for (let window = 0; window < filled; window++) {
      const [begin, end] = this.bounds(window);
      const first = this.starts[window]! + later - back;
      // A later stack reaches into the next episode where its own is over, as in the original.
      const last = later === 0 ? end : first + observationSteps;
      copyRows(observations, observationSize, first, observationSteps, [begin, last], stacks, window * observationSteps);
    }
    return stacks;
  }

  /** @internal First row of a window's episode, and the row after its last. */
  protected bounds(window: number): readonly [number, number] {
    return boundsOf(this.dataset, this.episodes[window]!);
  }
}

/**
 * The windows of offline Q-learning (DPPO's variant for value functions): reward and done of a window's first step, and
 * the observations H steps later. Kept as published: where those lie beyond the episode they are of the next one, and the
 * last H windows have zeros instead, so `nextStates` is to be used only where the episode goes on for H steps.
 */
export class TransitionWindows extends Windows {
  readonly #discount: number;

  /** @internal Use {@link transitionWindowsOf}. */
  constructor(windows: Windows, discount: number) {
    super(windows.dataset, windows.chunking, windows.starts, windows.episodes);
    this.#discount = discount;
  }

  /** As {@link Windows.materialise}, with what a value function learns from. */
  override materialise(normaliser?: Normaliser): TransitionRows {
    const base = super.materialise(normaliser);
    const { rewards, terminated, observationSize } = this.dataset;
    const { horizon, observationSteps } = this.chunking;
    const filled = Math.max(this.count - horizon, 0);
    const nextStates = this.stacks(horizon, filled);
    const used = nextStates.subarray(0, filled * observationSteps * observationSize);
    normaliser?.normaliseObservations(used, used);
    const toGo = this.#returnsToGo();
    const column = (valueOf: (row: number, window: number) => number): Float32Array =>
      Float32Array.from(this.starts, (row, window) => valueOf(row, window));
    return {
      ...base,
      rewards: column((row) => rewards[row]!),
      dones: column((row, window) => (row === this.bounds(window)[1] - 1 ? terminated[this.episodes[window]!]! : 0)),
      nextStates,
      returnsToGo: column((row) => toGo[row]!),
    };
  }

  /** [N]: G_t = r_t + γ G_{t+1}, from the end of each episode. */
  #returnsToGo(): Float64Array {
    const { rewards, episodeCount } = this.dataset;
    const returns = new Float64Array(rewards.length);
    for (let episode = 0; episode < episodeCount; episode++) {
      const [begin, end] = boundsOf(this.dataset, episode);
      let sum = 0;
      for (let row = end - 1; row >= begin; row--) returns[row] = sum = rewards[row]! + this.#discount * sum;
    }
    return returns;
  }
}

/**
 * Cuts a data set into training windows (spec of DPPO, 5.1): for an episode of T rows every start i in [0, T - H], none
 * where T < H. The stack of To observations ends at i (`newest`) or begins there (`oldest`), and repeats the first row
 * before the start of the episode.
 *
 * @example
 * const { rows, states, chunks } = windowsOf(dataset, { horizon: 4 }).materialise(new Normaliser(dataset.statistics));
 */
export function windowsOf(dataset: Dataset, options: WindowOptions): Windows {
  const { padding, maxEpisodes, episodes, actionSteps, ...counts } = parseOptions(windowSchema, options, "windowsOf");
  const chunking = chunkingOf(counts, actionSteps);
  const [before, after] = padding === "edges" ? [chunking.firstAction, chunking.actionSteps - 1] : [0, 0];
  return cut(dataset, chunking, chosenEpisodes(dataset, episodes, maxEpisodes), (length) => [-before, length - chunking.horizon + after]);
}

/**
 * Cuts a data set into the windows of offline Q-learning. An episode that was not terminated loses its last start, because
 * nothing is known of what came after it.
 */
export function transitionWindowsOf(dataset: Dataset, options: TransitionWindowOptions): TransitionWindows {
  const { maxEpisodes, episodes, discount, ...counts } = parseOptions(transitionSchema, options, "transitionWindowsOf");
  const chunking = chunkingOf(counts);
  const chosen = chosenEpisodes(dataset, episodes, maxEpisodes);
  const windows = cut(dataset, chunking, chosen, (length, episode) => [0, length - chunking.horizon - (dataset.terminated[episode] === 1 ? 0 : 1)]);
  return new TransitionWindows(windows, discount);
}

/** Options of {@link splitEpisodes}. */
export interface SplitOptions {
  /** Share of the episodes that is kept for validation, below 1. Default 0.2. */
  readonly share?: number;
  /** Decides which. Default 0. */
  readonly seed?: number;
}

const splitSchema = v.strictObject({
  share: v.optional(finiteNumber(0, 0.999), 0.2),
  seed: v.optional(wholeNumber(0, 0xffffffff), 0),
} satisfies Record<keyof SplitOptions, v.GenericSchema>);

/** Random stream of the split. */
const splitStream = 1;

/**
 * Chooses whole episodes for validation, so that no window of a validation episode is ever trained on. A share above 0
 * gives at least one episode to each side; both lists are in rising order.
 *
 * @example
 * const { training, validation } = splitEpisodes(dataset.episodeCount, { share: 0.1, seed: 3 });
 * const trained = windowsOf(dataset, { horizon: 4, episodes: training });
 */
export function splitEpisodes(episodeCount: number, options: SplitOptions = {}): { readonly training: readonly number[]; readonly validation: readonly number[] } {
  const { share, seed } = parseOptions(splitSchema, options, "splitEpisodes");
  if (!Number.isInteger(episodeCount) || episodeCount < (share > 0 ? 2 : 1)) {
    throw new DifftuneError("SHAPE", `${episodeCount} episodes cannot be split.`, {
      hint: "A validation share needs two episodes or more.",
      got: episodeCount,
    });
  }
  const order = Array.from({ length: episodeCount }, (_, index) => index);
  const random = new PhiloxStream(seed, splitStream);
  for (let last = episodeCount - 1; last > 0; last--) {
    const other = random.below(last + 1);
    [order[last], order[other]] = [order[other]!, order[last]!];
  }
  const count = share === 0 ? 0 : Math.min(Math.max(Math.round(share * episodeCount), 1), episodeCount - 1);
  const rising = (list: number[]): readonly number[] => Object.freeze(list.sort((a, b) => a - b));
  return Object.freeze({ training: rising(order.slice(count)), validation: rising(order.slice(0, count)) });
}

/** All actions that lie ahead are executed unless it is said how many. */
function chunkingOf(counts: Omit<Chunking, "actionSteps" | "firstAction">, actionSteps?: number): Chunking {
  const ahead = counts.horizonStart === "oldest" ? counts.horizon - counts.observationSteps + 1 : counts.horizon;
  return resolveChunking({ ...counts, actionSteps: actionSteps ?? Math.max(ahead, 1) });
}

/** First and last start of an episode, counted from its first row; none where the last lies before the first. */
type StartRange = (length: number, episode: number) => readonly [number, number];

function cut(dataset: Dataset, chunking: Chunking, chosen: readonly number[], rangeOf: StartRange): Windows {
  const starts: number[] = [];
  const episodes: number[] = [];
  for (const episode of chosen) {
    const [begin, end] = boundsOf(dataset, episode);
    const [first, last] = rangeOf(end - begin, episode);
    for (let start = first; start <= last; start++) {
      starts.push(begin + start);
      episodes.push(episode);
    }
  }
  if (starts.length === 0) {
    throw new DifftuneError("SHAPE", `None of the ${chosen.length} episodes is long enough for a window of ${chunking.horizon} steps.`, {
      hint: "Take a shorter horizon.",
      path: "horizon",
      got: chunking.horizon,
    });
  }
  return new Windows(dataset, chunking, Int32Array.from(starts), Uint32Array.from(episodes));
}

function chosenEpisodes(dataset: Dataset, episodes: readonly number[] | undefined, maxEpisodes = Number.POSITIVE_INFINITY): readonly number[] {
  const chosen = episodes ?? Array.from({ length: dataset.episodeCount }, (_, index) => index);
  const absent = chosen.find((episode) => episode >= dataset.episodeCount);
  if (absent !== undefined) {
    throw new DifftuneError("OPTION", `There is no episode ${absent}; there are ${dataset.episodeCount}.`, {
      path: "episodes",
      expected: dataset.episodeCount,
      got: absent,
    });
  }
  return chosen.slice(0, maxEpisodes);
}

function boundsOf(dataset: Dataset, episode: number): readonly [number, number] {
  return [episode === 0 ? 0 : dataset.ends[episode - 1]!, dataset.ends[episode]!];
}

function checkSizes(dataset: Dataset, normaliser: Normaliser | undefined): void {
  if (normaliser === undefined) return;
  for (const name of ["observationSize", "actionSize"] as const) {
    if (normaliser[name] !== dataset[name]) {
      throw new DifftuneError("SHAPE", `The normaliser has ${name} ${normaliser[name]}, the data set ${dataset[name]}.`, {
        path: name,
        expected: dataset[name],
        got: normaliser[name],
      });
    }
  }
}

/** Copies rows first .. first + count - 1 of a table, those outside [begin, end) as the nearest one inside, to row `to` on. */
function copyRows(
  table: Float32Array,
  width: number,
  first: number,
  count: number,
  [begin, end]: readonly [number, number],
  output: Float32Array,
  to: number,
): void {
  for (let step = 0; step < count; step++) {
    const row = Math.min(Math.max(first + step, begin), end - 1);
    output.set(table.subarray(row * width, (row + 1) * width), (to + step) * width);
  }
}

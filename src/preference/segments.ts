import { DifftuneError } from "../core/errors.js";
import type { Dataset } from "../data/dataset.js";
import type { PairColumns, PreferencePair } from "./pair-store.js";
import type { PreferenceTask } from "./preference-task.js";
import type { SegmentPair, SegmentPool } from "./queries.js";

/** What two segments of a pool bring to a pair: everything but an answer. */
export type UnlabelledPair = Pick<PreferencePair, "horizon" | "features0" | "features1" | "states0" | "states1" | "source">;

/** All segments of H consecutive states of recorded episodes: the pool that queries are drawn from. None crosses from one episode to the next. */
export class Segments implements SegmentPool {
  readonly columns: PairColumns;
  /** H. */
  readonly horizon: number;
  /** H·D, features of a segment. */
  readonly width: number;
  /** Reward features [segments, H, D]. */
  readonly features: Float32Array;
  /** Raw states [segments, H, S]. */
  readonly states: Float32Array;
  /** Episode of each segment, and the environment step of its first state. */
  readonly episodes: Uint32Array;
  readonly steps: Uint32Array;

  /** @param task its features are those of the pool; it was compiled for the observations of the data set */
  constructor(dataset: Dataset, task: Pick<PreferenceTask, "features" | "feature">, horizon = 1) {
    if (!Number.isSafeInteger(horizon) || horizon < 1) {
      throw new DifftuneError("OPTION", `Segments have ${horizon} states; it must be a whole number above 0.`, { path: "horizon", got: horizon });
    }
    const places = [...dataset.ends].flatMap((end, episode) => {
      const begin = episode === 0 ? 0 : dataset.ends[episode - 1]!;
      return Array.from({ length: Math.max(0, end - begin - horizon + 1) }, (_, step) => ({ episode, step, row: begin + step }));
    });
    if (places.length < 2) {
      throw new DifftuneError("FORMAT", `The episodes hold ${places.length} segments of ${horizon} states.`, { hint: "Record more, or take shorter segments.", got: places.length });
    }
    const { features } = task;
    const size = dataset.observationSize;
    this.columns = { features, states: dataset.source.observationNames };
    this.horizon = horizon;
    this.width = horizon * features.length;
    this.features = new Float32Array(places.length * this.width);
    this.states = new Float32Array(places.length * horizon * size);
    this.episodes = Uint32Array.from(places, ({ episode }) => episode);
    this.steps = Uint32Array.from(places, ({ step }) => step);
    const all = Float32Array.from(Array.from(dataset.rewards, (_, row) => task.feature(dataset.observations, row)).flat());
    for (const [at, { row }] of places.entries()) {
      this.features.set(all.subarray(row * features.length, (row + horizon) * features.length), at * this.width);
      this.states.set(dataset.observations.subarray(row * size, (row + horizon) * size), at * horizon * size);
    }
  }

  /** The raw states [H, S] of a segment, a copy. */
  statesOf(segment: number): Float32Array {
    return this.#part(this.states, segment);
  }

  /** Two segments as they are asked about. */
  pair([first, second]: SegmentPair): UnlabelledPair {
    return {
      horizon: this.horizon,
      features0: this.#part(this.features, first), features1: this.#part(this.features, second),
      states0: this.statesOf(first), states1: this.statesOf(second),
      source: { episode0: this.episodes[first]!, step0: this.steps[first]!, episode1: this.episodes[second]!, step1: this.steps[second]! },
    };
  }

  #part(values: Float32Array, segment: number): Float32Array {
    const length = values.length / this.episodes.length;
    return values.slice(segment * length, (segment + 1) * length);
  }
}

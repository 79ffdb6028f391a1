import { DifftuneError } from "../../core/errors.js";
import type { Device } from "../../engine/device.js";
import { preferenceAccuracy } from "../../preference/calibration.js";
import type { PreferencePair } from "../../preference/pair-store.js";
import type { SegmentPair, SegmentPool } from "../../preference/queries.js";
import { rewardMap, type RewardMap, type RewardModel, type RewardScorer } from "../../preference/reward-model.js";
import { trainReward, type RewardEvent, type RewardOptions } from "../../preference/reward-training.js";
import { splitPairs } from "../../preference/split-pairs.js";
import { writeAtomically } from "../files.js";

/** Where a heat map of the reward is drawn: a rectangle of the workspace, and the reward features of a place in it. */
export interface MapArea {
  readonly axes: readonly [x: string, y: string];
  readonly x: readonly [number, number];
  readonly y: readonly [number, number];
  readonly feature: (x: number, y: number) => readonly number[];
}

/** What was learned last. */
export interface Learned {
  readonly model: RewardModel;
  /** Labels that it was learned from, and those that it was held against. */
  readonly labels: number;
  readonly validationPairs: number;
  readonly accuracy: number;
  /** Absent where there were no strict pairs to hold it against. */
  readonly validationAccuracy: number | undefined;
  readonly map: RewardMap | undefined;
}

/** How a training goes, for whoever watches. */
export interface TrainingProgress {
  readonly labels: number;
  readonly epoch: number;
  readonly epochs: number;
}

/** Options of {@link LiveReward}. */
export interface LiveRewardOptions {
  readonly names: readonly string[];
  /** H, states of a segment. */
  readonly horizon: number;
  /** Options of every training; the batch size follows from the number of labels where it is left out. */
  readonly training: RewardOptions;
  readonly area: MapArea | undefined;
  /** The file of the model. */
  readonly file: string;
  /** Called whenever something has changed. */
  readonly changed: () => void;
}

/** Gradient steps of an epoch, about, however many labels there are. */
const epochSteps = 7;

/** Labels of one gradient step where nothing is said: 16 to 128. */
export function usualBatchSize(labels: number): number {
  return Math.min(128, Math.max(16, 2 ** Math.round(Math.log2(labels / epochSteps))));
}

const seed = 0;

/** Learns a reward from the labels so far, again and again, while more are given: one training at a time, in the background. */
export class LiveReward {
  readonly #device: Device;
  readonly #options: LiveRewardOptions;
  readonly #abort = new AbortController();
  #running: Promise<Learned | undefined> | undefined;
  #progress: TrainingProgress | undefined;
  #learned: Learned | undefined;
  #scorer: RewardScorer | undefined;
  #failure: string | undefined;
  readonly #history: (readonly [labels: number, accuracy: number])[] = [];

  constructor(device: Device, options: LiveRewardOptions) {
    this.#device = device;
    this.#options = options;
  }

  /** What was learned last; undefined before the first training has ended. */
  get learned(): Learned | undefined {
    return this.#learned;
  }

  /** Whether a training runs. */
  get isTraining(): boolean {
    return this.#running !== undefined;
  }

  /** How far the training that runs is; undefined where none does. */
  get progress(): TrainingProgress | undefined {
    return this.#progress;
  }

  /** Why the last training has failed, a sentence; undefined where it has not. */
  get failure(): string | undefined {
    return this.#failure;
  }

  /** Validation accuracy after each training, by the number of labels. */
  get history(): readonly (readonly [labels: number, accuracy: number])[] {
    return this.#history;
  }

  /** Learns from these labels. Where a training runs, gives that one: labels that came since wait for the next. */
  train(pairs: readonly PreferencePair[]): Promise<Learned | undefined> {
    this.#running ??= this.#learn(pairs).finally(() => {
      this.#running = undefined;
      this.#progress = undefined;
      this.#options.changed();
    });
    return this.#running;
  }

  /** P(second better) of pairs of a pool by every member [members][pairs]. */
  async probabilities(pool: SegmentPool, pairs: readonly SegmentPair[]): Promise<readonly Float64Array[]> {
    return (await this.#differences(pool, pairs)).map((member) => member.map((difference) => 1 / (1 + Math.exp(-difference))));
  }

  /** Stops the training that runs, and frees the model. What was learned last stays in its file. */
  async close(): Promise<void> {
    this.#abort.abort();
    await this.#running;
    this.#scorer?.close();
    this.#scorer = undefined;
  }

  async #learn(pairs: readonly PreferencePair[]): Promise<Learned | undefined> {
    try {
      const { names, training: recipe, area, file, changed } = this.#options;
      const split = splitPairs(pairs, { seed });
      const labels = split.training.length + split.validation.length;
      const batchSize = recipe.batchSize ?? usualBatchSize(labels);
      const training = trainReward(this.#device, { features: names, ...split }, { ...recipe, batchSize, signal: this.#abort.signal });
      let last: RewardEvent | undefined;
      for await (const event of training) {
        last = event;
        this.#progress = { labels, epoch: event.epoch, epochs: event.epochs };
        changed();
      }
      const model = await training.model();
      await writeAtomically(file, model.save());
      const scorer = await model.on(this.#device);
      this.#scorer?.close();
      this.#scorer = scorer;
      const map = area === undefined ? undefined : await rewardMap(scorer, area.feature, area);
      const validationAccuracy = await this.#accuracy(split.validation);
      this.#learned = { model, labels, validationPairs: split.validation.length, accuracy: last?.accuracy ?? 0, validationAccuracy, map };
      this.#failure = undefined;
      if (validationAccuracy !== undefined) this.#history.push([labels, validationAccuracy]);
      return this.#learned;
    } catch (error) {
      if (this.#abort.signal.aborted) return undefined;
      // Labels that are all alike, a full disk: labelling goes on, and the page says why there is no reward.
      if (!(error instanceof DifftuneError)) throw error;
      this.#failure = error.message;
      return undefined;
    }
  }

  /** R1 − R0 of pairs by every member [members][pairs]. */
  async #differences({ features, width }: SegmentPool, pairs: readonly SegmentPair[]): Promise<readonly Float64Array[]> {
    if (this.#scorer === undefined) throw new DifftuneError("OPTION", "There is no reward yet.", { hint: "Train one first." });
    const { horizon } = this.#options;
    const rows = new Float32Array(2 * pairs.length * width);
    for (const [at, index] of pairs.flat().entries()) rows.set(features.subarray(index * width, (index + 1) * width), at * width);
    const score = (rewards: Float32Array, segment: number): number => rewards.subarray(segment * horizon, (segment + 1) * horizon).reduce((sum, reward) => sum + reward, 0);
    return (await this.#scorer.members(rows)).map((rewards) => Float64Array.from(pairs, (_, at) => score(rewards, 2 * at + 1) - score(rewards, 2 * at)));
  }

  /** Share of strict pairs that the model as it is kept, with its best parameters, has right. */
  async #accuracy(pairs: readonly PreferencePair[]): Promise<number | undefined> {
    if (pairs.length === 0) return undefined;
    const features = Float32Array.from(pairs.flatMap(({ features0, features1 }) => [...features0, ...features1]));
    const members = await this.#differences({ features, width: pairs[0]!.features0.length }, pairs.map((_, at) => [2 * at, 2 * at + 1]));
    return preferenceAccuracy(pairs.map((_, at) => members.reduce((sum, member) => sum + member[at]!, 0)), pairs.map(({ label }) => label));
  }
}

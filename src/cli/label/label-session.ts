import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import path from "node:path";
import * as v from "valibot";
import { wholeNumber } from "../../core/options.js";
import type { Device } from "../../engine/device.js";
import type { Answer } from "../../preference/annotators.js";
import { Labelling, type LabellingProgress, type Question, type Round } from "../../preference/labelling.js";
import { drawQueries, type QueryStrategy, type SegmentPair } from "../../preference/queries.js";
import type { RewardOptions } from "../../preference/reward-training.js";
import { labellingRounds } from "../../preference/scripted-labels.js";
import type { Segments } from "../../preference/segments.js";
import { writeAtomically } from "../files.js";
import { PairFiles } from "../pair-files.js";
import { LiveReward, type MapArea } from "./live-reward.js";

/** Options of {@link LabelSession.open}. */
export interface LabelSessionOptions {
  /** Where the labels are kept, and the reward that is learned from them. */
  readonly folder: string;
  readonly pool: Segments;
  /** Labels that are wanted. */
  readonly target: number;
  readonly strategy: QueryStrategy;
  readonly seed: number;
  readonly device: Device;
  /** How the reward is learned. */
  readonly training: RewardOptions;
  /** Where its heat map is drawn. */
  readonly area: MapArea | undefined;
  /** Called whenever something has changed without being asked: a training goes on, new questions are drawn. */
  readonly changed?: () => void;
}

const queriesName = "queries.json";
/** The reward model in the folder of the labels. */
export const rewardName = "reward.safetensors";

/** Labels of a round beyond the target. */
const extraRound = 128;
/** A reward that is right about this share of the pairs that it was held against is good enough, once there are so many labels. */
const [enoughAccuracy, enoughLabels] = [0.97, 256];
/** Fewest labels that a reward is learned from of itself, and how much more there must be for the next time. */
const [leastLabels, growth] = [16, 1.25];

/**
 * A session of labelling on the disk: what is asked, what is answered, and the reward that is learned along the way. The front of
 * it, a page or a terminal, only shows and passes on.
 */
export class LabelSession {
  readonly folder: string;
  readonly pool: Segments;
  readonly reward: LiveReward;
  readonly #files: PairFiles;
  readonly #labelling: Labelling;
  /** Whether the reward was good enough at the last answer, and whether that is to be heeded. */
  #isGood = false;
  #isHeeded = true;
  /** Labels that the last training was begun with. */
  #trained = 0;
  /** The last call: what is asked and answered happens one after the other. */
  #last: Promise<unknown> = Promise.resolve();

  private constructor(options: LabelSessionOptions, files: PairFiles, round: Round | undefined, keep: (round: Round) => Promise<void>) {
    const { folder, pool, target, strategy, seed, device, training, area, changed = () => undefined } = options;
    this.folder = folder;
    this.pool = pool;
    this.#files = files;
    this.reward = new LiveReward(device, { names: pool.columns.features, horizon: pool.horizon, training, area, file: path.join(folder, rewardName), changed });
    this.#labelling = new Labelling(pool, files, {
      target, seed, round,
      now: () => Date.now(),
      roundSize: (index) => labellingRounds(target, strategy)[index] ?? extraRound,
      draw: async (index, count) => {
        const pairs = await this.#draw(strategy, seed, index, count);
        await keep({ round: index, pairs });
        return pairs;
      },
    });
  }

  /**
   * Opens the labels of a folder, to go on with them or to begin, with the first question drawn. Nothing is changed where they do
   * not belong to the pool.
   */
  static async open(options: LabelSessionOptions): Promise<LabelSession> {
    const { folder, pool } = options;
    const files = await PairFiles.open(folder, pool.columns);
    let session: LabelSession | undefined;
    try {
      const file = path.join(folder, queriesName);
      const fingerprint = createHash("sha256").update(bytesOf(pool.states)).update(bytesOf(pool.features)).digest("hex");
      const keep = (round: Round): Promise<void> => writeAtomically(file, `${JSON.stringify({ format: formatName, version: formatVersion, pool: fingerprint, ...round })}\n`);
      session = new LabelSession(options, files, await readRound(file, fingerprint, pool), keep);
      await session.question();
      session.#learn();
      return session;
    } catch (error) {
      await session?.reward.close();
      await files.close();
      throw error;
    }
  }

  /** The question that waits for an answer; undefined where there is nothing more to ask, see {@link end}. */
  question(): Promise<Question | undefined> {
    return this.#inTurn(async () => (this.end === undefined ? this.#labelling.question() : undefined));
  }

  /** Why there is nothing more to ask. */
  get end(): "target" | "accuracy" | undefined {
    if (this.#labelling.isDone) return "target";
    return this.#isGood && this.#isHeeded ? "accuracy" : undefined;
  }

  /** Answers the question of that key, see {@link Labelling.answer}. */
  answer(key: string, answer: Answer): Promise<boolean> {
    return this.#inTurn(async () => {
      if (this.end !== undefined || !(await this.#labelling.answer(key, answer))) return false;
      this.#isGood = this.progress.labelled >= enoughLabels && (this.reward.learned?.validationAccuracy ?? 0) >= enoughAccuracy;
      this.#learn();
      return true;
    });
  }

  /** Takes the last answer back, see {@link Labelling.undo}. */
  undo(): Promise<boolean> {
    return this.#inTurn(async () => {
      const isTaken = await this.#labelling.undo();
      if (isTaken) this.#isGood = false;
      return isTaken;
    });
  }

  /** Asks on although there are enough labels. */
  goOn(): void {
    if (this.#labelling.isDone) this.#labelling.goOn();
    this.#isHeeded = false;
  }

  /** Learns the reward from the labels so far, unless it is being learned. */
  train(): void {
    if (this.reward.isTraining) return;
    this.#trained = this.progress.labelled;
    // Labels that have come in the meantime may be enough for another time.
    void this.reward.train(this.#labelling.pairs).then(() => { this.#learn(); });
  }

  /** How far the labelling is. */
  get progress(): LabellingProgress {
    return this.#labelling.progress;
  }

  /** Where the labelled segments were, in two columns of their states: x, y, x, y, ... */
  placesOf(axes: readonly [x: string, y: string]): readonly number[] {
    const { states } = this.pool.columns;
    const columns = axes.map((name) => states.indexOf(name));
    return this.#labelling.pairs.flatMap(({ states0, states1, horizon }) =>
      Array.from({ length: horizon }, (_, at) => [states0, states1].flatMap((side) => columns.map((column) => side[at * states.length + column] ?? 0))).flat());
  }

  /** Waits for what is being written, ends a training, and gives the folder back. Twice is once. */
  async close(): Promise<void> {
    await this.reward.close();
    await this.#inTurn(() => this.#files.close());
  }

  /** Learns when there are enough more labels than the last time, and at the end. */
  #learn(): void {
    const { labelled } = this.progress;
    if (labelled >= leastLabels && (labelled >= growth * this.#trained || (this.end !== undefined && labelled > this.#trained))) this.train();
  }

  async #draw(strategy: QueryStrategy, seed: number, round: number, count: number): Promise<readonly SegmentPair[]> {
    const { pool, reward } = this;
    const pairs = this.#labelling.pairs;
    const asksModel = round > 0 && (strategy === "disagreement" || strategy === "entropy");
    if (asksModel && reward.isTraining) await reward.train(pairs);
    // Where nothing can be learned, from labels that are all alike, chance goes on choosing.
    const isLearned = asksModel && (await reward.train(pairs)) !== undefined;
    return drawQueries(pool, {
      strategy: round === 0 || (asksModel && !isLearned) ? "uniform" : strategy, count, seed, round,
      ...(isLearned ? { probabilities: (candidates: readonly SegmentPair[]) => reward.probabilities(pool, candidates) } : {}),
    });
  }

  #inTurn<Result>(work: () => Promise<Result>): Promise<Result> {
    const result = this.#last.then(work);
    this.#last = result.catch(() => undefined);
    return result;
  }
}

const formatName = "difftune-queries";
const formatVersion = 1;

/** The round that a stopped session was in; undefined where there is none that fits: then one is drawn. */
async function readRound(file: string, fingerprint: string, { episodes: { length } }: Segments): Promise<Round | undefined> {
  const place = wholeNumber(0, length - 1);
  const schema = v.strictObject({
    format: v.literal(formatName), version: v.literal(formatVersion), pool: v.literal(fingerprint),
    round: wholeNumber(0, Number.MAX_SAFE_INTEGER), pairs: v.pipe(v.array(v.strictTuple([place, place])), v.minLength(1)),
  });
  try {
    const { round, pairs } = v.parse(schema, JSON.parse(await readFile(file, "utf8")));
    return { round, pairs };
  } catch {
    // Labels do not depend on it.
    return undefined;
  }
}

function bytesOf({ buffer, byteOffset, byteLength }: Float32Array): Uint8Array {
  return new Uint8Array(buffer, byteOffset, byteLength);
}

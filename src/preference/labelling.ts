import { DifftuneError } from "../core/errors.js";
import { PhiloxStream } from "../core/philox.js";
import { selfConsistency, type Answer } from "./annotators.js";
import type { PairSource, PreferencePair } from "./pair-store.js";
import type { SegmentPair } from "./queries.js";
import type { Segments } from "./segments.js";

/** Where labelled pairs are kept: what {@link append} and {@link undo} have resolved is kept for good. */
export interface PairKeeper {
  readonly pairs: readonly PreferencePair[];
  /** The id that the next pair will have. */
  readonly nextId: number;
  append(pair: Omit<PreferencePair, "id">): Promise<PreferencePair>;
  undo(): Promise<PreferencePair | undefined>;
}

/** The pairs of a round of labelling, in the order in which they are asked. */
export interface Round {
  readonly round: number;
  readonly pairs: readonly SegmentPair[];
}

/** Options of {@link Labelling}. */
export interface LabellingOptions {
  /** Labels that are wanted, repeated questions not counted. */
  readonly target: number;
  /** Decides which segment is shown at the left, and what is asked again. */
  readonly seed: number;
  /** Share of the questions that ask an earlier one again, the other way round. Default 0.05. */
  readonly repeatRate?: number;
  /** The round that a stopped session was in; without it {@link draw} is asked for the first one. */
  readonly round?: Round | undefined;
  /** Draws the pairs of a round, and keeps them where a stopped session finds them. */
  readonly draw: (round: number, count: number) => Promise<readonly SegmentPair[]>;
  /** How many pairs a round has; the number of labels that are still wanted, at most. */
  readonly roundSize: (round: number) => number;
  /** Milliseconds since 1970, for the record. */
  readonly now: () => number;
}

/** A question as it is put: two segments of the pool, side by side. */
export interface Question {
  /** Names this question: an answer says which one it is to. */
  readonly key: string;
  /** Index of the segment at the left, and of that at the right. */
  readonly left: number;
  readonly right: number;
}

/** How far the labelling is. */
export interface LabellingProgress {
  /** Labels so far, repeated questions not counted. */
  readonly labelled: number;
  readonly target: number;
  /** Of them: labelled equal. */
  readonly ties: number;
  /** Questions without an answer, since the session was opened. */
  readonly skipped: number;
  readonly repeats: number;
  /** Share of the repeated questions that were answered alike; undefined where there were none. */
  readonly consistency: number | undefined;
}

/** A question before it is put: in the order in which it is stored. */
interface Draft {
  readonly pair: SegmentPair;
  readonly round: number;
  readonly repeatOf?: number;
}

/** Questions between a question and its repetition, at least: nobody shall answer from memory. */
const repeatDistance = 8;
/** Keep the draws of this file apart from others of the same seed. */
const orderKey = 0x0b5e55ed;
const repeatKey = 0x4e9ea7ed;

/**
 * Asks a person about the pairs of a pool (FDPP specification, 3.3): in random order on the screen, which is turned back before an
 * answer is kept, now and then a question a second time with the sides exchanged. What is asked follows from the kept pairs, the
 * round and the seed alone, so that a session that was killed goes on where it was.
 *
 * @example
 * const question = await labelling.question();
 * if (question !== undefined) await labelling.answer(question.key, 0); // the left one is better
 */
export class Labelling {
  readonly pool: Segments;
  readonly #keeper: PairKeeper;
  readonly #options: Required<Omit<LabellingOptions, "round">>;
  readonly #segments: ReadonlyMap<string, number>;
  #round: Round | undefined;
  /** Place in the round of the next pair to ask. */
  #place = 0;
  #current: Draft | undefined;
  /** What was put aside by an undo and comes after the current question. */
  readonly #ahead: Draft[] = [];
  /** What was done since the session was opened, for {@link undo}: a question that was skipped, or a label. */
  readonly #trail: (Draft | "label")[] = [];
  #skipped = 0;
  /** More labels than the target are wanted. */
  #isOpenEnded = false;

  /** Refuses labels of states that the pool does not have. */
  constructor(pool: Segments, keeper: PairKeeper, options: LabellingOptions) {
    this.pool = pool;
    this.#keeper = keeper;
    this.#options = { repeatRate: 0.05, ...options };
    this.#segments = new Map(Array.from({ length: pool.episodes.length }, (_, at) => [placeOf(pool.episodes[at]!, pool.steps[at]!), at]));
    for (const pair of keeper.pairs) this.#checkStates(pair);
    this.#round = options.round;
    if (this.#round !== undefined) this.#place = this.#placeAfter(this.#round);
  }

  /** The question that waits for an answer; undefined where there are as many labels as wanted. */
  async question(): Promise<Question | undefined> {
    if (this.#current === undefined && !this.isDone) this.#current = this.#ahead.pop() ?? this.#repeat() ?? (await this.#next());
    return this.#current === undefined ? undefined : this.#put(this.#current);
  }

  /** Whether there are as many labels as wanted. */
  get isDone(): boolean {
    return !this.#isOpenEnded && this.progress.labelled >= this.#options.target;
  }

  /** Asks on although there are as many labels as wanted. */
  goOn(): void {
    this.#isOpenEnded = true;
  }

  /**
   * Answers the question of that key: 0 the left one is better, 1 the right one, −1 neither, or "skip". It is kept when this
   * resolves. Returns whether it was taken: an answer to a question that is no longer asked is not.
   */
  async answer(key: string, answer: Answer): Promise<boolean> {
    const question = await this.question();
    const draft = this.#current;
    if (question === undefined || draft === undefined || question.key !== key) return false;
    if (answer === "skip") {
      this.#skipped += 1;
      this.#trail.push(draft);
    } else {
      const isSwapped = question.left !== draft.pair[0];
      await this.#keeper.append({
        ...this.pool.pair(draft.pair),
        label: answer === -1 ? -1 : isSwapped ? (1 - answer) as 0 | 1 : answer,
        annotator: "human", round: draft.round, timestampMs: this.#options.now(),
        ...(draft.repeatOf === undefined ? {} : { repeatOf: draft.repeatOf }),
      });
      this.#trail.push("label");
    }
    this.#current = undefined;
    return true;
  }

  /** Takes the last answer back, a skip as well, and asks that question again. Returns whether there was one. */
  async undo(): Promise<boolean> {
    const last = this.#trail.at(-1);
    let draft: Draft;
    if (last !== undefined && last !== "label") {
      this.#skipped -= 1;
      draft = last;
    } else {
      const pair = await this.#keeper.undo();
      if (pair === undefined) return false;
      draft = { pair: this.#pairOf(pair.source), round: pair.round, ...(pair.repeatOf === undefined ? {} : { repeatOf: pair.repeatOf }) };
      // What is not labelled any more cannot be asked again.
      const waiting = [...this.#ahead, ...(this.#current === undefined ? [] : [this.#current])].filter(({ repeatOf }) => repeatOf !== pair.id);
      this.#ahead.splice(0, this.#ahead.length, ...waiting);
      this.#current = undefined;
    }
    this.#trail.pop();
    if (this.#current !== undefined) this.#ahead.push(this.#current);
    this.#current = draft;
    return true;
  }

  /** How far the labelling is. */
  get progress(): LabellingProgress {
    const { pairs } = this.#keeper;
    const asked = pairs.filter(({ repeatOf }) => repeatOf === undefined);
    return {
      labelled: asked.length, target: this.#options.target, ties: asked.filter(({ label }) => label === -1).length, skipped: this.#skipped,
      repeats: pairs.length - asked.length, consistency: selfConsistency(pairs),
    };
  }

  /** The labelled pairs so far. */
  get pairs(): readonly PreferencePair[] {
    return this.#keeper.pairs;
  }

  /** The next pair of the round that has no label yet, or the first of the next round. */
  async #next(): Promise<Draft> {
    const { target, draw, roundSize } = this.#options;
    const labelled = new Set(this.#keeper.pairs.map(({ source }) => keyOf(this.#pairOf(source))));
    for (let isFresh = false; ; isFresh = true) {
      const { round: current, pairs } = this.#round ?? { round: -1, pairs: [] };
      this.#place = pairs.findIndex((pair, at) => at >= this.#place && !labelled.has(keyOf(pair)));
      if (this.#place !== -1) return { pair: pairs[this.#place++]!, round: current };
      if (isFresh) throw new DifftuneError("OPTION", "Every pair that was drawn is labelled: the pool has too few segments.", { hint: "Collect more rollouts.", path: "target", expected: target, got: labelled.size });
      const size = roundSize(current + 1);
      const missing = target - this.progress.labelled;
      this.#round = { round: current + 1, pairs: await draw(current + 1, missing > 0 ? Math.min(missing, size) : size) };
      this.#place = 0;
    }
  }

  /** An earlier question that is due to be asked again, now and then. */
  #repeat(): Draft | undefined {
    const { pairs, nextId } = this.#keeper;
    const random = new PhiloxStream((this.#options.seed ^ repeatKey) >>> 0, nextId + this.#skipped);
    if (random.uniform() >= this.#options.repeatRate) return undefined;
    const repeated = new Set(pairs.map(({ repeatOf }) => repeatOf));
    const due = pairs.slice(0, -repeatDistance).filter(({ id, repeatOf }) => repeatOf === undefined && !repeated.has(id));
    const chosen = due.length === 0 ? undefined : due[random.below(due.length)]!;
    return chosen === undefined ? undefined : { pair: this.#pairOf(chosen.source), round: chosen.round, repeatOf: chosen.id };
  }

  /** Which side either segment is shown on follows from the pair; a repetition exchanges the sides. */
  #put({ pair: [a, b], repeatOf }: Draft): Question {
    const coin = new PhiloxStream((this.#options.seed ^ orderKey) >>> 0, (a * this.pool.episodes.length + b) % 0x100000000).below(2) === 1;
    const isSwapped = coin !== (repeatOf !== undefined);
    const [left, right] = isSwapped ? [b, a] : [a, b];
    return { key: `${this.#keeper.nextId}-${left}-${right}`, left, right };
  }

  #pairOf({ episode0, step0, episode1, step1 }: PairSource): SegmentPair {
    return [this.#segments.get(placeOf(episode0, step0))!, this.#segments.get(placeOf(episode1, step1))!];
  }

  /** Place behind the last pair of a round that has an answer: what was skipped before it is not asked again. */
  #placeAfter({ round, pairs }: Round): number {
    const answered = new Set(this.#keeper.pairs.filter((pair) => pair.round === round && pair.repeatOf === undefined).map(({ source }) => keyOf(this.#pairOf(source))));
    return pairs.findLastIndex((pair) => answered.has(keyOf(pair))) + 1;
  }

  #checkStates({ id, horizon, source, states0, states1 }: PreferencePair): void {
    const sides = [[source.episode0, source.step0, states0], [source.episode1, source.step1, states1]] as const;
    for (const [episode, step, states] of sides) {
      const segment = this.#segments.get(placeOf(episode, step));
      const known = segment === undefined ? undefined : this.pool.statesOf(segment);
      if (known !== undefined && horizon === this.pool.horizon && known.every((value, at) => value === states[at])) continue;
      throw new DifftuneError("FORMAT", `Pair ${id} shows ${horizon === 1 ? "" : `${horizon} states from `}step ${step} of episode ${episode}, which the pool ${known === undefined ? "does not have" : "has in another state"}.`, {
        index: id, hint: "Go on with the pool that these labels were made with, or choose another folder for the labels.",
      });
    }
  }
}

function keyOf([a, b]: SegmentPair): string {
  return `${Math.min(a, b)}:${Math.max(a, b)}`;
}

function placeOf(episode: number, step: number): string {
  return `${episode}:${step}`;
}

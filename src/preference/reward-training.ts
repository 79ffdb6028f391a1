import * as v from "valibot";
import { DifftuneError } from "../core/errors.js";
import { Breath } from "../core/breath.js";
import { DrivenRun } from "../core/driven-run.js";
import { finiteNumber, oneOf, parseOptions, positiveNumber, wholeNumber } from "../core/options.js";
import type { Device } from "../engine/device.js";
import { readFloats, readSafetensors, storeFloats, writeSafetensors } from "../io/safetensors.js";
import { adamStateLength } from "../kernels/optim/adamw.js";
import { preferenceAccuracy, preferenceLoss } from "./calibration.js";
import type { PreferenceLabel, PreferencePair } from "./pair-store.js";
import { RewardLearner, type LearnerState, type PairScores } from "./reward-learner.js";
import { createRewardNetworks, RewardModel, type FeatureStatistics, type RewardModelShape } from "./reward-model.js";

/** Names an option for the command line and the documentation. */
const option = <const Schema extends v.GenericSchema>(schema: Schema, text: string) => v.pipe(schema, v.description(text));
const sizes = v.pipe(v.array(wholeNumber(1, 65_536), "It must be a list of sizes."), v.minLength(1, "It must be a list of at least 1 size."));
const bounds = v.pipe(v.array(v.pipe(v.number(), v.finite()), "It must be a list of numbers."), v.minLength(1, "It must be a list of at least 1 number."));

/** The options of {@link trainReward}. */
export const rewardSchema = v.strictObject({
  members: option(v.optional(wholeNumber(1, 64), 3), "M, networks that learn apart from each other; the reward is their mean."),
  hidden: option(v.optional(sizes, [256, 256, 256]), "Sizes of the hidden layers of every member."),
  ties: option(v.optional(oneOf(["drop", "half", "davidson"]), "drop"), "How pairs labelled equal count: not at all, as half a win each (better above 15 % of them), or as a third outcome of its own probability."),
  smoothing: option(v.optional(finiteNumber(0, 0.5), 0), "Labels become m and 1 - m; 0.05 suits human ones. Not used by davidson."),
  epochs: option(v.optional(wholeNumber(1, 1_000_000), 200), "Passes over the pairs, at most."),
  batchSize: option(v.optional(wholeNumber(1, 1_048_576), 128), "Pairs of one gradient step."),
  rate: option(v.optional(positiveNumber(), 3e-4), "Learning rate."),
  weightDecay: option(v.optional(finiteNumber(0, 1), 1e-5), "Decoupled weight decay of AdamW."),
  accuracy: option(v.optional(finiteNumber(0, 1), 0.97), "Training ends when more than this share of the training pairs is right; 1 never ends it so."),
  patience: option(v.optional(wholeNumber(1, 1_000_000), 20), "Training ends after so many epochs without a lower validation loss."),
  anchor: option(v.optional(v.nullable(v.strictObject({
    low: bounds,
    high: bounds,
    weight: v.optional(positiveNumber(), 0.01),
    points: v.optional(wholeNumber(1, 65_536), 128),
  })), null), "Keeps the reward near 0 where nothing was seen: weight times the mean square reward of so many uniform points between two corners of the feature space; null does not."),
  statistics: option(v.optional(v.strictObject({ mean: bounds, std: bounds })), "Mean and deviation of the features over rollouts (featureStatistics); those of the training pairs where left out."),
  seed: option(v.optional(wholeNumber(0, 0xffffffff), 0), "Decides first parameters, orders and anchor points."),
  signal: option(v.optional(v.instance(AbortSignal, "It must be an AbortSignal.")), "Stops the training with a CANCELLED error; what it has learned can still be saved."),
  resume: option(v.optional(v.instance(Uint8Array, "It must be the bytes that save() gave.")), "What save() of an earlier run gave: goes on from there, to the same bits."),
});

/** Options of {@link trainReward}, each described in {@link rewardSchema}. */
export interface RewardOptions extends Omit<v.InferInput<typeof rewardSchema>, "statistics" | "resume"> {
  readonly statistics?: FeatureStatistics;
  readonly resume?: Uint8Array;
}

type ResolvedOptions = Readonly<v.InferOutput<typeof rewardSchema>>;

/** Labelled pairs by their features. */
export interface RewardPairs {
  /** Names of the D features. */
  readonly features: readonly string[];
  readonly training: readonly PreferencePair[];
  /** Pairs that are never learned from and say when to stop. */
  readonly validation: readonly PreferencePair[];
}

/** One epoch: frozen, plain, one JSON line of a log. What does not exist is absent, never NaN. */
export interface RewardEvent {
  /** From 1. */
  readonly epoch: number;
  readonly epochs: number;
  /** Mean loss of the members on the training pairs, after the epoch. */
  readonly loss: number;
  /** Share of the strict training pairs that the mean of the members has right. */
  readonly accuracy: number;
  readonly validationLoss?: number;
  readonly validationAccuracy?: number;
  /** The epoch whose parameters the model has: that of the least validation loss, or the last. */
  readonly bestEpoch: number;
  /** Whether training ends here, and why. */
  readonly end?: "accuracy" | "patience" | "epochs";
  /** Seconds of training since this run was started or resumed. */
  readonly seconds: number;
}

/** A training run, driven by `for await`; leaving the loop ends it and frees what it holds on the device. */
export interface RewardTraining extends AsyncIterable<RewardEvent> {
  /** The model with the best parameters so far. */
  model(): Promise<RewardModel>;
  /** The whole state between two epochs; option `resume` goes on from it to the same bits. */
  save(): Promise<Uint8Array>;
  /** Ends the run between two epochs. Twice is once. */
  close(): void;
}

/** Mean and deviation (at least 1e-3) of the columns of features [rows, D]: of the states of rollouts, not of the pairs alone. */
export function featureStatistics(features: ArrayLike<number>, width: number): FeatureStatistics {
  const rows = features.length / width;
  if (!Number.isSafeInteger(rows) || rows < 1) throw new DifftuneError("SHAPE", `${features.length} numbers are no rows of ${width} features.`, { expected: width, got: features.length });
  const mean = Array.from({ length: width }, () => 0);
  const square = Array.from({ length: width }, () => 0);
  for (let at = 0; at < features.length; at++) mean[at % width]! += features[at]! / rows;
  for (let at = 0; at < features.length; at++) square[at % width]! += (features[at]! - mean[at % width]!) ** 2 / rows;
  return { mean, std: square.map((each) => Math.max(Math.sqrt(each), leastStd)) };
}

const leastStd = 1e-3;

/**
 * Learns a reward from labelled pairs (FDPP specification, section 4): an ensemble of perceptrons by the loss of Bradley and
 * Terry, every member on an order of its own. After each epoch all pairs are measured; it ends when the training pairs are right,
 * when the validation loss has not fallen for a while, or after the last epoch, and keeps the best parameters.
 *
 * @example
 * const training = trainReward(device, { features: ["x", "y"], ...splitPairs(stored.pairs) }, { ties: "half" });
 * for await (const { epoch, accuracy } of training) console.log(epoch, accuracy);
 * const model = await training.model();
 */
export function trainReward(device: Device, pairs: RewardPairs, options: RewardOptions = {}): RewardTraining {
  return new Run(device, planOf(pairs, options));
}

/** Everything about a run that is known before it starts. */
interface Plan {
  readonly options: ResolvedOptions;
  readonly shape: RewardModelShape;
  readonly pairs: RewardPairs;
  readonly horizon: number;
  readonly start: RunState;
}

/** Where a run stands between two epochs. */
interface RunState {
  readonly learner: LearnerState;
  readonly epoch: number;
  readonly best: { readonly epoch: number; readonly loss: number; readonly values: Float32Array };
  readonly isOver: boolean;
}

class Run extends DrivenRun<RewardEvent> implements RewardTraining {
  readonly #device: Device;
  readonly #plan: Plan;
  #state: RunState;
  #learner: RewardLearner | undefined;

  constructor(device: Device, plan: Plan) {
    super("model");
    this.#device = device;
    this.#plan = plan;
    this.#state = plan.start;
  }

  model(): Promise<RewardModel> {
    return this.ask(() => new RewardModel(this.#plan.shape, this.#state.best.values));
  }

  save(): Promise<Uint8Array> {
    return this.ask(() => encodeState(this.#plan, this.#state));
  }

  protected override async rest(): Promise<void> {
    if (this.#learner !== undefined) this.#state = { ...this.#state, learner: await this.#learner.read() };
  }

  protected override free(): void {
    this.#learner?.close();
    this.#learner = undefined;
  }

  protected override async *work(): AsyncGenerator<RewardEvent, void, undefined> {
    const { options, shape, pairs, horizon, start } = this.#plan;
    const { epochs, signal } = options;
    if (start.isOver || start.epoch >= epochs) return;
    const learner = await RewardLearner.create(this.#device, shape, { horizon, pairs: [...pairs.training, ...pairs.validation], trainingCount: pairs.training.length }, start.learner, options);
    this.#learner = learner;
    const breath = new Breath();
    let seconds = 0;
    let resumedAt = performance.now();
    while (!this.#state.isOver && this.#state.epoch < epochs) {
      this.checkFailure();
      if (signal?.aborted === true) {
        throw new DifftuneError("CANCELLED", `Training was stopped after epoch ${this.#state.epoch} of ${epochs}.`, { cause: signal.reason });
      }
      for (let batch = 0; batch < learner.batchCount; batch++) {
        learner.step(this.#state.epoch, batch);
        await breath.take();
      }
      const { state, event } = judge(this.#plan, this.#state, await learner.scores());
      // The parameters come to the host only where they are the best so far.
      const values = event.bestEpoch === event.epoch ? await learner.values() : this.#state.best.values;
      this.#state = { ...state, best: { ...state.best, values } };
      seconds += (performance.now() - resumedAt) / 1000;
      yield Object.freeze({ ...event, seconds });
      resumedAt = performance.now();
    }
  }
}

/** What an epoch has come to. */
function judge({ options, pairs }: Plan, before: RunState, scores: PairScores): { readonly state: RunState; readonly event: Omit<RewardEvent, "seconds"> } {
  const epoch = before.epoch + 1;
  const training = measure(scores, 0, pairs.training, options);
  const validation = measure(scores, pairs.training.length, pairs.validation, options);
  // Training pairs always count: what would give none was refused.
  const [loss, accuracy] = [training.loss!, training.accuracy!];
  if (!Number.isFinite(loss)) {
    throw new DifftuneError("DIVERGENCE", `After epoch ${epoch} the loss is ${loss}.`, { hint: "Lower the rate, or look for features far outside the others.", index: epoch, got: loss });
  }
  const isBest = validation.loss === undefined || validation.loss < before.best.loss;
  const best = isBest ? { epoch, loss: validation.loss ?? Infinity, values: before.best.values } : before.best;
  const end = accuracy > options.accuracy ? "accuracy" : epoch - best.epoch >= options.patience ? "patience" : epoch === options.epochs ? "epochs" : undefined;
  return {
    state: { ...before, epoch, best, isOver: end === "accuracy" || end === "patience" },
    event: {
      epoch, epochs: options.epochs, loss, accuracy,
      ...(validation.loss === undefined ? {} : { validationLoss: validation.loss }),
      ...(validation.accuracy === undefined ? {} : { validationAccuracy: validation.accuracy }),
      bestEpoch: best.epoch,
      ...(end === undefined ? {} : { end }),
    },
  };
}

/** Mean loss of the members, and accuracy of their mean, on the pairs from `first` on. */
function measure({ differences, logNu }: PairScores, first: number, pairs: readonly PreferencePair[], { ties, smoothing }: ResolvedOptions): { readonly loss: number | undefined; readonly accuracy: number | undefined } {
  const labels = pairs.map(({ label }) => label);
  const parts = differences.map((all) => all.subarray(first, first + pairs.length));
  const losses = parts.map((part, member) => preferenceLoss(part, labels, { ties, smoothing, ...(logNu === undefined ? {} : { logNu: logNu[member]! }) }));
  const sum = labels.map((_, pair) => parts.reduce((total, part) => total + part[pair]!, 0));
  return {
    loss: losses.includes(undefined) ? undefined : losses.reduce<number>((total, loss) => total + loss!, 0) / losses.length,
    accuracy: preferenceAccuracy(sum, labels),
  };
}

function planOf(pairs: RewardPairs, given: RewardOptions): Plan {
  const options = parseOptions(rewardSchema, given, "trainReward");
  const { features, training } = pairs;
  const width = features.length;
  const horizon = checkPairs(pairs);
  const statistics = options.statistics ?? featureStatistics(Float32Array.from(training.flatMap(({ features0, features1 }) => [...features0, ...features1])), width);
  for (const [name, list] of [["statistics.mean", statistics.mean], ["statistics.std", statistics.std], ["anchor.low", options.anchor?.low], ["anchor.high", options.anchor?.high]] as const) {
    if (list !== undefined && list.length !== width) {
      throw new DifftuneError("OPTION", `trainReward: option "${name}" has ${list.length} numbers for ${width} features.`, { path: name, expected: width, got: list.length });
    }
  }
  const shape: RewardModelShape = {
    features: [...features], hidden: options.hidden, members: options.members, ties: options.ties,
    statistics: { mean: [...statistics.mean], std: statistics.std.map((each) => Math.max(each, leastStd)) },
  };
  const { layout } = createRewardNetworks(shape);
  const values = layout.initialValues(options.seed);
  const zeros = (length: number): Float32Array => new Float32Array(length);
  const learner = { values, firstMoments: zeros(layout.length), secondMoments: zeros(layout.length), optimiserState: zeros(adamStateLength) };
  const plan: Plan = { options, shape, pairs, horizon, start: { learner, epoch: 0, best: { epoch: 0, loss: Infinity, values }, isOver: false } };
  return options.resume === undefined ? plan : { ...plan, start: decodeState(options.resume, plan) };
}

/** Refuses pairs that nothing can be learned from; gives their common number of states. */
function checkPairs({ features, training, validation }: RewardPairs): number {
  const horizon = training[0]?.horizon;
  if (horizon === undefined) throw new DifftuneError("FORMAT", "There are no pairs to learn from.", { hint: "Label some.", path: "training" });
  for (const pair of [...training, ...validation]) {
    if (pair.horizon !== horizon) {
      throw new DifftuneError("SHAPE", `Pair ${pair.id} has segments of ${pair.horizon} states, the first one of ${horizon}.`, { hint: "Learn from segments of one length at a time.", index: pair.id, expected: horizon, got: pair.horizon });
    }
    for (const { length } of [pair.features0, pair.features1]) {
      if (length !== horizon * features.length) throw new DifftuneError("SHAPE", `Pair ${pair.id} has ${length} features where ${horizon} states of ${features.length} have ${horizon * features.length}.`, { index: pair.id, got: length });
    }
  }
  const isThere = (label: PreferenceLabel): boolean => training.some((pair) => pair.label === label);
  if (!isThere(0) || !isThere(1)) {
    throw new DifftuneError("FORMAT", `No training pair is labelled ${isThere(0) ? 1 : 0}: there is nothing to tell apart.`, {
      hint: "Label more pairs, with the segments in random order.", path: "training",
    });
  }
  return horizon;
}

const formatName = "difftune-reward-training";
const formatVersion = "1";
/** Options that a resumed run may change: they only say when it ends. */
const freeOptions: ReadonlySet<string> = new Set(["epochs", "patience", "accuracy", "signal", "resume"] satisfies (keyof RewardOptions)[]);

/** What a resumed run must share: the options that numbers depend on, and the pairs. */
function bindingOf({ options, shape, pairs }: Pick<Plan, "options" | "shape" | "pairs">): string {
  const bound = Object.fromEntries(Object.entries(options).filter(([name]) => !freeOptions.has(name)));
  const labels = [pairs.training, pairs.validation].map((list) => list.map(({ id, label }) => [id, label]));
  return JSON.stringify({ bound, shape, labels });
}

function encodeState(plan: Plan, { learner, epoch, best, isOver }: RunState): Uint8Array {
  const flat = (values: Float32Array) => storeFloats([values.length], values);
  return writeSafetensors({
    metadata: new Map([
      ["format", formatName], ["version", formatVersion], ["binding", bindingOf(plan)],
      // JSON has no Infinity: without validation there is no best loss.
      ["counters", JSON.stringify({ epoch, isOver, bestEpoch: best.epoch, ...(Number.isFinite(best.loss) ? { bestLoss: best.loss } : {}) })],
    ]),
    tensors: new Map([
      ["values", flat(learner.values)], ["best", flat(best.values)], ["first_moments", flat(learner.firstMoments)],
      ["second_moments", flat(learner.secondMoments)], ["optimiser_state", flat(learner.optimiserState)],
    ]),
  });
}

const countersSchema = v.strictObject({
  epoch: wholeNumber(0, 1_000_000), isOver: v.boolean(), bestEpoch: wholeNumber(0, 1_000_000), bestLoss: v.optional(v.pipe(v.number(), v.finite())),
});

function decodeState(bytes: Uint8Array, plan: Omit<Plan, "start"> & { readonly start: RunState }): RunState {
  const { metadata, tensors } = readSafetensors(bytes);
  if (metadata.get("format") !== formatName || metadata.get("version") !== formatVersion) {
    throw new DifftuneError("FORMAT", "The state is none of a reward training that this package reads.", { path: "format", got: metadata.get("format") });
  }
  if (metadata.get("binding") !== bindingOf(plan)) {
    throw new DifftuneError("OPTION", "trainReward: the state was made with other options or other pairs.", { hint: "Resume with those of the run that was saved.", path: "resume" });
  }
  let given: unknown;
  try {
    given = JSON.parse(metadata.get("counters") ?? "");
  } catch {
    // Told below, as everything else that is no counters.
  }
  const counters = v.safeParse(countersSchema, given);
  if (!counters.success) throw new DifftuneError("FORMAT", '"counters" of the state are none.', { path: "counters", cause: counters.issues });
  const read = (name: string, length: number): Float32Array => {
    const tensor = tensors.get(name);
    if (tensor?.dtype !== "F32" || tensor.shape.length !== 1 || tensor.shape[0] !== length) throw new DifftuneError("FORMAT", `The state has no "${name}" of ${length} numbers.`, { path: name });
    return readFloats(tensor);
  };
  const { length } = plan.start.learner.values;
  const { epoch, isOver, bestEpoch, bestLoss = Infinity } = counters.output;
  return {
    learner: {
      values: read("values", length), firstMoments: read("first_moments", length), secondMoments: read("second_moments", length),
      optimiserState: read("optimiser_state", adamStateLength),
    },
    epoch, isOver, best: { epoch: bestEpoch, loss: bestLoss, values: read("best", length) },
  };
}

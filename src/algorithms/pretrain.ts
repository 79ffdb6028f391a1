import * as v from "valibot";
import { Breath } from "../core/breath.js";
import { DrivenRun } from "../core/driven-run.js";
import { DifftuneError } from "../core/errors.js";
import { finiteNumber, oneOf, parseOptions, positiveNumber, wholeNumber } from "../core/options.js";
import { splitEpisodes, windowsOf, type Windows } from "../data/windows.js";
import type { Dataset } from "../data/dataset.js";
import { Cloner, firstClonerState, type ClonerState, type StepLosses } from "../diffusion/cloner.js";
import { Policy, policyNetworkSchema, type PolicyNetwork } from "../diffusion/policy.js";
import type { Device } from "../engine/device.js";
import { extremaOf, type Extrema } from "../envs/normaliser.js";
import { readFloats, readSafetensors, storeFloats, writeSafetensors, type StoredTensor } from "../io/safetensors.js";
import { warmupCosineRate } from "../nn/rate-schedule.js";
import type { Training } from "../rl/training.js";

const flag = v.boolean("It must be true or false.");
const count = wholeNumber(1, 1_000_000_000);
const countOrNone = wholeNumber(0, 1_000_000_000);

/** Names an option for the command line and the documentation. */
const option = <const Schema extends v.GenericSchema>(schema: Schema, text: string) => v.pipe(schema, v.description(text));

/** The options of {@link pretrain}. */
export const pretrainSchema = v.pipe(
  v.strictObject({
    network: option(policyNetworkSchema, "Kind and sizes of the policy's network, and for a denoiser its process."),
    horizon: option(wholeNumber(1, 1024), "H, actions that the policy predicts."),
    actionSteps: option(v.optional(wholeNumber(1, 1024)), "Ta, actions that are executed before it predicts again; all that lie ahead where it is left out."),
    observationSteps: option(v.optional(wholeNumber(1, 64), 1), "To, observations that the policy sees."),
    horizonStart: option(v.optional(oneOf(["oldest", "newest"]), "newest"), "To which observation the first predicted action belongs: newest (DPPO) or oldest (diffusion policy)."),
    padding: option(v.optional(oneOf(["none", "edges"]), "none"), "What happens at the ends of an episode: none (DPPO) takes recorded rows only, edges (diffusion policy) repeats the first and the last."),
    normaliser: option(v.optional(oneOf(["dppo", "furniture", "diffusionPolicy"]), "dppo"), "How numbers are brought to [-1, 1]."),
    observationRange: option(v.optional(positiveNumber(), 1), "Normalised observations fill [-range, range]. Above 1 the small differences between them, such as where things move to, are learned sooner; 4 for Push-T."),
    includeZero: option(v.optional(flag, false), "Counts a zero in the extrema of every number, as the first release of DPPO did."),
    maxEpisodes: option(v.optional(count), "Only the first so many episodes are used; all where it is left out."),
    validationShare: option(v.optional(finiteNumber(0, 0.9), 0), "Share of the episodes, whole ones, that is never trained on and measures the validation loss."),
    validateEvery: option(v.optional(count, 10), "Epochs between two measurements of the validation loss."),
    epochs: option(v.optional(count, 1000), "Passes over the data."),
    batchSize: option(v.optional(wholeNumber(1, 1_048_576), 128), "Windows of one gradient step. Larger batches make fewer steps of an epoch and bear a higher rate; nothing is scaled by itself."),
    rate: option(v.optional(positiveNumber(), 1e-3), "Highest learning rate."),
    minRate: option(v.optional(finiteNumber(0, 1000)), "Rate of the first epoch and of the end of a cycle; a tenth of the rate where it is left out."),
    warmupEpochs: option(v.optional(countOrNone), "Epochs from minRate to rate, before half a cosine down; 2 % of a cycle where it is left out."),
    cycleEpochs: option(v.optional(count), "Epochs until the schedule of the rate starts anew; all of them where it is left out."),
    weightDecay: option(v.optional(finiteNumber(0, 1), 1e-6), "Decoupled weight decay of AdamW."),
    maxGradientNorm: option(v.optional(v.nullable(positiveNumber()), null), "Largest global norm of the gradient; null leaves it."),
    entropyWeight: option(v.optional(finiteNumber(0, 1000), 0), "Weight of the entropy of Gaussian and mixture policies, which widens them."),
    emaDecay: option(v.optional(finiteNumber(0, 1), 0.995), "Weight of the past in the moving average of the parameters."),
    emaEvery: option(v.optional(oneOf(["batch", "epoch"]), "batch"), "Whether emaFrequency counts batches (release 8 of DPPO) or epochs (release 5)."),
    emaFrequency: option(v.optional(count, 1), "So many batches or epochs make one update of the average; 10 in the published runs."),
    emaStart: option(v.optional(count, 20), "Before this epoch, counted from 1, the average is a copy of the parameters."),
    useEma: option(v.optional(flag), "Whether the policy gets the average or the parameters themselves; where it is left out the average for diffusion policies, the parameters for others, as the original loads them."),
    sampleEvery: option(v.optional(countOrNone, 0), "Epochs between two pictures of what the policy does; 0 is never."),
    sampleStates: option(v.optional(wholeNumber(1, 1024), 4), "States of the data in which samples are drawn."),
    sampleDraws: option(v.optional(wholeNumber(1, 1024), 16), "Samples of each state."),
    reportEvery: option(v.optional(count, 100), "Steps between two events."),
    seed: option(v.optional(wholeNumber(0, 0xffffffff), 0), "Decides first parameters, split, order, times and noise."),
    signal: option(v.optional(v.instance(AbortSignal, "It must be an AbortSignal.")), "Stops the run with a CANCELLED error; what it has learned can still be saved."),
    resume: option(v.optional(v.instance(Uint8Array, "It must be the bytes that save() gave.")), "What save() of an earlier run gave: goes on from there, to the same bits."),
  }),
  v.check(({ epochs, cycleEpochs = epochs, warmupEpochs = 0 }) => warmupEpochs < cycleEpochs, "option warmupEpochs must be below the epochs of a cycle."),
);

/** Options of {@link pretrain}, each described in {@link pretrainSchema}. */
export interface PretrainOptions extends Omit<v.InferInput<typeof pretrainSchema>, "network" | "resume"> {
  readonly network: PolicyNetwork;
  readonly resume?: Uint8Array;
}

/** What a policy does in one state of the data, in units of the environment. */
export interface PretrainSample {
  /** [To·D], oldest first. */
  readonly observations: readonly number[];
  /** Executed actions [Ta·A] of every draw. */
  readonly actions: readonly (readonly number[])[];
}

/** Progress of {@link pretrain}: frozen, plain, one JSON line of a log. */
export interface PretrainEvent {
  /** The epoch of the last step, from 1. */
  readonly epoch: number;
  readonly epochs: number;
  /** Gradient steps since the start of the run. */
  readonly step: number;
  readonly steps: number;
  /** Mean over the steps since the last event: squared error of the prediction, or negative log-likelihood. */
  readonly loss: number;
  /** The same loss on the validation episodes; in the epochs that measure it. */
  readonly validationLoss?: number;
  /** That of the averaged parameters. */
  readonly emaValidationLoss?: number;
  /** Mean norm of the gradient over the same steps, before any clip. */
  readonly gradientNorm: number;
  /** Learning rate of the last step. */
  readonly rate: number;
  /** Seconds of training since this run was started or resumed. */
  readonly seconds: number;
  /** What the policy does now; in the epochs that draw it. */
  readonly samples?: readonly PretrainSample[];
}

/**
 * Pre-trains a policy by behaviour cloning (spec of DPPO, section 5): for every epoch a permutation of the windows of the
 * data, for every batch of it one step of AdamW on the noise prediction error (diffusion policies) or the negative
 * log-likelihood (Gaussian and mixture policies), and a moving average of the parameters.
 *
 * @example
 * const training = pretrain(device, dataset, { horizon: 4, network: { kind: "diffusion-mlp", process: { denoisingSteps: 20 } } });
 * for await (const { step, steps, loss } of training) console.log(step, steps, loss);
 * const policy = await training.policy();
 */
export function pretrain(device: Device, dataset: Dataset, options: PretrainOptions): Training<PretrainEvent> {
  return new Pretraining(device, planOf(dataset, options));
}

/** Gradient steps whose losses are kept on the device at most. */
const mostLossSlots = 1024;

class Pretraining extends DrivenRun<PretrainEvent> implements Training<PretrainEvent> {
  readonly #device: Device;
  readonly #plan: Plan;
  /** Steps done. */
  #step: number;
  #cloner: Cloner | undefined;
  /** What was learned when the run last stood still. */
  #learned: ClonerState;

  constructor(device: Device, plan: Plan) {
    super("policy");
    this.#device = device;
    this.#plan = plan;
    this.#step = plan.start.step;
    this.#learned = plan.start.state;
  }

  policy(): Promise<Policy> {
    return this.ask(() => this.#policyOf(this.#learned));
  }

  save(): Promise<Uint8Array> {
    return this.ask(() => encodeState(this.#plan, this.#step, this.#learned));
  }

  protected override async rest(): Promise<void> {
    if (this.#cloner !== undefined) this.#learned = await this.#cloner.read();
  }

  protected override free(): void {
    this.#cloner?.close();
    this.#cloner = undefined;
  }

  protected override async *work(): AsyncGenerator<PretrainEvent, void, undefined> {
    const { options, policy, training, validation, steps, start } = this.#plan;
    const { epochs, seed, batchSize, weightDecay, maxGradientNorm, entropyWeight, emaDecay, signal, reportEvery } = options;
    if (this.#step >= steps) return;
    const data = { training: training.materialise(policy.normaliser), validation: validation?.materialise(policy.normaliser) };
    const cloner = await Cloner.create(this.#device, policy.model, data, start.state, {
      seed, batchSize, weightDecay, maxGradientNorm, entropyWeight, lossSlots: Math.min(reportEvery, steps, mostLossSlots),
    });
    this.#cloner = cloner;
    const batches = cloner.batchCount;
    const losses = new LossMean();
    let seconds = 0;
    let resumedAt = performance.now();
    const breath = new Breath();
    let shuffled: number | undefined;

    while (this.#step < steps) {
      this.checkFailure();
      if (signal?.aborted === true) {
        throw new DifftuneError("CANCELLED", `Training was stopped after step ${this.#step} of ${steps}.`, { cause: signal.reason });
      }
      const epoch = Math.floor(this.#step / batches);
      const batch = this.#step % batches;
      if (shuffled !== epoch) {
        cloner.shuffle(epoch);
        shuffled = epoch;
      }
      const rate = rateOf(options, epoch);
      cloner.step(this.#step, batch, rate);
      const averaging = averagingAfter(options, this.#step, batches);
      if (averaging !== "none") cloner.average(averaging === "copy" ? 0 : emaDecay);
      this.#step += 1;

      const due = dueAfter(this.#plan, this.#step, batches);
      if (cloner.isFull || due.event) losses.add(await cloner.takeLosses(), this.#step);
      if (due.event) {
        const validated = due.validation ? await cloner.validate() : undefined;
        const samples = due.samples ? await this.#sample(await cloner.read()) : undefined;
        const now = performance.now();
        seconds += (now - resumedAt) / 1000;
        yield Object.freeze({
          epoch: epoch + 1, epochs, step: this.#step, steps,
          ...losses.take(),
          ...(validated === undefined ? {} : { validationLoss: validated.values, emaValidationLoss: validated.average }),
          rate,
          seconds,
          ...(samples === undefined ? {} : { samples }),
        });
        resumedAt = performance.now();
      }
      if (breath.isDue) {
        await cloner.idle();
        await breath.take();
      }
    }
  }

  /** Draws what the policy does in some states of the data, evenly spread over the windows. */
  async #sample(state: ClonerState): Promise<readonly PretrainSample[]> {
    const { options, training } = this.#plan;
    const { sampleStates, sampleDraws, seed } = options;
    const policy = this.#policyOf(state);
    const { states } = training.materialise();
    const width = policy.conditionWidth;
    const chosen = Array.from({ length: Math.min(sampleStates, training.count) }, (_, at) => {
      const window = Math.floor(((at + 0.5) * training.count) / Math.min(sampleStates, training.count));
      return states.subarray(window * width, (window + 1) * width);
    });
    const observations = new Float32Array(chosen.length * sampleDraws * width);
    for (const [at, row] of chosen.entries()) {
      for (let draw = 0; draw < sampleDraws; draw++) observations.set(row, (at * sampleDraws + draw) * width);
    }
    using actor = await policy.on(this.#device, { count: chosen.length * sampleDraws, isDeterministic: false, seed });
    const actions = await actor.act(observations);
    const executed = actions.length / (chosen.length * sampleDraws);
    return Object.freeze(chosen.map((row, at) => Object.freeze({
      observations: Object.freeze([...row]),
      actions: Object.freeze(Array.from({ length: sampleDraws }, (_, draw) =>
        Object.freeze([...actions.subarray((at * sampleDraws + draw) * executed, (at * sampleDraws + draw + 1) * executed)]))),
    })));
  }

  #policyOf(state: ClonerState): Policy {
    const { policy, options, useEma, source } = this.#plan;
    return policy.withValues(useEma ? state.average : state.values).withMetadata({
      method: "pretrain",
      environment: source,
      seed: String(options.seed),
      steps: String(this.#step),
      parameters: useEma ? "average" : "last",
    });
  }
}

/** The mean loss of the steps between two events. */
class LossMean {
  #count = 0;
  #loss = 0;
  #gradientNorm = 0;

  /** @param step the number of steps done, these included */
  add({ count, lossSum, gradientNormSum, fault }: StepLosses, step: number): void {
    if (fault !== undefined) {
      const at = step - count + fault.index + 1;
      throw new DifftuneError("DIVERGENCE", `At step ${at} the loss is ${fault.loss} and ${fault.faultyGradients} gradients are not finite.`, {
        hint: "Lower the rate, or look for numbers far outside [-1, 1] in the data. The last saved state is whole.",
        index: at,
        got: fault.loss,
      });
    }
    this.#count += count;
    this.#loss += lossSum;
    this.#gradientNorm += gradientNormSum;
  }

  /** The means, which start anew. */
  take(): { readonly loss: number; readonly gradientNorm: number } {
    const means = { loss: this.#loss / this.#count, gradientNorm: this.#gradientNorm / this.#count };
    this.#count = this.#loss = this.#gradientNorm = 0;
    return means;
  }
}

type ResolvedOptions = Readonly<v.InferOutput<typeof pretrainSchema>> & {
  readonly minRate: number;
  readonly warmupEpochs: number;
  readonly cycleEpochs: number;
};

/** Everything about a run that is known before it starts. */
interface Plan {
  readonly options: ResolvedOptions;
  /** With its first parameters. */
  readonly policy: Policy;
  readonly useEma: boolean;
  /** Name of the environment of the data. */
  readonly source: string;
  readonly training: Windows;
  readonly validation: Windows | undefined;
  /** Gradient steps in all. */
  readonly steps: number;
  /** Tells these windows from others; found when it is first asked for. */
  readonly fingerprint: () => string;
  readonly start: { readonly step: number; readonly state: ClonerState };
}

/** Checks everything that can be checked before any work starts. */
function planOf(dataset: Dataset, given: PretrainOptions): Plan {
  const parsed = parseOptions(pretrainSchema, given, "pretrain");
  const { epochs, rate, cycleEpochs = epochs } = parsed;
  const options: ResolvedOptions = Object.freeze({
    ...parsed, cycleEpochs, minRate: parsed.minRate ?? rate / 10, warmupEpochs: parsed.warmupEpochs ?? Math.floor(cycleEpochs / 50),
  });
  const { network, horizon, observationSteps, horizonStart, padding, normaliser, maxEpisodes, validationShare, seed } = options;
  const { observationSize, actionSize } = dataset;
  const extrema = options.includeZero
    ? { observations: extremaOf(dataset.observations, observationSize, true), actions: extremaOf(dataset.actions, actionSize, true) }
    : dataset.statistics;
  const statistics = { ...extrema, observations: narrowed(extrema.observations, options.observationRange) };
  const policy = Policy.create({
    observationNames: dataset.source.observationNames,
    actionNames: dataset.source.actionNames,
    observationSteps, horizon, horizonStart, statistics, normaliser, network,
    ...(options.actionSteps === undefined ? {} : { actionSteps: options.actionSteps }),
  }, seed);
  if (options.entropyWeight > 0 && policy.model.kind === "diffusion") {
    throw new DifftuneError("OPTION", "pretrain: a diffusion policy has no entropy to weigh.", { path: "entropyWeight", got: options.entropyWeight });
  }
  const used = Math.min(maxEpisodes ?? dataset.episodeCount, dataset.episodeCount);
  const split = splitEpisodes(used, { share: validationShare, seed });
  const { actionSteps } = policy.chunking;
  const cut = (episodes: readonly number[]): Windows => windowsOf(dataset, { observationSteps, horizon, actionSteps, horizonStart, padding, episodes });
  const training = cut(split.training);
  const validation = split.validation.length === 0 ? undefined : cut(split.validation);
  const steps = epochs * Math.ceil(training.count / options.batchSize);
  let known: string | undefined;
  const plan = {
    options, policy, training, validation, steps,
    fingerprint: () => (known ??= fingerprintOf([training, validation])),
    useEma: options.useEma ?? policy.model.kind === "diffusion",
    source: dataset.source.environment,
  };
  const start = options.resume === undefined ? { step: 0, state: firstClonerState(policy.values) } : decodeState(options.resume, plan);
  return { ...plan, start };
}

/** Extrema about the same middles, of which the data fill `range` times as much as of their own. */
function narrowed(extrema: Extrema, range: number): Extrema {
  if (range === 1) return extrema;
  const { min, max } = extrema;
  const edge = (sign: 1 | -1): number[] => min.map((low, place) => (low + max[place]!) / 2 + (sign * (max[place]! - low)) / (2 * range));
  return { min: edge(-1), max: edge(1) };
}

/** Learning rate of an epoch, counted from 0. */
function rateOf({ rate, minRate, warmupEpochs, cycleEpochs }: ResolvedOptions, epoch: number): number {
  return warmupCosineRate({ maxRate: rate, minRate, warmupSteps: warmupEpochs, cycleSteps: cycleEpochs }, epoch);
}

/**
 * What becomes of the average after a step, counted from 0 (spec 5.2). Release 8 looks at every so many batches, release 5
 * at every so many epochs; before epoch `emaStart` both copy the parameters instead.
 */
function averagingAfter({ emaEvery, emaFrequency, emaStart }: ResolvedOptions, step: number, batches: number): "none" | "copy" | "step" {
  const epoch = Math.floor(step / batches) + 1;
  const isDue = emaEvery === "batch" ? step % emaFrequency === 0 : (step + 1) % batches === 0 && epoch % emaFrequency === 0;
  if (!isDue) return "none";
  return epoch < emaStart ? "copy" : "step";
}

/** What is to be told once so many steps are done. */
function dueAfter({ options, validation, steps }: Plan, step: number, batches: number): {
  readonly event: boolean;
  readonly validation: boolean;
  readonly samples: boolean;
} {
  const { reportEvery, validateEvery, sampleEvery } = options;
  const isLast = step === steps;
  const epoch = step % batches === 0 ? step / batches : undefined;
  const isEpochOf = (every: number): boolean => every > 0 && epoch !== undefined && (epoch % every === 0 || isLast);
  const due = { validation: validation !== undefined && isEpochOf(validateEvery), samples: isEpochOf(sampleEvery) };
  return { ...due, event: isLast || step % reportEvery === 0 || due.validation || due.samples };
}

const formatName = "difftune-pretraining";
const formatVersion = "1";

/** Where each buffer lies in a file, beside the parameters of the policy. */
const prefixes = { average: "average.", firstMoments: "first_moments.", secondMoments: "second_moments." } as const;
const optimiserName = "optimiser_state";

/** Options that a resumed run may change: they leave the numbers alone, or say only when the run ends and what it tells. */
const freeOptions: ReadonlySet<string> = new Set([
  "epochs", "validateEvery", "sampleEvery", "sampleStates", "sampleDraws", "reportEvery", "signal", "resume", "useEma",
] satisfies (keyof PretrainOptions)[]);

/** The options that a resumed run must share, as text. */
function boundOptions(options: ResolvedOptions): ReadonlyMap<string, string> {
  return new Map(Object.entries(options).filter(([name]) => !freeOptions.has(name)).map(([name, value]) => [name, JSON.stringify(value)]));
}

/** A number that tells one set of windows from another: FNV-1a over their words. */
function fingerprintOf(windows: readonly (Windows | undefined)[]): string {
  let hash = 0x811c9dc5;
  for (const rows of windows.flatMap((each) => (each === undefined ? [] : [each.materialise()]))) {
    for (const values of [rows.states, rows.chunks]) {
      for (const word of new Uint32Array(values.buffer, values.byteOffset, values.length)) hash = Math.imul(hash ^ word, 0x01000193);
    }
  }
  return (hash >>> 0).toString(16);
}

function encodeState(plan: Plan, step: number, state: ClonerState): Uint8Array {
  const policy = plan.policy.withValues(state.values);
  const tensors = policy.toTensors();
  for (const [name, prefix] of Object.entries(prefixes) as [keyof typeof prefixes, string][]) {
    for (const [key, tensor] of policy.layout.save(state[name], prefix)) tensors.set(key, tensor);
  }
  tensors.set(optimiserName, storeFloats([state.optimiserState.length], state.optimiserState));
  return writeSafetensors({
    metadata: new Map([
      ["format", formatName], ["version", formatVersion], ...policy.describe(),
      ["step", String(step)],
      ["training", JSON.stringify(Object.fromEntries(boundOptions(plan.options)))],
      ["data", plan.fingerprint()],
    ]),
    tensors,
  });
}

/** Reads what {@link encodeState} wrote; refuses what belongs to other options or other data. */
function decodeState(bytes: Uint8Array, plan: Omit<Plan, "start">): Plan["start"] {
  const { metadata, tensors } = readSafetensors(bytes);
  const fault = (message: string, path: string, got?: unknown, hint?: string): DifftuneError =>
    new DifftuneError("FORMAT", message, { path, got, ...(hint === undefined ? {} : { hint }) });
  if (metadata.get("format") !== formatName) throw fault("The state is none of a pre-training.", "format", metadata.get("format"));
  if (metadata.get("version") !== formatVersion) {
    throw fault(`The state has version ${metadata.get("version")}; this package reads ${formatVersion}.`, "version", metadata.get("version"));
  }
  const before = trainingOptionsOf(metadata.get("training"));
  for (const [name, now] of boundOptions(plan.options)) {
    if (before[name] === now) continue;
    throw new DifftuneError("OPTION", `pretrain: option "${name}" is ${now}; the state was made with ${before[name] ?? "another default"}.`, {
      hint: "Resume with the options of the run that was saved.", path: name, expected: before[name], got: now,
    });
  }
  if (metadata.get("data") !== plan.fingerprint()) {
    throw fault("The state was made with other data.", "data", undefined, "Resume with the data set of the run that was saved.");
  }
  const step = Number(metadata.get("step"));
  if (!Number.isSafeInteger(step) || step < 0) throw fault(`The state is of step ${metadata.get("step")}.`, "step", metadata.get("step"));
  if (step > plan.steps) {
    throw new DifftuneError("OPTION", `pretrain: the state is of step ${step}, beyond the ${plan.steps} of ${plan.options.epochs} epochs.`, {
      path: "epochs", got: plan.options.epochs,
    });
  }
  const { layout } = plan.policy;
  const { values } = Policy.fromTensors(metadata, tensors);
  const { optimiserState } = firstClonerState(values);
  const part = (name: keyof typeof prefixes): Float32Array => layout.load(tensors, { prefix: prefixes[name] });
  return {
    step,
    state: {
      values,
      average: part("average"),
      firstMoments: part("firstMoments"),
      secondMoments: part("secondMoments"),
      optimiserState: optimiserStateOf(tensors.get(optimiserName), optimiserState.length),
    },
  };
}

function trainingOptionsOf(text: string | undefined): Readonly<Record<string, string | undefined>> {
  try {
    const options: unknown = JSON.parse(text ?? "");
    const known = v.safeParse(v.record(v.string(), v.string()), options);
    if (known.success) return known.output;
  } catch {
    // Told below, as everything else that names no options.
  }
  throw new DifftuneError("FORMAT", '"training" of the metadata names no options.', { path: "training" });
}

function optimiserStateOf(tensor: StoredTensor | undefined, length: number): Float32Array {
  if (tensor?.dtype !== "F32" || tensor.shape.length !== 1 || tensor.shape[0] !== length) {
    throw new DifftuneError("FORMAT", `The state has no "${optimiserName}" of ${length} numbers.`, { path: optimiserName });
  }
  return readFloats(tensor);
}

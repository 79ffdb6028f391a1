import * as v from "valibot";
import { Breath } from "../core/breath.js";
import { DifftuneError } from "../core/errors.js";
import { finiteNumber, positiveNumber, wholeNumber } from "../core/options.js";
import type { Device } from "../engine/device.js";
import type { Tensor } from "../engine/tensor.js";
import { createActingNoise, recordActingNoise, type ChooseChunks } from "../diffusion/acting.js";
import type { Policy } from "../diffusion/policy.js";
import { activationName, flag, layerSizes } from "../nn/network-options.js";
import type { Trained } from "../nn/trained.js";
import { readExperience, type Experience } from "../rl/experience.js";
import { checkFit } from "../rl/fit.js";
import { LearnerParts, type Lesson } from "../rl/learner-parts.js";
import { ReplayBuffer, type ReplayColumn } from "../rl/replay-buffer.js";
import { RolloutCollector, type RolloutRecord } from "../rl/rollout.js";
import { floatsOf, type TrainingState } from "../rl/training-state.js";
import { IteratedTraining, iterationEntries, type Iteration, type IterationOutcome, type IterationRecipe, type TakenState } from "./iterations.js";

/** Options that all baselines have in common, as entries of a schema. Defaults are those of the original, sized for Avoid. */
export const baselineEntries = {
  ...iterationEntries,
  batchSize: v.optional(v.pipe(wholeNumber(1, 1_000_000), v.description("Decisions of a batch.")), 1000),
  rate: v.optional(v.pipe(finiteNumber(0, 10), v.description("Learning rate of the policy.")), 1e-5),
  weightDecay: v.optional(v.pipe(finiteNumber(0, 1), v.description("Decoupled weight decay of the policy.")), 0),
  minSamplingStd: v.optional(v.pipe(finiteNumber(0, 1000), v.description("Smallest deviation of a denoising step while exploring.")), 0.1),
  seed: v.optional(v.pipe(wholeNumber(0, 0xffffffff), v.description("Decides noise, batches and first critics.")), 0),
};

/**
 * Further options of baselines with critics that learn from a buffer. The original's buffers and ratios differ from one
 * to the next.
 */
export function replayEntries(defaults: { readonly bufferSteps: number; readonly replayRatio: number; readonly warmup: number }) {
  return {
    rewardFactor: v.optional(v.pipe(positiveNumber(), v.description("Factor of the rewards.")), 1),
    bufferSteps: v.optional(v.pipe(wholeNumber(1, 100_000_000), v.description("Chunks of every environment that are remembered.")), defaults.bufferSteps),
    replayRatio: v.optional(v.pipe(positiveNumber(), v.description("How often a decision is learned from, in the mean, in the iteration that it comes from.")), defaults.replayRatio),
    criticRate: v.optional(v.pipe(finiteNumber(0, 10), v.description("Learning rate of the critics.")), 1e-3),
    criticWarmup: v.optional(v.pipe(wholeNumber(0, 1_000_000), v.description("First iterations in which only the critics learn.")), defaults.warmup),
    critic: v.optional(v.strictObject({
      hidden: v.optional(v.pipe(layerSizes(0), v.description("Hidden sizes of the critics.")), [256, 256, 256]),
      activation: v.optional(v.pipe(activationName, v.description("Between their layers.")), "mish"),
      useLayerNorm: v.optional(v.pipe(flag, v.description("Layer norm in the critics.")), false),
    }), { hidden: [256, 256, 256], activation: "mish", useLayerNorm: false }),
  };
}

/** How slowly the copies that judge what follows do follow. */
export function slownessEntry(share: number) {
  return v.optional(v.pipe(finiteNumber(0, 1), v.description("Share by which slow copies follow their originals in one update.")), share);
}

/** Resolved options that all baselines have in common. */
export type BaselineOptions = Readonly<v.InferOutput<v.StrictObjectSchema<typeof baselineEntries, undefined>>>;

/** What a baseline is made of, once its lessons are recorded. */
export interface Baseline {
  /** The network that the policy becomes. */
  readonly actor: Trained;
  /** Parameters that act; by default the actor's. */
  readonly acting?: Tensor;
  /** How chunks are chosen where it is not by a sample, and candidates that the noise is needed for. */
  readonly choose?: { readonly record: ChooseChunks; readonly candidates: number };
  /** What is remembered, and saved. */
  readonly buffer: ReplayBuffer;
  /** Takes what a rollout brought and learns; gives the number of updates. */
  learn(experience: Experience, progress: BaselineProgress): Promise<number>;
}

/** Where a run stands when it learns. */
export interface BaselineProgress {
  /** Updates before: the number of the next one. */
  readonly update: number;
  /** From 0. */
  readonly iteration: number;
  readonly record: RolloutRecord;
}

/** What a baseline is built with. */
export interface BaselineSetup {
  readonly parts: LearnerParts;
  /** E. */
  readonly envs: number;
  /** Rows of a rollout. */
  readonly rows: number;
  /** Makes the buffer: of every environment so many chunks at most, and no more than the run will bring. */
  readonly remember: (bufferSteps: number) => ReplayBuffer;
}

/** What one algorithm adds to the loop. */
export interface BaselineRecipe extends Omit<IterationRecipe, "resolved"> {
  readonly device: Device;
  readonly options: BaselineOptions;
  /** Factor of the rewards that are learned from. */
  readonly rewardFactor: number;
  readonly build: (setup: BaselineSetup) => Promise<Baseline>;
}

/** Runs the lessons of `count` updates, one update after the other. */
export async function repeatUpdates(count: number, first: number, lessons: readonly Lesson[]): Promise<number> {
  const breath = new Breath();
  for (let update = first; update < first + count; update++) {
    for (const lesson of lessons) lesson.run(update);
    await breath.take();
  }
  return count;
}

/** Updates of an iteration: so many that every decision is learned from `replayRatio` times, in the mean. */
export function replayUpdates(rows: number, { batchSize, replayRatio }: { readonly batchSize: number; readonly replayRatio: number }): number {
  return Math.max(1, Math.floor((rows / batchSize) * replayRatio));
}

/** Everything of a run that is on the device. */
interface OpenBaseline {
  readonly parts: LearnerParts;
  readonly baseline: Baseline;
  readonly rollouts: RolloutCollector;
  close(): void;
}

/** The policy as a baseline takes it; refuses what none of them can train. */
function trainable({ name, policy, environment, options }: BaselineRecipe): Policy {
  if (policy.model.kind !== "diffusion") {
    throw new DifftuneError("OPTION", `${name} trains diffusion policies, not a ${policy.options.network.kind}.`, { hint: "Use ppo for Gaussian and mixture policies.", path: "policy" });
  }
  if (policy.tuned !== undefined) {
    throw new DifftuneError("OPTION", `${name} trains one network, but the policy has a tuned copy for its last ${policy.tuned.steps} steps.`, {
      hint: "Give its base: policy.withValues(policy.values).", path: "policy",
    });
  }
  if (policy.options.actionSteps !== policy.options.horizon) {
    // As in the original: what is judged and cloned is the chunk that was executed.
    throw new DifftuneError("OPTION", `${name} needs every predicted action to be executed; of ${policy.options.horizon} it is ${policy.options.actionSteps}.`, {
      path: "actionSteps", expected: policy.options.horizon, got: policy.options.actionSteps,
    });
  }
  checkFit(policy, environment);
  return policy.withProcess({ minSamplingStd: options.minSamplingStd });
}

/** A run of a baseline: act, remember, learn. */
export class BaselineTraining extends IteratedTraining<OpenBaseline> {
  readonly #recipe: BaselineRecipe;

  constructor(given: BaselineRecipe) {
    const recipe = { ...given, policy: trainable(given) };
    super({ ...recipe, resolved: { ...recipe.options } });
    this.#recipe = recipe;
  }

  protected async iterate({ parts, baseline, rollouts }: OpenBaseline, { iteration, isEvaluation, resets }: Iteration): Promise<IterationOutcome> {
    const { device, policy, rewardFactor, options: { rate } } = this.#recipe;
    const record = await rollouts.collect({ decision: this.counters.decisions, resets, isDeterministic: isEvaluation });
    if (isEvaluation) return { record, metrics: { rate }, advantageSeconds: 0, updateSeconds: 0, updates: 0 };
    const startedMs = performance.now();
    const experience = await readExperience(device, policy, rollouts, record, rewardFactor);
    const updates = await baseline.learn(experience, { update: this.counters.updates, iteration, record });
    const means = await parts.takeTallies();
    return { record, metrics: { ...means, minibatches: updates, rate }, advantageSeconds: 0, updateSeconds: (performance.now() - startedMs) / 1000, updates };
  }

  /** Networks, lessons and rollouts on the device, as they start or as they were saved. */
  protected async open(): Promise<OpenBaseline> {
    const { device, environment, options, build } = this.#recipe;
    const policy = this.resumed?.policy ?? this.#recipe.policy;
    const parts = new LearnerParts(device, policy, options.seed);
    const buffers: ReplayBuffer[] = [];
    let rollouts: RolloutCollector | undefined;
    const close = (): void => {
      rollouts?.close();
      for (const buffer of buffers.splice(0)) buffer.close();
      parts.close();
    };
    try {
      const E = environment.count;
      const rows = options.steps * E;
      const allSteps = Math.max(options.iterations, this.counters.iteration) * options.steps;
      const baseline = await build({
        parts,
        envs: E,
        rows,
        remember: (bufferSteps) => {
          const capacity = Math.min(bufferSteps, allSteps) * E;
          const buffer = new ReplayBuffer(device, { capacity, conditionWidth: policy.conditionWidth, chunkWidth: policy.chunkWidth });
          buffers.push(buffer);
          return buffer;
        },
      });
      const noise = createActingNoise(device, policy, E * (baseline.choose?.candidates ?? 1));
      parts.own(noise.normals);
      // A choice among candidates draws too.
      const uniforms = baseline.choose === undefined ? undefined : parts.own(device.tensor([E], { label: "choice" }));
      const draw = await parts.lesson("draw noise", (recorder, notes) => {
        for (const launch of recordActingNoise(recorder, { ...noise, uniforms }, options.seed)) notes.draw(launch);
      });
      rollouts = await RolloutCollector.create({
        device,
        policy,
        environment,
        steps: options.steps,
        tunedSteps: 0,
        values: baseline.acting ?? baseline.actor.values,
        tuned: undefined,
        noise: { ...noise, uniforms },
        choose: baseline.choose?.record,
        draw: (decision) => { draw.run(decision); },
        keepsFinalStates: true,
      });
      if (this.resumed !== undefined) this.#restore({ parts, baseline }, this.resumed);
      return { parts, baseline, rollouts, close };
    } catch (error) {
      close();
      throw error;
    }
  }

  #restore({ parts, baseline }: Pick<OpenBaseline, "parts" | "baseline">, state: TrainingState): void {
    for (const [name, tensor] of parts.state) {
      // The actor is the policy of the checkpoint, and was built with it.
      if (tensor !== baseline.actor.values) this.#recipe.device.write(tensor, floatsOf(state, name, tensor.length));
    }
    const columns = Object.keys(baseline.buffer.columns) as ReplayColumn[];
    baseline.buffer.restore(
      new Map(columns.map((name) => [name, state.floats.get(`replay ${name}`) ?? new Float32Array()])),
      state.counters.replay ?? 0,
    );
  }

  protected async take({ parts, baseline }: OpenBaseline): Promise<TakenState> {
    const { device, policy } = this.#recipe;
    const named = [...parts.state].filter(([, tensor]) => tensor !== baseline.actor.values);
    const [actor, ...others] = await device.readAll([baseline.actor.values, ...named.map(([, tensor]) => tensor)]) as [Float32Array, ...Float32Array[]];
    const { floats, cursor } = await baseline.buffer.save();
    return {
      policy: policy.withValues(actor),
      counters: { replay: cursor },
      floats: new Map<string, Float32Array>([
        ...named.map(([label], at): [string, Float32Array] => [label, others[at] ?? new Float32Array()]),
        ...[...floats].filter(([, values]) => values.length > 0).map(([label, values]): [string, Float32Array] => [`replay ${label}`, values]),
      ]),
    };
  }
}

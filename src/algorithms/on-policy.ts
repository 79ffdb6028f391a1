import * as v from "valibot";
import { finiteNumber, oneOf, positiveNumber, wholeNumber } from "../core/options.js";
import type { Device } from "../engine/device.js";
import { activationName, flag, layerSizes } from "../nn/network-options.js";
import { warmupCosineRate } from "../nn/rate-schedule.js";
import type { ActingNoise } from "../diffusion/acting.js";
import type { Tensor } from "../engine/tensor.js";
import type { Draws } from "../rl/draws.js";
import { PpoLearner, type LearnerSetup, type ObjectiveOf, type UpdateSummary } from "../rl/ppo-learner.js";
import type { ReachedStates, RolloutRecord } from "../rl/rollout.js";
import type { IterationEvent } from "../rl/training.js";
import { floatsOf } from "../rl/training-state.js";
import { IteratedTraining, iterationEntries, type Iteration, type IterationOutcome, type IterationRecipe, type TakenState } from "./iterations.js";

const rate = (highest: number, lowest: number, warmup: number) => v.optional(v.strictObject({
  max: v.optional(v.pipe(finiteNumber(0, 10), v.description("Highest rate, after the warm-up.")), highest),
  min: v.optional(v.pipe(finiteNumber(0, 10), v.description("Rate at the start and at the end of each cycle.")), lowest),
  warmup: v.optional(v.pipe(wholeNumber(0, 1_000_000), v.description("Iterations from the lowest to the highest rate.")), warmup),
  cycle: v.optional(v.pipe(wholeNumber(1, 1_000_000), v.description("Iterations of a cycle, warm-up included.")), 100),
}), { max: highest, min: lowest, warmup, cycle: 100 });

/** How the chains of a diffusion policy are drawn while it is tuned. */
export const samplerChoice = v.variant("kind", [
  v.strictObject({ kind: v.literal("ddpm") }),
  v.strictObject({
    kind: v.literal("ddim"),
    stepCount: v.pipe(wholeNumber(1, 1000), v.description("Steps that are executed.")),
    eta: v.optional(v.pipe(finiteNumber(0, 1), v.description("Share of noise while exploring.")), 1),
  }),
], "It must have the kind \"ddpm\" or \"ddim\".");

/** Options of every run of the loop, as entries of a schema, with what an algorithm usually takes. */
export const loopEntries = (usual: { readonly epochs: number; readonly rate: number; readonly criticWarmup: number; readonly maxGradientNorm: number | null }) => ({
  ...iterationEntries,
  epochs: v.optional(v.pipe(wholeNumber(1, 1000), v.description("Passes over a rollout.")), usual.epochs),
  lambda: v.optional(v.pipe(finiteNumber(0, 1), v.description("Trace decay of the advantages.")), 0.95),
  truncation: v.optional(v.pipe(
    oneOf(["reference", "correct"]),
    v.description("At a time limit: \"reference\" bootstraps from the next stored value, as the original does; \"correct\" from the episode's own last observation."),
  ), "reference"),
  valueClip: v.optional(v.pipe(v.nullable(positiveNumber()), v.description("Largest change of a value in one update; null is none.")), null),
  valueWeight: v.optional(v.pipe(finiteNumber(0, 1000), v.description("Weight of the value loss.")), 0.5),
  maxGradientNorm: v.optional(v.pipe(v.nullable(positiveNumber()), v.description("Largest norm of the policy's gradient; null leaves it.")), usual.maxGradientNorm),
  weightDecay: v.optional(v.pipe(finiteNumber(0, 1), v.description("Decoupled weight decay of the policy.")), 0),
  criticWeightDecay: v.optional(v.pipe(finiteNumber(0, 1), v.description("Decoupled weight decay of the critic.")), 0),
  rate: rate(usual.rate, usual.rate, 10),
  criticRate: rate(1e-3, 1e-3, 10),
  criticWarmup: v.optional(v.pipe(wholeNumber(0, 1_000_000), v.description("First iterations in which only the critic learns.")), usual.criticWarmup),
  accumulate: v.optional(v.pipe(wholeNumber(1, 10_000), v.description("Minibatches whose gradients are added before a step.")), 1),
  critic: v.optional(v.strictObject({
    hidden: v.optional(v.pipe(layerSizes(0), v.description("Hidden sizes of the critic.")), [256, 256, 256]),
    activation: v.optional(v.pipe(activationName, v.description("Between its layers.")), "mish"),
    isResidual: v.optional(v.pipe(flag, v.description("Residual critic instead of a plain one.")), true),
  }), { hidden: [256, 256, 256], activation: "mish", isResidual: true }),
  sliceSize: v.optional(v.pipe(wholeNumber(1, 10_000_000), v.description("Transitions whose old log-densities are computed at once.")), 10_000),
  seed: v.optional(v.pipe(wholeNumber(0, 0xffffffff), v.description("Decides noise, order of minibatches and first critic.")), 0),
});

/** Options that DPPO and PPO have in common, as entries of a schema, with the passes and the rate that an algorithm usually takes. */
export const onPolicyEntries = (usual: { readonly epochs: number; readonly rate: number }) => ({
  ...loopEntries({ ...usual, criticWarmup: 1, maxGradientNorm: null }),
  scaleRewards: v.optional(v.pipe(flag, v.description("Divide rewards by the running deviation of their discounted sums.")), true),
  rewardFactor: v.optional(v.pipe(positiveNumber(), v.description("Factor of the rewards.")), 1),
  normalizeAdvantages: v.optional(v.pipe(flag, v.description("Normalise the advantages of every minibatch.")), true),
  targetKl: v.optional(v.pipe(v.nullable(positiveNumber()), v.description("An update ends once a minibatch's approximate KL is above this; null never.")), 1),
});

/** Resolved options of the loop. */
export type OnPolicyOptions = Readonly<v.InferOutput<v.StrictObjectSchema<ReturnType<typeof onPolicyEntries>, undefined>>>;

/** What tests put in the place of randomness and first values; nothing else may use it. */
export interface Scripted {
  readonly createDraws?: (tensors: { readonly noise: ActingNoise; readonly permutation: Tensor }) => Promise<Draws>;
  readonly criticValues?: Float32Array;
  /** Sees the learner after every iteration, before its event. */
  readonly inspect?: (learner: PpoLearner, record: RolloutRecord) => Promise<void>;
}

/** What a run learns from in the place of its environment's rewards, while it stays near the frozen policy. */
export interface Guidance {
  /** Rewards [N, E] of the chunks of a rollout by the states that they reached; `ended` [N, E] is 1 where one ended its episode for good. */
  rewards(reached: ReachedStates, ended: Float32Array): Promise<{ readonly rewards: Float32Array; readonly metrics: Partial<IterationEvent> }>;
  /** The weight of a transition's divergence from the frozen policy in the coming update, given the divergences of the rollout [N E, K']. */
  restrain(divergences: Float32Array): { readonly weight: number; readonly metrics: Partial<IterationEvent> };
  /** Numbers that a resumed run goes on from, all of them exact in 32 bits. */
  readonly state: Float32Array;
  restore(state: Float32Array): void;
  close(): void;
}

/** What one algorithm adds to the loop. */
export interface OnPolicyRecipe extends IterationRecipe {
  readonly device: Device;
  readonly options: OnPolicyOptions;
  readonly batchSize: number;
  readonly tunedSteps: number;
  readonly objectiveOf: ObjectiveOf;
  /** Whether values are learned; default true. */
  readonly hasCritic?: boolean;
  /** Chunks in a row that are decided in the same state; default 1. */
  readonly siblings?: number;
  /** Whose moments normalise advantages; default those of each minibatch. */
  readonly normalizedOver?: "minibatch" | "rollout";
  /** Puts what the run is guided by on the device; left out, it learns from the rewards of the environment. */
  readonly guide?: () => Promise<Guidance>;
}

/** What an actor-critic run holds on its device. */
interface OpenLearner {
  readonly rollouts: PpoLearner;
  readonly guidance: Guidance | undefined;
  close(): void;
}

/** An actor-critic run over rollouts: the loop of DPPO (spec 6). */
export class OnPolicyTraining extends IteratedTraining<OpenLearner> {
  readonly #recipe: OnPolicyRecipe;
  readonly #scripted: Scripted;

  constructor(recipe: OnPolicyRecipe, scripted: Scripted = {}) {
    super(recipe);
    this.#recipe = recipe;
    this.#scripted = scripted;
  }

  protected async iterate({ rollouts: learner, guidance }: OpenLearner, { iteration, isEvaluation, resets }: Iteration): Promise<IterationOutcome> {
    // Act with the last K' steps tuned, simulate, and keep what was decided.
    const record = await learner.collect({ decision: this.counters.decisions, resets, isDeterministic: isEvaluation });
    const rates = this.#rates(iteration);
    const movesActor = iteration >= this.#recipe.options.criticWarmup;
    const beforeMs = performance.now();
    const guided = record.reached === undefined ? undefined : await guidance?.rewards(record.reached, record.terminated);
    const told = { ...guided?.metrics, rate: rates.actor, ...(learner.critic === undefined ? {} : { criticRate: rates.critic }) };
    if (isEvaluation) {
      await this.#scripted.inspect?.(learner, record);
      return { record, metrics: told, advantageSeconds: 0, updateSeconds: 0, updates: 0 };
    }
    // V(s) and log pi_old; scaled rewards; generalised advantages.
    const { explainedVariance, divergences } = await learner.assess(record, guided?.rewards);
    const restraint = divergences === undefined ? undefined : guidance?.restrain(divergences);
    const assessedMs = performance.now();
    // Clipped objective over (row, denoising step), epoch by epoch, until the KL target.
    const update = await learner.update({
      update: this.counters.updates, movesActor, actorRate: rates.actor, criticRate: rates.critic, divergenceWeight: restraint?.weight,
    });
    const updatedMs = performance.now();
    await this.#scripted.inspect?.(learner, record);
    return {
      record,
      metrics: { ...metricsOf(update, movesActor), ...(explainedVariance === undefined ? {} : { explainedVariance }), ...restraint?.metrics, ...told },
      advantageSeconds: (assessedMs - beforeMs) / 1000,
      updateSeconds: (updatedMs - assessedMs) / 1000,
      updates: 1,
    };
  }

  protected async open(): Promise<OpenLearner> {
    const { device, policy, environment, options, batchSize, tunedSteps, objectiveOf, guide, siblings, hasCritic = true, normalizedOver = "minibatch" } = this.#recipe;
    const { resumed } = this;
    const setup: LearnerSetup = {
      device,
      policy: resumed?.policy ?? policy,
      environment,
      steps: options.steps,
      siblings,
      tunedSteps,
      critic: hasCritic ? options.critic : undefined,
      advantage: {
        gamma: options.gamma, lambda: options.lambda, scalesRewards: options.scaleRewards, rewardFactor: options.rewardFactor, truncation: options.truncation,
        normalizedOver,
      },
      epochs: options.epochs,
      batchSize,
      accumulate: options.accumulate,
      sliceSize: options.sliceSize,
      targetKl: options.targetKl,
      actorOptimiser: { weightDecay: options.weightDecay, maxGradientNorm: options.maxGradientNorm },
      criticOptimiser: { weightDecay: options.criticWeightDecay },
      comparesFrozen: guide !== undefined,
      keepsSteps: guide !== undefined,
      seed: options.seed,
    };
    const learner = await PpoLearner.create(setup, objectiveOf, this.#scripted.createDraws);
    let guidance: Guidance | undefined;
    const close = (): void => {
      learner.close();
      guidance?.close();
    };
    try {
      guidance = await guide?.();
      const { critic } = learner;
      if (critic !== undefined && this.#scripted.criticValues !== undefined) device.write(critic.trained.values, this.#scripted.criticValues);
      if (resumed !== undefined) {
        if (critic !== undefined) device.write(critic.trained.values, floatsOf(resumed, "critic", critic.network.layout.length));
        guidance?.restore(floatsOf(resumed, "guidance", guidance.state.length));
        for (const [name, tensor] of Object.entries(learner.state)) device.write(tensor, floatsOf(resumed, name, tensor.length));
      }
      return { rollouts: learner, guidance, close };
    } catch (error) {
      close();
      throw error;
    }
  }

  protected async take({ rollouts: learner, guidance }: OpenLearner): Promise<TakenState> {
    const { device, policy, tunedSteps } = this.#recipe;
    const named = Object.entries(learner.state);
    if (learner.critic !== undefined) named.unshift(["critic", learner.critic.trained.values]);
    const [actor, ...others] = await device.readAll([learner.actor.values, ...named.map(([, tensor]) => tensor)]) as Float32Array[];
    const base = this.resumed?.policy ?? policy;
    const floats = new Map(named.map(([label], at): [string, Float32Array] => [label, others[at]!]));
    if (guidance !== undefined) floats.set("guidance", guidance.state);
    return { policy: tunedSteps > 0 ? base.withTuned(actor!, tunedSteps) : base.withValues(actor!), floats };
  }

  /** The rates of an iteration; the policy's begins when the policy does. */
  #rates(iteration: number): { readonly actor: number; readonly critic: number } {
    const { rate: actor, criticRate: critic, criticWarmup } = this.#recipe.options;
    const at = ({ max, min, warmup, cycle }: typeof actor, step: number): number =>
      warmupCosineRate({ maxRate: max, minRate: min, warmupSteps: warmup, cycleSteps: cycle }, step);
    return { actor: at(actor, Math.max(0, iteration - criticWarmup)), critic: at(critic, iteration) };
  }
}

function metricsOf({ minibatches, means, gradientNorm }: UpdateSummary, movesActor: boolean): Partial<IterationEvent> {
  return { minibatches, ...means, ...(movesActor ? { gradientNorm } : {}) };
}

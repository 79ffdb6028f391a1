import * as v from "valibot";
import { DifftuneError, invariant } from "../core/errors.js";
import { finiteNumber, oneOf, parseOptions, positiveNumber, wholeNumber } from "../core/options.js";
import { mean, standardDeviation } from "../core/statistics.js";
import type { Policy } from "../diffusion/policy.js";
import type { Sampler } from "../diffusion/schedule.js";
import type { Device } from "../engine/device.js";
import type { VectorEnvironment } from "../envs/environment.js";
import { crc32 } from "../io/zip.js";
import { afterTheEnd, chunkRewards, type ChunkTail } from "../preference/chunk-reward.js";
import { RewardModel } from "../preference/reward-model.js";
import { openStateReward, type StateReward, type StateRewardSource } from "../preference/state-reward.js";
import { chainObjective } from "../rl/objective.js";
import type { ReachedStates } from "../rl/rollout.js";
import type { IterationEvent } from "../rl/training.js";
import { loopEntries, OnPolicyTraining, samplerChoice, type Guidance, type Scripted } from "./on-policy.js";

const isReward = (value: unknown): boolean => typeof value === "function" || value instanceof RewardModel || value instanceof Uint8Array;

/** The schema of {@link FdppOptions}; flags of the command line and tables of the documentation are made from it. */
export const fdppSchema = v.strictObject({
  reward: v.pipe(
    v.custom<StateRewardSource>(isReward, "It must be a reward model, the bytes of its file, or a function of states."),
    v.description("What is learned from: a reward model, the bytes of its file, or a function that gives rewards [n] for states [n, D]."),
  ),
  alpha: v.optional(v.pipe(finiteNumber(0, 1e6), v.description("Weight of the divergence from the frozen policy, in the unit of the paper: 10 changes almost nothing, 1 prefers, 0.3 decides, 0 lets go.")), 0.3),
  kl: v.optional(v.pipe(
    oneOf(["exact", "epsMse", "none"]),
    v.description("What holds the policy back: \"exact\" the divergence of every denoising step, \"epsMse\" the mean squared difference of the predicted noise, \"none\" nothing."),
  ), "exact"),
  klTarget: v.optional(v.pipe(
    v.nullable(positiveNumber()),
    v.description("Divergence that alpha is adapted to, nats a chunk, such as 5: above 1.5 times it alpha grows by half, below two thirds of it it shrinks; null keeps alpha."),
  ), null),
  advantage: v.optional(v.pipe(
    oneOf(["bandit", "return"]),
    v.description("\"bandit\": a chunk is judged by the states that it reached itself. \"return\": by those after it as well, discounted by gamma."),
  ), "bandit"),
  baseline: v.optional(v.pipe(
    oneOf(["batch", "value", "loo"]),
    v.description("What the reward of a chunk is compared with where it is judged by itself: \"batch\" the mean of the rollout, \"value\" a critic's value of its state, \"loo\" the mean of other chunks drawn in the same state."),
  ), "batch"),
  siblings: v.optional(v.pipe(wholeNumber(2, 64), v.description("With the baseline \"loo\": chunks drawn in the same state. Each is executed, all but the last are taken back.")), 4),
  tail: v.optional(v.pipe(
    oneOf(["none", "repeatLast"]),
    v.description("What stands for the states that a chunk did not reach because its episode had ended: nothing, or the last one reached, and with advantage \"return\" for all that would follow."),
  ), "none"),
  reduction: v.optional(v.pipe(
    oneOf(["mean", "sum"]),
    v.description("Whether a step's log-density is the mean over its numbers, each held to [-5, 2], or their sum; \"sum\" needs another clip."),
  ), "mean"),
  clip: v.optional(v.pipe(positiveNumber(), v.description("Clip range of the ratio.")), 0.01),
  denoisingDiscount: v.optional(v.pipe(finiteNumber(0, 1), v.description("Factor of the advantage for each step further from the last.")), 1),
  advantageLimit: v.optional(v.pipe(v.nullable(positiveNumber()), v.description("Largest magnitude of a standardised advantage; null is none.")), 5),
  stdFloor: v.optional(v.pipe(finiteNumber(1e-6, 1000), v.description("Smallest deviation of a step: in sampling, in likelihoods and in the divergence.")), 0.05),
  sampler: v.optional(v.pipe(samplerChoice, v.description("How chains are drawn, all of whose steps are tuned; by default DDIM with 50 steps, or as many as the policy has if it has fewer."))),
  batchSize: v.optional(v.pipe(wholeNumber(1, 10_000_000), v.description("Denoising steps of a minibatch.")), 5000),
  targetKl: v.optional(v.pipe(
    v.nullable(positiveNumber()),
    v.description("An update ends once the policy is further than this from the one that acted, nats for each number of a chunk; null never."),
  ), 0.05),
  ...loopEntries({ epochs: 5, rate: 3e-5, criticWarmup: 0, maxGradientNorm: 1 }),
  iterations: v.optional(v.pipe(wholeNumber(1, 1_000_000), v.description("Rollouts and updates of the run.")), 100),
});

/** Options of {@link fdpp}; defaults are those of its specification. */
export type FdppOptions = v.InferInput<typeof fdppSchema>;

/**
 * Fine-tuning with human preferences (FDPP): PPO through the whole denoising chain on a learned reward of the states that a
 * chunk reached, while the divergence of every denoising step from the frozen policy is held small. The reward of the
 * environment is only told, never learned from.
 *
 * @param environment keeps the observation of every step: made with `recordSteps`
 * @example
 * const training = fdpp(device, policy, env, { reward: await readFile("reward.safetensors"), alpha: 0.3 });
 * for await (const { iteration, chunkReward, kl } of training) console.log(iteration, chunkReward, kl);
 * const tuned = await training.policy();
 */
export function fdpp(device: Device, policy: Policy, environment: VectorEnvironment, options: FdppOptions): OnPolicyTraining {
  return startFdpp(device, policy, environment, options, {});
}

/** {@link fdpp} with scripted randomness. */
export function startFdpp(device: Device, policy: Policy, environment: VectorEnvironment, options: FdppOptions, scripted: Scripted): OnPolicyTraining {
  const resolved = parseOptions(fdppSchema, options, "fdpp");
  const { alpha, kl, klTarget, reduction, clip, targetKl, tail, reward, steps, baseline } = resolved;
  if (environment.stepObservations === undefined) {
    throw new DifftuneError("OPTION", `Environment "${environment.name}" does not keep the states that the steps of a chunk reach.`, {
      hint: "Make it with recordSteps: true.", path: "recordSteps",
    });
  }
  const siblings = baseline === "loo" ? resolved.siblings : 1;
  if (baseline === "loo") checkSiblings(environment, resolved);
  const gamma = resolved.advantage === "return" ? resolved.gamma : 0;
  if (gamma === 1 && tail === "repeatLast") {
    throw new DifftuneError("OPTION", "The last state of an episode, repeated for ever without a discount, has no finite return.", {
      hint: "Take a gamma below 1, or tail \"none\".", path: "gamma", got: gamma,
    });
  }
  const acting = underFdpp(policy, resolved);
  invariant(acting.model.kind === "diffusion", "a process makes a diffusion policy");
  const { stepCount } = acting.model.process;
  const { chunking, actionSize } = acting;
  const rewardHorizon = chunking.firstAction + chunking.actionSteps;
  const dims = rewardHorizon * actionSize;
  // The log-ratio of a mean is that of the sum, divided by dims; the divergence that is estimated from it by dims².
  const [klLimit, klScale] = reduction === "sum" ? [dims, 1] : [1 / dims, 1 / dims];
  const learnsValues = resolved.advantage === "return" || baseline === "value";
  return new OnPolicyTraining({
    name: "fdpp",
    device,
    policy: acting,
    environment,
    options: {
      ...resolved,
      steps: steps * siblings,
      // A chunk that is judged by itself is an episode of one step.
      gamma,
      targetKl: targetKl === null ? null : targetKl * klLimit,
      scaleRewards: false,
      rewardFactor: 1,
      normalizeAdvantages: true,
    },
    resolved: { ...resolved, reward: markOf(reward) },
    batchSize: resolved.batchSize,
    tunedSteps: stepCount,
    siblings,
    hasCritic: learnsValues,
    normalizedOver: "rollout",
    guide: async () => new PreferenceGuidance(
      await openStateReward(device, reward, environment.observationSpace.names),
      { actionSteps: environment.actionSteps, count: environment.count, siblings, steps: stepCount, tail, gamma, alpha, klTarget, klScale: kl === "none" ? 0 : klScale },
    ),
    objectiveOf: ({ model, rows, frozen }) => {
      invariant(model !== undefined, "a diffusion policy without a model");
      return chainObjective(model, {
        updateForm: "step",
        clip: { first: clip, last: clip, rate: 0 },
        denoisingDiscount: resolved.denoisingDiscount,
        rewardHorizon,
        advantageLimit: resolved.advantageLimit,
        logProbRange: reduction === "mean" ? [-5, 2] : null,
        reduction,
        valueClip: resolved.valueClip,
        valueWeight: resolved.valueWeight,
        divergence: kl === "none" ? null : kl === "exact" ? "kernels" : "noise",
      }, { rows, frozen, seed: resolved.seed });
    },
  }, scripted);
}

/** Refuses chunks in the same state where they mean nothing or cannot be. */
function checkSiblings(environment: VectorEnvironment, { advantage, successThreshold }: v.InferOutput<typeof fdppSchema>): void {
  if (environment.save === undefined || environment.restore === undefined) {
    throw new DifftuneError("OPTION", `Environment "${environment.name}" cannot be saved: no two chunks can be tried in the same state.`, {
      hint: "Environments of the package can; or take another baseline.", path: "baseline", got: "loo",
    });
  }
  if (advantage === "return") {
    throw new DifftuneError("OPTION", "The baseline \"loo\" judges a chunk by itself, advantage \"return\" by what follows it.", { hint: "Take one of them.", path: "baseline", got: "loo" });
  }
  if (successThreshold !== null) {
    throw new DifftuneError("OPTION", "successThreshold counts by all chunks of an episode; with the baseline \"loo\" most of them are taken back.", { hint: "Leave it out: the environment counts.", path: "successThreshold", got: successThreshold });
  }
}

/**
 * A policy as {@link fdpp} has it act: under the sampler of the run, with its floor. What was tuned is compared with this, not with
 * the policy under the sampler that it was made with. One that was tuned before goes on, held to the base that it was tuned from.
 */
export function underFdpp(policy: Policy, { sampler, stdFloor }: Pick<v.InferOutput<typeof fdppSchema>, "sampler" | "stdFloor">): Policy {
  if (policy.model.kind !== "diffusion") {
    throw new DifftuneError("OPTION", `fdpp tunes diffusion policies, not a ${policy.options.network.kind}.`, { path: "policy" });
  }
  const { denoisingSteps } = policy.model.process;
  const drawn: Sampler = sampler ?? { kind: "ddim", stepCount: Math.min(50, denoisingSteps), eta: 1 };
  if (drawn.kind === "ddim" && drawn.stepCount > denoisingSteps) {
    throw new DifftuneError("OPTION", `sampler.stepCount is ${drawn.stepCount}, but the policy was trained with ${denoisingSteps} steps.`, {
      path: "sampler.stepCount", expected: denoisingSteps, got: drawn.stepCount,
    });
  }
  const steps = drawn.kind === "ddim" ? drawn.stepCount : denoisingSteps;
  if (policy.tuned !== undefined && policy.tuned.steps !== steps) {
    throw new DifftuneError("OPTION", `Of the policy's chain ${policy.tuned.steps} steps were tuned before; fdpp tunes all ${steps}.`, {
      hint: "Start from the policy that it was tuned from.", path: "policy", expected: steps, got: policy.tuned.steps,
    });
  }
  return policy.withProcess({ sampler: drawn, minSamplingStd: stdFloor, minLogProbStd: stdFloor });
}

/** By what a checkpoint knows a reward again. */
function markOf(reward: StateRewardSource): string {
  if (typeof reward === "function") return "function";
  return crc32(reward instanceof RewardModel ? reward.save() : reward).toString(16);
}

/** By how much alpha changes at once, and how far the divergence may be from its target without a change. */
const alphaFactor = 1.5;
/** Changes of alpha in one direction, at most: seven powers of ten. */
const mostChanges = 40;

interface GuidanceOptions {
  readonly actionSteps: number;
  /** E. */
  readonly count: number;
  /** Chunks in a row that were decided in the same state. */
  readonly siblings: number;
  /** Denoising steps of a chain. */
  readonly steps: number;
  readonly tail: ChunkTail;
  /** 0 where a chunk is judged by itself. */
  readonly gamma: number;
  readonly alpha: number;
  readonly klTarget: number | null;
  /** What alpha is multiplied by to be the weight of a transition's divergence. */
  readonly klScale: number;
}

/** A learned reward, and the weight of the divergence from the frozen policy. */
class PreferenceGuidance implements Guidance {
  readonly #reward: StateReward;
  readonly #options: GuidanceOptions;
  /** How often alpha grew, less how often it shrank. */
  #changes = 0;
  #updates = 0;

  constructor(reward: StateReward, options: GuidanceOptions) {
    this.#reward = reward;
    this.#options = options;
  }

  async rewards({ states, counts }: ReachedStates, ended: Float32Array): Promise<{ readonly rewards: Float32Array; readonly metrics: Partial<IterationEvent> }> {
    const { actionSteps, tail, gamma } = this.#options;
    const width = this.#reward.columns.length;
    const reached = new Float32Array(counts.reduce((sum, count) => sum + count, 0) * width);
    let at = 0;
    for (const [chunk, count] of counts.entries()) {
      const from = chunk * actionSteps * width;
      reached.set(states.subarray(from, from + count * width), at);
      at += count * width;
    }
    const scores = await this.#reward.score(reached);
    const byStep = new Float32Array(counts.length * actionSteps);
    at = 0;
    for (const [chunk, count] of counts.entries()) {
      byStep.set(scores.subarray(at, at + count), chunk * actionSteps);
      at += count;
    }
    const rewards = chunkRewards(byStep, counts, { actionSteps, tail });
    const following = tail === "repeatLast" && gamma > 0 ? afterTheEnd(byStep, counts, ended, { actionSteps, gamma }) : undefined;
    const learned = following === undefined ? againstSiblings(rewards, this.#options) : rewards.map((reward, chunk) => reward + following[chunk]!);
    return { rewards: Float32Array.from(learned), metrics: { chunkReward: mean(rewards), ...(rewards.length > 1 ? { chunkRewardDeviation: standardDeviation(rewards) } : {}) } };
  }

  restrain(divergences: Float32Array): { readonly weight: number; readonly metrics: Partial<IterationEvent> } {
    const { steps, alpha: first, klTarget, klScale } = this.#options;
    const stepKl = Array.from({ length: steps }, () => 0);
    const share = steps / divergences.length;
    for (const [at, divergence] of divergences.entries()) stepKl[at % steps]! += divergence * share;
    const kl = stepKl.reduce((sum, value) => sum + value, 0);
    // Before the first update the two are one.
    if (klTarget !== null && this.#updates > 0) {
      if (kl > alphaFactor * klTarget) this.#changes = Math.min(this.#changes + 1, mostChanges);
      else if (kl < klTarget / alphaFactor) this.#changes = Math.max(this.#changes - 1, -mostChanges);
    }
    this.#updates += 1;
    const alpha = first * alphaFactor ** this.#changes;
    return { weight: alpha * klScale, metrics: { kl, stepKl: Object.freeze(stepKl), alpha } };
  }

  get state(): Float32Array {
    return Float32Array.of(this.#changes, this.#updates);
  }

  restore([changes, updates]: Float32Array): void {
    [this.#changes, this.#updates] = [changes ?? 0, updates ?? 0];
  }

  close(): void {
    this.#reward.close();
  }
}

/** r - mean of the rewards of the other chunks in the same state; the rewards as they are where there are no others. */
function againstSiblings(rewards: Float64Array, { count, siblings }: GuidanceOptions): Float64Array {
  if (siblings === 1) return rewards;
  const group = siblings * count;
  return rewards.map((reward, at) => {
    const first = Math.floor(at / group) * group + (at % count);
    let sum = 0;
    for (let sibling = 0; sibling < siblings; sibling++) sum += rewards[first + sibling * count]!;
    return reward - (sum - reward) / (siblings - 1);
  });
}

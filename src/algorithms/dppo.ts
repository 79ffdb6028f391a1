import * as v from "valibot";
import { DifftuneError, invariant } from "../core/errors.js";
import { finiteNumber, oneOf, parseOptions, positiveNumber, wholeNumber } from "../core/options.js";
import type { Device } from "../engine/device.js";
import type { VectorEnvironment } from "../envs/environment.js";
import type { Policy } from "../diffusion/policy.js";
import { chainObjective } from "../rl/objective.js";
import { onPolicyEntries, OnPolicyTraining, samplerChoice, type Scripted } from "./on-policy.js";

const share = finiteNumber(0, 1);

/** The schema of {@link DppoOptions}; flags of the command line and tables of the documentation are made from it. */
export const dppoSchema = v.strictObject({
  tunedSteps: v.optional(v.pipe(wholeNumber(1, 1000), v.description("K': how many of the last denoising steps are tuned.")), 10),
  updateForm: v.optional(v.pipe(
    oneOf(["step", "chain"]),
    v.description("What a minibatch holds: \"step\" single transitions (release 0.6 and later), \"chain\" samples with their whole chain (release 0.5)."),
  ), "step"),
  batchSize: v.optional(v.pipe(wholeNumber(1, 10_000_000), v.description("Transitions of a minibatch, samples in \"chain\" form.")), 6250),
  clip: v.optional(v.strictObject({
    first: v.optional(v.pipe(positiveNumber(), v.description("Clip range of the ratio at the noisiest tuned step.")), 0.1),
    last: v.optional(v.pipe(positiveNumber(), v.description("Clip range at the last step.")), 0.1),
    rate: v.optional(v.pipe(finiteNumber(0, 50), v.description("How steeply the range grows between the two; 0 is linear.")), 1),
  }), { first: 0.1, last: 0.1, rate: 1 }),
  denoisingDiscount: v.optional(v.pipe(share, v.description("Factor of the advantage for each step further from the last.")), 0.95),
  minSamplingStd: v.optional(v.pipe(finiteNumber(0, 1000), v.description("Smallest deviation while exploring.")), 0.1),
  minLogProbStd: v.optional(v.pipe(finiteNumber(0, 1000), v.description("Smallest deviation in likelihoods.")), 0.1),
  sampler: v.optional(v.pipe(samplerChoice, v.description("How chains are drawn; by default as the policy was made."))),
  rewardHorizon: v.optional(v.pipe(wholeNumber(1, 1024), v.description("Actions of a chunk whose likelihood counts; by default those executed."))),
  advantageQuantiles: v.optional(v.pipe(v.nullable(v.pipe(
    v.strictTuple([share, share], "It must be two shares."),
    v.check(([low, high]) => low < high, "It must rise."),
  )), v.description("Quantiles to which advantages are clamped; null clamps nothing.")), null),
  advantageLimit: v.optional(v.pipe(v.nullable(positiveNumber()), v.description("Largest magnitude of a normalised advantage; null is none.")), null),
  logProbRange: v.optional(v.pipe(v.nullable(v.pipe(
    v.strictTuple([v.number(), v.number()], "It must be two numbers."),
    v.check(([low, high]) => low < high, "It must rise."),
  )), v.description("Range of elementwise log-densities, outside of which they have no gradient; null is none.")), [-5, 2]),
  cloningWeight: v.optional(v.pipe(finiteNumber(0, 1e6), v.description("Weight of the imitation of the frozen policy.")), 0),
  // Published for Avoid are 10 passes at 1e-5. Half the passes at ten times the rate learn faster; long runs with K' near
  // K are safer with a rate that falls (docs/results/avoid.md, last section).
  ...onPolicyEntries({ epochs: 5, rate: 1e-4 }),
});

/** Options of {@link dppo}; defaults are those of the original's release 0.8 on Avoid, but for passes and rate. */
export type DppoOptions = v.InferInput<typeof dppoSchema>;

/**
 * Diffusion policy policy optimization: PPO through the denoising chain. The base of the policy stays frozen and runs the
 * first K − K' steps, a copy of it is tuned and runs the last K'.
 *
 * @example
 * const training = dppo(device, policy, env, { tunedSteps: 10 });
 * for await (const { iteration, success } of training) console.log(iteration, success);
 * const tuned = await training.policy();
 */
export function dppo(device: Device, policy: Policy, environment: VectorEnvironment, options: DppoOptions = {}): OnPolicyTraining {
  return startDppo(device, policy, environment, options, {});
}

/** {@link dppo} with scripted randomness, for the comparison with reference vectors. */
export function startDppo(device: Device, policy: Policy, environment: VectorEnvironment, options: DppoOptions, scripted: Scripted): OnPolicyTraining {
  const resolved = parseOptions(dppoSchema, options, "dppo");
  if (policy.model.kind !== "diffusion") {
    throw new DifftuneError("OPTION", `dppo tunes diffusion policies, not a ${policy.options.network.kind}.`, { hint: "Use ppo for Gaussian and mixture policies.", path: "policy" });
  }
  const { minSamplingStd, minLogProbStd, sampler, tunedSteps } = resolved;
  const acting = policy.withProcess({ minSamplingStd, minLogProbStd, ...(sampler === undefined ? {} : { sampler }) });
  invariant(acting.model.kind === "diffusion", "a process makes a diffusion policy");
  const { stepCount } = acting.model.process;
  if (tunedSteps > stepCount) {
    throw new DifftuneError("OPTION", `tunedSteps is ${tunedSteps}, but a chain has ${stepCount} steps.`, { path: "tunedSteps", expected: stepCount, got: tunedSteps });
  }
  const { horizon, actionSteps } = policy.options;
  const rewardHorizon = resolved.rewardHorizon ?? actionSteps;
  if (rewardHorizon > horizon) {
    throw new DifftuneError("OPTION", `rewardHorizon is ${rewardHorizon}, but a chunk has ${horizon} actions.`, { path: "rewardHorizon", expected: horizon, got: rewardHorizon });
  }
  return new OnPolicyTraining({
    name: "dppo",
    device,
    policy: acting,
    environment,
    options: resolved,
    resolved,
    batchSize: resolved.batchSize,
    tunedSteps,
    objectiveOf: ({ model, rows, frozen }) => {
      invariant(model !== undefined, "a diffusion policy without a model");
      return chainObjective(model, {
        updateForm: resolved.updateForm,
        clip: resolved.clip,
        denoisingDiscount: resolved.denoisingDiscount,
        rewardHorizon,
        normalizeAdvantages: resolved.normalizeAdvantages,
        advantageQuantiles: resolved.advantageQuantiles,
        advantageLimit: resolved.advantageLimit,
        logProbRange: resolved.logProbRange,
        valueClip: resolved.valueClip,
        valueWeight: resolved.valueWeight,
        cloningWeight: resolved.cloningWeight,
      }, { rows, frozen, seed: resolved.seed });
    },
  }, scripted);
}

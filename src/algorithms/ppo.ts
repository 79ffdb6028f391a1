import * as v from "valibot";
import { DifftuneError, invariant } from "../core/errors.js";
import { finiteNumber, oneOf, parseOptions, positiveNumber, wholeNumber } from "../core/options.js";
import type { Device } from "../engine/device.js";
import type { VectorEnvironment } from "../envs/environment.js";
import type { Policy } from "../diffusion/policy.js";
import { chunkObjective } from "../rl/objective.js";
import { onPolicyEntries, OnPolicyTraining } from "./on-policy.js";

/** The schema of {@link PpoTrainingOptions}. */
export const ppoSchema = v.strictObject({
  batchSize: v.optional(v.pipe(wholeNumber(1, 10_000_000), v.description("Samples of a minibatch.")), 625),
  clip: v.optional(v.pipe(positiveNumber(), v.description("Clip range of the ratio.")), 0.1),
  entropyWeight: v.optional(v.pipe(finiteNumber(0, 1000), v.description("Weight of the policy's entropy.")), 0),
  densityClamp: v.optional(v.pipe(
    oneOf(["released", "corrected"]),
    v.description(
      "\"released\" clamps a row's log-density to [-5, 2] as the original does; a mixture's joint density lies above that nearly always, "
      + "so it hardly learns. \"corrected\" does not clamp.",
    ),
  ), "released"),
  ...onPolicyEntries({ epochs: 10, rate: 3e-5 }),
});

/** Options of {@link ppo}; defaults are those of the original on Avoid, but for the rate, published as 1e-5. */
export type PpoTrainingOptions = v.InferInput<typeof ppoSchema>;

/** PPO on Gaussian and mixture policies (spec 9.5), in the loop of DPPO: what diffusion policies are compared with. */
export function ppo(device: Device, policy: Policy, environment: VectorEnvironment, options: PpoTrainingOptions = {}): OnPolicyTraining {
  const resolved = parseOptions(ppoSchema, options, "ppo");
  const { model } = policy;
  if (model.kind !== "stochastic") {
    throw new DifftuneError("OPTION", "ppo tunes Gaussian and mixture policies, not a diffusion policy.", { hint: "Use dppo.", path: "policy" });
  }
  return new OnPolicyTraining({
    name: "ppo",
    device,
    policy,
    environment,
    options: resolved,
    resolved,
    batchSize: resolved.batchSize,
    tunedSteps: 0,
    objectiveOf: ({ critic, rows }) => {
      invariant(critic !== undefined, "PPO on chunks learns values");
      return chunkObjective({ policy: model.network, critic }, {
        clip: resolved.clip,
        normalizeAdvantages: resolved.normalizeAdvantages,
        logProbRange: resolved.densityClamp === "released" ? [-5, 2] : null,
        entropyWeight: resolved.entropyWeight,
        valueClip: resolved.valueClip,
        valueWeight: resolved.valueWeight,
      }, { rows });
    },
  });
}

import { DifftuneError } from "../core/errors.js";
import type { Policy } from "../diffusion/policy.js";
import type { VectorEnvironment } from "../envs/environment.js";

/** Refuses a policy that was made for other observations, actions or chunks than an environment has. */
export function checkFit(policy: Policy, env: VectorEnvironment): void {
  const { observationNames, actionNames, observationSteps, actionSteps } = policy.options;
  const pairs = [
    ["observations", observationNames.join(", "), env.observationSpace.names.join(", ")],
    ["actions", actionNames.join(", "), env.actionSpace.names.join(", ")],
    ["observationSteps", observationSteps, env.observationSteps],
    ["actionSteps", actionSteps, env.actionSteps],
  ] as const;
  for (const [name, own, others] of pairs) {
    if (own === others) continue;
    throw new DifftuneError("OPTION", `The policy does not fit environment "${env.name}": ${name} ${own}, not ${others}.`, {
      hint: name === "actionSteps" || name === "observationSteps"
        ? `Make the environment with ${name}: ${own}.`
        : "They are of different tasks.",
      path: name,
      expected: others,
      got: own,
    });
  }
}

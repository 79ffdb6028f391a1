import * as v from "valibot";
import { DifftuneError } from "../core/errors.js";
import { finiteNumber, oneOf, wholeNumber } from "../core/options.js";
import type { VectorEnvironment } from "../envs/environment.js";
import { episodeStatistics } from "../rl/episode-statistics.js";
import type { RolloutRecord } from "../rl/rollout.js";
import type { IterationEvent } from "../rl/training.js";

/** Options of everything that rolls out and learns, iteration by iteration, as entries of a schema. */
export const iterationEntries = {
  iterations: v.optional(v.pipe(wholeNumber(1, 1_000_000), v.description("Rollouts and updates of the run.")), 51),
  steps: v.optional(v.pipe(wholeNumber(1, 1_000_000), v.description("Chunks that every environment executes in one rollout.")), 25),
  gamma: v.optional(v.pipe(finiteNumber(0, 1), v.description("Discount per executed chunk.")), 0.99),
  evaluateEvery: v.optional(v.pipe(
    wholeNumber(0, 1_000_000),
    v.description("Every so many iterations, from the first, the policy acts deterministically and learns nothing; 0 never."),
  ), 0),
  resetEvery: v.optional(v.pipe(oneOf(["iteration", "episode"]), v.description("Whether every rollout starts new episodes, or goes on with the running ones.")), "iteration"),
  successThreshold: v.optional(v.pipe(
    v.nullable(finiteNumber(-1e9, 1e9)),
    v.description("Mean reward of a step in an episode's best chunk from which it counts as a success, as the original counts; null asks the environment."),
  ), null),
  signal: v.optional(v.instance(AbortSignal, "It must be an AbortSignal.")),
  resume: v.optional(v.custom<Uint8Array>((value) => value instanceof Uint8Array, "It must be the bytes of a checkpoint.")),
};

/** Options that a resumed run may have otherwise: no number depends on them so far. */
export const freeOptions = ["iterations", "signal", "resume"] as const;

/** Success, return and length of the episodes that ended in a rollout: by the environment, or as the original counts. */
export function episodesOf(
  { rewards, firsts, finished }: RolloutRecord,
  options: { readonly steps: number; readonly successThreshold: number | null; readonly environment: VectorEnvironment; readonly actionSteps: number },
): Pick<IterationEvent, "episodes" | "success" | "return" | "episodeLength" | "bestReward"> {
  const { steps, successThreshold, environment, actionSteps } = options;
  if (successThreshold !== null) {
    const { length, ...counted } = episodeStatistics({ rewards, firsts, steps, environments: environment.count, actionSteps, threshold: successThreshold });
    return length === undefined ? counted : { ...counted, episodeLength: length };
  }
  const { episodes, successes, returns, lengths } = finished;
  if (episodes === 0) return { episodes };
  return { episodes, success: successes / episodes, return: returns / episodes, episodeLength: lengths / episodes };
}

/** The error of going on with an environment that nobody can put back to where it stood. */
export function unsavedEnvironment(environment: VectorEnvironment): DifftuneError {
  return new DifftuneError("OPTION", `Environment "${environment.name}" cannot be saved, so its run cannot be resumed.`, {
    hint: "Environments of the package can; give yours save() and restore().", path: "resume",
  });
}

import { DifftuneError } from "../core/errors.js";

/** What {@link episodeStatistics} counts. N chunks (time-major rows), E environments. */
export interface EpisodeRecord {
  /** [N, E]: the reward of each chunk, summed over its steps. */
  readonly rewards: Float32Array;
  /** [N + 1, E]: 1 where an episode begins; row N tells whether chunk N - 1 was the last of one. */
  readonly firsts: Float32Array | Uint8Array;
  readonly steps: number;
  readonly environments: number;
  /** Ta. */
  readonly actionSteps: number;
  /** Best reward from which an episode counts as a success. */
  readonly threshold: number;
  /** The reward comes once an episode, so that the best reward is the return (the furniture tasks). Default false. */
  readonly isSparse?: boolean;
}

/** Means over the finished episodes; only `episodes` where there are none. */
export interface EpisodeStatistics {
  readonly episodes: number;
  /** Share of the episodes with best reward >= threshold. */
  readonly success?: number;
  readonly return?: number;
  /** Largest chunk reward / Ta: the mean reward of a step in the best chunk. */
  readonly bestReward?: number;
  /** Environment steps, Ta for each chunk. */
  readonly length?: number;
}

/**
 * Counts the episodes of an iteration as DPPO does (spec 6, step 4): the segments between two consecutive beginnings in
 * one environment, closed inside the iteration. What began before it, or goes on after it, does not count; nor does an
 * episode of a single chunk.
 */
export function episodeStatistics(record: EpisodeRecord): EpisodeStatistics {
  const { rewards, firsts, steps, environments, actionSteps, threshold, isSparse = false } = record;
  if (rewards.length !== steps * environments || firsts.length !== (steps + 1) * environments) {
    throw new DifftuneError("SHAPE", `${rewards.length} rewards and ${firsts.length} beginnings are not those of ${steps} chunks in ${environments} environments.`, {
      hint: "There is one row of beginnings more than rows of rewards.",
      expected: [steps * environments, (steps + 1) * environments],
      got: [rewards.length, firsts.length],
    });
  }
  let episodes = 0;
  let successes = 0;
  let returns = 0;
  let bests = 0;
  let chunks = 0;
  for (let environment = 0; environment < environments; environment++) {
    let begin = -1;
    let total = 0;
    let best = Number.NEGATIVE_INFINITY;
    for (let step = 0; step <= steps; step++) {
      const place = step * environments + environment;
      if (firsts[place] === 1) {
        if (begin >= 0 && step - begin > 1) {
          const bestReward = isSparse ? total : best / actionSteps;
          episodes += 1;
          if (bestReward >= threshold) successes += 1;
          returns += total;
          bests += bestReward;
          chunks += step - begin;
        }
        begin = step;
        total = 0;
        best = Number.NEGATIVE_INFINITY;
      }
      if (step === steps) break;
      total += rewards[place]!;
      best = Math.max(best, rewards[place]!);
    }
  }
  if (episodes === 0) return Object.freeze({ episodes });
  return Object.freeze({
    episodes,
    success: successes / episodes,
    return: returns / episodes,
    bestReward: bests / episodes,
    length: (chunks / episodes) * actionSteps,
  });
}

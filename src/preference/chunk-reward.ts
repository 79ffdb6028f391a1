import { DifftuneError } from "../core/errors.js";

/** What stands for the states that a chunk did not reach because its episode had ended: nothing, or the last one reached. */
export type ChunkTail = "none" | "repeatLast";

/**
 * Reward of chunks of actions (FDPP, equation 10): the sum of the learned rewards of the states that each one reached,
 *
 *     R[c] = Σ_j r[c, j],  j < reached[c]
 *
 * The state in which a chunk starts is not among them; every state after one of its actions is. With `repeatLast` the last
 * reached state also stands for the missing ones, so that an early end is no loss where rewards are positive.
 *
 * @param rewards [chunks, actionSteps]: learned reward of the state after each action; what lies beyond `reached` is not read
 * @param reached [chunks]: states that were reached, at most `actionSteps`
 */
export function chunkRewards(
  rewards: ArrayLike<number>,
  reached: ArrayLike<number>,
  options: { readonly actionSteps: number; readonly tail?: ChunkTail },
): Float64Array {
  const { actionSteps, tail = "none" } = options;
  if (rewards.length !== reached.length * actionSteps) {
    throw new DifftuneError("SHAPE", `${reached.length} chunks of ${actionSteps} actions reach no ${rewards.length} states.`, {
      expected: reached.length * actionSteps, got: rewards.length,
    });
  }
  return Float64Array.from(reached, (count, chunk) => {
    if (!Number.isSafeInteger(count) || count < 0 || count > actionSteps) {
      throw new DifftuneError("SHAPE", `Chunk ${chunk} reached ${count} states; it has ${actionSteps} actions.`, { index: chunk, got: count });
    }
    let sum = 0;
    for (let step = 0; step < count; step++) sum += rewards[chunk * actionSteps + step]!;
    if (tail === "repeatLast" && count > 0) sum += (actionSteps - count) * rewards[chunk * actionSteps + count - 1]!;
    return sum;
  });
}

/**
 * What follows an end where a chunk is judged by what comes after it as well, and an early end is to be no loss: the last reached
 * state for ever,
 *
 *     F[c] = Σ_k γᵏ Ta r_last = γ / (1 - γ) Ta r_last,  k = 1, 2, ...
 *
 * and 0 for chunks after which the episode goes on.
 *
 * @param rewards [chunks, actionSteps], as for {@link chunkRewards}  @param reached [chunks]: states that were reached
 * @param ended [chunks]: 1 where the episode ended for good, not by a limit of time  @param gamma below 1
 */
export function afterTheEnd(
  rewards: ArrayLike<number>,
  reached: ArrayLike<number>,
  ended: ArrayLike<number>,
  { actionSteps, gamma }: { readonly actionSteps: number; readonly gamma: number },
): Float64Array {
  const repeats = (gamma / (1 - gamma)) * actionSteps;
  return Float64Array.from(reached, (count, chunk) => (ended[chunk] === 1 && count > 0 ? repeats * rewards[chunk * actionSteps + count - 1]! : 0));
}

import { chunkRewards } from "../../../src/preference/chunk-reward.ts";
import type { Reader } from "../reader.ts";
import { tolerances } from "../tolerances.ts";

/** `chunk_reward`: rewards `r_hat` [episodes, steps] of episodes of `valid_len` steps, in chunks of `Ta`. Host arithmetic. */
export const readChunkReward: Reader = async (golden, _, comparison) => {
  const actionSteps = Number(golden.text("Ta"));
  const [episodes, steps] = golden.shape("r_hat") as [number, number];
  const chunks = steps / actionSteps;
  const lengths = golden.values("valid_len");
  const reached = Array.from({ length: episodes * chunks }, (_, at) =>
    Math.min(actionSteps, Math.max(0, lengths[Math.floor(at / chunks)]! - (at % chunks) * actionSteps)));
  const sums = chunkRewards(golden.values("r_hat"), reached, { actionSteps });
  comparison.add("chunk reward", sums, golden.values("chunk_reward"), tolerances.dppo.host, "all chunks");
  // A reward of 1 everywhere counts the states.
  const counts = chunkRewards(golden.values("r_hat").map(() => 1), reached, { actionSteps });
  comparison.add("reached states", counts, golden.values("chunk_valid"), tolerances.dppo.host, "all chunks");
};

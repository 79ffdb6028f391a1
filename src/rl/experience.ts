import type { Device } from "../engine/device.js";
import type { Policy } from "../diffusion/policy.js";
import type { ReplayRows } from "./replay-buffer.js";
import type { RolloutCollector, RolloutRecord } from "./rollout.js";

/** Decisions and what came of them, on the host; rows time-major [N, E]. */
export interface Experience {
  /** N E */
  readonly rows: number;
  /** E */
  readonly envs: number;
  /** Normalised stacks [rows, To·D]. */
  readonly states: Float32Array;
  /** Normalised chunks [rows, H·A]. */
  readonly chunks: Float32Array;
  /** Normalised stacks that followed; at a time limit those before the reset. */
  readonly nextStates: Float32Array;
  readonly rewards: Float32Array;
  /** 1 where no value follows. */
  readonly terminated: Float32Array;
}

/** Reads a rollout of a single network as experience; `rewardFactor` multiplies the rewards. */
export async function readExperience(
  device: Device,
  policy: Policy,
  collector: RolloutCollector,
  record: RolloutRecord,
  rewardFactor: number,
): Promise<Experience> {
  const { finalStates } = collector;
  const [states, chunks, last, final] = await device.readAll([
    collector.states, collector.chains, collector.lastStates, ...(finalStates === undefined ? [] : [finalStates]),
  ]) as [Float32Array, Float32Array, Float32Array, Float32Array | undefined];
  const width = policy.conditionWidth;
  const rows = record.rewards.length;
  const envs = last.length / width;
  const nextStates = new Float32Array(rows * width);
  nextStates.set(states.subarray(envs * width));
  nextStates.set(last, (rows - envs) * width);
  for (const [row, isCut] of record.truncated.entries()) {
    if (isCut !== 0 && final !== undefined) nextStates.set(final.subarray(row * width, (row + 1) * width), row * width);
  }
  return {
    rows,
    envs,
    states,
    chunks,
    nextStates,
    rewards: record.rewards.map((reward) => rewardFactor * reward),
    terminated: record.terminated.slice(),
  };
}

/** Some rows of an experience. */
export function selectRows(experience: Experience, rows: Uint32Array): ReplayRows {
  const taken = (data: Float32Array): Float32Array => {
    const width = data.length / experience.rows;
    const result = new Float32Array(rows.length * width);
    for (const [at, row] of rows.entries()) result.set(data.subarray(row * width, (row + 1) * width), at * width);
    return result;
  };
  return {
    rows: rows.length,
    states: taken(experience.states),
    chunks: taken(experience.chunks),
    nextStates: taken(experience.nextStates),
    rewards: taken(experience.rewards),
    terminated: taken(experience.terminated),
  };
}

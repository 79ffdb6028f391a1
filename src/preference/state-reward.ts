import { DifftuneError } from "../core/errors.js";
import type { Device } from "../engine/device.js";
import { compileFeatures } from "./expression.js";
import { RewardModel } from "./reward-model.js";

/** Rewards of raw states, one each: what fine-tuning sums over the states that a chunk reached. */
export interface StateReward extends Disposable {
  /** Names of the columns of a state: those of the environment's observation. */
  readonly columns: readonly string[];
  /** Rewards [n] of states [n, columns]; every one is finite. */
  score(states: Float32Array): Promise<Float32Array>;
  /** Frees it. Twice is once. */
  close(): void;
}

/** A reward that is written as a function: rewards [n] of states [n, columns]. */
export type ScoreStates = (states: Float32Array) => ArrayLike<number> | Promise<ArrayLike<number>>;

/**
 * What a reward of states can be given as: a learned model, the bytes of its file, or a function. The features of a model are
 * expressions of the columns (see `compileFeatures`), so that its file is all there is to it.
 */
export type StateRewardSource = RewardModel | Uint8Array | ScoreStates;

/**
 * Makes a reward ready for states with these columns. A model whose features name others is refused.
 *
 * @param rows states that a model scores at once
 * @example
 * using reward = await openStateReward(device, await readFile("reward.safetensors"), env.observationSpace.names);
 * const rewards = await reward.score(states);
 */
export async function openStateReward(device: Device, source: StateRewardSource, columns: readonly string[], options: { readonly rows?: number } = {}): Promise<StateReward> {
  if (typeof source === "function") return checked(columns, source, () => undefined);
  const model = source instanceof RewardModel ? source : RewardModel.load(source);
  const { compute } = await compileFeatures(model.shape.features, columns);
  const scorer = await model.on(device, options);
  return checked(columns, (states) => scorer.rewards(compute(states)), () => { scorer.close(); });
}

function checked(columns: readonly string[], score: ScoreStates, close: () => void): StateReward {
  return {
    columns,
    score: async (states) => {
      const count = states.length / columns.length;
      if (!Number.isSafeInteger(count)) {
        throw new DifftuneError("SHAPE", `${states.length} numbers are no states of ${columns.length} columns.`, { expected: columns.length, got: states.length });
      }
      const rewards = Float32Array.from(await score(states));
      if (rewards.length !== count) {
        throw new DifftuneError("SHAPE", `The reward gave ${rewards.length} numbers for ${count} states.`, { hint: "It gives one for each.", expected: count, got: rewards.length });
      }
      const index = rewards.findIndex((reward) => !Number.isFinite(reward));
      if (index >= 0) throw new DifftuneError("DIVERGENCE", `The reward of state ${index} is ${rewards[index]}.`, { index, got: rewards[index] });
      return rewards;
    },
    close,
    [Symbol.dispose]: close,
  };
}

import type { ProgramRecorder } from "../engine/program.js";
import type { Tensor } from "../engine/tensor.js";
import { affineColumns } from "../kernels/nn/affine-columns.js";
import { columnSum } from "../kernels/nn/columns.js";
import { rowGather } from "../kernels/nn/row-gather.js";
import { advantageStatistics, advantageStatisticsLength } from "../kernels/rl/advantage-statistics.js";
import { lossStatistics } from "../kernels/rl/loss-statistics.js";
import { ppoLoss, ppoSchedule, ppoStatistics } from "../kernels/rl/ppo-loss.js";
import type { Critic } from "../nn/critic.js";
import { forwardDensity, inferDensity } from "../nn/density.js";
import type { StochasticMlp } from "../nn/stochastic-mlp.js";
import type { Trained } from "../nn/trained.js";
import { recordValueLoss, type Rollout, type ValueBatch } from "./ppo-update.js";

/** Options of the PPO objective for Gaussian and mixture policies (spec 9.5). */
export interface StochasticPpoOptions {
  /** Clip range of the ratio. */
  readonly clip: number;
  readonly normalizeAdvantages: boolean;
  /**
   * Range of a row's log-density (mean over the chunk of a Gaussian, joint of a mixture), outside of which it has no
   * gradient; null is none. The original's [-5, 2] saturates the mixture's joint density on both sides, so that its policy
   * hardly learns; null corrects that.
   */
  readonly logProbRange: readonly [number, number] | null;
  /** Weight of the entropy. */
  readonly entropyWeight: number;
  readonly valueClip: number | null;
  readonly valueWeight: number;
}

/** Names of the statistics of an update, in the order of the tensor that receives them. */
export const stochasticUpdateStatistics = [...ppoStatistics, "valueLoss", "entropy"] as const;

/** One minibatch of S samples. */
export interface StochasticBatch extends ValueBatch {
  /** Chunks that were sampled [S, H·A]. */
  readonly chunks: Tensor;
  /** Log-density of each when it was sampled [S]. */
  readonly oldLogProb: Tensor;
  readonly advantages: Tensor;
}

/** Records the losses of a minibatch and their gradients: policy and critic, forward and backward. */
export function recordStochasticPpoLoss(
  program: ProgramRecorder,
  model: { readonly policy: StochasticMlp; readonly critic: Critic },
  options: StochasticPpoOptions,
  tensors: {
    readonly actor: Pick<Trained, "values" | "gradients">;
    readonly critic: Pick<Trained, "values" | "gradients">;
    readonly batch: StochasticBatch;
    /** Receives {@link stochasticUpdateStatistics}. */
    readonly statistics: Tensor;
  },
  rows: number,
): void {
  const { batch, statistics, actor } = tensors;
  const { clip, entropyWeight, logProbRange, valueClip, valueWeight } = options;
  const moments = program.temporary([advantageStatisticsLength], "advantage statistics");
  advantageStatistics(program, { advantages: batch.advantages, statistics: moments }, { count: rows, quantiles: null });
  const density = forwardDensity(program, model.policy, actor.values, actor.gradients, { state: batch.state, chunks: batch.chunks }, rows);
  const dLogProb = program.temporary([rows], "log-density gradient");
  const partials = ppoLoss(program, {
    newLogProb: density.logProb,
    oldLogProb: batch.oldLogProb,
    advantages: batch.advantages,
    schedule: program.constant(ppoSchedule(1, { first: clip, last: clip, rate: 0 }, 1), "clip schedule"),
    statistics: moments,
    dlogp: dLogProb,
  }, {
    rows,
    width: 1,
    counted: 1,
    tunedSteps: 1,
    updateForm: "step",
    normalizeAdvantages: options.normalizeAdvantages,
    clampToQuantiles: false,
    advantageLimit: null,
    logProbRange,
    reduction: "mean",
    clampOrder: "reduceFirst",
  });
  lossStatistics(program, partials, { statistics }, { at: 0 });
  const entropy = program.temporary([1], "mean entropy");
  columnSum(program, { x: density.entropy, out: entropy }, { rows, columns: 1, scale: 1 / rows });
  affineColumns(program, { src: entropy, dst: statistics }, { rows: 1, columns: 1, dstOffset: stochasticUpdateStatistics.indexOf("entropy") });
  density.backward(dLogProb, -entropyWeight / rows);
  recordValueLoss(program, model.critic, tensors, { rows, samples: rows, valueClip, valueWeight, at: stochasticUpdateStatistics.indexOf("valueLoss") });
}

/** Records the gathering of one minibatch of `batchSize` rows. */
export function recordStochasticMinibatch(
  program: ProgramRecorder,
  policy: StochasticMlp,
  rollout: Rollout,
  batchSize: number,
): { readonly batch: StochasticBatch; readonly moveTo: (offset: number) => void } {
  const width = policy.horizon * policy.actionSize;
  const launches: ReturnType<typeof rowGather>[] = [];
  const gathered = (source: Tensor, columns: number, label: string): Tensor => {
    const out = program.temporary([batchSize, columns], label);
    launches.push(rowGather(program, { source, index: rollout.permutation, out }, { rows: batchSize, width: columns }));
    return out;
  };
  return {
    batch: {
      state: gathered(rollout.states, policy.conditionWidth, "batch states"),
      chunks: gathered(rollout.chains, width, "batch chunks"),
      oldLogProb: gathered(rollout.oldLogProbs, 1, "batch old log-densities"),
      returns: gathered(rollout.returns, 1, "batch returns"),
      oldValues: gathered(rollout.oldValues, 1, "batch old values"),
      advantages: gathered(rollout.advantages, 1, "batch advantages"),
    },
    moveTo: (offset) => { for (const launch of launches) launch.update({ indexOffset: offset }); },
  };
}

/** Records the log-densities of `count` rows of a rollout under the policy as it stands, to their places in `oldLogProbs`. */
export function recordOldDensities(
  program: ProgramRecorder,
  policy: StochasticMlp,
  rollout: Pick<Rollout, "states" | "chains" | "oldLogProbs">,
  values: Tensor,
  count: number,
): { readonly moveTo: (offset: number) => void } {
  const width = policy.horizon * policy.actionSize;
  const state = program.temporary([count, policy.conditionWidth], "states");
  const chunks = program.temporary([count, width], "chunks");
  const taken = [
    { launch: affineColumns(program, { src: rollout.states, dst: state }, { rows: count, columns: policy.conditionWidth }), columns: policy.conditionWidth },
    { launch: affineColumns(program, { src: rollout.chains, dst: chunks }, { rows: count, columns: width }), columns: width },
  ];
  const { logProb } = inferDensity(program, policy, values, { state, chunks }, count);
  const kept = affineColumns(program, { src: logProb, dst: rollout.oldLogProbs }, { rows: count, columns: 1 });
  return {
    moveTo: (offset) => {
      for (const { launch, columns } of taken) launch.update({ srcOffset: offset * columns });
      kept.update({ dstOffset: offset });
    },
  };
}

import type { Launch, ProgramRecorder } from "../engine/program.js";
import type { Tensor } from "../engine/tensor.js";
import { lossStatistics, type lossStatisticsSpec } from "../kernels/rl/loss-statistics.js";
import type { adamwSpec } from "../kernels/optim/adamw.js";
import { recordOptimiserStep, type OptimiserOptions, type Trained } from "../nn/trained.js";
import { ppoStatistics } from "../kernels/rl/ppo-loss.js";

/** What ends a minibatch. */
export interface UpdateStepTensors {
  /** Left out while the critic warms up: the policy's gradient is then discarded. */
  readonly actor?: Trained | undefined;
  /** Left out where there is none. */
  readonly critic?: Trained | undefined;
  /** Norm, scale and non-finite entries of the policy's gradient, and of the critic's. */
  readonly actorNorm: Tensor;
  readonly criticNorm: Tensor;
  /** Statistics of the minibatch, the first of them those of `ppoLoss`. */
  readonly statistics: Tensor;
  /** Receives them, one row a minibatch; rows of minibatches after the flag are left as they are. */
  readonly log: Tensor;
  /** One u32, 0 before an update: where it is set nothing moves. */
  readonly stop: Tensor;
}

/** The launches of a recorded step that change from run to run. */
export interface UpdateStep {
  readonly actor: Launch<typeof adamwSpec.params> | undefined;
  readonly critic: Launch<typeof adamwSpec.params> | undefined;
  readonly log: Launch<typeof lossStatisticsSpec.params>;
}

/**
 * Records the optimisers' steps of a minibatch, then writes its statistics to the log and raises the stop flag where the
 * approximate KL is above its target: a minibatch that goes too far is still learned from, those after it are not (spec 9.4).
 */
export function recordUpdateStep(
  program: ProgramRecorder,
  tensors: UpdateStepTensors,
  options: { readonly actor: OptimiserOptions; readonly critic: OptimiserOptions; readonly targetKl: number | null },
): UpdateStep {
  const { actor, critic, actorNorm, criticNorm, statistics, log, stop } = tensors;
  const actorStep = actor && recordOptimiserStep(program, actor, options.actor, { norm: actorNorm, stop });
  const criticStep = critic && recordOptimiserStep(program, critic, options.critic, { norm: criticNorm, stop });
  const row = { tensor: statistics, columns: statistics.length, blocks: 1, divisor: 1 };
  const { targetKl } = options;
  const logged = lossStatistics(program, row, { statistics: log, stop }, {
    at: 0,
    ...(targetKl === null ? {} : { stopAbove: { column: ppoStatistics.indexOf("approxKl"), limit: targetKl } }),
  });
  return { actor: actorStep, critic: criticStep, log: logged };
}

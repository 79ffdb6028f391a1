import { invariant } from "../core/errors.js";
import type { ProgramRecorder } from "../engine/program.js";
import type { Tensor } from "../engine/tensor.js";
import type { Critic } from "../nn/critic.js";
import type { StochasticMlp } from "../nn/stochastic-mlp.js";
import type { Trained } from "../nn/trained.js";
import {
  measuredStatistics, ppoUpdateStatistics, recordImitated, recordMinibatch, recordOldLogProbs, recordPpoLoss, type PpoModel, type PpoOptions, type Rollout,
} from "./ppo-update.js";
import {
  recordOldDensities, recordStochasticMinibatch, recordStochasticPpoLoss, stochasticUpdateStatistics, type StochasticPpoOptions,
} from "./stochastic-update.js";

/** Where the losses of a minibatch leave their gradients and statistics. */
export interface LossTensors {
  readonly actor: Pick<Trained, "values" | "gradients">;
  readonly critic: Pick<Trained, "values" | "gradients"> | undefined;
  readonly statistics: Tensor;
}

/** A recorded minibatch: where in the permutation it stands, and which noise it draws. */
export interface MovableBatch {
  readonly moveTo: (offset: number) => void;
  /** Chooses the minibatch's own noise; without effect where none is drawn. */
  readonly drawFor: (minibatch: number) => void;
  /** Sets the weight of a transition's divergence from the frozen policy; without effect where none is in the loss. */
  readonly weighDivergence: (weight: number) => void;
}

/** What a kind of policy learns from a rollout of N·E rows. */
export interface Objective {
  /** Entries of the permutation that minibatches are cut from. */
  readonly entries: number;
  /** Entries of the old log-densities: what {@link recordOld} walks over. */
  readonly densities: number;
  /** Elements of the old log-densities. */
  readonly oldLength: number;
  /** Names of the statistics of a minibatch. */
  readonly columns: readonly string[];
  /** Those of them that are measured. */
  readonly measured: readonly string[];
  /** Records the old log-densities of `count` entries, from an offset on, and what the frozen policy gives for them where the rollout keeps it. */
  recordOld(program: ProgramRecorder, values: Tensor, rollout: Omit<Rollout, "permutation">, identity: Tensor, count: number): { readonly moveTo: (offset: number) => void };
  /** Records the losses of a minibatch of `batchSize` entries and their gradients. */
  recordLoss(program: ProgramRecorder, rollout: Rollout, tensors: LossTensors, batchSize: number): MovableBatch;
}

/** The objective over denoising chains: DPPO. */
export function chainObjective(
  model: PpoModel,
  options: PpoOptions,
  run: { readonly rows: number; readonly frozen: Tensor; readonly seed: number },
): Objective {
  const transitions = run.rows * model.tunedSteps;
  return {
    entries: options.updateForm === "step" ? transitions : run.rows,
    densities: transitions,
    oldLength: transitions * model.denoiser.width,
    columns: ppoUpdateStatistics,
    measured: measuredStatistics(options, model.critic !== undefined),
    recordOld: (program, values, rollout, identity, count) =>
      recordOldLogProbs(program, model, { ...rollout, permutation: identity }, { values, frozen: run.frozen }, count, options.divergence),
    recordLoss: (program, rollout, tensors, batchSize) => {
      const { batch, sampleStates, rows, moveTo } = recordMinibatch(program, model, rollout, { updateForm: options.updateForm, batchSize });
      const imitation = (options.cloningWeight ?? 0) === 0
        ? undefined
        : recordImitated(program, model, { frozen: run.frozen, state: sampleStates }, { samples: rows.samples, seed: run.seed });
      const { weigh } = recordPpoLoss(program, model, options, { ...tensors, batch: { ...batch, imitated: imitation?.imitated } }, rows);
      return { moveTo, drawFor: (minibatch) => { imitation?.drawFor(minibatch); }, weighDivergence: weigh };
    },
  };
}

/** The objective over sampled chunks: PPO on Gaussian and mixture policies. */
export function chunkObjective(
  model: { readonly policy: StochasticMlp; readonly critic: Critic },
  options: StochasticPpoOptions,
  run: { readonly rows: number },
): Objective {
  return {
    entries: run.rows,
    densities: run.rows,
    oldLength: run.rows,
    columns: stochasticUpdateStatistics,
    measured: stochasticUpdateStatistics,
    recordOld: (program, values, rollout, _identity, count) => recordOldDensities(program, model.policy, rollout, values, count),
    recordLoss: (program, rollout, tensors, batchSize) => {
      const { batch, moveTo } = recordStochasticMinibatch(program, model.policy, rollout, batchSize);
      const { critic } = tensors;
      invariant(critic !== undefined, "PPO on chunks learns values");
      recordStochasticPpoLoss(program, model, options, { ...tensors, critic, batch }, batchSize);
      return { moveTo, drawFor: () => undefined, weighDivergence: () => undefined };
    },
  };
}

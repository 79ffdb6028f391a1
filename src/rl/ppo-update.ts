import { DifftuneError } from "../core/errors.js";
import type { Launch, ProgramRecorder } from "../engine/program.js";
import type { Tensor } from "../engine/tensor.js";
import { forwardLikelihood, type Transitions } from "../diffusion/likelihood.js";
import type { DiffusionProcess, ProcessTables } from "../diffusion/process.js";
import { advantageStatistics, advantageStatisticsLength } from "../kernels/rl/advantage-statistics.js";
import { cloningLoss } from "../kernels/rl/cloning-loss.js";
import { lossStatistics } from "../kernels/rl/loss-statistics.js";
import { ppoGather } from "../kernels/rl/ppo-gather.js";
import { ppoLoss, ppoSchedule, ppoStatistics, type ClipSchedule } from "../kernels/rl/ppo-loss.js";
import { valueLoss } from "../kernels/rl/value-loss.js";
import { rowGather } from "../kernels/nn/row-gather.js";
import type { Critic } from "../nn/critic.js";
import type { Denoiser } from "../nn/denoiser.js";
import { accumulateGradients, type Trained } from "../nn/trained.js";

/** Options of the PPO objective over denoising chains (spec 9); what is null is off. */
export interface PpoOptions {
  /**
   * `step` (release 0.6 and later): a minibatch holds single transitions. `chain` (release 0.5): it holds samples, each
   * with its whole chain.
   */
  readonly updateForm: "step" | "chain";
  /** Clip range of the ratio, from the noisiest tuned transition to the last. */
  readonly clip: ClipSchedule;
  /** Factor of the advantage for each transition further from the final one. */
  readonly denoisingDiscount: number;
  /** Actions of a chunk, from the first, whose likelihood counts. */
  readonly rewardHorizon: number;
  /** Default true. */
  readonly normalizeAdvantages?: boolean;
  /** Quantiles to which advantages are clamped; null (default) clamps nothing. */
  readonly advantageQuantiles?: readonly [number, number] | null;
  /** Largest magnitude of a normalised advantage; null (default) is none. */
  readonly advantageLimit?: number | null;
  /** Range of elementwise log-densities; null is none. Default [-5, 2]. */
  readonly logProbRange?: readonly [number, number] | null;
  /** Whether a row's log-densities are averaged (default) or summed. */
  readonly reduction?: "mean" | "sum";
  /** Largest change of the critic's value; null (default) is none. */
  readonly valueClip?: number | null;
  /** Weight of the value loss. Default 0.5. */
  readonly valueWeight?: number;
  /** Weight of the imitation of the frozen policy. Default 0. */
  readonly cloningWeight?: number;
  /** The update stops once the approximate KL of a minibatch is above this; null (default) never stops. */
  readonly targetKl?: number | null;
}

/** The networks of an update and the process they belong to. */
export interface PpoModel {
  readonly denoiser: Denoiser;
  readonly critic: Critic;
  readonly process: DiffusionProcess;
  readonly tables: ProcessTables;
  /** K'. */
  readonly tunedSteps: number;
  /** Elements of one action. */
  readonly actionSize: number;
}

/** One minibatch. R transitions; S samples, S = R in `step` form and R / K' in `chain` form. */
export interface PpoBatch {
  readonly transitions: Transitions;
  /** j of each transition, 0 the noisiest, u32 [R]. */
  readonly chainIndex: Tensor;
  /** Elementwise log-densities when the samples were drawn [R, width]. */
  readonly oldLogProb: Tensor;
  /** States of the samples [S, conditionWidth]. */
  readonly state: Tensor;
  readonly returns: Tensor;
  readonly oldValues: Tensor;
  readonly advantages: Tensor;
  /** Transitions of the frozen policy at the same states, imitated where `cloningWeight` is not 0. */
  readonly imitated?: { readonly transitions: Transitions; readonly rows: number } | undefined;
}

/** Names of the statistics of an update, in the order of the tensor that receives them. */
export const ppoUpdateStatistics = [...ppoStatistics, "valueLoss", "cloningLoss"] as const;

/**
 * Records the losses of a minibatch and their gradients: actor and critic, forward and backward (spec 9.2, 9.3).
 * `recordSteps` records the optimisers' steps; it is called when the gradients are there and before the stop flag can rise,
 * because a minibatch that goes too far is still learned from, and only those after it are not (spec 9.4). Without a
 * `targetKl` the steps can as well be recorded afterwards.
 */
export function recordPpoLoss(
  program: ProgramRecorder,
  model: PpoModel,
  options: PpoOptions,
  tensors: {
    readonly actor: Pick<Trained, "values" | "gradients">;
    readonly critic: Pick<Trained, "values" | "gradients">;
    readonly batch: PpoBatch;
    /** Receives {@link ppoUpdateStatistics}. */
    readonly statistics: Tensor;
    /** One u32, 0 before an update: set once the approximate KL is above its target, see `adamw`. */
    readonly stop?: Tensor | undefined;
  },
  rows: { readonly transitions: number; readonly samples: number },
  recordSteps?: () => void,
): void {
  const { denoiser, critic, process, tables, tunedSteps } = model;
  const { batch, statistics, stop } = tensors;
  const { width } = denoiser;
  const R = rows.transitions;
  const S = rows.samples;
  checkBatch(options, model, R, S);
  const targetKl = options.targetKl ?? null;
  if (targetKl !== null && (stop === undefined || recordSteps === undefined)) {
    throw new DifftuneError("OPTION", "targetKl needs the stop flag and recordSteps.", {
      hint: "The optimisers' steps stand between the gradients and the flag.",
    });
  }
  const obeyed = stop === undefined ? { statistics } : { statistics, stop };
  const logProbRange = options.logProbRange === undefined ? ([-5, 2] as const) : options.logProbRange;
  const cloningWeight = options.cloningWeight ?? 0;

  const moments = program.temporary([advantageStatisticsLength], "advantage statistics");
  const quantiles = options.advantageQuantiles ?? null;
  advantageStatistics(program, { advantages: batch.advantages, statistics: moments }, { count: S, quantiles });

  const likelihood = forwardLikelihood(program, denoiser, process, tables, tensors.actor.values, tensors.actor.gradients, batch.transitions, R);
  const dLogProb = program.temporary([R, width], "log-density gradient");
  const policyPartials = ppoLoss(program, {
    newLogProb: likelihood.logProb,
    oldLogProb: batch.oldLogProb,
    advantages: batch.advantages,
    transitions: batch.chainIndex,
    schedule: program.constant(ppoSchedule(tunedSteps, options.clip, options.denoisingDiscount), "clip schedule"),
    statistics: moments,
    dlogp: dLogProb,
  }, {
    rows: R,
    width,
    counted: Math.min(options.rewardHorizon * model.actionSize, width),
    tunedSteps,
    updateForm: options.updateForm,
    normalizeAdvantages: options.normalizeAdvantages ?? true,
    clampToQuantiles: quantiles !== null,
    advantageLimit: options.advantageLimit ?? null,
    logProbRange,
    reduction: options.reduction ?? "mean",
    clampOrder: "clampFirst",
  });
  likelihood.backward(dLogProb);

  if (cloningWeight !== 0) {
    if (batch.imitated === undefined) throw new DifftuneError("OPTION", "cloningWeight needs transitions of the frozen policy to imitate.");
    const gradients = program.temporary([denoiser.layout.length], "imitation gradients");
    const imitated = forwardLikelihood(
      program, denoiser, process, tables, tensors.actor.values, gradients, batch.imitated.transitions, batch.imitated.rows,
    );
    const dImitated = program.temporary([batch.imitated.rows, width], "imitated log-density gradient");
    const partials = cloningLoss(program, { logp: imitated.logProb, dlogp: dImitated }, {
      count: batch.imitated.rows * width, logProbRange, gradientScale: cloningWeight,
    });
    lossStatistics(program, partials, obeyed, { at: ppoUpdateStatistics.indexOf("cloningLoss") });
    imitated.backward(dImitated);
    accumulateGradients(program, denoiser.layout, gradients, tensors.actor.gradients);
  }

  const values = critic.forward(program, tensors.critic.values, tensors.critic.gradients, batch.state, S);
  const dValues = program.temporary([S, 1], "value gradient");
  const valuePartials = valueLoss(program, {
    values: values.output, returns: batch.returns, oldValues: batch.oldValues, dvalues: dValues,
  }, { count: S, clip: options.valueClip ?? null, gradientScale: options.valueWeight ?? 0.5 });
  lossStatistics(program, valuePartials, obeyed, { at: ppoUpdateStatistics.indexOf("valueLoss") });
  values.backward(dValues);

  recordSteps?.();
  lossStatistics(program, policyPartials, obeyed, {
    at: 0,
    ...(targetKl === null ? {} : { stopAbove: { column: ppoStatistics.indexOf("approxKl"), limit: targetKl } }),
  });
}

/** A rollout on a device. N rows (environment steps times environments, time-major). */
export interface Rollout {
  /** [N, conditionWidth] */
  readonly states: Tensor;
  /** [N, K' + 1, width] */
  readonly chains: Tensor;
  /** [N, K', width] */
  readonly oldLogProbs: Tensor;
  /** [N] */
  readonly returns: Tensor;
  readonly oldValues: Tensor;
  readonly advantages: Tensor;
  /** Permutation, u32: of the N K' transitions in `step` form, of the N rows in `chain` form. */
  readonly permutation: Tensor;
}

/** A minibatch gathered from a rollout, and how to move it to another place of the permutation. */
export interface GatheredBatch {
  readonly batch: PpoBatch;
  readonly rows: { readonly transitions: number; readonly samples: number };
  /** Moves to the part of the permutation that starts at `offset`, for the runs that follow. */
  moveTo(offset: number): void;
}

/** Records the gathering of one minibatch (spec 9.1): `batchSize` transitions in `step` form, samples in `chain` form. */
export function recordMinibatch(
  program: ProgramRecorder,
  model: PpoModel,
  rollout: Rollout,
  options: { readonly updateForm: "step" | "chain"; readonly batchSize: number },
): GatheredBatch {
  const { denoiser, process, tables, tunedSteps } = model;
  const { width, conditionWidth } = denoiser;
  const { batchSize, updateForm } = options;
  const R = updateForm === "step" ? batchSize : batchSize * tunedSteps;
  const words = (label: string): Tensor => program.temporary([R], label, "u32");
  const row = words("batch rows");
  const chainIndex = words("batch chain indices");
  const flat = words("batch transitions");
  const step = words("batch steps");
  const time = words("batch times");
  const gather = ppoGather(program, { permutation: rollout.permutation, rows: row, transitions: chainIndex, flat, steps: step }, {
    count: R, offset: 0, tunedSteps, firstStep: process.stepCount - tunedSteps, updateForm,
  });
  rowGather(program, { source: tables.times, index: step, out: time }, { rows: R, width: 1 });

  const gathered = (source: Tensor, index: Tensor, rows: number, columns: number, label: string, base?: number): Tensor => {
    const out = program.temporary([rows, columns], label);
    const map = base === undefined ? {} : { map: { divisor: tunedSteps, quotientStride: tunedSteps + 1, remainderStride: 1, base } };
    rowGather(program, { source, index, out }, { rows, width: columns, ...map });
    return out;
  };
  const actorState = gathered(rollout.states, row, R, conditionWidth, "batch states");
  const transitions: Transitions = {
    state: actorState,
    from: gathered(rollout.chains, flat, R, width, "batch latents", 0),
    to: gathered(rollout.chains, flat, R, width, "batch next latents", 1),
    step,
    time,
  };
  const oldLogProb = gathered(rollout.oldLogProbs, flat, R, width, "batch old log-densities");

  const moved: Launch<{ readonly indexOffset: "u32" }>[] = [];
  /** A column of samples: in `chain` form the permutation itself names their rows. */
  const perSample = (source: Tensor, columns: number, label: string): Tensor => {
    if (updateForm === "step") return gathered(source, row, batchSize, columns, label);
    const out = program.temporary([batchSize, columns], label);
    moved.push(rowGather(program, { source, index: rollout.permutation, out }, { rows: batchSize, width: columns }));
    return out;
  };
  return {
    batch: {
      transitions,
      chainIndex,
      oldLogProb,
      state: updateForm === "step" ? actorState : perSample(rollout.states, conditionWidth, "sample states"),
      returns: perSample(rollout.returns, 1, "batch returns"),
      oldValues: perSample(rollout.oldValues, 1, "batch old values"),
      advantages: perSample(rollout.advantages, 1, "batch advantages"),
    },
    rows: { transitions: R, samples: batchSize },
    moveTo: (offset) => {
      gather.update({ offset });
      for (const launch of moved) launch.update({ indexOffset: offset });
    },
  };
}

function checkBatch(options: PpoOptions, model: PpoModel, transitions: number, samples: number): void {
  const perSample = options.updateForm === "chain" ? model.tunedSteps : 1;
  if (transitions !== samples * perSample) {
    throw new DifftuneError("SHAPE", `${transitions} transitions do not belong to ${samples} samples in ${options.updateForm} form.`, {
      expected: samples * perSample,
      got: transitions,
    });
  }
  if (model.tunedSteps < 1 || model.tunedSteps > model.process.stepCount) {
    throw new DifftuneError("OPTION", `tunedSteps must be from 1 to the ${model.process.stepCount} executed steps.`, { got: model.tunedSteps });
  }
  if (!Number.isSafeInteger(options.rewardHorizon) || options.rewardHorizon < 1) {
    throw new DifftuneError("OPTION", "rewardHorizon must be a positive whole number of actions.", { got: options.rewardHorizon });
  }
}

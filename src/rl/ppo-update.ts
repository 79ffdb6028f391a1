import { DifftuneError } from "../core/errors.js";
import { randomStreams } from "../core/random-streams.js";
import type { Launch, ProgramRecorder } from "../engine/program.js";
import type { Tensor } from "../engine/tensor.js";
import { forwardLikelihood, inferDivergence, inferLikelihood, type DivergenceMeasure, type Transitions } from "../diffusion/likelihood.js";
import type { DiffusionProcess, ProcessTables } from "../diffusion/process.js";
import { recordSampling } from "../diffusion/sampling.js";
import { advantageStatistics, advantageStatisticsLength } from "../kernels/rl/advantage-statistics.js";
import { cloningLoss } from "../kernels/rl/cloning-loss.js";
import { lossStatistics } from "../kernels/rl/loss-statistics.js";
import { ppoGather } from "../kernels/rl/ppo-gather.js";
import { rowCounts } from "../kernels/rl/row-counts.js";
import { ppoLoss, ppoSchedule, ppoStatistics, type ClipSchedule } from "../kernels/rl/ppo-loss.js";
import { valueLoss } from "../kernels/rl/value-loss.js";
import { affineColumns } from "../kernels/nn/affine-columns.js";
import { rowGather, type RowGatherOptions } from "../kernels/nn/row-gather.js";
import { randomNormal } from "../kernels/rng/random.js";
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
  /** What is held small besides: the divergence from the frozen policy by this measure; null (default) is nothing. */
  readonly divergence?: DivergenceMeasure | null;
}

/** The networks of an update and the process they belong to. */
export interface PpoModel {
  readonly denoiser: Denoiser;
  /** Left out where advantages need no values. */
  readonly critic?: Critic | undefined;
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
  /** What the critic learns from, where there is one: the samples, or the rows of the rollout by how often they are among the samples. */
  readonly valued?: ValueBatch | undefined;
  /** j of each transition, 0 the noisiest, u32 [R]. */
  readonly chainIndex: Tensor;
  /** Elementwise log-densities when the samples were drawn [R, width]. */
  readonly oldLogProb: Tensor;
  readonly advantages: Tensor;
  /** Mean and deviation that advantages are normalised by; by default those of the minibatch. */
  readonly advantageMoments?: Tensor | undefined;
  /** Means or predictions of the frozen policy for the same transitions [R, width], where a divergence is held small. */
  readonly frozen?: Tensor | undefined;
  /** Transitions of the frozen policy at the same states, imitated where `cloningWeight` is not 0. */
  readonly imitated?: { readonly transitions: Transitions; readonly rows: number } | undefined;
}

/** Names of the statistics of an update, in the order of the tensor that receives them. */
export const ppoUpdateStatistics = [...ppoStatistics, "valueLoss", "cloningLoss", "divergence"] as const;

/** Those of them that an update with these options measures; the others stay as they are. */
export function measuredStatistics(options: PpoOptions, hasCritic: boolean): readonly string[] {
  const isMeasured: Readonly<Record<string, boolean>> = {
    valueLoss: hasCritic, cloningLoss: (options.cloningWeight ?? 0) !== 0, divergence: (options.divergence ?? null) !== null,
  };
  return ppoUpdateStatistics.filter((name) => isMeasured[name] ?? true);
}

/** What changes of a recorded loss from run to run. */
export interface WeighedLoss {
  /** Sets the weight of a transition's divergence, as a mean over the minibatch; 0 until then. */
  readonly weigh: (weight: number) => void;
}

/**
 * Records the losses of a minibatch and their gradients: actor and critic, forward and backward (spec 9.2, 9.3). The
 * optimisers' steps follow in a program of their own, see `recordUpdateStep`.
 */
export function recordPpoLoss(
  program: ProgramRecorder,
  model: PpoModel,
  options: PpoOptions,
  tensors: {
    readonly actor: Pick<Trained, "values" | "gradients">;
    readonly critic?: Pick<Trained, "values" | "gradients"> | undefined;
    readonly batch: PpoBatch;
    /** Receives {@link ppoUpdateStatistics}. */
    readonly statistics: Tensor;
  },
  rows: { readonly transitions: number; readonly samples: number },
): WeighedLoss {
  const { denoiser, critic, process, tables, tunedSteps } = model;
  const { batch, statistics } = tensors;
  const { width } = denoiser;
  const R = rows.transitions;
  const S = rows.samples;
  checkBatch(options, model, R, S);
  const logProbRange = options.logProbRange === undefined ? ([-5, 2] as const) : options.logProbRange;
  const cloningWeight = options.cloningWeight ?? 0;

  const quantiles = options.advantageQuantiles ?? null;
  const moments = batch.advantageMoments ?? program.temporary([advantageStatisticsLength], "advantage statistics");
  if (batch.advantageMoments === undefined) advantageStatistics(program, { advantages: batch.advantages, statistics: moments }, { count: S, quantiles });

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
  const measure = options.divergence ?? null;
  if (measure !== null && batch.frozen === undefined) throw new DifftuneError("OPTION", "A divergence needs what the frozen policy gives for the transitions.");
  const divergence = measure === null ? undefined : likelihood.divergence(batch.frozen!, 0, measure);
  if (divergence !== undefined) {
    lossStatistics(program, { tensor: divergence.values, columns: 1, blocks: R, divisor: R }, { statistics }, { at: ppoUpdateStatistics.indexOf("divergence") });
  }
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
    lossStatistics(program, partials, { statistics }, { at: ppoUpdateStatistics.indexOf("cloningLoss") });
    imitated.backward(dImitated);
    accumulateGradients(program, denoiser.layout, gradients, tensors.actor.gradients);
  }

  lossStatistics(program, policyPartials, { statistics }, { at: 0 });
  if (critic !== undefined && tensors.critic !== undefined && batch.valued !== undefined) {
    recordValueLoss(program, critic, { critic: tensors.critic, batch: batch.valued, statistics }, {
      rows: batch.valued.state.shape[0]!, samples: S, valueClip: options.valueClip ?? null, valueWeight: options.valueWeight ?? 0.5, at: ppoUpdateStatistics.indexOf("valueLoss"),
    });
  }
  return { weigh: (weight) => { divergence?.weigh(weight / R); } };
}

/** What the critic of a minibatch learns from, one number a row. */
export interface ValueBatch {
  /** States of the rows [rows, conditionWidth]. */
  readonly state: Tensor;
  readonly returns: Tensor;
  readonly oldValues: Tensor;
  /** How often each row is in the minibatch; once by default. */
  readonly weights?: Tensor | undefined;
}

/** Records the value loss of a minibatch and its gradient (spec 9.3). */
export function recordValueLoss(
  program: ProgramRecorder,
  critic: Critic,
  tensors: { readonly critic: Pick<Trained, "values" | "gradients">; readonly batch: ValueBatch; readonly statistics: Tensor },
  options: {
    readonly rows: number;
    /** Samples of the minibatch: the sum of the weights. */
    readonly samples: number;
    /** Largest change of the critic's value; null is none. */
    readonly valueClip: number | null;
    readonly valueWeight: number;
    /** Place of the loss in the statistics. */
    readonly at: number;
  },
): void {
  const { rows, samples, valueClip, valueWeight, at } = options;
  const { batch, statistics } = tensors;
  const values = critic.forward(program, tensors.critic.values, tensors.critic.gradients, batch.state, rows);
  const dValues = program.temporary([rows, 1], "value gradient");
  const partials = valueLoss(program, {
    values: values.output, returns: batch.returns, oldValues: batch.oldValues, weights: batch.weights, dvalues: dValues,
  }, { count: rows, total: samples, clip: valueClip, gradientScale: valueWeight });
  lossStatistics(program, partials, { statistics }, { at });
  values.backward(dValues);
}

/** What the frozen policy would have done from the latents of a rollout; computed once, because it never changes. */
export interface FrozenRecord {
  /** Its means, or with the measure `noise` its predictions [N, K', width]. */
  readonly outputs: Tensor;
  /** How far the policy that acted is from it by the measure `kernels`, one number a transition [N, K']. */
  readonly divergences: Tensor;
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
  /** Mean and deviation of all advantages [4], where minibatches are normalised by these and not by their own. */
  readonly advantageMoments?: Tensor | undefined;
  readonly frozen?: FrozenRecord | undefined;
  /** Permutation, u32: of the N K' transitions in `step` form, of the N rows in `chain` form. */
  readonly permutation: Tensor;
}

/** A minibatch gathered from a rollout, and how to move it to another place of the permutation. */
export interface GatheredBatch {
  readonly batch: PpoBatch;
  /** States of the samples [S, conditionWidth]. */
  readonly sampleStates: Tensor;
  readonly rows: { readonly transitions: number; readonly samples: number };
  /** Moves to the part of the permutation that starts at `offset`, for the runs that follow. */
  readonly moveTo: (offset: number) => void;
}

/** Transitions gathered from a rollout in the order of its permutation. */
interface GatheredTransitions {
  readonly transitions: Transitions;
  /** Row of the rollout of each transition, u32 [R]. */
  readonly row: Tensor;
  /** row K' + j, u32 [R]. */
  readonly flat: Tensor;
  readonly chainIndex: Tensor;
  readonly moveTo: (offset: number) => void;
}

type RolloutChains = Pick<Rollout, "states" | "chains" | "permutation">;

function gatherTransitions(
  program: ProgramRecorder,
  { denoiser, process, tunedSteps }: PpoModel,
  rollout: RolloutChains,
  count: number,
  updateForm: "step" | "chain",
): GatheredTransitions {
  const { width, conditionWidth } = denoiser;
  const words = (label: string): Tensor => program.temporary([count], label, "u32");
  const row = words("batch rows");
  const chainIndex = words("batch chain indices");
  const flat = words("batch transitions");
  const step = words("batch steps");
  const gather = ppoGather(program, { permutation: rollout.permutation, rows: row, transitions: chainIndex, flat, steps: step }, {
    count, offset: 0, tunedSteps, firstStep: process.stepCount - tunedSteps, updateForm,
  });
  const state = program.temporary([count, conditionWidth], "batch states");
  rowGather(program, { source: rollout.states, index: row, out: state }, { rows: count, width: conditionWidth });
  const latents = (label: string, base: number): Tensor => {
    const out = program.temporary([count, width], label);
    const map = { divisor: tunedSteps, quotientStride: tunedSteps + 1, remainderStride: 1, base };
    rowGather(program, { source: rollout.chains, index: flat, out }, { rows: count, width, map });
    return out;
  };
  return {
    transitions: { state, from: latents("batch latents", 0), to: latents("batch next latents", 1), step },
    row,
    flat,
    chainIndex,
    moveTo: (offset) => { gather.update({ offset }); },
  };
}

/**
 * Records the log-densities of `count` transitions of a rollout under the policy as it stands, to their places in
 * `oldLogProbs` (spec 6, step 5), and what the frozen policy gives for them where the rollout keeps it. The rollout's
 * permutation is here that which changes nothing.
 */
export function recordOldLogProbs(
  program: ProgramRecorder,
  model: PpoModel,
  rollout: RolloutChains & Pick<Rollout, "oldLogProbs" | "frozen">,
  parameters: { readonly values: Tensor; readonly frozen: Tensor },
  count: number,
  measure: DivergenceMeasure | null = null,
): { readonly moveTo: (offset: number) => void } {
  const { denoiser, process, tables } = model;
  const { width } = denoiser;
  const gathered = gatherTransitions(program, model, rollout, count, "step");
  const { transitions } = gathered;
  const old = inferLikelihood(program, denoiser, process, tables, parameters.values, transitions, count);
  const kept: { readonly launch: Launch<{ readonly dstOffset: "u32" }>; readonly columns: number }[] = [];
  const keep = (src: Tensor, dst: Tensor, columns: number): void => {
    kept.push({ launch: affineColumns(program, { src, dst }, { rows: count, columns }), columns });
  };
  keep(old.logProb, rollout.oldLogProbs, width);
  if (rollout.frozen !== undefined) {
    const frozen = inferLikelihood(program, denoiser, process, tables, parameters.frozen, transitions, count);
    keep(measure === "noise" ? frozen.prediction : frozen.mean, rollout.frozen.outputs, width);
    keep(inferDivergence(program, process, tables, { mean: old.mean, reference: frozen.mean, transitions }, count), rollout.frozen.divergences, 1);
  }
  return {
    moveTo: (offset) => {
      gathered.moveTo(offset);
      for (const { launch, columns } of kept) launch.update({ dstOffset: offset * columns });
    },
  };
}

/** Records the gathering of one minibatch (spec 9.1): `batchSize` transitions in `step` form, samples in `chain` form. */
export function recordMinibatch(
  program: ProgramRecorder,
  model: PpoModel,
  rollout: Rollout,
  options: { readonly updateForm: "step" | "chain"; readonly batchSize: number },
): GatheredBatch {
  const { width, conditionWidth } = model.denoiser;
  const { batchSize, updateForm } = options;
  const R = updateForm === "step" ? batchSize : batchSize * model.tunedSteps;
  const gathered = gatherTransitions(program, model, rollout, R, updateForm);
  const { transitions, chainIndex } = gathered;
  const perTransition = (source: Tensor, label: string): Tensor => {
    const out = program.temporary([R, width], label);
    rowGather(program, { source, index: gathered.flat, out }, { rows: R, width });
    return out;
  };
  const oldLogProb = perTransition(rollout.oldLogProbs, "batch old log-densities");

  const moved: (Launch<{ readonly indexOffset: "u32" }>)[] = [];
  /** A column of samples: in `chain` form the permutation itself names their rows. */
  const perSample = (source: Tensor, columns: number, label: string): Tensor => {
    const out = program.temporary([batchSize, columns], label);
    const index = updateForm === "step" ? gathered.row : rollout.permutation;
    const launch = rowGather(program, { source, index, out }, { rows: batchSize, width: columns });
    if (updateForm === "chain") moved.push(launch);
    return out;
  };
  const sampleStates = updateForm === "step" ? transitions.state : perSample(rollout.states, conditionWidth, "sample states");
  let counting: Launch<{ readonly offset: "u32" }> | undefined;
  /** Most rows are several times among single transitions: the critic sees each row once, with its number. */
  const valuedBatch = (): ValueBatch => {
    const rows = rollout.returns.length;
    if (updateForm !== "step" || rows >= batchSize) {
      return { state: sampleStates, returns: perSample(rollout.returns, 1, "batch returns"), oldValues: perSample(rollout.oldValues, 1, "batch old values") };
    }
    const weights = program.temporary([rows], "row counts");
    counting = rowCounts(program, { index: rollout.permutation, counts: weights }, { rows, count: batchSize, divisor: model.tunedSteps });
    return { state: rollout.states, returns: rollout.returns, oldValues: rollout.oldValues, weights };
  };
  return {
    batch: {
      transitions,
      chainIndex,
      oldLogProb,
      advantages: perSample(rollout.advantages, 1, "batch advantages"),
      advantageMoments: rollout.advantageMoments,
      frozen: rollout.frozen === undefined ? undefined : perTransition(rollout.frozen.outputs, "batch frozen outputs"),
      valued: model.critic === undefined ? undefined : valuedBatch(),
    },
    sampleStates,
    rows: { transitions: R, samples: batchSize },
    moveTo: (offset) => {
      gathered.moveTo(offset);
      counting?.update({ offset });
      for (const launch of moved) launch.update({ indexOffset: offset });
    },
  };
}

/** Transitions of the frozen policy at the states of a minibatch, and how to draw others in the runs that follow. */
export interface ImitatedBatch {
  readonly imitated: NonNullable<PpoBatch["imitated"]>;
  /** Chooses the noise by a number that no other minibatch of the run has. */
  readonly drawFor: (minibatch: number) => void;
}

/** Records whole chains of the frozen policy at the states of `samples` rows: what the imitation term learns from (spec 9.3). */
export function recordImitated(
  program: ProgramRecorder,
  { denoiser, process, tables, tunedSteps }: PpoModel,
  tensors: { readonly frozen: Tensor; readonly state: Tensor },
  options: { readonly samples: number; readonly seed: number },
): ImitatedBatch {
  const { samples, seed } = options;
  const { width, conditionWidth } = denoiser;
  const n = process.stepCount;
  const rows = samples * tunedSteps;
  const noise = program.temporary([n + 1, samples, width], "imitation noise");
  const draw = randomNormal(program, { out: noise }, { length: noise.length, seed: [seed, 0], stream: randomStreams.imitation, step: 0 });
  const chain = program.temporary([samples, tunedSteps + 1, width], "imitated chains");
  const chunk = program.temporary([samples, width], "imitated chunks");
  recordSampling(program, denoiser, process, tables, { frozen: tensors.frozen, tuned: tensors.frozen, state: tensors.state, noise, chunk, chain }, {
    rows: samples, tunedSteps, isDeterministic: false,
  });
  const everyRow = program.constant(Uint32Array.from({ length: rows }, (_, row) => row), "imitated rows", "u32");
  const step = program.constant(Uint32Array.from({ length: rows }, (_, row) => n - tunedSteps + (row % tunedSteps)), "imitated steps", "u32");
  const gathered = (source: Tensor, columns: number, label: string, map: RowGatherOptions["map"]): Tensor => {
    const out = program.temporary([rows, columns], label);
    rowGather(program, { source, index: everyRow, out }, { rows, width: columns, ...(map === undefined ? {} : { map }) });
    return out;
  };
  const latents = (label: string, base: number): Tensor =>
    gathered(chain, width, label, { divisor: tunedSteps, quotientStride: tunedSteps + 1, remainderStride: 1, base });
  return {
    imitated: {
      transitions: {
        state: gathered(tensors.state, conditionWidth, "imitated states", { divisor: tunedSteps, quotientStride: 1, remainderStride: 0, base: 0 }),
        from: latents("imitated latents", 0),
        to: latents("imitated next latents", 1),
        step,
      },
      rows,
    },
    drawFor: (minibatch) => { draw.update({ step: minibatch }); },
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

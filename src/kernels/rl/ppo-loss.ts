import { anyKernel, defineKernel, noLimit, type ParamValues } from "../../engine/kernel-spec.js";
import type { ProgramRecorder } from "../../engine/program.js";
import type { Tensor } from "../../engine/tensor.js";
import { advantageStatisticsLength } from "./advantage-statistics.js";
import type { LossPartials } from "./loss-statistics.js";

const blockSize = 256;
const cells = (p: ParamValues<{ readonly rows: "u32"; readonly width: "u32" }>): number => p.rows * p.width;

/** Columns of the statistics of {@link ppoLoss}, in order. */
export const ppoStatistics = ["policyLoss", "approxKl", "clipFraction", "ratio"] as const;

/** The clipped objective and its gradient on elementwise log-probabilities. */
export const ppoLossSpec = defineKernel({
  name: "rl/ppo_loss",
  lib: ["index", "reduce", "ratio"],
  params: {
    rows: "u32",
    width: "u32",
    counted: "u32",
    repeats: "u32",
    tunedSteps: "u32",
    normalise: "u32",
    hasLimits: "u32",
    hasTransitions: "u32",
    aggregateFirst: "u32",
    low: "f32",
    high: "f32",
    weight: "f32",
    advantageLimit: "f32",
    gradientScale: "f32",
  },
  buffers: {
    newLogProb: { access: "read", length: cells },
    oldLogProb: { access: "read", length: cells },
    advantages: { access: "read", length: (p) => p.rows / p.repeats },
    transitions: { access: "read", dtype: "u32", length: (p) => p.rows, optional: true },
    schedule: { access: "read", length: (p) => 2 * p.tunedSteps },
    statistics: { access: "read", length: () => advantageStatisticsLength, optional: true },
    dlogp: { access: "write", length: cells },
    partials: { access: "write", length: (p) => ppoStatistics.length * Math.ceil(p.rows / blockSize) },
  },
  units: (p) => Math.ceil(p.rows / blockSize),
  entryPoints: { main: (p) => [Math.ceil(p.rows / blockSize)] },
  check: (p) => {
    if (!(p.counted >= 1 && p.counted <= p.width)) return `${p.counted} of ${p.width} entries of a row count; it must be 1 to ${p.width}.`;
    if (p.tunedSteps < 1) return "there are no tuned steps.";
    if (p.repeats < 1 || p.rows % p.repeats !== 0) return `${p.rows} rows do not share advantages by ${p.repeats}.`;
    return undefined;
  },
});

/** How far the ratio may go, per transition. */
export interface ClipSchedule {
  /** Clip range of the noisiest tuned transition. */
  readonly first: number;
  /** Clip range of the last transition. */
  readonly last: number;
  /** How steeply the range grows between the two; 0 is linear. */
  readonly rate: number;
}

/**
 * Contents of the `schedule` of {@link ppoLoss}, [2, K']: clip ranges ε_j = first + (last − first)(e^{κτ} − 1)/(e^κ − 1)
 * with τ = j/(K' − 1) (`last` for K' = 1), then denoising weights discount^(K' − 1 − j).
 */
export function ppoSchedule(tunedSteps: number, clip: ClipSchedule, discount: number): Float32Array<ArrayBuffer> {
  const schedule = new Float32Array(2 * tunedSteps);
  for (let j = 0; j < tunedSteps; j++) {
    const tau = tunedSteps === 1 ? 1 : j / (tunedSteps - 1);
    const share = clip.rate === 0 ? tau : Math.expm1(clip.rate * tau) / Math.expm1(clip.rate);
    schedule[j] = clip.first + (clip.last - clip.first) * share;
    schedule[tunedSteps + j] = discount ** (tunedSteps - 1 - j);
  }
  return schedule;
}

/** What {@link ppoLoss} reads and writes. */
export interface PpoLossBuffers {
  /** [rows, width]: log-densities under the policy being tuned. */
  readonly newLogProb: Tensor;
  /** [rows, width]: log-densities when the samples were drawn. */
  readonly oldLogProb: Tensor;
  /** One a row (`step`), or one for every K' rows in a row (`chain`). */
  readonly advantages: Tensor;
  /** [rows] u32: transition j of each row. Left out, rows are whole chains in order: j = row mod K'. */
  readonly transitions?: Tensor | undefined;
  /** Contents of {@link ppoSchedule}. */
  readonly schedule: Tensor;
  /** Result of `advantageStatistics`; needed to normalise and to clamp. */
  readonly statistics?: Tensor | undefined;
  /** [rows, width]: gradient of the loss with respect to `newLogProb`. */
  readonly dlogp: Tensor;
}

/** Options of {@link ppoLoss}. */
export interface PpoLossOptions {
  readonly rows: number;
  /** H·A entries of a row. */
  readonly width: number;
  /** How many of them count, from the first: reward horizon times A. */
  readonly counted: number;
  /** K'; 1 where there is no chain. */
  readonly tunedSteps: number;
  /** `step`: every row has its own advantage. `chain`: K' rows in a row share one. */
  readonly updateForm: "step" | "chain";
  /** (A − mean)/(deviation + 1e-8) with the mean and deviation of `statistics`. */
  readonly normalizeAdvantages: boolean;
  /** Clamp advantages to the quantiles of `statistics` first. */
  readonly clampToQuantiles: boolean;
  /** Clamp advantages to ± this after normalising; null leaves them. */
  readonly advantageLimit: number | null;
  /** Range of log-densities, outside of which they have no gradient; null is none. */
  readonly logProbRange: readonly [number, number] | null;
  /** Whether the entries that count are averaged or summed to one log-density a row. */
  readonly reduction: "mean" | "sum";
  /** Clamp each entry and then reduce (diffusion), or reduce and then clamp (Gaussian and mixture policies). */
  readonly clampOrder: "clampFirst" | "reduceFirst";
  /** Multiplies the gradient, not the statistics; 1 by default. */
  readonly gradientScale?: number;
}

/**
 * Records the clipped objective mean max(−Aρ, −A clamp(ρ, 1 − ε_j, 1 + ε_j)) and its gradient. The result holds the sums
 * of {@link ppoStatistics}; give it to `lossStatistics`.
 */
export function ppoLoss(program: ProgramRecorder, buffers: PpoLossBuffers, options: PpoLossOptions): LossPartials {
  const { rows, width, counted, tunedSteps } = options;
  const [low, high] = options.logProbRange ?? [-noLimit, noLimit];
  const blocks = Math.ceil(rows / blockSize);
  const partials = program.temporary([ppoStatistics.length, blocks], "policy loss sums");
  program.launch(
    ppoLossSpec,
    {
      rows,
      width,
      counted,
      repeats: options.updateForm === "chain" ? tunedSteps : 1,
      tunedSteps,
      normalise: options.normalizeAdvantages ? 1 : 0,
      hasLimits: options.clampToQuantiles ? 1 : 0,
      hasTransitions: buffers.transitions === undefined ? 0 : 1,
      aggregateFirst: options.clampOrder === "reduceFirst" ? 1 : 0,
      low,
      high,
      weight: options.reduction === "mean" ? 1 / counted : 1,
      advantageLimit: options.advantageLimit ?? noLimit,
      gradientScale: (options.gradientScale ?? 1) / rows,
    },
    { ...buffers, partials },
  );
  return { tensor: partials, columns: ppoStatistics.length, blocks, divisor: rows };
}

export const ppoLossKernels = [anyKernel(ppoLossSpec)];

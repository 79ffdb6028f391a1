import { DifftuneError } from "../../core/errors.js";
import { anyKernel, defineKernel, type ParamValues } from "../../engine/kernel-spec.js";
import type { Launch, ProgramRecorder } from "../../engine/program.js";
import type { Tensor } from "../../engine/tensor.js";

const rules = { drop: 0, half: 1, davidson: 2 } as const;

/** How pairs labelled equal count: not at all, as half a win each, or as a third outcome of its own probability. */
export type TieRule = keyof typeof rules;

/** Columns of the statistics of {@link bradleyTerry}, in order. */
export const preferenceStatistics = ["loss", "accuracy", "strictPairs"] as const;

const scores = (p: ParamValues<{ readonly members: "u32"; readonly pairs: "u32" }>): number => p.members * p.pairs;

/** Preference loss of Bradley and Terry with its gradient, for several members at once. */
export const bradleyTerrySpec = defineKernel({
  name: "rl/bradley_terry",
  lib: ["index", "reduce", "activation"],
  params: { members: "u32", pairs: "u32", labelStride: "u32", rule: "u32", smoothing: "f32" },
  buffers: {
    r0: { access: "read", length: scores },
    r1: { access: "read", length: scores },
    labels: { access: "read", length: (p) => p.pairs + (p.members - 1) * p.labelStride },
    logNu: { access: "read", length: (p) => p.members, optional: true },
    dr0: { access: "write", length: scores },
    dr1: { access: "write", length: scores },
    dlogNu: { access: "write", length: (p) => p.members, optional: true },
    statistics: { access: "write", length: (p) => p.members * preferenceStatistics.length },
  },
  units: (p) => p.members,
  entryPoints: { main: (p) => [p.members] },
  check: (p) => {
    if (p.rule > rules.davidson) return `there is no tie rule ${p.rule}.`;
    if (p.labelStride !== 0 && p.labelStride !== p.pairs) return `the label stride is ${p.labelStride}; it must be 0 or the number of pairs, ${p.pairs}.`;
    return p.smoothing >= 0 && p.smoothing <= 0.5 ? undefined : `the label smoothing is ${p.smoothing}; it must be 0 to 0.5.`;
  },
});

/** What {@link bradleyTerry} reads and writes. */
export interface BradleyTerryBuffers {
  /** [members, pairs]: scores of the first segments. */
  readonly r0: Tensor;
  /** [members, pairs]: scores of the second segments. */
  readonly r1: Tensor;
  /** 0 first better, 1 second better, −1 equal; [pairs] for all members, or [members, pairs]. */
  readonly labels: Tensor;
  /** [members, pairs]: gradient of each member's loss. */
  readonly dr0: Tensor;
  readonly dr1: Tensor;
  /** [members, 3]: {@link preferenceStatistics} of each member. */
  readonly statistics: Tensor;
  /** [members]: ln ν, how likely ties are; needed for `davidson`. */
  readonly logNu?: Tensor;
  /** [members]: its gradient; needed for `davidson`. */
  readonly dlogNu?: Tensor;
}

/**
 * Records the mean cross-entropy of P(second better) = sigmoid(r1 − r0) with the labels, and its gradient. Members are
 * separate models: each has its own loss.
 */
export function bradleyTerry(
  program: ProgramRecorder,
  buffers: BradleyTerryBuffers,
  options: {
    readonly members: number;
    readonly pairs: number;
    readonly ties: TieRule;
    /** Labels 0 and 1 become s and 1 − s; not used by `davidson`. */
    readonly smoothing: number;
    /** Whether all members share one row of labels. */
    readonly sharedLabels: boolean;
  },
): Launch<typeof bradleyTerrySpec.params> {
  const { members, pairs, ties, smoothing, sharedLabels } = options;
  const { logNu, dlogNu, ...always } = buffers;
  const params = { members, pairs, labelStride: sharedLabels ? 0 : pairs, rule: rules[ties], smoothing };
  if (ties !== "davidson") return program.launch(bradleyTerrySpec, params, always);
  if (logNu === undefined || dlogNu === undefined) {
    throw new DifftuneError("KERNEL_LAUNCH", `${program.label}: ties "davidson" need the buffers logNu and dlogNu.`, {
      hint: "Give both, or choose ties \"drop\" or \"half\".",
      kernel: bradleyTerrySpec.name,
    });
  }
  return program.launch(bradleyTerrySpec, params, { ...always, logNu, dlogNu });
}

export const bradleyTerryKernels = [anyKernel(bradleyTerrySpec)];

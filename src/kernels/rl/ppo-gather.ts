import { anyKernel, defineKernel } from "../../engine/kernel-spec.js";
import type { Launch, ProgramRecorder } from "../../engine/program.js";
import type { Tensor } from "../../engine/tensor.js";

const blockSize = 256;

/** Indices of a minibatch from a slice of a permutation. */
export const ppoGatherSpec = defineKernel({
  name: "rl/ppo_gather",
  lib: ["index"],
  params: { count: "u32", offset: "u32", tunedSteps: "u32", wholeChains: "u32", firstStep: "u32", hasFlat: "u32", hasSteps: "u32" },
  buffers: {
    permutation: { access: "read", dtype: "u32", length: (p) => p.offset + (p.wholeChains === 0 ? p.count : p.count / p.tunedSteps) },
    rows: { access: "write", dtype: "u32", length: (p) => p.count },
    transitions: { access: "write", dtype: "u32", length: (p) => p.count },
    flat: { access: "write", dtype: "u32", length: (p) => p.count, optional: true },
    steps: { access: "write", dtype: "u32", length: (p) => p.count, optional: true },
  },
  units: (p) => Math.ceil(p.count / blockSize),
  entryPoints: { main: (p) => [Math.ceil(p.count / 256)] },
  check: (p) => {
    if (p.tunedSteps < 1) return "there are no tuned steps.";
    if (p.wholeChains !== 0 && p.count % p.tunedSteps !== 0) return `${p.count} rows are no whole chains of ${p.tunedSteps}.`;
    return undefined;
  },
});

/** Index tensors of a minibatch of R rows, u32 [R]; what is left out is not written. */
export interface PpoGatherBuffers {
  /** Permutation of 0 to rows · K' − 1 (`step`), or of 0 to rows − 1 (`chain`). */
  readonly permutation: Tensor;
  /** Row of the rollout: of observations, values, advantages, returns. */
  readonly rows: Tensor;
  /** Transition j of the chain, 0 the noisiest: of `ppoLoss`, and of tables with one row a tuned step. */
  readonly transitions: Tensor;
  /** row · K' + j: of log-probabilities stored as [rows, K', ...], and with a map of chains stored as [rows, K' + 1, ...]. */
  readonly flat?: Tensor | undefined;
  /** firstStep + j: row of a schedule of all steps. */
  readonly steps?: Tensor | undefined;
}

/** Records the indices of a minibatch; take the next with `update({ offset })` of the returned launch. */
export function ppoGather(
  program: ProgramRecorder,
  buffers: PpoGatherBuffers,
  options: {
    /** R: rows of the minibatch, with `chain` a multiple of K'. */
    readonly count: number;
    /** Place in the permutation where the minibatch starts. */
    readonly offset: number;
    /** K'. */
    readonly tunedSteps: number;
    /** Place of the noisiest tuned step among all steps: their number less K'. Read where `steps` is given; 0 by default. */
    readonly firstStep?: number;
    /** `step`: the permutation is of transitions. `chain`: of rows, each of which brings its whole chain in order. */
    readonly updateForm: "step" | "chain";
  },
): Launch<typeof ppoGatherSpec.params> {
  return program.launch(
    ppoGatherSpec,
    {
      count: options.count,
      offset: options.offset,
      tunedSteps: options.tunedSteps,
      wholeChains: options.updateForm === "chain" ? 1 : 0,
      firstStep: options.firstStep ?? 0,
      hasFlat: buffers.flat === undefined ? 0 : 1,
      hasSteps: buffers.steps === undefined ? 0 : 1,
    },
    { ...buffers },
  );
}

export const ppoGatherKernels = [anyKernel(ppoGatherSpec)];

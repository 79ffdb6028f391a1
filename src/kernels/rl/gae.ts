import { DifftuneError } from "../../core/errors.js";
import { anyKernel, defineKernel, type ParamValues } from "../../engine/kernel-spec.js";
import type { Launch, ProgramRecorder } from "../../engine/program.js";
import type { Tensor } from "../../engine/tensor.js";

type Sizes = ParamValues<{ readonly steps: "u32"; readonly envs: "u32" }>;
const grid = (p: Sizes): number => p.steps * p.envs;

/** Generalised advantages and returns, backwards in time, environments apart. */
export const gaeSpec = defineKernel({
  name: "rl/gae",
  lib: ["index"],
  params: { steps: "u32", envs: "u32", gamma: "f32", lambda: "f32", rewardScale: "f32", correct: "u32" },
  buffers: {
    rewards: { access: "read", length: grid },
    values: { access: "read", length: grid },
    lastValues: { access: "read", length: (p) => p.envs },
    terminated: { access: "read", length: grid },
    truncated: { access: "read", length: grid, optional: true },
    finalValues: { access: "read", length: grid, optional: true },
    advantages: { access: "write", length: grid },
    returns: { access: "write", length: grid },
  },
  units: (p) => Math.ceil(p.envs / 4),
  entryPoints: { main: (p) => [Math.ceil(p.envs / 64)] },
});

/** What {@link gae} reads and writes: [N, E] f32, flags 0 or 1, but where another shape is said. */
export interface GaeBuffers {
  readonly rewards: Tensor;
  /** Critic at the observation before each step. */
  readonly values: Tensor;
  /** [E]: critic at the observation after the last step. */
  readonly lastValues: Tensor;
  readonly terminated: Tensor;
  /** Needed for `truncation: "correct"`: steps at which an episode was cut off by its time limit. */
  readonly truncated?: Tensor;
  /** Needed for `truncation: "correct"`: critic at the last observation of a truncated episode; read at such steps only. */
  readonly finalValues?: Tensor;
  readonly advantages: Tensor;
  /** Advantages + values. */
  readonly returns: Tensor;
}

/** Options of {@link gae}. */
export interface GaeOptions {
  /** N: steps of the rollout. */
  readonly steps: number;
  /** E: environments. */
  readonly envs: number;
  readonly gamma: number;
  readonly lambda: number;
  /** Factor of the rewards. */
  readonly rewardScale: number;
  /**
   * `reference`: only termination ends an episode; a truncated step bootstraps from the next stored value, which belongs
   * to the next episode. `correct`: it bootstraps from `finalValues`, and nothing flows across the boundary.
   */
  readonly truncation: "reference" | "correct";
}

/** Records the advantages and returns of one rollout. */
export function gae(program: ProgramRecorder, buffers: GaeBuffers, options: GaeOptions): Launch<typeof gaeSpec.params> {
  const { steps, envs, gamma, lambda, rewardScale, truncation } = options;
  const { truncated, finalValues, ...always } = buffers;
  const params = { steps, envs, gamma, lambda, rewardScale };
  if (truncation === "reference") return program.launch(gaeSpec, { ...params, correct: 0 }, always);
  if (truncated === undefined || finalValues === undefined) {
    throw new DifftuneError("KERNEL_LAUNCH", `${program.label}: truncation "correct" needs the buffers truncated and finalValues.`, {
      hint: "Give both, or ask for truncation \"reference\".",
      kernel: gaeSpec.name,
    });
  }
  return program.launch(gaeSpec, { ...params, correct: 1 }, buffers);
}

export const gaeKernels = [anyKernel(gaeSpec)];

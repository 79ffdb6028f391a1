import { anyKernel, defineKernel } from "../../engine/kernel-spec.js";
import type { ProgramRecorder } from "../../engine/program.js";
import type { Tensor } from "../../engine/tensor.js";

const blockSize = 1024;

/** First contents of the `state` of {@link rewardScale}: mean, variance, count, and the factor of the rewards. */
export const initialRewardState: readonly [number, number, number, number] = [0, 1, 1e-4, 0];

/** Discounted return of every environment carried on, with mean and squares of what it was on the way. */
export const discountedReturnsSpec = defineKernel({
  name: "rl/discounted_returns",
  lib: ["index"],
  params: { steps: "u32", envs: "u32", gamma: "f32" },
  buffers: {
    rewards: { access: "read", length: (p) => p.steps * p.envs },
    firsts: { access: "read", length: (p) => p.steps * p.envs },
    returns: { access: "readwrite", length: (p) => p.envs },
    partials: { access: "write", length: (p) => 2 * p.envs },
  },
  units: (p) => Math.ceil(p.envs / 4),
  entryPoints: { main: (p) => [Math.ceil(p.envs / 64)] },
});

/** Running mean, variance and count joined with those of a batch. */
export const rewardStatisticsSpec = defineKernel({
  name: "rl/reward_statistics",
  lib: ["index", "reduce"],
  params: { steps: "u32", envs: "u32" },
  buffers: {
    partials: { access: "read", length: (p) => 2 * p.envs },
    state: { access: "readwrite", length: () => initialRewardState.length },
  },
  units: () => 1,
  entryPoints: { main: () => [1] },
});

/** Rewards divided by the running deviation, and clipped. */
export const scaleRewardsSpec = defineKernel({
  name: "rl/scale_rewards",
  lib: ["index"],
  params: { count: "u32", clip: "f32" },
  buffers: {
    rewards: { access: "read", length: (p) => p.count },
    state: { access: "read", length: () => initialRewardState.length },
    scaled: { access: "write", length: (p) => p.count },
  },
  units: (p) => Math.ceil(p.count / blockSize),
  entryPoints: { main: (p) => [Math.ceil(p.count / 256)] },
});

/**
 * Records the running reward scale of one rollout: R_e ← r + (1 − first) γ R_e; the variance of all R joins the running
 * one; rewards are divided by √(variance + 1e-8) of the variance just updated and clipped to ± clip.
 */
export function rewardScale(
  program: ProgramRecorder,
  buffers: {
    /** [N, E]. */
    readonly rewards: Tensor;
    /** [N, E]: 1 where a step starts an episode, else 0. */
    readonly firsts: Tensor;
    /** [E]: the returns so far, zeros at first; kept from rollout to rollout. */
    readonly returns: Tensor;
    /** [4], {@link initialRewardState} at first; kept from rollout to rollout. */
    readonly state: Tensor;
    /** [N, E]: the rewards scaled. */
    readonly scaled: Tensor;
  },
  options: { readonly steps: number; readonly envs: number; readonly gamma: number; readonly clip: number },
): void {
  const { steps, envs, gamma, clip } = options;
  const { rewards, firsts, returns, state, scaled } = buffers;
  const partials = program.temporary([2, envs], "return moments");
  program.launch(discountedReturnsSpec, { steps, envs, gamma }, { rewards, firsts, returns, partials });
  program.launch(rewardStatisticsSpec, { steps, envs }, { partials, state });
  program.launch(scaleRewardsSpec, { count: steps * envs, clip }, { rewards, state, scaled });
}

export const rewardScaleKernels = [anyKernel(discountedReturnsSpec), anyKernel(rewardStatisticsSpec), anyKernel(scaleRewardsSpec)];

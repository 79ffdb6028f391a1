import type { Sampler } from "../../src/diffusion/schedule.ts";
import type { StepOptions } from "../reference/denoise-step.ts";
import type { PpoOptions } from "../reference/ppo-loss.ts";
import type { NetworkArguments } from "./networks.ts";

/** Constructor arguments of the diffusion policies, as the metadata of the golden files spells them. */
export interface ModelArguments {
  readonly horizon_steps?: number;
  readonly obs_dim?: number;
  readonly action_dim?: number;
  readonly denoising_steps: number;
  readonly ft_denoising_steps?: number;
  readonly predict_epsilon?: boolean;
  readonly denoised_clip_value?: number | null;
  readonly eps_clip_value?: number | null;
  readonly final_action_clip_value?: number | null;
  readonly randn_clip_value?: number;
  readonly min_sampling_denoising_std?: number;
  readonly min_logprob_denoising_std?: number;
  readonly use_ddim?: boolean;
  readonly ddim_steps?: number;
  readonly gamma_denoising?: number;
  readonly clip_ploss_coef?: number;
  readonly clip_ploss_coef_base?: number;
  readonly clip_ploss_coef_rate?: number;
  readonly clip_vloss_coef?: number | null;
  readonly clip_advantage_lower_quantile?: number;
  readonly clip_advantage_upper_quantile?: number;
  readonly norm_adv?: boolean;
}

/** Options of an optimiser. */
export interface OptimizerArguments {
  readonly kind: "Adam" | "AdamW";
  readonly lr: number;
  readonly betas: readonly [number, number];
  readonly eps: number;
  readonly weight_decay: number;
}

/** A case of `sampling_logprob`. */
export interface SamplingCase {
  readonly network: string;
  readonly network_kwargs: NetworkArguments;
  readonly model_kwargs: ModelArguments;
  readonly call?: { readonly deterministic?: boolean; readonly use_base_policy?: boolean };
  readonly eta?: number | null;
}

/** A case of `ppo_loss_v05` and `ppo_loss_v08`. */
export interface PpoCase extends SamplingCase {
  readonly loss_call: { readonly reward_horizon: number; readonly use_bc_loss?: boolean };
  readonly vf_coef: number;
  readonly ent_coef: number;
  readonly bc_loss_coeff: number;
  readonly max_grad_norm_actor: number | null;
  readonly actor_opt: OptimizerArguments;
  readonly critic_opt: OptimizerArguments;
}

/** What the steps of a policy clip, with the defaults of spec section 1. */
export function stepOptionsOf(args: ModelArguments): StepOptions {
  return {
    sampler: args.use_ddim === true ? "ddim" : "ddpm",
    prediction: (args.predict_epsilon ?? true) ? "noise" : "sample",
    x0Clip: args.denoised_clip_value === undefined ? 1 : args.denoised_clip_value,
    noiseClip: args.eps_clip_value ?? null,
  };
}

/** The sampler of a policy; `eta` is a DDIM's share of noise. */
export function samplerOf(args: ModelArguments, eta: number): Sampler {
  return args.use_ddim === true ? { kind: "ddim", stepCount: args.ddim_steps!, eta } : { kind: "ddpm" };
}

/** Options of the policy loss, with the defaults of spec section 9. */
export function ppoOptionsOf(args: ModelArguments, rewardHorizon: number): PpoOptions {
  return {
    horizon: args.horizon_steps!,
    actionDim: args.action_dim!,
    rewardHorizon,
    tunedStepCount: args.ft_denoising_steps!,
    normalizeAdvantages: args.norm_adv ?? true,
    lowerQuantile: args.clip_advantage_lower_quantile ?? 0,
    upperQuantile: args.clip_advantage_upper_quantile ?? 1,
    denoisingDiscount: args.gamma_denoising!,
    clip: { first: args.clip_ploss_coef_base!, last: args.clip_ploss_coef!, rate: args.clip_ploss_coef_rate ?? 3 },
  };
}

/** A case of `pretrain`. */
export interface PretrainCase {
  readonly network: string;
  readonly network_kwargs: NetworkArguments;
  readonly denoising_steps: number;
  readonly predict_epsilon: boolean;
  readonly ema_decay: number;
  readonly opt: OptimizerArguments;
}

/** A case of `gaussian_gmm`. */
export interface StochasticCase {
  readonly network: string;
  readonly network_kwargs: NetworkArguments;
  readonly clip_ploss_coef: number;
  readonly clip_vloss_coef: number | null;
  readonly ent_coef: number;
  readonly vf_coef: number;
}

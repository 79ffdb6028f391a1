import type { ActivationName } from "../reference/activations.ts";
import type { DiffusionMlpOptions } from "../reference/diffusion-mlp.ts";
import type { MlpOptions } from "../reference/mlp.ts";
import type { StochasticMlpOptions } from "../reference/stochastic-mlp.ts";
import type { UnetOptions } from "../reference/unet.ts";

/** Constructor arguments of the U-Net. */
export interface UnetArguments {
  readonly action_dim: number;
  readonly cond_dim: number;
  /** Left out where the policy around it states it. */
  readonly horizon_steps?: number;
  readonly diffusion_step_embed_dim?: number;
  readonly dim?: number;
  readonly dim_mults?: readonly number[];
  readonly smaller_encoder?: boolean;
  readonly cond_mlp_dims?: readonly number[] | null;
  readonly kernel_size?: number;
  readonly n_groups?: number | null;
  readonly activation_type?: string;
  readonly cond_predict_scale?: boolean;
  readonly groupnorm_eps?: number;
}

/** Constructor arguments of the networks, as the metadata of the golden files spells them. */
export interface NetworkArguments extends UnetArguments {
  /** There in all but the U-Nets of policies. */
  readonly horizon_steps: number;
  readonly time_dim?: number;
  readonly mlp_dims?: readonly number[];
  readonly out_activation_type?: string;
  readonly use_layernorm?: boolean;
  readonly residual_style?: boolean;
  readonly tanh_output?: boolean;
  readonly fixed_std?: number | null;
  readonly learn_fixed_std?: boolean;
  readonly std_min?: number;
  readonly std_max?: number;
  readonly num_modes?: number;
}

/** Constructor arguments of the critic. */
export interface CriticArguments {
  readonly cond_dim: number;
  readonly mlp_dims: readonly number[];
  readonly activation_type?: string;
  readonly use_layernorm?: boolean;
  readonly residual_style?: boolean;
}

/** Our name of every activation of the original. */
export const activationNames: Readonly<Record<string, ActivationName>> = {
  ReLU: "relu",
  LeakyReLU: "leakyRelu",
  ELU: "elu",
  GELU: "gelu",
  Tanh: "tanh",
  Mish: "mish",
  Softplus: "softplus",
  Identity: "identity",
};

/** Our name of an activation of the original. */
export function activationOf(name: string): ActivationName {
  const activation = activationNames[name];
  if (activation === undefined) throw new RangeError(`there is no activation "${name}"`);
  return activation;
}

/** Options of the denoiser, with the defaults of spec 3.1. */
export function diffusionMlpOptions(args: NetworkArguments): DiffusionMlpOptions {
  return {
    actionDim: args.action_dim,
    horizon: args.horizon_steps,
    condDim: args.cond_dim,
    timeDim: args.time_dim ?? 16,
    hidden: args.mlp_dims ?? [256, 256],
    condHidden: args.cond_mlp_dims ?? [],
    activation: activationOf(args.activation_type ?? "Mish"),
    outputActivation: activationOf(args.out_activation_type ?? "Identity"),
    layerNorm: args.use_layernorm ?? false,
    residual: args.residual_style ?? false,
  };
}

/** Options of the U-Net, with the defaults of the original. */
export function unetOptions(args: UnetArguments, horizon: number): UnetOptions {
  return {
    actionDim: args.action_dim,
    horizon,
    condDim: args.cond_dim,
    timeDim: args.diffusion_step_embed_dim ?? 32,
    dim: args.dim ?? 32,
    dimMults: args.dim_mults ?? [1, 2, 4, 8],
    kernelSize: args.kernel_size ?? 5,
    groups: args.n_groups ?? null,
    epsilon: args.groupnorm_eps ?? 1e-5,
    activation: activationOf(args.activation_type ?? "Mish"),
    predictsScale: args.cond_predict_scale ?? false,
    smallEncoder: args.smaller_encoder ?? false,
    condHidden: args.cond_mlp_dims ?? [],
  };
}

/** Options of the value network, parameters under `Q1`. */
export function criticOptions(args: CriticArguments): MlpOptions {
  return {
    dims: [args.cond_dim, ...args.mlp_dims, 1],
    activation: activationOf(args.activation_type ?? "Mish"),
    outputActivation: "identity",
    layerNorm: args.use_layernorm ?? false,
    layerNormFinal: false,
    residual: args.residual_style ?? false,
  };
}

/** Options of the Gaussian and mixture policies, with the defaults of spec 3.4; the bounds are stored with the parameters. */
export function stochasticMlpOptions(
  args: NetworkArguments,
  bounds: { readonly low: number; readonly high: number },
): StochasticMlpOptions {
  const fixed = args.fixed_std ?? "predicted";
  return {
    actionDim: args.action_dim,
    horizon: args.horizon_steps,
    condDim: args.cond_dim,
    hidden: args.mlp_dims ?? [256, 256, 256],
    activation: activationOf(args.activation_type ?? "Mish"),
    tanhOutput: args.tanh_output ?? true,
    layerNorm: args.use_layernorm ?? false,
    residual: args.residual_style ?? false,
    std: args.learn_fixed_std === true ? "learned" : fixed,
    logvarLow: bounds.low,
    logvarHigh: bounds.high,
    modeCount: args.num_modes ?? 1,
  };
}

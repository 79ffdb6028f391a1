import { DiffusionProcess } from "../../src/diffusion/process.ts";
import type { CriticOptions } from "../../src/nn/critic.ts";
import type { Denoiser } from "../../src/nn/denoiser.ts";
import { createDiffusionMlp, type DiffusionMlpOptions } from "../../src/nn/diffusion-mlp.ts";
import type { QCriticOptions } from "../../src/nn/q-critic.ts";
import type { StochasticMlpOptions } from "../../src/nn/stochastic-mlp.ts";
import { createUnet } from "../../src/nn/unet.ts";
import { activationOf, diffusionMlpOptions, unetOptions, type CriticArguments, type NetworkArguments, type UnetArguments } from "./networks.ts";
import { samplerOf, stepOptionsOf, type ModelArguments, type StochasticCase } from "./policies.ts";

/** The package's options of a denoiser from the constructor arguments of the original. */
export function denoiserOptions(args: NetworkArguments): DiffusionMlpOptions {
  const options = diffusionMlpOptions(args);
  return {
    actionSize: options.actionDim,
    horizon: options.horizon,
    conditionWidth: options.condDim,
    timeSize: options.timeDim,
    hidden: options.hidden,
    conditionHidden: options.condHidden,
    activation: options.activation,
    outputActivation: options.outputActivation,
    useLayerNorm: options.layerNorm,
    isResidual: options.residual,
  };
}

/** The package's U-Net from the constructor arguments of the original. */
export function unetOf(args: UnetArguments, horizon: number): Denoiser {
  const options = unetOptions(args, horizon);
  return createUnet({
    actionSize: options.actionDim,
    horizon,
    conditionWidth: options.condDim,
    timeSize: options.timeDim,
    channels: options.dim,
    multipliers: options.dimMults,
    kernelSize: options.kernelSize,
    groups: options.groups,
    epsilon: options.epsilon,
    activation: options.activation,
    modulation: options.predictsScale ? "scale" : "shift",
    encoder: options.smallEncoder ? "small" : "large",
    conditionHidden: options.condHidden,
  });
}

/** The package's denoiser of a case; undefined where the package has no such network. */
export function denoiserOf(
  one: { readonly network: string; readonly network_kwargs: NetworkArguments },
  horizon: number,
): Denoiser | undefined {
  switch (one.network) {
    case "DiffusionMLP": return createDiffusionMlp(denoiserOptions(one.network_kwargs));
    case "Unet1D": return unetOf(one.network_kwargs, horizon);
    default: return undefined;
  }
}

/** The package's options of a critic from the constructor arguments of the original. */
export function criticOptionsOf(args: CriticArguments): CriticOptions {
  return {
    conditionWidth: args.cond_dim,
    hidden: args.mlp_dims,
    activation: activationOf(args.activation_type ?? "Mish"),
    isResidual: args.residual_style ?? false,
    useLayerNorm: args.use_layernorm ?? false,
  };
}

/** The package's options of a pair of critics from the constructor arguments of the original, which makes them plain. */
export function qCriticOptionsOf(args: CriticArguments & { readonly action_dim: number; readonly action_steps: number }): QCriticOptions {
  return {
    conditionWidth: args.cond_dim,
    actionWidth: args.action_dim * args.action_steps,
    hidden: args.mlp_dims,
    activation: activationOf(args.activation_type ?? "Mish"),
    useLayerNorm: args.use_layernorm ?? false,
  };
}

/** The package's diffusion process from the constructor arguments of the original; `eta` is a DDIM's share of noise. */
export function processOf(args: ModelArguments, eta: number): DiffusionProcess {
  const { prediction, x0Clip, noiseClip } = stepOptionsOf(args);
  return new DiffusionProcess({
    denoisingSteps: args.denoising_steps,
    sampler: samplerOf(args, eta),
    predictsNoise: prediction === "noise",
    x0Clip,
    noiseClip,
    drawClip: args.randn_clip_value ?? 3,
    finalClip: args.final_action_clip_value ?? null,
    minSamplingStd: args.min_sampling_denoising_std ?? 0,
    minLogProbStd: args.min_logprob_denoising_std ?? 0,
  });
}

/** The package's options of a Gaussian or mixture policy from the constructor arguments of the original. */
export function stochasticOptions({ network, network_kwargs: args }: StochasticCase): StochasticMlpOptions {
  const std = args.fixed_std ?? null;
  return {
    actionSize: args.action_dim,
    horizon: args.horizon_steps,
    conditionWidth: args.cond_dim,
    components: network === "GMM_MLP" ? (args.num_modes ?? 5) : null,
    std: std === null ? { kind: "predicted" } : { kind: args.learn_fixed_std === true ? "learned" : "constant", std },
    stdRange: [args.std_min ?? 0.01, args.std_max ?? 1],
    hidden: args.mlp_dims ?? [256, 256, 256],
    activation: activationOf(args.activation_type ?? "Mish"),
    hasTanhMean: args.tanh_output ?? true,
    useLayerNorm: args.use_layernorm ?? false,
    isResidual: args.residual_style ?? false,
  };
}

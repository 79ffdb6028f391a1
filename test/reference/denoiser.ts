import { diffusionMlpOptions, unetOptions, type NetworkArguments } from "../golden-runner/networks.ts";
import { diffusionMlp, type TracedDenoiser } from "./diffusion-mlp.ts";
import type { Parameters } from "./mlp.ts";
import { unet } from "./unet.ts";

/** A denoiser with everything but its parameters and inputs. */
export type DenoiserTwin = (
  parameters: Parameters,
  x: ArrayLike<number>,
  t: ArrayLike<number>,
  state: ArrayLike<number>,
) => TracedDenoiser;

/** The denoiser that a case of a golden file names, for chunks of `horizon` actions. */
export function denoiserTwin(one: { readonly network: string; readonly network_kwargs: NetworkArguments }, horizon: number): DenoiserTwin {
  switch (one.network) {
    case "DiffusionMLP": {
      const options = diffusionMlpOptions(one.network_kwargs);
      return (parameters, x, t, state) => diffusionMlp(parameters, options, x, t, state);
    }
    case "Unet1D": {
      const options = unetOptions(one.network_kwargs, horizon);
      return (parameters, x, t, state) => unet(parameters, options, x, t, state);
    }
    default: throw new RangeError(`there is no twin of ${one.network}`);
  }
}

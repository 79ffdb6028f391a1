import type { ActivationName } from "./activations.ts";
import { concatColumns, splitColumns } from "./columns.ts";
import { activationLayer, linearLayer, mlp, sequence, type Gradients, type Parameters } from "./mlp.ts";
import { timestepEmbedding } from "./timestep-embedding.ts";

/** Options of {@link diffusionMlp}, as the spec names them. */
export interface DiffusionMlpOptions {
  readonly actionDim: number;
  readonly horizon: number;
  /** Size of the flattened observation stack. */
  readonly condDim: number;
  readonly timeDim: number;
  readonly hidden: readonly number[];
  /** Sizes of the condition encoder; empty for none. */
  readonly condHidden: readonly number[];
  readonly activation: ActivationName;
  readonly outputActivation: ActivationName;
  readonly layerNorm: boolean;
  readonly residual: boolean;
}

/** What {@link diffusionMlp} gives: the prediction [B, H·A] and the way back to its inputs. */
export interface TracedDenoiser {
  readonly output: Float64Array;
  readonly backward: (
    doutput: ArrayLike<number>,
    gradients: Gradients,
  ) => { readonly dx: Float64Array; readonly dstate: Float64Array };
}

/**
 * The denoiser of spec 3.1: mlp([x, time feature, state feature]), with time feature = W3 mish(W1 posemb(t) + b1) + b3
 * and an optional plain perceptron on the state.
 */
export function diffusionMlp(
  parameters: Parameters,
  options: DiffusionMlpOptions,
  x: ArrayLike<number>,
  t: ArrayLike<number>,
  state: ArrayLike<number>,
): TracedDenoiser {
  const { timeDim, condDim } = options;
  const B = t.length;
  const width = options.horizon * options.actionDim;
  const time = sequence([
    linearLayer(parameters, "time_embedding.1", timeDim, 2 * timeDim),
    activationLayer("mish"),
    linearLayer(parameters, "time_embedding.3", 2 * timeDim, timeDim),
  ])(timestepEmbedding(t, timeDim));
  const condition =
    options.condHidden.length === 0
      ? sequence([])(state)
      : mlp(parameters, "cond_mlp", {
          dims: [condDim, ...options.condHidden],
          activation: options.activation,
          outputActivation: "identity",
          layerNorm: false,
          layerNormFinal: false,
          residual: false,
        })(state);
  const widths = [width, timeDim, options.condHidden.at(-1) ?? condDim];
  const trunk = mlp(parameters, "mlp_mean", {
    dims: [widths.reduce((sum, w) => sum + w, 0), ...options.hidden, width],
    activation: options.activation,
    outputActivation: options.outputActivation,
    layerNorm: options.layerNorm,
    layerNormFinal: false,
    residual: options.residual,
  })(concatColumns([x, time.output, condition.output], widths, B));
  return {
    output: trunk.output,
    backward: (doutput, gradients) => {
      const [dx, dtime, dcondition] = splitColumns(trunk.backward(doutput, gradients), widths, B);
      time.backward(dtime!, gradients);
      return { dx: dx!, dstate: condition.backward(dcondition!, gradients) };
    },
  };
}

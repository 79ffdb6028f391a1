import type { ActivationName } from "./activations.ts";
import { learnedStd, learnedStdBackward, predictedStd, predictedStdBackward } from "./gaussian-head.ts";
import { activationLayer, mlp, sequence, type Gradients, type Layer, type Parameters } from "./mlp.ts";

/** Options of {@link gaussianMlp} and {@link mixtureMlp}. */
export interface StochasticMlpOptions {
  readonly actionDim: number;
  readonly horizon: number;
  readonly condDim: number;
  readonly hidden: readonly number[];
  readonly activation: ActivationName;
  readonly tanhOutput: boolean;
  readonly layerNorm: boolean;
  readonly residual: boolean;
  /** A number that stays, the learned parameter `logvar`, or a head of the network. */
  readonly std: number | "learned" | "predicted";
  /** Bounds of the log-variance. */
  readonly logvarLow: number;
  readonly logvarHigh: number;
  /** Components of the mixture; 1 for the single Gaussian. */
  readonly modeCount: number;
}

/** Mean and deviation [B, M·H·A] (and logits [B, M]), with the way back to the parameters. */
export interface TracedPolicy {
  readonly mean: Float64Array;
  readonly std: Float64Array;
  readonly logits: Float64Array;
  readonly backward: (
    d: { dmean: ArrayLike<number>; dstd: ArrayLike<number>; dlogits: ArrayLike<number> },
    gradients: Gradients,
  ) => void;
}

function trunk(
  parameters: Parameters,
  name: string,
  options: StochasticMlpOptions,
  dims: readonly number[],
  output: ActivationName,
): Layer {
  return mlp(parameters, name, {
    dims,
    activation: options.activation,
    outputActivation: output,
    layerNorm: options.layerNorm,
    layerNormFinal: false,
    residual: options.residual,
  });
}

/** Spec 3.4: mean (tanh) and deviation of an independent normal over H·A. */
export function gaussianMlp(parameters: Parameters, options: StochasticMlpOptions, state: ArrayLike<number>): TracedPolicy {
  const { hidden, condDim, logvarLow: low, logvarHigh: high } = options;
  const width = options.horizon * options.actionDim;
  const squash = activationLayer(options.tanhOutput ? "tanh" : "identity");
  const logits = new Float64Array(state.length / condDim);
  if (options.std !== "predicted") {
    const mean = sequence([trunk(parameters, "mlp_mean", options, [condDim, ...hidden, width], "identity"), squash])(state);
    const { std, backward } = stateFreeStd(parameters, options, mean.output.length);
    return {
      mean: mean.output,
      std,
      logits,
      backward: ({ dmean, dstd }, gradients) => {
        mean.backward(dmean, gradients);
        backward(dstd, gradients);
      },
    };
  }
  const base = mlp(parameters, "mlp_base", {
    dims: [condDim, ...hidden],
    activation: options.activation,
    outputActivation: options.activation,
    layerNorm: options.layerNorm,
    layerNormFinal: options.layerNorm,
    residual: options.residual,
  })(state);
  const plainHead = { ...options, residual: false, layerNorm: false };
  const headDims = [hidden.at(-1)!, width];
  const mean = sequence([trunk(parameters, "mlp_mean", plainHead, headDims, "identity"), squash])(base.output);
  const head = trunk(parameters, "mlp_logvar", plainHead, headDims, "identity")(base.output);
  const std = predictedStd(head.output, low, high);
  return {
    mean: mean.output,
    std,
    logits,
    backward: ({ dmean, dstd }, gradients) => {
      const dbase = mean.backward(dmean, gradients);
      const dhead = predictedStdBackward(dstd, std, head.output, low, high);
      const dbaseStd = head.backward(dhead, gradients);
      base.backward(
        dbase.map((value, i) => value + dbaseStd[i]!),
        gradients,
      );
    },
  };
}

/** Spec 3.5: a mixture of M such normals with a network of its own for the logits. */
export function mixtureMlp(parameters: Parameters, options: StochasticMlpOptions, state: ArrayLike<number>): TracedPolicy {
  const { hidden, condDim, modeCount, logvarLow: low, logvarHigh: high } = options;
  const width = modeCount * options.horizon * options.actionDim;
  const dims = [condDim, ...hidden];
  const mean = trunk(parameters, "mlp_mean", options, [...dims, width], "tanh")(state);
  const logits = trunk(parameters, "mlp_weights", options, [...dims, modeCount], "identity")(state);
  if (options.std !== "predicted") {
    const { std, backward } = stateFreeStd(parameters, options, mean.output.length);
    return {
      mean: mean.output,
      std,
      logits: logits.output,
      backward: ({ dmean, dstd, dlogits }, gradients) => {
        mean.backward(dmean, gradients);
        logits.backward(dlogits, gradients);
        backward(dstd, gradients);
      },
    };
  }
  const head = trunk(parameters, "mlp_logvar", options, [...dims, width], "identity")(state);
  const clamped = head.output.map((value) => Math.min(Math.max(value, low), high));
  const std = clamped.map((value) => Math.exp(0.5 * value));
  return {
    mean: mean.output,
    std,
    logits: logits.output,
    backward: ({ dmean, dstd, dlogits }, gradients) => {
      mean.backward(dmean, gradients);
      logits.backward(dlogits, gradients);
      head.backward(
        head.output.map((value, i) => (value >= low && value <= high ? dstd[i]! * 0.5 * std[i]! : 0)),
        gradients,
      );
    },
  };
}

/** Deviations that do not depend on the state, [count], laid out [.., M, H, A] with `logvar` [M, A] tiled over H. */
function stateFreeStd(
  parameters: Parameters,
  options: StochasticMlpOptions,
  count: number,
): { std: Float64Array; backward: (dstd: ArrayLike<number>, gradients: Gradients) => void } {
  if (options.std !== "learned") {
    const std = new Float64Array(count);
    if (typeof options.std === "number") std.fill(options.std);
    return { std, backward: () => undefined };
  }
  const { actionDim: A, horizon: H, modeCount: M, logvarLow: low, logvarHigh: high } = options;
  const logvar = parameters.get("logvar")!;
  const std = new Float64Array(count);
  const places = (m: number): number[] => {
    const width = M * H * A;
    const at: number[] = [];
    for (let row = 0; row < count; row += width) for (let k = 0; k < H * A; k++) at.push(row + m * H * A + k);
    return at;
  };
  const ofMode = (m: number): ArrayLike<number> => Array.from({ length: A }, (_, a) => logvar[m * A + a]!);
  for (let m = 0; m < M; m++) {
    const at = places(m);
    const values = learnedStd(ofMode(m), low, high, at.length);
    for (const [k, i] of at.entries()) std[i] = values[k]!;
  }
  return {
    std,
    backward: (dstd, gradients) => {
      const dlogvar = gradients.get("logvar") ?? new Float64Array(M * A);
      for (let m = 0; m < M; m++) {
        const at = places(m);
        const part = learnedStdBackward(
          at.map((i) => dstd[i]!),
          at.map((i) => std[i]!),
          ofMode(m),
          low,
          high,
        );
        for (let a = 0; a < A; a++) dlogvar[m * A + a]! += part[a]!;
      }
      gradients.set("logvar", dlogvar);
    },
  };
}

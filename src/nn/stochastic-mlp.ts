import * as v from "valibot";
import { DifftuneError } from "../core/errors.js";
import { parseOptions, positiveNumber, wholeNumber } from "../core/options.js";
import type { ProgramRecorder } from "../engine/program.js";
import type { Tensor } from "../engine/tensor.js";
import { activationBackward, type Activation } from "../kernels/nn/activation.js";
import { largestMixture, logStd, logStdBackward, type HeadShape, type HeadStd } from "../kernels/nn/stochastic-heads.js";
import { createMlp, type Mlp, type Tape } from "./mlp.js";
import { activationName, flag, layerSize, layerSizes } from "./network-options.js";
import { ParameterLayout } from "./parameters.js";
import { addLinear, Pass, type LinearLayer } from "./pass.js";

/** Where the standard deviation of a policy comes from. */
export type PolicyStd =
  /** The same number everywhere. */
  | { readonly kind: "constant"; readonly std: number }
  /** One learned parameter for each component and action dimension, tiled over the horizon; starts at `std`. */
  | { readonly kind: "learned"; readonly std: number }
  /** An output of the network. */
  | { readonly kind: "predicted" };

/** Options of {@link createStochasticMlp}. */
export interface StochasticMlpOptions {
  readonly actionSize: number;
  /** Actions of a predicted chunk. */
  readonly horizon: number;
  /** Elements of the flattened observation stack. */
  readonly conditionWidth: number;
  /** Components of a Gaussian mixture; null for a single Gaussian. Default null. */
  readonly components?: number | null;
  /** Default a constant of 0.1. */
  readonly std?: PolicyStd;
  /** Bounds of a learned or predicted standard deviation. Default [0.01, 1]. */
  readonly stdRange?: readonly [number, number];
  /** Hidden sizes. Default [256, 256, 256]. */
  readonly hidden?: readonly number[];
  /** Default `mish`. */
  readonly activation?: Activation;
  /** Squash the mean by tanh; a mixture always does. Default true. */
  readonly hasTanhMean?: boolean;
  /** Default false. */
  readonly useLayerNorm?: boolean;
  /** Residual perceptrons instead of plain ones. Default false. */
  readonly isResidual?: boolean;
}

const std = v.pipe(positiveNumber(), v.description("Standard deviation, of all actions or at the start."));

/** Components of a mixture. */
export const componentCount = wholeNumber(1, largestMixture);

/** The options of a Gaussian or mixture policy that are neither sizes of its task nor the number of components. */
export const stochasticMlpForm = {
  std: v.optional(v.variant("kind", [
    v.strictObject({ kind: v.literal("constant"), std }),
    v.strictObject({ kind: v.literal("learned"), std }),
    v.strictObject({ kind: v.literal("predicted") }),
  ], "It must have the kind \"constant\", \"learned\" or \"predicted\"."), { kind: "constant", std: 0.1 }),
  stdRange: v.optional(v.pipe(
    v.strictTuple([std, std], "It must be two numbers."),
    v.check(([low, high]) => low <= high, "It must rise."),
    v.description("Bounds of a learned or predicted standard deviation."),
  ), [0.01, 1]),
  hidden: v.optional(v.pipe(layerSizes(0), v.description("Hidden sizes.")), [256, 256, 256]),
  activation: v.optional(v.pipe(activationName, v.description("Between the layers.")), "mish"),
  hasTanhMean: v.optional(v.pipe(flag, v.description("Squash the mean by tanh; a mixture always does.")), true),
  useLayerNorm: v.optional(v.pipe(flag, v.description("Layer norm in the trunk.")), false),
  isResidual: v.optional(v.pipe(flag, v.description("Residual perceptrons instead of plain ones.")), false),
};

const schema = v.strictObject({
  actionSize: layerSize,
  horizon: layerSize,
  conditionWidth: layerSize,
  components: v.optional(v.nullable(componentCount), null),
  ...stochasticMlpForm,
} satisfies Record<keyof StochasticMlpOptions, v.GenericSchema>);

/** The distribution of a chunk for each of R rows, W = M·H·A elements ordered [component, horizon, action]. */
export interface PolicyHead {
  /** [R, W] */
  readonly mean: Tensor;
  /** [R, W] */
  readonly logStd: Tensor;
  /** Logits [R, M] of a mixture; undefined for a single Gaussian. */
  readonly logits: Tensor | undefined;
}

/** Gradients of a {@link PolicyHead}. */
export interface PolicyHeadGradient {
  readonly dMean: Tensor;
  readonly dLogStd: Tensor;
  readonly dLogits?: Tensor | undefined;
}

/** A forward pass of a policy that can be gone back. */
export interface PolicyTape extends PolicyHead {
  /** Records the parameter gradients. */
  backward(gradient: PolicyHeadGradient): void;
}

/** Builds a Gaussian or mixture policy (spec 3.4, 3.5) with the parameter names of its checkpoints. */
export function createStochasticMlp(options: StochasticMlpOptions): StochasticMlp {
  return new StochasticMlp(options);
}

/** What a network gives before it is a head, and the way back. */
interface Outputs {
  readonly mean: Tensor;
  /** Output that a predicted deviation is made of. */
  readonly std: Tensor | undefined;
  readonly logits: Tensor | undefined;
  backward(gradient: { readonly dMean: Tensor; readonly dStd: Tensor | undefined; readonly dLogits: Tensor | undefined }): void;
}

/** Networks of a policy: some outputs for states. */
interface Body {
  infer(pass: Pass, state: Tensor, rows: number): Omit<Outputs, "backward">;
  forward(pass: Pass, state: Tensor, rows: number): Outputs;
}

/** Mean and standard deviation of a chunk given the state: one normal, or a mixture of M with logits. */
export class StochasticMlp {
  readonly layout = new ParameterLayout();
  readonly conditionWidth: number;
  readonly horizon: number;
  readonly actionSize: number;
  /** M; 1 for a single Gaussian. */
  readonly components: number;
  readonly #std: PolicyStd;
  /** Bounds of the log-variance, as the 32 bits of a checkpoint hold them. */
  readonly #low: number;
  readonly #high: number;
  readonly #isMixture: boolean;
  readonly #body: Body;

  constructor(options: StochasticMlpOptions) {
    const {
      actionSize, horizon, conditionWidth, components, std, stdRange: [stdMin, stdMax], hidden, hasTanhMean, ...form
    } = parseOptions(schema, options, "createStochasticMlp");
    this.conditionWidth = conditionWidth;
    this.horizon = horizon;
    this.actionSize = actionSize;
    this.components = components ?? 1;
    this.#std = std;
    this.#isMixture = components !== null;
    this.#low = Math.fround(Math.log(stdMin ** 2));
    this.#high = Math.fround(Math.log(stdMax ** 2));
    const { layout } = this;
    if (std.kind === "learned") {
      layout.add("logvar", [this.components * actionSize], { kind: "constant", value: Math.log(std.std ** 2) });
    }
    const networks: Networks = {
      sizes: [conditionWidth, ...hidden],
      width: this.components * horizon * actionSize,
      meanActivation: this.#isMixture || hasTanhMean ? "tanh" : "identity",
      ...form,
    };
    const isPredicted = std.kind === "predicted";
    this.#body = isPredicted && !this.#isMixture
      ? new TwoHeads(layout, networks)
      : new Networkwise(layout, networks, { hasStd: isPredicted, components });
    layout.add("logvar_min", [], { kind: "constant", value: this.#low }, { isTrained: false });
    layout.add("logvar_max", [], { kind: "constant", value: this.#high }, { isTrained: false });
  }

  /** Records the distributions of states [rows, conditionWidth]. */
  infer(program: ProgramRecorder, values: Tensor, state: Tensor, rows: number): PolicyHead {
    const pass = new Pass(program, this.layout, values);
    const { mean, std, logits } = this.#body.infer(pass, state, rows);
    return { mean, logStd: this.#recordLogStd(pass, this.#source(pass, std), rows), logits };
  }

  /** Records the distributions of states, to be gone back. */
  forward(program: ProgramRecorder, values: Tensor, gradients: Tensor, state: Tensor, rows: number): PolicyTape {
    const pass = new Pass(program, this.layout, values, gradients);
    const outputs = this.#body.forward(pass, state, rows);
    const source = this.#source(pass, outputs.std);
    return {
      mean: outputs.mean,
      logStd: this.#recordLogStd(pass, source, rows),
      logits: outputs.logits,
      backward: ({ dMean, dLogStd, dLogits }) => {
        let dStd: Tensor | undefined;
        if (source.kind === "learned") {
          logStdBackward(program, source, { dLogStd, dSource: pass.gradient("logvar") }, this.#shape(rows));
        } else if (outputs.std !== undefined) {
          dStd = pass.temporary(outputs.std.shape, "deviation gradient");
          logStdBackward(program, source, { dLogStd, dSource: dStd }, this.#shape(rows));
        }
        outputs.backward({ dMean, dStd, dLogits });
      },
    };
  }

  #shape(rows: number): HeadShape {
    return { rows, modes: this.components, horizon: this.horizon, actionSize: this.actionSize };
  }

  #source(pass: Pass, output: Tensor | undefined): HeadStd {
    if (this.#std.kind === "constant") return this.#std;
    const bounds = { low: this.#low, high: this.#high };
    if (this.#std.kind === "learned") return { kind: "learned", source: pass.value("logvar"), ...bounds };
    if (output === undefined) throw new DifftuneError("INVARIANT", "A predicted deviation has no output.");
    return { kind: this.#isMixture ? "predictedClamped" : "predicted", source: output, ...bounds };
  }

  #recordLogStd(pass: Pass, source: HeadStd, rows: number): Tensor {
    const target = pass.temporary([rows, this.components * this.horizon * this.actionSize], "log deviations");
    logStd(pass.program, source, target, this.#shape(rows));
    return target;
  }
}

/** What the networks of a policy have in common. */
interface Networks {
  /** Sizes of the state and the hidden layers. */
  readonly sizes: readonly number[];
  /** W. */
  readonly width: number;
  readonly activation: Activation;
  readonly meanActivation: Activation;
  readonly useLayerNorm: boolean;
  readonly isResidual: boolean;
}

/** A perceptron of its own for the mean, the logits of a mixture, and its predicted deviation. */
class Networkwise implements Body {
  readonly #mean: Mlp;
  readonly #logits: Mlp | undefined;
  readonly #std: Mlp | undefined;

  constructor(layout: ParameterLayout, networks: Networks, options: { readonly hasStd: boolean; readonly components: number | null }) {
    const add = (name: string, width: number, outputActivation: Activation): Mlp => createMlp(layout, name, {
      sizes: [...networks.sizes, width],
      activation: networks.activation,
      outputActivation,
      useLayerNorm: networks.useLayerNorm,
      isResidual: networks.isResidual,
    });
    this.#mean = add("mlp_mean", networks.width, networks.meanActivation);
    this.#logits = options.components === null ? undefined : add("mlp_weights", options.components, "identity");
    this.#std = options.hasStd ? add("mlp_logvar", networks.width, "identity") : undefined;
  }

  infer(pass: Pass, state: Tensor, rows: number): Omit<Outputs, "backward"> {
    return {
      mean: this.#mean.infer(pass, state, rows),
      std: this.#std?.infer(pass, state, rows),
      logits: this.#logits?.infer(pass, state, rows),
    };
  }

  forward(pass: Pass, state: Tensor, rows: number): Outputs {
    const mean = this.#mean.forward(pass, state, rows);
    const std = this.#std?.forward(pass, state, rows);
    const logits = this.#logits?.forward(pass, state, rows);
    const back = (mlp: Mlp | undefined, tape: Tape | undefined, gradient: Tensor | undefined, what: string): void => {
      if (mlp === undefined || tape === undefined) return;
      if (gradient === undefined) throw new DifftuneError("INVARIANT", `The gradient of the ${what} is missing.`);
      mlp.backward(pass, tape, gradient, rows);
    };
    return {
      mean: mean.output,
      std: std?.output,
      logits: logits?.output,
      backward: ({ dMean, dStd, dLogits }) => {
        back(this.#mean, mean, dMean, "mean");
        back(this.#std, std, dStd, "deviation");
        back(this.#logits, logits, dLogits, "logits");
      },
    };
  }
}

/** One trunk with two linear heads, for the mean and the log-variance. */
class TwoHeads implements Body {
  readonly #trunk: Mlp;
  readonly #mean: LinearLayer;
  readonly #std: LinearLayer;
  readonly #meanActivation: Activation;

  constructor(layout: ParameterLayout, networks: Networks) {
    this.#trunk = createMlp(layout, "mlp_base", {
      sizes: networks.sizes,
      activation: networks.activation,
      outputActivation: networks.activation,
      useLayerNorm: networks.useLayerNorm,
      useFinalLayerNorm: networks.useLayerNorm,
      isResidual: networks.isResidual,
    });
    this.#mean = addLinear(layout, "mlp_mean.moduleList.0.linear_1", this.#trunk.outFeatures, networks.width);
    this.#std = addLinear(layout, "mlp_logvar.moduleList.0.linear_1", this.#trunk.outFeatures, networks.width);
    this.#meanActivation = networks.meanActivation;
  }

  infer(pass: Pass, state: Tensor, rows: number): Omit<Outputs, "backward"> {
    const x = this.#trunk.infer(pass, state, rows);
    return { ...this.#heads(pass, x, rows), logits: undefined };
  }

  forward(pass: Pass, state: Tensor, rows: number): Outputs {
    const trunk = this.#trunk.forward(pass, state, rows);
    const x = trunk.output;
    const { mean, sum, std } = this.#heads(pass, x, rows);
    return {
      mean,
      std,
      logits: undefined,
      backward: ({ dMean, dStd }) => {
        if (dStd === undefined) throw new DifftuneError("INVARIANT", "The gradient of the deviation is missing.");
        const width = this.#mean.outFeatures;
        const dSum = pass.temporary([rows, width], "mean sum gradient");
        activationBackward(pass.program, { x: sum, dy: dMean, dx: dSum }, { rows, columns: width, kind: this.#meanActivation });
        pass.linearBackwardWeight(this.#mean, { dy: dSum, x }, rows);
        pass.linearBackwardWeight(this.#std, { dy: dStd, x }, rows);
        const ofMean = pass.temporary([rows, this.#trunk.outFeatures], "trunk gradient of the mean");
        pass.linearBackwardInput(this.#mean, { dy: dSum, dx: ofMean }, { rows });
        const dx = pass.temporary([rows, this.#trunk.outFeatures], "trunk gradient");
        pass.linearBackwardInput(this.#std, { dy: dStd, dx, addend: ofMean }, { rows });
        this.#trunk.backward(pass, trunk, dx, rows);
      },
    };
  }

  #heads(pass: Pass, x: Tensor, rows: number): { readonly mean: Tensor; readonly sum: Tensor; readonly std: Tensor } {
    const width = this.#mean.outFeatures;
    const sum = pass.temporary([rows, width], "mean sum");
    const mean = pass.temporary([rows, width], "mean");
    const std = pass.temporary([rows, width], "log-variance output");
    pass.linear(this.#mean, { x }, { y: sum, activated: mean }, { rows, activation: this.#meanActivation });
    pass.linear(this.#std, { x }, { y: std }, { rows });
    return { mean, sum, std };
  }
}

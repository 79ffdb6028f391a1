import * as v from "valibot";
import { DifftuneError } from "../core/errors.js";
import { parseOptions } from "../core/options.js";
import type { ProgramRecorder } from "../engine/program.js";
import type { Tensor } from "../engine/tensor.js";
import type { Activation } from "../kernels/nn/activation.js";
import { concatColumns, copyColumns } from "../kernels/nn/columns.js";
import type { Denoiser, DenoiserInputs, DenoiserSteps, DenoiserTape } from "./denoiser.js";
import { createMlp, type Mlp, type Tape } from "./mlp.js";
import { activationName, evenSize, flag, layerSize, layerSizes } from "./network-options.js";
import { ParameterLayout } from "./parameters.js";
import { Pass, type LinearLayer } from "./pass.js";
import { TimeEncoder, type TimeTape } from "./time-encoder.js";

/** Options of {@link createDiffusionMlp}. */
export interface DiffusionMlpOptions {
  /** Elements of one action. */
  readonly actionSize: number;
  /** Actions of a predicted chunk. */
  readonly horizon: number;
  /** Elements of the flattened observation stack. */
  readonly conditionWidth: number;
  /** Size of the time feature; even, at least 4. Default 16. */
  readonly timeSize?: number;
  /** Hidden sizes of the trunk. Default [256, 256]. */
  readonly hidden?: readonly number[];
  /** Sizes of an encoder of the state; none by default. */
  readonly conditionHidden?: readonly number[];
  /** Between the layers. Default `mish`. */
  readonly activation?: Activation;
  /** After the last layer. Default `identity`. */
  readonly outputActivation?: Activation;
  /** Layer norm in the trunk. Default false. */
  readonly useLayerNorm?: boolean;
  /** Residual trunk instead of a plain one. Default false. */
  readonly isResidual?: boolean;
}

/** The options of a diffusion MLP that are not sizes of its task. */
export const diffusionMlpForm = {
  timeSize: v.optional(v.pipe(evenSize, v.description("Size of the time feature; even, at least 4.")), 16),
  hidden: v.optional(v.pipe(layerSizes(0), v.description("Hidden sizes of the trunk.")), [256, 256]),
  conditionHidden: v.optional(v.pipe(layerSizes(0), v.description("Sizes of an encoder of the state; empty for none.")), []),
  activation: v.optional(v.pipe(activationName, v.description("Between the layers.")), "mish"),
  outputActivation: v.optional(v.pipe(activationName, v.description("After the last layer.")), "identity"),
  useLayerNorm: v.optional(v.pipe(flag, v.description("Layer norm in the trunk.")), false),
  isResidual: v.optional(v.pipe(flag, v.description("Residual trunk instead of a plain one.")), false),
};

const schema = v.strictObject({
  actionSize: layerSize,
  horizon: layerSize,
  conditionWidth: layerSize,
  ...diffusionMlpForm,
} satisfies Record<keyof DiffusionMlpOptions, v.GenericSchema>);

/** Rows of tables that are bound one by one start on multiples of this many elements. */
const rowAlignment = 64;

/** Builds the MLP denoiser of DPPO (spec 3.1) with the parameter names of its checkpoints. */
export function createDiffusionMlp(options: DiffusionMlpOptions): DiffusionMlp {
  return new DiffusionMlp(options);
}

/** eps = trunk([x, time feature, state feature]), time feature = W3 mish(W1 posemb(t) + b1) + b3. */
export class DiffusionMlp implements Denoiser {
  readonly layout = new ParameterLayout();
  readonly width: number;
  readonly conditionWidth: number;
  readonly #timeSize: number;
  readonly #time: TimeEncoder;
  readonly #condition: Mlp | undefined;
  readonly #stateWidth: number;
  readonly #trunk: Mlp;

  constructor(options: DiffusionMlpOptions) {
    const {
      actionSize, horizon, conditionWidth, timeSize, hidden, conditionHidden, ...form
    } = parseOptions(schema, options, "createDiffusionMlp");
    this.width = horizon * actionSize;
    this.conditionWidth = conditionWidth;
    this.#timeSize = timeSize;
    this.#time = new TimeEncoder(this.layout, "time_embedding", timeSize, 2 * timeSize);
    if (conditionHidden.length > 0) {
      this.#condition = createMlp(this.layout, "cond_mlp", {
        sizes: [conditionWidth, ...conditionHidden],
        activation: form.activation,
      });
    }
    this.#stateWidth = conditionHidden.at(-1) ?? conditionWidth;
    this.#trunk = createMlp(this.layout, "mlp_mean", {
      sizes: [this.width + timeSize + this.#stateWidth, ...hidden, this.width],
      ...form,
    });
  }

  infer(program: ProgramRecorder, values: Tensor, inputs: DenoiserInputs, rows: number): Tensor {
    const pass = new Pass(program, this.layout, values);
    const time = this.#time.infer(pass, inputs, rows);
    const state = this.#condition?.infer(pass, inputs.state, rows) ?? inputs.state;
    return this.#trunk.infer(pass, this.#concat(pass, inputs.x, time, state, rows), rows);
  }

  forward(program: ProgramRecorder, values: Tensor, gradients: Tensor, inputs: DenoiserInputs, rows: number): DenoiserTape {
    const pass = new Pass(program, this.layout, values, gradients);
    const timeTape = this.#time.forward(pass, inputs, rows);
    const conditionTape = this.#condition?.forward(pass, inputs.state, rows);
    const input = this.#concat(pass, inputs.x, timeTape.output, conditionTape?.output ?? inputs.state, rows);
    const trunkTape = this.#trunk.forward(pass, input, rows);
    return {
      output: trunkTape.output,
      backward: (dOutput, wanted = {}) => this.#backward(pass, { trunkTape, conditionTape, timeTape }, dOutput, rows, wanted),
    };
  }

  prepare(program: ProgramRecorder, values: Tensor, state: Tensor, times: Tensor, rows: number): DenoiserSteps {
    const pass = new Pass(program, this.layout, values);
    const stepCount = times.length;
    const time = this.#time.infer(pass, { time: times }, stepCount);
    const stateFeature = this.#condition?.infer(pass, state, rows) ?? state;
    // The first layer is linear in [x, time, state]: its time part is one bias a step, its state part one addend a row.
    let steps: Tensor | undefined;
    let stepStride = 0;
    let addend: Tensor | undefined;
    const prepareFirst = (layer: LinearLayer): void => {
      const size = layer.outFeatures;
      const biases = pass.temporary([stepCount, size], "step biases");
      pass.linear(layer, { x: time }, { y: biases }, { rows: stepCount, columns: { column: this.width, count: this.#timeSize } });
      stepStride = Math.ceil(size / rowAlignment) * rowAlignment;
      steps = biases;
      if (stepStride !== size) {
        steps = pass.temporary([stepCount, stepStride], "aligned step biases");
        copyColumns(program, { src: biases, dst: steps }, {
          rows: stepCount, columns: size, srcStride: size, srcColumn: 0, dstStride: stepStride, dstColumn: 0,
        });
      }
      addend = pass.temporary([rows, size], "state addend");
      pass.linear(layer, { x: stateFeature, bias: "none" }, { y: addend }, {
        rows,
        columns: { column: this.width + this.#timeSize, count: this.#stateWidth },
      });
    };
    return (x, step) => this.#trunk.infer(pass, undefined, rows, (layer, outputs, activation) => {
      if (steps === undefined) prepareFirst(layer);
      if (steps === undefined || addend === undefined) throw new DifftuneError("INVARIANT", "The first layer is not prepared.");
      const bias = steps.view(step * stepStride, [layer.outFeatures], `step bias ${step}`);
      pass.linear(layer, { x, bias, addend }, outputs, { rows, activation, columns: { column: 0, count: this.width } });
    });
  }

  #concat(pass: Pass, x: Tensor, time: Tensor, state: Tensor, rows: number): Tensor {
    const input = pass.temporary([rows, this.#trunk.inFeatures], "trunk input");
    concatColumns(pass.program, [
      { tensor: x, columns: this.width },
      { tensor: time, columns: this.#timeSize },
      { tensor: state, columns: this.#stateWidth },
    ], input, { rows });
    return input;
  }

  #backward(
    pass: Pass,
    tape: {
      readonly trunkTape: Tape;
      readonly conditionTape: Tape | undefined;
      readonly timeTape: TimeTape;
    },
    dOutput: Tensor,
    rows: number,
    wanted: { readonly x?: boolean; readonly state?: boolean },
  ): { readonly dx: Tensor | undefined; readonly dState: Tensor | undefined } {
    const T = this.#timeSize;
    const needsState = wanted.state === true || tape.conditionTape !== undefined;
    // Only the columns that somebody needs: the time feature always, x and the state's on demand.
    const from = wanted.x === true ? 0 : this.width;
    const to = this.width + T + (needsState ? this.#stateWidth : 0);
    const dInput = this.#trunk.backward(pass, tape.trunkTape, dOutput, rows, { column: from, count: to - from });
    if (dInput === undefined) throw new DifftuneError("INVARIANT", "The trunk gave no input gradient.");
    const part = (column: number, columns: number, label: string): Tensor => {
      if (columns === to - from) return dInput;
      const target = pass.temporary([rows, columns], label);
      copyColumns(pass.program, { src: dInput, dst: target }, {
        rows, columns, srcStride: to - from, srcColumn: column - from, dstStride: columns, dstColumn: 0,
      });
      return target;
    };
    this.#time.backward(pass, tape.timeTape, part(this.width, T, "time gradient"), rows);

    let dState = needsState ? part(this.width + T, this.#stateWidth, "state feature gradient") : undefined;
    if (this.#condition !== undefined && tape.conditionTape !== undefined && dState !== undefined) {
      dState = this.#condition.backward(pass, tape.conditionTape, dState, rows, wanted.state === true ? "all" : undefined);
    }
    return {
      dx: wanted.x === true ? part(0, this.width, "chunk gradient") : undefined,
      dState: wanted.state === true ? dState : undefined,
    };
  }
}

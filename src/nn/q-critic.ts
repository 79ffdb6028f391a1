import * as v from "valibot";
import { parseOptions } from "../core/options.js";
import type { ProgramRecorder } from "../engine/program.js";
import type { Tensor } from "../engine/tensor.js";
import type { Activation } from "../kernels/nn/activation.js";
import { concatColumns } from "../kernels/nn/columns.js";
import { accumulate } from "../kernels/optim/ema.js";
import { createMlp, type Mlp } from "./mlp.js";
import { activationName, flag, layerSize, layerSizes } from "./network-options.js";
import { ParameterLayout } from "./parameters.js";
import { Pass } from "./pass.js";

/** Options of {@link createQCritic}. */
export interface QCriticOptions {
  /** Elements of the flattened observation stack. */
  readonly conditionWidth: number;
  /** Elements of the judged chunk. */
  readonly actionWidth: number;
  /** Default [256, 256, 256]. */
  readonly hidden?: readonly number[];
  /** Default `mish`. */
  readonly activation?: Activation;
  /** Default false. */
  readonly useLayerNorm?: boolean;
}

const schema = v.strictObject({
  conditionWidth: layerSize,
  actionWidth: layerSize,
  hidden: v.optional(layerSizes(0), [256, 256, 256]),
  activation: v.optional(activationName, "mish"),
  useLayerNorm: v.optional(flag, false),
} satisfies Record<keyof QCriticOptions, v.GenericSchema>);

/** What a critic judges. */
export interface QInputs {
  /** Flattened observation stacks [rows, conditionWidth]. */
  readonly state: Tensor;
  /** Normalised chunks [rows, actionWidth]. */
  readonly action: Tensor;
}

/** One tensor [rows, 1] for each of the two critics. */
export type QPair = readonly [first: Tensor, second: Tensor];

/** A forward pass that can be gone back. */
export interface QCriticTape {
  readonly outputs: QPair;
  /** Records the backward pass of gradients of both values; gives that of the action [rows, actionWidth] where asked for. */
  backward(dOutputs: QPair, wanted?: { readonly action?: boolean }): Tensor | undefined;
}

/** Q1(s, a) and Q2(s, a), spec 3.3: two plain perceptrons on [state, action], with the parameter names of their checkpoints. */
export class QCritic {
  readonly layout = new ParameterLayout();
  readonly conditionWidth: number;
  readonly actionWidth: number;
  readonly #mlps: readonly [Mlp, Mlp];

  constructor(options: QCriticOptions) {
    const { conditionWidth, actionWidth, hidden, ...form } = parseOptions(schema, options, "createQCritic");
    this.conditionWidth = conditionWidth;
    this.actionWidth = actionWidth;
    const sizes = [conditionWidth + actionWidth, ...hidden, 1];
    this.#mlps = [createMlp(this.layout, "Q1", { sizes, ...form }), createMlp(this.layout, "Q2", { sizes, ...form })];
  }

  /** Records both values of states and actions. */
  infer(program: ProgramRecorder, values: Tensor, inputs: QInputs, rows: number): QPair {
    const pass = new Pass(program, this.layout, values);
    const input = this.#concat(pass, inputs, rows);
    const [first, second] = this.#mlps;
    return [first.infer(pass, input, rows), second.infer(pass, input, rows)];
  }

  /** Records both values, to be gone back. Without `gradients` the way back leads to the action only. */
  forward(program: ProgramRecorder, values: Tensor, gradients: Tensor | undefined, inputs: QInputs, rows: number): QCriticTape {
    const pass = new Pass(program, this.layout, values, gradients);
    const input = this.#concat(pass, inputs, rows);
    const [first, second] = this.#mlps;
    const tapes = [first.forward(pass, input, rows), second.forward(pass, input, rows)] as const;
    return {
      outputs: [tapes[0].output, tapes[1].output],
      backward: ([dFirst, dSecond], wanted = {}) => {
        const columns = wanted.action === true ? { column: this.conditionWidth, count: this.actionWidth } : undefined;
        const dAction = first.backward(pass, tapes[0], dFirst, rows, columns);
        const addend = second.backward(pass, tapes[1], dSecond, rows, columns);
        if (dAction !== undefined && addend !== undefined) accumulate(program, { addend, sum: dAction });
        return dAction;
      },
    };
  }

  #concat(pass: Pass, { state, action }: QInputs, rows: number): Tensor {
    const input = pass.temporary([rows, this.conditionWidth + this.actionWidth], "critic input");
    concatColumns(pass.program, [
      { tensor: state, columns: this.conditionWidth },
      { tensor: action, columns: this.actionWidth },
    ], input, { rows });
    return input;
  }
}

/** Builds the pair of critics. */
export function createQCritic(options: QCriticOptions): QCritic {
  return new QCritic(options);
}

import * as v from "valibot";
import { parseOptions } from "../core/options.js";
import type { ProgramRecorder } from "../engine/program.js";
import type { Tensor } from "../engine/tensor.js";
import type { Activation } from "../kernels/nn/activation.js";
import { createMlp, type Mlp } from "./mlp.js";
import { activationName, flag, layerSize, layerSizes } from "./network-options.js";
import { ParameterLayout } from "./parameters.js";
import { Pass } from "./pass.js";

/** Options of {@link createCritic}. */
export interface CriticOptions {
  /** Elements of the flattened observation stack. */
  readonly conditionWidth: number;
  /** Default [256, 256, 256]. */
  readonly hidden?: readonly number[];
  /** Default `mish`. */
  readonly activation?: Activation;
  /** Default true. */
  readonly isResidual?: boolean;
  /** Default false. */
  readonly useLayerNorm?: boolean;
}

const schema = v.strictObject({
  conditionWidth: layerSize,
  hidden: v.optional(layerSizes(0), [256, 256, 256]),
  activation: v.optional(activationName, "mish"),
  isResidual: v.optional(flag, true),
  useLayerNorm: v.optional(flag, false),
} satisfies Record<keyof CriticOptions, v.GenericSchema>);

/** A forward pass of a critic that can be gone back. */
export interface CriticTape {
  /** Values [rows, 1]. */
  readonly output: Tensor;
  /** Records the backward pass of a gradient of the values. */
  backward(dOutput: Tensor): void;
}

/** V(s), spec 3.3, with the parameter names of its checkpoints. */
export class Critic {
  readonly layout = new ParameterLayout();
  readonly conditionWidth: number;
  readonly #mlp: Mlp;

  constructor(options: CriticOptions) {
    const { conditionWidth, hidden, ...form } = parseOptions(schema, options, "createCritic");
    this.conditionWidth = conditionWidth;
    this.#mlp = createMlp(this.layout, "Q1", { sizes: [conditionWidth, ...hidden, 1], ...form });
  }

  /** Records values of states [rows, conditionWidth]. */
  infer(program: ProgramRecorder, values: Tensor, state: Tensor, rows: number): Tensor {
    return this.#mlp.infer(new Pass(program, this.layout, values), state, rows);
  }

  /** Records values of states, to be gone back. */
  forward(program: ProgramRecorder, values: Tensor, gradients: Tensor, state: Tensor, rows: number): CriticTape {
    const pass = new Pass(program, this.layout, values, gradients);
    const tape = this.#mlp.forward(pass, state, rows);
    return { output: tape.output, backward: (dOutput) => { this.#mlp.backward(pass, tape, dOutput, rows); } };
  }
}

/** Builds the critic. */
export function createCritic(options: CriticOptions): Critic {
  return new Critic(options);
}

import { DifftuneError } from "../core/errors.js";
import type { ProgramRecorder } from "../engine/program.js";
import type { Tensor } from "../engine/tensor.js";
import type { Activation } from "../kernels/nn/activation.js";
import {
  isBestUnpacked, linear, linearBackwardInput, linearBackwardWeight, linearPack, linearPackedInput, packedLength, type WeightSlice,
} from "../kernels/nn/linear.js";
import { uniformByFanIn, type ParameterLayout } from "./parameters.js";

/** A linear layer: its sizes and the names of its parameters. */
export interface LinearLayer {
  readonly name: string;
  readonly inFeatures: number;
  readonly outFeatures: number;
}

/** Adds `name.weight` [O, I] and `name.bias` [O] to a layout, initialised as PyTorch does. */
export function addLinear(layout: ParameterLayout, name: string, inFeatures: number, outFeatures: number): LinearLayer {
  const initial = uniformByFanIn(inFeatures);
  layout.add(`${name}.weight`, [outFeatures, inFeatures], initial);
  layout.add(`${name}.bias`, [outFeatures], initial);
  return { name, inFeatures, outFeatures };
}

/** Some input columns of a linear layer. */
export interface ColumnRange {
  readonly column: number;
  readonly count: number;
}

function allColumns(layer: LinearLayer): ColumnRange {
  return { column: 0, count: layer.inFeatures };
}

/** Where some input columns lie in the weight of a layer. */
function sliceOf(layer: LinearLayer, columns: ColumnRange): WeightSlice {
  return { inFeatures: columns.count, outFeatures: layer.outFeatures, rowStride: layer.inFeatures, column: columns.column };
}

/** What a linear layer writes: its sum, its activation, or both. */
export interface LinearOutputs {
  readonly y?: Tensor;
  readonly activated?: Tensor;
}

/**
 * One network inside one program: where its parameters and gradients are, and which weights are packed already. Networks
 * record their launches through it.
 */
export class Pass {
  readonly program: ProgramRecorder;
  readonly layout: ParameterLayout;
  readonly #values: Tensor;
  readonly #gradients: Tensor | undefined;
  readonly #prepared = new Map<string, Tensor>();

  constructor(program: ProgramRecorder, layout: ParameterLayout, values: Tensor, gradients?: Tensor) {
    if (values.length !== layout.length || (gradients !== undefined && gradients.length !== layout.length)) {
      throw new DifftuneError("SHAPE", `Parameters "${values.label}" do not have the layout of this network.`, {
        expected: layout.length,
        got: [values.length, gradients?.length],
      });
    }
    this.program = program;
    this.layout = layout;
    this.#values = values;
    this.#gradients = gradients;
  }

  /** The parameter of a name. */
  value(name: string): Tensor {
    return this.layout.view(this.#values, name);
  }

  /** Whether gradients of parameters are wanted; where not, a backward pass gives that of its input alone. */
  get hasGradients(): boolean {
    return this.#gradients !== undefined;
  }

  /** Where the gradient of a parameter goes. */
  gradient(name: string): Tensor {
    if (this.#gradients === undefined) throw new DifftuneError("INVARIANT", `This pass records no gradients (${name}).`);
    return this.layout.view(this.#gradients, name);
  }

  /** Memory inside one run. */
  temporary(shape: readonly number[], label: string): Tensor {
    return this.program.temporary(shape, label);
  }

  /** What `record` makes, recorded when it is first asked for: packed weights, tables. */
  once(key: string, record: () => Tensor): Tensor {
    let made = this.#prepared.get(key);
    if (made === undefined) {
      made = record();
      this.#prepared.set(key, made);
    }
    return made;
  }

  /** Records y = x W^T + b (+ addend) over some input columns (all by default); see the kernel `linear`. */
  linear(
    layer: LinearLayer,
    inputs: { readonly x: Tensor; readonly bias?: Tensor | "own" | "none"; readonly addend?: Tensor },
    outputs: LinearOutputs,
    options: { readonly rows: number; readonly activation?: Activation; readonly columns?: ColumnRange },
  ): void {
    const columns = options.columns ?? allColumns(layer);
    const bias = inputs.bias === undefined || inputs.bias === "own" ? this.value(`${layer.name}.bias`)
      : inputs.bias === "none" ? undefined : inputs.bias;
    const { rows, activation = "identity" } = options;
    const { outFeatures } = layer;
    const { x, addend } = inputs;
    const { y, activated } = outputs;
    // Gradients are those of one forward pass, which uses a weight once.
    if (this.hasGradients && isBestUnpacked(this.program.engine, rows, columns.count, outFeatures)) {
      const weight = this.value(`${layer.name}.weight`);
      linearPackedInput(this.program, { x, weight, bias, addend, y, activated }, { ...sliceOf(layer, columns), rows, activation });
      return;
    }
    const packed = this.#packedWeight(layer, columns);
    linear(this.program, { x, packed, bias, addend, y, activated }, { rows, inFeatures: columns.count, outFeatures, activation });
  }

  /** Records the gradient of some input columns (all by default); see the kernel `linear_backward_input`. */
  linearBackwardInput(
    layer: LinearLayer,
    tensors: { readonly dy: Tensor; readonly dx: Tensor; readonly pre?: Tensor; readonly addend?: Tensor },
    options: { readonly rows: number; readonly activation?: Activation; readonly columns?: ColumnRange },
  ): void {
    const columns = options.columns ?? allColumns(layer);
    linearBackwardInput(this.program, { ...tensors, weight: this.value(`${layer.name}.weight`) }, {
      ...sliceOf(layer, columns),
      rows: options.rows,
      activation: options.activation ?? "identity",
    });
  }

  /** Records the gradients of weight and bias, where they are wanted. */
  linearBackwardWeight(layer: LinearLayer, tensors: { readonly dy: Tensor; readonly x: Tensor }, rows: number): void {
    if (!this.hasGradients) return;
    linearBackwardWeight(this.program, {
      ...tensors,
      dWeight: this.gradient(`${layer.name}.weight`),
      dBias: this.gradient(`${layer.name}.bias`),
    }, { ...sliceOf(layer, allColumns(layer)), rows });
  }

  #packedWeight(layer: LinearLayer, columns: ColumnRange): Tensor {
    const key = `${layer.name}:${columns.column}:${columns.count}`;
    return this.once(key, () => {
      const packed = this.temporary([packedLength(columns.count, layer.outFeatures)], `packed ${key}`);
      linearPack(this.program, { weight: this.value(`${layer.name}.weight`), packed }, sliceOf(layer, columns));
      return packed;
    });
  }
}

import { DifftuneError } from "../core/errors.js";
import type { Tensor } from "../engine/tensor.js";
import type { Activation } from "../kernels/nn/activation.js";
import { pairSum } from "../kernels/nn/pair-sum.js";
import type { ParameterLayout } from "./parameters.js";
import { addLinear, type LinearLayer, type Pass } from "./pass.js";

/** The two sums that a first layer of [time, state] consists of. */
export interface SplitCondition {
  /** Of every step [steps, size], the bias included. */
  readonly time: Tensor;
  /** Of every row [rows, size]. */
  readonly state: Tensor;
}

/** A forward pass of a {@link FilmEncoder}, and the way back. */
export interface FilmTrace {
  readonly output: Tensor;
  /** Records the gradients of the parameters; gives that of the condition, + addend. */
  backward(dOutput: Tensor, addend: Tensor | undefined): Tensor;
}

/**
 * What a condition makes of the activations of a block. Large: L4 f(L2 f(L0 condition)). Small: one layer of a condition
 * that f was applied to already, because all blocks share that.
 */
export class FilmEncoder {
  readonly size: number;
  readonly #layers: readonly LinearLayer[];
  readonly #conditionSize: number;
  readonly #activation: Activation;

  /** Adds `name.0`, `name.2` and `name.4` (small: `name.1`) to a layout. */
  constructor(layout: ParameterLayout, name: string, sizes: { readonly condition: number; readonly out: number }, form: {
    readonly isSmall: boolean;
    readonly activation: Activation;
  }) {
    const { condition, out } = sizes;
    this.size = out;
    this.#conditionSize = condition;
    this.#activation = form.activation;
    this.#layers = form.isSmall
      ? [addLinear(layout, `${name}.1`, condition, out)]
      : [addLinear(layout, `${name}.0`, condition, out), addLinear(layout, `${name}.2`, out, out), addLinear(layout, `${name}.4`, out, out)];
  }

  /** Records the encoding of conditions [rows, conditionSize]. */
  forward(pass: Pass, condition: Tensor, rows: number): FilmTrace {
    const last = this.#layers.length - 1;
    const inputs = [condition];
    const sums: Tensor[] = [];
    for (const [at, layer] of this.#layers.entries()) {
      const x = required(inputs[at]);
      const y = pass.temporary([rows, this.size], `${layer.name} sum`);
      sums.push(y);
      if (at === last) {
        pass.linear(layer, { x }, { y }, { rows });
      } else {
        const activated = pass.temporary([rows, this.size], `${layer.name} activated`);
        pass.linear(layer, { x }, { y, activated }, { rows, activation: this.#activation });
        inputs.push(activated);
      }
    }
    return {
      output: required(sums[last]),
      backward: (dOutput, addend) => {
        let dy = dOutput;
        for (let at = last; at > 0; at--) {
          const layer = required(this.#layers[at]);
          pass.linearBackwardWeight(layer, { dy, x: required(inputs[at]) }, rows);
          const dx = pass.temporary([rows, this.size], `${layer.name} input gradient`);
          pass.linearBackwardInput(layer, { dy, dx, pre: required(sums[at - 1]) }, { rows, activation: this.#activation });
          dy = dx;
        }
        const first = required(this.#layers[0]);
        pass.linearBackwardWeight(first, { dy, x: condition }, rows);
        const dCondition = pass.temporary([rows, this.#conditionSize], `${first.name} input gradient`);
        pass.linearBackwardInput(first, addend === undefined ? { dy, dx: dCondition } : { dy, dx: dCondition, addend }, { rows });
        return dCondition;
      },
    };
  }

  /** Records the two parts of the first layer, for times and states on their own; `timeSize` columns are the time's. */
  split(
    pass: Pass,
    time: { readonly feature: Tensor; readonly rows: number; readonly size: number },
    state: { readonly feature: Tensor; readonly rows: number },
  ): SplitCondition {
    const first = required(this.#layers[0]);
    const sums = {
      time: pass.temporary([time.rows, this.size], `${first.name} of time`),
      state: pass.temporary([state.rows, this.size], `${first.name} of state`),
    };
    pass.linear(first, { x: time.feature }, { y: sums.time }, { rows: time.rows, columns: { column: 0, count: time.size } });
    pass.linear(first, { x: state.feature, bias: "none" }, { y: sums.state }, {
      rows: state.rows, columns: { column: time.size, count: this.#conditionSize - time.size },
    });
    return sums;
  }

  /** Records the encodings [steps, rows, size] of some steps for all rows. */
  encode(pass: Pass, split: SplitCondition, steps: { readonly from: number; readonly count: number }, rows: number): Tensor {
    const [, ...rest] = this.#layers;
    const pairs = steps.count * rows;
    let x = pass.temporary([pairs, this.size], "condition sums");
    pairSum(pass.program, { first: split.time, second: split.state, y: x }, {
      start: steps.from, firstRows: steps.count, secondRows: rows, columns: this.size, activation: rest.length > 0 ? this.#activation : "identity",
    });
    for (const [at, layer] of rest.entries()) {
      const output = pass.temporary([pairs, this.size], `${layer.name} output`);
      pass.linear(layer, { x }, { activated: output }, { rows: pairs, activation: at === rest.length - 1 ? "identity" : this.#activation });
      x = output;
    }
    return x;
  }
}

function required<T>(value: T | undefined): T {
  if (value === undefined) throw new DifftuneError("INVARIANT", "A condition encoder lost track of its layers.");
  return value;
}

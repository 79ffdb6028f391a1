import type { Tensor } from "../engine/tensor.js";
import { timestepEmbedding, timestepFrequencies } from "../kernels/nn/timestep-embedding.js";
import type { ParameterLayout } from "./parameters.js";
import { addLinear, type LinearLayer, type Pass } from "./pass.js";

/** A forward pass of a {@link TimeEncoder} that can be gone back. */
export interface TimeTape {
  /** Time features [rows, size]. */
  readonly output: Tensor;
  readonly embedding: Tensor;
  readonly sum: Tensor;
  readonly activated: Tensor;
}

/** The time feature of the denoisers: W3 mish(W1 posemb(t) + b1) + b3, whatever activation the network has. */
export class TimeEncoder {
  readonly #size: number;
  readonly #hidden: number;
  readonly #in: LinearLayer;
  readonly #out: LinearLayer;

  /** Adds `name.1` and `name.3` to a layout. */
  constructor(layout: ParameterLayout, name: string, size: number, hidden: number) {
    this.#size = size;
    this.#hidden = hidden;
    this.#in = addLinear(layout, `${name}.1`, size, hidden);
    this.#out = addLinear(layout, `${name}.3`, hidden, size);
  }

  /** Records the features of u32 times; keeps nothing else. */
  infer(pass: Pass, time: Tensor, rows: number): Tensor {
    const activated = pass.temporary([rows, this.#hidden], "time activated");
    pass.linear(this.#in, { x: this.#embed(pass, time, rows) }, { activated }, { rows, activation: "mish" });
    return this.#feature(pass, activated, rows);
  }

  /** Records the features of u32 times, and what the way back needs. */
  forward(pass: Pass, time: Tensor, rows: number): TimeTape {
    const embedding = this.#embed(pass, time, rows);
    const sum = pass.temporary([rows, this.#hidden], "time sum");
    const activated = pass.temporary([rows, this.#hidden], "time activated");
    pass.linear(this.#in, { x: embedding }, { y: sum, activated }, { rows, activation: "mish" });
    return { output: this.#feature(pass, activated, rows), embedding, sum, activated };
  }

  /** Records the gradients of the parameters. */
  backward(pass: Pass, tape: TimeTape, dOutput: Tensor, rows: number): void {
    pass.linearBackwardWeight(this.#out, { dy: dOutput, x: tape.activated }, rows);
    const dSum = pass.temporary([rows, this.#hidden], "time sum gradient");
    pass.linearBackwardInput(this.#out, { dy: dOutput, dx: dSum, pre: tape.sum }, { rows, activation: "mish" });
    pass.linearBackwardWeight(this.#in, { dy: dSum, x: tape.embedding }, rows);
  }

  #embed(pass: Pass, time: Tensor, rows: number): Tensor {
    const embedding = pass.temporary([rows, this.#size], "time embedding");
    const frequencies = pass.program.constant(timestepFrequencies(this.#size), "time frequencies", "u32");
    timestepEmbedding(pass.program, { t: time, frequencies, out: embedding }, { rows, dim: this.#size });
    return embedding;
  }

  #feature(pass: Pass, activated: Tensor, rows: number): Tensor {
    const feature = pass.temporary([rows, this.#size], "time feature");
    pass.linear(this.#out, { x: activated }, { y: feature }, { rows });
    return feature;
  }
}

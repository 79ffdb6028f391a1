import type { Tensor } from "../engine/tensor.js";
import { linearBackwardWeight } from "../kernels/nn/linear.js";
import { rowGather } from "../kernels/nn/row-gather.js";
import { timestepEmbedding, timestepFrequencies } from "../kernels/nn/timestep-embedding.js";
import type { DenoiserInputs } from "./denoiser.js";
import type { ParameterLayout } from "./parameters.js";
import { addLinear, type LinearLayer, type Pass } from "./pass.js";

/** A forward pass of a {@link TimeEncoder} that can be gone back. */
export interface TimeTape {
  /** Time features [rows, size]. */
  readonly output: Tensor;
  readonly embedding: Tensor;
  readonly sum: Tensor;
  readonly activated: Tensor;
  /** Place of each row's time in the list of times, where they come from one. */
  readonly index: Tensor | undefined;
}

/** The times of rows: see {@link DenoiserInputs}. */
export type Times = Pick<DenoiserInputs, "time" | "timeIndex">;

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

  /** Records the features of the times of `rows` rows; keeps nothing else. */
  infer(pass: Pass, { time, timeIndex }: Times, rows: number): Tensor {
    const count = timeIndex === undefined ? rows : time.length;
    const activated = pass.temporary([count, this.#hidden], "time activated");
    pass.linear(this.#in, { x: this.#embed(pass, time, count) }, { activated }, { rows: count, activation: "mish" });
    return this.#perRow(pass, this.#feature(pass, activated, count), timeIndex, rows);
  }

  /** Records the features of the times of `rows` rows, and what the way back needs. */
  forward(pass: Pass, { time, timeIndex }: Times, rows: number): TimeTape {
    const count = timeIndex === undefined ? rows : time.length;
    const embedding = this.#embed(pass, time, count);
    const sum = pass.temporary([count, this.#hidden], "time sum");
    const activated = pass.temporary([count, this.#hidden], "time activated");
    pass.linear(this.#in, { x: embedding }, { y: sum, activated }, { rows: count, activation: "mish" });
    const output = this.#perRow(pass, this.#feature(pass, activated, count), timeIndex, rows);
    return { output, embedding, sum, activated, index: timeIndex };
  }

  /** Records the gradients of the parameters. */
  backward(pass: Pass, tape: TimeTape, dOutput: Tensor, rows: number): void {
    const count = tape.embedding.shape[0]!;
    const dFeature = tape.index === undefined ? dOutput : this.#perTime(pass, dOutput, tape.index, { rows, count });
    pass.linearBackwardWeight(this.#out, { dy: dFeature, x: tape.activated }, count);
    const dSum = pass.temporary([count, this.#hidden], "time sum gradient");
    pass.linearBackwardInput(this.#out, { dy: dFeature, dx: dSum, pre: tape.sum }, { rows: count, activation: "mish" });
    pass.linearBackwardWeight(this.#in, { dy: dSum, x: tape.embedding }, count);
  }

  /** Features of the list of times -> those of the rows. */
  #perRow(pass: Pass, feature: Tensor, index: Tensor | undefined, rows: number): Tensor {
    if (index === undefined) return feature;
    const out = pass.temporary([rows, this.#size], "time features of rows");
    rowGather(pass.program, { source: feature, index, out }, { rows, width: this.#size });
    return out;
  }

  /** Gradients of rows, summed for each time of the list: J^T dOutput, where row r of J is the unit vector of index[r]. */
  #perTime(pass: Pass, dOutput: Tensor, index: Tensor, { rows, count }: { readonly rows: number; readonly count: number }): Tensor {
    const units = pass.program.constant(Float32Array.from({ length: count * count }, (_, at) => (at % (count + 1) === 0 ? 1 : 0)), "unit vectors");
    const chosen = pass.temporary([rows, count], "chosen times");
    rowGather(pass.program, { source: units, index, out: chosen }, { rows, width: count });
    const sums = pass.temporary([count, this.#size], "time feature gradient");
    linearBackwardWeight(pass.program, { dy: chosen, x: dOutput, dWeight: sums }, {
      rows, outFeatures: count, inFeatures: this.#size, rowStride: this.#size, column: 0,
    });
    return sums;
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

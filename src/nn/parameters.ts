import { DifftuneError } from "../core/errors.js";
import { PhiloxStream } from "../core/philox.js";
import type { Tensor } from "../engine/tensor.js";
import { loadStateDict, saveStateDict, type LoadOptions, type ParameterShape } from "../io/state-dict.js";
import type { StoredTensor } from "../io/safetensors.js";

/** First contents of a parameter: uniform in [-bound, bound), or one number everywhere. */
export type Initialiser = { readonly kind: "uniform"; readonly bound: number } | { readonly kind: "constant"; readonly value: number };

/** One named parameter and its place in the flat buffer. */
export interface Parameter extends ParameterShape {
  /** First element; a multiple of 64, so that kernels can be given a view of it. */
  readonly offset: number;
  readonly length: number;
  readonly initial: Initialiser;
  /** False for numbers that a checkpoint carries and no optimiser changes; they stand behind all that are trained. */
  readonly isTrained: boolean;
}

/** Elements to which parameters are aligned (256 bytes, the default alignment of a WebGPU binding). */
const alignment = 64;

/**
 * The parameters of a network in one flat buffer, under the names of the original checkpoints. Gradients, moments and
 * averages live in buffers of the same layout, so that an optimiser is one kernel call. Gaps of the alignment hold zeros
 * and have zero gradients: they never move.
 */
export class ParameterLayout {
  readonly #parameters = new Map<string, Parameter>();
  #length = 0;
  #trainedLength = 0;

  /** Elements of a flat buffer of this layout, gaps included. */
  get length(): number {
    return this.#length;
  }

  /** Elements from the start that an optimiser changes. */
  get trainedLength(): number {
    return this.#trainedLength;
  }

  /** All parameters in the order in which they were added. */
  get parameters(): readonly Parameter[] {
    return [...this.#parameters.values()];
  }

  /** Number of parameters proper, without gaps. */
  get parameterCount(): number {
    return this.parameters.reduce((sum, { length }) => sum + length, 0);
  }

  /** Adds a parameter; networks call this while they are built. */
  add(name: string, shape: readonly number[], initial: Initialiser, options: { readonly isTrained?: boolean } = {}): void {
    if (this.#parameters.has(name)) {
      throw new DifftuneError("INVARIANT", `Parameter "${name}" is added twice.`);
    }
    const length = shape.reduce((product, size) => product * size, 1);
    const isTrained = options.isTrained ?? true;
    if (isTrained && this.#trainedLength !== this.#length) {
      throw new DifftuneError("INVARIANT", `Parameter "${name}" is trained and follows one that is not.`);
    }
    this.#parameters.set(name, { name, shape, offset: this.#length, length, initial, isTrained });
    this.#length += Math.ceil(length / alignment) * alignment;
    if (isTrained) this.#trainedLength = this.#length;
  }

  /** The parameter of a name. */
  get(name: string): Parameter {
    const parameter = this.#parameters.get(name);
    if (parameter === undefined) {
      throw new DifftuneError("OPTION", `There is no parameter "${name}".`, { expected: [...this.#parameters.keys()] });
    }
    return parameter;
  }

  /** The part of a flat tensor that holds a parameter. */
  view(flat: Tensor, name: string): Tensor {
    const { offset, length } = this.get(name);
    return flat.view(offset, [length], `${flat.label}/${name}`);
  }

  /**
   * First values, with the distribution of PyTorch's initialisers. Each parameter has a random stream of its own, so
   * adding a layer does not change the others.
   */
  initialValues(seed: number): Float32Array {
    const flat = new Float32Array(this.#length);
    for (const [stream, { offset, length, initial }] of this.parameters.entries()) {
      if (initial.kind === "constant") {
        flat.fill(initial.value, offset, offset + length);
        continue;
      }
      const random = new PhiloxStream(seed, stream);
      for (let at = 0; at < length; at++) flat[offset + at] = (2 * random.uniform() - 1) * initial.bound;
    }
    return flat;
  }

  /** Flat values from the tensors of a checkpoint, by name; refuses what does not fit, see {@link loadStateDict}. */
  load(tensors: ReadonlyMap<string, StoredTensor>, options: LoadOptions = {}): Float32Array {
    const values = loadStateDict(tensors, this.parameters, options);
    const flat = new Float32Array(this.#length);
    for (const [name, numbers] of values) flat.set(numbers, this.get(name).offset);
    return flat;
  }

  /** The reverse of {@link load}. */
  save(flat: Float32Array, prefix = ""): Map<string, StoredTensor> {
    return saveStateDict(this.parameters, (name) => {
      const { offset, length } = this.get(name);
      return flat.slice(offset, offset + length);
    }, prefix);
  }
}

/** PyTorch's default for linear layers and biases: uniform in +-1/sqrt(fanIn). */
export function uniformByFanIn(fanIn: number): Initialiser {
  return { kind: "uniform", bound: 1 / Math.sqrt(fanIn) };
}

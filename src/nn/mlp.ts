import * as v from "valibot";
import { DifftuneError } from "../core/errors.js";
import { parseOptions } from "../core/options.js";
import type { Tensor } from "../engine/tensor.js";
import { activation, activationBackward, type Activation } from "../kernels/nn/activation.js";
import { layerNorm, layerNormBackward, layerNormBackwardWeight } from "../kernels/nn/layer-norm.js";
import { activationName, flag, layerSizes } from "./network-options.js";
import { addLinear, type ColumnRange, type LinearLayer, type LinearOutputs, type Pass } from "./pass.js";
import type { ParameterLayout } from "./parameters.js";

/** Options of a perceptron. */
export interface MlpOptions {
  /** Sizes from input to output; at least two. A residual one has an odd number of hidden sizes and uses the first. */
  readonly sizes: readonly number[];
  readonly activation: Activation;
  /** Applied to the output. Default `identity`. */
  readonly outputActivation?: Activation;
  /** Layer norm in front of hidden activations. Default false. */
  readonly useLayerNorm?: boolean;
  /** Layer norm on the output layer too. Default false. */
  readonly useFinalLayerNorm?: boolean;
  /** Residual form (spec 2.4) instead of the plain one (2.3). Default false. */
  readonly isResidual?: boolean;
}

const schema = v.strictObject({
  sizes: layerSizes(2),
  activation: activationName,
  outputActivation: v.optional(activationName, "identity"),
  useLayerNorm: v.optional(flag, false),
  useFinalLayerNorm: v.optional(flag, false),
  isResidual: v.optional(flag, false),
} satisfies Record<keyof MlpOptions, v.GenericSchema>);

type ResolvedOptions = Readonly<v.InferOutput<typeof schema>>;

/** A forward pass as recorded: its output, and what its backward pass needs. */
export interface Tape {
  readonly output: Tensor;
  readonly steps: readonly StepTape[];
}

interface StepTape {
  /** Input of the linear layer. */
  readonly input: Tensor;
  /** What the following activation was applied to (the sum, or its norm), or what came out where its slope shows there too. */
  readonly pre: Tensor;
  readonly norm?: NormTape;
}

interface NormTape {
  readonly name: string;
  readonly input: Tensor;
  readonly moments: Tensor;
  readonly size: number;
}

/** Replaces the launch of the first linear layer, for callers who can do with fewer columns. */
export type FirstLayer = (layer: LinearLayer, outputs: LinearOutputs, activation: Activation) => void;

const plainEpsilon = 1e-5;
const residualEpsilon = 1e-6;

/** Adds a layer norm to a layout: weight 1, bias 0. */
function addNorm(layout: ParameterLayout, name: string, size: number): void {
  layout.add(`${name}.weight`, [size], { kind: "constant", value: 1 });
  layout.add(`${name}.bias`, [size], { kind: "constant", value: 0 });
}

/** A multi-layer perceptron with the parameter names of the original, plain or residual. Records, never computes. */
export interface Mlp {
  readonly inFeatures: number;
  readonly outFeatures: number;
  /** Records a forward pass that keeps nothing but its output. `x` is unused when `first` stands in for the first layer. */
  infer(pass: Pass, x: Tensor | undefined, rows: number, first?: FirstLayer): Tensor;
  /** Records a forward pass that can be gone back. */
  forward(pass: Pass, x: Tensor, rows: number): Tape;
  /** Records the backward pass. Gives the gradient of the input columns asked for, or nothing when none are. */
  backward(pass: Pass, tape: Tape, dOutput: Tensor, rows: number, columns?: ColumnRange | "all"): Tensor | undefined;
}

/** Builds a perceptron and adds its parameters to a layout. */
export function createMlp(layout: ParameterLayout, name: string, options: MlpOptions): Mlp {
  const resolved = parseOptions(schema, options, "createMlp");
  return resolved.isResidual ? new ResidualMlp(layout, name, resolved) : new PlainMlp(layout, name, resolved);
}

/** Records y = norm(x) and what its backward pass needs. */
function recordNorm(pass: Pass, name: string, x: Tensor, rows: number, size: number, epsilon: number): { y: Tensor; norm: NormTape } {
  const y = pass.temporary([rows, size], `${name} output`);
  const moments = pass.temporary([rows, 2], `${name} moments`);
  layerNorm(pass.program, { x, weight: pass.value(`${name}.weight`), bias: pass.value(`${name}.bias`), y, moments }, {
    rows,
    columns: size,
    epsilon,
  });
  return { y, norm: { name, input: x, moments, size } };
}

/** Records the way back through a norm: gradient of its input (plus an addend), of its weight and bias. */
function recordNormBackward(pass: Pass, norm: NormTape, dy: Tensor, rows: number, addend?: Tensor): Tensor {
  const dx = pass.temporary([rows, norm.size], `${norm.name} gradient`);
  const { input: x, moments } = norm;
  const shape = { rows, columns: norm.size };
  layerNormBackward(pass.program, { dy, x, weight: pass.value(`${norm.name}.weight`), moments, addend, dx }, shape);
  if (!pass.hasGradients) return dx;
  layerNormBackwardWeight(pass.program, {
    dy, x, moments, dweight: pass.gradient(`${norm.name}.weight`), dbias: pass.gradient(`${norm.name}.bias`),
  }, shape);
  return dx;
}

/** Whether the slope of an activation at x is its slope at f(x): then nobody needs to keep x. */
function hasSlopeOfOutput(kind: Activation): boolean {
  return kind === "relu" || kind === "leakyRelu";
}

/** Records y = f(x) into fresh memory. */
function recordActivation(pass: Pass, x: Tensor, rows: number, columns: number, kind: Activation, label: string): Tensor {
  const y = pass.temporary([rows, columns], label);
  activation(pass.program, { x, y }, { rows, columns, kind });
  return y;
}

/** Linear, (norm), activation, ..., linear, (norm), output activation. */
class PlainMlp implements Mlp {
  readonly inFeatures: number;
  readonly outFeatures: number;
  readonly #layers: readonly LinearLayer[];
  readonly #norms: readonly (string | undefined)[];
  readonly #activations: readonly Activation[];

  constructor(layout: ParameterLayout, name: string, options: ResolvedOptions) {
    const { sizes } = options;
    const last = sizes.length - 2;
    const layers: LinearLayer[] = [];
    const norms: (string | undefined)[] = [];
    for (let at = 0; at <= last; at++) {
      const place = `${name}.moduleList.${at}`;
      const layer = addLinear(layout, `${place}.linear_1`, sizes[at] ?? 0, sizes[at + 1] ?? 0);
      layers.push(layer);
      const hasNorm = at < last ? options.useLayerNorm : options.useFinalLayerNorm;
      if (hasNorm) addNorm(layout, `${place}.norm_1`, layer.outFeatures);
      norms.push(hasNorm ? `${place}.norm_1` : undefined);
    }
    this.#layers = layers;
    this.#norms = norms;
    this.#activations = layers.map((_, at) => (at < last ? options.activation : options.outputActivation));
    this.inFeatures = sizes[0] ?? 0;
    this.outFeatures = sizes.at(-1) ?? 0;
  }

  infer(pass: Pass, x: Tensor | undefined, rows: number, first?: FirstLayer): Tensor {
    let input = x;
    for (const [at, layer] of this.#layers.entries()) {
      const kind = this.#activations[at] ?? "identity";
      const norm = this.#norms[at];
      const output = pass.temporary([rows, layer.outFeatures], `${layer.name} output`);
      const outputs: LinearOutputs = norm === undefined ? { activated: output } : { y: output };
      if (at === 0 && first !== undefined) first(layer, outputs, kind);
      else if (input !== undefined) pass.linear(layer, { x: input }, outputs, { rows, activation: kind });
      input = output;
      if (norm !== undefined) {
        const { y } = recordNorm(pass, norm, output, rows, layer.outFeatures, plainEpsilon);
        input = recordActivation(pass, y, rows, layer.outFeatures, kind, `${norm} activated`);
      }
    }
    return required(input);
  }

  forward(pass: Pass, x: Tensor, rows: number): Tape {
    let input = x;
    const steps: StepTape[] = [];
    for (const [at, layer] of this.#layers.entries()) {
      const kind = this.#activations[at] ?? "identity";
      const norm = this.#norms[at];
      if (norm === undefined && hasSlopeOfOutput(kind)) {
        const activated = pass.temporary([rows, layer.outFeatures], `${layer.name} activated`);
        pass.linear(layer, { x: input }, { activated }, { rows, activation: kind });
        steps.push({ input, pre: activated });
        input = activated;
        continue;
      }
      const sum = pass.temporary([rows, layer.outFeatures], `${layer.name} sum`);
      if (norm === undefined && kind !== "identity") {
        const activated = pass.temporary([rows, layer.outFeatures], `${layer.name} activated`);
        pass.linear(layer, { x: input }, { y: sum, activated }, { rows, activation: kind });
        steps.push({ input, pre: sum });
        input = activated;
      } else {
        pass.linear(layer, { x: input }, { y: sum }, { rows });
        const normed = norm === undefined ? undefined : recordNorm(pass, norm, sum, rows, layer.outFeatures, plainEpsilon);
        const pre = normed?.y ?? sum;
        steps.push(normed === undefined ? { input, pre } : { input, pre, norm: normed.norm });
        input = kind === "identity" ? pre : recordActivation(pass, pre, rows, layer.outFeatures, kind, `${layer.name} activated`);
      }
    }
    return { output: input, steps };
  }

  backward(pass: Pass, tape: Tape, dOutput: Tensor, rows: number, columns?: ColumnRange | "all"): Tensor | undefined {
    // d: gradient of what the activation of the layer was applied to.
    let d = activationBack(pass, tape.steps.at(-1), dOutput, rows, this.outFeatures, this.#activations.at(-1) ?? "identity");
    for (let at = this.#layers.length - 1; at >= 0; at--) {
      const layer = required(this.#layers[at]);
      const step = required(tape.steps[at]);
      if (step.norm !== undefined) d = recordNormBackward(pass, step.norm, d, rows);
      pass.linearBackwardWeight(layer, { dy: d, x: step.input }, rows);
      if (at === 0) return inputGradient(pass, layer, d, rows, columns);
      const dx = pass.temporary([rows, layer.inFeatures], `${layer.name} input gradient`);
      const kind = this.#activations[at - 1] ?? "identity";
      const pre = tape.steps[at - 1]?.pre;
      pass.linearBackwardInput(layer, kind === "identity" || pre === undefined ? { dy: d, dx } : { dy: d, dx, pre }, { rows, activation: kind });
      d = dx;
    }
    return undefined;
  }
}

/** x = L0(in); x += L2(f(n2(L1(f(n1(x)))))) a block; out = f_out(n(L(x))). */
class ResidualMlp implements Mlp {
  readonly inFeatures: number;
  readonly outFeatures: number;
  readonly #hidden: number;
  readonly #input: LinearLayer;
  readonly #blocks: readonly { readonly l1: LinearLayer; readonly l2: LinearLayer; readonly norm1?: string; readonly norm2?: string }[];
  readonly #output: LinearLayer;
  readonly #finalNorm: string | undefined;
  readonly #activation: Activation;
  readonly #outputActivation: Activation;

  constructor(layout: ParameterLayout, name: string, options: ResolvedOptions) {
    const { sizes } = options;
    const hiddenCount = sizes.length - 2;
    if (hiddenCount % 2 !== 1) {
      throw new DifftuneError("OPTION", `A residual perceptron has an odd number of hidden sizes, not ${hiddenCount}.`, {
        hint: "One, then two for each block.",
        got: sizes,
      });
    }
    this.inFeatures = sizes[0] ?? 0;
    this.outFeatures = sizes.at(-1) ?? 0;
    this.#hidden = sizes[1] ?? 0;
    this.#input = addLinear(layout, `${name}.layers.0`, this.inFeatures, this.#hidden);
    const blockCount = (hiddenCount - 1) / 2;
    this.#blocks = Array.from({ length: blockCount }, (_, at) => {
      const place = `${name}.layers.${at + 1}`;
      const l1 = addLinear(layout, `${place}.l1`, this.#hidden, this.#hidden);
      const l2 = addLinear(layout, `${place}.l2`, this.#hidden, this.#hidden);
      if (!options.useLayerNorm) return { l1, l2 };
      addNorm(layout, `${place}.norm1`, this.#hidden);
      addNorm(layout, `${place}.norm2`, this.#hidden);
      return { l1, l2, norm1: `${place}.norm1`, norm2: `${place}.norm2` };
    });
    const last = `${name}.layers.${blockCount + 1}`;
    this.#output = addLinear(layout, last, this.#hidden, this.outFeatures);
    // The reference numbers the final norm as one more layer.
    this.#finalNorm = options.useFinalLayerNorm ? `${name}.layers.${blockCount + 2}` : undefined;
    if (this.#finalNorm !== undefined) addNorm(layout, this.#finalNorm, this.outFeatures);
    this.#activation = options.activation;
    this.#outputActivation = options.outputActivation;
  }

  infer(pass: Pass, x: Tensor | undefined, rows: number, first?: FirstLayer): Tensor {
    const kind = this.#activation;
    const wide = (label: string): Tensor => pass.temporary([rows, this.#hidden], label);
    // The activation of a block's input is written by whoever computes that input, where no norm stands between.
    const isFused = (at: number): boolean => at < this.#blocks.length && this.#blocks[at]?.norm1 === undefined;
    const outputsAt = (at: number, label: string): { sum: Tensor; activated?: Tensor; outputs: LinearOutputs } => {
      const sum = wide(label);
      if (!isFused(at)) return { sum, outputs: { y: sum } };
      const activated = wide(`${label} activated`);
      return { sum, activated, outputs: { y: sum, activated } };
    };
    let stream = outputsAt(0, `${this.#input.name} output`);
    if (first !== undefined) first(this.#input, stream.outputs, kind);
    else pass.linear(this.#input, { x: required(x) }, stream.outputs, { rows, activation: kind });
    for (const [at, block] of this.#blocks.entries()) {
      const inner = stream.activated ?? this.#normedActivation(pass, required(block.norm1), stream.sum, rows);
      let middle = wide(`${block.l1.name} output`);
      if (block.norm2 === undefined) {
        pass.linear(block.l1, { x: inner }, { activated: middle }, { rows, activation: kind });
      } else {
        pass.linear(block.l1, { x: inner }, { y: middle }, { rows });
        middle = this.#normedActivation(pass, block.norm2, middle, rows);
      }
      const next = outputsAt(at + 1, `${block.l2.name} output`);
      pass.linear(block.l2, { x: middle, addend: stream.sum }, next.outputs, { rows, activation: kind });
      stream = next;
    }
    const output = pass.temporary([rows, this.outFeatures], `${this.#output.name} output`);
    if (this.#finalNorm === undefined) {
      pass.linear(this.#output, { x: stream.sum }, { activated: output }, { rows, activation: this.#outputActivation });
      return output;
    }
    pass.linear(this.#output, { x: stream.sum }, { y: output }, { rows });
    const { y } = recordNorm(pass, this.#finalNorm, output, rows, this.outFeatures, plainEpsilon);
    return recordActivation(pass, y, rows, this.outFeatures, this.#outputActivation, "output activated");
  }

  forward(pass: Pass, x: Tensor, rows: number): Tape {
    const kind = this.#activation;
    const wide = (label: string): Tensor => pass.temporary([rows, this.#hidden], label);
    const steps: StepTape[] = [];
    /** Records a linear layer whose output is normed (if so) and activated. */
    const activatedLinear = (
      layer: LinearLayer,
      inputs: { readonly x: Tensor; readonly addend?: Tensor },
      norm: string | undefined,
    ): { sum: Tensor; activated: Tensor; pre: Tensor; norm?: NormTape } => {
      const sum = wide(`${layer.name} sum`);
      if (norm === undefined) {
        const activated = wide(`${layer.name} activated`);
        pass.linear(layer, inputs, { y: sum, activated }, { rows, activation: kind });
        return { sum, activated, pre: sum };
      }
      pass.linear(layer, inputs, { y: sum }, { rows });
      const normed = recordNorm(pass, norm, sum, rows, this.#hidden, residualEpsilon);
      const activated = recordActivation(pass, normed.y, rows, this.#hidden, kind, `${norm} activated`);
      return { sum, activated, pre: normed.y, norm: normed.norm };
    };
    /** The same inside a block, where the sum itself goes nowhere. */
    const innerLinear = (layer: LinearLayer, x: Tensor, norm: string | undefined): { activated: Tensor; pre: Tensor; norm?: NormTape } => {
      if (norm !== undefined || !hasSlopeOfOutput(kind)) return activatedLinear(layer, { x }, norm);
      const activated = wide(`${layer.name} activated`);
      pass.linear(layer, { x }, { activated }, { rows, activation: kind });
      return { activated, pre: activated };
    };
    const step = (input: Tensor, pre: Tensor, norm: NormTape | undefined): StepTape =>
      (norm === undefined ? { input, pre } : { input, pre, norm });

    let stream: { readonly sum: Tensor; readonly activated?: Tensor };
    const firstBlock = this.#blocks[0];
    if (firstBlock === undefined) {
      const sum = wide(`${this.#input.name} sum`);
      pass.linear(this.#input, { x }, { y: sum }, { rows });
      stream = { sum };
      steps.push({ input: x, pre: sum });
    } else {
      const first = activatedLinear(this.#input, { x }, firstBlock.norm1);
      steps.push(step(x, first.pre, first.norm));
      stream = first;
    }
    for (const [at, block] of this.#blocks.entries()) {
      const outer = required(stream.activated);
      const inner = innerLinear(block.l1, outer, block.norm2);
      steps.push(step(outer, inner.pre, inner.norm));
      const following = this.#blocks[at + 1];
      if (following === undefined) {
        const sum = wide(`${block.l2.name} sum`);
        pass.linear(block.l2, { x: inner.activated, addend: stream.sum }, { y: sum }, { rows });
        steps.push({ input: inner.activated, pre: sum });
        stream = { sum };
      } else {
        const next = activatedLinear(block.l2, { x: inner.activated, addend: stream.sum }, following.norm1);
        steps.push(step(inner.activated, next.pre, next.norm));
        stream = next;
      }
    }
    const sum = pass.temporary([rows, this.outFeatures], `${this.#output.name} sum`);
    if (this.#finalNorm === undefined && this.#outputActivation !== "identity") {
      const output = pass.temporary([rows, this.outFeatures], "output activated");
      pass.linear(this.#output, { x: stream.sum }, { y: sum, activated: output }, { rows, activation: this.#outputActivation });
      steps.push({ input: stream.sum, pre: sum });
      return { output, steps };
    }
    pass.linear(this.#output, { x: stream.sum }, { y: sum }, { rows });
    const normed = this.#finalNorm === undefined ? undefined
      : recordNorm(pass, this.#finalNorm, sum, rows, this.outFeatures, plainEpsilon);
    const pre = normed?.y ?? sum;
    steps.push(step(stream.sum, pre, normed?.norm));
    const output = this.#outputActivation === "identity" ? pre
      : recordActivation(pass, pre, rows, this.outFeatures, this.#outputActivation, "output activated");
    return { output, steps };
  }

  backward(pass: Pass, tape: Tape, dOutput: Tensor, rows: number, columns?: ColumnRange | "all"): Tensor | undefined {
    const kind = this.#activation;
    const steps = tape.steps;
    const wide = (label: string): Tensor => pass.temporary([rows, this.#hidden], label);
    const last = required(steps.at(-1));
    let d = activationBack(pass, last, dOutput, rows, this.outFeatures, this.#outputActivation);
    if (last.norm !== undefined) d = recordNormBackward(pass, last.norm, d, rows);
    pass.linearBackwardWeight(this.#output, { dy: d, x: last.input }, rows);
    // ds: gradient of the residual stream.
    let ds = wide("stream gradient");
    pass.linearBackwardInput(this.#output, { dy: d, dx: ds }, { rows });
    for (let at = this.#blocks.length - 1; at >= 0; at--) {
      const block = required(this.#blocks[at]);
      const outer = required(steps[2 * at]);
      const inner = required(steps[2 * at + 1]);
      const second = required(steps[2 * at + 2]);
      // l2: its input is f(inner.pre)
      pass.linearBackwardWeight(block.l2, { dy: ds, x: second.input }, rows);
      let dInner = wide(`${block.l2.name} input gradient`);
      pass.linearBackwardInput(block.l2, { dy: ds, dx: dInner, pre: inner.pre }, { rows, activation: kind });
      if (inner.norm !== undefined) dInner = recordNormBackward(pass, inner.norm, dInner, rows);
      // l1: its input is f(outer.pre); the stream's own gradient joins behind the norm, if there is one.
      pass.linearBackwardWeight(block.l1, { dy: dInner, x: inner.input }, rows);
      const dOuter = wide(`${block.l1.name} input gradient`);
      if (outer.norm === undefined) {
        pass.linearBackwardInput(block.l1, { dy: dInner, dx: dOuter, pre: outer.pre, addend: ds }, { rows, activation: kind });
        ds = dOuter;
      } else {
        pass.linearBackwardInput(block.l1, { dy: dInner, dx: dOuter, pre: outer.pre }, { rows, activation: kind });
        ds = recordNormBackward(pass, outer.norm, dOuter, rows, ds);
      }
    }
    pass.linearBackwardWeight(this.#input, { dy: ds, x: required(steps[0]).input }, rows);
    return inputGradient(pass, this.#input, ds, rows, columns);
  }

  #normedActivation(pass: Pass, norm: string, x: Tensor, rows: number): Tensor {
    const { y } = recordNorm(pass, norm, x, rows, this.#hidden, residualEpsilon);
    return recordActivation(pass, y, rows, this.#hidden, this.#activation, `${norm} activated`);
  }
}

/** Gradient of an activation's input; the same tensor where the activation is the identity. */
function activationBack(pass: Pass, step: StepTape | undefined, dy: Tensor, rows: number, columns: number, kind: Activation): Tensor {
  if (kind === "identity") return dy;
  const dx = pass.temporary([rows, columns], "output gradient");
  activationBackward(pass.program, { x: required(step).pre, dy, dx }, { rows, columns, kind });
  return dx;
}

function inputGradient(pass: Pass, layer: LinearLayer, dy: Tensor, rows: number, columns: ColumnRange | "all" | undefined): Tensor | undefined {
  if (columns === undefined) return undefined;
  const wanted = columns === "all" ? { column: 0, count: layer.inFeatures } : columns;
  const dx = pass.temporary([rows, wanted.count], `${layer.name} input gradient`);
  pass.linearBackwardInput(layer, { dy, dx }, { rows, columns: wanted });
  return dx;
}

function required<T>(value: T | undefined): T {
  if (value === undefined) throw new DifftuneError("INVARIANT", "A perceptron lost track of its layers.");
  return value;
}

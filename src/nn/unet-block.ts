import { DifftuneError } from "../core/errors.js";
import type { Tensor } from "../engine/tensor.js";
import type { Activation } from "../kernels/nn/activation.js";
import { concatColumns, splitColumns } from "../kernels/nn/columns.js";
import { groupNorm, groupNormBackward, type GroupNormOptions, type Modulation } from "../kernels/nn/group-norm.js";
import {
  addConvolution,
  recordConvolution,
  recordConvolutionBackwardInput,
  recordConvolutionBackwardWeight,
  type ConvolutionLayer,
} from "./convolution.js";
import type { ParameterLayout } from "./parameters.js";
import type { Pass } from "./pass.js";

/** What all blocks of a U-Net have in common. */
export interface BlockForm {
  readonly kernelSize: number;
  /** Groups of the norm; null for none. */
  readonly groups: number | null;
  readonly epsilon: number;
  readonly activation: Activation;
  readonly modulation: Modulation;
}

/** Some of the channels of a sequence [rows, length, channels]. */
export interface Part {
  readonly tensor: Tensor;
  readonly channels: number;
}

/** Samples and positions of each. */
export interface Extent {
  readonly rows: number;
  readonly length: number;
}

/** A block's forward pass, and the way back. */
export interface BlockTrace {
  readonly output: Tensor;
  /**
   * Records the gradients of the parameters and, in `dfilm`, of the condition; gives those of the input's parts where they are
   * wanted.
   */
  backward(dOutput: Tensor, options: { readonly dfilm?: Tensor | undefined; readonly isInputWanted: boolean }): readonly Tensor[];
}

/** Where channels of the parts start in the weight that they share. */
function rangesOf(parts: readonly Part[]): readonly (Part & { readonly column: number })[] {
  let column = 0;
  return parts.map((part) => {
    const start = column;
    column += part.channels;
    return { ...part, column: start };
  });
}

/** Records y = the layer of all parts together, one product a part: what a product over their concatenation is. */
function convolveParts(pass: Pass, layer: ConvolutionLayer, parts: readonly Part[], extent: Extent): Tensor {
  let sum: Tensor | undefined;
  for (const { tensor, column, channels: count } of rangesOf(parts)) {
    const y = pass.temporary([extent.rows, extent.length, layer.outChannels], `${layer.name} output`);
    recordConvolution(pass, layer, { x: tensor, addend: sum, y }, { ...extent, channels: { column, count } }, { bias: sum === undefined ? "own" : "none" });
    sum = y;
  }
  if (sum === undefined) throw new DifftuneError("INVARIANT", `Layer ${layer.name} has no input.`);
  return sum;
}

/** Records the way back of {@link convolveParts}; adds `addends` to the gradients of the parts. */
function convolvePartsBackward(
  pass: Pass,
  layer: ConvolutionLayer,
  parts: readonly Part[],
  dy: Tensor,
  extent: Extent,
  options: { readonly addends?: readonly (Tensor | undefined)[]; readonly isInputWanted: boolean },
): readonly Tensor[] {
  for (const [at, { tensor, column, channels: count }] of rangesOf(parts).entries()) {
    recordConvolutionBackwardWeight(pass, layer, { dy, x: tensor }, { ...extent, channels: { column, count } }, { bias: at === 0 ? "own" : "none" });
  }
  if (!options.isInputWanted) return [];
  return rangesOf(parts).map(({ column, channels: count }, at) => {
    const dx = pass.temporary([extent.rows, extent.length, count], `${layer.name} input gradient`);
    recordConvolutionBackwardInput(pass, layer, { dy, addend: options.addends?.[at], dx }, { ...extent, channels: { column, count } });
    return dx;
  });
}

/** Convolution, group norm, activation, and what a condition makes of it: f(norm(conv(x))) · scale + shift. */
export class ConvolutionBlock {
  readonly #layer: ConvolutionLayer;
  readonly #norm: string | undefined;
  readonly #form: BlockForm;

  /** Adds `name.block.0` (convolution) and `name.block.2` (norm) to a layout. */
  constructor(layout: ParameterLayout, name: string, inChannels: number, outChannels: number, form: BlockForm) {
    this.#form = form;
    this.#layer = addConvolution(layout, `${name}.block.0`, {
      inChannels, outChannels, kernel: form.kernelSize, padding: (form.kernelSize - 1) / 2,
    });
    if (form.groups !== null) {
      this.#norm = `${name}.block.2`;
      layout.add(`${this.#norm}.weight`, [outChannels], { kind: "constant", value: 1 });
      layout.add(`${this.#norm}.bias`, [outChannels], { kind: "constant", value: 0 });
    }
  }

  forward(
    pass: Pass,
    parts: readonly Part[],
    extent: Extent,
    around: { readonly film?: Tensor | undefined; readonly addend?: Tensor | undefined },
  ): {
    readonly output: Tensor;
    backward(
      dOutput: Tensor,
      options: { readonly dfilm?: Tensor | undefined; readonly addends?: readonly (Tensor | undefined)[]; readonly isInputWanted: boolean },
    ): readonly Tensor[];
  } {
    const layer = this.#layer;
    const { film, addend } = around;
    const shape = [extent.rows, extent.length, layer.outChannels];
    const x = convolveParts(pass, layer, parts, extent);
    const output = pass.temporary(shape, `${layer.name} normed`);
    const options: GroupNormOptions = {
      ...extent, channels: layer.outChannels, groups: this.#form.groups, epsilon: this.#form.epsilon, activation: this.#form.activation,
      modulation: film === undefined ? "none" : this.#form.modulation,
    };
    const norm = this.#norm;
    const weights = norm === undefined ? {} : { weight: pass.value(`${norm}.weight`), bias: pass.value(`${norm}.bias`) };
    groupNorm(pass.program, { x, ...weights, film, addend, y: output }, options);
    return {
      output,
      backward: (dy, { dfilm, addends = [], isInputWanted }) => {
        const dx = pass.temporary(shape, `${layer.name} gradient`);
        const gradients = norm === undefined ? {} : { dweight: pass.gradient(`${norm}.weight`), dbias: pass.gradient(`${norm}.bias`) };
        groupNormBackward(pass.program, { dy, x, ...weights, film, dx, dfilm, ...gradients }, options);
        return convolvePartsBackward(pass, layer, parts, dx, extent, { addends, isInputWanted });
      },
    };
  }
}

/** Two convolution blocks, the first under a condition, and a way around them. */
export class ResidualBlock {
  readonly name: string;
  readonly outChannels: number;
  readonly #blocks: readonly [ConvolutionBlock, ConvolutionBlock];
  readonly #residual: ConvolutionLayer | undefined;

  /** Adds `name.blocks.0`, `name.blocks.1` and, where channels change, `name.residual_conv` to a layout. */
  constructor(layout: ParameterLayout, name: string, inChannels: number, outChannels: number, form: BlockForm) {
    this.name = name;
    this.outChannels = outChannels;
    this.#blocks = [
      new ConvolutionBlock(layout, `${name}.blocks.0`, inChannels, outChannels, form),
      new ConvolutionBlock(layout, `${name}.blocks.1`, outChannels, outChannels, form),
    ];
    if (inChannels !== outChannels) {
      this.#residual = addConvolution(layout, `${name}.residual_conv`, { inChannels, outChannels, kernel: 1 });
    }
  }

  forward(pass: Pass, parts: readonly Part[], extent: Extent, film: Tensor): BlockTrace {
    const residual = this.#residual;
    const rows = extent.rows * extent.length;
    const outer = this.#blocks[0].forward(pass, parts, extent, { film });
    const around = residual === undefined ? joined(pass, parts, rows) : convolveParts(pass, residual, parts, extent);
    const inner = this.#blocks[1].forward(pass, [{ tensor: outer.output, channels: this.outChannels }], extent, { addend: around });
    return {
      output: inner.output,
      backward: (dOutput, { dfilm, isInputWanted }) => {
        const [dOuter] = inner.backward(dOutput, { isInputWanted: true });
        if (dOuter === undefined) throw new DifftuneError("INVARIANT", `Block ${this.name} lost a gradient.`);
        let addends: readonly Tensor[] = [];
        if (residual !== undefined) addends = convolvePartsBackward(pass, residual, parts, dOutput, extent, { isInputWanted });
        else if (isInputWanted) addends = parted(pass, parts, dOutput, rows);
        return outer.backward(dOuter, { dfilm, addends, isInputWanted });
      },
    };
  }
}

/** The parts as one tensor. */
function joined(pass: Pass, parts: readonly Part[], rows: number): Tensor {
  const [only, ...more] = parts;
  if (only !== undefined && more.length === 0) return only.tensor;
  const whole = pass.temporary([rows, parts.reduce((sum, { channels }) => sum + channels, 0)], "joined parts");
  concatColumns(pass.program, parts.map(({ tensor, channels }) => ({ tensor, columns: channels })), whole, { rows });
  return whole;
}

/** The reverse of {@link joined}. */
function parted(pass: Pass, parts: readonly Part[], whole: Tensor, rows: number): readonly Tensor[] {
  if (parts.length === 1) return [whole];
  const pieces = parts.map(({ channels }) => pass.temporary([rows, channels], "part of a gradient"));
  splitColumns(pass.program, whole, pieces.map((tensor, at) => ({ tensor, columns: parts[at]?.channels ?? 0 })), { rows });
  return pieces;
}

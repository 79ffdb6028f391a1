import { DifftuneError } from "../core/errors.js";
import type { Tensor } from "../engine/tensor.js";
import {
  conv1d,
  conv1dBackwardWeight,
  conv1dPack,
  planConvolution,
  type ConvolutionDirection,
  type ConvolutionShape,
} from "../kernels/nn/conv1d.js";
import { packedLength } from "../kernels/nn/linear.js";
import { uniformByFanIn, type ParameterLayout } from "./parameters.js";
import type { ColumnRange, Pass } from "./pass.js";

/** A convolution over sequences: its sizes and the names of its parameters. */
export interface ConvolutionLayer {
  readonly name: string;
  readonly inChannels: number;
  readonly outChannels: number;
  readonly kernel: number;
  readonly stride: number;
  readonly padding: number;
  readonly isTransposed: boolean;
}

/** Adds `name.weight` [O, I, K] (transposed: [I, O, K]) and `name.bias` [O] to a layout, initialised as PyTorch does. */
export function addConvolution(
  layout: ParameterLayout,
  name: string,
  sizes: Omit<ConvolutionLayer, "name" | "stride" | "padding" | "isTransposed">
    & { readonly stride?: number; readonly padding?: number; readonly isTransposed?: boolean },
): ConvolutionLayer {
  const { inChannels, outChannels, kernel, stride = 1, padding = 0, isTransposed = false } = sizes;
  // PyTorch takes the second dimension of the weight for the channels that come in.
  const shape = isTransposed ? [inChannels, outChannels, kernel] : [outChannels, inChannels, kernel];
  const initial = uniformByFanIn((isTransposed ? outChannels : inChannels) * kernel);
  layout.add(`${name}.weight`, shape, initial);
  layout.add(`${name}.bias`, [outChannels], initial);
  return { name, inChannels, outChannels, kernel, stride, padding, isTransposed };
}

/** Positions that a layer makes of `length` positions. */
export function convolvedLength({ kernel, stride, padding, isTransposed }: ConvolutionLayer, length: number): number {
  return isTransposed ? (length - 1) * stride - 2 * padding + kernel : Math.floor((length + 2 * padding - kernel) / stride) + 1;
}

/** Sequences that a layer is applied to: samples, positions of each, and the input channels that take part (all by default). */
export interface Sequences {
  readonly rows: number;
  readonly length: number;
  readonly channels?: ColumnRange;
}

function shapeOf(layer: ConvolutionLayer, { length, channels }: Sequences): ConvolutionShape {
  const { inChannels, outChannels, kernel, stride, padding, isTransposed } = layer;
  const range = channels ?? { column: 0, count: inChannels };
  const outLength = convolvedLength(layer, length);
  if (!isTransposed) {
    return {
      shortLength: outLength, shortChannels: outChannels, longLength: length, longChannels: range.count,
      weightChannels: inChannels, column: range.column, kernel, stride, padding,
    };
  }
  if (range.count !== inChannels) throw new DifftuneError("INVARIANT", `The transposed layer ${layer.name} takes all its channels.`);
  return {
    shortLength: length, shortChannels: inChannels, longLength: outLength, longChannels: outChannels,
    weightChannels: outChannels, column: 0, kernel, stride, padding,
  };
}

/** Records y = the product in a direction, with the packed weight and the tables that it needs. */
function recordProduct(
  pass: Pass,
  layer: ConvolutionLayer,
  shape: ConvolutionShape,
  direction: ConvolutionDirection,
  buffers: { readonly x: Tensor; readonly bias?: Tensor | undefined; readonly addend?: Tensor | undefined; readonly y: Tensor },
  rows: number,
): void {
  const { shortLength, shortChannels, longLength, longChannels, kernel, stride, padding, column } = shape;
  const plan = planConvolution(shape, direction);
  const geometry = `${direction} ${shortLength}-${longLength}, kernel ${kernel}, stride ${stride}, padding ${padding}`;
  const windows = pass.once(`windows ${geometry}`, () => pass.program.constant(plan.windows, `windows ${geometry}`, "u32"));
  const packed = pass.once(`${layer.name}:${column}:${longChannels} ${geometry}`, () => {
    const taps = pass.once(`taps ${geometry}`, () => pass.program.constant(plan.taps, `taps ${geometry}`, "u32"));
    const [out, input] = direction === "toShort" ? [shortChannels, longChannels] : [longChannels, shortChannels];
    const target = pass.temporary([packedLength(plan.taps.length * input, out)], `packed ${layer.name} ${direction}`);
    conv1dPack(pass.program, { weight: pass.value(`${layer.name}.weight`), taps, packed: target }, shape, direction);
    return target;
  });
  conv1d(pass.program, { ...buffers, packed, windows }, shape, { rows, taps: plan.taps.length, direction });
}

/** Records y = the layer of x (+ addend); the bias is left out on request, for all but one part of an input. */
export function recordConvolution(
  pass: Pass,
  layer: ConvolutionLayer,
  tensors: { readonly x: Tensor; readonly addend?: Tensor | undefined; readonly y: Tensor },
  sequences: Sequences,
  options: { readonly bias?: "own" | "none" } = {},
): void {
  const bias = options.bias === "none" ? undefined : pass.value(`${layer.name}.bias`);
  recordProduct(pass, layer, shapeOf(layer, sequences), layer.isTransposed ? "toLong" : "toShort", { ...tensors, bias }, sequences.rows);
}

/** Records dx = the gradient of the layer's input (+ addend). */
export function recordConvolutionBackwardInput(
  pass: Pass,
  layer: ConvolutionLayer,
  tensors: { readonly dy: Tensor; readonly addend?: Tensor | undefined; readonly dx: Tensor },
  sequences: Sequences,
): void {
  const direction = layer.isTransposed ? "toShort" : "toLong";
  recordProduct(pass, layer, shapeOf(layer, sequences), direction, { x: tensors.dy, addend: tensors.addend, y: tensors.dx }, sequences.rows);
}

/** Records the gradient of the weight, and of the bias unless it is left out. */
export function recordConvolutionBackwardWeight(
  pass: Pass,
  layer: ConvolutionLayer,
  tensors: { readonly dy: Tensor; readonly x: Tensor },
  sequences: Sequences,
  options: { readonly bias?: "own" | "none" } = {},
): void {
  const { dy, x } = tensors;
  const [short, long] = layer.isTransposed ? [x, dy] : [dy, x];
  conv1dBackwardWeight(pass.program, {
    short,
    long,
    dWeight: pass.gradient(`${layer.name}.weight`),
    dBias: options.bias === "none" ? undefined : pass.gradient(`${layer.name}.bias`),
  }, shapeOf(layer, sequences), { rows: sequences.rows, direction: layer.isTransposed ? "toLong" : "toShort" });
}

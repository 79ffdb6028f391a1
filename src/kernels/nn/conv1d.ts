import { DifftuneError } from "../../core/errors.js";
import { anyKernel, defineKernel } from "../../engine/kernel-spec.js";
import type { ProgramRecorder } from "../../engine/program.js";
import type { Tensor } from "../../engine/tensor.js";
import { columnSum } from "./columns.js";
import { packedLength } from "./linear.js";

/** packed[p][j C + c][l] = weight[offset + (8p + l) outStride + c inStride + taps_j]. */
export const conv1dPackSpec = defineKernel({
  name: "nn/conv1d_pack",
  lib: ["index"],
  params: { outChannels: "u32", inChannels: "u32", taps: "u32", outStride: "u32", inStride: "u32", offset: "u32" },
  buffers: {
    weight: { access: "read", length: (p) => p.offset + (p.outChannels - 1) * p.outStride + (p.inChannels - 1) * p.inStride + 1 },
    taps: { access: "read", dtype: "u32", length: (p) => p.taps },
    packed: { access: "write", length: (p) => packedLength(p.taps * p.inChannels, p.outChannels) },
  },
  units: (p) => Math.ceil(p.outChannels / 8),
  entryPoints: { main: (p) => [Math.ceil(packedLength(p.taps * p.inChannels, p.outChannels) / 256)] },
});

/** y = the sums over the window of each position, + bias + addend. */
export const conv1dSpec = defineKernel({
  name: "nn/conv1d",
  lib: ["product"],
  params: {
    rows: "u32", inLength: "u32", inChannels: "u32", outLength: "u32", outChannels: "u32", taps: "u32", hasBias: "u32", hasAddend: "u32",
  },
  buffers: {
    x: { access: "read", length: (p) => p.rows * p.inLength * p.inChannels, rows: true },
    packed: { access: "read", length: (p) => packedLength(p.taps * p.inChannels, p.outChannels) },
    windows: { access: "read", dtype: "u32", length: (p) => 3 * p.outLength },
    bias: { access: "read", length: (p) => p.outChannels, optional: true },
    addend: { access: "read", length: (p) => p.rows * p.outLength * p.outChannels, rows: true, optional: true },
    y: { access: "write", length: (p) => p.rows * p.outLength * p.outChannels, rows: true },
  },
  units: (p) => p.rows,
  entryPoints: {
    main: (p) => [Math.ceil((Math.ceil(p.rows / 8) * Math.ceil(p.outChannels / 8)) / 32), 1, p.outLength],
    main_quad: (p) => [Math.ceil((p.rows * Math.ceil(p.outChannels / 4)) / 256), 1, p.outLength],
    main_tiled: (p) => [Math.ceil(p.outChannels / 64), Math.ceil(p.rows / 64), p.outLength],
  },
  wasmVariants: ["main", "rows4", "rows6"],
});

/** Packing space of a unit of the WASM body: a panel of 8 channels of long, four strips of up to 6 channels of short. */
function scratchElements(p: { readonly longLength: number; readonly shortLength: number; readonly blockRows: number }): number {
  return (8 * p.longLength + 24 * p.shortLength) * p.blockRows + 80;
}

/** dW[s, column + c, t] = Σ short[b,o,s] long[b, o stride + t − padding, c]; db = the sums of short. */
export const conv1dBackwardWeightSpec = defineKernel({
  name: "nn/conv1d_backward_weight",
  lib: ["index"],
  params: {
    rows: "u32", shortLength: "u32", shortChannels: "u32", longLength: "u32", longChannels: "u32", weightChannels: "u32", column: "u32",
    kernel: "u32", stride: "u32", padding: "u32", blockRows: "u32", hasBias: "u32",
  },
  buffers: {
    short: { access: "read", length: (p) => p.rows * p.shortLength * p.shortChannels },
    long: { access: "read", length: (p) => p.rows * p.longLength * p.longChannels },
    dWeight: { access: "readwrite", length: (p) => ((p.shortChannels - 1) * p.weightChannels + p.column + p.longChannels) * p.kernel },
    dBias: { access: "write", length: (p) => p.shortChannels, optional: true },
    scratch: { access: "write", length: (p) => Math.ceil(p.longChannels / 8) * scratchElements(p), rows: true, scratch: true },
  },
  units: (p) => Math.ceil(p.longChannels / 8),
  entryPoints: {
    main: (p) => [Math.ceil((p.kernel * Math.ceil(p.shortChannels / 4) * Math.ceil(p.longChannels / 4) + p.shortChannels) / 64)],
  },
  check: (p) => (p.column + p.longChannels > p.weightChannels || p.stride === 0 || p.kernel === 0 || p.blockRows === 0
    ? `channels ${p.column} to ${p.column + p.longChannels} of ${p.weightChannels}, kernel ${p.kernel}, stride ${p.stride}, blocks of ${p.blockRows}.`
    : undefined),
});

/**
 * A convolution between a short and a long sequence: position o of the short one meets position o · stride + t − padding of the
 * long one through tap t of the weight [shortChannels, weightChannels, kernel]. A convolution goes from long to short; a
 * transposed one, and the way back of a plain one, from short to long.
 */
export interface ConvolutionShape {
  readonly shortLength: number;
  readonly shortChannels: number;
  readonly longLength: number;
  /** Channels of the long sequence that take part: those of the weight from `column` on. */
  readonly longChannels: number;
  readonly weightChannels: number;
  readonly column: number;
  readonly kernel: number;
  readonly stride: number;
  readonly padding: number;
}

/** Which of the two sequences a product gives. */
export type ConvolutionDirection = "toShort" | "toLong";

/** What the products of all positions of a convolution have in common. */
export interface ConvolutionPlan {
  /** Taps of the weight in the order in which they are packed; those that only ever meet padding are left out. */
  readonly taps: readonly number[];
  /** For each position of the result: first position of the other sequence, number of taps, the first of them as packed. */
  readonly windows: readonly number[];
}

/** Finds the taps that each position of the result meets, and an order of taps in which they are neighbours. */
export function planConvolution(shape: ConvolutionShape, direction: ConvolutionDirection): ConvolutionPlan {
  const { shortLength, longLength, kernel, stride, padding } = shape;
  const isToShort = direction === "toShort";
  const [inLength, outLength] = isToShort ? [longLength, shortLength] : [shortLength, longLength];
  const meetings = Array.from({ length: outLength }, (_, out) =>
    Array.from({ length: inLength }, (_input, position) => ({
      position,
      tap: isToShort ? position - out * stride + padding : out - position * stride + padding,
    })).filter(({ tap }) => tap >= 0 && tap < kernel));
  const used = new Set(meetings.flat().map(({ tap }) => tap));
  // Towards the long sequence, later positions meet earlier taps, a stride apart.
  const order = (tap: number): number => (isToShort ? tap : (tap % stride) * kernel - tap);
  const taps = [...used].sort((a, b) => order(a) - order(b));
  const windows = meetings.flatMap((window, out) => {
    const [first] = window;
    if (first === undefined) {
      throw new DifftuneError("SHAPE", `Position ${out} of a convolution meets no tap.`, {
        hint: "The kernel must be at least as long as the stride, and reach over the padding.",
        got: shape,
      });
    }
    return [first.position, window.length, taps.indexOf(first.tap)];
  });
  return { taps, windows };
}

/** Records the packing of a weight for {@link conv1d}; `taps` holds those of the plan. */
export function conv1dPack(
  program: ProgramRecorder,
  buffers: { readonly weight: Tensor; readonly taps: Tensor; readonly packed: Tensor },
  shape: ConvolutionShape,
  direction: ConvolutionDirection,
): void {
  const { kernel, weightChannels, shortChannels, longChannels } = shape;
  const [short, long] = [{ channels: shortChannels, stride: weightChannels * kernel }, { channels: longChannels, stride: kernel }];
  const [out, input] = direction === "toShort" ? [short, long] : [long, short];
  program.launch(conv1dPackSpec, {
    outChannels: out.channels,
    inChannels: input.channels,
    taps: buffers.taps.length,
    outStride: out.stride,
    inStride: input.stride,
    offset: shape.column * kernel,
  }, buffers);
}

/** Records y = the convolution of x in a direction, + bias + addend; `windows` and `taps` are those of the plan. */
export function conv1d(
  program: ProgramRecorder,
  buffers: {
    readonly x: Tensor;
    readonly packed: Tensor;
    readonly windows: Tensor;
    readonly bias?: Tensor | undefined;
    readonly addend?: Tensor | undefined;
    readonly y: Tensor;
  },
  shape: ConvolutionShape,
  options: { readonly rows: number; readonly taps: number; readonly direction: ConvolutionDirection },
): void {
  const short = { length: shape.shortLength, channels: shape.shortChannels };
  const long = { length: shape.longLength, channels: shape.longChannels };
  const [input, out] = options.direction === "toShort" ? [long, short] : [short, long];
  program.launch(conv1dSpec, {
    rows: options.rows,
    inLength: input.length,
    inChannels: input.channels,
    outLength: out.length,
    outChannels: out.channels,
    taps: options.taps,
    hasBias: Number(buffers.bias !== undefined),
    hasAddend: Number(buffers.addend !== undefined),
  }, buffers);
}

/** Positions of the long sequence that the weight gradient sums before it adds to what it has. */
const blockPositions = 512;

/**
 * Records the gradient of the weight's channels [column, column + longChannels), and of the bias where it is given: the sums of the
 * sequence that the convolution gave, which is the short one unless `direction` says otherwise.
 */
export function conv1dBackwardWeight(
  program: ProgramRecorder,
  buffers: { readonly short: Tensor; readonly long: Tensor; readonly dWeight: Tensor; readonly dBias?: Tensor | undefined },
  shape: ConvolutionShape,
  options: { readonly rows: number; readonly direction?: ConvolutionDirection },
): void {
  const { rows, direction = "toShort" } = options;
  const { short, long, dWeight, dBias } = buffers;
  const { shortLength, shortChannels, longLength, longChannels, weightChannels, column, kernel, stride, padding } = shape;
  const blockRows = Math.min(rows, Math.max(1, Math.floor(blockPositions / longLength)));
  const isShortBias = direction === "toShort" && dBias !== undefined;
  const scratch = program.temporary(
    [Math.ceil(longChannels / 8), scratchElements({ shortLength, longLength, blockRows })],
    "gradient scratch",
  );
  program.launch(conv1dBackwardWeightSpec, {
    rows, shortLength, shortChannels, longLength, longChannels, weightChannels, column, kernel, stride, padding, blockRows,
    hasBias: Number(isShortBias),
  }, { short, long, dWeight, dBias: isShortBias ? dBias : undefined, scratch });
  if (dBias !== undefined && !isShortBias) columnSum(program, { x: long, out: dBias }, { rows: rows * longLength, columns: longChannels });
}

export const conv1dKernels = [anyKernel(conv1dPackSpec), anyKernel(conv1dSpec), anyKernel(conv1dBackwardWeightSpec)];

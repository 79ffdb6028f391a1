import { activate, activateBackward, type ActivationName } from "./activations.ts";
import { concatColumns, splitColumns } from "./columns.ts";
import { convolve, convolveBackwardWeight, convolveTransposed, type ConvolutionSizes } from "./conv1d.ts";
import type { TracedDenoiser } from "./diffusion-mlp.ts";
import { groupNorm, groupNormBackward } from "./group-norm.ts";
import { activationLayer, linearLayer, mlp, sequence, type Gradients, type Layer, type Parameters } from "./mlp.ts";
import { timestepEmbedding } from "./timestep-embedding.ts";

/** Options of {@link unet}, as the spec names them. */
export interface UnetOptions {
  readonly actionDim: number;
  readonly horizon: number;
  /** Size of the flattened observation stack. */
  readonly condDim: number;
  readonly timeDim: number;
  readonly dim: number;
  readonly dimMults: readonly number[];
  readonly kernelSize: number;
  /** Groups of the norm; null for none. */
  readonly groups: number | null;
  readonly epsilon: number;
  readonly activation: ActivationName;
  /** Scale and shift (true) or shift alone. */
  readonly predictsScale: boolean;
  readonly smallEncoder: boolean;
  /** Sizes of the condition encoder; empty for none. */
  readonly condHidden: readonly number[];
}

/** Sequences [B, L, C]. */
interface Sequences {
  readonly values: Float64Array;
  readonly L: number;
  readonly C: number;
}

/** A link between sequences. */
interface TracedSequences {
  readonly output: Sequences;
  readonly backward: (doutput: Float64Array, gradients: Gradients) => Float64Array;
}

/** A residual block's way back gives the gradient of its condition, too. */
interface TracedBlock {
  readonly output: Sequences;
  readonly backward: (doutput: Float64Array, gradients: Gradients) => { readonly dx: Float64Array; readonly dcondition: Float64Array };
}

function sum(a: Float64Array, b: Float64Array): Float64Array {
  return a.map((value, i) => value + b[i]!);
}

function addTo(gradients: Gradients, name: string, values: Float64Array): void {
  const before = gradients.get(name);
  gradients.set(name, before === undefined ? values.slice() : sum(before, values));
}

/** Sums over all but the last dimension. */
function columnSums(values: ArrayLike<number>, C: number): Float64Array {
  const sums = new Float64Array(C);
  for (let i = 0; i < values.length; i++) sums[i % C]! += values[i]!;
  return sums;
}

function parameter(parameters: Parameters, name: string): ArrayLike<number> {
  const values = parameters.get(name);
  if (values === undefined) throw new RangeError(`there is no parameter "${name}"`);
  return values;
}

/** A network inside one forward pass: parameters, options and the number of samples. */
class Unet {
  readonly #parameters: Parameters;
  readonly #options: UnetOptions;
  readonly #B: number;
  readonly #conditionSize: number;

  constructor(parameters: Parameters, options: UnetOptions, B: number) {
    this.#parameters = parameters;
    this.#options = options;
    this.#B = B;
    this.#conditionSize = options.timeDim + (options.condHidden.at(-1) ?? options.condDim);
  }

  /** `name.weight` [O, I, K] (transposed [I, O, K]) and `name.bias` [O]. */
  convolution(
    name: string,
    x: Sequences,
    O: number,
    form: { readonly K: number; readonly stride?: number; readonly padding?: number; readonly isTransposed?: boolean },
  ): TracedSequences {
    const { K, stride = 1, padding = 0, isTransposed = false } = form;
    const B = this.#B;
    const weight = parameter(this.#parameters, `${name}.weight`);
    const bias = parameter(this.#parameters, `${name}.bias`);
    const L = isTransposed ? (x.L - 1) * stride - 2 * padding + K : Math.floor((x.L + 2 * padding - K) / stride) + 1;
    const sizes: ConvolutionSizes = isTransposed
      ? { shortLength: x.L, shortChannels: x.C, longLength: L, longChannels: O, kernel: K, stride, padding }
      : { shortLength: L, shortChannels: O, longLength: x.L, longChannels: x.C, kernel: K, stride, padding };
    const [forth, back] = isTransposed ? [convolveTransposed, convolve] : [convolve, convolveTransposed];
    const values = forth(x.values, weight, B, sizes).map((value, i) => value + bias[i % O]!);
    return {
      output: { values, L, C: O },
      backward: (dy, gradients) => {
        const [short, long] = isTransposed ? [x.values, dy] : [dy, x.values];
        addTo(gradients, `${name}.weight`, convolveBackwardWeight(short, long, B, sizes));
        addTo(gradients, `${name}.bias`, columnSums(dy, O));
        return back(dy, weight, B, sizes);
      },
    };
  }

  /** f(norm(conv(x))): parameters `name.block.0` and `name.block.2`. */
  convolutionBlock(name: string, x: Sequences, O: number): TracedSequences {
    const { kernelSize: K, groups, epsilon, activation } = this.#options;
    const convolved = this.convolution(`${name}.block.0`, x, O, { K, padding: (K - 1) / 2 });
    const { values, L, C } = convolved.output;
    if (groups === null) {
      return {
        output: { values: activate(activation, values), L, C },
        backward: (dy, gradients) => convolved.backward(activateBackward(activation, dy, values), gradients),
      };
    }
    const sizes = { B: this.#B, L, C, G: groups };
    const weight = parameter(this.#parameters, `${name}.block.2.weight`);
    const bias = parameter(this.#parameters, `${name}.block.2.bias`);
    const normed = groupNorm(values, weight, bias, epsilon, sizes);
    return {
      output: { values: activate(activation, normed), L, C },
      backward: (dy, gradients) => {
        const { dx, dweight, dbias } = groupNormBackward(activateBackward(activation, dy, normed), values, weight, epsilon, sizes);
        addTo(gradients, `${name}.block.2.weight`, columnSums(dweight, C));
        addTo(gradients, `${name}.block.2.bias`, columnSums(dbias, C));
        return convolved.backward(dx, gradients);
      },
    };
  }

  /** The encoder of the condition of a block with O channels. */
  encoder(name: string, O: number): Layer {
    const { activation, predictsScale, smallEncoder, condHidden } = this.#options;
    const size = predictsScale ? 2 * O : O;
    if (smallEncoder || condHidden.length > 0) {
      return sequence([activationLayer(activation), linearLayer(this.#parameters, `${name}.1`, this.#conditionSize, size)]);
    }
    return sequence([
      linearLayer(this.#parameters, `${name}.0`, this.#conditionSize, size),
      activationLayer(activation),
      linearLayer(this.#parameters, `${name}.2`, size, size),
      activationLayer(activation),
      linearLayer(this.#parameters, `${name}.4`, size, size),
    ]);
  }

  /** ConvBlock_1(film(ConvBlock_0(x), condition)) + residual(x). */
  residualBlock(name: string, x: Sequences, O: number, condition: Float64Array): TracedBlock {
    const { predictsScale } = this.#options;
    const film = this.encoder(`${name}.cond_encoder`, O)(condition);
    const outer = this.convolutionBlock(`${name}.blocks.0`, x, O);
    const { values, L } = outer.output;
    const size = predictsScale ? 2 * O : O;
    /** Place of an element's scale in the film; its shift is O further. */
    const place = (i: number): number => Math.floor(i / (L * O)) * size + (i % O);
    const changed = values.map((value, i) => (predictsScale
      ? value * film.output[place(i)]! + film.output[place(i) + O]!
      : value + film.output[place(i)]!));
    const inner = this.convolutionBlock(`${name}.blocks.1`, { values: changed, L, C: O }, O);
    const around = x.C === O ? undefined : this.convolution(`${name}.residual_conv`, x, O, { K: 1 });
    return {
      output: { values: sum(inner.output.values, around === undefined ? x.values : around.output.values), L, C: O },
      backward: (dy, gradients) => {
        const dchanged = inner.backward(dy, gradients);
        const dfilm = new Float64Array(film.output.length);
        for (const [i, d] of dchanged.entries()) {
          if (predictsScale) dfilm[place(i)]! += d * values[i]!;
          dfilm[place(i) + (predictsScale ? O : 0)]! += d;
        }
        const douter = predictsScale ? dchanged.map((d, i) => d * film.output[place(i)]!) : dchanged;
        return {
          dx: sum(outer.backward(douter, gradients), around === undefined ? dy : around.backward(dy, gradients)),
          dcondition: film.backward(dfilm, gradients),
        };
      },
    };
  }
}

/** The denoiser of spec 3.2 on chunks [B, H·A], times [B] and flattened observation stacks. */
export function unet(
  parameters: Parameters,
  options: UnetOptions,
  x: ArrayLike<number>,
  t: ArrayLike<number>,
  state: ArrayLike<number>,
): TracedDenoiser {
  const { actionDim, horizon, condDim, timeDim, dim, dimMults, condHidden } = options;
  const B = t.length;
  const network = new Unet(parameters, options, B);
  const time = sequence([
    linearLayer(parameters, "time_mlp.1", timeDim, 4 * timeDim),
    activationLayer("mish"),
    linearLayer(parameters, "time_mlp.3", 4 * timeDim, timeDim),
  ])(timestepEmbedding(t, timeDim));
  const feature = condHidden.length === 0
    ? sequence([])(state)
    : mlp(parameters, "cond_mlp", {
        dims: [condDim, ...condHidden], activation: options.activation, outputActivation: "identity",
        layerNorm: false, layerNormFinal: false, residual: true,
      })(state);
  const widths = [timeDim, condHidden.at(-1) ?? condDim];
  const condition = concatColumns([time.output, feature.output], widths, B);

  const steps: ((d: Float64Array, gradients: Gradients) => Float64Array)[] = [];
  let dcondition: Float64Array = new Float64Array(condition.length);
  let h: Sequences = { values: Float64Array.from(x), L: horizon, C: actionDim };
  const block = (name: string, O: number): void => {
    const traced = network.residualBlock(name, h, O, condition);
    steps.push((d, gradients) => {
      const back = traced.backward(d, gradients);
      dcondition = sum(dcondition, back.dcondition);
      return back.dx;
    });
    h = traced.output;
  };
  const link = (traced: TracedSequences): void => {
    steps.push(traced.backward);
    h = traced.output;
  };

  const channels = dimMults.map((mult) => dim * mult);
  const skips: { readonly level: number; readonly value: Sequences }[] = [];
  const dskips = new Map<number, Float64Array>();
  for (const [level, C] of channels.entries()) {
    block(`down_modules.${level}.0`, C);
    block(`down_modules.${level}.1`, C);
    skips.push({ level, value: h });
    steps.push((d) => sum(d, dskips.get(level) ?? new Float64Array(d.length)));
    if (level < channels.length - 1) link(network.convolution(`down_modules.${level}.2.conv`, h, C, { K: 3, stride: 2, padding: 1 }));
  }
  block("mid_modules.0", channels.at(-1)!);
  block("mid_modules.1", channels.at(-1)!);
  for (const [j, C] of channels.slice(0, -1).reverse().entries()) {
    const skip = skips.pop()!;
    const parts = [h.C, skip.value.C];
    const rows = B * h.L;
    h = { values: concatColumns([h.values, skip.value.values], parts, rows), L: h.L, C: parts[0]! + parts[1]! };
    steps.push((d) => {
      const [dh, dskip] = splitColumns(d, parts, rows);
      dskips.set(skip.level, dskip!);
      return dh!;
    });
    block(`up_modules.${j}.0`, C);
    block(`up_modules.${j}.1`, C);
    link(network.convolution(`up_modules.${j}.2.conv`, h, C, { K: 4, stride: 2, padding: 1, isTransposed: true }));
  }
  link(network.convolutionBlock("final_conv.0", h, dim));
  link(network.convolution("final_conv.1", h, actionDim, { K: 1 }));
  return {
    output: h.values,
    backward: (doutput, gradients) => {
      const dx = steps.reduceRight<Float64Array>((d, step) => step(d, gradients), Float64Array.from(doutput));
      const [dtime, dfeature] = splitColumns(dcondition, widths, B);
      time.backward(dtime!, gradients);
      return { dx, dstate: feature.backward(dfeature!, gradients) };
    },
  };
}

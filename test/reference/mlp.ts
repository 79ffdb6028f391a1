import { activate, activateBackward, type ActivationName } from "./activations.ts";
import { layerNorm, layerNormBackward } from "./layer-norm.ts";
import { linear, linearBackwardBias, linearBackwardInput, linearBackwardWeight } from "./linear.ts";

/** Parameters by the names of the state dict. */
export type Parameters = ReadonlyMap<string, ArrayLike<number>>;

/** Gradients by the same names; backward passes add to them. */
export type Gradients = Map<string, Float64Array>;

/** A forward pass that remembers how to go back: `backward` adds to the gradients and returns that of the input. */
export interface Traced {
  readonly output: Float64Array;
  readonly backward: (doutput: ArrayLike<number>, gradients: Gradients) => Float64Array;
}

/** One link of a chain of layers. */
export type Layer = (x: ArrayLike<number>) => Traced;

/** Options of {@link mlp}. */
export interface MlpOptions {
  /** Sizes from input to output. */
  readonly dims: readonly number[];
  readonly activation: ActivationName;
  readonly outputActivation: ActivationName;
  readonly layerNorm: boolean;
  /** Layer norm on the last layer too. */
  readonly layerNormFinal: boolean;
  readonly residual: boolean;
}

const plainEpsilon = 1e-5;
const residualEpsilon = 1e-6;

function addTo(gradients: Gradients, name: string, values: Float64Array): void {
  const sum = gradients.get(name);
  gradients.set(name, sum === undefined ? values.slice() : sum.map((value, i) => value + values[i]!));
}

function parameter(parameters: Parameters, name: string): ArrayLike<number> {
  const values = parameters.get(name);
  if (values === undefined) throw new RangeError(`there is no parameter "${name}"`);
  return values;
}

/** `name.weight` [O, I] and `name.bias` [O] on rows of I. */
export function linearLayer(parameters: Parameters, name: string, I: number, O: number): Layer {
  const weight = parameter(parameters, `${name}.weight`);
  const bias = parameter(parameters, `${name}.bias`);
  return (x) => {
    const B = x.length / I;
    return {
      output: linear(x, weight, bias, B, I, O),
      backward: (dy, gradients) => {
        addTo(gradients, `${name}.weight`, linearBackwardWeight(dy, x, B, I, O));
        addTo(gradients, `${name}.bias`, linearBackwardBias(dy, B, O));
        return linearBackwardInput(dy, weight, B, I, O);
      },
    };
  };
}

export function activationLayer(name: ActivationName): Layer {
  return (x) => ({ output: activate(name, x), backward: (dy) => activateBackward(name, dy, x) });
}

function layerNormLayer(parameters: Parameters, name: string, epsilon: number, C: number): Layer {
  const weight = parameter(parameters, `${name}.weight`);
  const bias = parameter(parameters, `${name}.bias`);
  return (x) => {
    const B = x.length / C;
    return {
      output: layerNorm(x, weight, bias, epsilon, B, C),
      backward: (dy, gradients) => {
        const { dx, dweight, dbias } = layerNormBackward(dy, x, weight, epsilon, B, C);
        addTo(gradients, `${name}.weight`, dweight);
        addTo(gradients, `${name}.bias`, dbias);
        return dx;
      },
    };
  };
}

/** Layers one after the other. */
export function sequence(layers: readonly Layer[]): Layer {
  return (x) => {
    const traces: Traced[] = [];
    let output: Float64Array = Float64Array.from(x);
    for (const layer of layers) {
      const trace = layer(output);
      traces.push(trace);
      output = trace.output;
    }
    return {
      output,
      backward: (dy, gradients) =>
        traces.reduceRight<Float64Array>((d, trace) => trace.backward(d, gradients), Float64Array.from(dy)),
    };
  };
}

/** x + f(x). */
function residual(inner: Layer): Layer {
  return (x) => {
    const trace = inner(x);
    return {
      output: trace.output.map((value, i) => value + x[i]!),
      backward: (dy, gradients) => trace.backward(dy, gradients).map((value, i) => value + dy[i]!),
    };
  };
}

/** The plain (`moduleList.*`) or residual (`layers.*`) perceptron of the original, with its parameter names. */
export function mlp(parameters: Parameters, prefix: string, options: MlpOptions): Layer {
  return options.residual ? residualMlp(parameters, prefix, options) : plainMlp(parameters, prefix, options);
}

function plainMlp(parameters: Parameters, prefix: string, options: MlpOptions): Layer {
  const { dims } = options;
  const last = dims.length - 2;
  const layers: Layer[] = [];
  for (let i = 0; i <= last; i++) {
    const name = `${prefix}.moduleList.${i}`;
    layers.push(linearLayer(parameters, `${name}.linear_1`, dims[i]!, dims[i + 1]!));
    if (i < last ? options.layerNorm : options.layerNormFinal) {
      layers.push(layerNormLayer(parameters, `${name}.norm_1`, plainEpsilon, dims[i + 1]!));
    }
    layers.push(activationLayer(i < last ? options.activation : options.outputActivation));
  }
  return sequence(layers);
}

function residualMlp(parameters: Parameters, prefix: string, options: MlpOptions): Layer {
  const { dims } = options;
  const hidden = dims[1]!;
  const blocks = (dims.length - 3) / 2;
  const norm = (name: string, C: number): Layer[] => [layerNormLayer(parameters, name, residualEpsilon, C)];
  const layers: Layer[] = [linearLayer(parameters, `${prefix}.layers.0`, dims[0]!, hidden)];
  for (let b = 1; b <= blocks; b++) {
    const name = `${prefix}.layers.${b}`;
    layers.push(
      residual(
        sequence([
          ...(options.layerNorm ? norm(`${name}.norm1`, hidden) : []),
          activationLayer(options.activation),
          linearLayer(parameters, `${name}.l1`, hidden, hidden),
          ...(options.layerNorm ? norm(`${name}.norm2`, hidden) : []),
          activationLayer(options.activation),
          linearLayer(parameters, `${name}.l2`, hidden, hidden),
        ]),
      ),
    );
  }
  layers.push(linearLayer(parameters, `${prefix}.layers.${blocks + 1}`, hidden, dims.at(-1)!));
  if (options.layerNormFinal) layers.push(...norm(`${prefix}.layers.${blocks + 2}`, dims.at(-1)!));
  layers.push(activationLayer(options.outputActivation));
  return sequence(layers);
}

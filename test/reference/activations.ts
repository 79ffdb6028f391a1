import { erf } from "mathjs/number";

/** A scalar function and its derivative with respect to its input. */
export interface Activation {
  readonly value: (x: number) => number;
  readonly slope: (x: number) => number;
}

const leakySlope = 0.01;

/** ln(1 + eˣ) without overflow: max(x, 0) + ln(1 + e^−|x|). */
function softplus(x: number): number {
  return Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x)));
}

function sigmoid(x: number): number {
  return x >= 0 ? 1 / (1 + Math.exp(-x)) : Math.exp(x) / (1 + Math.exp(x));
}

/** Φ(x), the standard normal distribution function. */
function normalCdf(x: number): number {
  return 0.5 * (1 + erf(x / Math.SQRT2));
}

/** The activations by name. At their kinks the slopes are PyTorch's: 0 for relu, 0.01 for leakyRelu, 1 for elu. */
export const activations = {
  identity: { value: (x) => x, slope: () => 1 },
  relu: { value: (x) => Math.max(x, 0), slope: (x) => (x > 0 ? 1 : 0) },
  leakyRelu: { value: (x) => (x > 0 ? x : leakySlope * x), slope: (x) => (x > 0 ? 1 : leakySlope) },
  elu: { value: (x) => (x > 0 ? x : Math.expm1(x)), slope: (x) => (x > 0 ? 1 : Math.exp(x)) },
  gelu: {
    value: (x) => x * normalCdf(x),
    slope: (x) => normalCdf(x) + (x * Math.exp(-0.5 * x * x)) / Math.sqrt(2 * Math.PI),
  },
  tanh: { value: Math.tanh, slope: (x) => 1 - Math.tanh(x) ** 2 },
  mish: {
    value: (x) => x * Math.tanh(softplus(x)),
    slope: (x) => {
      const t = Math.tanh(softplus(x));
      return t + x * (1 - t * t) * sigmoid(x);
    },
  },
  softplus: { value: softplus, slope: sigmoid },
} as const satisfies Record<string, Activation>;

export type ActivationName = keyof typeof activations;

/** y[i] = f(x[i]). */
export function activate(name: ActivationName, x: ArrayLike<number>): Float64Array {
  return Float64Array.from(x, activations[name].value);
}

/** dx[i] = dy[i] · f′(x[i]). */
export function activateBackward(name: ActivationName, dy: ArrayLike<number>, x: ArrayLike<number>): Float64Array {
  return Float64Array.from(x, (value, i) => dy[i]! * activations[name].slope(value));
}

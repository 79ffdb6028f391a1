/** Options of {@link adamStep}. */
export interface AdamOptions {
  readonly rate: number;
  readonly beta1: number;
  readonly beta2: number;
  readonly epsilon: number;
  readonly weightDecay: number;
  /** AdamW shrinks the parameter; Adam adds the decay to the gradient. */
  readonly isDecoupled: boolean;
}

/** Parameters and moments of Adam. */
export interface AdamState {
  readonly parameters: Float64Array;
  readonly m: Float64Array;
  readonly v: Float64Array;
}

/**
 * One step, number k counted from 1: m ← β₁m + (1 − β₁)g, v ← β₂v + (1 − β₂)g²,
 * p ← p − rate · (m/(1 − β₁ᵏ)) / (√v/√(1 − β₂ᵏ) + ε), after p ← p(1 − rate · decay) for AdamW.
 */
export function adamStep(state: AdamState, gradient: ArrayLike<number>, k: number, options: AdamOptions): AdamState {
  const { rate, beta1, beta2, epsilon, weightDecay, isDecoupled } = options;
  const parameters = state.parameters.slice();
  const m = state.m.slice();
  const v = state.v.slice();
  for (let i = 0; i < parameters.length; i++) {
    const g = gradient[i]! + (isDecoupled ? 0 : weightDecay * parameters[i]!);
    if (isDecoupled) parameters[i]! *= 1 - rate * weightDecay;
    m[i] = beta1 * m[i]! + (1 - beta1) * g;
    v[i] = beta2 * v[i]! + (1 - beta2) * g * g;
    const denominator = Math.sqrt(v[i]!) / Math.sqrt(1 - beta2 ** k) + epsilon;
    parameters[i]! -= ((rate / (1 - beta1 ** k)) * m[i]!) / denominator;
  }
  return { parameters, m, v };
}

/** ‖g‖₂ over all tensors. */
export function globalNorm(gradients: Iterable<ArrayLike<number>>): number {
  let sum = 0;
  for (const gradient of gradients) for (let i = 0; i < gradient.length; i++) sum += gradient[i]! ** 2;
  return Math.sqrt(sum);
}

/** min(1, max/(‖g‖ + 1e-6)): what every gradient is multiplied by. */
export function clipScale(norm: number, maxNorm: number): number {
  return Math.min(1, maxNorm / (norm + 1e-6));
}

/** ema ← decay · ema + (1 − decay) · parameters. */
export function emaStep(ema: ArrayLike<number>, parameters: ArrayLike<number>, decay: number): Float64Array {
  return Float64Array.from(ema, (value, i) => decay * value + (1 - decay) * parameters[i]!);
}

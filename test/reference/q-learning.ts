/** A loss and its gradient. */
export interface LossAndGradient {
  readonly loss: number;
  readonly gradient: Float64Array;
}

/** The smaller of two, element by element. */
export function minimum(first: ArrayLike<number>, second: ArrayLike<number>): Float64Array {
  return Float64Array.from(first, (value, i) => Math.min(value, second[i]!));
}

/** Gradients of scale · Σ min(first, second); equal ones share. */
export function minimumBackward(
  first: ArrayLike<number>,
  second: ArrayLike<number>,
  scale: number,
): { dfirst: Float64Array; dsecond: Float64Array } {
  const share = Float64Array.from(first, (value, i) => (value < second[i]! ? 1 : value > second[i]! ? 0 : 0.5));
  return { dfirst: share.map((part) => scale * part), dsecond: share.map((part) => scale * (1 - part)) };
}

/** targets = r + γ (1 − terminated) next. */
export function tdTarget(
  rewards: ArrayLike<number>,
  terminated: ArrayLike<number>,
  next: ArrayLike<number>,
  gamma: number,
): Float64Array {
  return Float64Array.from(rewards, (reward, i) => reward + gamma * (1 - terminated[i]!) * next[i]!);
}

/**
 * Targets of DAWR (spec 12.2) for [N, E] steps, backwards in time: δ = r + γ V(next)(1 − terminated) − V,
 * v ← α δ + γ λ (1 − terminated) v, target = v + V. The last step has its own value as the next one.
 */
export function tdLambdaTargets(
  rewards: ArrayLike<number>,
  values: ArrayLike<number>,
  terminated: ArrayLike<number>,
  envs: number,
  options: { readonly gamma: number; readonly lambda: number; readonly alpha: number },
): Float64Array {
  const targets = new Float64Array(rewards.length);
  const last = rewards.length - envs;
  for (let e = 0; e < envs; e++) {
    let v = 0;
    for (let at = last + e; at >= 0; at -= envs) {
      const goesOn = 1 - terminated[at]!;
      const next = values[at >= last ? at : at + envs]!;
      const delta = rewards[at]! + options.gamma * next * goesOn - values[at]!;
      v = options.alpha * delta + options.gamma * options.lambda * goesOn * v;
      targets[at] = v + values[at]!;
    }
  }
  return targets;
}

/** mean w e², e = wanted − V, w = expectile where e > 0, else 1 − expectile; its gradient is that of V. */
export function expectileLoss(values: ArrayLike<number>, wanted: ArrayLike<number>, expectile: number): LossAndGradient {
  const n = values.length;
  let loss = 0;
  const gradient = Float64Array.from(values, (value, i) => {
    const error = wanted[i]! - value;
    const weight = error > 0 ? expectile : 1 - expectile;
    loss += (weight * error ** 2) / n;
    return (-2 * weight * error) / n;
  });
  return { loss, gradient };
}

/** −mean(a) / mean|b|, b being a constant; the gradient is that of a. */
export function relativeValueLoss(a: ArrayLike<number>, b: ArrayLike<number>): LossAndGradient {
  let sum = 0;
  let size = 0;
  for (let i = 0; i < a.length; i++) {
    sum += a[i]!;
    size += Math.abs(b[i]!);
  }
  return { loss: -sum / size, gradient: Float64Array.from(a, () => -1 / size) };
}

/** min(e^(β Â), largest), Â = (a − mean a) / (deviation a + epsilon), the deviation with n − 1. */
export function advantageWeight(
  advantages: ArrayLike<number>,
  options: { readonly beta: number; readonly epsilon: number; readonly largest: number },
): Float64Array {
  const n = advantages.length;
  let mean = 0;
  for (let i = 0; i < n; i++) mean += advantages[i]! / n;
  let squares = 0;
  for (let i = 0; i < n; i++) squares += (advantages[i]! - mean) ** 2;
  const deviation = n > 1 ? Math.sqrt(squares / (n - 1)) : 0;
  return Float64Array.from(advantages, (value) =>
    Math.min(Math.exp((options.beta * (value - mean)) / (deviation + options.epsilon)), options.largest));
}

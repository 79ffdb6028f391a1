/** A stretch of experience: N steps of E environments, time-major [N, E]. */
export interface Stretch {
  readonly rewards: ArrayLike<number>;
  readonly steps: number;
  readonly envs: number;
}

/** Discounted sums of the rewards of whole episodes. */
export interface EpisodeReturns {
  /** Rows of the stretch that belong to them, in time. */
  readonly rows: Uint32Array;
  /** The return from each of these rows to the end of its episode. */
  readonly returns: Float64Array;
}

/**
 * Returns of the episodes that begin and end inside a stretch: R_n = r_n + gamma R_{n+1} up to the end of the episode.
 * `firsts` [N + 1, E] is 1 where an episode begins. Rows of other episodes are left out.
 */
export function wholeEpisodeReturns({ rewards, steps, envs }: Stretch, firsts: ArrayLike<number>, gamma: number): EpisodeReturns {
  const all = new Float64Array(steps * envs);
  const isWhole = new Uint8Array(steps * envs);
  for (let e = 0; e < envs; e++) {
    // An episode that is under way at the end is not whole, one that was under way at the start neither.
    let end = -1;
    let sum = 0;
    for (let step = steps - 1; step >= 0; step--) {
      const place = step * envs + e;
      if (firsts[place + envs] === 1) {
        end = step;
        sum = 0;
      }
      sum = (rewards[place] ?? 0) + gamma * sum;
      all[place] = sum;
      if (end < 0 || firsts[place] !== 1) continue;
      for (let inside = step; inside <= end; inside++) isWhole[inside * envs + e] = 1;
      end = -1;
    }
  }
  const rows = Uint32Array.from(isWhole.keys()).filter((row) => isWhole[row] === 1);
  return { rows, returns: Float64Array.from(rows, (row) => all[row] ?? 0) };
}

/** min(e^(beta R), largest), R = (return - mean) / (deviation + 1e-3), over all returns given (spec 12.1). */
export function returnWeights(returns: Float64Array, options: { readonly beta: number; readonly largest: number }): Float32Array {
  const mean = returns.reduce((sum, value) => sum + value, 0) / returns.length;
  const deviation = Math.sqrt(returns.reduce((sum, value) => sum + (value - mean) ** 2, 0) / returns.length);
  return Float32Array.from(returns, (value) => Math.min(Math.exp((options.beta * (value - mean)) / (deviation + 1e-3)), options.largest));
}

/**
 * Targets V + alpha (G - V) of a stretch, G its lambda-returns, backwards in time (spec 12.2):
 *
 *     delta = r + gamma V_next (1 - terminated) - V;  v <- alpha delta + gamma lambda (1 - terminated) v;  target = V + v
 *
 * After the last step its own value stands for the next one. Truncation is not told apart, as in the original.
 */
export function tdLambdaTargets(
  { rewards, steps, envs }: Stretch,
  values: ArrayLike<number>,
  terminated: ArrayLike<number>,
  options: { readonly gamma: number; readonly lambda: number; readonly alpha: number },
): Float32Array {
  const { gamma, lambda, alpha } = options;
  const targets = new Float32Array(steps * envs);
  for (let e = 0; e < envs; e++) {
    let v = 0;
    for (let step = steps - 1; step >= 0; step--) {
      const place = step * envs + e;
      const value = values[place] ?? 0;
      const next = step === steps - 1 ? value : values[place + envs] ?? 0;
      const goesOn = 1 - (terminated[place] ?? 0);
      v = alpha * ((rewards[place] ?? 0) + gamma * next * goesOn - value) + gamma * lambda * goesOn * v;
      targets[place] = value + v;
    }
  }
  return targets;
}

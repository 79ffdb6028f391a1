import { DifftuneError } from "./errors.js";
import { PhiloxStream } from "./philox.js";

/** An estimate and the bounds within which the truth lies with 95 % confidence. */
export interface Interval {
  readonly mean: number;
  readonly low: number;
  readonly high: number;
}

/** The quantile 0.975 of the standard normal: half the width of a 95 % interval, in standard errors. */
const normalQuantile = 1.959963984540054;
/** What lies below the upper bound of a two-sided 95 % interval. */
const upperShare = 0.975;

/** The arithmetic mean. */
export function mean(values: ArrayLike<number>): number {
  requireValues(values, 1, "A mean");
  let sum = 0;
  for (let index = 0; index < values.length; index++) sum += values[index]!;
  return sum / values.length;
}

/** The standard deviation of the population that the values are a sample of: sqrt(sum (x - mean)^2 / (n - 1)). */
export function standardDeviation(values: ArrayLike<number>): number {
  requireValues(values, 2, "A standard deviation");
  const centre = mean(values);
  let squares = 0;
  for (let index = 0; index < values.length; index++) squares += (values[index]! - centre) ** 2;
  return Math.sqrt(squares / (values.length - 1));
}

/**
 * Entropy of a histogram, nats: -sum p ln p over its shares p. 0 where one bin holds all (or nothing was counted),
 * ln n where n bins hold the same.
 */
export function entropy(counts: Iterable<number>): number {
  const all = [...counts];
  const total = all.reduce((sum, count) => sum + count, 0);
  let sum = 0;
  for (const count of all) if (count > 0) sum += (count / total) * Math.log(total / count);
  return sum;
}

/**
 * The share of successes, with Wilson's score interval, which stays within [0, 1] and is right for shares near 0 and 1:
 *
 *     (p + z^2 / 2n +- z sqrt(p (1 - p) / n + z^2 / 4n^2)) / (1 + z^2 / n)
 */
export function shareInterval(successes: number, count: number): Interval {
  if (!Number.isSafeInteger(count) || count < 1 || !Number.isSafeInteger(successes) || successes < 0 || successes > count) {
    throw new DifftuneError("SHAPE", `${successes} successes of ${count} are no share.`, { got: [successes, count] });
  }
  const share = successes / count;
  const square = normalQuantile * normalQuantile / count;
  const centre = (share + square / 2) / (1 + square);
  const half = Math.sqrt(square * (share * (1 - share) + square / 4)) / (1 + square);
  // Where all or none succeeded, one bound is exactly the share; rounding may not say otherwise.
  return Object.freeze({ mean: share, low: Math.min(share, Math.max(0, centre - half)), high: Math.max(share, Math.min(1, centre + half)) });
}

/**
 * The mean with Student's interval: mean +- t s / sqrt(n), t the quantile 0.975 with n - 1 degrees of freedom. A single
 * value tells nothing of the spread: its interval is that value.
 */
export function meanInterval(values: ArrayLike<number>): Interval {
  const centre = mean(values);
  const n = values.length;
  const half = n === 1 ? 0 : (studentQuantile(upperShare, n - 1) * standardDeviation(values)) / Math.sqrt(n);
  return Object.freeze({ mean: centre, low: centre - half, high: centre + half });
}

/** Options of {@link bootstrapInterval}. */
export interface BootstrapOptions {
  /** Decides which values are drawn. Default 0. */
  readonly seed?: number;
  /** Samples drawn; more make the bounds steadier. Default 2000. */
  readonly resamples?: number;
}

/**
 * Any statistic of the values with its percentile bootstrap interval: the statistic of samples of the same size drawn
 * with replacement, and the quantiles 0.025 and 0.975 of what they give.
 *
 * @example bootstrapInterval(returns, (sample) => Math.max(...sample))
 */
export function bootstrapInterval(
  values: readonly number[],
  statistic: (sample: readonly number[]) => number,
  options: BootstrapOptions = {},
): Interval {
  requireValues(values, 1, "A bootstrap");
  const { seed = 0, resamples = 2000 } = options;
  if (!Number.isSafeInteger(resamples) || resamples < 1) {
    throw new DifftuneError("OPTION", `resamples is ${resamples}; it must be a whole number above 0.`, { path: "resamples", got: resamples });
  }
  const random = new PhiloxStream(seed);
  const sample = [...values];
  const results = Array.from({ length: resamples }, () => {
    for (let place = 0; place < sample.length; place++) sample[place] = values[random.below(values.length)]!;
    return statistic(sample);
  }).sort((a, b) => a - b);
  return Object.freeze({ mean: statistic(values), low: quantile(results, 1 - upperShare), high: quantile(results, upperShare) });
}

/** The quantile of sorted values, linear between neighbours. */
function quantile(sorted: readonly number[], share: number): number {
  const place = share * (sorted.length - 1);
  const below = Math.floor(place);
  const low = sorted[below]!;
  return low + (place - below) * ((sorted[below + 1] ?? low) - low);
}

/**
 * The value that Student's t with `degrees` degrees of freedom falls below with probability `share`: the inverse of
 *
 *     P(T <= t) = 1 - I_{d / (d + t^2)}(d/2, 1/2) / 2     for t >= 0
 *
 * by bisection to the last bit of a double.
 */
export function studentQuantile(share: number, degrees: number): number {
  if (!(share > 0 && share < 1) || !(degrees > 0 && Number.isFinite(degrees))) {
    throw new DifftuneError("OPTION", `There is no t quantile of ${share} with ${degrees} degrees of freedom.`, { got: [share, degrees] });
  }
  if (share === 0.5) return 0;
  const tail = Math.min(share, 1 - share);
  const isAbove = (t: number): boolean => incompleteBeta(degrees / (degrees + t * t), degrees / 2, 0.5) / 2 <= tail;
  let high = 1;
  while (!isAbove(high)) high *= 2;
  let low = high === 1 ? 0 : high / 2;
  for (;;) {
    const middle = (low + high) / 2;
    if (middle <= low || middle >= high) return share > 0.5 ? high : -high;
    if (isAbove(middle)) high = middle;
    else low = middle;
  }
}

/** The regularised incomplete beta function I_x(a, b), by its continued fraction (DLMF 8.17.22) on the side where that converges fast. */
function incompleteBeta(x: number, a: number, b: number): number {
  if (x <= 0) return 0;
  if (x >= 1) return 1;
  if (x > (a + 1) / (a + b + 2)) return 1 - incompleteBeta(1 - x, b, a);
  const front = Math.exp(logGamma(a + b) - logGamma(a) - logGamma(b) + a * Math.log(x) + b * Math.log1p(-x)) / a;
  // Lentz: value = product of the ratios of successive convergents; tiny stands for a zero denominator.
  const tiny = 1e-300;
  let numerator = 1;
  let denominator = 1 / (1 - ((a + b) * x) / (a + 1) || tiny);
  let value = denominator;
  for (let m = 1; m <= 10_000; m++) {
    const even = (m * (b - m) * x) / ((a + 2 * m - 1) * (a + 2 * m));
    denominator = 1 / (1 + even * denominator || tiny);
    numerator = 1 + even / numerator || tiny;
    value *= denominator * numerator;
    const odd = (-(a + m) * (a + b + m) * x) / ((a + 2 * m) * (a + 2 * m + 1));
    denominator = 1 / (1 + odd * denominator || tiny);
    numerator = 1 + odd / numerator || tiny;
    const ratio = denominator * numerator;
    value *= ratio;
    if (Math.abs(ratio - 1) < 1e-16) break;
  }
  return front * value;
}

/** ln Gamma(x) for x > 0: Stirling's series beyond 10, and below it Gamma(x + 1) = x Gamma(x). */
function logGamma(x: number): number {
  let shift = 0;
  let at = x;
  while (at < 10) {
    shift -= Math.log(at);
    at += 1;
  }
  const square = 1 / (at * at);
  const series = (1 / 12 + square * (-1 / 360 + square * (1 / 1260 + square * (-1 / 1680 + square * (1 / 1188 + square * (-691 / 360_360 + square / 156)))))) / at;
  return shift + (at - 0.5) * Math.log(at) - at + 0.5 * Math.log(2 * Math.PI) + series;
}

function requireValues(values: ArrayLike<number>, least: number, what: string): void {
  if (values.length < least) {
    throw new DifftuneError("SHAPE", `${what} needs at least ${least === 1 ? "one value" : `${least} values`}.`, { expected: least, got: values.length });
  }
}

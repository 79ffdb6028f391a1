import { DifftuneError } from "../core/errors.js";
import type { TieRule } from "../kernels/rl/bradley-terry.js";
import type { PreferenceLabel } from "./pair-store.js";

/** One row of a reliability table: the pairs of which the model was about so sure. */
export interface ReliabilityBin {
  /** Bounds of max(P, 1 − P), the upper one included. */
  readonly low: number;
  readonly high: number;
  readonly count: number;
  /** Mean of max(P, 1 − P); absent where there are no pairs. */
  readonly confidence?: number;
  /** Share of pairs that the model had right. */
  readonly accuracy?: number;
}

/** How far a reward's probabilities can be believed: frozen, plain. */
export interface Calibration {
  /** Strict pairs; ties are left out. */
  readonly pairs: number;
  /** Share of them whose scores point the way of the label. */
  readonly accuracy: number;
  /** Mean of −ln P(label). */
  readonly logLoss: number;
  /** Mean over the pairs of |confidence − accuracy| of their bin. */
  readonly expectedError: number;
  readonly reliability: readonly ReliabilityBin[];
  /** T with the least mean of −ln P(label) for scores R / T; above 1 the model is too sure of itself. */
  readonly temperature: number;
}

const bins = 10;
/** 1/T stays within these bounds: where scores separate the labels, the best T would be 0. */
const sharpnessRange = [1e-3, 1e3] as const;

/** ln(1 + e^x), without overflow. */
function softplus(x: number): number {
  return Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x)));
}

/**
 * Holds scores against labels (FDPP specification, 4.4). A bounded reward cannot be sure: with one state a segment and tanh,
 * P never passes sigmoid(2) = 0.88, so its error on labels without noise is large by construction. Judge by the accuracy.
 *
 * @param differences R1 − R0 of each pair  @param labels of the same pairs
 */
export function calibrate(differences: ArrayLike<number>, labels: ArrayLike<number>): Calibration {
  if (differences.length !== labels.length) {
    throw new DifftuneError("SHAPE", `There are ${differences.length} scores for ${labels.length} labels.`, { expected: labels.length, got: differences.length });
  }
  // The margin: above 0 where the model is right.
  const margins: number[] = [];
  for (let pair = 0; pair < labels.length; pair++) {
    if (labels[pair] === 0) margins.push(-differences[pair]!);
    else if (labels[pair] === 1) margins.push(differences[pair]!);
  }
  if (margins.length === 0) throw new DifftuneError("FORMAT", "There are no strict labels to hold the reward against.", { hint: "Label pairs that are not equal.", got: labels.length });
  const table = Array.from({ length: bins }, () => ({ count: 0, sure: 0, right: 0 }));
  for (const margin of margins) {
    const confidence = 1 / (1 + Math.exp(-Math.abs(margin)));
    const bin = table[Math.min(bins - 1, Math.max(0, Math.ceil((confidence - 0.5) * 2 * bins) - 1))]!;
    bin.count += 1;
    bin.sure += confidence;
    if (margin > 0) bin.right += 1;
  }
  const reliability = table.map(({ count, sure, right }, at) => Object.freeze({
    low: 0.5 + at / (2 * bins), high: 0.5 + (at + 1) / (2 * bins), count,
    ...(count > 0 ? { confidence: sure / count, accuracy: right / count } : {}),
  }));
  return Object.freeze({
    pairs: margins.length,
    accuracy: margins.filter((margin) => margin > 0).length / margins.length,
    logLoss: meanOf(margins, (margin) => softplus(-margin)),
    expectedError: table.reduce((sum, { sure, right }) => sum + Math.abs(sure - right), 0) / margins.length,
    reliability: Object.freeze(reliability),
    temperature: 1 / bestSharpness(margins),
  });
}

/** b that makes mean softplus(−b m) least, which is convex in b: Newton, kept within the bracket of the slope's signs. */
function bestSharpness(margins: readonly number[]): number {
  let [low, high] = sharpnessRange as readonly [number, number];
  let b = 1;
  for (let round = 0; round < 200; round++) {
    let [slope, curvature] = [0, 0];
    for (const margin of margins) {
      const p = 1 / (1 + Math.exp(b * margin));
      slope -= margin * p;
      curvature += margin * margin * p * (1 - p);
    }
    if (slope > 0) high = b;
    else low = b;
    const newton = b - slope / curvature;
    const next = newton > low && newton < high ? newton : Math.sqrt(low * high);
    if (Math.abs(next - b) <= 1e-12 * b) return next;
    b = next;
  }
  return b;
}

/**
 * Mean preference loss of scores, as the kernel `bradley_terry` defines it, in 64 bits; undefined where no pair counts.
 *
 * @param logNu ln ν of `davidson`
 */
export function preferenceLoss(
  differences: ArrayLike<number>,
  labels: ArrayLike<PreferenceLabel>,
  rule: { readonly ties: TieRule; readonly smoothing: number; readonly logNu?: number },
): number | undefined {
  const losses: number[] = [];
  for (let pair = 0; pair < labels.length; pair++) {
    const [d, y] = [differences[pair]!, labels[pair]!];
    if (rule.ties === "davidson") {
      // With R0 = −d/2 and R1 = d/2: ln Z = ln(e^{−d/2} + e^{d/2} + ν).
      const logits = [-d / 2, d / 2, rule.logNu ?? Math.log(0.5)] as const;
      const top = Math.max(...logits);
      const logZ = top + Math.log(logits.reduce((sum, logit) => sum + Math.exp(logit - top), 0));
      losses.push(logZ - logits[y === -1 ? 2 : y]);
    } else if (y !== -1 || rule.ties === "half") {
      const target = y === -1 ? 0.5 : y === 1 ? 1 - rule.smoothing : rule.smoothing;
      losses.push(target * softplus(-d) + (1 - target) * softplus(d));
    }
  }
  return losses.length === 0 ? undefined : meanOf(losses, (loss) => loss);
}

/** Share of strict pairs whose scores point the way of the label; undefined where there are none. */
export function preferenceAccuracy(differences: ArrayLike<number>, labels: ArrayLike<PreferenceLabel>): number | undefined {
  let [strict, right] = [0, 0];
  for (let pair = 0; pair < labels.length; pair++) {
    if (labels[pair] === -1) continue;
    strict += 1;
    if (labels[pair] === 1 ? differences[pair]! > 0 : differences[pair]! < 0) right += 1;
  }
  return strict === 0 ? undefined : right / strict;
}

/**
 * Spearman's rank correlation: that of the ranks, equal values sharing the mean of their ranks. 1 where one order is the other.
 *
 * @example rankCorrelation(learnedRewards, trueScores) // at least 0.9 for a reward that can be used
 */
export function rankCorrelation(a: ArrayLike<number>, b: ArrayLike<number>): number {
  if (a.length !== b.length || a.length < 2) {
    throw new DifftuneError("SHAPE", `A rank correlation needs two lists of one length, at least 2; these have ${a.length} and ${b.length}.`, { got: [a.length, b.length] });
  }
  const [x, y] = [ranksOf(a), ranksOf(b)];
  const middle = (a.length - 1) / 2;
  let [xy, xx, yy] = [0, 0, 0];
  for (let at = 0; at < a.length; at++) {
    const [dx, dy] = [x[at]! - middle, y[at]! - middle];
    xy += dx * dy;
    xx += dx * dx;
    yy += dy * dy;
  }
  return xx === 0 || yy === 0 ? 0 : xy / Math.sqrt(xx * yy);
}

function ranksOf(values: ArrayLike<number>): Float64Array {
  const order = Array.from({ length: values.length }, (_, at) => at).sort((i, j) => values[i]! - values[j]!);
  const ranks = new Float64Array(values.length);
  for (let first = 0; first < order.length;) {
    let next = first + 1;
    while (next < order.length && values[order[next]!] === values[order[first]!]) next += 1;
    for (let at = first; at < next; at++) ranks[order[at]!] = (first + next - 1) / 2;
    first = next;
  }
  return ranks;
}

function meanOf(values: readonly number[], f: (value: number) => number): number {
  return values.reduce((sum, value) => sum + f(value), 0) / values.length;
}

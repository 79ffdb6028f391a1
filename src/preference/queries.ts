import { DifftuneError } from "../core/errors.js";
import { PhiloxStream } from "../core/philox.js";

/**
 * How the pairs to be labelled are chosen among random candidates: the first ones; those about which the members of an ensemble
 * disagree most; those with the largest mean entropy of the members' answers; or those farthest from all others.
 */
export type QueryStrategy = "uniform" | "disagreement" | "entropy" | "kcenter";

/** Segments that can be asked about. */
export interface SegmentPool {
  /** Reward features [segments, width], width = H·D. */
  readonly features: Float32Array;
  readonly width: number;
}

/** Indices of two segments of a pool. */
export type SegmentPair = readonly [number, number];

/** Options of {@link drawQueries}. */
export interface QueryOptions {
  readonly strategy: QueryStrategy;
  /** Pairs to draw. */
  readonly count: number;
  /** Candidates for each pair that is drawn; `uniform` needs no more than 1. Default 10. */
  readonly candidates?: number;
  readonly seed: number;
  /** Round of labelling: every round has draws of its own. */
  readonly round: number;
  /** P(second better) by every member [members, pairs]: what `disagreement` and `entropy` choose by. */
  readonly probabilities?: (pairs: readonly SegmentPair[]) => Promise<readonly ArrayLike<number>[]>;
}

/** Segments that are closer than this are one and the same to a reward: nobody is asked about them. */
const leastDistance = 1e-6;

/** Draws the pairs of a round of labelling (FDPP specification, section 5). The same pair is never drawn twice in one round. */
export async function drawQueries(pool: SegmentPool, options: QueryOptions): Promise<readonly SegmentPair[]> {
  const { strategy, count, candidates = 10, seed, round, probabilities } = options;
  if (!Number.isSafeInteger(count) || count < 1 || !Number.isSafeInteger(candidates) || candidates < 1) {
    throw new DifftuneError("OPTION", `There are ${count} pairs to draw from ${candidates} candidates each; both must be whole numbers above 0.`, { got: [count, candidates] });
  }
  const drawn = drawCandidates(pool, strategy === "uniform" ? count : count * candidates, count, new PhiloxStream(seed, round));
  switch (strategy) {
    case "uniform": return drawn;
    case "kcenter": return farthestFirst(pool, drawn, count);
    case "disagreement":
    case "entropy": {
      if (probabilities === undefined) {
        throw new DifftuneError("OPTION", `Strategy "${strategy}" needs the probabilities of a reward model.`, { hint: "Draw the first round with \"uniform\".", path: "probabilities" });
      }
      const members = await probabilities(drawn);
      const merit = strategy === "entropy" ? meanEntropy : disagreement;
      if (members.length === 0 || members.some(({ length }) => length !== drawn.length)) {
        throw new DifftuneError("SHAPE", `The model gave probabilities of ${members.map(({ length }) => length).join(", ")} pairs, not ${drawn.length}.`, { expected: drawn.length });
      }
      return largest(drawn, drawn.map((_, pair) => merit(members.map((p) => p[pair]!))), count);
    }
  }
}

/** Population deviation of the members' probabilities. */
export function disagreement(probabilities: readonly number[]): number {
  const mean = probabilities.reduce((sum, p) => sum + p, 0) / probabilities.length;
  return Math.sqrt(probabilities.reduce((sum, p) => sum + (p - mean) ** 2, 0) / probabilities.length);
}

/** Mean over the members of −p ln p − (1 − p) ln(1 − p). */
export function meanEntropy(probabilities: readonly number[]): number {
  const term = (p: number): number => (p > 0 ? -p * Math.log(p) : 0);
  return probabilities.reduce((sum, p) => sum + term(p) + term(1 - p), 0) / probabilities.length;
}

function drawCandidates(pool: SegmentPool, wanted: number, least: number, random: PhiloxStream): readonly SegmentPair[] {
  const { features, width } = pool;
  const segments = features.length / width;
  if (!Number.isSafeInteger(segments) || segments < 2) {
    throw new DifftuneError("SHAPE", `${features.length} features are no two segments of ${width}.`, { got: features.length });
  }
  const seen = new Set<number>();
  const pairs: SegmentPair[] = [];
  // A pool too small for so many candidates gives those that it has; too few distinct pairs for the round itself are an error.
  for (let attempt = 0; attempt < 100 * wanted && pairs.length < wanted; attempt++) {
    const [a, b] = [random.below(segments), random.below(segments)];
    const key = Math.min(a, b) * segments + Math.max(a, b);
    if (a === b || seen.has(key) || squaredDistance(features, a * width, features, b * width, width) < leastDistance ** 2) continue;
    seen.add(key);
    pairs.push([a, b]);
  }
  if (pairs.length < least) {
    throw new DifftuneError("OPTION", `${segments} segments gave only ${pairs.length} pairs of different features; ${least} are needed.`, {
      hint: "Collect more rollouts, or ask for fewer pairs.", path: "count", expected: least, got: pairs.length,
    });
  }
  return pairs;
}

/** The pairs of largest merit; of equal ones those that were drawn first. */
function largest(pairs: readonly SegmentPair[], merits: readonly number[], count: number): readonly SegmentPair[] {
  const order = merits.map((_, place) => place).sort((a, b) => merits[b]! - merits[a]! || a - b);
  return order.slice(0, count).map((place) => pairs[place]!);
}

/** Greedy k-centre: starts with the first candidate, then always takes the one farthest from all that were taken. */
function farthestFirst({ features, width }: SegmentPool, pairs: readonly SegmentPair[], count: number): readonly SegmentPair[] {
  const rows = new Float32Array(pairs.length * 2 * width);
  for (const [at, [a, b]] of pairs.entries()) {
    rows.set(features.subarray(a * width, (a + 1) * width), 2 * at * width);
    rows.set(features.subarray(b * width, (b + 1) * width), (2 * at + 1) * width);
  }
  const distances = new Float64Array(pairs.length).fill(Infinity);
  const chosen: number[] = [];
  let next = 0;
  while (chosen.length < count) {
    chosen.push(next);
    let farthest = next;
    for (let at = 0; at < pairs.length; at++) {
      distances[at] = Math.min(distances[at]!, squaredDistance(rows, 2 * at * width, rows, 2 * next * width, 2 * width));
    }
    distances[next] = -1;
    for (let at = 0; at < pairs.length; at++) if (distances[at]! > distances[farthest]!) farthest = at;
    next = farthest;
  }
  return chosen.map((place) => pairs[place]!);
}

function squaredDistance(a: Float32Array, atA: number, b: Float32Array, atB: number, length: number): number {
  let sum = 0;
  for (let i = 0; i < length; i++) sum += (a[atA + i]! - b[atB + i]!) ** 2;
  return sum;
}

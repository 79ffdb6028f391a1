import { DifftuneError } from "../core/errors.js";
import { PhiloxStream } from "../core/philox.js";
import type { PreferenceLabel, PreferencePair } from "./pair-store.js";
import type { PreferenceTask } from "./preference-task.js";

/** What an annotator says of two segments: which one is better, that they are equal, or that it cannot tell. */
export type Answer = PreferenceLabel | "skip";

/** Two segments that are to be compared, as raw states [H, S]. */
export interface Query {
  /** Number of the query, from 0. Whatever an annotator draws by chance is keyed by it, so that a resumed run draws the same. */
  readonly query: number;
  readonly states0: Float32Array;
  readonly states1: Float32Array;
}

/** Somebody, or something, that compares segments. */
export interface Annotator {
  /** `human`, or the name of a rule. */
  readonly name: string;
  annotate(query: Query): Promise<Answer>;
}

/** How well a scripted annotator knows its own mind (FDPP specification, 3.4). */
export interface AnnotatorNoise {
  /** Differences of the scores below this are a tie. Default: that of the task. */
  readonly tieWidth?: number;
  /** Sharpness β of its choice: it prefers the second segment with probability sigmoid(β d). Default Infinity: always the better one. */
  readonly rationality?: number;
  /** Probability of the opposite answer. Ties are not turned. Default 0. */
  readonly mistakeRate?: number;
  /** It cannot tell where even the better segment has a score below this. Default −Infinity: it always can. */
  readonly leastScore?: number;
  /** Weight of a state by its age: γ^(H − 1 − h). Default 1. */
  readonly recency?: number;
}

/**
 * An annotator that follows a score g. With d = Σ_h γ^(H−1−h) (g(s1_h) − g(s0_h)): it skips where the better segment's score is
 * below `leastScore`, finds |d| < tieWidth equal, prefers the second with d > 0 (or with probability sigmoid(β d)), and turns its
 * answer with probability `mistakeRate`.
 *
 * @param seed decides its choices and mistakes
 */
export function scriptedAnnotator(
  task: Pick<PreferenceTask, "name" | "score" | "tieWidth" | "width">,
  noise: AnnotatorNoise = {},
  seed = 0,
): Annotator {
  const { tieWidth = task.tieWidth, rationality = Infinity, mistakeRate = 0, leastScore = -Infinity, recency = 1 } = noise;
  const check = (name: keyof AnnotatorNoise, value: number, isRight: boolean, what: string): void => {
    if (!isRight) throw new DifftuneError("OPTION", `scriptedAnnotator: option "${name}" is ${value}. It must be ${what}.`, { path: name, got: value });
  };
  check("tieWidth", tieWidth, tieWidth >= 0 && Number.isFinite(tieWidth), "a finite number from 0");
  check("rationality", rationality, rationality > 0, "above 0");
  check("mistakeRate", mistakeRate, mistakeRate >= 0 && mistakeRate <= 1, "from 0 to 1");
  check("leastScore", leastScore, !Number.isNaN(leastScore), "a number");
  check("recency", recency, recency > 0 && recency <= 1, "above 0, at most 1");
  const scoreOf = (states: Float32Array): number => {
    const horizon = states.length / task.width;
    let sum = 0;
    for (let h = 0; h < horizon; h++) sum = sum * recency + task.score(states, h);
    return sum;
  };
  return {
    name: task.name,
    annotate: async ({ query, states0, states1 }) => {
      if (states0.length !== states1.length || states0.length === 0 || states0.length % task.width !== 0) {
        throw new DifftuneError("SHAPE", `Segments of ${states0.length} and ${states1.length} numbers are not the same number of states of ${task.width}.`, {
          got: [states0.length, states1.length],
        });
      }
      const [score0, score1] = [scoreOf(states0), scoreOf(states1)];
      const d = score1 - score0;
      if (Math.max(score0, score1) < leastScore) return "skip";
      if (Math.abs(d) < tieWidth || (d === 0 && rationality === Infinity)) return -1;
      const random = new PhiloxStream(seed, query);
      const [choice, slip] = [random.uniform(), random.uniform()];
      const prefersSecond = rationality === Infinity ? d > 0 : choice < 1 / (1 + Math.exp(-rationality * d));
      return prefersSecond === slip >= mistakeRate ? 1 : 0;
    },
  };
}

/**
 * Hides from an annotator which segment is the first: in half of all queries it sees them in the other order, and its answer is
 * turned back. The order is keyed by seed and query.
 */
export function blinded(annotator: Annotator, seed = 0): Annotator {
  return {
    name: annotator.name,
    annotate: async ({ query, states0, states1 }) => {
      if (new PhiloxStream((seed ^ orderKey) >>> 0, query).below(2) === 0) return annotator.annotate({ query, states0, states1 });
      const answer = await annotator.annotate({ query, states0: states1, states1: states0 });
      return answer === 0 ? 1 : answer === 1 ? 0 : answer;
    },
  };
}

/** Keeps the order on the screen apart from an annotator's own draws, should both have one seed. */
const orderKey = 0x5eed0de;

/** How often pairs that were asked twice were answered alike; undefined where none were. */
export function selfConsistency(pairs: readonly PreferencePair[]): number | undefined {
  const labels = new Map(pairs.map(({ id, label }) => [id, label]));
  const repeats = pairs.filter(({ repeatOf }) => repeatOf !== undefined && labels.has(repeatOf));
  if (repeats.length === 0) return undefined;
  return repeats.filter(({ label, repeatOf }) => labels.get(repeatOf!) === label).length / repeats.length;
}

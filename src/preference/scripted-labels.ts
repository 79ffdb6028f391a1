import { DifftuneError } from "../core/errors.js";
import type { Annotator } from "./annotators.js";
import type { PreferencePair } from "./pair-store.js";
import { drawQueries, type QueryOptions, type QueryStrategy, type SegmentPair } from "./queries.js";
import type { Segments } from "./segments.js";

/** A labelled pair that no store has given an id and a time yet. */
export type ScriptedPair = Omit<PreferencePair, "id" | "timestampMs" | "repeatOf">;

/** Options of {@link labelByScript}. */
export interface ScriptedLabelOptions {
  /** Pairs with an answer, in all. */
  readonly pairs: number;
  /** Default `uniform`. */
  readonly strategy?: QueryStrategy;
  /** Decides which segments are asked about. */
  readonly seed: number;
  /** Pairs that are labelled already, in order: they are passed over, to the same labels as if nothing had stopped. */
  readonly known?: readonly Pick<PreferencePair, "label" | "round" | "source">[];
  /** P(second better) by every member of a model of all pairs of earlier rounds; strategies but `uniform` need it. */
  readonly probabilities?: (before: readonly ScriptedPair[], pairs: readonly SegmentPair[]) => ReturnType<NonNullable<QueryOptions["probabilities"]>>;
}

/** Rounds of labelling (FDPP specification, section 5): all at once, or 256 by chance and then by 128. */
export function labellingRounds(pairs: number, strategy: QueryStrategy): readonly number[] {
  if (strategy === "uniform") return [pairs];
  const rounds: number[] = [];
  for (let left = pairs; left > 0;) {
    const size = Math.min(left, rounds.length === 0 ? 256 : 128);
    rounds.push(size);
    left -= size;
  }
  return rounds;
}

/** After so many draws in a row without an answer, an annotator has none to give. */
const mostDraws = 100;

/**
 * Labels pairs of a pool by an annotator that answers at once, round by round. What it cannot tell is drawn anew. Gives the pairs
 * that are not in `known`, each as soon as it is there.
 */
export async function* labelByScript(pool: Segments, annotator: Annotator, options: ScriptedLabelOptions): AsyncGenerator<ScriptedPair, void, undefined> {
  const { pairs, strategy = "uniform", seed, known = [], probabilities } = options;
  if (!Number.isSafeInteger(pairs) || pairs < 1) throw new DifftuneError("OPTION", `There are ${pairs} pairs to label; it must be a whole number above 0.`, { path: "pairs", got: pairs });
  const labelled: ScriptedPair[] = [];
  let query = 0;
  for (const [round, size] of labellingRounds(pairs, strategy).entries()) {
    const before = [...labelled];
    const wanted = labelled.length + size;
    for (let draw = 0; labelled.length < wanted; draw++) {
      if (draw === mostDraws) {
        throw new DifftuneError("OPTION", `The annotator "${annotator.name}" could not tell any of the last pairs; ${labelled.length} of ${pairs} are labelled.`, { hint: "Lower its leastScore.", got: labelled.length });
      }
      const drawn = await drawQueries(pool, {
        // Every draw of a round has numbers of its own.
        seed, round: round * mostDraws + draw, count: wanted - labelled.length, strategy: round === 0 ? "uniform" : strategy,
        ...(probabilities === undefined ? {} : { probabilities: (candidates) => probabilities(before, candidates) }),
      });
      for (const candidate of drawn) {
        const pair = pool.pair(candidate);
        const answer = await annotator.annotate({ query, states0: pair.states0, states1: pair.states1 });
        query += 1;
        if (answer === "skip") continue;
        const labelledPair = { ...pair, label: answer, annotator: annotator.name, round };
        const stored = known[labelled.length];
        labelled.push(labelledPair);
        if (stored === undefined) yield labelledPair;
        else checkKnown(stored, labelledPair, labelled.length - 1);
      }
    }
  }
}

/** Labels of another pool, task or seed are not gone on with. */
function checkKnown(stored: Pick<PreferencePair, "label" | "round" | "source">, pair: ScriptedPair, index: number): void {
  const [old, now] = [stored, pair].map(({ label, round, source: { episode0, step0, episode1, step1 } }) => [label, round, episode0, step0, episode1, step1].join(" "));
  if (old === now) return;
  throw new DifftuneError("OPTION", `Pair ${index} of the labels was drawn or answered otherwise.`, {
    hint: "Go on with the pool, task, noise and seed that they were made with, or label into another folder.", index,
  });
}

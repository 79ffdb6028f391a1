import { DifftuneError } from "../core/errors.js";
import { PhiloxStream } from "../core/philox.js";
import type { PreferencePair } from "./pair-store.js";

/** Pairs to learn from, and pairs to measure by. */
export interface SplitPairs {
  readonly training: readonly PreferencePair[];
  readonly validation: readonly PreferencePair[];
}

/**
 * Parts pairs so that no state stands on both sides: pairs that share a state, themselves or through others, stay together.
 * Repeated questions are left out, which would count an opinion twice. The validation side gets at most its share, less where
 * large groups share their states; nothing where all do.
 *
 * @param options.share of the pairs for validation; default 0.15
 */
export function splitPairs(pairs: readonly PreferencePair[], options: { readonly share?: number; readonly seed?: number } = {}): SplitPairs {
  const { share = 0.15, seed = 0 } = options;
  if (!(share >= 0 && share < 1)) throw new DifftuneError("OPTION", `splitPairs: option "share" is ${share}. It must be from 0 to below 1.`, { path: "share", got: share });
  const asked = pairs.filter(({ repeatOf }) => repeatOf === undefined);
  const groups = [...groupsOf(asked).values()];
  const random = new PhiloxStream(seed);
  for (let last = groups.length - 1; last > 0; last--) {
    const other = random.below(last + 1);
    [groups[last], groups[other]] = [groups[other]!, groups[last]!];
  }
  const room = Math.round(share * asked.length);
  const chosen = new Set<PreferencePair>();
  for (const group of groups) if (chosen.size + group.length <= room) for (const pair of group) chosen.add(pair);
  return { training: asked.filter((pair) => !chosen.has(pair)), validation: asked.filter((pair) => chosen.has(pair)) };
}

/** Groups of pairs that hang together by the states they show. */
function groupsOf(pairs: readonly PreferencePair[]): ReadonlyMap<number, PreferencePair[]> {
  const parents = pairs.map((_, at) => at);
  const rootOf = (at: number): number => {
    let root = at;
    while (parents[root] !== root) {
      parents[root] = parents[parents[root]!]!;
      root = parents[root]!;
    }
    return root;
  };
  const shownBy = new Map<string, number>();
  for (const [at, { horizon, source: { episode0, step0, episode1, step1 } }] of pairs.entries()) {
    for (let h = 0; h < horizon; h++) {
      for (const state of [`${episode0}:${step0 + h}`, `${episode1}:${step1 + h}`]) {
        const other = shownBy.get(state);
        if (other === undefined) shownBy.set(state, at);
        else parents[rootOf(at)] = rootOf(other);
      }
    }
  }
  const groups = new Map<number, PreferencePair[]>();
  for (const [at, pair] of pairs.entries()) {
    const root = rootOf(at);
    const group = groups.get(root);
    if (group === undefined) groups.set(root, [pair]);
    else group.push(pair);
  }
  return groups;
}

import { meanInterval, shareInterval, type Interval } from "../../core/statistics.js";
import type { LinePoint } from "./line-chart.js";
import type { EvaluationSummary, MetricRow, RunSummary } from "./run-summary.js";

/** Runs that differ by nothing but their seed. */
export interface RunGroup {
  /** Short, and different from that of every other group: what sets it apart. */
  readonly name: string;
  readonly runs: readonly RunSummary[];
  /** Settings by dotted name, each as text; without seeds and places of files. */
  readonly settings: ReadonlyMap<string, string>;
}

/** What does not make a run another experiment: its seed, its places, its length of patience. */
const incidental = new Set(["seed", "seeds", "out", "output", "folder", "resume", "name", "signal", "startedAt"]);

/** Puts runs of one experiment together, in the order in which they were given, and names each group by what sets it apart. */
export function groupRuns(runs: readonly RunSummary[]): readonly RunGroup[] {
  const groups = new Map<string, { readonly settings: ReadonlyMap<string, string>; readonly runs: RunSummary[] }>();
  for (const run of runs) {
    const settings = settingsOf(run);
    // Of a run that says nothing of itself nobody knows what it belongs to.
    const key = settings.size === 0 ? `\u0000${groups.size}` : JSON.stringify([...settings].sort(([a], [b]) => (a < b ? -1 : 1)));
    const group = groups.get(key);
    if (group === undefined) groups.set(key, { settings, runs: [run] });
    else group.runs.push(run);
  }
  const all = [...groups.values()];
  const names = nameGroups(all);
  return all.map((group, index) => ({ name: names[index]!, ...group }));
}

/** Names of the settings in which groups differ. */
export function differences(groups: readonly { readonly settings: ReadonlyMap<string, string> }[]): string[] {
  const keys = new Set(groups.flatMap(({ settings }) => [...settings.keys()]));
  return [...keys].filter((key) => new Set(groups.map(({ settings }) => settings.get(key))).size > 1);
}

function settingsOf({ facts }: RunSummary): Map<string, string> {
  const settings = new Map<string, string>();
  const add = (name: string, value: unknown): void => {
    if (incidental.has(name.slice(name.lastIndexOf(".") + 1)) || value === undefined) return;
    if (typeof value === "object" && value !== null && !Array.isArray(value)) {
      for (const [inner, part] of Object.entries(value)) add(name === "" ? inner : `${name}.${inner}`, part);
      return;
    }
    // A place that speaks of the seed, such as runs/pretrain-seed3/policy.safetensors, is the same place for all seeds.
    const text = typeof value === "string" ? value.replace(/(?<=^|[/\\_.-])(s|seed)[-_]?\d+(?=$|[/\\_.-])/gi, "$1*") : JSON.stringify(value);
    settings.set(name, text);
  };
  add("", { method: facts.method, environment: facts.environment, engine: facts.engine?.name });
  add("", facts.options);
  return settings;
}

const methodNames: Readonly<Record<string, string>> = { dppo: "DPPO", ppo: "PPO", drwr: "DRWR", dawr: "DAWR", idql: "IDQL", dql: "DQL", dipo: "DIPO", qsm: "QSM", fdpp: "FDPP", ncdpo: "NCDPO", pretrain: "Pre-training" };

/** A method as it is written in print. */
export function displayMethod(method: string): string {
  return Object.hasOwn(methodNames, method) ? methodNames[method]! : method;
}

/** More differences than these say nothing any more in a legend. */
const nameParts = 3;

function nameGroups(groups: readonly { readonly settings: ReadonlyMap<string, string>; readonly runs: readonly RunSummary[] }[]): string[] {
  const keys = differences(groups);
  const ofFolder = (run: RunSummary): string => run.name.replace(/[-_.]?s(eed)?[-_]?\d+$/i, "") || run.name;
  const names = groups.map(({ settings, runs }) => {
    const method = settings.get("method") ?? "";
    if (groups.length === 1) return method === "" ? ofFolder(runs[0]!) : displayMethod(method);
    const parts = keys.filter((key) => settings.has(key)).map((key) => {
      const value = settings.get(key)!;
      if (key === "method") return displayMethod(value);
      return key === "environment" || key === "engine" ? value : `${key.slice(key.lastIndexOf(".") + 1)} ${value}`;
    });
    return parts.length === 0 || keys.length > nameParts ? ofFolder(runs[0]!) : parts.join(", ");
  });
  return names.map((name, index) => (names.indexOf(name) === names.lastIndexOf(name) ? name : `${name} (${groups[index]!.runs[0]!.name})`));
}

/** A metric over the course of a group: the mean over its runs, what each run did, and single evaluations. */
export interface Course {
  readonly points: readonly LinePoint[];
  /** The runs one by one, where there are several. */
  readonly strands: readonly (readonly LinePoint[])[];
  readonly marks: readonly LinePoint[];
}

/**
 * The course of `metric` over `x`, two names of numbers in the log. Of several runs the mean with Student's 95 % interval; of one
 * run the success with Wilson's, over the episodes of each iteration.
 */
export function courseOf({ runs }: RunGroup, metric: string, x: string, rowsOf: (run: RunSummary) => readonly MetricRow[] = ({ iterations }) => iterations): Course {
  const strands = runs.map((run) => pointsOf(rowsOf(run).filter(({ isEvaluation }) => !isEvaluation), metric, x));
  const marks = runs.map((run) => [
    ...pointsOf(rowsOf(run).filter(({ isEvaluation }) => isEvaluation), metric, x),
    ...evaluationPoints(run, metric, x),
  ]);
  const only = strands.length === 1 ? strands[0] : undefined;
  return { points: only ?? meanPoints(strands, metric), strands: only === undefined ? strands : [], marks: runs.length === 1 ? (marks[0] ?? []) : meanPoints(marks, metric) };
}

function pointsOf(rows: readonly MetricRow[], metric: string, x: string): LinePoint[] {
  // What was not measured in a row leaves no gap: validation losses come only every few epochs.
  return rows.filter(({ values }) => values[x] !== undefined && values[metric] !== undefined).map(({ values }) => {
    const [place, value, episodes] = [values[x]!, values[metric]!, values.episodes];
    const isShare = metric === "success" && value >= 0 && value <= 1 && episodes !== undefined && Number.isSafeInteger(episodes) && episodes > 0;
    return isShare ? { x: place, ...boundsOf(shareInterval(Math.round(value * episodes), episodes)), y: value } : { x: place, y: value };
  });
}

const evaluated = ["success", "return", "length"] as const;

/** The evaluations of a run, where it then stood. */
function evaluationPoints({ evaluations, iterations }: RunSummary, metric: string, x: string): LinePoint[] {
  const name = evaluated.find((known) => known === (metric === "episodeLength" ? "length" : metric));
  const last = iterations.at(-1)?.values[x];
  if (name === undefined || last === undefined) return [];
  return evaluations.flatMap((evaluation) => {
    const { when } = evaluation;
    const value = evaluation[name];
    const place = when === "before" ? 0 : when === "after" ? last : iterations.find(({ values }) => values.iteration === when)?.values[x];
    return value === undefined || place === undefined ? [] : [{ x: place, y: value.mean, ...boundsOf(value) }];
  });
}

function boundsOf({ mean, low, high }: Interval): { readonly low?: number; readonly high?: number } {
  return low === mean && high === mean ? {} : { low, high };
}

/** Points of the same x put together. */
function meanPoints(strands: readonly (readonly LinePoint[])[], metric: string): LinePoint[] {
  const places = new Map<number, number[]>();
  for (const { x, y } of strands.flat()) {
    if (!Number.isFinite(y)) continue;
    const values = places.get(x);
    if (values === undefined) places.set(x, [y]);
    else values.push(y);
  }
  return [...places].sort(([a], [b]) => a - b).map(([x, values]) => {
    const interval = intervalOf(values, metric);
    return { x, y: interval.mean, ...boundsOf(interval) };
  });
}

/** Mean and interval over runs; a share stays within 0 and 1. */
export function intervalOf(values: readonly number[], metric: string): Interval {
  const interval = meanInterval(values);
  return metric === "success" ? { ...interval, low: Math.max(0, interval.low), high: Math.min(1, interval.high) } : interval;
}

/** The evaluations of a group at one time, put together: counts added up, means over the runs. Undefined where there is none. */
export function pooledEvaluation({ runs }: RunGroup, when: EvaluationSummary["when"]): EvaluationSummary | undefined {
  const found = runs.flatMap(({ evaluations }) => evaluations.filter((evaluation) => evaluation.when === when));
  const [first] = found;
  if (first === undefined || found.length === 1) return first;
  const sum = (counts: readonly Readonly<Record<string, number>>[]): Record<string, number> => {
    const total: Record<string, number> = {};
    for (const [name, count] of counts.flatMap(Object.entries<number>)) total[name] = (total[name] ?? 0) + count;
    return total;
  };
  const over = (name: (typeof evaluated)[number]): Interval | undefined => {
    const means = found.flatMap((evaluation) => (evaluation[name] === undefined ? [] : [evaluation[name].mean]));
    return means.length === 0 ? undefined : intervalOf(means, name);
  };
  const entropies = found.flatMap(({ modeEntropy }) => (modeEntropy === undefined ? [] : [modeEntropy]));
  return {
    when,
    episodes: found.reduce((total, { episodes }) => total + episodes, 0),
    isDeterministic: first.isDeterministic,
    success: over("success"),
    return: over("return"),
    length: over("length"),
    modeEntropy: entropies.length === 0 ? undefined : meanInterval(entropies).mean,
    modes: sum(found.map(({ modes }) => modes)),
    reasons: sum(found.map(({ reasons }) => reasons)),
    failures: found.flatMap(({ failures }) => failures),
    // The pictures show one run: ways of several in one would hide how they differ.
    trajectories: first.trajectories,
  };
}

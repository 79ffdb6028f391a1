import * as v from "valibot";
import type { Interval } from "../../core/statistics.js";
import type { ChainStep } from "./chain-panels.js";
import type { Trajectory } from "./trajectory-picture.js";

/** What a run folder says of a run, as far as it could be read. */
export interface RunSummary {
  /** Name of its folder. */
  readonly name: string;
  readonly facts: RunFacts;
  /** In their order, each once. */
  readonly iterations: readonly MetricRow[];
  readonly epochs: readonly MetricRow[];
  readonly evaluations: readonly EvaluationSummary[];
  /** The denoising chain of one decision. */
  readonly chain: Chain | undefined;
  /** What is missing or broken, a sentence each. */
  readonly faults: readonly string[];
}

/** Many samples of one decision, step by step, and the names of their two coordinates. */
export interface Chain {
  readonly axes: readonly [x: string, y: string] | undefined;
  readonly steps: readonly ChainStep[];
}

/** `run.json`; every part may be missing. */
export interface RunFacts {
  readonly version?: string | undefined;
  readonly command?: string | undefined;
  readonly method?: string | undefined;
  readonly environment?: string | undefined;
  readonly seed?: number | undefined;
  readonly engine?: { readonly name: string; readonly description: string } | undefined;
  /** The resolved options, nested as they are. */
  readonly options: Readonly<Record<string, unknown>>;
  readonly startedAt?: string | undefined;
}

/** The finite numbers of one line of the log by their names; those of inner objects as `seconds.update`. */
export interface MetricRow {
  /** Whether the iteration only evaluated. */
  readonly isEvaluation: boolean;
  readonly values: Readonly<Record<string, number>>;
}

/** One evaluation, as far as its file says. */
export interface EvaluationSummary {
  /** `before`, `after`, or the iteration that it followed. */
  readonly when: "before" | "after" | number;
  readonly episodes: number;
  readonly isDeterministic?: boolean | undefined;
  readonly success?: Interval | undefined;
  readonly return?: Interval | undefined;
  readonly length?: Interval | undefined;
  readonly modeEntropy?: number | undefined;
  /** Episodes by the way that they took, or else by the reason of their end; and all by that reason. */
  readonly modes: Readonly<Record<string, number>>;
  readonly reasons: Readonly<Record<string, number>>;
  readonly failures: readonly { readonly reason: string; readonly detail: string; readonly seed?: number | undefined }[];
  readonly trajectories: readonly Trajectory[];
}

/** The texts of a run folder; what is undefined does not exist. */
export interface RunTexts {
  readonly name: string;
  /** `run.json` */
  readonly run?: string | undefined;
  /** `metrics.jsonl` */
  readonly metrics?: string | undefined;
  /** The files of `evaluations`, by name without `.json`. */
  readonly evaluations: Readonly<Record<string, string>>;
}

const text = v.fallback(v.optional(v.string()), undefined);
const number = v.fallback(v.optional(v.pipe(v.number(), v.finite())), undefined);
const anything = v.record(v.string(), v.unknown());
const interval = v.fallback(v.optional(v.object({ mean: v.number(), low: v.number(), high: v.number() })), undefined);
const counts = v.fallback(v.record(v.string(), v.pipe(v.number(), v.minValue(0))), {});

const runSchema = v.object({
  difftune: text,
  command: v.fallback(v.optional(v.union([v.string(), v.array(v.string())])), undefined),
  method: text,
  environment: v.fallback(v.optional(v.union([v.string(), v.looseObject({ name: v.string() })])), undefined),
  seed: number,
  engine: v.fallback(v.optional(v.union([v.string(), v.object({ engine: v.string(), description: v.string() })])), undefined),
  options: v.fallback(anything, {}),
  startedAt: text,
});

const evaluationSchema = v.object({
  episodes: v.fallback(v.number(), 0),
  isDeterministic: v.fallback(v.optional(v.boolean()), undefined),
  success: interval,
  return: interval,
  length: interval,
  modeEntropy: number,
  modes: counts,
  reasons: counts,
  failures: v.fallback(v.array(v.object({ reason: v.fallback(v.string(), ""), detail: v.fallback(v.string(), ""), seed: number })), []),
  trajectories: v.fallback(
    v.array(v.object({ points: v.array(v.fallback(v.number(), Number.NaN)), success: v.fallback(v.boolean(), false), label: v.fallback(v.string(), ""), reason: v.fallback(v.string(), "") })),
    [],
  ),
});

const chainSchema = v.object({
  axes: v.fallback(v.optional(v.tuple([v.string(), v.string()])), undefined),
  steps: v.array(v.object({ step: v.number(), points: v.array(v.fallback(v.number(), Number.NaN)) })),
});

/**
 * Reads the texts of a run folder. A report is most wanted of runs that went wrong, so that nothing here throws: what is
 * missing, torn or of another form is left out and named in `faults`.
 */
export function summariseRun(texts: RunTexts): RunSummary {
  const faults: string[] = [];
  const facts = readFacts(texts.run, faults);
  const lines = readLines(texts.metrics, faults);
  const rows = (event: string, count: string): MetricRow[] => {
    const found = lines.filter((line) => line.event === event);
    // A resumed run may have written an iteration twice; the later line is true.
    const places = new Map(found.map((line, index) => [typeof line[count] === "number" ? line[count] : index, line]));
    return [...places].sort(([a], [b]) => a - b).map(([, line]) => ({ isEvaluation: line.mode === "evaluate", values: numbersOf(line) }));
  };
  const iterations = rows("iteration", "iteration");
  const epochs = rows("epoch", "epoch");
  if (texts.metrics !== undefined && iterations.length + epochs.length === 0) faults.push("metrics.jsonl holds no iteration and no epoch.");
  return {
    name: texts.name,
    facts,
    iterations,
    epochs,
    evaluations: readEvaluations(texts, lines, iterations.length > 0, faults),
    chain: readChain(texts.evaluations.chain, faults),
    faults,
  };
}

function readFacts(source: string | undefined, faults: string[]): RunFacts {
  const found = parseJson(source, "run.json", faults);
  const parsed = v.safeParse(runSchema, noArray(found));
  if (!parsed.success) {
    if (found !== undefined) faults.push("run.json is no object.");
    return { options: {} };
  }
  const { difftune: version, command, environment, engine, options, ...facts } = parsed.output;
  const settings = typeof environment === "object" ? { ...options, environment } : options;
  return {
    ...facts,
    version,
    command: Array.isArray(command) ? command.map(quoteWord).join(" ") : command,
    environment: typeof environment === "object" ? environment.name : environment,
    engine: typeof engine === "object" ? { name: engine.engine, description: engine.description } : engine === undefined ? undefined : { name: engine, description: engine },
    options: settings,
  };
}

/** A word of a command as a shell takes it. */
function quoteWord(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}

function parseJson(source: string | undefined, file: string, faults: string[]): unknown {
  if (source === undefined) {
    faults.push(`${file} is missing.`);
    return undefined;
  }
  try {
    return JSON.parse(source);
  } catch {
    faults.push(`${file} is no JSON${source.trim() === "" ? ": it is empty" : ""}.`);
    return undefined;
  }
}

/** To the schemas an array is an object too. */
function noArray(value: unknown): unknown {
  return Array.isArray(value) ? undefined : value;
}

type Line = Readonly<Record<string, unknown>>;

function readLines(source: string | undefined, faults: string[]): Line[] {
  if (source === undefined) {
    faults.push("metrics.jsonl is missing.");
    return [];
  }
  const lines: Line[] = [];
  const texts = source.split("\n");
  let broken = 0;
  for (const [index, line] of texts.entries()) {
    if (line.trim() === "") continue;
    try {
      const parsed = v.safeParse(anything, noArray(JSON.parse(line)));
      if (parsed.success) lines.push(parsed.output);
      else broken += 1;
    } catch {
      // The last line of a killed run.
      if (index === texts.length - 1) faults.push("The last line of metrics.jsonl is torn; it was left out.");
      else broken += 1;
    }
  }
  if (broken > 0) faults.push(`${broken} ${broken === 1 ? "line" : "lines"} of metrics.jsonl could not be read.`);
  return lines;
}

function numbersOf(line: Line): Record<string, number> {
  const values: Record<string, number> = {};
  for (const [name, value] of Object.entries(line)) {
    if (typeof value === "number" && Number.isFinite(value)) values[name] = value;
    if (typeof value !== "object" || value === null || Array.isArray(value)) continue;
    for (const [inner, part] of Object.entries(value)) if (typeof part === "number" && Number.isFinite(part)) values[`${name}.${inner}`] = part;
  }
  return values;
}

/** The files of evaluations; where there is none, those of the log. */
function readEvaluations({ evaluations }: RunTexts, lines: readonly Line[], isExpected: boolean, faults: string[]): EvaluationSummary[] {
  const found = new Map<EvaluationSummary["when"], EvaluationSummary>();
  const add = (when: EvaluationSummary["when"] | undefined, source: unknown, where: string): void => {
    const parsed = v.safeParse(evaluationSchema, noArray(source));
    if (when === undefined) return;
    if (parsed.success) found.set(when, { when, ...parsed.output });
    else faults.push(`${where} is no evaluation.`);
  };
  for (const line of lines) if (line.event === "evaluation") add(whenOf(line.when), line, "An evaluation of metrics.jsonl");
  for (const [name, source] of Object.entries(evaluations)) {
    if (name === "chain") continue;
    const file = `evaluations/${name}.json`;
    const parsed = parseJson(source, file, faults);
    if (parsed !== undefined) add(whenOf(/^\d+$/.test(name) ? Number(name) : name), parsed, file);
  }
  for (const when of ["before", "after"] as const) if (isExpected && !found.has(when)) faults.push(`There is no evaluation ${when} the run.`);
  const order = (when: EvaluationSummary["when"]): number => (when === "before" ? -1 : when === "after" ? Number.POSITIVE_INFINITY : when);
  return [...found.values()].sort((a, b) => order(a.when) - order(b.when));
}

function whenOf(value: unknown): EvaluationSummary["when"] | undefined {
  return value === "before" || value === "after" || typeof value === "number" ? value : undefined;
}

function readChain(source: string | undefined, faults: string[]): Chain | undefined {
  if (source === undefined) return undefined;
  const parsed = v.safeParse(chainSchema, parseJson(source, "evaluations/chain.json", faults));
  if (parsed.success) return { axes: parsed.output.axes, steps: parsed.output.steps };
  faults.push("evaluations/chain.json is no denoising chain.");
  return undefined;
}

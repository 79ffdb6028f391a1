import { shareInterval } from "../../core/statistics.js";
import { heading, type LegendEntry } from "./frame.js";
import { groupedBars, stackedBars } from "./bar-chart.js";
import { chainPanels } from "./chain-panels.js";
import { lineChart, type LineChart, type LineSeries } from "./line-chart.js";
import { courseOf, pooledEvaluation, type RunGroup } from "./run-group.js";
import type { EvaluationSummary, MetricRow, RunSummary } from "./run-summary.js";
import { formatNumber, formatSeconds, formatShare } from "./scale.js";
import { chart, seriesInk } from "./svg.js";
import { trajectoryPicture } from "./trajectory-picture.js";

/** The parts of a report that hold figures. */
export type FigurePlace = "result" | "behaviour" | "chain" | "learning" | "cloning" | "time";

/** One figure: markup of a chart, which is also a file of its own through `standalone`. */
export interface Figure {
  /** Unique; also the name of its file. */
  readonly id: string;
  readonly place: FigurePlace;
  /** Which group it is about, where it is about one. */
  readonly group?: number;
  readonly markup: string;
}

/** All figures that the data of these runs allow, in the order of the report. What nobody measured has no figure. */
export function figuresOf(groups: readonly RunGroup[]): readonly Figure[] {
  return [...resultFigures(groups), ...behaviourFigures(groups), ...learningFigures(groups), ...cloningFigures(groups), ...timeFigures(groups)];
}

type CurveOptions = Pick<LineChart, "title"> & Partial<Pick<LineChart, "subtitle" | "width" | "low" | "high" | "format" | "isLogarithmic" | "isInspectable" | "hasLegend" | "plotHeight">> & {
  /** `isLogarithmic` allows a logarithmic axis, which is taken where the values need it. */
  readonly id: string;
  readonly place: FigurePlace;
  /** Names of the metrics: beside several groups, which have the colours, they are told apart by dashes. */
  readonly metrics: readonly { readonly metric: string; readonly name?: string }[];
  readonly x: { readonly metric: string; readonly label: string };
  readonly rowsOf?: (run: RunSummary) => readonly MetricRow[];
};

const dashes = [undefined, "dashes", "dots"] as const;
/** Where the greatest value is so many times the least, a linear axis shows only one of them. */
const logarithmicSpan = 8;

/** A chart of metrics over the course of all groups; none where nothing of them was measured. */
function curves(groups: readonly RunGroup[], { id, place, metrics, x, rowsOf, ...rest }: CurveOptions): Figure[] {
  const series = groups.flatMap((group, index) => metrics.map(({ metric, name }, which): LineSeries => {
    const label = name === undefined ? group.name : groups.length === 1 ? name : `${group.name}, ${name}`;
    const dash = groups.length === 1 ? undefined : dashes[which];
    return { name: label, ...courseOf(group, metric, x.metric, rowsOf), ink: seriesInk(groups.length === 1 ? which : index), ...(dash === undefined ? {} : { dash }) };
  }));
  const shown = series.filter(({ points, marks = [] }) => [...points, ...marks].some(({ y }) => Number.isFinite(y)));
  if (shown.length === 0) return [];
  const values = shown.flatMap(({ points }) => points.map(({ y }) => y)).filter((y) => Number.isFinite(y));
  const isLogarithmic = rest.isLogarithmic === true && values.every((y) => y > 0) && Math.max(...values) > logarithmicSpan * Math.min(...values);
  const description = shown.map((each) => describe(each, rest.format ?? formatNumber)).join(" ");
  return [{ id, place, markup: lineChart({ ...rest, isLogarithmic, id, description, xLabel: x.label, series: shown }) }];
}

function describe({ name, points, marks = [] }: LineSeries, format: (value: number) => string): string {
  const values = points.length > 0 ? points : marks;
  const finite = values.filter(({ y }) => Number.isFinite(y));
  const [first, last] = [finite[0], finite.at(-1)];
  if (first === undefined || last === undefined) return `${name}: no values.`;
  return first === last ? `${name}: ${format(first.y)}.` : `${name}: from ${format(first.y)} to ${format(last.y)}.`;
}

/** Width of charts that stand three in a row, px. */
const narrowWidth = 330;

const overSteps = { metric: "envSteps", label: "environment steps" } as const;
const overIterations = { metric: "iteration", label: "iteration" } as const;

function resultFigures(groups: readonly RunGroup[]): Figure[] {
  const common = { place: "result", x: overSteps, isInspectable: true, plotHeight: 190 } as const;
  return [
    ...curves(groups, { ...common, id: "success", title: "Success", subtitle: "share of episodes", metrics: [{ metric: "success" }], low: 0, high: 1, format: formatShare }),
    ...curves(groups, { ...common, id: "return", title: "Return", subtitle: "mean of episodes", metrics: [{ metric: "return" }] }),
  ];
}

function learningFigures(groups: readonly RunGroup[]): Figure[] {
  // Several groups have one legend above all of these charts.
  const common = { place: "learning", x: overIterations, width: narrowWidth, plotHeight: 120, hasLegend: groups.length === 1 } as const;
  const one = (metric: string, title: string, subtitle?: string, more: Partial<CurveOptions> = {}): Figure[] =>
    curves(groups, { ...common, id: `learning-${metric.replace(/[^\w-]/g, "-")}`, title, ...(subtitle === undefined ? {} : { subtitle }), metrics: [{ metric }], ...more });
  return [
    ...one("chunkReward", "Learned reward", "mean of chunks"),
    ...one("kl", "KL to the frozen policy", "nats per chunk", { low: 0 }),
    ...(isConstant(groups, "alpha") ? [] : one("alpha", "Alpha", "weight of the KL", { isLogarithmic: true })),
    ...one("approxKl", "Approximate KL", "per update", { low: 0 }),
    ...one("clipFraction", "Clip fraction", "share of transitions", { low: 0 }),
    ...one("policyLoss", "Policy loss"),
    ...one("valueLoss", "Value loss"),
    // Before the critic has learned anything it is far below zero, and would press everything else together.
    ...one("explainedVariance", "Explained variance", "1 is a perfect critic", { low: leastVariance(groups), high: 1 }),
    ...one("gradientNorm", "Gradient norm", "before clipping", { low: 0 }),
    ...one("ratio", "Probability ratio", "new to old"),
    ...one("chunkRewardDeviation", "Spread of the learned reward", "deviation among chunks", { low: 0 }),
    ...one("divergence", "Divergence in the loss", "mean of denoising steps", { low: 0 }),
    ...one("bestReward", "Best reward", "best chunk, per step"),
    ...(isConstant(groups, "episodeLength") ? [] : one("episodeLength", "Episode length", "steps", { low: 0 })),
    ...curves(groups, { ...common, id: "learning-rate", title: "Learning rate", metrics: groups.length === 1 ? [{ metric: "rate", name: "policy" }, { metric: "criticRate", name: "critic" }] : [{ metric: "rate" }], isLogarithmic: true }),
    ...(isConstant(groups, "minibatches") ? [] : one("minibatches", "Minibatches", "learned from", { low: 0 })),
    ...otherMetrics(groups).flatMap((metric) => one(metric, titleOf(metric))),
  ];
}

/** Metrics that have a chart of their own, or none. */
const knownMetrics = new Set([
  "success", "return", "approxKl", "clipFraction", "policyLoss", "valueLoss", "explainedVariance", "gradientNorm", "ratio", "bestReward", "episodeLength", "rate", "criticRate",
  "chunkReward", "chunkRewardDeviation", "kl", "alpha", "divergence",
  "minibatches", "iteration", "iterations", "envSteps", "episodes", "envStepsPerSecond", "iterationSeconds",
]);

/** What else an algorithm has logged, by name: whatever changes gets a chart. */
function otherMetrics(groups: readonly RunGroup[]): string[] {
  const names = new Set(groups.flatMap(({ runs }) => runs.flatMap(({ iterations }) => iterations.flatMap(({ values }) => Object.keys(values)))));
  return [...names].filter((name) => !knownMetrics.has(name) && !name.startsWith("seconds.") && !isConstant(groups, name)).sort();
}

/** `entropy` as `Entropy`, `qLoss` as `Q loss`. */
function titleOf(metric: string): string {
  return capital(metric.replace(/(?<=[a-z])[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`));
}

/** The legend of charts that have none of their own: the groups, each with its colour and its shape. */
export function groupLegend(groups: readonly RunGroup[]): string {
  const entries = groups.map(({ name }, index): LegendEntry => ({ name, ink: seriesInk(index), kind: "line", marker: index }));
  const name = { id: "legend", title: "", description: `The colours of ${groups.map((group) => group.name).join("; ")}.`, width: 3 * narrowWidth };
  const { markup, height } = heading(name, entries);
  return chart(name, height, markup);
}

/** Whether a metric never changes: a chart of it would say nothing. */
function isConstant(groups: readonly RunGroup[], metric: string): boolean {
  const values = groups.flatMap(({ runs }) => runs.flatMap(({ iterations }) => iterations.flatMap((row) => row.values[metric] ?? [])));
  return values.every((value) => value === values[0]);
}

/** The lower end of the axis of explained variance: the least that occurs, but not below -1. */
function leastVariance(groups: readonly RunGroup[]): number {
  const values = groups.flatMap(({ runs }) => runs.flatMap(({ iterations }) => iterations.map((row) => row.values.explainedVariance ?? 0)));
  return values.some((value) => value < -0.5) ? -1 : values.some((value) => value < 0) ? -0.5 : 0;
}

function cloningFigures(groups: readonly RunGroup[]): Figure[] {
  const common = { place: "cloning", x: { metric: "epoch", label: "epoch" }, rowsOf: (run: RunSummary) => run.epochs } as const;
  return [
    ...curves(groups, { ...common, id: "cloning-loss", title: "Cloning loss", metrics: [{ metric: "loss", name: "training" }, { metric: "validationLoss", name: "validation" }, { metric: "emaValidationLoss", name: "validation, averaged" }], isLogarithmic: true, isInspectable: true }),
    ...curves(groups, { ...common, id: "cloning-rate", title: "Learning rate", metrics: [{ metric: "rate" }], low: 0 }),
  ];
}

function timeFigures(groups: readonly RunGroup[]): Figure[] {
  const phases = ["denoise", "physics", "advantage", "update"];
  const rows = groups.flatMap(({ name, runs }) => {
    const trained = runs.flatMap(({ iterations }) => iterations.filter(({ isEvaluation, values }) => !isEvaluation && phases.some((phase) => values[`seconds.${phase}`] !== undefined)));
    if (trained.length === 0) return [];
    const meanOf = (metric: string): number => trained.reduce((sum, { values }) => sum + (values[metric] ?? 0), 0) / trained.length;
    const values = phases.map((phase) => meanOf(`seconds.${phase}`));
    const other = meanOf("iterationSeconds") - values.reduce((sum, value) => sum + value, 0);
    return [{ name: `${name} (${count(trained.length, "iteration")})`, values: [...values, Math.max(0, other)] }];
  });
  const speed = curves(groups, { id: "speed", place: "time", title: "Speed", subtitle: "environment steps per second", metrics: [{ metric: "envStepsPerSecond" }], x: overIterations, low: 0, plotHeight: 130 });
  if (rows.length === 0) return speed;
  const parts = [...phases, "other"];
  const description = rows.map(({ name, values }) => `${name}: ${values.map((value, index) => `${parts[index]} ${formatSeconds(value)}`).join(", ")}.`).join(" ");
  const markup = stackedBars({ id: "phases", title: "Time of one iteration", subtitle: "mean, training iterations", description, parts, rows, format: formatSeconds });
  return [{ id: "phases", place: "time", markup }, ...speed];
}

function behaviourFigures(groups: readonly RunGroup[]): Figure[] {
  return groups.flatMap((group, index): Figure[] => {
    const evaluations = (["before", "after"] as const).flatMap((when) => {
      const evaluation = pooledEvaluation(group, when);
      return evaluation === undefined ? [] : [{ when, evaluation }];
    });
    const width = groups.length === 1 ? {} : { width: narrowWidth };
    const prefix = groups.length === 1 ? "" : `${group.name}, `;
    const suffix = groups.length === 1 ? "" : `-${index + 1}`;
    const pictures = evaluations.filter(({ evaluation }) => evaluation.trajectories.length > 0).map(({ when, evaluation }): Figure => {
      const { trajectories } = evaluation;
      const reached = trajectories.filter(({ success }) => success).length;
      const id = `trajectories-${when}${suffix}`;
      const title = groups.length === 1 ? `${capital(when)} fine-tuning` : `${prefix}${when}`;
      const description = `The ways of ${count(trajectories.length, "episode")}, ${reached} of them successful.`;
      return { id, place: "behaviour", group: index, markup: trajectoryPicture({ ...width, id, title, subtitle: `${reached} of ${trajectories.length} succeed`, description, environment: sceneOf(group), trajectories }) };
    });
    return [...pictures, ...modeFigure(evaluations, `modes${suffix}`, prefix, width).map((figure) => ({ ...figure, group: index })), ...chainFigure(group, `chain${suffix}`, prefix, width)];
  });
}

/** The scene that a group's episodes took place in. */
function sceneOf({ runs }: RunGroup): string {
  const { environment = "", options } = runs[0]!.facts;
  const settings = options.environment;
  const isFree = typeof settings === "object" && settings !== null && "obstacles" in settings && settings.obstacles === false;
  return environment === "avoid" && isFree ? "avoid-free" : environment;
}

/** More modes than these make bars too thin to read; the rarest are put together. */
const modeLimit = 12;

function modeFigure(evaluations: readonly { readonly when: string; readonly evaluation: EvaluationSummary }[], id: string, prefix: string, width: { readonly width?: number }): Figure[] {
  const totals = new Map<string, number>();
  for (const { evaluation } of evaluations) for (const [mode, episodes] of Object.entries(evaluation.modes)) totals.set(mode, (totals.get(mode) ?? 0) + episodes);
  const byCount = [...totals].filter(([, episodes]) => episodes > 0).sort(([, a], [, b]) => b - a).map(([mode]) => mode);
  if (byCount.length === 0) return [];
  const frequent = byCount.slice(0, byCount.length > modeLimit ? modeLimit - 1 : modeLimit);
  const rest = byCount.slice(frequent.length);
  // What took no mode stands there by the reason of its end, and last.
  const isReason = (mode: string): boolean => evaluations.some(({ evaluation }) => Object.hasOwn(evaluation.reasons, mode));
  const modes = frequent.toSorted((a, b) => Number(isReason(a)) - Number(isReason(b)) || a.localeCompare(b, "en", { numeric: true }));
  const series = evaluations.map(({ when, evaluation }) => {
    const total = Object.values(evaluation.modes).reduce((sum, episodes) => sum + episodes, 0);
    const bar = (episodes: number): { value: number; low: number; high: number } => {
      const { mean, low, high } = shareInterval(Math.round(episodes), Math.max(1, Math.round(total)));
      return { value: mean, low, high };
    };
    const values = modes.map((mode) => bar(evaluation.modes[mode] ?? 0));
    if (rest.length > 0) values.push(bar(rest.reduce((sum, mode) => sum + (evaluation.modes[mode] ?? 0), 0)));
    return { name: `${when} (${count(evaluation.episodes, "episode")})`, ink: when === "before" ? "before" as const : "after" as const, values };
  });
  const names = modes.map((mode) => (isReason(mode) ? displayReason(mode) : mode));
  const categories = rest.length > 0 ? [...names, "others"] : names;
  const description = series.map(({ name, values }) => `${name}: ${values.map(({ value }, index) => `${categories[index]} ${formatShare(value)}`).join(", ")}.`).join(" ");
  const markup = groupedBars({ ...width, id, title: prefix === "" ? "Modes" : `${prefix}modes`, subtitle: "share of episodes", description, categories, series, high: 1, format: formatShare });
  return [{ id, place: "behaviour", markup }];
}

function chainFigure({ runs }: RunGroup, id: string, prefix: string, width: { readonly width?: number }): Figure[] {
  const chain = runs.find((run) => run.chain !== undefined && run.chain.steps.length > 0)?.chain;
  if (chain === undefined) return [];
  const { axes, steps } = chain;
  const samples = Math.floor((steps.at(-1)?.points.length ?? 0) / 2);
  const description = `${count(samples, "sample")} of the same decision after each of the last denoising steps, down to k = ${steps.at(-1)?.step ?? 0}.`;
  const title = prefix === "" ? "Denoising of one decision" : `${prefix}denoising`;
  return [{ id, place: "chain", markup: chainPanels({ ...width, id, title, subtitle: count(samples, "sample"), description, axes, steps }) }];
}

/** `1 episode`, `200 episodes`. */
export function count(value: number, noun: string): string {
  return `${formatNumber(value)} ${noun}${value === 1 ? "" : "s"}`;
}

const reasonNames: Readonly<Record<string, string>> = {
  outOfSteps: "ran out of steps",
  outOfReach: "left the arm's reach",
  otherMode: "took another mode",
  neverTouched: "never touched the block",
  terminated: "ended without success",
};

/** The reason of an episode's end in words; an unknown one is taken apart at its capitals. */
export function displayReason(reason: string): string {
  return Object.hasOwn(reasonNames, reason) ? reasonNames[reason]! : reason.replace(/(?<=[a-z])[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`);
}

function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

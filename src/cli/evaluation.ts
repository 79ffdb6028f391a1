import type { Interval } from "../core/statistics.js";
import type { Policy } from "../diffusion/policy.js";
import type { Device } from "../engine/device.js";
import { evaluate, type EvaluateOptions, type Evaluation } from "../rl/evaluation.js";
import { openEnvironment, type Place } from "./policy-file.js";
import { Pace, type Reporter } from "./reporter.js";
import type { RunFolder } from "./run-folder.js";

const mostEnvironments = 50;

/** `64.5 % (57.6 to 70.8)` */
export function formatShare({ mean, low, high }: Interval): string {
  const percent = (share: number): string => (100 * share).toFixed(1);
  return `${percent(mean)} % (${percent(low)} to ${percent(high)})`;
}

function formatMean({ mean, low, high }: Interval): string {
  return `${mean.toFixed(1)} (${low.toFixed(1)} to ${high.toFixed(1)})`;
}

function formatCounts(counts: Readonly<Record<string, number>>): string {
  return Object.entries(counts).map(([name, count]) => `${name} ${count}`).join(", ");
}

/** An evaluation as lines of a summary. */
export function evaluationPairs(evaluation: Evaluation): readonly (readonly [name: string, value: string])[] {
  const { episodes, success, length, modes, reasons } = evaluation;
  return [
    ["success", `${formatShare(success)} of ${episodes} episodes`],
    ["return", formatMean(evaluation.return)],
    ["length", `${formatMean(length)} steps`],
    ["ways", formatCounts(modes)],
    ["ends", formatCounts(reasons)],
  ];
}

/** What is evaluated where. */
interface Trial {
  readonly device: Device;
  readonly policy: Policy;
  readonly place: Place;
  readonly reporter: Reporter;
  /** The run that keeps the result. */
  readonly run?: RunFolder;
  readonly when?: "before" | "after";
  /** Environments stepped together. Default: one an episode, 50 at most. */
  readonly count?: number;
}

/** Evaluates a policy in environments of its own, with progress; tells and keeps the result. */
export async function evaluateIn(
  { device, policy, place, reporter, run, when, count }: Trial,
  options: EvaluateOptions & { readonly episodes: number; readonly seed: number; readonly signal: AbortSignal },
): Promise<Evaluation | undefined> {
  const { episodes, seed } = options;
  using env = await openEnvironment(device, policy, place, { count: count ?? Math.min(mostEnvironments, episodes), seed });
  const pace = new Pace();
  let last: Evaluation | undefined;
  for await (const evaluation of evaluate(device, policy, env, options)) {
    last = evaluation;
    const share = (100 * evaluation.success.mean).toFixed(1);
    reporter.progress(`evaluation${when === undefined ? "" : ` ${when}`}: ${evaluation.episodes} of ${episodes} episodes, success ${share} %, ${pace.left(evaluation.episodes, episodes)}`);
  }
  reporter.endProgress();
  if (last === undefined) return undefined;
  if (run !== undefined && when !== undefined) await run.saveEvaluation(when, last);
  reporter.event({ event: "evaluation", ...(when === undefined ? {} : { when }), ...last });
  return last;
}

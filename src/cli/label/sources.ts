import { stat } from "node:fs/promises";
import path from "node:path";
import * as v from "valibot";
import { DifftuneError } from "../../core/errors.js";
import { finiteNumber, wholeNumber, type OptionsSchema } from "../../core/options.js";
import { Dataset, DatasetBuilder, sourceOf } from "../../data/dataset.js";
import type { Device } from "../../engine/device.js";
import type { EnvironmentName } from "../../envs/registry.js";
import { compileExpression, compileFeatures } from "../../preference/expression.js";
import { featureStatistics, rewardSchema, type RewardOptions } from "../../preference/reward-training.js";
import { Segments } from "../../preference/segments.js";
import { recordRollouts, rolloutSchema } from "../../rl/recorded-rollouts.js";
import type { CommandOptions, OptionSection } from "../command.js";
import { placeOf, placeSection } from "../eval.js";
import { readBytes, writeAtomically } from "../files.js";
import { describedOptions } from "../options.js";
import { openEnvironment, readPolicy } from "../policy-file.js";
import type { Reporter } from "../reporter.js";
import type { MapArea } from "./live-reward.js";
import { workspaceOf } from "./state-pictures.js";

/** Options of the rollouts that a pool is made of. */
const rolloutOptions = v.strictObject({ episodes: rolloutSchema.entries.episodes, steps: rolloutSchema.entries.steps, isDeterministic: rolloutSchema.entries.isDeterministic });

/** How the reward is learned while labels come in: sooner done than by the defaults of `trainReward`. */
export const learningOptions = v.strictObject({
  ...describedOptions(rewardSchema.entries, {
    members: "Networks that learn apart from each other; the reward is their mean.",
    ties: "How pairs labelled equal count: not at all, as half a win each, or as an outcome of its own.",
    smoothing: "Labels become m and 1 - m; 0.05 suits hasty ones.",
    rate: "Learning rate.",
  }).entries,
  hidden: v.pipe(v.optional(v.array(wholeNumber(1, 65_536)), [128, 128]), v.description("Sizes of the hidden layers.")),
  epochs: v.pipe(v.optional(wholeNumber(1, 1_000_000), 100), v.description("Passes over the labels.")),
  batchSize: v.pipe(v.optional(wholeNumber(1, 1_048_576)), v.description("Labels of one gradient step. Default: about a seventh of them, 16 to 128.")),
  anchor: v.pipe(v.optional(finiteNumber(0, 1000), 0.3), v.description("Weight that keeps the reward near 0 where nobody was; 0 does not.")),
});

/** The sections of a command that takes states from a policy and learns a reward; `schema` holds its own options. */
export async function learningSections(schema: OptionsSchema, chosen: Parameters<typeof placeSection>[0]): Promise<readonly OptionSection[]> {
  return [
    { title: "Options", schema },
    { title: "Rollouts of the policy", schema: rolloutOptions },
    { title: "How the reward is learned", prefix: "reward", schema: learningOptions },
    await placeSection(chosen),
  ];
}

/** The states of a folder of labels, a data set. */
const poolName = "pool.safetensors";

/** What a pool is taken from, and where it is kept. */
export interface PoolOptions {
  /** The folder of the labels. */
  readonly out: string;
  readonly policy?: string | undefined;
  readonly pool?: string | undefined;
  readonly environment?: EnvironmentName | undefined;
  readonly seed: number;
}

/** The states that are asked about: of a file, of the folder itself, or of a policy that acts now. Writes nothing, see {@link keepPool}. */
export async function openPool(own: PoolOptions, options: CommandOptions, device: Device, reporter: Reporter, signal: AbortSignal): Promise<Dataset> {
  const kept = path.join(own.out, poolName);
  const file = own.pool ?? ((await isThere(kept)) ? kept : undefined);
  if (file !== undefined) {
    const bytes = await readBytes(file);
    try {
      return Dataset.decode(bytes);
    } catch (cause) {
      if (!(cause instanceof DifftuneError)) throw cause;
      throw new DifftuneError("FORMAT", `${file} cannot be used: ${cause.message}`, { path: file, cause });
    }
  }
  if (own.policy === undefined) throw new DifftuneError("OPTION", "There are no states to ask about.", { path: "policy", hint: "Give a policy by --policy, or a data set by --pool." });
  const policy = await readPolicy(own.policy);
  const { seed } = own;
  const rollouts = options.read(rolloutOptions);
  const place = placeOf(policy, options, own.environment);
  using env = await openEnvironment(device, policy, place, { count: Math.min(50, rollouts.episodes), seed, recordSteps: true });
  const builder = new DatasetBuilder(sourceOf(env));
  for await (const { episodes, total } of builder.collect(recordRollouts(device, policy, env, { ...rollouts, seed, signal }), rollouts.episodes)) {
    reporter.progress(`rollouts: ${episodes} of ${total ?? episodes}`);
  }
  reporter.endProgress();
  return builder.build();
}

/**
 * Keeps the states in the folder of the labels, which so is whole by itself: it can be gone on with when policy and file are gone.
 * Call it when the labels are held: of two that begin at once, the second must not put its states under the labels of the first.
 */
export async function keepPool(folder: string, dataset: Dataset): Promise<void> {
  const kept = path.join(folder, poolName);
  if (!(await isThere(kept))) await writeAtomically(kept, dataset.encode());
}

function isThere(file: string): Promise<boolean> {
  return stat(file).then(() => true, () => false);
}

/** Segments of a pool with the reward features that are asked for. */
export async function segmentsOf(dataset: Dataset, features: readonly string[], horizon: number): Promise<Segments> {
  const compiled = await Promise.all(features.map((text) => compileExpression(text, dataset.source.observationNames)));
  return new Segments(dataset, { features, feature: (states, row) => compiled.map(({ evaluate }) => evaluate(states, row)) }, horizon);
}

/** Where a heat map is drawn; undefined where the features are not of a place alone. */
export async function areaOf(environment: EnvironmentName, features: readonly string[]): Promise<MapArea | undefined> {
  const { axes, x, y } = workspaceOf(environment);
  try {
    const { compute } = await compileFeatures(features, axes);
    return { axes, x, y, feature: (px, py) => [...compute([px, py])] };
  } catch (error) {
    if (error instanceof DifftuneError && error.code === "OPTION") return undefined;
    throw error;
  }
}

/** Options of the learning, with an anchor over the features of the workspace where they have one. */
export function learningOf({ anchor: weight, batchSize, ...rest }: v.InferOutput<typeof learningOptions>, pool: Segments, area: MapArea | undefined): RewardOptions {
  const { features } = pool.columns;
  const common = { ...rest, accuracy: 1, statistics: featureStatistics(pool.features, features.length), ...(batchSize === undefined ? {} : { batchSize }) };
  if (weight === 0 || area === undefined) return common;
  const corners = area.x.flatMap((x) => area.y.map((y) => area.feature(x, y)));
  const bound = (choose: (...values: number[]) => number): number[] => features.map((_, column) => choose(...corners.map((corner) => corner[column]!)));
  return { ...common, anchor: { low: bound(Math.min), high: bound(Math.max), weight } };
}

import { stat } from "node:fs/promises";
import path from "node:path";
import * as v from "valibot";
import { DifftuneError } from "../core/errors.js";
import { finiteNumber, oneOf, wholeNumber } from "../core/options.js";
import { Dataset, DatasetBuilder, sourceOf } from "../data/dataset.js";
import { createDevice } from "../engine/create-device.js";
import type { Device } from "../engine/device.js";
import type { EnvironmentName } from "../envs/registry.js";
import { compileExpression, compileFeatures } from "../preference/expression.js";
import { featureStatistics, rewardSchema, type RewardOptions } from "../preference/reward-training.js";
import { Segments } from "../preference/segments.js";
import { recordRollouts, rolloutSchema } from "../rl/recorded-rollouts.js";
import { exitCodes, type Command, type CommandOptions } from "./command.js";
import { environmentName } from "./environment-section.js";
import { actingOptions, placeOf, placeSection } from "./eval.js";
import { makeFolder, readBytes, writeAtomically } from "./files.js";
import { Interruption } from "./interruption.js";
import { LabelPage } from "./label/label-page.js";
import { LabelSession, rewardName } from "./label/label-session.js";
import type { MapArea } from "./label/live-reward.js";
import { workspaceOf } from "./label/state-pictures.js";
import { TerminalAnnotator } from "./label/terminal-annotator.js";
import { describedOptions, pathOption } from "./options.js";
import { openEnvironment, readPolicy } from "./policy-file.js";
import { isQuietChild, runQuietly } from "./quiet-child.js";
import { Reporter } from "./reporter.js";
import { printLine } from "./terminal.js";

/** Options of the command; those of the rollouts and of the learning have schemas of their own. */
const schema = v.strictObject({
  out: pathOption("The folder of the labels: begun, or gone on with."),
  policy: v.optional(pathOption("The policy whose states are asked about: its file, or the folder of its run.")),
  pool: v.optional(pathOption("A data set whose states are asked about, such as difftune demos and earlier labels have; instead of a policy.")),
  environment: actingOptions.environment,
  engine: actingOptions.engine,
  pairs: v.pipe(v.optional(wholeNumber(1, 1_000_000), 1024), v.description("Labels that are wanted; repeated questions are not counted.")),
  query: v.pipe(v.optional(oneOf(["uniform", "disagreement", "entropy", "kcenter"]), "uniform"), v.description("Which pairs are asked about: chance chooses, or from the second round on that of which the reward's members disagree, of which they know least, or which are farthest apart.")),
  segment: v.pipe(v.optional(wholeNumber(1, 1000), 1), v.description("States that are compared at once; more than 1 are shown as clips.")),
  features: v.pipe(v.optional(v.array(v.pipe(v.string(), v.nonEmpty("It must be an expression.")))), v.description("What the reward is learned from: expressions of the columns of a state. Default: where the agent is.")),
  seed: v.pipe(v.optional(wholeNumber(0, 0xffffffff), 0), v.description("Decides what is asked, and on which side it is shown; and the rollouts.")),
  port: v.pipe(v.optional(wholeNumber(0, 65_535), 7373), v.description("Where the page is served, to this machine alone; 0 takes any port that is free.")),
  terminal: v.pipe(v.optional(v.boolean("It must be true or false."), false), v.description("Label in the terminal, with pictures in a file.")),
});

const rolloutOptions = v.strictObject({ episodes: rolloutSchema.entries.episodes, steps: rolloutSchema.entries.steps, isDeterministic: rolloutSchema.entries.isDeterministic });

/** How the reward is learned while labels come in: sooner done than by the defaults of `trainReward`. */
const learningOptions = v.strictObject({
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

const poolName = "pool.safetensors";

/** The states that are asked about: of a file, of the folder itself, or of a policy that acts now. */
async function openPool(own: v.InferOutput<typeof schema>, options: CommandOptions, device: Device, reporter: Reporter, signal: AbortSignal): Promise<Dataset> {
  const kept = path.join(own.out, poolName);
  const hasKept = await stat(kept).then(() => true, () => false);
  const file = own.pool ?? (hasKept ? kept : undefined);
  if (file !== undefined) {
    const bytes = await readBytes(file);
    try {
      const dataset = Dataset.decode(bytes);
      // The folder is whole by itself: it can be gone on with when the file is gone.
      if (!hasKept) await writeAtomically(kept, bytes);
      return dataset;
    } catch (cause) {
      if (!(cause instanceof DifftuneError) || cause.code === "FILE") throw cause;
      throw new DifftuneError("FORMAT", `${file} cannot be used: ${cause.message}`, { path: file, cause });
    }
  }
  if (own.policy === undefined) throw new DifftuneError("OPTION", "label needs states to ask about.", { path: "policy", hint: "Give a policy by --policy, or a data set by --pool." });
  const policy = await readPolicy(own.policy);
  const { seed } = own;
  const rollouts = options.read(rolloutOptions);
  const place = placeOf(policy, options, own.environment);
  using env = await openEnvironment(device, policy, { ...place, options: { ...place.options, recordSteps: true } }, { count: Math.min(50, rollouts.episodes), seed });
  const builder = new DatasetBuilder(sourceOf(env));
  for await (const { episodes, total } of builder.collect(recordRollouts(device, policy, env, { ...rollouts, seed, signal }), rollouts.episodes)) {
    reporter.progress(`rollouts: ${episodes} of ${total ?? episodes}`);
  }
  reporter.endProgress();
  const dataset = builder.build();
  await writeAtomically(kept, dataset.encode());
  return dataset;
}

/** Segments of a pool with the reward features that are asked for. */
async function segmentsOf(dataset: Dataset, features: readonly string[], horizon: number): Promise<Segments> {
  const compiled = await Promise.all(features.map((text) => compileExpression(text, dataset.source.observationNames)));
  return new Segments(dataset, { features, feature: (states, row) => compiled.map(({ evaluate }) => evaluate(states, row)) }, horizon);
}

/** Where a heat map is drawn; undefined where the features are not of a place alone. */
async function areaOf(environment: EnvironmentName, features: readonly string[]): Promise<MapArea | undefined> {
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
function learningOf({ anchor: weight, batchSize, ...rest }: v.InferOutput<typeof learningOptions>, pool: Segments, area: MapArea | undefined): RewardOptions {
  const { features } = pool.columns;
  const common = { ...rest, accuracy: 1, statistics: featureStatistics(pool.features, features.length), ...(batchSize === undefined ? {} : { batchSize }) };
  if (weight === 0 || area === undefined) return common;
  const corners = area.x.flatMap((x) => area.y.map((y) => area.feature(x, y)));
  const bound = (choose: (...values: number[]) => number): number[] => features.map((_, column) => choose(...corners.map((corner) => corner[column]!)));
  return { ...common, anchor: { low: bound(Math.min), high: bound(Math.max), weight } };
}

/** Waits until the user has enough. */
function untilAborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener("abort", () => { resolve(); }, { once: true });
  });
}

/** `difftune label`: people say which of two states or clips is better, and a reward is learned from it. */
export const labelCommand: Command = {
  name: "label",
  description: "Say which of two states or clips is better, on a local page or in the terminal, and learn a reward from it.",
  examples: [
    { what: "Label states that a policy visits, on a page", words: "label --policy runs/pusht-base --out labels/keep-out" },
    { what: "Go on, or look at what was learned", words: "label --out labels/keep-out" },
    { what: "Clips of 8 states of recorded episodes, the most informative pairs first", words: "label --pool demos/pusht.safetensors --segment 8 --query disagreement --out labels/clips" },
    { what: "In the terminal, 200 labels", words: "label --out labels/keep-out --terminal --pairs 200" },
  ],
  choices: ["environment", "policy"],
  sections: async (chosen) => [
    { title: "Options", schema },
    { title: "Rollouts of the policy", schema: rolloutOptions },
    { title: "How the reward is learned", prefix: "reward", schema: learningOptions },
    await placeSection(chosen),
  ],
  execute: async (options) => {
    const own = options.read(schema);
    const learning = options.readBelow("reward", learningOptions);
    if (!isQuietChild()) return runQuietly();
    const reporter = new Reporter(false);
    using interruption = new Interruption();
    const { signal } = interruption;
    await makeFolder(own.out);
    using device = await createDevice({ engine: own.engine });
    let dataset: Dataset;
    try {
      dataset = await openPool(own, options, device, reporter, signal);
    } catch (error) {
      if (!interruption.isEcho(error)) throw error;
      return exitCodes.interrupted;
    }
    const environment = environmentName(dataset.source.environment);
    const features = own.features ?? workspaceOf(environment).features;
    const pool = await segmentsOf(dataset, features, own.segment);
    const area = await areaOf(environment, features);
    let page: LabelPage | undefined;
    const session = await LabelSession.open({
      folder: own.out, pool, target: own.pairs, strategy: own.query, seed: own.seed, device, area,
      training: learningOf(learning, pool, area), changed: () => page?.changed(),
    });
    try {
      if (own.terminal) {
        await new TerminalAnnotator(session, environment, { input: process.stdin, print: printLine }).run(signal);
        // As long as it may be typed into, the process would wait.
        process.stdin.destroy();
      } else {
        page = await LabelPage.serve(session, environment, own.port);
        printLine(`Label at ${page.address} (to this machine alone). Ctrl-C ends it; every answer is kept at once.`);
        await untilAborted(signal);
      }
    } finally {
      await page?.close();
      await session.close();
    }
    const { labelled, target, ties, repeats, consistency } = session.progress;
    const { learned } = session.reward;
    reporter.summary({ event: "done" }, [
      ["labels", `${labelled} of ${target}, ${ties} of them equal, in ${own.out}`],
      ...(consistency === undefined ? [] : [["asked twice", `${repeats}, ${(100 * consistency).toFixed(0)} % answered alike`] as const]),
      ...(learned === undefined ? [] : [["reward", `${path.join(own.out, rewardName)}, from ${learned.labels} labels${learned.validationAccuracy === undefined ? "" : `, right on ${(100 * learned.validationAccuracy).toFixed(1)} % of held-out pairs`}`] as const]),
      ["next", labelled < target ? `difftune label --out ${own.out}` : `difftune finetune --method fdpp --reward ${path.join(own.out, rewardName)}`],
    ]);
    return exitCodes.done;
  },
};

import { rm, stat } from "node:fs/promises";
import path from "node:path";
import * as v from "valibot";
import { DifftuneError } from "../core/errors.js";
import { finiteNumber, oneOf, positiveNumber, wholeNumber } from "../core/options.js";
import type { Dataset } from "../data/dataset.js";
import { createDevice } from "../engine/create-device.js";
import type { Device } from "../engine/device.js";
import { encodePng } from "../envs/drawing/encode.js";
import { drawHeatMap, type HeatMapContent } from "../envs/drawing/heat-map.js";
import { scriptedAnnotator } from "../preference/annotators.js";
import { calibrate, rankCorrelation, type Calibration } from "../preference/calibration.js";
import type { PreferencePair } from "../preference/pair-store.js";
import { compileTask, type PreferenceTask, type TaskDescription } from "../preference/preference-task.js";
import { rewardMap, type RewardModel } from "../preference/reward-model.js";
import { trainReward, type RewardEvent, type RewardOptions, type RewardPairs, type RewardTraining } from "../preference/reward-training.js";
import { labelByScript } from "../preference/scripted-labels.js";
import type { Segments } from "../preference/segments.js";
import { splitPairs, type SplitPairs } from "../preference/split-pairs.js";
import { exitCodes, type Command } from "./command.js";
import { environmentName } from "./environment-section.js";
import { actingOptions } from "./eval.js";
import { readBytes, writeAtomically } from "./files.js";
import { Interruption } from "./interruption.js";
import { usualBatchSize, type MapArea } from "./label/live-reward.js";
import { rewardName } from "./label/label-session.js";
import { areaOf, keepPool, learningOf, learningOptions, learningSections, openPool, segmentsOf } from "./label/sources.js";
import { workspaceOf } from "./label/state-pictures.js";
import { pathOption, sharedOptions } from "./options.js";
import { PairFiles, readPairFiles } from "./pair-files.js";
import { isQuietChild, runQuietly } from "./quiet-child.js";
import { heatMap } from "./report/heat-map.js";
import { standalone } from "./report/svg.js";
import { Reporter } from "./reporter.js";
import { readTask, taskOptions } from "./task-options.js";

const schema = v.strictObject({
  out: pathOption("The folder of the labels, made by difftune label or by this command: the reward is written into it."),
  policy: v.optional(pathOption("The policy whose states are compared: its file, or the folder of its run.")),
  pool: v.optional(pathOption("A data set whose states are compared, instead of a policy.")),
  environment: actingOptions.environment,
  ...taskOptions,
  pairs: v.pipe(v.optional(wholeNumber(1, 1_000_000), 1024), v.description("Pairs that are labelled by script, in all.")),
  query: v.pipe(v.optional(oneOf(["uniform", "disagreement", "entropy", "kcenter"]), "uniform"), v.description("Which pairs are compared: chance chooses, or from the second round on that of which the reward's members disagree, of which they know least, or which are farthest apart.")),
  segment: v.pipe(v.optional(wholeNumber(1, 1000), 1), v.description("States that are compared at once.")),
  mistakeRate: v.pipe(v.optional(finiteNumber(0, 1), 0), v.description("Probability of the opposite answer.")),
  rationality: v.pipe(v.optional(positiveNumber()), v.description("The second is preferred with probability sigmoid(rationality * difference of the scores). Default: always the better one.")),
  leastScore: v.pipe(v.optional(v.pipe(v.number("It must be a number."), v.finite("It must be finite."))), v.description("Pairs whose better side scores less are drawn anew. Default: all are labelled.")),
  seed: v.pipe(v.optional(wholeNumber(0, 0xffffffff), 0), v.description("Decides rollouts, pairs and answers.")),
  engine: sharedOptions.engine,
  json: sharedOptions.json,
});

/** What the command writes beside the labels. */
const parts = { reward: rewardName, state: "reward-training.safetensors", report: "reward.json", svg: "reward-map.svg", png: "reward-map.png" } as const;

/** Milliseconds between two checkpoints of the training. */
const checkpointMs = 5000;

/** Labels pairs up to the wanted number; what the folder holds is gone on with. */
async function labelFolder(own: v.InferOutput<typeof schema>, dataset: Dataset, pool: Segments, task: PreferenceTask, { device, learning, reporter, signal }: {
  readonly device: Device; readonly learning: RewardOptions; readonly reporter: Reporter; readonly signal: AbortSignal;
}): Promise<readonly PreferencePair[]> {
  const files = await PairFiles.open(own.out, pool.columns);
  try {
    await keepPool(own.out, dataset);
    const { pairs: known } = files;
    const stranger = known.find(({ annotator }) => annotator !== task.name);
    if (stranger !== undefined) {
      throw new DifftuneError("OPTION", `The labels of ${own.out} are by "${stranger.annotator}", not by "${task.name}".`, { hint: "Label into another folder by --out; or leave out what is preferred, and learn from the labels as they are.", path: "out", expected: task.name, got: stranger.annotator });
    }
    const { mistakeRate, rationality, leastScore, seed, pairs, query } = own;
    const annotator = scriptedAnnotator(task, { mistakeRate, ...(rationality === undefined ? {} : { rationality }), ...(leastScore === undefined ? {} : { leastScore }) }, seed);
    const labels = labelByScript(pool, annotator, {
      pairs, strategy: query, seed, known,
      probabilities: async (before, candidates) => {
        const model = await learnQuietly(trainReward(device, { features: pool.columns.features, training: before.map((pair, id) => ({ ...pair, id, timestampMs: 0 })), validation: [] }, learning), signal);
        using scorer = await model.on(device);
        const { horizon } = pool;
        const sums = async (side: 0 | 1): Promise<readonly Float32Array[]> => {
          const features = Float32Array.from(candidates.flatMap((pair) => [...pool.features.subarray(pair[side] * pool.width, (pair[side] + 1) * pool.width)]));
          return (await scorer.members(features)).map((rewards) => Float32Array.from(candidates, (_, at) => rewards.subarray(at * horizon, (at + 1) * horizon).reduce((sum, reward) => sum + reward, 0)));
        };
        const [first, second] = [await sums(0), await sums(1)];
        return first.map((own0, member) => own0.map((reward, at) => 1 / (1 + Math.exp(reward - second[member]![at]!))));
      },
    });
    for await (const pair of labels) {
      if (signal.aborted) throw new DifftuneError("CANCELLED", `Labelling was stopped after ${files.pairs.length} of ${pairs} pairs.`, { cause: signal.reason });
      await files.append({ ...pair, timestampMs: Date.now() });
      reporter.progress(`labels: ${files.pairs.length} of ${pairs}`);
    }
    reporter.endProgress();
    return files.pairs;
  } finally {
    await files.close();
  }
}

async function learnQuietly(training: RewardTraining, signal: AbortSignal): Promise<RewardModel> {
  try {
    for await (const { epoch } of training) {
      if (signal.aborted) throw new DifftuneError("CANCELLED", `Learning was stopped after epoch ${epoch}.`, { cause: signal.reason });
    }
    return await training.model();
  } finally {
    training.close();
  }
}

/** Begins a training, or goes on with the one that the folder holds. What was begun with other labels or options is begun anew. */
async function openTraining(device: Device, folder: string, pairs: RewardPairs, options: RewardOptions, reporter: Reporter): Promise<RewardTraining> {
  const file = path.join(folder, parts.state);
  if (!(await stat(file).then(() => true, () => false))) return trainReward(device, pairs, options);
  try {
    const training = trainReward(device, pairs, { ...options, resume: new Uint8Array(await readBytes(file)) });
    reporter.note("Going on with the training that was stopped.");
    return training;
  } catch (error) {
    if (!(error instanceof DifftuneError) || !["OPTION", "FORMAT"].includes(error.code)) throw error;
    // Whatever else is wrong with the options is said here.
    const training = trainReward(device, pairs, options);
    reporter.note("The training that was stopped had other labels or options; a new one begins.");
    return training;
  }
}

async function learn(training: RewardTraining, folder: string, reporter: Reporter): Promise<{ readonly model: RewardModel; readonly last: RewardEvent | undefined }> {
  const file = path.join(folder, parts.state);
  let last: RewardEvent | undefined;
  let savedMs = performance.now();
  try {
    try {
      for await (const event of training) {
        last = event;
        const { epoch, epochs, accuracy, validationAccuracy } = event;
        reporter.event({ event: "epoch", ...event });
        reporter.progress(`reward: epoch ${epoch} of ${epochs}, right on ${(100 * accuracy).toFixed(1)} %${validationAccuracy === undefined ? "" : `, of held-out pairs ${(100 * validationAccuracy).toFixed(1)} %`}`);
        if (performance.now() - savedMs < checkpointMs) continue;
        await writeAtomically(file, await training.save());
        savedMs = performance.now();
      }
    } catch (error) {
      if (error instanceof DifftuneError && error.code === "CANCELLED") await writeAtomically(file, await training.save());
      throw error;
    }
    const model = await training.model();
    await rm(file, { force: true });
    return { model, last };
  } finally {
    training.close();
    reporter.endProgress();
  }
}

/** How far a reward can be believed. */
interface RewardReport {
  readonly labels: number;
  readonly ties: number;
  readonly validationPairs: number;
  /** Absent where no strict pairs were held out. */
  readonly calibration?: Calibration;
  /** Spearman's correlation with the true score over the states of the pool, where there is one. */
  readonly correlation?: number;
  readonly training?: RewardEvent;
}

/** Holds a model against the labels that it has not seen and, where it is known, against the true score. */
async function judge(device: Device, model: RewardModel, pairs: readonly PreferencePair[], { validation }: SplitPairs, last: RewardEvent | undefined, known: { readonly pool: Segments; readonly task: PreferenceTask } | undefined): Promise<RewardReport> {
  using scorer = await model.on(device);
  const width = model.shape.features.length;
  const sums = async (side: "features0" | "features1"): Promise<number[]> => {
    const rewards = await scorer.rewards(validation.flatMap((pair) => [...pair[side]]));
    let at = 0;
    return validation.map((pair) => {
      const count = pair[side].length / width;
      at += count;
      return rewards.subarray(at - count, at).reduce((sum, reward) => sum + reward, 0);
    });
  };
  const isStrict = validation.some(({ label }) => label !== -1);
  const [first, second] = isStrict ? [await sums("features0"), await sums("features1")] : [[], []];
  return {
    labels: pairs.length,
    ties: pairs.filter(({ label }) => label === -1).length,
    validationPairs: validation.length,
    ...(isStrict ? { calibration: calibrate(second.map((reward, at) => reward - first[at]!), validation.map(({ label }) => label)) } : {}),
    ...(known === undefined ? {} : { correlation: await correlationOf(known, (features) => scorer.rewards(features)) }),
    ...(last === undefined ? {} : { training: last }),
  };
}

async function correlationOf({ pool, task }: { readonly pool: Segments; readonly task: PreferenceTask }, rewards: (features: Float32Array) => Promise<Float32Array>): Promise<number> {
  const scores = Float64Array.from({ length: pool.states.length / task.width }, (_, row) => task.score(pool.states, row));
  return rankCorrelation(await rewards(pool.features), scores);
}

/** Draws the reward over the workspace, with the states that can be compared. */
async function drawMap(device: Device, model: RewardModel, { axes, feature, x, y }: MapArea, pool: Segments, own: v.InferOutput<typeof schema>, labels: number): Promise<void> {
  using scorer = await model.on(device);
  const [across, down] = axes.map((name) => pool.columns.states.indexOf(name)) as [number, number];
  const size = pool.columns.states.length;
  const points = Float32Array.from({ length: 2 * pool.episodes.length }, (_, at) => pool.states[(at >> 1) * pool.horizon * size + (at % 2 === 0 ? across : down)]!);
  const [x0, y0, x1, y1] = own.box ?? [];
  const content: HeatMapContent = {
    grid: await rewardMap(scorer, feature, { x, y }), points,
    ...(x0 === undefined || y0 === undefined || x1 === undefined || y1 === undefined ? {} : { box: { x0, y0, x1, y1 } }),
  };
  const markup = heatMap({ id: "reward-map", title: "Learned reward", subtitle: `${labels} labels`, description: "The learned reward over the workspace: red is avoided, blue is preferred.", axes, ...content });
  await writeAtomically(path.join(own.out, parts.svg), standalone(markup));
  await writeAtomically(path.join(own.out, parts.png), await encodePng(drawHeatMap(content)));
}

/** `difftune reward`: a reward from labels, by script or by people. */
export const rewardCommand: Command = {
  name: "reward",
  description: "Learn a reward from labels: those that difftune label has kept, or those of a rule; with its calibration and a map.",
  examples: [
    { what: "Keep out of a box: 1024 pairs labelled by script", words: "reward --policy runs/pusht-base --box 330,300,470,440 --out labels/keep-out" },
    { what: "A rule of your own", words: "reward --policy runs/pusht-base --score 'agentX > 330 and agentY > 300 ? -1 : 0' --features 'agentX / 256 - 1,agentY / 256 - 1' --tie-width 0.05 --out labels/rule" },
    { what: "A rule in a file, with one answer in ten wrong", words: "reward --pool demos/pusht.safetensors --task keep-left.json --mistake-rate 0.1 --out labels/noisy" },
    { what: "From the labels of people, as they are", words: "reward --out labels/keep-out" },
  ],
  choices: ["environment", "policy"],
  sections: (chosen) => learningSections(schema, chosen),
  execute: async (options, { commandLine }) => {
    const own = options.read(schema);
    const chosen = options.readBelow("reward", learningOptions);
    if (!isQuietChild()) return runQuietly();
    const reporter = new Reporter(own.json);
    using interruption = new Interruption();
    const { signal } = interruption;
    try {
      using device = await createDevice({ engine: own.engine });
      const dataset = await openPool(own, options, device, reporter, signal);
      const environment = environmentName(dataset.source.environment);
      const description: TaskDescription | undefined = await readTask(own, workspaceOf(environment).features);
      const task = description === undefined ? undefined : await compileTask(description, dataset.source.observationNames);
      const stored = task === undefined ? await readPairFiles(own.out) : undefined;
      const features = task?.features ?? stored!.columns.features;
      const [pool, area] = [await segmentsOf(dataset, features, stored?.pairs[0]?.horizon ?? own.segment), await areaOf(environment, features)];
      const learning = { ...learningOf(chosen, pool, area), seed: own.seed, signal };
      const pairs = task === undefined ? stored!.pairs : await labelFolder(own, dataset, pool, task, { device, learning, reporter, signal });
      const split = splitPairs(pairs);
      const recipe = { batchSize: usualBatchSize(pairs.length), ...learning };
      const { model: learned, last } = await learn(await openTraining(device, own.out, { features, ...split }, recipe, reporter), own.out, reporter);
      const report = await judge(device, learned, pairs, split, last, task === undefined ? undefined : { pool, task });
      const { calibration, correlation } = report;
      const model = calibration === undefined ? learned : learned.with({ temperature: calibration.temperature });
      await writeAtomically(path.join(own.out, parts.reward), model.save());
      await writeAtomically(path.join(own.out, parts.report), `${JSON.stringify({ command: commandLine, ...(description === undefined ? {} : { task: description }), ...report }, null, 1)}\n`);
      if (area !== undefined) await drawMap(device, model, area, pool, own, pairs.length);
      const file = path.join(own.out, parts.reward);
      reporter.summary({ event: "done", reward: file, ...report }, [
        ["labels", `${report.labels}, ${report.ties} of them ties`],
        ...(calibration === undefined ? [] : [
          ["held out", `right on ${(100 * calibration.accuracy).toFixed(1)} % of ${calibration.pairs} pairs`] as const,
          ["calibration", `error ${calibration.expectedError.toFixed(3)}, -ln P ${calibration.logLoss.toFixed(3)}, temperature ${calibration.temperature.toFixed(2)}`] as const,
        ]),
        ...(correlation === undefined ? [] : [["rank correlation", `${correlation.toFixed(3)} with the score, over all states`] as const]),
        ["reward", file],
        ...(area === undefined ? [] : [["map", `${path.join(own.out, parts.svg)}, ${parts.png}`] as const]),
        ["next", `difftune finetune --method fdpp --reward ${file} --policy ${own.policy ?? "POLICY"}`],
      ]);
      return exitCodes.done;
    } catch (error) {
      if (!interruption.isEcho(error)) throw error;
      reporter.note(`Interrupted. What was labelled and learned is kept in ${own.out}; the same command goes on.`);
      return exitCodes.interrupted;
    }
  },
};

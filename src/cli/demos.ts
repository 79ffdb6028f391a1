import { stat } from "node:fs/promises";
import path from "node:path";
import * as v from "valibot";
import { DifftuneError } from "../core/errors.js";
import { oneOf, wholeNumber } from "../core/options.js";
import { DatasetBuilder, sourceOf, type Dataset } from "../data/dataset.js";
import { createAvoid } from "../envs/avoid.js";
import { avoidDemonstrationSchema, avoidSets, demonstrateAvoid } from "../envs/avoid-demonstrator.js";
import type { Policy } from "../diffusion/policy.js";
import { createDevice } from "../engine/create-device.js";
import type { EngineName } from "../engine/device.js";
import type { Demonstration } from "../envs/demonstration.js";
import { createPushT, type PushT } from "../envs/pusht.js";
import { demonstratePushT, pushtDemonstrationSchema } from "../envs/pusht-demonstrations.js";
import { avoidSchema } from "../envs/avoid.js";
import { visitedStarts } from "../rl/visited-starts.js";
import { exitCodes, type Command, type CommandOptions } from "./command.js";
import { readDataset } from "./dataset-file.js";
import { makeFolder, writeAtomically } from "./files.js";
import { Interruption } from "./interruption.js";
import { describedOptions, pathOption, sharedOptions } from "./options.js";
import { knownOptions, readPolicy } from "./policy-file.js";
import { isQuietChild, runQuietly } from "./quiet-child.js";
import { Pace, Reporter } from "./reporter.js";
import type { GivenOptions } from "./schema-arguments.js";

const environments = ["avoid", "pusht"] as const;

const schema = v.strictObject({
  environment: v.pipe(v.optional(oneOf(environments), "avoid"), v.description("What is demonstrated.")),
  out: v.optional(pathOption("The data set to write, one safetensors file.")),
  extend: v.optional(pathOption("A data set whose episodes come first; what is made is added to them.")),
  policy: v.optional(pathOption("Demonstrations of pusht begin where this policy goes, which is what it was never shown: its file, or the folder of its run.")),
  engine: sharedOptions.engine,
  force: v.pipe(v.optional(v.boolean("It must be true or false."), false), v.description("Write over a file that is there.")),
  json: sharedOptions.json,
});

const avoidDemos = describedOptions(avoidDemonstrationSchema.entries, {
  modes: "Which ways take turns, episode by episode: a set of DPPO, all 24, or a list such as 125,126.",
  episodes: "Episodes in all. Default: 4 of each mode.",
  seed: "What the episodes follow from.",
  pairing: "environment: a row shows what the environment showed before the action. d3il: the newest desired position with the actual one of a step before, as recordings of people have it.",
});

const avoidScene = describedOptions(avoidSchema.entries, {
  reward: "The reward that is recorded: gap m5 to m8 of the third row plus the line, or the line alone, plain.",
  sparse: "Record 1 only where gap and line both hold.",
  observationDelay: "1: a step answers with the state in which its action was chosen, as in DPPO. 0: with the state that it led to.",
  height: "Height of the set-point, m.",
  physics: "arm: seven joints under their controller. planar: a fitted point, about 2 mm off and many times faster.",
});

const pushtDemos = describedOptions({ ...pushtDemonstrationSchema.entries, episodes: v.optional(wholeNumber(1, 1_000_000), 200) }, {
  episodes: "Episodes in all; each takes about 30 ms to plan.",
  seed: "Seed of the first start; every further attempt takes the next.",
  successCoverage: "Share of the goal that the T covers at the end. Above 0.98 more and more starts are not solved in time.",
  maxSteps: "Steps of 0.1 s that an episode may take.",
  observation: "What is recorded: the state, 5 numbers; nine keypoints and the agent, 20; eight corners and the agent, 18.",
  resetOrder: "How a seed becomes a start: legacy as gym-pusht and its recordings, angleFirst as its later releases.",
  starts: "Starts near given ones, see the environment's option; without them each seed draws one from the whole canvas.",
  action: "What is recorded as an action: the target of a step, or its offset from where the agent is.",
  consistent: "Whether like states are answered alike, which is learned much faster; else every decision draws pushes of its own.",
  shakePx: "Standard deviation with which the hand misses its targets, px; recorded is what it aimed at. 0 records a steady hand.",
  forbiddenBox: "A rectangle that the hand keeps out of, px; starts from which the planner finds no way past it are left out.",
  skipSteps: "Steps at the beginning that are carried out and not recorded: what is learned is how a way goes on, not that it is taken.",
  keepFailures: "Whether episodes that did not succeed are kept too.",
});

/** What a demonstrator gives, what it is a recording of, and how many episodes there will be. */
interface Demonstrations {
  readonly builder: DatasetBuilder;
  readonly episodes: AsyncIterable<Demonstration>;
  readonly total: number;
}

async function avoidDemonstrations(options: CommandOptions, signal: AbortSignal): Promise<Demonstrations> {
  const chosen = options.read(avoidDemos);
  const environment = options.readBelow("env", avoidScene);
  using env = await createAvoid({ ...environment, threads: 1 });
  const modes = typeof chosen.modes === "string" ? avoidSets[chosen.modes] : chosen.modes;
  return {
    builder: new DatasetBuilder(sourceOf(env)),
    episodes: demonstrateAvoid({ ...chosen, environment, signal }),
    total: chosen.episodes ?? 4 * modes.length,
  };
}

async function pushtDemonstrations(options: CommandOptions, signal: AbortSignal): Promise<Demonstrations> {
  const { policy, engine } = options.read(schema);
  const { episodes: total, ...chosen } = options.read(pushtDemos);
  const { observation, action, resetOrder, maxSteps, successCoverage, starts } = chosen;
  using env = await createPushT({ observation, action, resetOrder, maxSteps, successCoverage, starts, threads: 1 });
  const visited = policy === undefined ? {} : { starts: { states: await statesOf(await readPolicy(policy), env, { engine, states: total, seed: chosen.seed, signal }) } };
  return { builder: new DatasetBuilder(sourceOf(env)), episodes: demonstratePushT({ ...chosen, ...visited, count: total, signal }), total };
}

/** Environments that a policy plays in side by side. */
const playedTogether = 50;

/** States that a policy comes through in an environment of these options. */
async function statesOf(
  policy: Policy,
  { options }: PushT,
  { engine, ...chosen }: { readonly engine: "auto" | EngineName; readonly states: number; readonly seed: number; readonly signal: AbortSignal },
): Promise<number[][]> {
  using device = await createDevice({ engine });
  const { observationSteps, actionSteps } = policy.options;
  const { observation, action, resetOrder, maxSteps, successCoverage, starts } = options;
  using env = await createPushT({ observation, action, resetOrder, maxSteps, successCoverage, starts, observationSteps, actionSteps, count: playedTogether });
  return await visitedStarts(device, policy, env, chosen);
}

/** What is added to a data set of Push-T is demonstrated as its episodes were, where nothing else is said. */
function optionsLike({ source: { environment, options } }: Dataset): GivenOptions {
  if (environment !== "pusht") return {};
  return { environment, ...Object.fromEntries(Object.entries(knownOptions(environment, options)).filter(([name]) => name in pushtDemos.entries)) };
}

/** `125 12, 126 12`: how often each label occurs. */
function countLabels(dataset: Dataset): string {
  const counts = new Map<string, number>();
  for (const label of dataset.labels) counts.set(label, (counts.get(label) ?? 0) + 1);
  return [...counts].map(([label, count]) => `${label} ${count}`).join(", ");
}

/** `difftune demos`: demonstrations by a planner, as a data set to pre-train on. */
export const demos: Command = {
  name: "demos",
  description: "Make demonstrations by a planner, as a data set to pre-train on.",
  examples: [
    { what: "96 episodes of Avoid through the two ways of set M1", words: "demos --environment avoid --modes M1 --episodes 96 --out demos/avoid-m1.safetensors" },
    { what: "200 episodes of Push-T", words: "demos --environment pusht --out demos/pusht.safetensors" },
    { what: "2000 more, from where a policy learned from them goes", words: "demos --environment pusht --extend demos/pusht.safetensors --policy runs/pusht --episodes 2000 --out demos/pusht-2.safetensors" },
  ],
  choices: ["environment", "extend"],
  base: async ({ extend }) => (extend === undefined ? {} : optionsLike(await readDataset(extend))),
  sections: async ({ environment, extend }) => [
    { title: "Options", schema },
    ...((environment ?? (extend === undefined ? "avoid" : (await readDataset(extend)).source.environment)) === "pusht"
      ? [{ title: "Demonstrations of pusht", schema: pushtDemos }]
      : [{ title: "Demonstrations of avoid", schema: avoidDemos }, { title: "Options of the environment avoid", prefix: "env", schema: avoidScene }]),
  ],
  execute: async (options) => {
    const { environment, out = `demos/${environment}.safetensors`, extend, policy, force, json } = options.read(schema);
    if (policy !== undefined && environment !== "pusht") {
      throw new DifftuneError("OPTION", `The demonstrator of ${environment} has a start of its own.`, { path: "policy", hint: "Only those of pusht can begin where a policy goes." });
    }
    if (policy !== undefined && !isQuietChild()) return runQuietly();
    using interruption = new Interruption();
    const reporter = new Reporter(json);
    const file = path.resolve(out);
    if (!force && await stat(file).then(() => true, () => false)) {
      throw new DifftuneError("FILE", `${out} is there already.`, { path: out, hint: "Choose another file by --out, or write over it by --force." });
    }
    const earlier = extend === undefined ? undefined : await readDataset(extend);
    const { builder, episodes, total: made } = await (environment === "avoid" ? avoidDemonstrations : pushtDemonstrations)(options, interruption.signal);
    if (earlier !== undefined) builder.addAll(earlier);
    await makeFolder(path.dirname(file));
    const total = made + (earlier?.episodeCount ?? 0);
    const pace = new Pace();
    try {
      for await (const progress of builder.collect(episodes, total)) {
        reporter.event({ event: "episode", ...progress });
        reporter.progress(`demonstrations: ${progress.episodes} of ${total}, ${progress.steps} steps, ${pace.left(progress.episodes, total)}`);
      }
    } catch (error) {
      if (!interruption.isEcho(error)) throw error;
      reporter.note("Interrupted; nothing was written.");
      return exitCodes.interrupted;
    }
    const dataset = builder.build();
    await writeAtomically(file, dataset.encode());
    const successes = dataset.successes.reduce((sum, success) => sum + success, 0);
    reporter.summary({ event: "done", out, episodes: dataset.episodeCount, steps: dataset.stepCount, successes }, [
      ["episodes", `${dataset.episodeCount}, ${successes} successful`],
      ["steps", `${dataset.stepCount}, ${(dataset.stepCount / dataset.episodeCount).toFixed(1)} an episode`],
      ...(dataset.labels.every((label) => label === "") ? [] : [["labels", countLabels(dataset)] as const]),
      ["data set", out],
      ["next", `difftune pretrain --data ${out} --out runs/${environment}`],
    ]);
    return exitCodes.done;
  },
};

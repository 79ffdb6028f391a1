import path from "node:path";
import * as v from "valibot";
import { oneOf, wholeNumber } from "../core/options.js";
import type { Dataset } from "../data/dataset.js";
import { createDevice } from "../engine/create-device.js";
import { exitCodes, type Command } from "./command.js";
import { environmentName } from "./environment-section.js";
import { actingOptions } from "./eval.js";
import { Interruption } from "./interruption.js";
import { LabelPage } from "./label/label-page.js";
import { LabelSession, rewardName } from "./label/label-session.js";
import { areaOf, keepPool, learningOf, learningOptions, learningSections, openPool, segmentsOf } from "./label/sources.js";
import { statePainter, workspaceOf } from "./label/state-pictures.js";
import { TerminalAnnotator } from "./label/terminal-annotator.js";
import { pathOption } from "./options.js";
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
  sections: (chosen) => learningSections(schema, chosen),
  execute: async (options) => {
    const own = options.read(schema);
    const learning = options.readBelow("reward", learningOptions);
    if (!isQuietChild()) return runQuietly();
    const reporter = new Reporter(false);
    using interruption = new Interruption();
    const { signal } = interruption;
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
    // Refuses what cannot be shown before anything is written.
    const painter = statePainter(environment, pool.columns.states);
    let page: LabelPage | undefined;
    const session = await LabelSession.open({
      folder: own.out, pool, target: own.pairs, strategy: own.query, seed: own.seed, device, area,
      training: learningOf(learning, pool, area), changed: () => page?.changed(),
    });
    try {
      await keepPool(own.out, dataset);
      if (own.terminal) {
        await new TerminalAnnotator(session, painter, { input: process.stdin, print: printLine }).run(signal);
        // As long as it may be typed into, the process would wait.
        process.stdin.destroy();
      } else {
        page = await LabelPage.serve(session, painter, own.port);
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

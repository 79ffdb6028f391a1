import * as v from "valibot";
import { pretrain, pretrainSchema, type PretrainEvent, type PretrainOptions } from "../algorithms/pretrain.js";
import { pretrainPresets } from "../algorithms/presets.js";
import { DifftuneError } from "../core/errors.js";
import { oneOf } from "../core/options.js";
import type { Dataset } from "../data/dataset.js";
import { createDevice } from "../engine/create-device.js";
import { environmentNames } from "../envs/registry.js";
import { exitCodes, type Command } from "./command.js";
import { readDataset } from "./dataset-file.js";
import { evaluateIn, evaluationPairs } from "./evaluation.js";
import { Interruption } from "./interruption.js";
import { pathOption } from "./options.js";
import { knownOptions, placeNames, type Place } from "./policy-file.js";
import { isQuietChild, runQuietly } from "./quiet-child.js";
import { formatSeconds, Pace, Reporter } from "./reporter.js";
import { readRunDescription } from "./run-folder.js";
import { openRun, runOptions } from "./run-options.js";
import { samplePicture } from "./sample-picture.js";
import { endedBy, runTraining, type EventReader } from "./training-run.js";

const presetNames = Object.keys(pretrainPresets);

/** The options of a preset; the first is the default. An unknown name is refused with the other options. */
function presetOptions(name = presetNames[0]!): PretrainOptions {
  return Object.hasOwn(pretrainPresets, name) ? pretrainPresets[name as keyof typeof pretrainPresets].options : presetOptions();
}

const presetNotes = Object.entries(pretrainPresets).map(([name, { about }]) => [name, about] as const);

const schema = v.strictObject({
  preset: v.optional(v.pipe(
    oneOf(presetNames),
    v.description(`Settings that were measured, see below; any other option goes over them. Default: ${presetNames[0]}.`),
  )),
  data: v.optional(pathOption("The data set to learn from, as difftune demos writes it. Required, unless a run is resumed.")),
  ...runOptions,
});

function reader(pace: Pace, place: Place | undefined): EventReader<PretrainEvent> {
  return {
    name: "epoch",
    place: ({ step }) => step,
    score: ({ validationLoss, emaValidationLoss }) => {
      const loss = emaValidationLoss ?? validationLoss;
      return loss === undefined ? undefined : [0, -loss];
    },
    describe: ({ step, steps, epoch, epochs, loss, validationLoss }) =>
      `epoch ${epoch} of ${epochs}: loss ${loss.toFixed(4)}${validationLoss === undefined ? "" : `, validation ${validationLoss.toFixed(4)}`}, step ${step} of ${steps}, ${pace.left(step, steps)}`,
    picture: async ({ epoch, samples }) => {
      const content = samples === undefined || place === undefined ? undefined : await samplePicture(samples, place, `epoch ${epoch}`);
      return content === undefined ? undefined : { name: `samples-${String(epoch).padStart(5, "0")}.png`, content };
    },
  };
}

/** Where the demonstrations were made, so that what was learned can be tried there; undefined for an environment of somebody else. */
function placeOf(dataset: Dataset): Place | undefined {
  const name = environmentNames.find((known) => known === dataset.source.environment);
  return name === undefined ? undefined : { name, options: knownOptions(name, dataset.source.options) };
}

/** `difftune pretrain`: a policy by behaviour cloning, from demonstrations. */
export const pretrainCommand: Command = {
  name: "pretrain",
  description: "Train a policy from demonstrations by behaviour cloning.",
  examples: [
    { what: "A diffusion policy for Avoid, with its demonstrations", words: "demos --modes M1 --episodes 96 --out demos/m1.safetensors" },
    { what: "and then", words: "pretrain --data demos/m1.safetensors --epochs 300 --out runs/m1-base" },
    { what: "A Gaussian policy, by its own preset", words: "pretrain --data demos/m1.safetensors --preset avoid-gaussian" },
    { what: "Go on with a run that was stopped", words: "pretrain --resume runs/m1-base" },
  ],
  choices: ["resume", "preset"],
  base: async ({ resume, preset }) => ({ ...(resume === undefined ? presetOptions(preset) : (await readRunDescription(resume)).options) }),
  sections: () => [{ title: "Options of the run", schema }, { title: "Presets", schema: v.strictObject({}), notes: presetNotes }, { title: "Options of the training", schema: pretrainSchema }],
  execute: async (options, { commandLine }) => {
    const own = options.read(schema);
    const recipe = options.readRecipe(pretrainSchema);
    const { data, evaluationEpisodes: episodes, evaluationSeed, checkpointSeconds } = own;
    if (data === undefined) throw new DifftuneError("OPTION", "pretrain needs a data set.", { path: "data", hint: "Give one by --data; difftune demos makes one." });
    if (!isQuietChild()) return runQuietly();
    const dataset = await readDataset(data);
    const place = placeOf(dataset);
    const reporter = new Reporter(own.json);
    using interruption = new Interruption(() => { reporter.note("Stopping; what was learned will be saved. Ctrl-C again stops at once."); });
    using device = await createDevice({ engine: own.engine });
    const { signal } = interruption;
    const { environment } = dataset.source;
    const { run, checkpoint, training } = await openRun(own, reporter, `${environment}-pretrain-${recipe.seed}`, {
      command: commandLine, method: "pretrain", environment, seed: recipe.seed, engine: { ...device.info }, options: { ...own, ...recipe },
    }, (state) => pretrain(device, dataset, { ...recipe, signal, ...(state === undefined ? {} : { resume: state }) }));
    try {
      const pace = new Pace(checkpoint?.iteration);
      const { policy, isInterrupted } = await runTraining({
        training, reader: reader(pace, place), run, reporter, interruption, checkpointSeconds,
        metadata: { command: commandLine, ...(place === undefined ? {} : { [placeNames.environment]: place.name, [placeNames.options]: JSON.stringify(place.options) }) },
      });
      if (isInterrupted) {
        reporter.summary({ event: "interrupted", run: run.folder }, [["stopped", `go on by: difftune pretrain --resume ${run.folder}`]]);
        return exitCodes.interrupted;
      }
      const after = place === undefined || episodes === 0
        ? undefined
        : await evaluateIn({ device, policy, place, reporter, run, when: "after" }, { episodes, seed: evaluationSeed, signal });
      reporter.summary({ event: "done", run: run.folder }, [
        ["policy", `${run.folder}/policy.safetensors`],
        ["trained", `in ${formatSeconds(pace.seconds)} on ${device.info.description}`],
        ...(after === undefined ? [] : evaluationPairs(after)),
        ["next", `difftune finetune --policy ${run.folder}/policy.safetensors`],
      ]);
      return exitCodes.done;
    } catch (error) {
      return endedBy(error, { command: "pretrain", run, reporter, interruption });
    } finally {
      await run.close();
    }
  },
};

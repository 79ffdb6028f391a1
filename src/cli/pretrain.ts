import * as v from "valibot";
import { pretrain, pretrainSchema, type PretrainEvent } from "../algorithms/pretrain.js";
import { DifftuneError } from "../core/errors.js";
import { Dataset } from "../data/dataset.js";
import { createDevice } from "../engine/create-device.js";
import { environmentNames } from "../envs/registry.js";
import { exitCodes, type Command } from "./command.js";
import { evaluateIn, evaluationPairs } from "./evaluation.js";
import { readBytes } from "./files.js";
import { Interruption } from "./interruption.js";
import { pathOption } from "./options.js";
import { knownOptions, placeNames, type Place } from "./policy-file.js";
import { isQuietChild, runQuietly } from "./quiet-child.js";
import { formatSeconds, Pace, Reporter } from "./reporter.js";
import { readRunDescription } from "./run-folder.js";
import { openRun, runOptions } from "./run-options.js";
import { runTraining, type EventReader } from "./training-run.js";

const schema = v.strictObject({
  data: v.optional(pathOption("The data set to learn from, as difftune demos writes it. Required, unless a run is resumed.")),
  ...runOptions,
});

/** What a policy for the package's own tasks is like where nothing else is said: small enough for a CPU. */
const base = {
  horizon: 4,
  network: { kind: "diffusion-mlp", process: { denoisingSteps: 20 }, hidden: [256, 256, 256], timeSize: 16, activation: "relu", isResidual: true },
};

function reader(pace: Pace): EventReader<PretrainEvent> {
  return {
    name: "epoch",
    place: ({ step }) => step,
    score: ({ validationLoss, emaValidationLoss }) => {
      const loss = emaValidationLoss ?? validationLoss;
      return loss === undefined ? undefined : [0, -loss];
    },
    describe: ({ step, steps, epoch, epochs, loss, validationLoss }) =>
      `epoch ${epoch} of ${epochs}: loss ${loss.toFixed(4)}${validationLoss === undefined ? "" : `, validation ${validationLoss.toFixed(4)}`}, step ${step} of ${steps}, ${pace.left(step, steps)}`,
  };
}

/** Where the demonstrations were made, so that what was learned can be tried there; undefined for an environment of somebody else. */
function placeOf(dataset: Dataset): Place | undefined {
  const name = environmentNames.find((known) => known === dataset.source.environment);
  return name === undefined ? undefined : { name, options: knownOptions(name, dataset.source.options) };
}

async function readDataset(file: string): Promise<Dataset> {
  const bytes = await readBytes(file);
  try {
    return Dataset.decode(bytes);
  } catch (cause) {
    if (!(cause instanceof DifftuneError)) throw cause;
    throw new DifftuneError("FORMAT", `${file} cannot be used: ${cause.message}`, { path: file, cause, hint: "Make one by difftune demos." });
  }
}

/** `difftune pretrain`: a policy by behaviour cloning, from demonstrations. */
export const pretrainCommand: Command = {
  name: "pretrain",
  description: "Train a policy from demonstrations by behaviour cloning.",
  examples: [
    { what: "A diffusion policy for Avoid, with its demonstrations", words: "demos --modes M1 --episodes 96 --out demos/m1.safetensors" },
    { what: "and then", words: "pretrain --data demos/m1.safetensors --epochs 300 --out runs/m1-base" },
    { what: "A Gaussian policy", words: "pretrain --data demos/m1.safetensors --network.kind gaussian-mlp --network.hidden 256,256,256" },
    { what: "Go on with a run that was stopped", words: "pretrain --resume runs/m1-base" },
  ],
  choices: ["resume"],
  base: async ({ resume }) => (resume === undefined ? base : { ...(await readRunDescription(resume)).options }),
  sections: () => [{ title: "Options of the run", schema }, { title: "Options of the training", schema: pretrainSchema }],
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
        training, reader: reader(pace), run, reporter, interruption, checkpointSeconds,
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
      if (!interruption.isEcho(error)) throw error;
      return exitCodes.interrupted;
    } finally {
      await run.close();
    }
  },
};

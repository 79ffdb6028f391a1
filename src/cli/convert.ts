import { stat } from "node:fs/promises";
import path from "node:path";
import * as v from "valibot";
import { DifftuneError } from "../core/errors.js";
import { DatasetBuilder } from "../data/dataset.js";
import { openRecording } from "../data/open-recording.js";
import { recordingSchema } from "../data/recording.js";
import { exitCodes, type Command } from "./command.js";
import { makeFolder, writeAtomically } from "./files.js";
import { Interruption } from "./interruption.js";
import { describedOptions, pathOption, sharedOptions } from "./options.js";
import { openFile, openPlace } from "./places.js";
import { Pace, Reporter } from "./reporter.js";

const schema = v.strictObject({
  from: pathOption("What is converted: a file or a folder. What it is is found out by its content."),
  out: pathOption("The data set to write, one safetensors file."),
  normalization: v.optional(pathOption("The extrema that DPPO's file was normalised with. Default: normalization.npz beside train.npz, where a folder is given.")),
  force: v.pipe(v.optional(v.boolean("It must be true or false."), false), v.description("Write over a file that is there.")),
  json: sharedOptions.json,
});

const reading = describedOptions(recordingSchema.entries, {
  environment: "Name of the environment that was recorded.",
  environmentOptions: "Its options, as JSON.",
  observations: "Arrays or columns that make up an observation, such as state,keypoint. Default: what the format calls the state.",
  actions: "Arrays or columns that make up an action. Default: what the format calls the action.",
  observationNames: "Names of the numbers of an observation.",
  actionNames: "Names of the numbers of an action.",
  normaliser: "How DPPO's file was normalised.",
  units: "physical: undo the normalisation where its extrema are there. stored: leave the numbers as they are.",
  missingChunks: "Whether a chunk that Zarr lacks was lost, or holds the fill value alone.",
});

/** `difftune convert`: recordings of other programs, as a data set to pre-train on. */
export const convert: Command = {
  name: "convert",
  description: "Make a data set of recordings by other programs: DPPO, D3IL, diffusion policy, LeRobot.",
  examples: [
    { what: "The Push-T recordings of diffusion policy", words: "convert pusht_cchi_v7_replay.zarr --environment pusht --out pusht.safetensors" },
    { what: "A folder with train.npz and normalization.npz of DPPO, in physical units", words: "convert data/hopper --out hopper.safetensors" },
    { what: "A data set of LeRobot, with another column for the state", words: "convert lerobot/pusht --observations observation.environment_state --out keypoints.safetensors" },
  ],
  word: { option: "from" },
  sections: () => [{ title: "Options", schema }, { title: "Reading", schema: reading }],
  execute: async (options) => {
    const { from, out, normalization, force, json } = options.read(schema);
    using interruption = new Interruption();
    const reporter = new Reporter(json);
    const file = path.resolve(out);
    if (!force && await stat(file).then(() => true, () => false)) {
      throw new DifftuneError("FILE", `${out} is there already.`, { path: out, hint: "Choose another file by --out, or write over it by --force." });
    }
    const extrema = normalization === undefined ? {} : { normalization: await openFile(normalization) };
    const recording = await openRecording(await openPlace(from), { ...options.read(reading), ...extrema });
    const builder = new DatasetBuilder(recording.source);
    const total = recording.episodeCount;
    const pace = new Pace();
    for await (const progress of builder.collect(recording.episodes(), total)) {
      if (interruption.signal.aborted) {
        reporter.note("Interrupted; nothing was written.");
        return exitCodes.interrupted;
      }
      reporter.event({ event: "episode", ...progress });
      const left = total === undefined ? "" : `, ${pace.left(progress.episodes, total)}`;
      reporter.progress(`${recording.format}: ${progress.episodes}${total === undefined ? "" : ` of ${total}`} episodes, ${progress.steps} steps${left}`);
    }
    const dataset = builder.build(recording.statistics);
    await makeFolder(path.dirname(file));
    await writeAtomically(file, dataset.encode());
    reporter.summary({ event: "done", out, format: recording.format, episodes: dataset.episodeCount, steps: dataset.stepCount }, [
      ["format", recording.format],
      ["episodes", String(dataset.episodeCount)],
      ["steps", `${dataset.stepCount}, ${(dataset.stepCount / dataset.episodeCount).toFixed(1)} an episode`],
      ["observation", dataset.source.observationNames.join(", ")],
      ["action", dataset.source.actionNames.join(", ")],
      ["data set", out],
      ["next", `difftune pretrain --data ${out}`],
    ]);
    return exitCodes.done;
  },
};

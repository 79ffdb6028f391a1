import * as v from "valibot";
import { finiteNumber, wholeNumber } from "../core/options.js";
import type { Checkpoint } from "../io/checkpoint.js";
import { pathOption, sharedOptions } from "./options.js";
import type { Reporter } from "./reporter.js";
import { RunFolder, type RunDescription } from "./run-folder.js";

const flag = v.boolean("It must be true or false.");

/** Options of every command that makes a run, as entries of its schema. */
export const runOptions = {
  out: v.optional(pathOption("Folder of the run. Default: runs/ and a name made of what is run.")),
  force: v.pipe(v.optional(flag, false), v.description("Replace the run that the folder holds.")),
  resume: v.optional(pathOption("Folder of a run to go on with from its last checkpoint, to the same bits as if it had never stopped. All its options hold unless others are given.")),
  engine: sharedOptions.engine,
  json: sharedOptions.json,
  tensorboard: v.pipe(v.optional(flag, false), v.description("Write event files for TensorBoard into the folder tensorboard of the run.")),
  checkpointSeconds: v.pipe(v.optional(finiteNumber(0, 86_400), 20), v.description("Least time between two checkpoints, s; 0 keeps one after every event.")),
  keep: v.pipe(v.optional(wholeNumber(0, 100_000), 3), v.description("Numbered checkpoints that are kept beside the last and the best.")),
  evaluationEpisodes: v.pipe(v.optional(wholeNumber(0, 1_000_000), 200), v.description("Episodes of each evaluation; 0 evaluates never.")),
  evaluationSeed: v.pipe(v.optional(wholeNumber(0, 0xffffffff), 1_000_000), v.description("Seed of the first evaluated episode, far from those of training.")),
};

/** Options of a run, resolved. */
export type RunOptions = Readonly<v.InferOutput<v.StrictObjectSchema<typeof runOptions, undefined>>>;

/** Options that say where and how a run is made, not what it computes: another call has its own. */
const passingOptions: readonly string[] = ["out", "force", "resume", "json"];

/** Begins a run, or takes the one up again that is asked for and says where it stands. */
export async function openRun(
  { resume, out, force, keep, tensorboard }: RunOptions,
  reporter: Reporter,
  name: string,
  description: Omit<RunDescription, "startedAt">,
): Promise<{ readonly run: RunFolder; readonly checkpoint: Checkpoint | undefined }> {
  if (resume === undefined) {
    const options = Object.fromEntries(Object.entries(description.options).filter(([option]) => !passingOptions.includes(option)));
    const run = await RunFolder.create(out ?? `runs/${name}`, { ...description, options, startedAt: new Date().toISOString() }, { keep, tensorboard, isForced: force });
    return { run, checkpoint: undefined };
  }
  const run = await RunFolder.open(resume, { keep, tensorboard });
  try {
    const { checkpoint, damaged } = await run.resume();
    for (const { message } of damaged) reporter.note(message);
    reporter.note(checkpoint === undefined ? "There is no checkpoint yet; the run begins anew." : `Going on from the checkpoint at ${checkpoint.iteration}.`);
    return { run, checkpoint };
  } catch (error) {
    await run.close();
    throw error;
  }
}

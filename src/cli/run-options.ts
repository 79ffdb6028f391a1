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

/** A run that is open, and the training that it holds. */
export interface OpenRun<T> {
  readonly run: RunFolder;
  readonly checkpoint: Checkpoint | undefined;
  readonly training: T;
}

/**
 * Begins a run, or takes the one up again that is asked for. `start` makes the training and refuses options that do not fit,
 * before anything is written: before there is a folder, or before the log of a resumed run is cut.
 */
export async function openRun<T>(
  { resume, out, force, keep, tensorboard }: RunOptions,
  reporter: Reporter,
  name: string,
  description: Omit<RunDescription, "startedAt">,
  start: (state: Uint8Array | undefined) => T,
): Promise<OpenRun<T>> {
  const options = Object.fromEntries(Object.entries(description.options).filter(([option]) => !passingOptions.includes(option)));
  const now = new Date().toISOString();
  if (resume === undefined) {
    const training = start(undefined);
    const run = await RunFolder.create(out ?? `runs/${name}`, { ...description, options, startedAt: now }, { keep, tensorboard, isForced: force });
    return { run, checkpoint: undefined, training };
  }
  const run = await RunFolder.open(resume, { keep, tensorboard });
  try {
    const { checkpoint, damaged } = await run.readState();
    const training = start(checkpoint?.state);
    for (const { message } of damaged) reporter.note(message);
    reporter.note(checkpoint === undefined ? "There is no checkpoint yet; the run begins anew." : `Going on from the checkpoint at ${checkpoint.iteration}.`);
    await run.goOn(checkpoint, { command: description.command, options, at: now });
    return { run, checkpoint, training };
  } catch (error) {
    await run.close();
    throw error;
  }
}

import { DifftuneError } from "../core/errors.js";
import type { Policy } from "../diffusion/policy.js";
import type { Training } from "../rl/training.js";
import { exitCodes } from "./command.js";
import type { Interruption } from "./interruption.js";
import { askToGoOn } from "./quiet-child.js";
import type { Reporter } from "./reporter.js";
import type { RunFolder } from "./run-folder.js";

/** What a kind of training tells of its events. */
export interface EventReader<Event> {
  /** Their name in the log. */
  readonly name: "iteration" | "epoch";
  /** Where in the run the event stands: iteration, or gradient step. */
  place(event: Event): number;
  /** How good the policy is now, more is better, rank before value; undefined where nothing was measured. */
  score(event: Event): readonly [rank: number, value: number] | undefined;
  /** One line for a person. */
  describe(event: Event): string;
  /** A picture that the event comes with, and its file's name. */
  picture?(event: Event): Promise<{ readonly name: string; readonly content: Uint8Array } | undefined>;
}

/** A training and the folder that it is kept in. */
export interface TrainingRun<Event> {
  readonly training: Training<Event>;
  readonly reader: EventReader<Event>;
  readonly run: RunFolder;
  readonly reporter: Reporter;
  readonly interruption: Interruption;
  /** Least seconds between two checkpoints. */
  readonly checkpointSeconds: number;
  /** Said of the policy in its file. */
  readonly metadata: Readonly<Record<string, string>>;
}

/** A better policy is kept at once, but not more often than this, seconds. */
const bestSeconds = 1;

/**
 * Runs a training to its end or to the interruption, and keeps log, checkpoints and policy of it. Whatever it ends by, the
 * folder then holds the newest state that is whole.
 *
 * @returns the policy, and whether the run was interrupted
 */
export async function runTraining<Event extends object>(task: TrainingRun<Event>): Promise<{ readonly policy: Policy; readonly isInterrupted: boolean }> {
  const { training, reader, run, reporter, interruption, checkpointSeconds, metadata } = task;
  const describe = async (): Promise<Policy> => (await training.policy()).withMetadata(metadata);
  let unsaved: Event | undefined;
  let best: readonly [number, number] | undefined;
  let savedMs = performance.now();
  const save = async (event: Event): Promise<void> => {
    const score = reader.score(event);
    await run.saveCheckpoint(await training.save(), { iteration: reader.place(event), ...(score === undefined ? {} : { score }) });
    await run.savePolicy((await describe()).encode());
    unsaved = undefined;
    savedMs = performance.now();
  };
  try {
    let isInterrupted = false;
    try {
      for await (const event of training) {
        await run.append({ event: reader.name, ...event });
        unsaved = event;
        reporter.event({ event: reader.name, ...event });
        reporter.progress(reader.describe(event));
        const picture = await reader.picture?.(event);
        if (picture !== undefined) await run.savePicture(picture.name, picture.content);
        const score = reader.score(event);
        const isBetter = score !== undefined && (best === undefined || score[0] > best[0] || (score[0] === best[0] && score[1] > best[1]));
        if (isBetter) best = score;
        const seconds = (performance.now() - savedMs) / 1000;
        if (seconds >= checkpointSeconds || (isBetter && seconds >= bestSeconds)) await save(event);
      }
    } catch (error) {
      // What the signal stopped is whole and still there.
      if (!interruption.isEcho(error)) throw error;
      isInterrupted = true;
    }
    if (unsaved !== undefined) await save(unsaved);
    const policy = await describe();
    await run.savePolicy(policy.encode());
    return { policy, isInterrupted };
  } catch (error) {
    if (error instanceof DifftuneError) reporter.note(`What was learned until the last checkpoint is in ${run.folder}.`);
    throw error;
  } finally {
    training.close();
    reporter.endProgress();
  }
}

/**
 * How a command that trains ends by an error: interrupted; or to be gone on with on a new device, where the device was lost
 * and something was kept since this process began, which is then no loop without end; or by the error itself.
 *
 * @param command its name
 * @returns the exit code
 */
export function endedBy(
  error: unknown,
  { command, run, reporter, interruption }: { readonly command: string } & Pick<TrainingRun<never>, "run" | "reporter" | "interruption">,
): number {
  const again = ["--resume", run.folder];
  if (interruption.isEcho(error)) {
    reporter.note(`Go on by: difftune ${[command, ...again].join(" ")}`);
    return exitCodes.interrupted;
  }
  if (!(error instanceof DifftuneError) || error.code !== "DEVICE_LOST" || !run.hasCheckpoint || interruption.signal.aborted) throw error;
  reporter.note(`${error.message} The run goes on with a new device.`);
  askToGoOn([command, ...again, ...(reporter.isJson ? ["--json"] : [])]);
  return exitCodes.failed;
}

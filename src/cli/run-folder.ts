import { copyFile, link, open, readdir, readFile, rename, rm, type FileHandle } from "node:fs/promises";
import { hostname } from "node:os";
import path from "node:path";
import * as v from "valibot";
import { DifftuneError } from "../core/errors.js";
import { version } from "../core/version.js";
import { decodeCheckpoint, encodeCheckpoint, type Checkpoint, type CheckpointPlace } from "../io/checkpoint.js";
import { cutRunLog, encodeRecord, parseRunLog, placeOf, type RunLog, type RunRecord } from "../io/run-log.js";
import { encodeScalars, startEventFile } from "../io/tensorboard.js";
import { fileError, makeFolder, readBytes, syncFolder, systemCode, writeAtomically } from "./files.js";
import { FolderLock } from "./folder-lock.js";

const formatName = "difftune-run";
const formatVersion = 1;

/** The content of `run.json`: what the run is and how to repeat it. */
export interface RunDescription {
  /** The command line, ready to be pasted. */
  readonly command: string;
  /** `pretrain`, `dppo`, ... */
  readonly method: string;
  /** Name of the environment. */
  readonly environment: string;
  readonly seed: number;
  /** What computed: `device.info`. */
  readonly engine: Readonly<Record<string, unknown>>;
  /** Every option, resolved. */
  readonly options: Readonly<Record<string, unknown>>;
  /** ISO 8601. */
  readonly startedAt: string;
  /** The commands that took the run up again, when, and after which iteration. */
  readonly resumes?: readonly { readonly command: string; readonly at: string; readonly iteration: number }[] | undefined;
}

/** The parts of a run's folder. */
const parts = {
  description: "run.json",
  log: "metrics.jsonl",
  checkpoints: "checkpoints",
  policy: "policy.safetensors",
  initial: "initial.safetensors",
  inputs: "inputs",
  evaluations: "evaluations",
  pictures: "pictures",
  tensorboard: "tensorboard",
  report: "report.html",
} as const;

/** Options of {@link RunFolder}. */
export interface RunFolderOptions {
  /** Numbered checkpoints that are kept; older ones are deleted. Default 3. */
  readonly keep?: number;
  /** Whether event files for TensorBoard are written beside the log. Default false. */
  readonly tensorboard?: boolean;
}

/** Where the folder of a run keeps a file that it works with. */
export function inputPath(folder: string, name: string): string {
  return path.join(folder, parts.inputs, `${name}.safetensors`);
}

/** The state that a run goes on from. */
export interface RunState {
  /** Undefined where the run was stopped before its first checkpoint and so begins anew. */
  readonly checkpoint: Checkpoint | undefined;
  /** Damaged checkpoints that were passed over, with the reason. */
  readonly damaged: readonly DifftuneError[];
}

/** Reads `run.json` of a folder, whoever writes to it. */
export async function readRunDescription(folder: string): Promise<RunDescription> {
  const file = path.join(folder, parts.description);
  let value: unknown;
  try {
    value = JSON.parse(await readFile(file, "utf8"));
  } catch (cause) {
    if (systemCode(cause) === "ENOENT" || systemCode(cause) === "ENOTDIR") {
      throw new DifftuneError("FILE", `${folder} is no run: it has no ${parts.description}.`, { path: folder, cause, hint: "A run is a folder that pretrain or finetune has made." });
    }
    if (cause instanceof SyntaxError) throw new DifftuneError("FORMAT", `${file} is no JSON.`, { path: file, cause });
    throw fileError("read", file, cause);
  }
  const result = v.safeParse(descriptionSchema, value);
  if (result.success) return result.output;
  const [issue] = result.issues;
  throw new DifftuneError("FORMAT", `${file} describes no run that this package can read: ${v.getDotPath(issue) ?? "all of it"} is wrong. ${issue.message}`, {
    path: file,
    expected: issue.expected,
    got: issue.input,
  });
}

const descriptionSchema = v.looseObject({
  format: v.literal(formatName),
  version: v.literal(formatVersion),
  command: v.string(),
  method: v.string(),
  environment: v.string(),
  seed: v.number(),
  engine: v.record(v.string(), v.unknown()),
  options: v.record(v.string(), v.unknown()),
  startedAt: v.string(),
  resumes: v.optional(v.array(v.object({ command: v.string(), at: v.string(), iteration: v.number() }))),
});

/** Reads the log of a run, whoever writes to it. */
export async function readRunLog(folder: string): Promise<RunLog> {
  const file = path.join(folder, parts.log);
  try {
    return parseRunLog(await readFile(file, "utf8"));
  } catch (cause) {
    if (systemCode(cause) === "ENOENT") return { records: [], isTorn: false };
    if (cause instanceof DifftuneError) {
      throw new DifftuneError("FORMAT", `${file}: ${cause.message}`, { path: file, cause, hint: "Delete that line to go on." });
    }
    throw fileError("read", file, cause);
  }
}

/**
 * A training run on the disk, held by one process. Whatever happens to that process, the folder stays loadable: every file
 * but the log is replaced whole, and the log loses at most its last line.
 */
export class RunFolder {
  readonly folder: string;
  #description: RunDescription;
  readonly #lock: FolderLock;
  readonly #options: Required<RunFolderOptions>;
  #records: RunRecord[];
  #log: FileHandle;
  #logBytes: number;
  #events: FileHandle | undefined;
  #best: readonly [number, number] | undefined;
  #hasCheckpoint = false;

  private constructor(folder: string, description: RunDescription, lock: FolderLock, log: FileHandle, logBytes: number, records: readonly RunRecord[], options: RunFolderOptions) {
    this.folder = folder;
    this.#description = description;
    this.#lock = lock;
    this.#log = log;
    this.#logBytes = logBytes;
    this.#records = [...records];
    this.#options = { keep: options.keep ?? 3, tensorboard: options.tensorboard ?? false };
  }

  /** Begins a run in a folder that holds none; with `isForced`, in place of the run that it holds. */
  static async create(folder: string, description: RunDescription, options: RunFolderOptions & { readonly isForced?: boolean } = {}): Promise<RunFolder> {
    await makeFolder(folder);
    return holding(folder, async (lock) => {
      await clear(folder, options.isForced ?? false);
      for (const part of [parts.checkpoints, parts.evaluations, parts.pictures]) await makeFolder(path.join(folder, part));
      const log = await openLog(folder);
      const run = new RunFolder(folder, description, lock, log.handle, log.bytes, [], options);
      await run.#describe(description);
      return run;
    });
  }

  /** Takes a run up again. {@link readState} then says from where. */
  static async open(folder: string, options: RunFolderOptions = {}): Promise<RunFolder> {
    const description = await readRunDescription(folder);
    return holding(folder, async (lock) => {
      for (const part of [parts.checkpoints, parts.evaluations, parts.pictures]) await makeFolder(path.join(folder, part));
      const { records, isTorn } = await readRunLog(folder);
      if (isTorn) await writeAtomically(path.join(folder, parts.log), records.map(encodeRecord).join(""));
      const log = await openLog(folder);
      return new RunFolder(folder, description, lock, log.handle, log.bytes, records, options);
    });
  }

  /** What was logged so far. */
  get records(): readonly RunRecord[] {
    return this.#records;
  }

  /** Whether a checkpoint was kept since the folder was opened. */
  get hasCheckpoint(): boolean {
    return this.#hasCheckpoint;
  }

  /** The path of a file of this run. */
  #at(...names: readonly string[]): string {
    return path.join(this.folder, ...names);
  }

  /** The newest checkpoint that is whole. Changes nothing: {@link goOn} does, once it is sure that the run can. */
  async readState(): Promise<RunState> {
    const folder = this.#at(parts.checkpoints);
    const files = await readdir(folder);
    const numbered = numberedNames(files).reverse();
    const damaged: DifftuneError[] = [];
    let checkpoint: Checkpoint | undefined;
    for (const name of [lastName, ...numbered, bestName].filter((known) => files.includes(known))) {
      const file = path.join(folder, name);
      try {
        checkpoint = decodeCheckpoint(await readBytes(file));
        break;
      } catch (cause) {
        if (!(cause instanceof DifftuneError)) throw cause;
        damaged.push(cause.code === "FILE" ? cause : new DifftuneError(cause.code, `${file} is damaged: ${cause.message}`, { path: file, cause }));
      }
    }
    if (checkpoint === undefined && damaged.length > 0) {
      throw new DifftuneError("FORMAT", `None of the checkpoints of ${this.folder} can be read. ${damaged[0]!.message}`, {
        path: folder,
        cause: damaged,
        hint: "Begin the run anew with --force.",
      });
    }
    return { checkpoint, damaged };
  }

  /** Goes on from a checkpoint, or without one from the start: cuts the log behind it, and writes down by which command and with which options. */
  async goOn(checkpoint: Checkpoint | undefined, by?: { readonly command: string; readonly options: RunDescription["options"]; readonly at: string }): Promise<void> {
    const best = this.#at(parts.checkpoints, bestName);
    this.#best = await bestScore(best);
    await this.#cut(checkpoint?.iteration ?? -1);
    if (by === undefined) return;
    const { command, options, at } = by;
    const resumes = [...(this.#description.resumes ?? []), { command, at, iteration: checkpoint?.iteration ?? -1 }];
    await this.#describe({ ...this.#description, options, resumes });
  }

  async #describe(description: RunDescription): Promise<void> {
    const text = JSON.stringify({ format: formatName, version: formatVersion, difftune: version, ...description }, null, 2);
    await writeAtomically(this.#at(parts.description), `${text}\n`);
    this.#description = description;
  }

  async #cut(iteration: number): Promise<void> {
    const kept = cutRunLog(this.#records, iteration);
    if (kept.length === this.#records.length) return;
    const file = this.#at(parts.log);
    await writeAtomically(file, kept.map(encodeRecord).join(""));
    // The old handle still writes into the old file.
    await this.#log.close();
    const log = await openLog(this.folder);
    this.#log = log.handle;
    this.#logBytes = log.bytes;
    this.#records = [...kept];
  }

  /** Appends one line to the log. A line that does not fit on the disk is taken back whole. */
  async append(record: RunRecord): Promise<void> {
    const line = Buffer.from(encodeRecord(record));
    try {
      await this.#log.appendFile(line);
      this.#logBytes += line.byteLength;
    } catch (cause) {
      await this.#log.truncate(this.#logBytes).catch(() => undefined);
      throw fileError("written", this.#at(parts.log), cause);
    }
    this.#records.push(record);
    if (this.#options.tensorboard) await this.#appendScalars(record);
  }

  async #appendScalars(record: RunRecord): Promise<void> {
    const { place, scalars } = scalarsOf(record, this.#records);
    const now = Date.now() / 1000;
    const file = this.#at(parts.tensorboard, `events.out.tfevents.${Math.floor(now)}.${hostname()}.${process.pid}`);
    try {
      if (this.#events === undefined) {
        await makeFolder(this.#at(parts.tensorboard));
        this.#events = await open(file, "a");
        await this.#events.appendFile(startEventFile(now, place));
      }
      await this.#events.appendFile(encodeScalars(now, place, scalars));
    } catch (cause) {
      throw fileError("written", file, cause);
    }
  }

  /**
   * Keeps the whole state of the training, as the last one, by its number, and as the best one if its score is higher than
   * any before. The log is flushed first: no checkpoint knows of an iteration that the log does not.
   *
   * @returns whether it is the best so far
   */
  async saveCheckpoint(state: Uint8Array, place: CheckpointPlace): Promise<boolean> {
    try {
      await this.#log.sync();
    } catch (cause) {
      throw fileError("written", this.#at(parts.log), cause);
    }
    const last = this.#at(parts.checkpoints, lastName);
    await writeAtomically(last, encodeCheckpoint({ ...place, state }));
    const isBest = place.score !== undefined && (this.#best === undefined || isHigher(place.score, this.#best));
    if (isBest) {
      await shareAtomically(last, this.#at(parts.checkpoints, bestName));
      this.#best = place.score;
    }
    if (this.#options.keep > 0) await shareAtomically(last, this.#at(parts.checkpoints, numberedName(place.iteration)));
    await this.#prune();
    this.#hasCheckpoint = true;
    return isBest;
  }

  async #prune(): Promise<void> {
    const folder = this.#at(parts.checkpoints);
    const numbered = numberedNames(await readdir(folder));
    for (const name of numbered.slice(0, Math.max(0, numbered.length - this.#options.keep))) await rm(path.join(folder, name), { force: true });
  }

  /** Keeps the policy as it stands. */
  savePolicy(bytes: Uint8Array): Promise<void> {
    return writeAtomically(this.#at(parts.policy), bytes);
  }

  /** Keeps the policy that the run starts from, so that it can be taken up again whatever becomes of the original. */
  saveInitialPolicy(bytes: Uint8Array): Promise<void> {
    return writeAtomically(this.#at(parts.initial), bytes);
  }

  /** Keeps another file that the run works with, for the same reason. */
  async saveInput(name: string, bytes: Uint8Array): Promise<void> {
    await makeFolder(this.#at(parts.inputs));
    await writeAtomically(inputPath(this.folder, name), bytes);
  }

  /** The policy that the run started from. */
  readInitialPolicy(): Promise<Uint8Array> {
    return readBytes(this.#at(parts.initial));
  }

  /** Keeps an evaluation, as a file of its own and in the log. */
  async saveEvaluation(when: "before" | "after" | number, evaluation: object): Promise<void> {
    await writeAtomically(this.#at(parts.evaluations, `${when}.json`), `${JSON.stringify(evaluation, null, 2)}\n`);
    await this.append({ event: "evaluation", when, ...evaluation });
  }

  /** Keeps the denoising chain of one decision. */
  saveChain(chain: object): Promise<void> {
    return writeAtomically(this.#at(parts.evaluations, "chain.json"), `${JSON.stringify(chain)}\n`);
  }

  /** Keeps a picture; the name has its ending. */
  savePicture(name: string, content: Uint8Array | string): Promise<void> {
    return writeAtomically(this.#at(parts.pictures, name), content);
  }

  /** Flushes the log and gives the folder back. Twice is once. */
  async close(): Promise<void> {
    await this.#log.sync().catch(() => undefined);
    await this.#log.close().catch(() => undefined);
    await this.#events?.close().catch(() => undefined);
    await this.#lock.release();
  }
}

const lastName = "last.safetensors";
const bestName = "best.safetensors";

function numberedName(iteration: number): string {
  return `iteration-${String(iteration).padStart(5, "0")}.safetensors`;
}

/** The numbered checkpoints among some files, oldest first. */
function numberedNames(files: readonly string[]): string[] {
  const numberOf = (name: string): number => Number(/^iteration-(\d+)\.safetensors$/.exec(name)?.[1] ?? Number.NaN);
  return files.filter((name) => !Number.isNaN(numberOf(name))).sort((a, b) => numberOf(a) - numberOf(b));
}

function isHigher([rank, value]: readonly [number, number], [bestRank, bestValue]: readonly [number, number]): boolean {
  return rank > bestRank || (rank === bestRank && value > bestValue);
}

/** The score of the best checkpoint; one that is missing or damaged is none, and the next takes its place. */
async function bestScore(file: string): Promise<readonly [number, number] | undefined> {
  try {
    return decodeCheckpoint(await readBytes(file)).score;
  } catch (cause) {
    if (cause instanceof DifftuneError) return undefined;
    throw cause;
  }
}

/** Runs `work` with the lock of a folder, which stays taken if all goes well. */
async function holding(folder: string, work: (lock: FolderLock) => Promise<RunFolder>): Promise<RunFolder> {
  const lock = await FolderLock.take(folder);
  try {
    return await work(lock);
  } catch (error) {
    await lock.release();
    throw error;
  }
}

/** Refuses a folder that holds something already; a run may be forced away. */
async function clear(folder: string, isForced: boolean): Promise<void> {
  const present = (await readdir(folder)).filter((name) => (Object.values(parts) as string[]).includes(name));
  if (present.length === 0) return;
  if (!present.includes(parts.description)) {
    throw new DifftuneError("FILE", `${folder} is no run, but holds ${present.join(", ")}.`, { path: folder, got: present, hint: "Choose another folder." });
  }
  if (!isForced) {
    throw new DifftuneError("FILE", `${folder} holds a run already.`, {
      path: folder,
      hint: `Go on with it by --resume ${folder}, replace it by --force, or choose another folder by --out.`,
    });
  }
  await readRunDescription(folder);
  // The description goes last: as long as anything of the old run is there, the folder is known as a run.
  for (const name of [...present.filter((part) => part !== parts.description), parts.description]) {
    try {
      await rm(path.join(folder, name), { recursive: true, force: true });
    } catch (cause) {
      throw fileError("removed", path.join(folder, name), cause);
    }
  }
}

async function openLog(folder: string): Promise<{ readonly handle: FileHandle; readonly bytes: number }> {
  const file = path.join(folder, parts.log);
  try {
    const handle = await open(file, "a");
    return { handle, bytes: (await handle.stat()).size };
  } catch (cause) {
    throw fileError("opened", file, cause);
  }
}

/** Lets `file` be the same content as `source`, at once: by a second name for it, or by a copy where a disk has no such thing. */
async function shareAtomically(source: string, file: string): Promise<void> {
  const temporary = `${file}.tmp`;
  try {
    await rm(temporary, { force: true });
    try {
      await link(source, temporary);
    } catch {
      await copyFile(source, temporary);
    }
    await rename(temporary, file);
    // Renaming one name of a file over another name of the same file leaves both.
    await rm(temporary, { force: true });
    await syncFolder(path.dirname(file));
  } catch (cause) {
    throw fileError("written", file, cause);
  }
}

/** What says where a record stands, not what happened there. */
const counters: ReadonlySet<string> = new Set(["iteration", "iterations", "epoch", "epochs", "step", "steps", "when", "wanted", "seed"]);

/** The numbers of a record under the names of TensorBoard's panels, and the step that they belong to. */
function scalarsOf(record: RunRecord, records: readonly RunRecord[]): { readonly place: number; readonly scalars: Readonly<Record<string, number>> } {
  const { event, mode, ...values } = record;
  const places = [placeOf(record), ...records.map(placeOf).reverse(), 0];
  const place = places.find((value) => typeof value === "number") ?? 0;
  const group = event === "iteration" && typeof mode === "string" ? mode : event;
  const scalars: Record<string, number> = {};
  for (const [name, value] of Object.entries(values)) {
    if (counters.has(name)) continue;
    if (typeof value === "number" && Number.isFinite(value)) scalars[`${group}/${name}`] = value;
    else if (typeof value === "object" && value !== null && "mean" in value && typeof value.mean === "number") scalars[`${group}/${name}`] = value.mean;
    else if (name === "seconds" && typeof value === "object" && value !== null) {
      for (const [phase, seconds] of Object.entries(value)) if (typeof seconds === "number") scalars[`seconds/${phase}`] = seconds;
    }
  }
  return { place, scalars };
}

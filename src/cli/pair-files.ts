import { constants, open, readFile, type FileHandle } from "node:fs/promises";
import path from "node:path";
import { DifftuneError } from "../core/errors.js";
import { encodePair, encodePairHeader, encodeUndo, readPairs, type PairColumns, type PreferencePair, type StoredPairs } from "../preference/pair-store.js";
import { fileError, makeFolder, syncFolder, systemCode, writeAtomically } from "./files.js";
import { FolderLock } from "./folder-lock.js";

/** The two files of a store of labelled pairs. */
const names = { lines: "pairs.jsonl", segments: "pairs.f32" } as const;

/** A pair that has no id yet: the store gives it one. */
export type NewPair = Omit<PreferencePair, "id">;

/** Reads the labelled pairs of a folder, whoever writes to it. An answer that is just being written is left out. */
export async function readPairFiles(folder: string): Promise<StoredPairs> {
  const stored = await readStored(folder);
  if (stored !== undefined) return stored;
  throw new DifftuneError("FILE", `${folder} holds no labels: it has no ${names.lines}.`, { path: folder, hint: "Make some with difftune label." });
}

/**
 * Labelled pairs on the disk, held by one process. What {@link append} and {@link undo} have resolved stays, whatever happens to
 * the process or the machine; an answer that was cut off in the middle is taken away when the folder is opened again.
 *
 * @example
 * const files = await PairFiles.open("labels", { features: ["x", "y"], states: ["agentX", "agentY"] });
 * const pair = await files.append({ horizon: 1, label: 0, ... });
 * await files.close();
 */
export class PairFiles {
  readonly folder: string;
  readonly columns: PairColumns;
  readonly #lock: FolderLock;
  readonly #lines: FileHandle;
  readonly #segments: FileHandle;
  #pairs: readonly PreferencePair[];
  #nextId: number;
  #lineBytes: number;
  #segmentBytes: number;
  #isClosed = false;
  /** Why nothing can be written any more. */
  #failure: DifftuneError | undefined;
  /** The last call: answers are written one after the other. */
  #last: Promise<unknown> = Promise.resolve();

  private constructor(folder: string, stored: StoredPairs, lock: FolderLock, lines: FileHandle, segments: FileHandle) {
    this.folder = folder;
    this.columns = stored.columns;
    this.#lock = lock;
    this.#lines = lines;
    this.#segments = segments;
    this.#pairs = stored.pairs;
    this.#nextId = stored.nextId;
    this.#lineBytes = stored.lineBytes;
    this.#segmentBytes = stored.segmentBytes;
  }

  /**
   * Opens the labels of a folder to go on with them, or begins new ones where it has none. Refuses a folder that another process
   * writes to, labels of other columns, and files that are damaged or do not belong together; it leaves those as they are.
   */
  static async open(folder: string, columns: PairColumns): Promise<PairFiles> {
    await makeFolder(folder);
    const lock = await FolderLock.take(folder);
    const handles: FileHandle[] = [];
    try {
      const stored = (await readStored(folder)) ?? (await begin(folder, columns));
      checkColumns(folder, stored.columns, columns);
      const openPart = async (name: string, bytes: number): Promise<FileHandle> => {
        const file = path.join(folder, name);
        try {
          // Not for appending: a position is always given, so that what a failed answer has left is written over.
          const handle = await open(file, constants.O_RDWR | constants.O_CREAT);
          handles.push(handle);
          await handle.truncate(bytes);
          await handle.sync();
          return handle;
        } catch (cause) {
          throw fileError("opened", file, cause);
        }
      };
      return new PairFiles(folder, stored, lock, await openPart(names.lines, stored.lineBytes), await openPart(names.segments, stored.segmentBytes));
    } catch (error) {
      for (const handle of handles) await handle.close().catch(() => undefined);
      await lock.release();
      throw error;
    }
  }

  /** What is labelled, in the order of the answers; what was undone is left out. */
  get pairs(): readonly PreferencePair[] {
    return this.#pairs;
  }

  /** The id that the next pair will have; no pair ever had it. */
  get nextId(): number {
    return this.#nextId;
  }

  /** Adds a pair. It is on the disk when this resolves; where it does not fit there, nothing of it is. */
  append(pair: NewPair): Promise<PreferencePair> {
    return this.#inTurn(async () => {
      const whole: PreferencePair = { id: this.#nextId, ...pair };
      const { line, segments } = encodePair(this.columns, whole, this.#segmentBytes);
      await this.#write(segments, line);
      this.#pairs = [...this.#pairs, whole];
      this.#nextId = whole.id + 1;
      return whole;
    });
  }

  /** Takes the last pair back and returns it; undefined where there is none. */
  undo(): Promise<PreferencePair | undefined> {
    return this.#inTurn(async () => {
      const last = this.#pairs.at(-1);
      if (last === undefined) return undefined;
      await this.#write(new Uint8Array(0), encodeUndo(last.id));
      this.#pairs = this.#pairs.slice(0, -1);
      return last;
    });
  }

  /** Waits for what is being written, and gives the folder back. Twice is once. */
  close(): Promise<void> {
    return this.#inTurn(async () => {
      this.#failure ??= new DifftuneError("FILE", `The labels of ${this.folder} were closed.`, { path: this.folder, hint: "Open them again." });
      for (const handle of [this.#lines, this.#segments]) await handle.close().catch(() => undefined);
      if (this.#isClosed) return;
      this.#isClosed = true;
      await this.#lock.release();
    });
  }

  /** Segments first, then the line, each flushed: a line that is there has its segments. */
  async #write(segments: Uint8Array, line: string): Promise<void> {
    if (this.#failure !== undefined) throw this.#failure;
    const bytes = Buffer.from(line);
    const parts = [[this.#segments, segments, this.#segmentBytes, names.segments], [this.#lines, bytes, this.#lineBytes, names.lines]] as const;
    for (const [handle, content, position, name] of parts) {
      if (content.byteLength === 0) continue;
      try {
        await writeFully(handle, content, position);
        await handle.datasync();
      } catch (cause) {
        throw await this.#takeBack(fileError("written", path.join(this.folder, name), cause));
      }
    }
    this.#segmentBytes += segments.byteLength;
    this.#lineBytes += bytes.byteLength;
  }

  /** Cuts both files to what is acknowledged. Where even that fails, nothing more is written: the next opening cuts them. */
  async #takeBack(error: DifftuneError): Promise<DifftuneError> {
    try {
      await this.#lines.truncate(this.#lineBytes);
      await this.#segments.truncate(this.#segmentBytes);
    } catch {
      this.#failure = error;
    }
    return error;
  }

  #inTurn<Result>(work: () => Promise<Result>): Promise<Result> {
    const result = this.#last.then(work);
    this.#last = result.catch(() => undefined);
    return result;
  }
}

/** What a folder holds; undefined where it holds no labels. */
async function readStored(folder: string): Promise<StoredPairs | undefined> {
  const lines = await readPart(folder, names.lines);
  const segments = await readPart(folder, names.segments);
  if (lines === undefined) {
    // The segment file is made first: alone and empty it is what a stop between the two leaves.
    if (segments === undefined || segments.byteLength === 0) return undefined;
    throw new DifftuneError("FORMAT", `${folder} has segments of labels in ${names.segments}, but no ${names.lines}.`, {
      path: folder, hint: `Bring ${names.lines} back, or choose another folder.`,
    });
  }
  try {
    return readPairs(lines, segments ?? new Uint8Array(0));
  } catch (cause) {
    if (!(cause instanceof DifftuneError)) throw cause;
    throw new DifftuneError(cause.code, `${path.join(folder, names.lines)}: ${cause.message}`, {
      path: path.join(folder, names.lines), cause, ...(cause.index === undefined ? {} : { index: cause.index }),
    });
  }
}

async function readPart(folder: string, name: string): Promise<Uint8Array | undefined> {
  try {
    return await readFile(path.join(folder, name));
  } catch (cause) {
    if (systemCode(cause) === "ENOENT") return undefined;
    throw fileError("read", path.join(folder, name), cause);
  }
}

/** Makes the two files of a new store, the one that makes it a store last. */
async function begin(folder: string, columns: PairColumns): Promise<StoredPairs> {
  const header = encodePairHeader(columns);
  await writeAtomically(path.join(folder, names.segments), "");
  await writeAtomically(path.join(folder, names.lines), header);
  await syncFolder(folder);
  return { columns, pairs: [], nextId: 0, isTorn: false, lineBytes: Buffer.byteLength(header), segmentBytes: 0 };
}

function checkColumns(folder: string, got: PairColumns, expected: PairColumns): void {
  for (const kind of ["features", "states"] as const) {
    if (got[kind].length === expected[kind].length && got[kind].every((name, at) => name === expected[kind][at])) continue;
    throw new DifftuneError("FORMAT", `The labels of ${folder} have the ${kind} ${got[kind].join(", ")}; these would be ${expected[kind].join(", ")}.`, {
      path: folder, expected: expected[kind], got: got[kind], hint: "Choose another folder for labels of another kind.",
    });
  }
}

async function writeFully(handle: FileHandle, content: Uint8Array, position: number): Promise<void> {
  for (let done = 0; done < content.byteLength;) {
    const { bytesWritten } = await handle.write(content, done, content.byteLength - done, position + done);
    done += bytesWritten;
  }
}

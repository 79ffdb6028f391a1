import { link, readFile, rename, rm, writeFile } from "node:fs/promises";
import { hostname } from "node:os";
import path from "node:path";
import { DifftuneError } from "../core/errors.js";
import { fileError, systemCode } from "./files.js";

/** Who holds a folder. */
interface Holder {
  readonly pid: number;
  readonly host: string;
  /** When that process was started, as its system counts; empty where the system does not tell. */
  readonly mark: string;
}

const lockName = "lock";

/** A process id is used again after a restart; together with the moment of its start it is not. */
async function startMark(pid: number): Promise<string> {
  try {
    const [stat, boot] = await Promise.all([readFile(`/proc/${pid}/stat`, "utf8"), readFile("/proc/sys/kernel/random/boot_id", "utf8")]);
    // The name of the program, in parentheses, may hold spaces; field 22 counted from the start is 20 behind it.
    return `${boot.trim()} ${stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19] ?? ""}`;
  } catch {
    return "";
  }
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (cause) {
    return systemCode(cause) === "EPERM";
  }
}

async function isAlive({ pid, host, mark }: Holder): Promise<boolean> {
  // Of another computer on a shared disk nothing is known; it must be asked.
  if (host !== hostname()) return true;
  return isRunning(pid) && (mark === "" || mark === (await startMark(pid)));
}

async function readHolder(file: string): Promise<Holder | undefined> {
  try {
    const value: unknown = JSON.parse(await readFile(file, "utf8"));
    const { pid, host, mark } = value as Partial<Record<keyof Holder, unknown>>;
    return typeof pid === "number" && typeof host === "string" && typeof mark === "string" ? { pid, host, mark } : undefined;
  } catch (cause) {
    if (cause instanceof SyntaxError || systemCode(cause) === "ENOENT") return undefined;
    throw fileError("read", file, cause);
  }
}

/** Keeps two processes from writing into one folder. A lock whose process is dead is taken over. */
export class FolderLock {
  readonly #file: string;

  private constructor(file: string) {
    this.#file = file;
  }

  /** Takes the folder, or says who has it. */
  static async take(folder: string): Promise<FolderLock> {
    const file = path.join(folder, lockName);
    const own = `${file}.${process.pid}`;
    try {
      await writeFile(own, JSON.stringify({ pid: process.pid, host: hostname(), mark: await startMark(process.pid) } satisfies Holder));
      // A hard link appears whole or not at all, and only if there is none: of two processes one wins.
      for (let attempt = 0; attempt < 3; attempt++) {
        try {
          await link(own, file);
          return new FolderLock(file);
        } catch (cause) {
          if (systemCode(cause) !== "EEXIST") throw cause;
        }
        const holder = await readHolder(file);
        if (holder !== undefined && (await isAlive(holder))) {
          throw new DifftuneError("FILE", `${folder} is in use by process ${holder.pid}${holder.host === hostname() ? "" : ` on ${holder.host}`}.`, {
            hint: `Wait for it to end, or choose another folder. If it is surely gone, delete ${file}.`,
            path: folder,
            got: holder,
          });
        }
        // Renamed first: whoever comes second finds it gone, instead of deleting the winner's.
        const stale = `${own}.stale`;
        await rename(file, stale).catch((cause: unknown) => {
          if (systemCode(cause) !== "ENOENT") throw cause;
        });
        const taken = await readHolder(stale);
        if (taken !== undefined && (await isAlive(taken))) await link(stale, file).catch(() => undefined);
        await rm(stale, { force: true });
      }
      throw new DifftuneError("FILE", `${folder} is being taken by several processes at once.`, { path: folder, hint: "Try again." });
    } catch (cause) {
      throw fileError("written", file, cause);
    } finally {
      await rm(own, { force: true }).catch(() => undefined);
    }
  }

  /** Gives the folder back. */
  async release(): Promise<void> {
    await rm(this.#file, { force: true }).catch(() => undefined);
  }
}

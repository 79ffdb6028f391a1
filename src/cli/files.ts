import { mkdir, open, readFile, rename, rm } from "node:fs/promises";
import path from "node:path";
import { DifftuneError } from "../core/errors.js";

/** The operating system's word for what went wrong with a file, if that is what `cause` is about. */
export function systemCode(cause: unknown): string | undefined {
  return cause instanceof Error && "code" in cause && typeof cause.code === "string" ? cause.code : undefined;
}

/** What happened, and what to do, by the operating system's word for it. */
const explanations: Readonly<Record<string, readonly [what: string, hint: string]>> = {
  ENOSPC: ["the disk is full.", "What was there before is untouched: free some space and go on."],
  EDQUOT: ["the quota of the disk is used up.", "What was there before is untouched: free some space and go on."],
  EFBIG: ["the file would be larger than is allowed.", "What was there before is untouched: raise the limit and go on."],
  EACCES: ["permission is denied.", "Choose another place, or change the permissions of this one."],
  EPERM: ["the operation is not permitted.", "Choose another place, or change the permissions of this one."],
  EROFS: ["the file system is read-only.", "Choose another place."],
  ENOENT: ["there is no such file or folder.", "Check the path."],
  EEXIST: ["a file of that name is in the way.", "Choose another place."],
  ENOTDIR: ["a part of the path is a file, not a folder.", "Choose another place."],
  EISDIR: ["it is a folder, not a file.", "Check the path."],
  EMFILE: ["too many files are open.", "Close some programs, or raise the limit."],
};

/** The error for a file that cannot be used as it should. */
export function fileError(verb: "read" | "written" | "opened" | "removed", file: string, cause: unknown): DifftuneError {
  if (cause instanceof DifftuneError) return cause;
  const [what, hint] = explanations[systemCode(cause) ?? ""] ?? [cause instanceof Error ? `${cause.message}.` : "the reason is unknown.", undefined];
  return new DifftuneError("FILE", `${file} cannot be ${verb}: ${what}`, { path: file, cause, ...(hint === undefined ? {} : { hint }) });
}

/** The bytes of a file. */
export async function readBytes(file: string): Promise<Uint8Array> {
  try {
    return await readFile(file);
  } catch (cause) {
    throw fileError("read", file, cause);
  }
}

/** Makes a folder and those above it. */
export async function makeFolder(folder: string): Promise<void> {
  try {
    await mkdir(folder, { recursive: true });
  } catch (cause) {
    throw fileError("written", folder, cause);
  }
}

/** Makes renames in a folder last through a loss of power. Windows opens no folders and needs it not. */
export async function syncFolder(folder: string): Promise<void> {
  if (process.platform === "win32") return;
  const handle = await open(folder, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/**
 * Writes a file so that whoever looks finds the old content or the new one, whole, whatever happens in between: into a
 * temporary file beside it, flushed to the disk, then renamed.
 */
export async function writeAtomically(file: string, content: Uint8Array | string): Promise<void> {
  const temporary = `${file}.tmp`;
  try {
    const handle = await open(temporary, "w");
    try {
      await handle.writeFile(content);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(temporary, file);
    await syncFolder(path.dirname(file));
  } catch (cause) {
    await rm(temporary, { force: true }).catch(() => undefined);
    throw fileError("written", file, cause);
  }
}

import { readdir, readFile, stat } from "node:fs/promises";
import path from "node:path";
import { DifftuneError } from "../../core/errors.js";
import { summariseRun, type RunSummary } from "./run-summary.js";

const files = { run: "run.json", metrics: "metrics.jsonl", evaluations: "evaluations" } as const;

/** A run and where it was found. */
export interface FoundRun {
  readonly folder: string;
  readonly summary: RunSummary;
}

/**
 * Reads run folders, whoever writes to them at this moment. A folder that is no run but holds some, such as `runs`, stands for
 * all of them. Parts that are missing or broken become faults of the summary; a folder without any run is an error.
 */
export async function readRunFolders(folders: readonly string[]): Promise<readonly FoundRun[]> {
  const found: string[] = [];
  for (const folder of folders) {
    if (await isRun(folder)) {
      found.push(folder);
      continue;
    }
    const runs: string[] = [];
    for (const name of await namesIn(folder)) if (await isRun(path.join(folder, name))) runs.push(path.join(folder, name));
    if (runs.length === 0) {
      const isThere = await stat(folder).then((entry) => entry.isDirectory(), () => false);
      throw new DifftuneError("OPTION", isThere ? `${folder} holds no run.` : `There is no folder ${folder}.`, {
        hint: `A run is a folder with ${files.run} or ${files.metrics}, such as finetune and pretrain make.`,
        path: folder,
      });
    }
    found.push(...runs);
  }
  const unique = new Map(found.map((folder) => [path.resolve(folder), folder]));
  const names = shortNames([...unique.keys()]);
  return Promise.all([...unique.values()].map(async (folder, index) => ({ folder, summary: await readRunFolder(folder, names[index]!) })));
}

async function readRunFolder(folder: string, name: string): Promise<RunSummary> {
  const evaluations: Record<string, string> = {};
  const folderOfEvaluations = path.join(folder, files.evaluations);
  for (const file of await namesIn(folderOfEvaluations)) {
    if (!file.endsWith(".json")) continue;
    const text = await readText(path.join(folderOfEvaluations, file));
    if (text !== undefined) evaluations[file.slice(0, -".json".length)] = text;
  }
  const [run, metrics] = await Promise.all([readText(path.join(folder, files.run)), readText(path.join(folder, files.metrics))]);
  return summariseRun({ name, run, metrics, evaluations });
}

async function isRun(folder: string): Promise<boolean> {
  const names = await namesIn(folder);
  return names.includes(files.run) || names.includes(files.metrics);
}

/** Sorted, numbers by their value; nothing where there is no folder. */
async function namesIn(folder: string): Promise<string[]> {
  const names = await readdir(folder).catch(() => []);
  return names.sort((a, b) => a.localeCompare(b, "en", { numeric: true }));
}

/** What cannot be read is as good as missing, and reported so. */
async function readText(file: string): Promise<string | undefined> {
  return readFile(file, "utf8").catch(() => undefined);
}

/** The last part of each path, with as many before it as tell it from the others. */
function shortNames(folders: readonly string[]): string[] {
  const parts = folders.map((folder) => folder.split(path.sep).filter((part) => part !== ""));
  for (let length = 1; ; length++) {
    const names = parts.map((words) => words.slice(-length).join("/"));
    if (new Set(names).size === names.length || parts.every((words) => words.length <= length)) return names;
  }
}

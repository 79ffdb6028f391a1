import { execFile } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { promisify } from "node:util";
import { expectBuilt } from "../expect-built.js";

/** Runs a program of `examples` as its readers do, on the built package; gives what it prints. */
export async function runExample(name: string, { words = [], sizes = {} }: { readonly words?: readonly string[]; readonly sizes?: Readonly<Record<string, string | number>> } = {}): Promise<string> {
  await expectBuilt();
  const file = new URL(`../../examples/${name}`, import.meta.url).pathname;
  const variables = Object.fromEntries(Object.entries(sizes).map(([size, value]) => [size, String(value)]));
  const { stdout } = await promisify(execFile)(process.execPath, [file, ...words], { env: { ...process.env, ...variables } });
  return stdout;
}

/** Gives a path in a folder that is gone afterwards. */
export async function withFile<T>(name: string, work: (file: string) => Promise<T>): Promise<T> {
  const folder = await mkdtemp(path.join(tmpdir(), "difftune-"));
  try {
    return await work(path.join(folder, name));
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

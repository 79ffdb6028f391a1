#!/usr/bin/env node
/** Makes a Chromium available for the browser tests: one that is installed, else Debian's package. */
import { access } from "node:fs/promises";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { canInstall, installPackages, readRelease } from "./apt.mjs";
import { say } from "./bootstrap.mjs";

const names = ["chromium", "chromium-browser", "google-chrome-stable", "google-chrome"];

/** The program that `DIFFTUNE_CHROMIUM` names, else the first on the path. */
export async function findChromium() {
  if (process.env.DIFFTUNE_CHROMIUM !== undefined) return process.env.DIFFTUNE_CHROMIUM;
  const folders = (process.env.PATH ?? "").split(path.delimiter);
  for (const name of names) {
    for (const folder of folders) {
      const file = path.join(folder, name);
      if (await access(file).then(() => true, () => false)) return file;
    }
  }
  return undefined;
}

/** `{ file }`, or `{ reason }` why the browser tests cannot run. Ubuntu's package is an empty shell around a snap. */
export async function provideChromium({ log }) {
  const file = await findChromium();
  if (file !== undefined) return { file };
  const { ID } = await readRelease();
  if (ID !== "debian" || !(await canInstall())) return { reason: "no Chromium is installed, and this is no Debian that lets us install it" };
  log("No Chromium: installing Debian's …");
  try {
    await installPackages(["chromium"], log);
  } catch (error) {
    return { reason: error.message };
  }
  const installed = await findChromium();
  return installed === undefined ? { reason: "Debian's chromium is installed, but is not on the path" } : { file: installed };
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { file, reason } = await provideChromium({ log: say });
  say(file ?? reason);
  process.exitCode = file === undefined ? 1 : 0;
}

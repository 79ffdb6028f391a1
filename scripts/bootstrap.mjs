/**
 * From a bare clone to a built package, with nothing but Node: installs when node_modules is missing or is not what
 * the lock file says, builds when a source has changed since the last build. Both decisions look at contents, never at
 * file times, which a clone or a copy does not keep.
 */
import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { readFile, readdir } from "node:fs/promises";
import path from "node:path";
import { fileURLToPath } from "node:url";

export const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "..");
export const stampFile = path.join(root, "build/stamp");

const sourceFolders = ["kernels", "assembly", "src"];
const sourceFiles = ["scripts/build.mjs", "tsconfig.json", "package-lock.json"];
const outputs = ["dist/index.js", "dist/cli/main.js"];

/** Says what goes on, on the error stream: standard output belongs to the command that follows. */
export function say(line) {
  process.stderr.write(`${line}\n`);
}

/** Runs a command in the package's folder with its output shown; gives its exit status. */
export function runCommand(command, args, { variables = {}, stdout = "inherit" } = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, {
      cwd: root,
      env: { ...process.env, ...variables },
      stdio: ["ignore", stdout === "stderr" ? process.stderr : stdout, "inherit"],
      // npm is a batch file on Windows, which only a shell can start.
      shell: process.platform === "win32" && command === "npm",
    });
    child.on("error", reject);
    child.on("close", (status, signal) => resolve(signal === null ? status : 1));
  });
}

/** Whether every package of the lock file that must be there is installed in the locked version. */
export function isInstalled(lock, installed) {
  return Object.entries(lock.packages).every(
    ([place, { version, optional }]) => place === "" || optional === true || installed.packages[place]?.version === version,
  );
}

/** Runs `npm ci` where the installed packages are not those of the lock file. */
export async function ensureInstalled() {
  const [lock, installed] = await Promise.all(
    ["package-lock.json", "node_modules/.package-lock.json"].map(async (name) =>
      JSON.parse(await readFile(path.join(root, name), "utf8").catch(() => '{"packages":{}}')),
    ),
  );
  if (isInstalled(lock, installed)) return;
  say("Installing dependencies …");
  const status = await runCommand("npm", ["ci", "--no-audit", "--no-fund", "--loglevel=error"], { stdout: "stderr" });
  if (status !== 0) throw new Error("`npm ci` failed: see above.");
}

/** One hash over the names and contents of everything that the build reads. */
export async function hashSources() {
  const listed = await Promise.all(
    sourceFolders.map(async (folder) => {
      const entries = await readdir(path.join(root, folder), { recursive: true, withFileTypes: true });
      return entries
        .filter((entry) => entry.isFile())
        .map((entry) => path.relative(root, path.join(entry.parentPath, entry.name)).split(path.sep).join("/"))
        .filter((file) => !file.includes("/generated/") && !file.endsWith(".md"));
    }),
  );
  const files = [...sourceFiles, ...listed.flat().sort()];
  const contents = await Promise.all(files.map((file) => readFile(path.join(root, file))));
  const hash = createHash("sha256");
  for (const [index, file] of files.entries()) hash.update(`${file}\0${contents[index].length}\0`).update(contents[index]);
  return hash.digest("hex");
}

/** Builds where the last complete build was of other sources, or its output is gone. */
export async function ensureBuilt() {
  const [current, built, ...present] = await Promise.all([
    hashSources(),
    readFile(stampFile, "utf8").catch(() => ""),
    ...outputs.map((file) => readFile(path.join(root, file)).then(() => true, () => false)),
  ]);
  if (current === built && present.every(Boolean)) return;
  say("Building …");
  const status = await runCommand(process.execPath, ["scripts/build.mjs"], { stdout: "stderr" });
  if (status !== 0) throw new Error("The build failed: see above.");
}

/**
 * Installs packages on Debian and Ubuntu without touching the system's package sources: lists and archives live in a
 * temporary folder, sources are derived from the system's own, and only the packages are left behind.
 */
import { execFile, spawn } from "node:child_process";
import { chmod, mkdir, mkdtemp, readFile, readdir, rm, writeFile } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);
const lockWaitMs = 300_000;

/** Fields of an os-release file. */
export function parseRelease(text) {
  return Object.fromEntries(
    text
      .split("\n")
      .map((line) => /^([A-Z_]+)=(.*)$/.exec(line))
      .filter((match) => match !== null)
      .map(([, name, value]) => [name, value.replace(/^(["'])(.*)\1$/, "$2")]),
  );
}

/** What this system says it is; nothing where it does not say. */
export async function readRelease() {
  return parseRelease(await readFile("/etc/os-release", "utf8").catch(() => ""));
}

/**
 * The system's own entries of one release, with one more suite on the entry that names the release itself. Both
 * formats of sources are known: stanzas of fields, and one line an entry.
 *
 * @param {string} text
 * @param {string} format "sources" or "list"
 * @param {string} codename of the release
 * @param {string} suite to add; "" for none
 * @returns {{ text: string, isAdded: boolean }}
 */
export function deriveSources(text, format, codename, suite) {
  let isAdded = suite === "";
  const belongs = (suites) => suites.some((name) => name === codename || name.startsWith(`${codename}-`));
  if (format === "sources") {
    const stanzas = text.split(/\n\s*\n/).filter((stanza) => {
      const suites = /^Suites:(.*)$/m.exec(stanza)?.[1].trim().split(/\s+/) ?? [];
      return belongs(suites) && !/^Enabled:\s*no/im.test(stanza) && /^Types:.*\bdeb\b/m.test(stanza);
    });
    const lines = stanzas.map((stanza) => {
      const suites = /^Suites:(.*)$/m.exec(stanza)[1].trim().split(/\s+/);
      if (isAdded || !suites.includes(codename)) return stanza.trim();
      isAdded = true;
      return stanza.trim().replace(/^Suites:.*$/m, `Suites: ${[...new Set([...suites, suite])].join(" ")}`);
    });
    return { text: lines.join("\n\n"), isAdded };
  }
  const lines = text.split("\n").flatMap((line) => {
    const entry = /^(deb\s+(?:\[[^\]]*\]\s+)?\S+\s+)(\S+)(\s.*)$/.exec(line.trim());
    if (entry === null || !belongs([entry[2]])) return [];
    if (isAdded || entry[2] !== codename) return [line.trim()];
    isAdded = true;
    return [line.trim(), `${entry[1]}${suite}${entry[3]}`];
  });
  return { text: lines.join("\n"), isAdded };
}

/** Writes the derived entries of every source file of the system into a folder. */
async function writeSources(folder, codename, suite) {
  const parts = await readdir("/etc/apt/sources.list.d").catch(() => []);
  const files = ["/etc/apt/sources.list", ...parts.map((name) => path.join("/etc/apt/sources.list.d", name))];
  let wanted = suite;
  for (const [index, file] of files.entries()) {
    const format = path.extname(file).slice(1);
    if (format !== "sources" && format !== "list") continue;
    const text = await readFile(file, "utf8").catch(() => "");
    const derived = deriveSources(text, format, codename, wanted);
    if (derived.text === "") continue;
    if (derived.isAdded) wanted = "";
    await writeFile(path.join(folder, `system-${index}.${format}`), `${derived.text}\n`);
  }
  return wanted === "";
}

/** What goes before a command to run it as root: nothing, `sudo` where it asks no password, `undefined` where neither. */
async function privilege() {
  if (process.getuid?.() === 0) return [];
  try {
    await run("sudo", ["-n", "true"]);
    return ["sudo", "-n"];
  } catch {
    return undefined;
  }
}

/** Runs a command with its output shown, and again while another process holds the package manager's lock. */
async function runPatiently(command, log) {
  const end = Date.now() + lockWaitMs;
  for (;;) {
    const { code, output } = await new Promise((resolve, reject) => {
      const child = spawn(command[0], command.slice(1), { stdio: ["ignore", "pipe", "pipe"] });
      let text = "";
      for (const stream of [child.stdout, child.stderr]) {
        stream.on("data", (bytes) => {
          text += bytes;
        });
      }
      child.on("error", reject);
      child.on("close", (status) => resolve({ code: status, output: text }));
    });
    if (code === 0) return;
    if (!/could not get lock|unable to (acquire|lock)/i.test(output) || Date.now() > end) {
      log(output.trim().split("\n").slice(-15).join("\n"));
      throw new Error(`\`${command.join(" ")}\` ended with status ${code}.`);
    }
    await new Promise((resolve) => setTimeout(resolve, 3000));
  }
}

/** Whether this is a system with apt on which this user may install. */
export async function canInstall() {
  const hasApt = await run("apt-get", ["--version"]).then(() => true, () => false);
  return hasApt && (await privilege()) !== undefined;
}

/** Installs packages, from one more suite of the system's own archive where `suite` names one. */
export async function installPackages(names, log, { suite = "" } = {}) {
  const release = await readRelease();
  const prefix = await privilege();
  if (prefix === undefined) throw new Error("This needs root, or sudo without a password.");
  const folder = await mkdtemp(path.join(os.tmpdir(), "difftune-apt-"));
  try {
    // apt downloads as a user of its own, which must be able to enter the folder.
    await chmod(folder, 0o755);
    for (const name of ["sources", "lists/partial", "cache/archives/partial"]) {
      await mkdir(path.join(folder, name), { recursive: true });
    }
    if (!(await writeSources(path.join(folder, "sources"), release.VERSION_CODENAME, suite))) {
      throw new Error(`No package source of "${release.VERSION_CODENAME}" was found to derive "${suite}" from.`);
    }
    const options = [
      "-q",
      "-o", "Dir::Etc::SourceList=/dev/null",
      "-o", `Dir::Etc::SourceParts=${path.join(folder, "sources")}`,
      "-o", `Dir::State::Lists=${path.join(folder, "lists")}`,
      "-o", `Dir::Cache=${path.join(folder, "cache")}`,
      "-o", "DPkg::Lock::Timeout=300",
      "-o", "Acquire::Retries=3",
    ];
    const apt = [...prefix, "env", "DEBIAN_FRONTEND=noninteractive", "apt-get", ...options];
    await runPatiently([...apt, "update"], log);
    await runPatiently([...apt, "install", "-y", "--no-install-recommends", ...(suite === "" ? [] : ["-t", suite]), ...names], log);
  } finally {
    if (prefix.length > 0) await run(prefix[0], [...prefix.slice(1), "rm", "-rf", folder]).catch(() => undefined);
    else await rm(folder, { recursive: true, force: true });
  }
}

#!/usr/bin/env node
/**
 * Makes a WebGPU adapter available to Node.
 *
 *   node scripts/webgpu-adapter.mjs           use the adapter that is there, else install software Vulkan
 *   node scripts/webgpu-adapter.mjs --check   only look
 *
 * Looks first: Dawn (the `webgpu` package) is asked for an adapter and a device in a child process, so that a driver
 * that crashes cannot take the caller with it. Where there is none, Mesa's software Vulkan (lavapipe) is installed on
 * Debian and Ubuntu. Dawn refuses Mesa before 23, hence on Debian 12 the packages come from its backports suite. The
 * installation reads its package lists from a temporary folder: no source of the system is changed.
 */
import { execFile, spawn } from "node:child_process";
import { chmod, mkdir, mkdtemp, readFile, readdir, rm, writeFile } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const run = promisify(execFile);
const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "..");
const packages = ["mesa-vulkan-drivers", "libvulkan1"];
const driverFolders = ["/usr/share/vulkan/icd.d", "/etc/vulkan/icd.d"];
const lockWaitMs = 300_000;

/** Runs in the child process: one adapter, one device, one line of JSON. */
const probe = `
  const { create } = await import("webgpu");
  const gpu = create([]);
  const adapter = await gpu.requestAdapter();
  if (adapter === null) {
    console.log(JSON.stringify({ reason: "no adapter" }));
  } else {
    const { vendor, architecture, device, description, isFallbackAdapter } = adapter.info;
    const { maxStorageBuffersPerShaderStage } = adapter.limits;
    (await adapter.requestDevice()).destroy();
    console.log(JSON.stringify({ vendor, architecture, device, description, isFallbackAdapter, maxStorageBuffersPerShaderStage }));
  }
`;

/** The adapter that Dawn finds under these extra environment variables, or the reason why there is none. */
export async function findAdapter(variables = {}) {
  try {
    const { stdout } = await run(process.execPath, ["--input-type=module", "--eval", probe], {
      cwd: root,
      env: { ...process.env, ...variables },
      timeout: 120_000,
    });
    const found = JSON.parse(stdout.trim().split("\n").at(-1) ?? "{}");
    return found.reason === undefined ? { adapter: found, variables } : { reason: found.reason };
  } catch (error) {
    if (/ERR_MODULE_NOT_FOUND/.test(error.stderr ?? "")) {
      return { reason: "the optional package `webgpu` is not installed", isPackageMissing: true };
    }
    return { reason: `Dawn failed: ${firstLine(error.stderr || error.message)}` };
  }
}

function firstLine(text) {
  return text.trim().split("\n").find((line) => /error/i.test(line)) ?? text.trim().split("\n")[0] ?? "";
}

/** What a default loader finds, else what it finds when pointed at the software driver alone. */
async function findAnyAdapter() {
  const plain = await findAdapter();
  if (plain.adapter !== undefined || process.env.VK_DRIVER_FILES !== undefined) return plain;
  for (const folder of driverFolders) {
    const files = await readdir(folder).catch(() => []);
    for (const file of files.filter((name) => name.startsWith("lvp_icd"))) {
      const forced = await findAdapter({ VK_DRIVER_FILES: path.join(folder, file) });
      if (forced.adapter !== undefined) return forced;
    }
  }
  return plain;
}

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

/**
 * How to get a Mesa that Dawn accepts on this system: the suite to add (`""`: the system's own packages will do), or
 * `undefined` where we know no way.
 */
export function extraSuite(release) {
  const family = [release.ID, ...(release.ID_LIKE ?? "").split(" ")];
  const version = Number(release.VERSION_ID);
  if (release.ID === "debian") {
    if (version === 12) return "bookworm-backports";
    return version < 12 ? undefined : "";
  }
  if (release.ID === "ubuntu") return version >= 24.04 ? "" : undefined;
  return family.includes("debian") || family.includes("ubuntu") ? "" : undefined;
}

/**
 * The system's own entries of one release, with one more suite on the entry that names the release itself. Both
 * formats of sources are known: stanzas of fields, and one line an entry.
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

/**
 * `apt-get` with package lists and archives of its own in a temporary folder, sources derived from the system's: nothing
 * but the packages is left behind, and no other process's lock but dpkg's is in the way.
 */
export async function installPackages(names, log, { suite = "" } = {}) {
  const release = parseRelease(await readFile("/etc/os-release", "utf8").catch(() => ""));
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

/** What a person should type where this script cannot do it. */
export function advice(release) {
  const suite = extraSuite(release);
  if (suite === undefined) {
    return "Install a Vulkan driver: your GPU vendor's, or Mesa 23 or newer (package mesa-vulkan-drivers or vulkan-swrast).";
  }
  const target = suite === "" ? "" : `-t ${suite} `;
  const before = suite === "" ? "" : `add the suite "${suite}" to your package sources, then `;
  return `As root, ${before}run: apt-get update && apt-get install -y ${target}${packages.join(" ")}`;
}

/**
 * An adapter for this machine, installed where needed: `{ adapter, variables }` with the environment variables it needs,
 * or `{ reason, advice }`.
 */
export async function provideAdapter({ log, mayInstall = true }) {
  const found = await findAnyAdapter();
  if (found.adapter !== undefined) return found;
  const release = parseRelease(await readFile("/etc/os-release", "utf8").catch(() => ""));
  const suite = extraSuite(release);
  if (found.isPackageMissing) return { reason: found.reason, advice: "Run: npm ci --include=optional" };
  const isInstallable = mayInstall && process.platform === "linux" && suite !== undefined && (await privilege()) !== undefined;
  if (!isInstallable) return { reason: found.reason, advice: advice(release) };
  log(`No WebGPU adapter (${found.reason}): installing Mesa's software Vulkan …`);
  try {
    await installPackages(packages, log, { suite });
  } catch (error) {
    return { reason: error.message, advice: advice(release) };
  }
  const installed = await findAnyAdapter();
  return installed.adapter === undefined ? { reason: `${installed.reason}, even with Mesa installed`, advice: advice(release) } : installed;
}

/** One line for a person. */
export function describe({ adapter, variables }) {
  const kind = adapter.isFallbackAdapter ? "software" : "hardware";
  const extra = Object.entries(variables).map(([name, value]) => ` with ${name}=${value}`).join("");
  return `${adapter.description || adapter.device || adapter.vendor} (${kind}, ${adapter.vendor || "unknown vendor"})${extra}`;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const provided = await provideAdapter({
    log: (line) => process.stderr.write(`${line}\n`),
    mayInstall: !process.argv.includes("--check"),
  });
  if (provided.adapter === undefined) {
    process.stderr.write(`WebGPU: ${provided.reason}.\n${provided.advice}\n`);
    process.exitCode = 1;
  } else {
    process.stdout.write(`WebGPU: ${describe(provided)}\n`);
  }
}

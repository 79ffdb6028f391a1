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
import { execFile } from "node:child_process";
import { readdir } from "node:fs/promises";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { canInstall, installPackages, readRelease } from "./apt.mjs";
import { root } from "./bootstrap.mjs";

const run = promisify(execFile);
const packages = ["mesa-vulkan-drivers", "libvulkan1"];
const driverFolders = ["/usr/share/vulkan/icd.d", "/etc/vulkan/icd.d"];

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
  const release = await readRelease();
  const suite = extraSuite(release);
  if (found.isPackageMissing) return { reason: found.reason, advice: "Run: npm ci --include=optional" };
  if (!mayInstall || suite === undefined || !(await canInstall())) return { reason: found.reason, advice: advice(release) };
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

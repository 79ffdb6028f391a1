import { availableParallelism, homedir } from "node:os";
import { mkdir, readFile, rename, writeFile } from "node:fs/promises";
import path from "node:path";
import { setFlagsFromString } from "node:v8";
import { Worker } from "node:worker_threads";
import type { HostWorker } from "../../threads/host-worker.js";

/** The GPU of this process through Dawn; undefined when the optional package `webgpu` is not installed. */
export async function openGpu(dawnOptions: readonly string[]): Promise<GPU | undefined> {
  let module: typeof import("webgpu");
  try {
    module = await import("webgpu");
  } catch {
    return undefined;
  }
  return module.create([...dawnOptions]);
}

/**
 * Starts a worker that evaluates `source` with `message` as the constant `workerData`; it never keeps the process alive.
 * The options of the process are not for it: `--input-type=module` would make its source an ES module.
 */
export function startWorker(source: string, message: unknown): HostWorker {
  const worker = new Worker(`const { workerData, parentPort } = require("node:worker_threads");
const report = (text) => parentPort.postMessage(text);
${source}`, { eval: true, workerData: message, execArgv: [] });
  const ready = new Promise<void>((resolve, reject) => {
    worker.once("message", () => { resolve(); });
    worker.once("error", reject);
  });
  // The handshake needs the event loop: unreferenced only once it has happened.
  void ready.then(() => { worker.unref(); }, () => { worker.unref(); });
  return {
    ready,
    onFailure: (listener) => { worker.on("error", listener); },
    terminate: () => { void worker.terminate(); },
  };
}

/** Number of threads that are worth starting. */
export function coreCount(): number {
  return availableParallelism();
}

/** The smallest module with a relaxed SIMD instruction: (func (drop (i8x16.relaxed_swizzle ...))). */
const relaxedProbe = new Uint8Array([
  0, 97, 115, 109, 1, 0, 0, 0, 1, 5, 1, 96, 0, 1, 123, 3, 2, 1, 0, 10, 15, 1, 13, 0, 65, 1, 253, 15, 65, 2, 253, 15, 253,
  128, 2, 11,
]);

/** Switches relaxed SIMD on where it is behind a flag; returns whether it is there. */
export function enableRelaxedSimd(): boolean {
  if (!WebAssembly.validate(relaxedProbe)) setFlagsFromString("--experimental-wasm-relaxed-simd");
  return WebAssembly.validate(relaxedProbe);
}

/** Whether this thread may wait in `Atomics.wait`. */
export function mayBlock(): boolean {
  return true;
}

function cacheFile(key: string): string {
  const root = process.env.DIFFTUNE_CACHE ?? process.env.XDG_CACHE_HOME ?? path.join(homedir(), ".cache");
  return path.join(root, "difftune", `${key}.json`);
}

/** Text stored under `key` by an earlier process, if any. */
export async function readCache(key: string): Promise<string | undefined> {
  try {
    return await readFile(cacheFile(key), "utf8");
  } catch {
    return undefined;
  }
}

/** Stores text for later processes; a cache that cannot be written is no error. */
export async function writeCache(key: string, text: string): Promise<void> {
  const file = cacheFile(key);
  const temporary = `${file}.${process.pid}`;
  try {
    await mkdir(path.dirname(file), { recursive: true });
    await writeFile(temporary, text);
    await rename(temporary, file);
  } catch {
    // Read-only homes exist; the next process measures again.
  }
}

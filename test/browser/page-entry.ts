import * as host from "#host";
import { PhiloxStream } from "../../src/core/philox.js";

/** What this page can do. */
export async function capabilities() {
  const gpu = await host.openGpu([]);
  const adapter = await gpu?.requestAdapter();
  return {
    isolated: globalThis.crossOriginIsolated,
    cores: host.coreCount(),
    mayBlock: host.mayBlock(),
    hasAdapter: adapter !== undefined && adapter !== null,
    hasSharedMemory: typeof SharedArrayBuffer === "function",
  };
}

/** The first words of a stream. */
export function words(seed: number, count: number): number[] {
  const stream = new PhiloxStream(seed);
  return Array.from({ length: count }, () => stream.word());
}

/** What was stored under a key, after storing it. */
export async function storeAndRead(key: string, text: string): Promise<string | undefined> {
  await host.writeCache(key, text);
  return host.readCache(key);
}

/** What a worker started by the host says about itself; rejects when it cannot start. */
export async function startWorker(source: string): Promise<string> {
  const worker = host.startWorker(source, { word: "hello" });
  await worker.ready;
  worker.terminate();
  return "ready";
}

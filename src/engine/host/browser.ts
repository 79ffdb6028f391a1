import type { HostWorker } from "../../threads/host-worker.js";

/** The GPU of this page or worker; Dawn options are for Node only. */
export function openGpu(_dawnOptions: readonly string[]): Promise<GPU | undefined> {
  return Promise.resolve((globalThis.navigator as Partial<Navigator> | undefined)?.gpu);
}

/** Starts a worker that evaluates `source` with `message` as the constant `workerData`. */
export function startWorker(source: string, message: unknown): HostWorker {
  const url = URL.createObjectURL(new Blob([`const report = (text) => postMessage(text);
onmessage = ({ data: workerData }) => { ${source} };`], { type: "text/javascript" }));
  const worker = new Worker(url);
  const ready = new Promise<void>((resolve, reject) => {
    worker.addEventListener("message", () => { resolve(); }, { once: true });
    worker.addEventListener("error", (event) => { reject(new AggregateError([event], event.message)); }, { once: true });
  }).finally(() => { URL.revokeObjectURL(url); });
  try {
    worker.postMessage(message);
  } catch (error) {
    worker.terminate();
    throw error;
  }
  return {
    ready,
    onFailure: (listener) => { worker.addEventListener("error", listener); },
    terminate: () => { worker.terminate(); },
  };
}

/** Threads need a cross-origin-isolated page (COOP and COEP headers); elsewhere there is one. */
export function coreCount(): number {
  return globalThis.crossOriginIsolated ? navigator.hardwareConcurrency : 1;
}

/** Browsers have relaxed SIMD or not; there is no flag to set from a page. */
export function enableRelaxedSimd(): boolean {
  return WebAssembly.validate(new Uint8Array([
    0, 97, 115, 109, 1, 0, 0, 0, 1, 5, 1, 96, 0, 1, 123, 3, 2, 1, 0, 10, 15, 1, 13, 0, 65, 1, 253, 15, 65, 2, 253, 15, 253,
    128, 2, 11,
  ]));
}

/** A page's main thread may never wait in `Atomics.wait`; a worker may. */
export function mayBlock(): boolean {
  return typeof document === "undefined";
}

const storeName = "difftune";

function openStore(): Promise<IDBDatabase> {
  return new Promise((resolve, reject) => {
    const request = indexedDB.open(storeName, 1);
    request.onupgradeneeded = () => { request.result.createObjectStore(storeName); };
    request.onsuccess = () => { resolve(request.result); };
    request.onerror = () => { reject(request.error ?? new DOMException("IndexedDB refused to open")); };
  });
}

/** Text stored under `key` by an earlier visit, if any. */
export async function readCache(key: string): Promise<string | undefined> {
  try {
    const store = await openStore();
    return await new Promise((resolve) => {
      const request = store.transaction(storeName).objectStore(storeName).get(key);
      request.onsuccess = () => { resolve(typeof request.result === "string" ? request.result : undefined); };
      request.onerror = () => { resolve(undefined); };
    });
  } catch {
    return undefined;
  }
}

/** Stores text for later visits; a page without IndexedDB measures again each time. */
export async function writeCache(key: string, text: string): Promise<void> {
  try {
    const store = await openStore();
    store.transaction(storeName, "readwrite").objectStore(storeName).put(text, key);
  } catch {
    // Private windows refuse storage; nothing is lost but a second of tuning.
  }
}

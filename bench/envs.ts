import { cpus } from "node:os";
import { openPushtWorkload, pushtWorkloads } from "./envs-pusht.js";
import { openAvoidWorkload, avoidWorkloads } from "./envs-avoid.js";
import type { Suite, Workload } from "./workload.js";

/** Environment steps per second, resets included, on one thread and on all: a workload steps every environment by one chunk. */
export const envsSuite: Suite = async function* (request) {
  if (!request.engines.includes("wasm")) return;
  const device = cpus()[0]?.model.trim() ?? "unknown processor";
  const entries = request.threads.flatMap((threads) => [
    ...pushtWorkloads(threads).map((workload) => ({ name: workload.name, variant: workload.collision, threads, open: () => openPushtWorkload(workload) })),
    ...avoidWorkloads(threads).map((workload) => ({ name: workload.name, variant: workload.physics, threads, open: () => openAvoidWorkload(workload) })),
  ]);
  // Rows of one workload stand together: variants side by side, then thread counts.
  entries.sort((a, b) => a.name.localeCompare(b.name, "en", { numeric: true }) || a.threads - b.threads);
  for (const { name, variant, threads, open } of entries) {
    if (!name.includes(request.filter)) continue;
    const opened = await open();
    yield {
      workload: name,
      engine: "wasm",
      variant,
      threads,
      gflop: 0,
      items: opened.itemsPerRun,
      device,
      run: opened.run,
      close: () => { opened[Symbol.dispose](); },
    } satisfies Workload;
  }
};

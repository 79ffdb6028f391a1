/**
 * npm run bench -- <suites> [--json file] [--threads 1,2] [--engine wasm,webgpu] [--filter text] [--seconds s]
 *
 * Prints a table and, with --json, appends one JSON object a line. The suites are listed below.
 */
import { appendFile } from "node:fs/promises";
import { availableParallelism } from "node:os";
import { parseArgs } from "node:util";
import { Bench } from "tinybench";
import { enableRelaxedSimd } from "../src/engine/create-device.js";
import type { Suite, Workload } from "./workload.js";

const suites: Readonly<Record<string, () => Promise<Suite>>> = {
  kernels: async () => (await import("./kernels.js")).kernelsSuite,
  programs: async () => (await import("./programs.js")).programsSuite,
  dppo: async () => (await import("./dppo.js")).dppoSuite,
  fdpp: async () => (await import("./fdpp.js")).fdppSuite,
  unet: async () => (await import("./unet.js")).unetSuite,
  "unet-large": async () => (await import("./unet.js")).largeUnetSuite,
  envs: async () => (await import("./envs.js")).envsSuite,
};

interface Row {
  readonly workload: string;
  readonly engine: string;
  readonly variant: string;
  readonly threads: number;
  readonly runs: number;
  readonly median_ms: number;
  readonly min_ms: number;
  readonly gflop: number;
  readonly gflops_best: number;
  readonly items_per_s: number;
  readonly device: string;
}

const { values: flags, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    json: { type: "string" },
    threads: { type: "string" },
    engine: { type: "string", default: "wasm,webgpu" },
    filter: { type: "string", default: "" },
    seconds: { type: "string", default: "1" },
  },
});

const asked = positionals.length > 0 ? positionals : ["programs"];
const unknown = asked.filter((name) => !(name in suites));
const seconds = Number(flags.seconds);
const threads = flags.threads?.split(",").map(Number) ?? [...new Set([1, availableParallelism()])];
if (unknown.length > 0 || !(seconds > 0) || threads.some((count) => !Number.isInteger(count) || count < 1)) {
  process.stderr.write(`bench: cannot run ${unknown.join(", ") || "with these flags"}; suites are ${Object.keys(suites).join(", ")}\n`);
  process.exit(2);
}

/** Significant digits for a table that people read. */
function short(value: number): string {
  return value === 0 ? "" : value >= 1000 ? Math.round(value).toLocaleString("en") : value.toPrecision(3);
}

/** Share of the measured ceiling, for people; machines have gflops_best and can divide. */
function share(one: Workload, row: Row): string {
  return one.ceiling === undefined || row.gflops_best === 0 ? "" : `${Math.round((100 * row.gflops_best) / one.ceiling)} %`;
}

async function time(one: Workload): Promise<Row> {
  const bench = new Bench({ time: seconds * 1000, iterations: 5, warmupTime: seconds * 200, warmupIterations: 2, throws: true });
  const { deviceMs } = one;
  // A synchronous function is timed as such: awaiting nothing would add a turn of the event loop to microseconds of work.
  const probe = one.run();
  if (probe !== undefined) await probe;
  if (deviceMs !== undefined && (await deviceMs()) !== undefined) {
    bench.add(one.workload, async () => ({ overriddenDuration: (await deviceMs()) ?? 0 }));
  } else if (probe === undefined) {
    bench.add(one.workload, () => { void one.run(); });
  } else {
    bench.add(one.workload, async () => { await one.run(); });
  }
  const [task] = await bench.run();
  const result = task?.result;
  if (result === undefined || !("latency" in result)) throw new RangeError(`${one.workload} was not timed`);
  const { p50, min } = result.latency;
  return {
    workload: one.workload,
    engine: one.engine,
    variant: one.variant,
    threads: one.threads,
    runs: task?.runs ?? 0,
    median_ms: p50,
    min_ms: min,
    gflop: one.gflop,
    gflops_best: min > 0 ? one.gflop / (min / 1000) : 0,
    items_per_s: p50 > 0 ? one.items / (p50 / 1000) : 0,
    device: one.device,
  };
}

enableRelaxedSimd();
process.stdout.write(`${"workload".padEnd(40)}${"engine".padEnd(8)}${"variant".padEnd(14)}${"threads".padStart(7)}${"median ms".padStart(12)}${"min ms".padStart(12)}${"GFLOP/s".padStart(9)}${"of ceiling".padStart(12)}${"items/s".padStart(12)}\n`);
for (const name of asked) {
  const suite = await suites[name]?.();
  if (suite === undefined) continue;
  for await (const one of suite({ threads, engines: flags.engine.split(","), filter: flags.filter })) {
    try {
      const row = await time(one);
      process.stdout.write(`${row.workload.padEnd(40)}${row.engine.padEnd(8)}${row.variant.padEnd(14)}${String(row.threads).padStart(7)}${short(row.median_ms).padStart(12)}${short(row.min_ms).padStart(12)}${short(row.gflops_best).padStart(9)}${share(one, row).padStart(12)}${short(row.items_per_s).padStart(12)}\n`);
      if (flags.json !== undefined) await appendFile(flags.json, `${JSON.stringify(row)}\n`);
    } finally {
      one.close();
    }
  }
}

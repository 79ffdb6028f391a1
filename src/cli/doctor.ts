import os from "node:os";
import * as v from "valibot";
import { DifftuneError } from "../core/errors.js";
import { version } from "../core/version.js";
import { createDevice } from "../engine/create-device.js";
import type { DeviceInfo, EngineName } from "../engine/device.js";
import { exitCodes, type Command } from "./command.js";
import type { SelfTestRow } from "../kernels/self-test/self-test.js";
import { formatSelfTest, runSelfTest } from "./self-test-table.js";
import { isQuietChild, runQuietly } from "./quiet-child.js";
import { formatPairs, printLine } from "./terminal.js";

interface EngineReport {
  readonly info: DeviceInfo | undefined;
  /** Why there is no device. */
  readonly problem: string | undefined;
  readonly selfTest: readonly SelfTestRow[];
}

interface Report {
  readonly difftune: string;
  readonly node: string;
  readonly platform: string;
  readonly processor: string;
  readonly cores: number;
  readonly memoryBytes: number;
  readonly engines: Readonly<Record<EngineName, EngineReport>>;
}

async function examineEngine(engine: EngineName): Promise<EngineReport> {
  try {
    using device = await createDevice({ engine });
    return { info: device.info, problem: undefined, selfTest: await runSelfTest(device) };
  } catch (error) {
    if (error instanceof DifftuneError) return { info: undefined, problem: error.message, selfTest: [] };
    throw error;
  }
}

async function collectReport(): Promise<Report> {
  return {
    difftune: version,
    node: process.versions.node,
    platform: `${process.platform} ${process.arch}, ${os.release()}`,
    processor: os.cpus()[0]?.model ?? "unknown",
    cores: os.availableParallelism(),
    memoryBytes: os.totalmem(),
    engines: { wasm: await examineEngine("wasm"), webgpu: await examineEngine("webgpu") },
  };
}

function describeEngine({ info, problem }: EngineReport): string {
  if (info === undefined) return problem ?? "none";
  const features = info.features.length === 0 ? "" : `; ${info.features.join(", ")}`;
  return `${info.description}${info.isSoftware ? " (software)" : ""}${features}`;
}

function formatReport(report: Report): string {
  return formatPairs([
    ["difftune", report.difftune],
    ["Node", report.node],
    ["platform", report.platform],
    ["processor", `${report.processor}, ${report.cores} cores`],
    ["memory", `${(report.memoryBytes / 2 ** 30).toFixed(1)} GiB`],
    ["WASM", describeEngine(report.engines.wasm)],
    ["WebGPU", describeEngine(report.engines.webgpu)],
  ]);
}

const schema = v.strictObject({ json: v.pipe(v.optional(v.boolean("It must be true or false."), false), v.description("Print one JSON object.")) });

/** `difftune doctor`: what this machine offers and whether every kernel is right on it, for a person or a bug report. */
export const doctor: Command = {
  name: "doctor",
  description: "Report what this machine offers and test every kernel on it.",
  examples: [{ what: "What runs here, and is it right?", words: "doctor" }, { what: "The same for a program", words: "doctor --json" }],
  sections: () => [{ title: "Options", schema }],
  execute: async (options) => {
    const { json } = options.read(schema);
    if (!isQuietChild()) return runQuietly();
    const report = await collectReport();
    if (json) {
      printLine(JSON.stringify(report));
    } else {
      printLine(formatReport(report));
      for (const [engine, { selfTest }] of Object.entries(report.engines)) {
        if (selfTest.length > 0) printLine(`\n${engine}\n${formatSelfTest(selfTest)}`);
      }
    }
    const isSound = Object.values(report.engines).every(({ selfTest }) => selfTest.every((row) => row.passed));
    return isSound && report.engines.wasm.info !== undefined ? exitCodes.done : exitCodes.failed;
  },
};

import os from "node:os";
import { openGpu } from "../engine/host/node.js";
import { exitCodes, type Command } from "./command.js";
import { packageVersion } from "./package-version.js";
import { isQuietChild, runQuietly } from "./quiet-child.js";
import { formatPairs, printLine } from "./terminal.js";

/** Smallest modules that use one feature each; `WebAssembly.validate` says whether this runtime knows it. */
const featureModules = {
  /** `i8x16.splat` */
  simd: [0, 97, 115, 109, 1, 0, 0, 0, 1, 5, 1, 96, 0, 1, 123, 3, 2, 1, 0, 10, 10, 1, 8, 0, 65, 0, 253, 15, 253, 98, 11],
  /** `i8x16.relaxed_swizzle` */
  relaxedSimd: [0, 97, 115, 109, 1, 0, 0, 0, 1, 5, 1, 96, 0, 1, 123, 3, 2, 1, 0, 10, 15, 1, 13, 0, 65, 1, 253, 15, 65, 2, 253, 15, 253, 128, 2, 11],
} as const;

interface AdapterReport {
  readonly vendor: string;
  readonly architecture: string;
  readonly description: string;
  readonly isSoftware: boolean;
  readonly features: readonly string[];
}

interface Report {
  readonly difftune: string;
  readonly node: string;
  readonly platform: string;
  readonly processor: string;
  readonly cores: number;
  readonly memoryBytes: number;
  readonly simd: boolean;
  readonly relaxedSimd: boolean;
  readonly webgpu: AdapterReport | undefined;
  readonly webgpuReason: string | undefined;
}

async function describeAdapter(): Promise<Pick<Report, "webgpu" | "webgpuReason">> {
  const gpu = await openGpu([]);
  if (gpu === undefined) {
    return { webgpu: undefined, webgpuReason: 'the optional package "webgpu" is not installed: npm install webgpu' };
  }
  const adapter = await gpu.requestAdapter();
  if (adapter === null) {
    return { webgpu: undefined, webgpuReason: "no adapter: install the GPU's Vulkan driver, or Mesa 23 or newer" };
  }
  const { vendor, architecture, description, isFallbackAdapter } = adapter.info;
  const features = [...adapter.features].sort();
  return { webgpu: { vendor, architecture, description, isSoftware: isFallbackAdapter, features }, webgpuReason: undefined };
}

async function collectReport(): Promise<Report> {
  return {
    difftune: packageVersion,
    node: process.versions.node,
    platform: `${process.platform} ${process.arch}, ${os.release()}`,
    processor: os.cpus()[0]?.model ?? "unknown",
    cores: os.availableParallelism(),
    memoryBytes: os.totalmem(),
    simd: WebAssembly.validate(Uint8Array.from(featureModules.simd)),
    relaxedSimd: WebAssembly.validate(Uint8Array.from(featureModules.relaxedSimd)),
    ...(await describeAdapter()),
  };
}

function formatReport(report: Report): string {
  const { webgpu } = report;
  return formatPairs([
    ["difftune", report.difftune],
    ["Node", report.node],
    ["platform", report.platform],
    ["processor", `${report.processor}, ${report.cores} cores`],
    ["memory", `${(report.memoryBytes / 2 ** 30).toFixed(1)} GiB`],
    ["WASM", !report.simd ? "no SIMD: this runtime is too old" : report.relaxedSimd ? "relaxed SIMD" : "plain SIMD"],
    ["WebGPU", webgpu === undefined ? (report.webgpuReason ?? "none") : `${webgpu.description || webgpu.architecture} (${webgpu.vendor}${webgpu.isSoftware ? ", software" : ""})`],
    ...(webgpu === undefined ? [] : [["features", webgpu.features.join(", ")] as const]),
  ]);
}

/** `difftune doctor`: what this machine offers, for a person or for a bug report. */
export const doctor: Command = {
  meta: { name: "doctor", description: "Report what this machine offers." },
  args: { json: { type: "boolean", description: "Print one JSON object." } },
  execute: async ({ json }) => {
    if (!isQuietChild()) return runQuietly();
    const report = await collectReport();
    printLine(json === true ? JSON.stringify(report) : formatReport(report));
    return exitCodes.done;
  },
};

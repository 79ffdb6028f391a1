import { DifftuneError } from "../../core/errors.js";
import type { Device } from "../../engine/device.js";
import type { Tensor } from "../../engine/tensor.js";
import { caseContents, digest, digestError, type SelfTestCase } from "./case.js";
import { selfTestCases } from "./cases.js";
import { expectedDigests } from "./expected.js";

/** What the self-test found for one kernel and variant. */
export interface SelfTestRow {
  readonly kernel: string;
  /** Entry point on WebGPU, variant on WASM. */
  readonly variant: string;
  readonly passed: boolean;
  /** Worst error of any output, relative to its largest expected magnitude. */
  readonly worst: number;
  readonly tolerance: number;
  /** Time of the first run, compilation included, milliseconds. */
  readonly milliseconds: number;
  /** What went wrong, where something threw. */
  readonly error?: string;
}

const defaultTolerance = 2e-5;

/**
 * Runs every kernel, in every variant, once on a small case whose result is known, and compares. The known results are
 * those of the plain WASM build, every kernel of which the package's tests hold against a float64 twin.
 * Takes seconds; the first thing to run on a machine that gives strange numbers.
 *
 * @example
 * for await (const row of selfTest(device)) if (!row.passed) console.log(row.kernel, row.worst);
 */
export async function* selfTest(device: Device): AsyncGenerator<SelfTestRow, void> {
  for (const one of selfTestCases) {
    const variants = device.info.engine === "webgpu" ? Object.keys(one.kernel.entryPoints) : one.kernel.wasmVariants ?? ["main"];
    for (const variant of variants) yield await runCase(device, one, variant);
  }
}

async function runCase(device: Device, one: SelfTestCase, variant: string): Promise<SelfTestRow> {
  const kernel = one.kernel.name;
  const tolerance = one.tolerance ?? defaultTolerance;
  const started = performance.now();
  try {
    const outputs = await runCaseOnce(device, one, variant);
    const expected = expectedDigests[kernel] ?? {};
    const worst = Math.max(...Object.entries(expected).map(([name, numbers]) => digestError(digest(outputs.get(name) ?? []), numbers)));
    return { kernel, variant, passed: worst <= tolerance, worst, tolerance, milliseconds: performance.now() - started };
  } catch (cause) {
    if (!(cause instanceof DifftuneError) || cause.code === "DEVICE_LOST" || cause.code === "DEVICE_CLOSED") throw cause;
    return {
      kernel, variant, passed: false, worst: Number.POSITIVE_INFINITY, tolerance, milliseconds: performance.now() - started, error: cause.message,
    };
  }
}

/** Runs a case and gives what the kernel wrote, by buffer name. */
export async function runCaseOnce(device: Device, one: SelfTestCase, variant: string): Promise<Map<string, Float32Array | Uint32Array>> {
  const tensors = new Map<string, Tensor>();
  try {
    for (const [name, data] of caseContents(one)) {
      tensors.set(name, device.tensor([data.length], { label: name, dtype: data instanceof Uint32Array ? "u32" : "f32", data }));
    }
    using program = await device.program("self-test", (recorder) => {
      recorder.launch(one.kernel, one.params, Object.fromEntries(tensors), variant);
    });
    program.run();
    const written = Object.entries(one.kernel.buffers).flatMap(([name, buffer]) => {
      const tensor = tensors.get(name);
      return buffer.access === "read" || tensor === undefined || one.ignored?.includes(name) === true ? [] : [[name, tensor] as const];
    });
    const data = await device.readAll(written.map(([, tensor]) => tensor));
    return new Map(written.map(([name], at) => [name, data[at] ?? new Float32Array()]));
  } finally {
    for (const tensor of tensors.values()) device.free(tensor);
  }
}

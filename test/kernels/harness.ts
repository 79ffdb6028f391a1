import { afterAll, expect, test } from "vitest";
import { createDevice } from "../../src/engine/create-device.js";
import type { Device, EngineName, TensorData } from "../../src/engine/device.js";
import type { AnyKernelSpec, BufferSpec, KernelSpec, ParamLayout, ParamValues } from "../../src/engine/kernel-spec.js";
import { anyKernel, variantsOf } from "../../src/engine/kernel-spec.js";
import { expectClose, type Tolerance } from "../close.js";

/** Engines that tests run on. WebGPU is left out only when DIFFTUNE_SKIP_WEBGPU=1 says so. */
export const engines: readonly EngineName[] = process.env.DIFFTUNE_SKIP_WEBGPU === "1" ? ["wasm"] : ["wasm", "webgpu"];

const shared = new Map<string, Promise<Device>>();

/** One device a test file and configuration, closed when the file ends. */
export function deviceFor(engine: EngineName, threads = 2): Promise<Device> {
  const key = engine === "webgpu" ? engine : `${engine}-${threads}`;
  let device = shared.get(key);
  if (device === undefined) {
    device = engine === "webgpu"
      ? createDevice({ engine: "webgpu" })
      : createDevice({ engine: "wasm", wasm: { threads, simd: "plain" } });
    shared.set(key, device);
  }
  return device;
}

afterAll(async () => {
  for (const device of shared.values()) (await device).close();
  shared.clear();
});

/** Contents of the buffers of a launch by name: inputs, and the outputs that come back. */
export type Contents = Readonly<Record<string, ArrayLike<number>>>;

/** Elements behind the end of every tensor that a kernel must leave alone. */
const guardLength = 64;
const guardValue = 12345;

/**
 * Runs one launch of a kernel. Buffers named in `inputs` start with those contents, the rest with zeros; what the kernel
 * writes comes back. Fails when anything behind the end of a buffer changed.
 */
export async function runKernel(
  device: Device,
  spec: AnyKernelSpec,
  params: Readonly<Record<string, number>>,
  inputs: Contents,
  variant?: string,
): Promise<Record<string, TensorData>> {
  const names = Object.entries(spec.buffers);
  const tensors = Object.fromEntries(names.flatMap(([name, buffer]) => {
    const given = inputs[name];
    if (given === undefined && buffer.optional === true) return [];
    const dtype = buffer.dtype ?? "f32";
    const length = given?.length ?? buffer.length(params);
    const data = dtype === "f32" ? new Float32Array(length + guardLength) : new Uint32Array(length + guardLength);
    data.fill(guardValue, length);
    if (given !== undefined) data.set(given);
    return [[name, device.tensor([length + guardLength], { label: name, dtype, data })] as const];
  }));
  const program = await device.program("test", (recorder) => {
    recorder.launch(spec, params, tensors, variant);
  });
  try {
    program.run();
    const written = names.filter(([name, buffer]) => buffer.access !== "read" && buffer.scratch !== true && tensors[name] !== undefined);
    const read = await device.readAll(written.map(([name]) => tensors[name]!));
    return Object.fromEntries(written.map(([name], at) => {
      const data = read[at]!;
      const length = data.length - guardLength;
      const guard = data.slice(length);
      expect([...guard], `${spec.name} wrote behind the end of ${name}`).toEqual(Array.from(guard, () => guardValue));
      return [name, data.slice(0, length)];
    }));
  } finally {
    program.close();
    for (const tensor of Object.values(tensors)) device.free(tensor);
  }
}

/** One claim about a kernel: parameters, inputs, and what the float64 twin says comes out. */
export interface KernelCase<P extends ParamLayout> {
  readonly title: string;
  readonly params: ParamValues<P>;
  readonly inputs: Contents;
  readonly expected: Contents;
  /** Tolerance per output, or one for all. */
  readonly tolerance: Tolerance | Readonly<Record<string, Tolerance>>;
}

function toleranceOf(tolerance: Tolerance | Readonly<Record<string, Tolerance>>, name: string): Tolerance {
  const perOutput = (tolerance as Readonly<Record<string, Tolerance>>)[name];
  return typeof perOutput === "object" ? perOutput : (tolerance);
}

/**
 * Proves a kernel: on both engines and for every variant, each case against its float64 twin, equal bits on two runs, and
 * on the WASM engine equal bits on 1, 2 and 4 threads.
 */
export function proveKernel<P extends ParamLayout, B extends Readonly<Record<string, BufferSpec<P>>>>(
  typed: KernelSpec<P, B>,
  cases: readonly KernelCase<P>[],
): void {
  const spec = anyKernel(typed);
  for (const engine of engines) {
    const variants = variantsOf(spec, engine);
    for (const variant of variants) {
      test(`${spec.name} ${variant} on ${engine} equals its float64 twin, twice to the bit`, async () => {
        const device = await deviceFor(engine);
        for (const one of cases) {
          const first = await runKernel(device, spec, one.params, one.inputs, variant);
          for (const [name, expected] of Object.entries(one.expected)) {
            expectClose(first[name]!, expected, toleranceOf(one.tolerance, name), `${spec.name} ${one.title}: ${name}`);
          }
          const second = await runKernel(device, spec, one.params, one.inputs, variant);
          expectSameBits(first, second, `${spec.name} ${one.title}, second run`);
        }
      });
    }
    if (engine === "wasm") {
      test(`${spec.name} on wasm gives the same bits on 1, 2 and 4 threads`, async () => {
        for (const [one, variant] of cases.flatMap((each) => variants.map((name) => [each, name] as const))) {
          const alone = await runKernel(await deviceFor("wasm", 1), spec, one.params, one.inputs, variant);
          for (const threads of [2, 4]) {
            const together = await runKernel(await deviceFor("wasm", threads), spec, one.params, one.inputs, variant);
            expectSameBits(alone, together, `${spec.name} ${variant} ${one.title} on ${threads} threads`);
          }
        }
      });
    }
  }
}

/** Fails unless two sets of outputs are equal to the bit. */
export function expectSameBits(first: Readonly<Record<string, TensorData>>, second: Readonly<Record<string, TensorData>>, what: string): void {
  for (const [name, data] of Object.entries(first)) {
    const other = second[name]!;
    const a = new Uint32Array(data.buffer, data.byteOffset, data.length);
    const b = new Uint32Array(other.buffer, other.byteOffset, other.length);
    const at = a.findIndex((word, index) => word !== b[index]);
    expect(at, `${what}: ${name} differs first at ${at}: ${data[at]} and ${other[at]}`).toBe(-1);
  }
}

/** Numbers for tests: a fixed stream, uniform in [-scale, scale), rounded to f32 so that both sides see the same. */
export function testNumbers(length: number, seed: number, scale = 1): Float32Array {
  let state = (seed * 2654435761 + 12345) >>> 0;
  return Float32Array.from({ length }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return ((state >>> 8) / 2 ** 23 - 1) * scale;
  });
}

/** Sizes that break tilings. */
export const awkwardSizes = [1, 3, 31, 32, 33, 65, 257] as const;

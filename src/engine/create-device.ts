import * as host from "#host";
import * as v from "valibot";
import { LinearMemory } from "../core/linear-memory.js";
import { oneOf, parseOptions, wholeNumber } from "../core/options.js";
import { Autotuner } from "./autotuner.js";
import type { Device, EngineName } from "./device.js";
import type { VariantChooser } from "./variant-chooser.js";
import { createWasmDevice, type WasmDevice, type WasmDeviceOptions } from "./wasm/wasm-device.js";
import { createWebGpuDevice, hasHardwareGpu, type WebGpuDevice, type WebGpuDeviceOptions } from "./webgpu/webgpu-device.js";

/** Options of {@link createDevice}. */
export interface DeviceOptions {
  /** `auto` takes WebGPU where there is a real GPU, else WASM; a software adapter is never picked by default. */
  readonly engine?: "auto" | EngineName;
  /** For the WASM engine; ignored by the other. */
  readonly wasm?: WasmDeviceOptions;
  /** For the WebGPU engine; ignored by the other. */
  readonly webgpu?: WebGpuDeviceOptions;
  /**
   * True (the default) runs the plain variant of every kernel. False lets an autotuner time the variants on this device
   * when a program first meets a class of shapes, a quarter of a second each, and remember the fastest for later
   * processes: faster programs, whose last bits may differ between devices of one kind.
   */
  readonly deterministic?: boolean;
}

/** An object of a user's or the host's, known by the functions that it must have. */
function withFunctions<T>(names: readonly string[], text: string) {
  return v.custom<T>((value) => typeof value === "object" && value !== null
    && names.every((name) => typeof (value as Readonly<Record<string, unknown>>)[name] === "function"), text);
}

const variants = v.optional(withFunctions<VariantChooser>(["prepare", "choose"], "It must have the functions prepare and choose."));

const wasmSchema = v.strictObject({
  threads: v.optional(wholeNumber(1, 256)),
  simd: v.optional(oneOf(["auto", "plain", "relaxed"])),
  memory: v.optional(v.instance(LinearMemory, "It must be a LinearMemory.")),
  variants,
} satisfies Record<keyof WasmDeviceOptions, v.GenericSchema>);

const webGpuSchema = v.strictObject({
  device: v.optional(withFunctions<GPUDevice>(["createBuffer"], "It must be a GPUDevice.")),
  gpu: v.optional(withFunctions<GPU>(["requestAdapter"], "It must be a GPU.")),
  dawn: v.optional(v.array(v.string("It must be a text."), "It must be a list of texts.")),
  powerPreference: v.optional(oneOf(["low-power", "high-performance"])),
  variants,
} satisfies Record<keyof WebGpuDeviceOptions, v.GenericSchema>);

const schema = v.strictObject({
  engine: v.optional(oneOf(["auto", "wasm", "webgpu"]), "auto"),
  wasm: v.optional(wasmSchema),
  webgpu: v.optional(webGpuSchema),
  deterministic: v.optional(v.boolean("It must be true or false."), true),
} satisfies Record<keyof DeviceOptions, v.GenericSchema>);

/**
 * Makes a device. What you create you close.
 *
 * @example
 * using device = await createDevice();
 * console.log(device.info.description);
 */
export function createDevice(options: DeviceOptions & { readonly engine: "wasm" }): Promise<WasmDevice>;
export function createDevice(options: DeviceOptions & { readonly engine: "webgpu" }): Promise<WebGpuDevice>;
export function createDevice(options?: DeviceOptions): Promise<Device>;
export async function createDevice(options: DeviceOptions = {}): Promise<Device> {
  const { engine, deterministic } = parseOptions(schema, options, "createDevice");
  const tuned = deterministic ? {} : { variants: new Autotuner() };
  const wasm = { ...tuned, ...options.wasm };
  const webgpu = { ...tuned, ...options.webgpu };
  switch (engine) {
    case "wasm":
      return createWasmDevice(wasm);
    case "webgpu":
      return createWebGpuDevice(webgpu);
    case "auto": {
      const bringsOwn = options.webgpu?.device !== undefined || options.webgpu?.gpu !== undefined;
      return bringsOwn || (await hasHardwareGpu()) ? createWebGpuDevice(webgpu) : createWasmDevice(wasm);
    }
  }
}

/**
 * Lets this process validate relaxed SIMD where it is behind a flag (Node 20). Call it before the first device; it
 * changes the whole process, so the library does it only when asked. Returns whether relaxed SIMD is there now.
 */
export function enableRelaxedSimd(): boolean {
  return host.enableRelaxedSimd();
}

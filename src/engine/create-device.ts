import * as host from "#host";
import { DifftuneError } from "../core/errors.js";
import { Autotuner } from "./autotuner.js";
import type { Device, EngineName } from "./device.js";
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
  const engine = options.engine ?? "auto";
  const tuned = options.deterministic === false ? { variants: new Autotuner() } : {};
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
    default:
      throw new DifftuneError("OPTION", `There is no engine "${String(engine)}".`, {
        hint: "The engines are auto, webgpu and wasm.",
        got: engine,
      });
  }
}

/**
 * Lets this process validate relaxed SIMD where it is behind a flag (Node 20). Call it before the first device; it
 * changes the whole process, so the library does it only when asked. Returns whether relaxed SIMD is there now.
 */
export function enableRelaxedSimd(): boolean {
  return host.enableRelaxedSimd();
}

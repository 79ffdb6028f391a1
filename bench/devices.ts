import { createDevice } from "../src/engine/create-device.js";
import type { Device } from "../src/engine/device.js";
import { loadKernels } from "../src/engine/wasm/kernel-module.js";
import type { SuiteRequest } from "./workload.js";

/** A device under test with what its rows are called. */
export interface BenchDevice {
  readonly device: Device;
  readonly variant: string;
  readonly threads: number;
}

/** The devices of a request, one after the other: WASM plain and relaxed for every thread count, then WebGPU. */
export async function* benchDevices(request: SuiteRequest): AsyncIterable<BenchDevice> {
  if (request.engines.includes("wasm")) {
    const hasRelaxed = (await loadKernels("auto")).build === "relaxed";
    for (const simd of hasRelaxed ? (["plain", "relaxed"] as const) : (["plain"] as const)) {
      for (const threads of request.threads) {
        using device = await createDevice({ engine: "wasm", wasm: { simd, threads } });
        yield { device, variant: simd, threads };
      }
    }
  }
  if (request.engines.includes("webgpu")) {
    using device = await createDevice({ engine: "webgpu" });
    yield { device, variant: "wgsl", threads: 1 };
  }
}

import { readFile } from "node:fs/promises";
import { enableRelaxedSimd } from "../src/engine/create-device.js";
import type { Device } from "../src/engine/device.js";
import { WebGpuDevice } from "../src/engine/webgpu/webgpu-device.js";

const rounds = 4_000_000;

/** Best of a few runs of `work`, in GFLOP/s. */
function best(flops: number, work: () => void): number {
  let fastest = Infinity;
  for (let run = 0; run < 7; run++) {
    const started = performance.now();
    work();
    fastest = Math.min(fastest, performance.now() - started);
  }
  return flops / fastest / 1e6;
}

/** GFLOP/s of one core with twelve independent chains of four lanes; built by scripts/bench.mjs. */
async function wasmCeiling(build: "plain" | "relaxed"): Promise<number> {
  const bytes = await readFile(new URL(`../../ceiling-${build}.wasm`, import.meta.url));
  const { instance } = await WebAssembly.instantiate(bytes, { env: { memory: new WebAssembly.Memory({ initial: 2, maximum: 65536, shared: true }) } });
  const { multiplyAdd, ROUND_FLOPS } = instance.exports as { multiplyAdd: (count: number) => number; ROUND_FLOPS: WebAssembly.Global<"i32"> };
  // The first calls run in the baseline compiler's code.
  multiplyAdd(rounds);
  await new Promise((resolve) => setTimeout(resolve, 50));
  return best(rounds * ROUND_FLOPS.value, () => { multiplyAdd(rounds); });
}

const shader = `
@group(0) @binding(0) var<storage, read_write> out: array<vec4<f32>>;
@compute @workgroup_size(64) fn main(@builtin(global_invocation_id) id: vec3<u32>) {
  var a = vec4<f32>(f32(id.x)); var b = a + 1.0; var c = a + 2.0; var d = a + 3.0;
  for (var i = 0u; i < 4096u; i = i + 1u) {
    a = fma(a, vec4<f32>(0.999), vec4<f32>(0.001)); b = fma(b, vec4<f32>(0.999), vec4<f32>(0.001));
    c = fma(c, vec4<f32>(0.999), vec4<f32>(0.001)); d = fma(d, vec4<f32>(0.999), vec4<f32>(0.001));
  }
  out[id.x] = a + b + c + d;
}`;

/** The same on a GPU: four chains of vec4 multiply-adds in many invocations. */
async function gpuCeiling(device: WebGpuDevice): Promise<number> {
  const { gpu } = device;
  const groups = device.info.isSoftware ? 64 : 16_384;
  const pipeline = await gpu.createComputePipelineAsync({ layout: "auto", compute: { module: gpu.createShaderModule({ code: shader }) } });
  const buffer = gpu.createBuffer({ size: groups * 64 * 16, usage: 0x80 });
  const bindGroup = gpu.createBindGroup({ layout: pipeline.getBindGroupLayout(0), entries: [{ binding: 0, resource: { buffer } }] });
  let fastest = Infinity;
  for (let run = 0; run < 4; run++) {
    const started = performance.now();
    const encoder = gpu.createCommandEncoder();
    const pass = encoder.beginComputePass();
    pass.setPipeline(pipeline);
    pass.setBindGroup(0, bindGroup);
    pass.dispatchWorkgroups(groups);
    pass.end();
    gpu.queue.submit([encoder.finish()]);
    await gpu.queue.onSubmittedWorkDone();
    fastest = Math.min(fastest, performance.now() - started);
  }
  buffer.destroy();
  return (groups * 64 * 4096 * 32) / fastest / 1e6;
}

/** What a device could do if it did nothing but multiply and add, in GFLOP/s, measured now. */
export async function ceilingOf(device: Device): Promise<number> {
  if (device instanceof WebGpuDevice) return gpuCeiling(device);
  // Both builds are held against fused multiply-adds where the host has them: the most that the 128-bit units do.
  return (await wasmCeiling(enableRelaxedSimd() ? "relaxed" : "plain")) * device.info.threads;
}

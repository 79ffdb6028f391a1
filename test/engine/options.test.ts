import { expect, test } from "vitest";
import { createDevice, type DeviceOptions } from "../../src/engine/create-device.js";
import type { VariantChooser } from "../../src/engine/variant-chooser.js";
import { ema } from "../../src/kernels/optim/ema.js";

type Wrong = Readonly<Record<string, unknown>>;

test.each<[Wrong, string, string]>([
  [{ determinstic: false }, "determinstic", 'Did you mean "deterministic"?'],
  [{ deterministic: "no" }, "deterministic", "true or false"],
  [{ engine: "cuda" }, "engine", '"auto", "wasm", "webgpu"'],
  [{ wasm: { bogus: 1 } }, "wasm.bogus", "threads, simd, memory, variants"],
  [{ wasm: { simd: "foo" } }, "wasm.simd", '"auto", "plain", "relaxed"'],
  [{ wasm: { threads: 0 } }, "wasm.threads", "from 1 to 256"],
  [{ wasm: { threads: 1.5 } }, "wasm.threads", "from 1 to 256"],
  [{ wasm: { memory: new WebAssembly.Memory({ initial: 1 }) } }, "wasm.memory", "LinearMemory"],
  [{ wasm: { variants: {} } }, "wasm.variants", "prepare and choose"],
  [{ webgpu: { dawn: "backend=vulkan" } }, "webgpu.dawn", "list"],
  [{ webgpu: { device: {} } }, "webgpu.device", "GPUDevice"],
  [{ webgpu: { gpu: 1 } }, "webgpu.gpu", "GPU"],
  [{ webgpu: { powerPreference: "lowpower" } }, "webgpu.powerPreference", "low-power"],
  [{ webgpu: { adapter: 1 } }, "webgpu.adapter", "device, gpu, dawn"],
])("createDevice refuses %j and says what it takes", async (wrong, path, hint) => {
  for (const engine of ["wasm", "auto"] as const) {
    const attempt = createDevice({ engine, ...wrong } as DeviceOptions);
    await expect(attempt).rejects.toMatchObject({ code: "OPTION", path, message: expect.stringContaining(hint) as unknown });
  }
});

test("createDevice takes a caller's own variant chooser, and leaves it as it is", async () => {
  const seen: string[] = [];
  const variants: VariantChooser = {
    prepare: async (_, launches) => { seen.push(...launches.map(({ spec }) => spec.name)); },
    choose: () => undefined,
  };
  using device = await createDevice({ engine: "wasm", wasm: { threads: 1, variants } });
  const program = await device.program("average", (recorder) => {
    ema(recorder, { parameters: device.tensor([4]), average: device.tensor([4]) }, { decay: 0.5 });
  });
  program.close();
  expect(seen).toEqual(["optim/ema"]);
  expect(Object.isFrozen(variants)).toBe(false);
});

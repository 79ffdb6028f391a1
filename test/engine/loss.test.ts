import { expect, test } from "vitest";
import { DifftuneError } from "../../src/core/errors.js";
import { createDevice } from "../../src/engine/create-device.js";
import { defineKernel } from "../../src/engine/kernel-spec.js";
import { activation } from "../../src/kernels/nn/activation.js";
import { engines } from "../kernels/harness.js";

test.runIf(engines.includes("webgpu"))("a device lost in the middle of a program is a typed error, and a new device works", async () => {
  const device = await createDevice({ engine: "webgpu" });
  const x = device.tensor([1024], { label: "x", data: new Float32Array(1024).fill(-2) });
  const y = device.tensor([1024], { label: "y" });
  const program = await device.program("lost", (recorder) => {
    activation(recorder, { x, y }, { rows: 1024, columns: 1, kind: "relu" });
  });
  program.run();
  device.gpu.destroy();
  await expect(device.read(y)).rejects.toMatchObject({ name: "DifftuneError", code: "DEVICE_LOST" });
  expect((await device.lost).reason).toBe("lost");
  expect(() => { program.run(); }).toThrow(DifftuneError);
  expect(() => device.tensor([1])).toThrow(/lost/);
  device.close();

  using next = await createDevice({ engine: "webgpu" });
  const data = next.tensor([4], { data: [1, 2, 3, 4] });
  expect([...(await next.read(data))]).toEqual([1, 2, 3, 4]);
});

test.each(engines)("a kernel without a body is refused on %s when the program is recorded", async (engine) => {
  using device = await createDevice({ engine, ...(engine === "wasm" ? { wasm: { threads: 1 } } : {}) });
  const spec = defineKernel({
    name: "nn/imaginary",
    params: { rows: "u32" },
    buffers: { y: { access: "write", length: (p) => p.rows } },
    units: (p) => p.rows,
    entryPoints: { main: (p) => [p.rows] },
  });
  const y = device.tensor([4]);
  const before = device.use.liveBytes;
  await expect(device.program("imaginary", (recorder) => { recorder.launch(spec, { rows: 4 }, { y }); }))
    .rejects.toMatchObject({ name: "DifftuneError", code: "KERNEL_COMPILE", kernel: "nn/imaginary" });
  expect(device.use.liveBytes).toBe(before);
});

/** A kernel whose spec lies about its sizes: beyond `rows` of it there is no memory, and the body traps. */
const lying = defineKernel({
  name: "nn/activation",
  params: { rows: "u32", columns: "u32", kind: "u32" },
  buffers: { x: { access: "read", length: () => 1 }, y: { access: "write", length: () => 1 } },
  units: (p) => p.rows,
  entryPoints: { main: () => [1] },
});

test.each([[1, 1], [2, 1], [2, 2], [4, 3]])("a trap on WASM with %i threads is a typed error, hangs nobody, and a new device works", async (threads, tail) => {
  const device = await createDevice({ engine: "wasm", wasm: { threads } });
  // The program's table is to lie below what the kernel overruns, so it gets the hole that this leaves.
  const hole = device.tensor([65536]);
  const x = device.tensor([64]);
  const y = device.tensor([64]);
  device.free(hole);
  const room = (device.memory.memory.buffer.byteLength - 131_072) / 4;
  const program = await device.program("trap", (recorder) => {
    recorder.launch(lying, { rows: Math.floor(room * (1 + tail)), columns: 1, kind: 1 }, { x, y });
    activation(recorder, { x: y, y: x }, { rows: 64, columns: 1, kind: "relu" });
  });
  expect(() => { program.run(); }).toThrow(expect.objectContaining({ code: "DEVICE_LOST" }) as Error);
  expect((await device.lost).reason).toBe("lost");
  await expect(device.read(y)).rejects.toMatchObject({ code: "DEVICE_LOST" });
  expect(() => device.tensor([1])).toThrow(DifftuneError);
  device.close();

  using next = await createDevice({ engine: "wasm", wasm: { threads } });
  const data = next.tensor([4], { data: [1, 2, 3, 4] });
  expect([...(await next.read(data))]).toEqual([1, 2, 3, 4]);
});

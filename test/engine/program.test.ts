import { describe, expect, test } from "vitest";
import { DifftuneError } from "../../src/core/errors.js";
import type { Device } from "../../src/engine/device.js";
import type { Launch, ProgramRecorder } from "../../src/engine/program.js";
import type { Tensor } from "../../src/engine/tensor.js";
import { activation, activations, activationSpec } from "../../src/kernels/nn/activation.js";
import { deviceFor, engines, testNumbers } from "../kernels/harness.js";

const relu = (x: number): number => Math.max(x, 0);

/** y = relu(x) for a row of numbers. */
function recordRelu(recorder: ProgramRecorder, x: Tensor, y: Tensor): void {
  activation(recorder, { x, y }, { rows: x.length, columns: 1, kind: "relu" });
}

async function codeOf(work: () => unknown): Promise<string> {
  try {
    await work();
  } catch (error) {
    if (error instanceof DifftuneError) return error.code;
    throw error;
  }
  return "nothing thrown";
}

describe.each(engines)("a program on %s", (engine) => {
  test("is replayed with new inputs", async () => {
    const device = await deviceFor(engine);
    const x = device.tensor([100], { label: "x" });
    const y = device.tensor([100], { label: "y" });
    using program = await device.program("replay", (recorder) => { recordRelu(recorder, x, y); });
    for (let run = 0; run < 3; run++) {
      const data = testNumbers(100, run);
      device.write(x, data);
      program.run();
      expect([...(await device.read(y))]).toEqual(Array.from(data, relu));
    }
    device.free(x);
    device.free(y);
  });

  test("allocates nothing in 1,000 runs", async () => {
    const device = await deviceFor(engine);
    const x = device.tensor([64], { label: "x" });
    const y = device.tensor([64], { label: "y" });
    using program = await device.program("thousand", (recorder) => {
      const middle = recorder.temporary([64], "middle");
      recordRelu(recorder, x, middle);
      recordRelu(recorder, middle, y);
    });
    await device.read(y);
    const before = { ...device.use, linear: device.memory?.liveBytes, grown: device.memory?.memory.buffer.byteLength };
    for (let run = 0; run < 1000; run++) {
      device.write(x, testNumbers(64, run));
      program.run();
      if (run % 100 === 0) await device.read(y);
    }
    await device.idle();
    expect({ ...device.use, linear: device.memory?.liveBytes, grown: device.memory?.memory.buffer.byteLength }).toEqual(before);
    device.free(x);
    device.free(y);
  });

  test("gives temporaries whose uses do not overlap one place", async () => {
    const device = await deviceFor(engine);
    const length = 100_000;
    const x = device.tensor([length], { label: "x", data: testNumbers(length, 1) });
    const y = device.tensor([length], { label: "y" });
    // Staging of this size is kept for the next read.
    await device.read(y);
    const before = device.use.liveBytes;
    using program = await device.program("chain", (recorder) => {
      let from = x;
      for (let step = 0; step < 9; step++) {
        const to = recorder.temporary([length], `step ${step}`);
        recordRelu(recorder, from, to);
        from = to;
      }
      recordRelu(recorder, from, y);
    });
    const arena = device.use.liveBytes - before;
    expect(arena).toBeGreaterThan(2 * length * 4 - 1);
    expect(arena).toBeLessThan(2 * length * 4 + 20_000);
    program.run();
    expect([...(await device.read(y))]).toEqual([...testNumbers(length, 1)].map(relu));
    program.close();
    expect(device.use.liveBytes).toBe(before);
    device.free(x);
    device.free(y);
  });

  test("takes new parameters between runs, and refuses larger ones", async () => {
    const device = await deviceFor(engine);
    const x = device.tensor([8], { label: "x", data: [-1, 2, -3, 4, -5, 6, -7, 8] });
    const y = device.tensor([8], { label: "y" });
    let launch: Launch<typeof activationSpec.params> | undefined;
    using program = await device.program("update", (recorder) => {
      launch = recorder.launch(activationSpec, { rows: 8, columns: 1, kind: activations.relu }, { x, y });
    });
    program.run();
    expect([...(await device.read(y))]).toEqual([0, 2, 0, 4, 0, 6, 0, 8]);
    launch?.update({ kind: activations.identity, rows: 4 });
    device.write(y, new Float32Array(8));
    program.run();
    expect([...(await device.read(y))]).toEqual([-1, 2, -3, 4, 0, 0, 0, 0]);
    expect(await codeOf(() => { launch?.update({ rows: 9 }); })).toBe("SHAPE");
    expect(await codeOf(() => { launch?.update({ kind: Number.NaN }); })).toBe("KERNEL_LAUNCH");
    device.free(x);
    device.free(y);
  });

  test("reads several tensors and parts of them in one wait", async () => {
    const device = await deviceFor(engine);
    const a = device.tensor([128], { label: "a", data: Array.from({ length: 128 }, (_, at) => at) });
    const b = device.tensor([3], { label: "b", dtype: "u32", data: [7, 8, 4294967295] });
    const [part, words] = await device.readAll([a.view(64, [2]), b]);
    expect([...part!]).toEqual([64, 65]);
    expect([...words!]).toEqual([7, 8, 4294967295]);
    device.free(a);
    device.free(b);
  });

  test("refuses what cannot run, with a code, and leaves nothing behind", async () => {
    const device = await deviceFor(engine);
    const other = await deviceFor(engine === "wasm" ? "wasm" : "wasm", 1);
    const x = device.tensor([256], { label: "x" });
    const y = device.tensor([256], { label: "y" });
    const words = device.tensor([256], { label: "words", dtype: "u32" });
    const foreign = other.tensor([256], { label: "foreign" });
    const freed = device.tensor([256], { label: "freed" });
    device.free(freed);
    await device.read(x);
    const before = { ...device.use };
    const shape = { rows: 16, columns: 16, kind: 1 };
    let kept: ProgramRecorder | undefined;
    const launch = (params: typeof shape, buffers: { x: Tensor; y: Tensor }, variant?: string) => async (): Promise<void> => {
      (await device.program("refused", (recorder) => { recorder.launch(activationSpec, params, buffers, variant); })).close();
    };
    const refused: readonly (readonly [string, () => unknown, string])[] = [
      ["no launches", () => device.program("empty", () => undefined), "KERNEL_LAUNCH"],
      ["zero rows", launch({ ...shape, rows: 0 }, { x, y }), "SHAPE"],
      ["negative rows", launch({ ...shape, rows: -1 }, { x, y }), "KERNEL_LAUNCH"],
      ["half a row", launch({ ...shape, rows: 1.5 }, { x, y }), "KERNEL_LAUNCH"],
      ["NaN rows", launch({ ...shape, rows: Number.NaN }, { x, y }), "KERNEL_LAUNCH"],
      ["infinite rows", launch({ ...shape, rows: Infinity }, { x, y }), "KERNEL_LAUNCH"],
      ["too many rows", launch({ ...shape, rows: 17 }, { x, y }), "SHAPE"],
      ["a product beyond 2^32", launch({ ...shape, rows: 4294967295, columns: 4294967295 }, { x, y }), "SHAPE"],
      ["input = output", launch(shape, { x, y: x }), "KERNEL_LAUNCH"],
      ["wrong type", launch(shape, { x: words, y }), "KERNEL_LAUNCH"],
      ["another device's tensor", launch(shape, { x: foreign, y }), "KERNEL_LAUNCH"],
      ["a freed tensor", launch(shape, { x: freed, y }), "KERNEL_LAUNCH"],
      ["a view off the 64-element grid", launch({ ...shape, rows: 1 }, { x: x.view(1, [16]), y }), "KERNEL_LAUNCH"],
      ["an unknown variant", launch(shape, { x, y }, "main_imaginary"), "KERNEL_LAUNCH"],
      ["a launch after recording", async () => {
        using program = await device.program("kept", (recorder) => { kept = recorder; recordRelu(recorder, x, y); });
        recordRelu(kept!, x, y);
        program.run();
      }, "KERNEL_LAUNCH"],
      ["an empty tensor", () => device.tensor([0]), "SHAPE"],
      ["a fractional tensor", () => device.tensor([2.5]), "SHAPE"],
      ["an unaddressable tensor", () => device.tensor([1e6, 1e6]), "SHAPE"],
      ["data of another length", () => device.tensor([3], { data: [1, 2] }), "SHAPE"],
      ["writing another length", () => { device.write(x, [1]); }, "SHAPE"],
      ["writing a foreign tensor", () => { device.write(foreign, new Float32Array(256)); }, "KERNEL_LAUNCH"],
      ["reading a foreign tensor", () => device.read(foreign), "KERNEL_LAUNCH"],
      ["reading a freed tensor", () => device.read(freed), "KERNEL_LAUNCH"],
      ["reading u32 as f32", () => device.read(words), "SHAPE"],
      ["freeing twice", () => { device.free(freed); }, "KERNEL_LAUNCH"],
      ["freeing a foreign tensor", () => { device.free(foreign); }, "KERNEL_LAUNCH"],
      ["a view beyond the end", () => x.view(250, [10]), "SHAPE"],
      ["a view before the start", () => x.view(-64, [10]), "SHAPE"],
    ];
    for (const [what, work, code] of refused) expect(await codeOf(work), what).toBe(code);
    expect(device.use.liveBytes).toBe(before.liveBytes);
    expect(device.use.liveBuffers).toBe(before.liveBuffers);
    other.free(foreign);
    for (const tensor of [x, y, words]) device.free(tensor);
  });
});

describe.each(engines)("closing on %s", (engine) => {
  test("frees everything, twice is once, and what follows is refused", async () => {
    const { createDevice } = await import("../../src/engine/create-device.js");
    const device: Device = await createDevice({ engine, ...(engine === "wasm" ? { wasm: { threads: 2 } } : {}) });
    const x = device.tensor([64], { label: "x" });
    const y = device.tensor([64], { label: "y" });
    const program = await device.program("closed", (recorder) => { recordRelu(recorder, x, y); });
    device.close();
    device.close();
    expect(device.use.liveBytes).toBe(0);
    expect((await device.lost).reason).toBe("closed");
    for (const work of [() => { program.run(); }, () => device.tensor([1]), () => device.read(y), () => device.idle()]) {
      expect(await codeOf(work)).toBe("DEVICE_CLOSED");
    }
  });
});

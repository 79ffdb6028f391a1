import { describe, expect, test } from "vitest";
import { cloneBehaviour, sampleChunks, toyMixture, type CloningOptions, type MixtureOptions, type SampleChunksOptions } from "../../src/algorithms/cloning.js";
import { DiffusionProcess } from "../../src/diffusion/process.js";
import { createDevice } from "../../src/engine/create-device.js";
import { createDiffusionMlp } from "../../src/nn/diffusion-mlp.js";
import { deviceFor, engines } from "../kernels/harness.js";

const denoiser = createDiffusionMlp({ actionSize: 2, horizon: 1, conditionWidth: 1, hidden: [8] });
const process = new DiffusionProcess({ denoisingSteps: 4 });
const set = toyMixture(32, 1);
const quick: CloningOptions = { steps: 6, batchSize: 8, reportEvery: 2 };

describe.each(engines)("cloning on %s", (engine) => {
  test("a device that is closed in the middle ends training with DEVICE_CLOSED, not with what the tidying up meets", async () => {
    const device = await createDevice(engine === "wasm" ? { engine, wasm: { threads: 1 } } : { engine });
    const training = cloneBehaviour(device, denoiser, process, set, quick);
    expect((await training.next()).value).toMatchObject({ step: 2 });
    device.close();
    await expect(training.next()).rejects.toMatchObject({ code: "DEVICE_CLOSED" });
  });

  test("leaving the loop early, stopping and finishing all give the memory back", async () => {
    const device = await deviceFor(engine);
    const trainAndSample = async (): Promise<void> => {
      for await (const event of cloneBehaviour(device, denoiser, process, set, quick)) {
        expect(event.step).toBe(2);
        break;
      }
      const stopped = cloneBehaviour(device, denoiser, process, set, { ...quick, signal: AbortSignal.abort("enough") });
      await expect(stopped.next()).rejects.toMatchObject({ code: "CANCELLED", cause: "enough" });
      const training = cloneBehaviour(device, denoiser, process, set, quick);
      let next = await training.next();
      while (next.done !== true) next = await training.next();
      expect((await sampleChunks(device, denoiser, process, next.value, new Float32Array(3))).length).toBe(6);
    };
    // The device keeps buffers for reading back: the first round leaves them, the second one nothing.
    await trainAndSample();
    const { liveBuffers, liveBytes } = device.use;
    await trainAndSample();
    expect(device.use).toMatchObject({ liveBuffers, liveBytes });
  });
});

describe("options", () => {
  test.each<[Record<string, unknown>, string]>([
    [{ steps: 0 }, "steps"],
    [{ batchSize: 1.5 }, "batchSize"],
    [{ rate: -1 }, "rate"],
    [{ rate: Number.NaN }, "rate"],
    [{ weightDecay: -0.1 }, "weightDecay"],
    [{ averageDecay: 1.1 }, "averageDecay"],
    [{ seed: -1 }, "seed"],
    [{ reportEvery: 0 }, "reportEvery"],
    [{ signal: true }, "signal"],
    [{ step: 10 }, "step"],
  ])("cloneBehaviour refuses %j before it allocates anything", async (wrong, path) => {
    const device = await deviceFor("wasm");
    const before = { ...device.use };
    const training = cloneBehaviour(device, denoiser, process, set, { ...quick, ...wrong });
    await expect(training.next()).rejects.toMatchObject({ code: "OPTION", path });
    expect({ ...device.use }).toEqual(before);
  });

  test("sampleChunks refuses unknown options by name and states that are no rows as a shape", async () => {
    const device = await deviceFor("wasm");
    const values = denoiser.layout.initialValues(1);
    const wrong = { deterministic: false } as SampleChunksOptions;
    await expect(sampleChunks(device, denoiser, process, values, new Float32Array(1), wrong)).rejects.toMatchObject({ code: "OPTION", path: "deterministic" });
    await expect(sampleChunks(device, denoiser, process, values, new Float32Array(0))).rejects.toMatchObject({ code: "SHAPE" });
  });

  test("toyMixture refuses modes that are none and unknown options", () => {
    expect(() => toyMixture(4, 0, { modes: 0 })).toThrow(expect.objectContaining({ code: "OPTION", path: "modes" }));
    expect(() => toyMixture(4, 0, { spred: 1 } as MixtureOptions)).toThrow(/Did you mean "spread"/);
  });
});

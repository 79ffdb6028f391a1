import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { Autotuner, measureVariants, shapeClass, type ChoiceStore, type MeasureVariants } from "../../src/engine/autotuner.js";
import { createDevice } from "../../src/engine/create-device.js";
import type { Device } from "../../src/engine/device.js";
import { anyKernel, defineKernel, variantsOf } from "../../src/engine/kernel-spec.js";
import type { ProgramRecorder, RecordedLaunch } from "../../src/engine/program.js";
import type { VariantChooser } from "../../src/engine/variant-chooser.js";
import { linear, linearSpec, packedLength } from "../../src/kernels/nn/linear.js";
import { engines, testNumbers } from "../kernels/harness.js";

const sizes = { rows: 30, inFeatures: 20, outFeatures: 12 };
const params = { ...sizes, activation: 0, hasBias: 0, hasAddend: 0, writesY: 1, writesActivated: 0 };

/** Records one product of `rows` rows on tensors of the device. */
function recordProduct(device: Device, rows = sizes.rows): (recorder: ProgramRecorder) => void {
  const { inFeatures, outFeatures } = sizes;
  const x = device.tensor([rows, inFeatures], { data: testNumbers(rows * inFeatures, 1) });
  const packed = device.tensor([packedLength(inFeatures, outFeatures)], { data: testNumbers(packedLength(inFeatures, outFeatures), 2) });
  const y = device.tensor([rows, outFeatures]);
  return (recorder) => { linear(recorder, { x, packed, y }, { ...sizes, rows }); };
}

/** A store in memory that counts. */
function memoryStore(texts = new Map<string, string>()): ChoiceStore & { readonly texts: Map<string, string> } {
  return {
    texts,
    readCache: (key) => Promise.resolve(texts.get(key)),
    writeCache: (key, text) => { texts.set(key, text); return Promise.resolve(); },
  };
}

/** Says what each variant takes instead of timing it, and which launches it was asked about. */
function scripted(times: readonly number[]): { readonly measure: MeasureVariants; readonly asked: string[] } {
  const asked: string[] = [];
  return { asked, measure: (_, launch) => { asked.push(launch.spec.name); return Promise.resolve(times); } };
}

/** The variant that a tuner chooses for the product of this file, after a program with it was made. */
async function chosen(tuner: Autotuner, rows?: number): Promise<string | undefined> {
  let choice: string | undefined;
  const device = await createDevice({
    engine: "wasm",
    wasm: {
      threads: 1,
      variants: {
        prepare: (on, launches) => tuner.prepare(on, launches),
        choose: (on, launch) => { choice = tuner.choose(on, launch); return choice; },
      },
    },
  });
  try {
    await device.program("product", recordProduct(device, rows));
    return choice;
  } finally {
    device.close();
  }
}

describe("shape classes", () => {
  const spec = anyKernel(linearSpec);
  const name = shapeClass(spec, params);

  test("hold sizes to the nearest power of two", () => {
    expect(name).toBe("nn/linear rows=32 inFeatures=16 outFeatures=16");
    expect(shapeClass(spec, { ...params, rows: 33 })).toBe(name);
    expect(shapeClass(spec, { ...params, rows: 50 })).not.toBe(name);
  });

  test("leave out what the work does not grow with", () => {
    expect(shapeClass(spec, { ...params, activation: 6, hasBias: 1 })).toBe(name);
  });

  test("take a kernel's units where it counts no flops", () => {
    const plain = anyKernel(defineKernel({ name: "any/thing", params: { count: "u32", flag: "u32" }, buffers: {}, units: (p) => p.count, entryPoints: { main: () => [1] } }));
    expect(shapeClass(plain, { count: 1000, flag: 3 })).toBe("any/thing count=1024");
  });
});

describe("choices", () => {
  test("the fastest variant is taken, once a class", async () => {
    const { measure, asked } = scripted([3, 2, 1]);
    const tuner = new Autotuner(memoryStore(), measure);
    expect(await chosen(tuner)).toBe("rows6");
    expect(await chosen(tuner, 31)).toBe("rows6");
    expect(asked).toEqual(["nn/linear"]);
    expect(await chosen(tuner, 300)).toBe("rows6");
    expect(asked).toEqual(["nn/linear", "nn/linear"]);
  });

  test("a gain that could be noise leaves the plain variant", async () => {
    expect(await chosen(new Autotuner(memoryStore(), scripted([1, 0.98, 0.99]).measure))).toBe("main");
  });

  test("a variant that cannot run is not taken, the plain one included", async () => {
    const never = Number.POSITIVE_INFINITY;
    expect(await chosen(new Autotuner(memoryStore(), scripted([1, never, never]).measure))).toBe("main");
    expect(await chosen(new Autotuner(memoryStore(), scripted([never, 5, never]).measure))).toBe("rows4");
  });

  test("they outlive the tuner that made them", async () => {
    const store = memoryStore();
    await chosen(new Autotuner(store, scripted([3, 1, 2]).measure));
    const later = scripted([1, 9, 9]);
    expect(await chosen(new Autotuner(store, later.measure))).toBe("rows4");
    expect(later.asked).toEqual([]);
    expect([...store.texts.keys()]).toEqual([expect.stringMatching(/^variants-\d+\.\d+\.\d+-wasm-\w+-1$/)]);
  });

  test("a store with damaged or outdated choices is measured again", async () => {
    const store = memoryStore();
    await chosen(new Autotuner(store, scripted([3, 1, 2]).measure));
    const [key] = store.texts.keys();
    for (const text of ["", "{", "null", "[1]", "{\"nn/linear rows=32 inFeatures=16 outFeatures=16\":\"rows9\"}", "{\"nn/linear rows=32 inFeatures=16 outFeatures=16\":7}"]) {
      store.texts.set(key!, text);
      expect(await chosen(new Autotuner(store, scripted([3, 2, 1]).measure)), text).toBe("rows6");
    }
  });

  test("a failed measurement fails its program and not the next", async () => {
    let isBroken = true;
    const tuner = new Autotuner(memoryStore(), () => (isBroken ? Promise.reject(new RangeError("no time")) : Promise.resolve([2, 1, 3])));
    await expect(chosen(tuner)).rejects.toThrow("no time");
    isBroken = false;
    expect(await chosen(tuner)).toBe("rows4");
  });
});

describe("measuring", () => {
  test.each(engines)("every variant gets a time, and nothing is left behind, on %s", async (engine) => {
    let launch: RecordedLaunch | undefined;
    const variants: VariantChooser = {
      prepare: (_, launches) => { launch ??= launches[0]; return Promise.resolve(); },
      choose: () => undefined,
    };
    using device = await createDevice({ engine, wasm: { variants }, webgpu: { variants } });
    await device.program("product", recordProduct(device));
    const { liveBuffers, liveBytes } = device.use;
    const times = await measureVariants(device, launch!, [...variantsOf(anyKernel(linearSpec), engine), "none"]);
    expect(times.slice(0, -1).every((ms) => ms > 0 && ms < 1000)).toBe(true);
    expect(times.at(-1)).toBe(Number.POSITIVE_INFINITY);
    expect(device.use).toMatchObject({ liveBuffers, liveBytes });
  });
});

describe("devices", () => {
  let folder = "";
  const before = process.env.DIFFTUNE_CACHE;

  beforeEach(async () => {
    folder = await mkdtemp(path.join(tmpdir(), "difftune-cache-"));
    process.env.DIFFTUNE_CACHE = folder;
  });

  afterEach(async () => {
    if (before === undefined) delete process.env.DIFFTUNE_CACHE;
    else process.env.DIFFTUNE_CACHE = before;
    await rm(folder, { recursive: true });
  });

  test("are deterministic by default: nothing is timed or stored", async () => {
    using device = await createDevice({ engine: "wasm", wasm: { threads: 1 } });
    await device.program("product", recordProduct(device));
    expect(await readdir(folder)).toEqual([]);
  });

  test("time variants when asked, and store what they chose in a file", async () => {
    using device = await createDevice({ engine: "wasm", wasm: { threads: 1 }, deterministic: false });
    using program = await device.program("product", recordProduct(device));
    program.run();
    await device.idle();
    const [file] = await readdir(path.join(folder, "difftune"));
    const stored = JSON.parse(await readFile(path.join(folder, "difftune", file!), "utf8")) as Record<string, string>;
    expect(Object.keys(stored)).toEqual([shapeClass(anyKernel(linearSpec), params)]);
    expect(linearSpec.wasmVariants).toContain(Object.values(stored)[0]);
  });
});

import { expect, test } from "vitest";
import { DiffusionProcess } from "../../src/diffusion/process.js";
import { recordSampling } from "../../src/diffusion/sampling.js";
import type { Device } from "../../src/engine/device.js";
import type { Tensor } from "../../src/engine/tensor.js";
import { copyColumns } from "../../src/kernels/nn/columns.js";
import type { Denoiser } from "../../src/nn/denoiser.js";
import { createDiffusionMlp } from "../../src/nn/diffusion-mlp.js";
import { createUnet, type UnetOptions } from "../../src/nn/unet.js";
import { expectClose } from "../close.js";
import type { Gradients } from "../reference/mlp.js";
import { unet, type UnetOptions as TwinOptions } from "../reference/unet.js";
import { deviceFor, engines, expectSameBits, testNumbers } from "../kernels/harness.js";

const small: UnetOptions = { actionSize: 2, horizon: 4, conditionWidth: 5, timeSize: 8, channels: 6, groups: 2 };

/** Options of every kind: levels, ratios of channels, encoders, conditions, kernels, no norm. */
const forms: readonly UnetOptions[] = [
  small,
  { ...small, horizon: 16, multipliers: [1, 2, 4], kernelSize: 3, modulation: "shift" },
  { ...small, horizon: 8, encoder: "small", groups: null, activation: "relu" },
  { ...small, horizon: 8, conditionHidden: [7, 7, 7, 3], multipliers: [1, 3], epsilon: 1e-4 },
  // One level: no way up.
  { ...small, horizon: 3, multipliers: [1] },
  // The first block of the way up has as many channels as what joins there: it has no layer around it.
  { ...small, horizon: 8, multipliers: [1, 2, 1], kernelSize: 1 },
];

function twinOptions(options: UnetOptions): TwinOptions {
  return {
    actionDim: options.actionSize,
    horizon: options.horizon,
    condDim: options.conditionWidth,
    timeDim: options.timeSize!,
    dim: options.channels!,
    dimMults: options.multipliers ?? [1, 2],
    kernelSize: options.kernelSize ?? 5,
    groups: options.groups!,
    epsilon: options.epsilon ?? 1e-5,
    activation: options.activation ?? "mish",
    predictsScale: options.modulation !== "shift",
    smallEncoder: options.encoder === "small",
    condHidden: options.conditionHidden ?? [],
  };
}

function inputsOf(options: UnetOptions, rows: number) {
  return {
    x: testNumbers(rows * options.horizon * options.actionSize, 1),
    time: Uint32Array.from({ length: rows }, (_, row) => (7 * row) % 20),
    state: testNumbers(rows * options.conditionWidth, 2),
    dy: testNumbers(rows * options.horizon * options.actionSize, 3),
  };
}

/** Forward and backward pass of a denoiser on a device, with fresh values; its times are those of the rows or a list. */
async function runNetwork(
  device: Device, options: UnetOptions, rows: number, network: Denoiser = createUnet(options), timesFrom: "rows" | "list" = "rows",
): Promise<Record<string, Float32Array<ArrayBuffer>>> {
  const given = inputsOf(options, rows);
  const tensors = {
    values: device.tensor([network.layout.length], { data: network.layout.initialValues(3) }),
    gradients: device.tensor([network.layout.length]),
    x: device.tensor([rows, network.width], { data: given.x }),
    time: timesFrom === "rows"
      ? device.tensor([rows], { data: given.time, dtype: "u32" })
      : device.tensor([20], { data: Uint32Array.from({ length: 20 }, (_, place) => 19 - place), dtype: "u32" }),
    timeIndex: device.tensor([rows], { data: given.time.map((time) => 19 - time), dtype: "u32" }),
    state: device.tensor([rows, options.conditionWidth], { data: given.state }),
    dy: device.tensor([rows, network.width], { data: given.dy }),
    output: device.tensor([rows, network.width]),
    dx: device.tensor([rows, network.width]),
    dState: device.tensor([rows, options.conditionWidth]),
  };
  const { values, gradients, x, time, state } = tensors;
  const inputs = { x, time, state, timeIndex: timesFrom === "list" ? tensors.timeIndex : undefined };
  const program = await device.program("network", (recorder) => {
    const keep = (src: typeof x, dst: typeof x, columns: number): void => {
      copyColumns(recorder, { src, dst }, { rows, columns, srcStride: columns, srcColumn: 0, dstStride: columns, dstColumn: 0 });
    };
    const tape = network.forward(recorder, values, gradients, inputs, rows);
    keep(tape.output, tensors.output, network.width);
    const { dx, dState } = tape.backward(tensors.dy, { x: true, state: true });
    keep(dx!, tensors.dx, network.width);
    keep(dState!, tensors.dState, options.conditionWidth);
  });
  try {
    program.run();
    const [output, dx, dState, flat] = await Promise.all([tensors.output, tensors.dx, tensors.dState, gradients].map((tensor) => device.read(tensor)));
    return { output: output!, dx: dx!, dState: dState!, gradients: flat! };
  } finally {
    program.close();
    for (const tensor of Object.values(tensors)) device.free(tensor);
  }
}

test.each(forms)("output and gradients equal the float64 twin's on every engine: %o", async (options) => {
  const rows = 9;
  const { layout } = createUnet(options);
  const flat = layout.initialValues(3);
  const parameters = new Map(layout.parameters.map(({ name, offset, length }) => [name, flat.subarray(offset, offset + length)]));
  const given = inputsOf(options, rows);
  const traced = unet(parameters, twinOptions(options), given.x, given.time, given.state);
  const expected: Gradients = new Map();
  const { dx, dstate } = traced.backward(given.dy, expected);
  expect([...expected.keys()].sort()).toEqual([...parameters.keys()].sort());
  const largest = Math.max(...[...expected.values()].map((values) => Math.max(...values.map(Math.abs))));
  for (const engine of engines) {
    const got = await runNetwork(await deviceFor(engine), options, rows);
    expectClose(got.output!, traced.output, { relative: 5e-6 }, `${engine} output`);
    expectClose(got.dx!, dx, { relative: 2e-5 }, `${engine} dx`);
    expectClose(got.dState!, dstate, { relative: 2e-5 }, `${engine} dState`);
    for (const { name, offset, length } of layout.parameters) {
      expectClose(got.gradients!.subarray(offset, offset + length), expected.get(name)!, { relative: 2e-5, absolute: 2e-6 * largest }, `${engine} ${name}`);
    }
  }
});

test.each([
  ["U-Net", createUnet(small)],
  ["MLP", createDiffusionMlp({ actionSize: 2, horizon: 4, conditionWidth: 5, hidden: [16, 16] })],
])("times from a list give a %s what times of rows give", async (_, network) => {
  for (const engine of engines) {
    const device = await deviceFor(engine);
    const [own, listed] = [await runNetwork(device, small, 50, network), await runNetwork(device, small, 50, network, "list")];
    expectSameBits({ output: listed.output! }, { output: own.output! }, `${engine} output`);
    for (const { name, offset, length } of network.layout.parameters) {
      const [got, expected] = [listed, own].map(({ gradients }) => gradients!.subarray(offset, offset + length));
      // The sum over rows of a time is taken before its network instead of after it.
      expectClose(got!, expected!, { relative: 1e-5, absolute: 2e-6 }, `${engine} ${name}`);
    }
  }
});

test("bits do not depend on the thread count", async () => {
  const options = forms[1]!;
  const alone = await runNetwork(await deviceFor("wasm", 1), options, 37);
  for (const threads of [2, 4]) expectSameBits(alone, await runNetwork(await deviceFor("wasm", threads), options, 37), `${threads} threads`);
});

// Counts of the published networks: spec section 4, and the 65.8 M of the Push-T network.
test.each([
  ["lift", { actionSize: 7, horizon: 4, conditionWidth: 19, channels: 40 }, 648_615],
  ["can", { actionSize: 7, horizon: 4, conditionWidth: 23, channels: 40 }, 652_455],
  ["square", { actionSize: 7, horizon: 4, conditionWidth: 23 }, 1_623_255],
  ["transport", { actionSize: 14, horizon: 16, conditionWidth: 59 }, 1_681_694],
  ["one_leg", { actionSize: 10, horizon: 16, conditionWidth: 58, multipliers: [1, 2, 4] }, 6_856_346],
  ["Push-T", { actionSize: 2, horizon: 16, conditionWidth: 40, timeSize: 256, channels: 256, multipliers: [1, 2, 4], encoder: "small" }, 65_783_298],
] as const)("the network of %s has as many parameters as the published one", (_, options, count) => {
  expect(createUnet(options).layout.parameterCount).toBe(count);
});

test("values of one horizon load at another: 16, 8 and 4 have the same parameters", () => {
  const layouts = [16, 8, 4].map((horizon) => createUnet({ ...small, horizon }).layout);
  const [long, ...shorter] = layouts;
  const saved = long!.save(long!.initialValues(5));
  for (const layout of shorter) {
    expect(layout.parameters.map(({ name, shape, offset }) => ({ name, shape, offset }))).toEqual(
      long!.parameters.map(({ name, shape, offset }) => ({ name, shape, offset })),
    );
    expect(layout.load(saved)).toEqual(long!.initialValues(5));
  }
});

test("values trained at horizon 16 run at horizon 8, as the float64 twin runs them", async () => {
  const flat = createUnet({ ...small, horizon: 16 }).layout.initialValues(3);
  const short = createUnet({ ...small, horizon: 8 });
  const values = short.layout.load(createUnet({ ...small, horizon: 16 }).layout.save(flat));
  const parameters = new Map(short.layout.parameters.map(({ name, offset, length }) => [name, values.subarray(offset, offset + length)]));
  const options = { ...small, horizon: 8 };
  const given = inputsOf(options, 5);
  const { output } = unet(parameters, twinOptions(options), given.x, given.time, given.state);
  const got = await runNetwork(await deviceFor("wasm"), options, 5);
  expectClose(got.output!, output, { relative: 5e-6 });
});

/** A chain of a network, whose steps are prepared; the same by one inference a step would differ in the last bits only. */
async function sampleChunks(device: Device, options: UnetOptions, rows: number, tunedSteps: number): Promise<Float32Array<ArrayBuffer>> {
  const network = createUnet(options);
  const process = new DiffusionProcess({ denoisingSteps: 6 });
  const tables = process.tables(device);
  const on = (data: Float32Array): Tensor => device.tensor([data.length], { data });
  const tensors = {
    frozen: on(network.layout.initialValues(3)),
    tuned: on(network.layout.initialValues(4)),
    state: on(testNumbers(rows * options.conditionWidth, 2)),
    noise: on(testNumbers(7 * rows * network.width, 5)),
    chunk: device.tensor([rows, network.width]),
  };
  const program = await device.program("sample", (recorder) => {
    recordSampling(recorder, network, process, tables, tensors, { rows, tunedSteps, isDeterministic: true });
  });
  try {
    program.run();
    return await device.read(tensors.chunk);
  } finally {
    program.close();
    for (const tensor of [...Object.values<Tensor>(tensors), tables.schedule, tables.times]) device.free(tensor);
  }
}

test.each([
  ["of many steps together", { ...small, channels: 16 }, 4],
  ["of single steps, which start where views cannot", small, 3],
  ["by small encoders", { ...small, encoder: "small" }, 5],
] as const)("chains with conditions prepared %s agree on both engines", async (_, options, rows) => {
  const chunks = await Promise.all(engines.map(async (engine) => sampleChunks(await deviceFor(engine), options, rows, 2)));
  for (const chunk of chunks) expectClose(chunk, chunks[0]!, { relative: 2e-5 });
});

test.each(engines)("on %s a prepared step equals an inference at its time", async (engine) => {
  const device = await deviceFor(engine);
  for (const [options, rows] of [[{ ...small, channels: 16 }, 4], [small, 3], [{ ...small, encoder: "small" }, 5], [forms[3]!, 6]] as const) {
    const network = createUnet(options);
    const times = Uint32Array.from([17, 11, 6, 3, 0]);
    const given = inputsOf(options, rows);
    const on = (data: Float32Array): Tensor => device.tensor([data.length], { data });
    const [values, x, state] = [on(network.layout.initialValues(3)), on(given.x), on(given.state)];
    const steps = device.tensor([times.length], { data: times, dtype: "u32" });
    for (const range of [undefined, { from: 2, to: 5 }]) {
      for (const step of [2, 4]) {
        const time = device.tensor([rows], { data: new Uint32Array(rows).fill(times[step]!), dtype: "u32" });
        const outputs = [device.tensor([rows * network.width]), device.tensor([rows * network.width])];
        const program = await device.program("step", (recorder) => {
          const prepared = network.prepare(recorder, values, state, steps, rows, range)(x, step);
          const inferred = network.infer(recorder, values, { x, time, state }, rows);
          for (const [at, src] of [prepared, inferred].entries()) {
            const columns = rows * network.width;
            copyColumns(recorder, { src, dst: outputs[at]! }, { rows: 1, columns, srcStride: columns, srcColumn: 0, dstStride: columns, dstColumn: 0 });
          }
        });
        program.run();
        const [prepared, inferred] = await Promise.all(outputs.map((tensor) => device.read(tensor)));
        expectClose(prepared!, inferred!, { relative: 5e-6 }, `step ${step}`);
        program.close();
        for (const tensor of [time, ...outputs]) device.free(tensor);
      }
    }
    for (const tensor of [values, x, state, steps]) device.free(tensor);
  }
});

import { expect, test } from "vitest";
import { recordCloningLoss } from "../../src/diffusion/cloning-loss.js";
import { forwardSampling } from "../../src/diffusion/differentiable-sampling.js";
import { DiffusionProcess, type ProcessOptions } from "../../src/diffusion/process.js";
import type { Device } from "../../src/engine/device.js";
import { affineColumns } from "../../src/kernels/nn/affine-columns.js";
import { createDiffusionMlp } from "../../src/nn/diffusion-mlp.js";
import { expectClose } from "../close.js";
import { deviceFor, engines, testNumbers } from "../kernels/harness.js";

const rows = 5;
const denoiser = createDiffusionMlp({ actionSize: 2, horizon: 3, conditionWidth: 4, timeSize: 8, hidden: [16, 16, 16], isResidual: true });
const { layout, width } = denoiser;

/** Sum of the parts of two arrays. */
function dot(a: ArrayLike<number>, b: ArrayLike<number>): number {
  return Array.from(a).reduce((sum, value, i) => sum + value * b[i]!, 0);
}

/** A direction to move parameters in, none of them in a gap. */
function direction(): Float32Array {
  const values = testNumbers(layout.length, 9);
  const flat = new Float32Array(layout.length);
  for (const { offset, length } of layout.parameters) flat.set(values.subarray(offset, offset + length), offset);
  return flat;
}

/** Chunks for given parameters, and the gradient of the sum of their products with `weights`. */
async function sampleBack(device: Device, options: ProcessOptions, parameters: Float32Array, weights: Float32Array) {
  const process = new DiffusionProcess(options);
  const tables = process.tables(device);
  const given = (data: Float32Array): ReturnType<typeof device.tensor> => device.tensor([data.length], { data });
  const [values, gradients] = [given(parameters), device.tensor([layout.length])];
  const [state, noise] = [given(testNumbers(rows * 4, 1)), given(testNumbers((process.stepCount + 1) * rows * width, 2, 2))];
  const [chunk, dChunk] = [device.tensor([rows, width]), given(weights)];
  using program = await device.program("sample and back", (recorder) => {
    const tape = forwardSampling(recorder, denoiser, process, tables, { values, gradients, state, noise }, rows);
    affineColumns(recorder, { src: tape.chunk, dst: chunk }, { rows, columns: width });
    tape.backward(dChunk);
  });
  program.run();
  const result = { chunk: await device.read(chunk), gradient: await device.read(gradients) };
  for (const tensor of [values, gradients, state, noise, chunk, dChunk, tables.schedule, tables.times]) device.free(tensor);
  return result;
}

const processes: readonly (readonly [string, ProcessOptions])[] = [
  ["DDPM", { denoisingSteps: 6 }],
  ["DDPM without a clip", { denoisingSteps: 6, x0Clip: null }],
  ["DDIM", { denoisingSteps: 12, sampler: { kind: "ddim", stepCount: 4, eta: 1 }, noiseClip: 1.5 }],
  ["a clipped end", { denoisingSteps: 6, finalClip: 0.4 }],
  ["a network that predicts the chunk", { denoisingSteps: 6, predictsNoise: false }],
];

test.each(processes)("the gradient through a whole chain is the difference quotient of its chunks: %s", async (_, options) => {
  const device = await deviceFor("wasm");
  const [start, weights, along] = [layout.initialValues(3), testNumbers(rows * width, 4), direction()];
  const { chunk, gradient } = await sampleBack(device, options, start, weights);
  if (options.finalClip != null) expect(chunk.filter((value) => Math.abs(value) === Math.fround(options.finalClip!)).length).toBeGreaterThan(3);
  const h = 2e-3;
  const moved = async (by: number): Promise<number> =>
    dot((await sampleBack(device, options, start.map((value, i) => value + by * along[i]!), weights)).chunk, weights);
  const slope = ((await moved(h)) - (await moved(-h))) / (2 * h);
  const expected = dot(gradient, along);
  // 32 bits and a finite step; a chunk near a clip crosses it.
  expect(Math.abs(slope - expected)).toBeLessThan(0.02 * Math.max(1, Math.abs(expected)));
  expect(Math.abs(expected)).toBeGreaterThan(0.05);
});

test.skipIf(engines.length < 2).each(processes)("both engines go the same way back: %s", async (_, options) => {
  const [start, weights] = [layout.initialValues(3), testNumbers(rows * width, 4)];
  const first = await sampleBack(await deviceFor("wasm"), options, start, weights);
  const second = await sampleBack(await deviceFor("webgpu"), options, start, weights);
  expectClose(second.chunk, first.chunk, { relative: 1e-5 });
  expectClose(second.gradient, first.gradient, { relative: 1e-4 });
});

test("gradients of a chain are added to those that are there, and leave the gaps of the layout at zero", async () => {
  const device = await deviceFor("wasm");
  const { gradient } = await sampleBack(device, { denoisingSteps: 6 }, layout.initialValues(3), testNumbers(rows * width, 4));
  const inside = new Set(layout.parameters.flatMap(({ offset, length }) => Array.from({ length }, (__, i) => offset + i)));
  expect(gradient.every((value, at) => inside.has(at) || value === 0)).toBe(true);
  expect(layout.length).toBeGreaterThan(inside.size);
});

test.each([[true, false], [false, false], [true, true]])("the gradient of cloned chunks is a difference quotient (noise %s, weighted %s)", async (predictsNoise, isWeighted) => {
  const device = await deviceFor("wasm");
  const process = new DiffusionProcess({ denoisingSteps: 6, predictsNoise });
  const given = (data: Float32Array): ReturnType<typeof device.tensor> => device.tensor([data.length], { data });
  const [values, gradients] = [given(layout.initialValues(3)), device.tensor([layout.length])];
  const [state, noise] = [given(testNumbers(rows * 4, 1)), given(testNumbers(rows * width, 2, 2))];
  const time = device.tensor([rows], { dtype: "u32", data: [0, 1, 2, 4, 5] });
  const start = testNumbers(rows * width, 5);
  const [x0, dx0, loss] = [given(start), device.tensor([rows, width]), device.tensor([1])];
  const weight = isWeighted ? given(Float32Array.of(0, 3, 1, 0.5, 2)) : undefined;
  using program = await device.program("cloning", (recorder) => {
    recordCloningLoss(recorder, denoiser, process, {
      values, gradients, x0, state, time, noise, noisingTable: process.noisingTable(device), loss, weight, dx0,
    }, rows);
  });
  const lossAt = async (by: number, along: Float32Array): Promise<number> => {
    device.write(x0, start.map((value, i) => value + by * along[i]!));
    program.run();
    return (await device.read(loss))[0]!;
  };
  program.run();
  const gradient = await device.read(dx0);
  if (isWeighted) expect([...gradient.subarray(0, width)].every((value) => value === 0)).toBe(true);
  for (const seed of [1, 2]) {
    const along = testNumbers(rows * width, 20 + seed);
    const slope = ((await lossAt(1e-2, along)) - (await lossAt(-1e-2, along))) / 2e-2;
    expect(Math.abs(slope - dot(gradient, along))).toBeLessThan(2e-3 * Math.max(1, Math.abs(slope)));
  }
});

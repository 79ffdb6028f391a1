import { expect, test } from "vitest";
import { denoisingSteps, samplingStd, type DenoisingStep, type Sampler } from "../../src/diffusion/schedule.js";
import { noLimit } from "../../src/engine/kernel-spec.js";
import {
  denoiseMean,
  denoiseMeanBackward,
  denoiseMeanBackwardSpec,
  denoiseMeanSpec,
  denoiseStep,
  denoiseStepSpec,
} from "../../src/kernels/diffusion/denoise.js";
import { expectClose } from "../close.js";
import { denoiseChain, denoiseMean as meanReference, denoiseMeanBackward as backwardReference, type StepOptions } from "../reference/denoise-step.js";
import { differences } from "../reference/finite-difference.js";
import { proveAgreement } from "./agreement.js";
import { deviceFor, engines, proveKernel, testNumbers } from "./harness.js";

/** Steps with every number rounded to f32, as the kernels have them. */
function roundedSteps(count: number, sampler: Sampler): DenoisingStep[] {
  return denoisingSteps(count, sampler).map((step) => ({
    timestep: step.timestep,
    x0FromX: Math.fround(step.x0FromX),
    x0FromNoise: Math.fround(step.x0FromNoise),
    meanFromX0: Math.fround(step.meanFromX0),
    meanFromX: Math.fround(step.meanFromX),
    meanFromNoise: Math.fround(step.meanFromNoise),
    std: Math.fround(step.std),
  }));
}

function table(steps: readonly DenoisingStep[]): Float32Array {
  return Float32Array.from(steps.flatMap((step) => [step.x0FromX, step.x0FromNoise, step.meanFromX0, step.meanFromX, step.meanFromNoise, step.std, 0, 0]));
}

/** Samplers with every clip. Predicting the sample belongs to DDPM. */
const settings: readonly (StepOptions & { readonly title: string; readonly steps: readonly DenoisingStep[] })[] = [
  { title: "ddpm", sampler: "ddpm", prediction: "noise", x0Clip: 1, noiseClip: null, steps: roundedSteps(20, { kind: "ddpm" }) },
  { title: "ddpm without clip", sampler: "ddpm", prediction: "noise", x0Clip: null, noiseClip: null, steps: roundedSteps(20, { kind: "ddpm" }) },
  { title: "ddpm of the sample", sampler: "ddpm", prediction: "sample", x0Clip: 1, noiseClip: null, steps: roundedSteps(20, { kind: "ddpm" }) },
  { title: "ddim", sampler: "ddim", prediction: "noise", x0Clip: 1, noiseClip: null, steps: roundedSteps(100, { kind: "ddim", stepCount: 5, eta: 1 }) },
  { title: "ddim without clip", sampler: "ddim", prediction: "noise", x0Clip: null, noiseClip: null, steps: roundedSteps(100, { kind: "ddim", stepCount: 5, eta: 0 }) },
  { title: "ddim with noise clip", sampler: "ddim", prediction: "noise", x0Clip: 1, noiseClip: 0.75, steps: roundedSteps(100, { kind: "ddim", stepCount: 5, eta: 0.5 }) },
  { title: "ddim with noise clip alone", sampler: "ddim", prediction: "noise", x0Clip: null, noiseClip: 0.75, steps: roundedSteps(100, { kind: "ddim", stepCount: 5, eta: 1 }) },
];

const shapes = [[1, 1], [3, 2], [31, 8], [33, 33], [65, 3], [257, 12]] as const;

const isNear = (value: number, limit: number | null): boolean => limit !== null && Math.abs(Math.abs(value) - limit) < 0.02 * limit;

/** Latents and network outputs, about half of them beyond the clips, none where f32 and f64 could decide a clip differently. */
function inputs(rows: number, width: number, step: Uint32Array, setting: (typeof settings)[number], seed: number): { x: Float32Array; network: Float32Array } {
  const x = testNumbers(rows * width, seed, 2);
  const wanted = testNumbers(rows * width, seed + 1, 2);
  const network = wanted.map((target, n) => {
    const { x0FromX: a, x0FromNoise: b } = setting.steps[step[Math.floor(n / width)]!]!;
    for (let sample = target; ; sample = sample > 1.9 ? -1.9 : sample + 0.05) {
      const output = setting.prediction === "noise" ? Math.fround((a * x[n]! - sample) / b) : Math.fround(sample);
      const clamped = Math.min(Math.max(sample, -(setting.x0Clip ?? noLimit)), setting.x0Clip ?? noLimit);
      if (!isNear(sample, setting.x0Clip) && !isNear((a * x[n]! - clamped) / b, setting.noiseClip)) return output;
    }
  });
  return { x, network };
}

function stepsOf(rows: number, count: number, seed: number): Uint32Array {
  return Uint32Array.from(testNumbers(rows, seed), (value) => Math.floor(((value + 1) / 2) * count));
}

/** Applies a twin row by row, each at its own step. */
function byRow(
  rows: number,
  width: number,
  step: Uint32Array,
  setting: (typeof settings)[number],
  twin: (row: (values: ArrayLike<number>) => Float64Array, step: DenoisingStep) => Float64Array,
): Float64Array {
  const out = new Float64Array(rows * width);
  for (let b = 0; b < rows; b++) {
    const row = (values: ArrayLike<number>): Float64Array => Float64Array.from({ length: width }, (_, c) => values[b * width + c]!);
    out.set(twin(row, setting.steps[step[b]!]!), b * width);
  }
  return out;
}

function params(rows: number, width: number, setting: (typeof settings)[number]) {
  return {
    rows,
    width,
    steps: setting.steps.length,
    predictEpsilon: setting.prediction === "noise" ? 1 : 0,
    x0Clip: setting.x0Clip ?? noLimit,
    epsClip: setting.noiseClip ?? noLimit,
  };
}

proveKernel(denoiseMeanSpec, shapes.flatMap(([rows, width], at) => settings.map((setting) => {
  const step = stepsOf(rows, setting.steps.length, at);
  const { x, network } = inputs(rows, width, step, setting, at);
  return {
    title: `${setting.title} ${rows}x${width}`,
    params: params(rows, width, setting),
    inputs: { x, network, step, schedule: table(setting.steps) },
    expected: { mean: byRow(rows, width, step, setting, (row, one) => meanReference(row(x), row(network), one, setting)) },
    // At the noisiest step x and the noise are multiplied by 400 before they are subtracted.
    tolerance: { absolute: 5e-6, relative: 2e-6 },
  };
})));

/** dmean/dx by central differences of the twin: exact to rounding, as the mean is piecewise linear in x. */
function slopeOfX(x: Float64Array, network: ArrayLike<number>, step: DenoisingStep, setting: StepOptions, dmean: ArrayLike<number>): Float64Array {
  const h = 1e-6;
  const above = meanReference(x.map((value) => value + h), network, step, setting);
  const below = meanReference(x.map((value) => value - h), network, step, setting);
  return x.map((_, n) => (dmean[n]! * (above[n]! - below[n]!)) / (2 * h));
}

proveKernel(denoiseMeanBackwardSpec, shapes.flatMap(([rows, width], at) => settings.flatMap((setting) => {
  const step = stepsOf(rows, setting.steps.length, at);
  const { x, network } = inputs(rows, width, step, setting, at);
  const dmean = testNumbers(rows * width, at + 5);
  const dnetwork = byRow(rows, width, step, setting, (row, one) => backwardReference(row(dmean), row(x), row(network), one, setting));
  const given = { dmean, x, network, step, schedule: table(setting.steps) };
  return [{
    title: `${setting.title} ${rows}x${width}`,
    params: { ...params(rows, width, setting), hasDx: 1 },
    inputs: { ...given, dx: new Float32Array(rows * width) },
    expected: { dnetwork, dx: byRow(rows, width, step, setting, (row, one) => slopeOfX(row(x), row(network), one, setting, row(dmean))) },
    tolerance: { relative: 2e-6, absolute: 1e-6 },
  }, {
    title: `${setting.title} ${rows}x${width} without dx`,
    params: { ...params(rows, width, setting), hasDx: 0 },
    inputs: given,
    expected: { dnetwork },
    tolerance: { relative: 2e-6 },
  }];
})));

// x0 = x - e with a = b = 1: 1, 1 and a hair, -1, noise 0.5 on its clip. DDIM without d: mean = e_coef eps + c x0.
const exactRow = Float32Array.of(1, 1, 0.5, 0.25, 0, 1, 0, 0);
proveKernel(denoiseMeanBackwardSpec, [{
  title: "a value on its clip passes the gradient, one beyond does not",
  params: { rows: 1, width: 4, steps: 1, predictEpsilon: 1, x0Clip: 1, epsClip: 0.5, hasDx: 1 },
  inputs: {
    dmean: [1, 1, 1, 1], x: [0.5, 0.5, -0.5, 0.25], network: [-0.5, Math.fround(-0.50001), 0.5, 0.25],
    step: [0], schedule: exactRow, dx: [0, 0, 0, 0],
  },
  expected: { dnetwork: [-0.5, 0, -0.5, -0.5], dx: [0.75, 0.25, 0.75, 0.75] },
  tolerance: { absolute: 1e-7 },
}, {
  title: "a noise on its clip passes the gradient, one beyond does not",
  params: { rows: 1, width: 3, steps: 1, predictEpsilon: 1, x0Clip: noLimit, epsClip: 0.5, hasDx: 1 },
  inputs: {
    dmean: [1, 1, 1], x: [0, 0, 0], network: [0.5, -0.5, Math.fround(0.50001)],
    step: [0], schedule: [1, 1, 0, 0, 2, 1, 0, 0], dx: [0, 0, 0],
  },
  expected: { dnetwork: [2, 2, 0], dx: [0, 0, 0] },
  tolerance: { absolute: 1e-7 },
}]);

test("the twin's gradient is the difference of its values", () => {
  for (const setting of settings) {
    const step = Uint32Array.of(2, 4, 0, 1);
    const { x, network } = inputs(4, 3, step, setting, 9);
    const outputs = Float64Array.from(network);
    const dmean = testNumbers(12, 3);
    const f = (): number => byRow(4, 3, step, setting, (row, one) => meanReference(row(x), row(outputs), one, setting))
      .reduce((sum, value, n) => sum + value * dmean[n]!, 0);
    expectClose(
      byRow(4, 3, step, setting, (row, one) => backwardReference(row(dmean), row(x), row(outputs), one, setting)),
      differences(f, outputs),
      { relative: 1e-7, absolute: 1e-9 },
      setting.title,
    );
  }
});

const stepShapes = [[1, 1, 0], [3, 2, 5], [31, 8, 64], [33, 33, 1], [257, 3, 7]] as const;
proveKernel(denoiseStepSpec, stepShapes.flatMap(([rows, width, noiseOffset], at) => settings.flatMap((setting) => [0, 0.3].map((std) => {
  const index = (at * 3) % setting.steps.length;
  const step = new Uint32Array(rows).fill(index);
  const { x, network } = inputs(rows, width, step, setting, at);
  const noise = testNumbers(noiseOffset + rows * width, at + 7, 4);
  const mean = meanReference(x, network, setting.steps[index]!, setting);
  const clamp = (value: number, limit: number): number => Math.min(Math.max(value, -limit), limit);
  const finalClip = at % 2 === 0 ? 0.5 : null;
  const next = mean.map((value, n) => clamp(value + Math.fround(std) * clamp(noise[noiseOffset + n]!, 3), finalClip ?? noLimit));
  const chainSlots = 3;
  const chain = testNumbers(rows * chainSlots * width, at + 8);
  const expectedChain = Float64Array.from(chain);
  for (let b = 0; b < rows; b++) {
    expectedChain.set(x.subarray(b * width, (b + 1) * width), b * chainSlots * width);
    expectedChain.set(next.subarray(b * width, (b + 1) * width), (b * chainSlots + 2) * width);
  }
  return {
    title: `${setting.title} ${rows}x${width}, std ${std}`,
    params: {
      ...params(rows, width, setting), step: index, sigma: std, randnClip: 3, finalClip: finalClip ?? noLimit, noiseOffset,
      chainSlots, chainSlot: 2, chainInputSlot: 0,
    },
    inputs: { x, network, noise, schedule: table(setting.steps), chain },
    expected: { xNext: next, chain: expectedChain },
    tolerance: { absolute: 5e-6, relative: 2e-6 },
  };
}))));

test.each(engines)("a chain of launches equals the twin's chain on %s", async (engine) => {
  const device = await deviceFor(engine);
  const [rows, width] = [33, 6];
  const size = rows * width;
  for (const setting of settings.filter(({ title }) => ["ddpm", "ddim", "ddim with noise clip"].includes(title))) {
    const count = setting.steps.length;
    for (const tunedStepCount of [count, 2]) {
      const noise = testNumbers((count + 1) * size, 4, 4);
      const slots = tunedStepCount + 1;
      const tensors = {
        noise: device.tensor([count + 1, rows, width], { data: noise }),
        schedule: device.tensor([count, 8], { data: table(setting.steps) }),
        chain: device.tensor([rows, slots, width]),
        zeros: device.tensor([rows, width]),
        first: device.tensor([rows], { dtype: "u32" }),
        even: device.tensor([rows, width], { data: noise.subarray(0, size) }),
        odd: device.tensor([rows, width]),
      };
      // The network predicts x / 2: a mean of another schedule stands in for it, mean = 0 · x0 + x / 2.
      const halved = device.tensor([1, 8], { data: [1, 1, 0, 0.5, 0, 0, 0, 0] });
      const program = await device.program("chain", (recorder) => {
        const network = recorder.temporary([rows, width], "network");
        for (let i = 0; i < count; i++) {
          const x = i % 2 === 0 ? tensors.even : tensors.odd;
          const slot = i + 1 - (count - tunedStepCount);
          denoiseMean(recorder, { x, network: tensors.zeros, step: tensors.first, schedule: halved, mean: network }, {
            rows, width, x0Clip: null, epsClip: null, predictEpsilon: true,
          });
          denoiseStep(recorder, {
            x, network, noise: tensors.noise, schedule: tensors.schedule, xNext: i % 2 === 0 ? tensors.odd : tensors.even, chain: tensors.chain,
          }, {
            rows, width, step: i, std: samplingStd(setting.steps[i]!, setting.sampler, { floor: 0.1 }),
            x0Clip: setting.x0Clip, epsClip: setting.noiseClip, randnClip: 3, finalClip: i === count - 1 ? 0.9 : null,
            predictEpsilon: true, noiseOffset: (i + 1) * size, chainSlots: slots, chainSlot: slot >= 0 ? slot : null,
            chainInputSlot: i === 0 && tunedStepCount === count ? 0 : null,
          });
        }
      });
      program.run();
      const last = count % 2 === 0 ? tensors.even : tensors.odd;
      const [chain, x] = await device.readAll([tensors.chain, last]);
      const expected = denoiseChain(noise, rows, width, setting.steps, {
        ...setting, mode: { floor: 0.1 }, noiseDrawClip: 3, finalClip: 0.9, tunedStepCount,
      }, (values) => values.map((value) => 0.5 * value));
      expectClose(chain!, expected.chain, { absolute: 5e-6 }, `${setting.title}, chain of ${slots}`);
      expectClose(x!, expected.x, { absolute: 5e-6 }, setting.title);
      program.close();
      for (const tensor of [...Object.values(tensors), halved]) device.free(tensor);
    }
  }
});

test("a step beyond the schedule and a negative deviation are refused", async () => {
  const device = await deviceFor("wasm");
  const x = device.tensor([1, 4]);
  const schedule = device.tensor([2, 8]);
  const [network, noise, xNext] = [0, 1, 2].map(() => device.tensor([1, 4]));
  const record = (change: { step?: number; std?: number }) => device.program("bad", (recorder) => {
    denoiseStep(recorder, { x, network: network!, noise: noise!, schedule, xNext: xNext! }, {
      rows: 1, width: 4, step: 0, std: 1, x0Clip: 1, epsClip: null, randnClip: 3, predictEpsilon: true, ...change,
    });
  });
  await expect(record({ step: 2 })).rejects.toThrow(/step 2/);
  await expect(record({ std: -1 })).rejects.toThrow(/deviation/);
  for (const tensor of [x, schedule, network!, noise!, xNext!]) device.free(tensor);
});

test.each(engines)("launchers of mean and gradient bind what they are given on %s", async (engine) => {
  const device = await deviceFor(engine);
  const [rows, width] = [5, 3];
  const setting = settings[3]!;
  const step = stepsOf(rows, 5, 2);
  const { x, network } = inputs(rows, width, step, setting, 2);
  const dmean = testNumbers(rows * width, 3);
  const tensors = {
    x: device.tensor([rows, width], { data: x }),
    network: device.tensor([rows, width], { data: network }),
    step: device.tensor([rows], { dtype: "u32", data: step }),
    schedule: device.tensor([5, 8], { data: table(setting.steps) }),
    dmean: device.tensor([rows, width], { data: dmean }),
    mean: device.tensor([rows, width]),
    dnetwork: device.tensor([rows, width]),
  };
  const options = { rows, width, x0Clip: 1, epsClip: null, predictEpsilon: true };
  const program = await device.program("mean", (recorder) => {
    denoiseMean(recorder, { x: tensors.x, network: tensors.network, step: tensors.step, schedule: tensors.schedule, mean: tensors.mean }, options);
    denoiseMeanBackward(recorder, {
      dmean: tensors.dmean, x: tensors.x, network: tensors.network, step: tensors.step, schedule: tensors.schedule, dnetwork: tensors.dnetwork,
    }, options);
  });
  program.run();
  const [mean, dnetwork] = await device.readAll([tensors.mean, tensors.dnetwork]);
  expectClose(mean!, byRow(rows, width, step, setting, (row, one) => meanReference(row(x), row(network), one, setting)), { absolute: 5e-6 });
  expectClose(dnetwork!, byRow(rows, width, step, setting, (row, one) => backwardReference(row(dmean), row(x), row(network), one, setting)), { relative: 2e-6 });
  program.close();
  for (const tensor of Object.values(tensors)) device.free(tensor);
});

proveAgreement(denoiseStepSpec, { absolute: 1e-5 }, 60, ([rows, width, noiseOffset, draw], seed) => {
  const setting = settings[draw % settings.length]!;
  const index = draw % setting.steps.length;
  const { x, network } = inputs(rows, width, new Uint32Array(rows).fill(index), setting, seed);
  return {
    params: {
      ...params(rows, width, setting), step: index, sigma: 0.2, randnClip: 3, finalClip: noLimit, noiseOffset,
      chainSlots: 0, chainSlot: 0, chainInputSlot: 0,
    },
    inputs: { x, network, noise: testNumbers(noiseOffset + rows * width, seed, 4), schedule: table(setting.steps) },
  };
});

function agreementCase(sizes: readonly [number, number, number, number], seed: number) {
  const [rows, width, draw] = sizes;
  const setting = settings[draw % settings.length]!;
  const step = stepsOf(rows, setting.steps.length, seed);
  return { params: params(rows, width, setting), inputs: { ...inputs(rows, width, step, setting, seed), step, schedule: table(setting.steps) } };
}

proveAgreement(denoiseMeanSpec, { absolute: 1e-5, relative: 2e-6 }, 60, agreementCase);

proveAgreement(denoiseMeanBackwardSpec, { relative: 2e-6 }, 60, (sizes, seed) => {
  const one = agreementCase(sizes, seed);
  const count = sizes[0] * sizes[1];
  return {
    params: { ...one.params, hasDx: 1 },
    inputs: { ...one.inputs, dmean: testNumbers(count, seed + 3), dx: new Float32Array(count) },
  };
});

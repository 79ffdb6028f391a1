import { expect, test } from "vitest";
import { gaussianKl, gaussianKlBackwardAdd, gaussianKlBackwardAddSpec, gaussianKlSpec } from "../../src/kernels/diffusion/gaussian-kl.js";
import {
  diagonalGaussianKl,
  diagonalGaussianKlBackwardAdd,
  diagonalGaussianKlBackwardAddSpec,
  diagonalGaussianKlSpec,
} from "../../src/kernels/nn/diagonal-gaussian-kl.js";
import { expectClose } from "../close.js";
import { differences } from "../reference/finite-difference.js";
import { diagonalGaussianKl as diagonalReference, gaussianKl as sharedReference, gaussianKlBackward as sharedBackward } from "../reference/gaussian-kl.js";
import { proveAgreement } from "./agreement.js";
import { deviceFor, engines, proveKernel, testNumbers } from "./harness.js";

const shapes = [[1, 1], [3, 2], [31, 8], [33, 33], [65, 3], [257, 65]] as const;
const floor = Math.fround(0.05);
/** Deviations of four steps: the last has none of its own. */
const stds = Float32Array.of(0.9, 0.5, 0.2, 1e-10);
const schedule = Float32Array.from({ length: 32 }, (_, n) => (n % 8 === 5 ? stds[Math.floor(n / 8)]! : 99));

function sharedCases(rows: number, width: number, at: number) {
  const mean = testNumbers(rows * width, at);
  const reference = testNumbers(rows * width, at + 1, 0.2).map((value, n) => value + mean[n]!);
  const step = Uint32Array.from({ length: rows }, (_, b) => (b * 3 + 3) % 4);
  return [{
    title: `${rows}x${width}, a number`,
    params: { rows, width, steps: 0, hasSchedule: 0, sigma: 0.25, floorStd: floor },
    inputs: { mean, reference },
    std: () => 0.25,
  }, {
    title: `${rows}x${width}, a schedule`,
    params: { rows, width, steps: 4, hasSchedule: 1, sigma: 0, floorStd: floor },
    inputs: { mean, reference, step, schedule },
    std: (b: number) => Math.max(stds[step[b]!]!, floor),
  }];
}

proveKernel(gaussianKlSpec, shapes.flatMap(([rows, width], at) => sharedCases(rows, width, at).map(({ std, ...one }) => ({
  ...one,
  expected: { kl: sharedReference(one.inputs.mean, one.inputs.reference, std, width) },
  tolerance: { relative: 2e-6 },
}))));

proveKernel(gaussianKlBackwardAddSpec, shapes.flatMap(([rows, width], at) => sharedCases(rows, width, at).map(({ title, params, inputs, std }) => {
  const dmean = testNumbers(rows * width, at + 3);
  const added = sharedBackward(() => 0.375, inputs.mean, inputs.reference, std, width);
  return {
    title,
    params: { ...params, scale: 0.375 },
    inputs: { ...inputs, dmean },
    expected: { dmean: added.map((value, n) => value + dmean[n]!) },
    tolerance: { relative: 2e-6 },
  };
})));

/** Two Gaussians with deviations of their own; every third pair of deviations is equal, where the divergence cancels. */
function diagonal(rows: number, width: number, at: number) {
  const logStd = testNumbers(rows * width, at + 1);
  return {
    mean: testNumbers(rows * width, at),
    logStd,
    reference: testNumbers(rows * width, at + 2),
    referenceLogStd: testNumbers(rows * width, at + 3, 0.8).map((value, n) => (n % 3 === 0 ? logStd[n]! : value)),
  };
}

function diagonalKl(given: ReturnType<typeof diagonal>, width: number): Float64Array {
  return diagonalReference(given.mean, given.logStd, given.reference, given.referenceLogStd, width);
}

/** The definition, differentiated: d/dmean = (mean - reference)/q², d/dlogStd = p²/q² - 1. */
function diagonalGradient(given: ReturnType<typeof diagonal>): { dmean: Float64Array; dlogstd: Float64Array } {
  const { mean, logStd, reference, referenceLogStd } = given;
  return {
    dmean: Float64Array.from(mean, (value, n) => (value - reference[n]!) * Math.exp(-2 * referenceLogStd[n]!)),
    dlogstd: Float64Array.from(logStd, (value, n) => Math.exp(2 * (value - referenceLogStd[n]!)) - 1),
  };
}

proveKernel(diagonalGaussianKlSpec, shapes.map(([rows, width], at) => {
  const given = diagonal(rows, width, at);
  return {
    title: `${rows}x${width}`,
    params: { rows, width },
    inputs: given,
    expected: { kl: diagonalKl(given, width) },
    tolerance: { absolute: 5e-7, relative: 2e-6 },
  };
}));

proveKernel(diagonalGaussianKlBackwardAddSpec, shapes.map(([rows, width], at) => {
  const given = diagonal(rows, width, at);
  const dmean = testNumbers(rows * width, at + 5);
  const dlogstd = testNumbers(rows * width, at + 6);
  const gradient = diagonalGradient(given);
  return {
    title: `${rows}x${width}`,
    params: { rows, width, scale: 0.25 },
    inputs: { ...given, dmean, dlogstd },
    expected: {
      dmean: gradient.dmean.map((value, n) => 0.25 * value + dmean[n]!),
      dlogstd: gradient.dlogstd.map((value, n) => 0.25 * value + dlogstd[n]!),
    },
    tolerance: { relative: 2e-6 },
  };
}));

test("the gradients that the kernels are held to are the differences of the twins' values", () => {
  const [rows, width] = [3, 4];
  const given = diagonal(rows, width, 4);
  const mean = Float64Array.from(given.mean);
  const logStd = Float64Array.from(given.logStd);
  const sum = (kl: Float64Array): number => kl.reduce((total, value) => total + value, 0);
  const value = (): number => sum(diagonalReference(mean, logStd, given.reference, given.referenceLogStd, width));
  const { dmean, dlogstd } = diagonalGradient(given);
  expectClose(dmean, differences(value, mean), { relative: 1e-7 });
  expectClose(dlogstd, differences(value, logStd), { relative: 1e-7 });
  const shared = (): number => sum(sharedReference(mean, given.reference, () => 0.3, width));
  expectClose(sharedBackward(() => 1, mean, given.reference, () => 0.3, width), differences(shared, mean), { relative: 1e-7 });
});

test("with one deviation the general divergence is the shared one", () => {
  const given = diagonal(5, 7, 2);
  const same = new Float32Array(35).fill(-1.25);
  expectClose(
    diagonalKl({ ...given, logStd: same, referenceLogStd: same }, 7),
    sharedReference(given.mean, given.reference, () => Math.exp(-1.25), 7),
    { relative: 1e-12 },
  );
});

test.each(engines)("launchers give divergences and add their gradients on %s", async (engine) => {
  const device = await deviceFor(engine);
  const [rows, width] = [33, 6];
  const given = diagonal(rows, width, 8);
  const step = Uint32Array.from({ length: rows }, (_, b) => b % 4);
  const tensor = (data: Float32Array) => device.tensor([rows, width], { data });
  const tensors = {
    mean: tensor(given.mean), logStd: tensor(given.logStd), reference: tensor(given.reference), referenceLogStd: tensor(given.referenceLogStd),
    step: device.tensor([rows], { dtype: "u32", data: step }), schedule: device.tensor([4, 8], { data: schedule }),
    shared: device.tensor([rows]), general: device.tensor([rows]), dmean: device.tensor([rows, width]), dlogstd: device.tensor([rows, width]),
  };
  const program = await device.program("divergences", (recorder) => {
    const options = { rows, width, floor, deviation: { schedule: tensors.schedule, step: tensors.step } };
    gaussianKl(recorder, { mean: tensors.mean, reference: tensors.reference, kl: tensors.shared }, options);
    diagonalGaussianKl(recorder, { ...pick(tensors), kl: tensors.general }, { rows, width });
    const add = gaussianKlBackwardAdd(recorder, { mean: tensors.mean, reference: tensors.reference, dmean: tensors.dmean }, { ...options, scale: 1 });
    add.update({ scale: 2 });
    diagonalGaussianKlBackwardAdd(recorder, { ...pick(tensors), dmean: tensors.dmean, dlogstd: tensors.dlogstd }, { rows, width, scale: 3 });
  });
  program.run();
  const [shared, general, dmean] = await device.readAll([tensors.shared, tensors.general, tensors.dmean]);
  const std = (b: number): number => Math.max(stds[step[b]!]!, floor);
  expectClose(shared!, sharedReference(given.mean, given.reference, std, width), { relative: 2e-6 });
  expectClose(general!, diagonalKl(given, width), { absolute: 5e-7, relative: 2e-6 });
  const own = diagonalGradient(given);
  const gradient = sharedBackward(() => 2, given.mean, given.reference, std, width)
    .map((value, n) => value + 3 * own.dmean[n]!);
  expectClose(dmean!, gradient, { relative: 2e-6 });
  await expect(device.program("bad", (recorder) => {
    gaussianKl(recorder, { mean: tensors.mean, reference: tensors.reference, kl: tensors.shared }, {
      rows, width, floor: 0, deviation: { schedule: tensors.schedule, step: tensors.step },
    });
  })).rejects.toThrow(/floor/);
  program.close();
  for (const one of Object.values(tensors)) device.free(one);
});

function pick<T>({ mean, logStd, reference, referenceLogStd }: Record<"mean" | "logStd" | "reference" | "referenceLogStd", T>) {
  return { mean, logStd, reference, referenceLogStd };
}

proveAgreement(gaussianKlSpec, { relative: 4e-6 }, 60, ([rows, width, which], seed) => {
  const { params, inputs } = sharedCases(rows, width, seed)[which % 2]!;
  return { params, inputs };
});

proveAgreement(diagonalGaussianKlSpec, { absolute: 1e-6, relative: 4e-6 }, 60, ([rows, width], seed) => ({ params: { rows, width }, inputs: diagonal(rows, width, seed) }));

proveAgreement(gaussianKlBackwardAddSpec, { relative: 2e-6 }, 60, ([rows, width, which], seed) => {
  const { params, inputs } = sharedCases(rows, width, seed)[which % 2]!;
  return { params: { ...params, scale: 0.5 }, inputs: { ...inputs, dmean: testNumbers(rows * width, seed + 2) } };
});

proveAgreement(diagonalGaussianKlBackwardAddSpec, { relative: 4e-6 }, 60, ([rows, width], seed) => ({
  params: { rows, width, scale: 0.5 },
  inputs: { ...diagonal(rows, width, seed), dmean: testNumbers(rows * width, seed + 1), dlogstd: testNumbers(rows * width, seed + 2) },
}));

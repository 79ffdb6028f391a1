import { expect, test } from "vitest";
import {
  gaussianLogProb,
  gaussianLogProbBackward,
  gaussianLogProbBackwardSpec,
  gaussianLogProbSpec,
  type Deviation,
} from "../../src/kernels/diffusion/gaussian-log-prob.js";
import { expectClose } from "../close.js";
import { differences } from "../reference/finite-difference.js";
import { gaussianLogProb as reference, gaussianLogProbBackward as backwardReference } from "../reference/gaussian-log-prob.js";
import { proveAgreement } from "./agreement.js";
import { deviceFor, engines, proveKernel, testNumbers } from "./harness.js";

const shapes = [[1, 1], [3, 2], [31, 8], [33, 33], [65, 3], [257, 12]] as const;
const floor = Math.fround(0.1);
/** Deviations of four steps: the last is below every floor. */
const stds = Float32Array.of(0.9, 0.5, 0.2, 1e-10);
const schedule = Float32Array.from({ length: 32 }, (_, n) => (n % 8 === 5 ? stds[Math.floor(n / 8)]! : 99));

interface Inputs {
  readonly value: Float32Array;
  readonly mean: Float32Array;
  readonly step: Uint32Array;
  readonly logStd: Float32Array;
}

/** Values within three deviations of their means, mostly, whatever the source of the deviation. */
function inputs(rows: number, width: number, seed: number): Inputs {
  const mean = testNumbers(rows * width, seed);
  const value = testNumbers(rows * width, seed + 1, 0.4).map((offset, n) => offset + mean[n]!);
  const step = Uint32Array.from({ length: rows }, (_, b) => (b * 3 + 3) % 4);
  // Some below the floor.
  const logStd = testNumbers(rows * width, seed + 2).map((number) => 1.3 * number - 1.3);
  return { value, mean, step, logStd };
}

/** The three sources of a deviation: parameters, buffers, and what each element's deviation is before the floor. */
function sourcesOf(rows: number, width: number, given: Inputs) {
  const spread = (std: (n: number) => number): Float64Array => Float64Array.from({ length: rows * width }, (_, n) => std(n));
  return [
    { title: "number", params: { steps: 0, source: 0, sigma: 0.25, floorStd: 0 }, buffers: {}, std: spread(() => 0.25) },
    { title: "number below the floor", params: { steps: 0, source: 0, sigma: 0.01, floorStd: floor }, buffers: {}, std: spread(() => Math.fround(0.01)) },
    { title: "tensor", params: { steps: 0, source: 1, sigma: 0, floorStd: floor }, buffers: { logStd: given.logStd }, std: spread((n) => Math.exp(given.logStd[n]!)) },
    {
      title: "schedule",
      params: { steps: 4, source: 2, sigma: 0, floorStd: floor },
      buffers: { step: given.step, schedule },
      std: spread((n) => stds[given.step[Math.floor(n / width)]!]!),
    },
  ];
}

proveKernel(gaussianLogProbSpec, shapes.flatMap(([rows, width], at) => {
  const given = inputs(rows, width, at);
  return sourcesOf(rows, width, given).map(({ title, params, buffers, std }) => ({
    title: `${title} ${rows}x${width}`,
    params: { rows, width, ...params },
    inputs: { value: given.value, mean: given.mean, ...buffers },
    expected: { logp: reference(given.value, given.mean, std.map((s) => Math.max(s, params.floorStd))) },
    tolerance: { absolute: 2e-6, relative: 2e-6 },
  }));
}));

proveKernel(gaussianLogProbBackwardSpec, shapes.flatMap(([rows, width], at) => {
  const given = inputs(rows, width, at);
  const dlogp = testNumbers(rows * width, at + 5);
  return sourcesOf(rows, width, given).flatMap(({ title, params, buffers, std }) => {
    const floored = std.map((s) => Math.max(s, params.floorStd));
    const { dmean, dstd } = backwardReference(dlogp, given.value, given.mean, floored);
    const dlogstd = dstd.map((d, n) => (std[n]! >= params.floorStd ? d * floored[n]! : 0));
    const shared = { dlogp, value: given.value, mean: given.mean, ...buffers };
    return [{
      title: `${title} ${rows}x${width}`,
      params: { rows, width, ...params, hasDlogstd: 1 },
      inputs: { ...shared, dlogstd: new Float32Array(rows * width) },
      expected: { dmean, dlogstd },
      tolerance: { relative: 4e-6 },
    }, {
      title: `${title} ${rows}x${width}, mean only`,
      params: { rows, width, ...params, hasDlogstd: 0 },
      inputs: shared,
      expected: { dmean },
      tolerance: { relative: 4e-6 },
    }];
  });
}));

test("the twin's gradients are the differences of its values", () => {
  const given = inputs(2, 5, 3);
  const mean = Float64Array.from(given.mean);
  const std = Float64Array.from(given.logStd, (value) => Math.max(Math.exp(value), 0.1));
  const dlogp = testNumbers(10, 4);
  const f = (): number => reference(given.value, mean, std).reduce((sum, value, n) => sum + value * dlogp[n]!, 0);
  const { dmean, dstd } = backwardReference(dlogp, given.value, mean, std);
  expectClose(dmean, differences(f, mean), { relative: 1e-7 });
  expectClose(dstd, differences(f, std), { relative: 1e-7 });
});

test.each(engines)("launchers take a number, a tensor or a schedule on %s", async (engine) => {
  const device = await deviceFor(engine);
  const [rows, width] = [33, 6];
  const given = inputs(rows, width, 8);
  const dlogp = testNumbers(rows * width, 9);
  const tensors = {
    value: device.tensor([rows, width], { data: given.value }),
    mean: device.tensor([rows, width], { data: given.mean }),
    dlogp: device.tensor([rows, width], { data: dlogp }),
    logp: device.tensor([rows, width]),
    dmean: device.tensor([rows, width]),
    dlogstd: device.tensor([rows, width]),
    logStd: device.tensor([rows, width], { data: given.logStd }),
    step: device.tensor([rows], { dtype: "u32", data: given.step }),
    schedule: device.tensor([4, 8], { data: schedule }),
  };
  const { value, mean, logp, dmean, dlogstd } = tensors;
  const deviations: readonly Deviation[] = [{ std: 0.25 }, { logStd: tensors.logStd }, { schedule: tensors.schedule, step: tensors.step }];
  const expected = sourcesOf(rows, width, given).filter(({ title }) => title !== "number below the floor");
  for (const [at, deviation] of deviations.entries()) {
    const program = await device.program("log prob", (recorder) => {
      const options = { rows, width, deviation, floor };
      gaussianLogProb(recorder, { value, mean, logp }, options);
      gaussianLogProbBackward(recorder, { dlogp: tensors.dlogp, value, mean, dmean, dlogstd }, options);
    });
    program.run();
    const [gotLogp, gotDmean] = await device.readAll([logp, dmean]);
    const std = expected[at]!.std.map((s) => Math.max(s, floor));
    expectClose(gotLogp!, reference(given.value, given.mean, std), { absolute: 2e-6, relative: 2e-6 });
    expectClose(gotDmean!, backwardReference(dlogp, given.value, given.mean, std).dmean, { relative: 4e-6 });
    program.close();
  }
  const refuse = (deviation: Deviation, least: number) => device.program("bad", (recorder) => {
    gaussianLogProb(recorder, { value, mean, logp }, { rows, width, deviation, floor: least });
  });
  await expect(refuse({ std: 0 }, 0)).rejects.toThrow(/deviation/);
  await expect(refuse({ std: 1 }, -1)).rejects.toThrow(/floor/);
  for (const tensor of Object.values(tensors)) device.free(tensor);
});

proveAgreement(gaussianLogProbSpec, { absolute: 4e-6, relative: 2e-6 }, 60, ([rows, width, source], seed) => {
  const given = inputs(rows, width, seed);
  const one = sourcesOf(rows, width, given)[source % 4]!;
  return { params: { rows, width, ...one.params }, inputs: { value: given.value, mean: given.mean, ...one.buffers } };
});

proveAgreement(gaussianLogProbBackwardSpec, { relative: 4e-6 }, 60, ([rows, width, source], seed) => {
  const given = inputs(rows, width, seed);
  const one = sourcesOf(rows, width, given)[source % 4]!;
  return {
    params: { rows, width, ...one.params, hasDlogstd: 1 },
    inputs: { dlogp: testNumbers(rows * width, seed + 1), value: given.value, mean: given.mean, dlogstd: new Float32Array(rows * width), ...one.buffers },
  };
});

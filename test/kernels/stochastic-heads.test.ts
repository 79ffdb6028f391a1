import {
  gaussianDensityBackwardSpec, gaussianDensitySpec, gaussianSampleSpec, logStdBackwardSpec, logStdSpec, logStdTiledBackwardSpec,
  mixtureDensityBackwardSpec, mixtureDensitySpec, mixtureSampleSpec,
} from "../../src/kernels/nn/stochastic-heads.js";
import { elementEntropy, gaussianSample, learnedStd, learnedStdBackward, predictedStd, predictedStdBackward } from "../reference/gaussian-head.js";
import { gaussianLogDensity } from "../reference/gaussian-log-prob.js";
import { mixtureEntropy, mixtureLogProb, mixtureLogProbBackward, mixtureSample, mixtureStd, type Mixture } from "../reference/mixture-head.js";
import { proveAdjoint, type AdjointCase } from "./adjoint.js";
import { proveKernel, testNumbers } from "./harness.js";

const low = Math.fround(Math.log(0.01 ** 2));
const high = Math.fround(Math.log(0.2 ** 2));

/** [rows, modes, horizon, actionSize] */
const headShapes = [[1, 1, 1, 1], [3, 1, 4, 2], [31, 5, 4, 2], [65, 3, 1, 7], [257, 2, 3, 3]] as const;

/** Log-variances below, inside, above and exactly on the bounds. */
function logVariances(length: number): Float32Array {
  return testNumbers(length, 3, 8).map((value, at) => (at % 7 === 3 ? low : at % 7 === 5 ? high : value - 5));
}

/** Learned deviation of a mode: `logvar` [M, A] tiled over the horizon, by the twin for one mode. */
function tiled(logvar: Float32Array, rows: number, modes: number, horizon: number, actionSize: number): Float64Array {
  const out: number[] = [];
  for (let b = 0; b < rows; b++) {
    for (let m = 0; m < modes; m++) {
      out.push(...learnedStd(logvar.subarray(m * actionSize, (m + 1) * actionSize), low, high, horizon * actionSize));
    }
  }
  return Float64Array.from(out, Math.log);
}

proveKernel(logStdSpec, headShapes.flatMap(([rows, modes, horizon, actionSize]) => {
  const width = modes * horizon * actionSize;
  const base = { rows, width, actionSize, perMode: horizon * actionSize, low, high, constant: Math.fround(-2.3) };
  const learned = logVariances(modes * actionSize);
  const head = testNumbers(rows * width, 4, 3);
  const clamped = logVariances(rows * width);
  return [
    { title: "constant", params: { ...base, kind: 0 }, inputs: {}, expected: { logStd: Array.from({ length: rows * width }, () => base.constant) }, tolerance: { absolute: 1e-7 } },
    { title: "learned", params: { ...base, kind: 1 }, inputs: { source: learned }, expected: { logStd: tiled(learned, rows, modes, horizon, actionSize) }, tolerance: { relative: 2e-7 } },
    { title: "predicted", params: { ...base, kind: 2 }, inputs: { source: head }, expected: { logStd: predictedStd(head, low, high).map(Math.log) }, tolerance: { absolute: 1e-5 } },
    { title: "clamped", params: { ...base, kind: 3 }, inputs: { source: clamped }, expected: { logStd: Array.from(clamped, (value) => 0.5 * Math.min(Math.max(value, low), high)) }, tolerance: { relative: 2e-7 } },
  ];
}));

proveKernel(logStdBackwardSpec, headShapes.flatMap(([rows, modes, horizon, actionSize]) => {
  const width = modes * horizon * actionSize;
  const base = { rows, width, low, high };
  const head = testNumbers(rows * width, 4, 3);
  const clamped = logVariances(rows * width);
  const dLogStd = testNumbers(rows * width, 5);
  // dstd = dLogStd / std turns the twins, which differentiate std, into derivatives of its logarithm.
  const std = predictedStd(head, low, high);
  const dstd = std.map((value, at) => dLogStd[at]! / value);
  return [
    { title: "predicted", params: { ...base, kind: 2 }, inputs: { source: head, dLogStd }, expected: { dSource: predictedStdBackward(dstd, std, head, low, high) }, tolerance: { absolute: 2e-5 } },
    { title: "clamped", params: { ...base, kind: 3 }, inputs: { source: clamped, dLogStd }, expected: { dSource: Array.from(clamped, (value, at) => (value >= low && value <= high ? 0.5 * dLogStd[at]! : 0)) }, tolerance: { relative: 2e-7 } },
  ];
}));

proveKernel(logStdTiledBackwardSpec, headShapes.map(([rows, modes, horizon, actionSize]) => {
  const width = modes * horizon * actionSize;
  const logVariance = logVariances(modes * actionSize);
  const dLogStd = testNumbers(rows * width, 6);
  const expected = Array.from({ length: modes }, (_, m) => {
    const own: number[] = [];
    for (let b = 0; b < rows; b++) for (let k = 0; k < horizon * actionSize; k++) own.push(dLogStd[b * width + m * horizon * actionSize + k]!);
    const logvar = logVariance.subarray(m * actionSize, (m + 1) * actionSize);
    const std = learnedStd(logvar, low, high, own.length);
    return [...learnedStdBackward(std.map((value, at) => own[at]! / value), std, logvar, low, high)];
  }).flat();
  return {
    title: `${rows} rows, ${modes} modes`,
    params: { rows, width, actionSize, perMode: horizon * actionSize, low, high },
    inputs: { logVariance, dLogStd },
    expected: { dLogVariance: expected },
    tolerance: { relative: 2e-6, absolute: 1e-6 },
  };
}));

const rowShapes = [[1, 1], [3, 8], [31, 33], [257, 5], [65, 7]] as const;

proveKernel(gaussianDensitySpec, rowShapes.map(([rows, width]) => {
  const x = testNumbers(rows * width, 1);
  const mean = testNumbers(rows * width, 2);
  const logStd = testNumbers(rows * width, 3);
  const scale = Math.fround(1 / width);
  const rowOf = (b: number, f: (at: number) => number): number => scale * Array.from({ length: width }, (_, c) => f(b * width + c)).reduce((sum, v) => sum + v, 0);
  return {
    title: `${rows}x${width}`,
    params: { rows, width, scale },
    inputs: { x, mean, logStd },
    expected: {
      logProb: Array.from({ length: rows }, (_, b) => rowOf(b, (at) => gaussianLogDensity(x[at]!, mean[at]!, Math.exp(logStd[at]!)))),
      entropy: Array.from({ length: rows }, (_, b) => rowOf(b, (at) => elementEntropy(Math.exp(logStd[at]!)))),
    },
    tolerance: { relative: 2e-6 },
  };
}));

proveKernel(gaussianDensityBackwardSpec, rowShapes.map(([rows, width]) => {
  const x = testNumbers(rows * width, 1);
  const mean = testNumbers(rows * width, 2);
  const logStd = testNumbers(rows * width, 3);
  const dLogProb = testNumbers(rows, 4);
  const scale = Math.fround(1 / width);
  const dEntropy = Math.fround(-0.01);
  const z = Array.from(x, (value, at) => (value - mean[at]!) / Math.exp(logStd[at]!));
  return {
    title: `${rows}x${width}`,
    params: { rows, width, scale, dEntropy },
    inputs: { x, mean, logStd, dLogProb },
    expected: {
      dMean: z.map((value, at) => (scale * dLogProb[Math.floor(at / width)]! * value) / Math.exp(logStd[at]!)),
      dLogStd: z.map((value, at) => scale * (dLogProb[Math.floor(at / width)]! * (value * value - 1) + dEntropy)),
    },
    tolerance: { relative: 4e-6 },
  };
}));

proveKernel(gaussianSampleSpec, rowShapes.map(([rows, width]) => {
  const mean = testNumbers(rows * width, 1);
  const logStd = testNumbers(rows * width, 2);
  const z = testNumbers(rows * width, 3, 4);
  return {
    title: `${rows}x${width}`,
    params: { rows, width, clip: 3 },
    inputs: { mean, logStd, z },
    expected: { out: gaussianSample(mean, logStd.map(Math.exp), z, 3) },
    tolerance: { relative: 2e-6 },
  };
}));

/** [rows, components, width] */
const mixtureShapes = [[1, 1, 1], [3, 5, 8], [31, 2, 33], [65, 16, 3], [257, 3, 5]] as const;

function mixtureOf(rows: number, M: number, C: number): { inputs: { logits: Float32Array; mean: Float32Array; logStd: Float32Array }; mixture: Mixture } {
  const logits = testNumbers(rows * M, 1, 3);
  const mean = testNumbers(rows * M * C, 2);
  const logStd = testNumbers(rows * M * C, 3);
  return { inputs: { logits, mean, logStd }, mixture: { logits, mean, std: Float64Array.from(logStd, Math.exp), M } };
}

/** One row of a mixture as a mixture of its own: the twins of entropy and deviation average over rows. */
function rowOfMixture(mixture: Mixture, b: number): Mixture {
  const { M } = mixture;
  const C = mixture.mean.length / mixture.logits.length;
  const part = (values: ArrayLike<number>, size: number): number[] => Array.from(values).slice(b * size, (b + 1) * size);
  return { M, logits: part(mixture.logits, M), mean: part(mixture.mean, M * C), std: part(mixture.std, M * C) };
}

proveKernel(mixtureDensitySpec, mixtureShapes.map(([rows, components, width]) => {
  const { inputs, mixture } = mixtureOf(rows, components, width);
  const x = testNumbers(rows * width, 4);
  return {
    title: `${rows}x${components}x${width}`,
    params: { rows, components, width },
    inputs: { ...inputs, x },
    expected: {
      logProb: mixtureLogProb(x, mixture),
      entropy: Array.from({ length: rows }, (_, b) => mixtureEntropy(rowOfMixture(mixture, b)).entropy),
      spread: Array.from({ length: rows }, (_, b) => mixtureStd(rowOfMixture(mixture, b))),
    },
    tolerance: { relative: 4e-6 },
  };
}));

proveKernel(mixtureDensityBackwardSpec, mixtureShapes.map(([rows, components, width]) => {
  const { inputs, mixture } = mixtureOf(rows, components, width);
  const x = testNumbers(rows * width, 4);
  const dLogProb = testNumbers(rows, 5);
  const dEntropy = Math.fround(0.3);
  const density = mixtureLogProbBackward(dLogProb, x, mixture);
  // The twin's entropy is a mean over rows: times rows, it is the gradient of the sum.
  const entropy = mixtureEntropy(mixture);
  return {
    title: `${rows}x${components}x${width}`,
    params: { rows, components, width, dEntropy },
    inputs: { ...inputs, x, dLogProb },
    expected: {
      dLogits: density.dlogits.map((value, at) => value + dEntropy * rows * entropy.dlogits[at]!),
      dMean: density.dmean,
      dLogStd: density.dstd.map((value, at) => (value + dEntropy * rows * entropy.dstd[at]!) * mixture.std[at]!),
    },
    tolerance: { relative: 1e-5 },
  };
}));

proveKernel(mixtureSampleSpec, mixtureShapes.map(([rows, components, width]) => {
  const { inputs, mixture } = mixtureOf(rows, components, width);
  const u = testNumbers(rows, 6).map((value) => 0.5 * (value + 1));
  const z = testNumbers(rows * width, 7, 4);
  return {
    title: `${rows}x${components}x${width}`,
    params: { rows, components, width },
    inputs: { ...inputs, u, z },
    expected: { out: mixtureSample(mixture, u, z) },
    tolerance: { relative: 4e-6 },
  };
}));

{
  const [rows, modes, horizon, actionSize] = [31, 3, 4, 2];
  const perMode = horizon * actionSize;
  const width = modes * perMode;
  // Wide bounds, so that there is much to differentiate; a third of the values are beyond them, none within 0.25.
  const bounds = { low: -1, high: 1 };
  const logVariance = (length: number): Float32Array => testNumbers(length, 20).map((value, at) => [-1.5, 0, 1.5][at % 3]! + 0.25 * value);
  const forward = { rows, width, actionSize, perMode, ...bounds, constant: 0 };
  const backward = { rows, width, ...bounds };
  const clamp = (value: number): number => Math.min(Math.max(value, bounds.low), bounds.high);
  const dLogStd = testNumbers(rows * width, 21);
  const cotangents = { logStd: dLogStd };
  const own = (kind: number, source: Float32Array, value: (x: number) => number): AdjointCase<typeof logStdSpec.params, typeof logStdBackwardSpec.params> => ({
    title: `kind ${kind}`,
    forward: { params: { ...forward, kind }, inputs: { source } },
    backward: { params: { ...backward, kind }, inputs: { source, dLogStd } },
    gradients: { dSource: "source" },
    cotangents,
    twin: (inputs) => ({ logStd: Float64Array.from(inputs.source!, value) }),
  });
  proveAdjoint(logStdSpec, logStdBackwardSpec, [
    own(2, testNumbers(rows * width, 22, 2), (head) => Math.log(predictedStd([head], bounds.low, bounds.high)[0]!)),
    own(3, logVariance(rows * width), (value) => 0.5 * clamp(value)),
  ]);

  const source = logVariance(modes * actionSize);
  proveAdjoint(logStdSpec, logStdTiledBackwardSpec, [{
    title: "learned",
    forward: { params: { ...forward, kind: 1 }, inputs: { source } },
    backward: { params: { rows, width, actionSize, perMode, ...bounds }, inputs: { logVariance: source, dLogStd } },
    gradients: { dLogVariance: "source" },
    cotangents,
    twin: (inputs) => ({
      logStd: Float64Array.from({ length: rows * width }, (_, at) => 0.5 * clamp(inputs.source![Math.floor((at % width) / perMode) * actionSize + (at % actionSize)]!)),
    }),
  }]);
}

proveAdjoint(gaussianDensitySpec, gaussianDensityBackwardSpec, [0, Math.fround(-0.3)].map((dEntropy) => {
  const [rows, width] = [31, 7];
  const params = { rows, width, scale: 0.5 };
  const inputs = { x: testNumbers(rows * width, 1), mean: testNumbers(rows * width, 2), logStd: testNumbers(rows * width, 3) };
  const dLogProb = testNumbers(rows, 4);
  const rowSums = (values: Float64Array): Float64Array =>
    Float64Array.from({ length: rows }, (_, b) => 0.5 * values.subarray(b * width, (b + 1) * width).reduce((sum, value) => sum + value, 0));
  return {
    title: `entropy times ${dEntropy}`,
    forward: { params, inputs },
    backward: { params: { ...params, dEntropy }, inputs: { ...inputs, dLogProb } },
    gradients: { dMean: "mean", dLogStd: "logStd" },
    cotangents: { logProb: dLogProb, entropy: new Float32Array(rows).fill(dEntropy) },
    twin: ({ x, mean, logStd }) => ({
      logProb: rowSums(Float64Array.from(x!, (value, at) => gaussianLogDensity(value, mean![at]!, Math.exp(logStd![at]!)))),
      entropy: rowSums(Float64Array.from(logStd!, (value) => elementEntropy(Math.exp(value)))),
    }),
  };
}));

proveAdjoint(mixtureDensitySpec, mixtureDensityBackwardSpec, [0, Math.fround(0.3)].map((dEntropy) => {
  const [rows, components, width] = [31, 5, 3];
  const params = { rows, components, width };
  const inputs = { ...mixtureOf(rows, components, width).inputs, x: testNumbers(rows * width, 4) };
  const dLogProb = testNumbers(rows, 5);
  return {
    title: `entropy times ${dEntropy}`,
    forward: { params, inputs },
    backward: { params: { ...params, dEntropy }, inputs: { ...inputs, dLogProb } },
    gradients: { dLogits: "logits", dMean: "mean", dLogStd: "logStd" },
    cotangents: { logProb: dLogProb, entropy: new Float32Array(rows).fill(dEntropy) },
    twin: ({ x, logits, mean, logStd }) => {
      const mixture: Mixture = { logits: logits!, mean: mean!, std: Float64Array.from(logStd!, Math.exp), M: components };
      return {
        logProb: mixtureLogProb(x!, mixture),
        entropy: Array.from({ length: rows }, (_, b) => mixtureEntropy(rowOfMixture(mixture, b)).entropy),
      };
    },
  };
}));

import { diagonalGaussianKlSpec, gaussianKlSpec } from "../../src/kernels/diffusion/gaussian-kl.js";
import { diagonalGaussianKl, gaussianKl, gaussianKlBackward } from "../reference/gaussian-kl.js";
import { proveKernel, testNumbers } from "./harness.js";

const shapes = [[1, 1], [3, 8], [31, 33], [257, 5], [65, 7]] as const;
const steps = 10;

proveKernel(gaussianKlSpec, shapes.map(([rows, width]) => {
  const mean = testNumbers(rows * width, 1);
  const reference = testNumbers(rows * width, 2);
  const step = Array.from({ length: rows }, (_, b) => (b * 7) % steps);
  const schedule = testNumbers(steps * 8, 3).map(Math.abs);
  const stdFloor = Math.fround(0.3);
  const weight = Math.fround(0.7);
  const std = (b: number): number => Math.max(schedule[step[b]! * 8 + 5]!, stdFloor);
  return {
    title: `${rows}x${width}`,
    params: { rows, width, steps, stdFloor, weight },
    inputs: { mean, reference, step, schedule },
    expected: {
      kl: gaussianKl(mean, reference, std, width),
      dMean: gaussianKlBackward(() => weight, mean, reference, std, width),
    },
    tolerance: { relative: 2e-6 },
  };
}));

proveKernel(diagonalGaussianKlSpec, shapes.map(([rows, width]) => {
  const mean = testNumbers(rows * width, 1);
  const logStd = testNumbers(rows * width, 2);
  const meanQ = testNumbers(rows * width, 3);
  const logStdQ = testNumbers(rows * width, 4);
  const weight = Math.fround(0.7);
  return {
    title: `${rows}x${width}`,
    params: { rows, width, weight },
    inputs: { mean, logStd, meanQ, logStdQ },
    expected: {
      kl: diagonalGaussianKl(mean, logStd, meanQ, logStdQ, width),
      dMean: Array.from(mean, (value, at) => (weight * (value - meanQ[at]!)) / Math.exp(2 * logStdQ[at]!)),
      dLogStd: Array.from(logStd, (value, at) => weight * (Math.exp(2 * (value - logStdQ[at]!)) - 1)),
    },
    tolerance: { relative: 4e-6 },
  };
}));

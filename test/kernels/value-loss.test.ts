import { test } from "vitest";
import { noLimit } from "../../src/engine/kernel-spec.js";
import { valueLossSpec } from "../../src/kernels/rl/value-loss.js";
import { expectClose } from "../close.js";
import { differences } from "../reference/finite-difference.js";
import { valueLoss as twin } from "../reference/value-loss.js";
import { proveAgreement } from "./agreement.js";
import { proveKernel, testNumbers } from "./harness.js";

proveKernel(valueLossSpec, [1, 3, 31, 33, 257, 1025, 2500].flatMap((count) => [null, 0.2, 1].map((clip) => {
  const [values, returns, oldValues] = [testNumbers(count, 1, 2), testNumbers(count, 2, 2), testNumbers(count, 3, 2)];
  const weight = 0.5;
  const partials = Array.from({ length: Math.ceil(count / 1024) }, (_, b) => {
    const part = (x: Float32Array): Float32Array => x.subarray(b * 1024, (b + 1) * 1024);
    return twin(part(values), part(returns), part(oldValues), clip).loss * part(values).length;
  });
  return {
    title: `${count}, clip ${clip}`,
    params: { count, hasOld: clip === null ? 0 : 1, hasWeights: 0, clip: clip ?? noLimit, scale: weight / count },
    inputs: clip === null ? { values, returns } : { values, returns, oldValues },
    expected: { dvalues: twin(values, returns, oldValues, clip).gradient.map((value) => weight * value), partials },
    tolerance: { relative: 2e-6 },
  };
})));

// A row of weight w counts as w rows do.
proveKernel(valueLossSpec, [3, 33, 1025].map((count) => {
  const [values, returns, oldValues] = [testNumbers(count, 1, 2), testNumbers(count, 2, 2), testNumbers(count, 3, 2)];
  const weights = testNumbers(count, 4).map((number) => Math.floor(3 * Math.abs(number)));
  const one = (at: number): ReturnType<typeof twin> => twin([values[at]!], [returns[at]!], [oldValues[at]!], 0.5);
  const partials = new Float64Array(Math.ceil(count / 1024));
  for (const at of values.keys()) partials[Math.floor(at / 1024)]! += weights[at]! * one(at).loss;
  return {
    title: `${count} rows of weights 0 to 2`,
    params: { count, hasOld: 1, hasWeights: 1, clip: 0.5, scale: 0.25 },
    inputs: { values, returns, oldValues, weights },
    expected: { dvalues: Array.from(values, (_, at) => 0.25 * weights[at]! * one(at).gradient[0]!), partials },
    tolerance: { relative: 2e-6 },
  };
}));

test.each([null, 0.3])("the gradient of the twin with clip %s is the difference quotient of its loss", (clip) => {
  const values = Float64Array.from(testNumbers(20, 4));
  const evaluate = (): ReturnType<typeof twin> => twin(values, testNumbers(20, 5), testNumbers(20, 6), clip);
  expectClose(evaluate().gradient, differences(() => evaluate().loss, values), { relative: 1e-7 });
});

proveAgreement(valueLossSpec, { relative: 2e-6 }, 50, ([a, b], seed) => ({
  params: { count: a * b, hasOld: 1, hasWeights: 1, clip: 0.5, scale: 1 },
  inputs: {
    values: testNumbers(a * b, seed), returns: testNumbers(a * b, seed + 1), oldValues: testNumbers(a * b, seed + 2),
    weights: testNumbers(a * b, seed + 3).map(Math.abs),
  },
}));

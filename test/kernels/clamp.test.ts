import { clampBackwardSpec } from "../../src/kernels/nn/clamp.js";
import { proveAgreement } from "./agreement.js";
import { proveKernel, testNumbers } from "./harness.js";

const limit = 0.75;

proveKernel(clampBackwardSpec, [1, 3, 31, 33, 257, 1025, 2500].map((count) => {
  // On both sides of the range, some on its bounds.
  const x = testNumbers(count, count, 2).map((value, i) => (i % 7 === 0 ? limit : i % 7 === 1 ? -limit : value));
  const dy = testNumbers(count, count + 1);
  return {
    title: `${count}`,
    params: { count, limit },
    inputs: { x, dy },
    expected: { dx: dy.map((value, i) => (Math.abs(x[i]!) <= limit ? value : 0)) },
    tolerance: { absolute: 0 },
  };
}));

proveAgreement(clampBackwardSpec, "bits", 60, ([a, b], seed) => ({
  params: { count: a * b, limit }, inputs: { x: testNumbers(a * b, seed, 3), dy: testNumbers(a * b, seed + 1) },
}));

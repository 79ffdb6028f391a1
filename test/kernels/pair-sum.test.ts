import { activations } from "../../src/kernels/nn/activation.js";
import { pairSumSpec } from "../../src/kernels/nn/pair-sum.js";
import { activations as activationTwins } from "../reference/activations.js";
import { proveAgreement } from "./agreement.js";
import { proveKernel, testNumbers } from "./harness.js";

const shapes = [[1, 1, 1], [3, 5, 31], [20, 7, 32], [2, 33, 33], [5, 3, 65], [33, 1, 3]] as const;

proveKernel(pairSumSpec, shapes.flatMap(([N, B, C]) => (["identity", "mish"] as const).map((kind) => {
  const start = C % 4;
  const first = testNumbers((start + N) * C, 1, 2);
  const second = testNumbers(B * C, 2, 2);
  const y = Float64Array.from({ length: N * B * C }, (_, at) => {
    const [n, b, c] = [Math.floor(at / (B * C)), Math.floor(at / C) % B, at % C];
    return activationTwins[kind].value(first[(start + n) * C + c]! + second[b * C + c]!);
  });
  return {
    title: `${N}x${B}x${C} ${kind} from row ${start}`,
    params: { start, firstRows: N, secondRows: B, columns: C, activation: activations[kind] },
    inputs: { first, second },
    expected: { y },
    tolerance: { relative: 1e-6 },
  };
})));

proveAgreement(pairSumSpec, { relative: 1e-6 }, 20, ([N, B, C], seed) => ({
  params: { start: 0, firstRows: N, secondRows: B, columns: C, activation: activations.mish },
  inputs: { first: testNumbers(N * C, seed), second: testNumbers(B * C, seed + 1) },
}));

import { activationBackwardSpec, activations, activationSpec, type Activation } from "../../src/kernels/nn/activation.js";
import { activate, activations as reference } from "../reference/activations.js";
import { proveAdjoint } from "./adjoint.js";
import { proveKernel, testNumbers } from "./harness.js";

const shapes = [[1, 1], [3, 1], [1, 31], [33, 1], [5, 13], [257, 1], [70, 1000]] as const;
const kinds = Object.keys(activations) as Activation[];

/** Inputs over the range where activations bend, with zeros, both signs, and what exp would overflow on. */
function inputs(length: number): Float32Array {
  const x = testNumbers(length, 7, 6);
  for (const [at, special] of [0, -0, 100, -100, 20, -20, 0.5, -0.5, 1e-6, -1e-6].entries()) {
    if (at * 3 < length) x[at * 3] = special;
  }
  return x;
}

proveKernel(activationSpec, shapes.flatMap(([rows, columns]) => kinds.map((kind) => {
  const x = inputs(rows * columns);
  return {
    title: `${kind} ${rows}x${columns}`,
    params: { rows, columns, kind: activations[kind] },
    inputs: { x },
    expected: { y: Array.from(x, (value) => reference[kind].value(value)) },
    tolerance: { absolute: 2e-6 },
  };
})));

proveKernel(activationBackwardSpec, shapes.flatMap(([rows, columns]) => kinds.map((kind) => {
  const x = inputs(rows * columns);
  const dy = testNumbers(rows * columns, 8);
  return {
    title: `${kind} ${rows}x${columns}`,
    params: { rows, columns, kind: activations[kind] },
    inputs: { x, dy },
    expected: { dx: Array.from(x, (value, at) => dy[at]! * reference[kind].slope(value)) },
    tolerance: { absolute: 4e-6 },
  };
})));

proveAdjoint(activationSpec, activationBackwardSpec, kinds.map((kind) => {
  const [rows, columns] = [13, 33];
  const params = { rows, columns, kind: activations[kind] };
  // Away from 0, where some of them have a kink.
  const x = testNumbers(rows * columns, 9, 4).map((value) => value + Math.sign(value) * 0.25);
  const dy = testNumbers(rows * columns, 10);
  return {
    title: kind,
    forward: { params, inputs: { x } },
    backward: { params, inputs: { x, dy } },
    gradients: { dx: "x" },
    cotangents: { y: dy },
    twin: (inputs) => ({ y: activate(kind, inputs.x!) }),
  };
}));

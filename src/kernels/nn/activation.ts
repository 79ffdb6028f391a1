import { anyKernel, defineKernel } from "../../engine/kernel-spec.js";
import type { ProgramRecorder } from "../../engine/program.js";
import type { Tensor } from "../../engine/tensor.js";

/** Codes of the activations; the same list stands in kernels/lib/activation.wgsl and assembly/kernels/lib/activation.ts. */
export const activations = {
  identity: 0,
  relu: 1,
  leakyRelu: 2,
  elu: 3,
  gelu: 4,
  tanh: 5,
  mish: 6,
  softplus: 7,
} as const;

/** Name of an activation function. */
export type Activation = keyof typeof activations;

/** y = f(x), elementwise. */
export const activationSpec = defineKernel({
  name: "nn/activation",
  lib: ["index", "activation"],
  params: { rows: "u32", columns: "u32", kind: "u32" },
  buffers: {
    x: { access: "read", length: (p) => p.rows * p.columns, rows: true },
    y: { access: "write", length: (p) => p.rows * p.columns, rows: true },
  },
  units: (p) => p.rows,
  entryPoints: { main: (p) => [Math.ceil((p.rows * p.columns) / 256)] },
});

/** dx = dy f'(x), elementwise. */
export const activationBackwardSpec = defineKernel({
  name: "nn/activation_backward",
  lib: ["index", "activation"],
  params: { rows: "u32", columns: "u32", kind: "u32" },
  buffers: {
    x: { access: "read", length: (p) => p.rows * p.columns, rows: true },
    dy: { access: "read", length: (p) => p.rows * p.columns, rows: true },
    dx: { access: "write", length: (p) => p.rows * p.columns, rows: true },
  },
  units: (p) => p.rows,
  entryPoints: { main: (p) => [Math.ceil((p.rows * p.columns) / 256)] },
});

/** Records y = f(x) for `rows` rows of `columns`. */
export function activation(
  program: ProgramRecorder,
  buffers: { readonly x: Tensor; readonly y: Tensor },
  options: { readonly rows: number; readonly columns: number; readonly kind: Activation },
): void {
  program.launch(activationSpec, { rows: options.rows, columns: options.columns, kind: activations[options.kind] }, buffers);
}

/** Records dx = dy f'(x). */
export function activationBackward(
  program: ProgramRecorder,
  buffers: { readonly x: Tensor; readonly dy: Tensor; readonly dx: Tensor },
  options: { readonly rows: number; readonly columns: number; readonly kind: Activation },
): void {
  program.launch(activationBackwardSpec, { rows: options.rows, columns: options.columns, kind: activations[options.kind] }, buffers);
}

export const activationKernels = [anyKernel(activationSpec), anyKernel(activationBackwardSpec)];

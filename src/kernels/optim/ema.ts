import { anyKernel, defineKernel } from "../../engine/kernel-spec.js";
import type { Launch, ProgramRecorder } from "../../engine/program.js";
import type { Tensor } from "../../engine/tensor.js";

const blockSize = 1024;

/** average = decay · average + share · p. */
export const emaSpec = defineKernel({
  name: "optim/ema",
  lib: ["index"],
  params: { count: "u32", decay: "f32", share: "f32" },
  buffers: {
    p: { access: "read", length: (p) => p.count },
    average: { access: "readwrite", length: (p) => p.count },
  },
  units: (p) => Math.ceil(p.count / blockSize),
  entryPoints: { main: (p) => [Math.ceil(p.count / 256)] },
});

/** Weights of a moving average; `update(emaWeights(0))` makes a launch copy the parameters to the bit. */
export function emaWeights(decay: number): { readonly decay: number; readonly share: number } {
  return { decay, share: 1 - decay };
}

/** Records average ← decay · average + (1 − decay) · parameters. */
export function ema(
  program: ProgramRecorder,
  buffers: { readonly parameters: Tensor; readonly average: Tensor },
  options: { readonly decay: number; readonly count?: number },
): Launch<typeof emaSpec.params> {
  return program.launch(
    emaSpec,
    { count: options.count ?? buffers.parameters.length, ...emaWeights(options.decay) },
    { p: buffers.parameters, average: buffers.average },
  );
}

/** Records sum ← sum + addend: gradients of several backward passes over the same parameters. */
export function accumulate(
  program: ProgramRecorder,
  buffers: { readonly addend: Tensor; readonly sum: Tensor },
): Launch<typeof emaSpec.params> {
  return program.launch(emaSpec, { count: buffers.addend.length, decay: 1, share: 1 }, { p: buffers.addend, average: buffers.sum });
}

export const emaKernels = [anyKernel(emaSpec)];

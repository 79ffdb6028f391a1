import { anyKernel, defineKernel } from "../../engine/kernel-spec.js";
import type { ProgramRecorder } from "../../engine/program.js";
import type { Tensor } from "../../engine/tensor.js";

/** Elements of one unit on the WASM engine. */
const blockSize = 1024;

/** The gradient of what was inside a range. */
export const clampBackwardSpec = defineKernel({
  name: "nn/clamp_backward",
  lib: ["index"],
  params: { count: "u32", limit: "f32" },
  buffers: {
    x: { access: "read", length: (p) => p.count },
    dy: { access: "read", length: (p) => p.count },
    dx: { access: "write", length: (p) => p.count },
  },
  units: (p) => Math.ceil(p.count / blockSize),
  entryPoints: { main: (p) => [Math.ceil(p.count / 256)] },
});

/** Records dx = dy where x is within ± limit, bounds included, else 0: the gradient of a clamp. */
export function clampBackward(
  program: ProgramRecorder,
  buffers: { readonly x: Tensor; readonly dy: Tensor; readonly dx: Tensor },
  options: { readonly count: number; readonly limit: number },
): void {
  program.launch(clampBackwardSpec, options, buffers);
}

export const clampKernels = [anyKernel(clampBackwardSpec)];

import { DifftuneError } from "../../core/errors.js";
import { wgsl } from "../../generated/wgsl.js";
import type { AnyKernelSpec } from "../kernel-spec.js";

/** WGSL of a kernel: its snippets in order, then its own file. */
export function shaderSource(spec: AnyKernelSpec): string {
  const parts = [...(spec.lib ?? []).map((snippet) => `lib/${snippet}`), spec.name];
  return parts.map((part) => {
    const text = wgsl[part];
    if (text === undefined) {
      throw new DifftuneError("KERNEL_COMPILE", `There is no shader kernels/${part}.wgsl.`, { kernel: spec.name });
    }
    return text;
  }).join("\n");
}

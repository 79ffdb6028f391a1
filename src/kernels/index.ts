/** The kernels of difftune, `difftune/kernels`: their WGSL as text, and the spec of each. */
export type { AnyKernelSpec, BufferSpec, Grid, KernelSpec, ParamLayout, ParamValues, ScalarType } from "../engine/kernel-spec.js";
export { wgsl } from "../generated/wgsl.js";
export { kernels } from "./registry.js";

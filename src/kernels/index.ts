/** The kernels of difftune as WGSL text: `difftune/kernels`. */
export { wgsl } from "../generated/wgsl.js";

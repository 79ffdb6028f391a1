import { anyKernel, defineKernel, noLimit } from "../../engine/kernel-spec.js";
import type { Launch, ProgramRecorder } from "../../engine/program.js";
import type { Tensor } from "../../engine/tensor.js";

const blockSize = 4096;

/** Σ g² and the number of non-finite entries, one partial for every 4096 entries. */
export const squaredNormSpec = defineKernel({
  name: "optim/squared_norm",
  lib: ["index", "reduce"],
  params: { count: "u32" },
  buffers: {
    g: { access: "read", length: (p) => p.count },
    partials: { access: "write", length: (p) => 2 * Math.ceil(p.count / blockSize) },
  },
  units: (p) => Math.ceil(p.count / blockSize),
  entryPoints: { main: (p) => [Math.ceil(p.count / blockSize)] },
});

/** [‖g‖₂, min(1, max/(‖g‖₂ + 1e-6)), non-finite entries] from the partials. */
export const gradientNormSpec = defineKernel({
  name: "optim/gradient_norm",
  lib: ["index", "reduce"],
  params: { blocks: "u32", maxNorm: "f32" },
  buffers: {
    partials: { access: "read", length: (p) => 2 * p.blocks },
    norm: { access: "write", length: () => gradientNormLength },
  },
  units: () => 1,
  entryPoints: { main: () => [1] },
  check: (p) => (p.maxNorm > 0 ? undefined : `the largest norm is ${p.maxNorm}; it must be above 0.`),
});

/** Elements of the `norm` tensor: ‖g‖₂, what gradients are multiplied by, number of non-finite entries. */
export const gradientNormLength = 3;

/**
 * Records ‖gradient‖₂ and what to multiply the gradient by so that its norm is at most `maxNorm`; nothing is multiplied
 * here, {@link adamw} reads `norm`. A gradient with non-finite entries gets the factor 0, and their number is in norm[2].
 */
export function gradientNorm(
  program: ProgramRecorder,
  buffers: { readonly gradient: Tensor; readonly norm: Tensor },
  options: {
    /** Entries of the gradient; all by default. */
    readonly count?: number;
    /** Largest norm; null measures only. */
    readonly maxNorm: number | null;
  },
): Launch<typeof gradientNormSpec.params> {
  const count = options.count ?? buffers.gradient.length;
  const blocks = Math.ceil(count / blockSize);
  const partials = program.temporary([2 * blocks], "norm partials");
  program.launch(squaredNormSpec, { count }, { g: buffers.gradient, partials });
  return program.launch(gradientNormSpec, { blocks, maxNorm: options.maxNorm ?? noLimit }, { partials, norm: buffers.norm });
}

export const gradientNormKernels = [anyKernel(squaredNormSpec), anyKernel(gradientNormSpec)];

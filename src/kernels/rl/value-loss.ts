import { anyKernel, defineKernel, noLimit } from "../../engine/kernel-spec.js";
import type { ProgramRecorder } from "../../engine/program.js";
import type { Tensor } from "../../engine/tensor.js";
import type { LossPartials } from "./loss-statistics.js";

const blockSize = 1024;

/** Half the squared error of a critic, and its gradient. */
export const valueLossSpec = defineKernel({
  name: "rl/value_loss",
  lib: ["index", "reduce"],
  params: { count: "u32", hasOld: "u32", hasWeights: "u32", clip: "f32", scale: "f32" },
  buffers: {
    values: { access: "read", length: (p) => p.count },
    returns: { access: "read", length: (p) => p.count },
    oldValues: { access: "read", length: (p) => p.count, optional: true },
    weights: { access: "read", length: (p) => p.count, optional: true },
    dvalues: { access: "write", length: (p) => p.count },
    partials: { access: "write", length: (p) => Math.ceil(p.count / blockSize) },
  },
  units: (p) => Math.ceil(p.count / blockSize),
  entryPoints: { main: (p) => [Math.ceil(p.count / blockSize)] },
});

/**
 * Records ½ mean (V − R)², or with `clip` ½ mean max((V − R)², (V_old + clamp(V − V_old, ± clip) − R)²), and its gradient
 * times `gradientScale` (the weight of the value loss in the total). The result holds the sum of the loss.
 */
export function valueLoss(
  program: ProgramRecorder,
  buffers: {
    readonly values: Tensor;
    readonly returns: Tensor;
    /** Critic when the samples were drawn; read where `clip` is given. */
    readonly oldValues?: Tensor | undefined;
    /** How often each row counts; once by default. */
    readonly weights?: Tensor | undefined;
    readonly dvalues: Tensor;
  },
  options: {
    readonly count: number;
    /** What the sum is divided by to be a mean: the sum of the weights. Default: count. */
    readonly total?: number;
    readonly clip: number | null;
    readonly gradientScale: number;
  },
): LossPartials {
  const { count, clip, gradientScale, total = count } = options;
  const { oldValues, ...others } = buffers;
  const blocks = Math.ceil(count / blockSize);
  const partials = program.temporary([blocks], "value loss sums");
  const params = { count, hasWeights: buffers.weights === undefined ? 0 : 1, scale: gradientScale / total };
  if (clip === null) {
    program.launch(valueLossSpec, { ...params, hasOld: 0, clip: noLimit }, { ...others, partials });
  } else {
    program.launch(valueLossSpec, { ...params, hasOld: 1, clip }, { ...others, oldValues, partials });
  }
  return { tensor: partials, columns: 1, blocks, divisor: total };
}

export const valueLossKernels = [anyKernel(valueLossSpec)];

import { anyKernel, defineKernel } from "../../engine/kernel-spec.js";
import type { ProgramRecorder } from "../../engine/program.js";
import type { Tensor } from "../../engine/tensor.js";

/** Score of a segment: the sum of the rewards of its states. */
export const sumSegmentsSpec = defineKernel({
  name: "rl/sum_segments",
  lib: ["index"],
  params: { segments: "u32", horizon: "u32" },
  buffers: {
    r: { access: "read", length: (p) => p.segments * p.horizon },
    score: { access: "write", length: (p) => p.segments },
  },
  units: (p) => p.segments,
  entryPoints: { main: (p) => [Math.ceil(p.segments / 64)] },
});

/** Gradient of the scores with respect to the rewards of the states. */
export const sumSegmentsBackwardSpec = defineKernel({
  name: "rl/sum_segments_backward",
  lib: ["index"],
  params: { segments: "u32", horizon: "u32" },
  buffers: {
    dscore: { access: "read", length: (p) => p.segments },
    dr: { access: "write", length: (p) => p.segments * p.horizon },
  },
  units: (p) => p.segments,
  entryPoints: { main: (p) => [Math.ceil((p.segments * p.horizon) / 256)] },
});

/** Records score[s] = Σ_h r[s, h], h < horizon. */
export function sumSegments(
  program: ProgramRecorder,
  buffers: { readonly r: Tensor; readonly score: Tensor },
  options: { readonly segments: number; readonly horizon: number },
): void {
  program.launch(sumSegmentsSpec, { segments: options.segments, horizon: options.horizon }, buffers);
}

/** Records dr[s, h] = dscore[s]. */
export function sumSegmentsBackward(
  program: ProgramRecorder,
  buffers: { readonly dscore: Tensor; readonly dr: Tensor },
  options: { readonly segments: number; readonly horizon: number },
): void {
  program.launch(sumSegmentsBackwardSpec, { segments: options.segments, horizon: options.horizon }, buffers);
}

export const sumSegmentsKernels = [anyKernel(sumSegmentsSpec), anyKernel(sumSegmentsBackwardSpec)];

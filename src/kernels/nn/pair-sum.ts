import { anyKernel, defineKernel } from "../../engine/kernel-spec.js";
import type { ProgramRecorder } from "../../engine/program.js";
import type { Tensor } from "../../engine/tensor.js";
import { activations, type Activation } from "./activation.js";

/** y[n,b] = f(first[start + n] + second[b]): every row of one matrix with every row of another. */
export const pairSumSpec = defineKernel({
  name: "nn/pair_sum",
  lib: ["index", "activation"],
  params: { start: "u32", firstRows: "u32", secondRows: "u32", columns: "u32", activation: "u32" },
  buffers: {
    first: { access: "read", length: (p) => (p.start + p.firstRows) * p.columns },
    second: { access: "read", length: (p) => p.secondRows * p.columns },
    y: { access: "write", length: (p) => p.firstRows * p.secondRows * p.columns, rows: true },
  },
  units: (p) => p.firstRows * p.secondRows,
  entryPoints: { main: (p) => [Math.ceil((p.firstRows * p.secondRows * p.columns) / 256)] },
});

/** Records y[n,b] = f(first[start + n] + second[b]): what a linear layer of [time, state] is, whose two parts are computed once each. */
export function pairSum(
  program: ProgramRecorder,
  buffers: { readonly first: Tensor; readonly second: Tensor; readonly y: Tensor },
  options: {
    /** Row of `first` to start with. */
    readonly start: number;
    readonly firstRows: number;
    readonly secondRows: number;
    readonly columns: number;
    readonly activation: Activation;
  },
): void {
  program.launch(pairSumSpec, { ...options, activation: activations[options.activation] }, buffers);
}

/** Kernels of this file. */
export const pairSumKernels = [anyKernel(pairSumSpec)];

import { anyKernel, defineKernel } from "../../engine/kernel-spec.js";
import type { Launch, ProgramRecorder } from "../../engine/program.js";
import type { Tensor } from "../../engine/tensor.js";

const streamParams = { length: "u32", seed0: "u32", seed1: "u32", stream: "u32", step: "u32" } as const;
const indexParams = { length: "u32", count: "u32", seed0: "u32", seed1: "u32", stream: "u32", step: "u32" } as const;

/** Elements of one unit on the WASM engine. */
const unitLength = 256;

/** Uniform numbers of (0, 1), equal to the bit on every engine. */
export const randomUniformSpec = defineKernel({
  name: "rng/random_uniform",
  lib: ["index", "philox"],
  params: streamParams,
  buffers: { out: { access: "write", length: (p) => p.length } },
  units: (p) => Math.ceil(p.length / unitLength),
  entryPoints: { main: (p) => [Math.ceil(p.length / 1024)] },
});

/** Standard normal numbers by Box and Muller; engines agree to about 1e-6. */
export const randomNormalSpec = defineKernel({
  name: "rng/random_normal",
  lib: ["index", "philox", "elementary"],
  params: streamParams,
  buffers: { out: { access: "write", length: (p) => p.length } },
  units: (p) => Math.ceil(p.length / unitLength),
  entryPoints: { main: (p) => [Math.ceil(p.length / 1024)] },
});

/** Whole numbers from 0 to count − 1, equal to the bit on every engine. */
export const randomIndexSpec = defineKernel({
  name: "rng/random_index",
  lib: ["index", "philox"],
  params: indexParams,
  buffers: { out: { access: "write", dtype: "u32", length: (p) => p.length } },
  units: (p) => Math.ceil(p.length / unitLength),
  entryPoints: { main: (p) => [Math.ceil(p.length / 1024)] },
  check: (p) => (p.count === 0 ? "there is no number below a count of 0." : undefined),
});

/** A permutation of 0 to length − 1, equal to the bit on every engine. */
export const randomPermutationSpec = defineKernel({
  name: "rng/random_permutation",
  lib: ["index", "philox"],
  params: streamParams,
  buffers: { out: { access: "write", dtype: "u32", length: (p) => p.length } },
  units: (p) => Math.ceil(p.length / unitLength),
  entryPoints: { main: (p) => [Math.ceil(p.length / 256)] },
});

/** What a launch of random numbers is keyed by. Equal keys give equal numbers, different ones independent numbers. */
export interface RandomKey {
  /** 64 bits: the two key words of Philox. */
  readonly seed: readonly [number, number];
  /** Which consumer: counter word 1. */
  readonly stream: number;
  /** Which draw of the consumer, counter word 2: `launch.update({ step })` before each run. */
  readonly step: number;
}

function keyParams(key: RandomKey): { seed0: number; seed1: number; stream: number; step: number } {
  return { seed0: key.seed[0], seed1: key.seed[1], stream: key.stream, step: key.step };
}

/** Records `length` uniform numbers of (0, 1), never 0 or 1. Element n does not depend on the length. */
export function randomUniform(
  program: ProgramRecorder,
  buffers: { readonly out: Tensor },
  options: RandomKey & { readonly length: number },
): Launch<typeof streamParams> {
  return program.launch(randomUniformSpec, { length: options.length, ...keyParams(options) }, buffers);
}

/** Records `length` standard normal numbers. Element n does not depend on the length. */
export function randomNormal(
  program: ProgramRecorder,
  buffers: { readonly out: Tensor },
  options: RandomKey & { readonly length: number },
): Launch<typeof streamParams> {
  return program.launch(randomNormalSpec, { length: options.length, ...keyParams(options) }, buffers);
}

/** Records `length` whole numbers, uniform from 0 to count − 1: timesteps, indices of samples. */
export function randomIndex(
  program: ProgramRecorder,
  buffers: { readonly out: Tensor },
  options: RandomKey & { readonly length: number; readonly count: number },
): Launch<typeof indexParams> {
  return program.launch(randomIndexSpec, { length: options.length, count: options.count, ...keyParams(options) }, buffers);
}

/** Records a permutation of 0 to length − 1: the order of an epoch. */
export function randomPermutation(
  program: ProgramRecorder,
  buffers: { readonly out: Tensor },
  options: RandomKey & { readonly length: number },
): Launch<typeof streamParams> {
  return program.launch(randomPermutationSpec, { length: options.length, ...keyParams(options) }, buffers);
}

/** Kernels of this file. */
export const randomKernels = [
  anyKernel(randomUniformSpec),
  anyKernel(randomNormalSpec),
  anyKernel(randomIndexSpec),
  anyKernel(randomPermutationSpec),
];

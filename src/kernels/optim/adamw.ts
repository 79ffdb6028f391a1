import { anyKernel, defineKernel } from "../../engine/kernel-spec.js";
import type { Launch, ProgramRecorder } from "../../engine/program.js";
import type { Tensor } from "../../engine/tensor.js";
import { gradientNormLength } from "./gradient-norm.js";

const blockSize = 1024;

/**
 * Elements of the optimiser's state: steps taken k, 1/(1 − β₁ᵏ), 1/√(1 − β₂ᵏ), factor of the gradient, whether the last
 * step was taken, steps skipped because the gradient was not finite. Zeros at first.
 */
export const adamStateLength = 6;

/** Counts the step and computes what is the same for all parameters. */
export const adamAdvanceSpec = defineKernel({
  name: "optim/adam_advance",
  params: { logBeta1: "f32", logBeta2: "f32", hasNorm: "u32", hasStop: "u32" },
  buffers: {
    norm: { access: "read", length: () => gradientNormLength, optional: true },
    stop: { access: "read", dtype: "u32", length: () => 1, optional: true },
    state: { access: "readwrite", length: () => adamStateLength },
  },
  units: () => 1,
  entryPoints: { main: () => [1] },
});

/** One step of Adam or AdamW on flat buffers. */
export const adamwSpec = defineKernel({
  name: "optim/adamw",
  lib: ["index"],
  params: {
    count: "u32",
    rate: "f32",
    beta1: "f32",
    beta2: "f32",
    rest1: "f32",
    rest2: "f32",
    epsilon: "f32",
    weightDecay: "f32",
    decoupled: "u32",
  },
  buffers: {
    g: { access: "read", length: (p) => p.count },
    state: { access: "read", length: () => adamStateLength },
    p: { access: "readwrite", length: (p) => p.count },
    m: { access: "readwrite", length: (p) => p.count },
    v: { access: "readwrite", length: (p) => p.count },
  },
  units: (p) => Math.ceil(p.count / blockSize),
  entryPoints: { main: (p) => [Math.ceil(p.count / 256)] },
});

/** What {@link adamw} works on. All but `norm`, `stop` and `state` have the layout of the parameters. */
export interface AdamBuffers {
  readonly parameters: Tensor;
  readonly gradient: Tensor;
  /** First moments, zeros at first. */
  readonly m: Tensor;
  /** Second moments, zeros at first. */
  readonly v: Tensor;
  /** {@link adamStateLength} elements, zeros at first. Part of a checkpoint. */
  readonly state: Tensor;
  /** Result of `gradientNorm`: scales the gradient, and skips the step where the gradient is not finite. */
  readonly norm?: Tensor | undefined;
  /** One u32: where it is not 0 nothing changes, the step is not counted. */
  readonly stop?: Tensor | undefined;
}

/** Options of {@link adamw}. */
export interface AdamOptions {
  /** Parameters; all by default. */
  readonly count?: number;
  /** Learning rate; change it later with `update({ rate })` of the returned launch. */
  readonly rate: number;
  readonly betas: readonly [number, number];
  /** Added to the corrected √v. */
  readonly epsilon: number;
  readonly weightDecay: number;
  /** True is AdamW (parameters shrink by rate · decay), false Adam (decay · p joins the gradient). */
  readonly decoupled: boolean;
}

/** Coefficients of the moments in the precision that matters: 1 − β is rounded once, not the difference of rounded numbers. */
function coefficients([beta1, beta2]: readonly [number, number]): {
  readonly advance: { readonly logBeta1: number; readonly logBeta2: number };
  readonly step: { readonly beta1: number; readonly beta2: number; readonly rest1: number; readonly rest2: number };
} {
  // At β = 0 every βᵏ is 0; e^-100 is 0 beside 1 in f32.
  const log = (beta: number): number => Math.max(Math.log(beta), -100);
  return {
    advance: { logBeta1: log(beta1), logBeta2: log(beta2) },
    step: { beta1, beta2, rest1: 1 - beta1, rest2: 1 - beta2 },
  };
}

/**
 * Records one step of Adam or AdamW:
 * m ← β₁m + (1 − β₁)g, v ← β₂v + (1 − β₂)g², p ← p − rate · m/(1 − β₁ᵏ) / (√(v/(1 − β₂ᵏ)) + ε).
 * The step number k lives in `state` and grows by itself, so that the program can run many times.
 */
export function adamw(program: ProgramRecorder, buffers: AdamBuffers, options: AdamOptions): Launch<typeof adamwSpec.params> {
  const { advance, step } = coefficients(options.betas);
  program.launch(
    adamAdvanceSpec,
    { ...advance, hasNorm: buffers.norm === undefined ? 0 : 1, hasStop: buffers.stop === undefined ? 0 : 1 },
    { norm: buffers.norm, stop: buffers.stop, state: buffers.state },
  );
  return program.launch(
    adamwSpec,
    {
      count: options.count ?? buffers.parameters.length,
      rate: options.rate,
      ...step,
      epsilon: options.epsilon,
      weightDecay: options.weightDecay,
      decoupled: options.decoupled ? 1 : 0,
    },
    { g: buffers.gradient, state: buffers.state, p: buffers.parameters, m: buffers.m, v: buffers.v },
  );
}

export const adamwKernels = [anyKernel(adamAdvanceSpec), anyKernel(adamwSpec)];

import { anyKernel, defineKernel } from "../../engine/kernel-spec.js";
import type { Launch, ProgramRecorder } from "../../engine/program.js";
import type { Tensor } from "../../engine/tensor.js";
import type { LossPartials } from "./loss-statistics.js";

const blockSize = 1024;

/** Rewards and the discounted value of what follows. */
export const tdTargetSpec = defineKernel({
  name: "rl/td_target",
  lib: ["index"],
  params: { count: "u32", hasSecond: "u32", gamma: "f32" },
  buffers: {
    rewards: { access: "read", length: (p) => p.count },
    terminated: { access: "read", length: (p) => p.count },
    first: { access: "read", length: (p) => p.count },
    second: { access: "read", length: (p) => p.count, optional: true },
    targets: { access: "write", length: (p) => p.count },
  },
  units: (p) => Math.ceil(p.count / blockSize),
  entryPoints: { main: (p) => [Math.ceil(p.count / 256)] },
});

/** Asymmetric squared error of values below and above what is wanted, and its gradient. */
export const expectileLossSpec = defineKernel({
  name: "rl/expectile_loss",
  lib: ["index", "reduce"],
  params: { count: "u32", hasSecond: "u32", expectile: "f32", scale: "f32" },
  buffers: {
    values: { access: "read", length: (p) => p.count },
    first: { access: "read", length: (p) => p.count },
    second: { access: "read", length: (p) => p.count, optional: true },
    dvalues: { access: "write", length: (p) => p.count },
    partials: { access: "write", length: (p) => Math.ceil(p.count / blockSize) },
  },
  units: (p) => Math.ceil(p.count / blockSize),
  entryPoints: { main: (p) => [Math.ceil(p.count / blockSize)] },
  check: (p) => (p.expectile > 0 && p.expectile < 1 ? undefined : `the expectile is ${p.expectile}; it must be between 0 and 1.`),
});

/** Gradient of the smaller of two numbers. */
export const minimumBackwardSpec = defineKernel({
  name: "rl/minimum_backward",
  lib: ["index"],
  params: { count: "u32", scale: "f32" },
  buffers: {
    first: { access: "read", length: (p) => p.count },
    second: { access: "read", length: (p) => p.count },
    dfirst: { access: "write", length: (p) => p.count },
    dsecond: { access: "write", length: (p) => p.count },
  },
  units: (p) => Math.ceil(p.count / blockSize),
  entryPoints: { main: (p) => [Math.ceil(p.count / 256)] },
});

/** Negative mean of one critic's values, in units of the other's. */
export const relativeValueLossSpec = defineKernel({
  name: "rl/relative_value_loss",
  lib: ["reduce"],
  params: { count: "u32", isSwapped: "u32", scale: "f32" },
  buffers: {
    first: { access: "read", length: (p) => p.count },
    second: { access: "read", length: (p) => p.count },
    dfirst: { access: "write", length: (p) => p.count },
    dsecond: { access: "write", length: (p) => p.count },
    loss: { access: "write", length: () => 1 },
  },
  units: () => 1,
  entryPoints: { main: () => [1] },
});

/**
 * Records targets = rewards + gamma (1 − terminated) next: what the value of a step should be. `next` is the value of
 * what follows, or two of which the smaller counts.
 */
export function tdTarget(
  program: ProgramRecorder,
  buffers: {
    readonly rewards: Tensor;
    /** 0 or 1. */
    readonly terminated: Tensor;
    readonly next: readonly [Tensor] | readonly [Tensor, Tensor];
    readonly targets: Tensor;
  },
  options: { readonly count: number; readonly gamma: number },
): void {
  const { rewards, terminated, next: [first, second], targets } = buffers;
  program.launch(tdTargetSpec, { ...options, hasSecond: second === undefined ? 0 : 1 }, { rewards, terminated, first, second, targets });
}

/**
 * Records mean w e², e = wanted − V, w = expectile where e > 0, else 1 − expectile, and its gradient with respect to V times
 * `gradientScale`. Above ½ the values tend to the upper part of what is wanted. Where two are wanted, the smaller is. The
 * result holds the sum of the loss.
 */
export function expectileLoss(
  program: ProgramRecorder,
  buffers: {
    readonly values: Tensor;
    readonly wanted: readonly [Tensor] | readonly [Tensor, Tensor];
    readonly dvalues: Tensor;
  },
  options: { readonly count: number; readonly expectile: number; readonly gradientScale: number },
): LossPartials {
  const { count, expectile, gradientScale } = options;
  const { values, wanted: [first, second], dvalues } = buffers;
  const blocks = Math.ceil(count / blockSize);
  const partials = program.temporary([blocks], "expectile loss sums");
  program.launch(
    expectileLossSpec,
    { count, hasSecond: second === undefined ? 0 : 1, expectile, scale: gradientScale / count },
    { values, first, second, dvalues, partials },
  );
  return { tensor: partials, columns: 1, blocks, divisor: count };
}

/** Records the gradients of scale · Σ min(first, second); where both are equal each gets half. */
export function minimumBackward(
  program: ProgramRecorder,
  buffers: { readonly first: Tensor; readonly second: Tensor; readonly dfirst: Tensor; readonly dsecond: Tensor },
  options: { readonly count: number; readonly scale: number },
): void {
  program.launch(minimumBackwardSpec, options, buffers);
}

/**
 * Records loss[0] = −mean(first) / mean|second|, the divisor being no part of the gradient, and the gradients of
 * `gradientScale` times it. `update({ isSwapped: 1 })` of the returned launch swaps the parts of the two.
 */
export function relativeValueLoss(
  program: ProgramRecorder,
  buffers: { readonly first: Tensor; readonly second: Tensor; readonly dfirst: Tensor; readonly dsecond: Tensor; readonly loss: Tensor },
  options: { readonly count: number; readonly gradientScale: number },
): Launch<typeof relativeValueLossSpec.params> {
  return program.launch(relativeValueLossSpec, { count: options.count, isSwapped: 0, scale: options.gradientScale }, buffers);
}

export const qLearningKernels = [
  anyKernel(tdTargetSpec),
  anyKernel(expectileLossSpec),
  anyKernel(minimumBackwardSpec),
  anyKernel(relativeValueLossSpec),
];

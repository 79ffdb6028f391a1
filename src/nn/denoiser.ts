import type { ProgramRecorder } from "../engine/program.js";
import type { Tensor } from "../engine/tensor.js";
import type { ParameterLayout } from "./parameters.js";

/** Inputs of a denoiser for rows of their own time, as in training. */
export interface DenoiserInputs {
  /** Noised chunks [rows, width]. */
  readonly x: Tensor;
  /** Denoising time of each row, u32 [rows]; with `timeIndex`, the u32 list that rows take theirs from. */
  readonly time: Tensor;
  /** Place in `time` of each row's, u32 [rows]: what depends on the time alone is then computed once for each in the list. */
  readonly timeIndex?: Tensor | undefined;
  /** Flattened observation stack [rows, conditionWidth]. */
  readonly state: Tensor;
}

/** A forward pass of a denoiser that can be gone back. */
export interface DenoiserTape {
  /** The network's prediction [rows, width]. */
  readonly output: Tensor;
  /**
   * Records the backward pass of a gradient of the output: parameter gradients into the flat gradient buffer, and the
   * gradients of x and state where they are asked for.
   */
  backward(dOutput: Tensor, wanted?: { readonly x?: boolean; readonly state?: boolean }): {
    readonly dx: Tensor | undefined;
    readonly dState: Tensor | undefined;
  };
}

/** Steps [from, to) of a list of times. */
export interface StepRange {
  readonly from: number;
  readonly to: number;
}

/** A denoiser prepared for one batch of states and a list of times: records one evaluation a step. */
export type DenoiserSteps = (x: Tensor, step: number) => Tensor;

/**
 * The network of a diffusion policy, as samplers and losses see it. It owns a parameter layout, no values: the frozen and
 * the tuned policy are one denoiser with two flat buffers.
 */
export interface Denoiser {
  readonly layout: ParameterLayout;
  /** Elements of a chunk: horizon x action size. */
  readonly width: number;
  /** Elements of the flattened observation stack. */
  readonly conditionWidth: number;
  /** Records a forward pass that keeps nothing but its output. */
  infer(program: ProgramRecorder, values: Tensor, inputs: DenoiserInputs, rows: number): Tensor;
  /** Records a forward pass that can be gone back. */
  forward(program: ProgramRecorder, values: Tensor, gradients: Tensor, inputs: DenoiserInputs, rows: number): DenoiserTape;
  /**
   * Records, once, what depends only on the state or only on the time of the steps, and gives a recorder of single steps.
   * `times` holds the u32 time of every step; `range` says which of them will be recorded, all by default.
   */
  prepare(program: ProgramRecorder, values: Tensor, state: Tensor, times: Tensor, rows: number, range?: StepRange): DenoiserSteps;
}

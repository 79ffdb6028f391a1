import type { Device } from "../engine/device.js";
import type { Launch, ProgramRecorder } from "../engine/program.js";
import type { Tensor } from "../engine/tensor.js";
import { adamStateLength, adamw, type adamwSpec } from "../kernels/optim/adamw.js";
import { accumulate } from "../kernels/optim/ema.js";
import { gradientNorm, gradientNormLength } from "../kernels/optim/gradient-norm.js";
import type { ParameterLayout } from "./parameters.js";

/** A network that is being trained: flat buffers of one layout, and the state of its optimiser. */
export interface Trained {
  readonly values: Tensor;
  readonly gradients: Tensor;
  /** Moving averages of the gradient and of its square. */
  readonly firstMoments: Tensor;
  readonly secondMoments: Tensor;
  /** Number of steps taken, and what follows from it. */
  readonly optimiserState: Tensor;
  /** Elements from the start that the optimiser changes. */
  readonly trainedLength: number;
}

/** Options of {@link recordOptimiserStep}. */
export interface OptimiserOptions {
  /** Learning rate; change it later with `update({ rate })` of the returned launch. */
  readonly rate: number;
  /** Default 0. */
  readonly weightDecay?: number;
  /** Default [0.9, 0.999]. */
  readonly betas?: readonly [number, number];
  /** Default 1e-8. */
  readonly epsilon?: number;
  /** AdamW (true, default) or Adam. */
  readonly isDecoupled?: boolean;
  /** Largest global norm of the gradient; null (default) leaves it. */
  readonly maxGradientNorm?: number | null;
}

/** Puts a network on a device, ready to be trained. Free it with {@link freeTrained}. */
export function createTrained(device: Device, layout: ParameterLayout, values: Float32Array, label: string): Trained {
  const flat = (what: string): Tensor => device.tensor([layout.length], { label: `${label} ${what}` });
  return {
    values: device.tensor([layout.length], { label, data: values }),
    gradients: flat("gradients"),
    firstMoments: flat("first moments"),
    secondMoments: flat("second moments"),
    optimiserState: device.tensor([adamStateLength], { label: `${label} optimiser state` }),
    trainedLength: layout.trainedLength,
  };
}

/** Frees the buffers of {@link createTrained}. */
export function freeTrained(device: Device, trained: Trained): void {
  const { values, gradients, firstMoments, secondMoments, optimiserState } = trained;
  for (const tensor of [values, gradients, firstMoments, secondMoments, optimiserState]) device.free(tensor);
}

/**
 * Records sum += addend for flat gradients of a layout. Parameter by parameter: the gaps between them are undefined in a
 * temporary, and must stay zero in the sum.
 */
export function accumulateGradients(program: ProgramRecorder, layout: ParameterLayout, addend: Tensor, sum: Tensor): void {
  for (const { name, isTrained } of layout.parameters) {
    if (isTrained) accumulate(program, { addend: layout.view(addend, name), sum: layout.view(sum, name) });
  }
}

/**
 * Records one optimiser step with the gradients at hand. `norm` receives the gradient's global norm, its scale and the
 * number of non-finite entries; a non-finite gradient moves nothing. Where `stop` is set, nothing moves either.
 */
export function recordOptimiserStep(
  program: ProgramRecorder,
  trained: Trained,
  options: OptimiserOptions,
  tensors: { readonly norm?: Tensor | undefined; readonly stop?: Tensor | undefined } = {},
): Launch<typeof adamwSpec.params> {
  const norm = tensors.norm ?? program.temporary([gradientNormLength], "gradient norm");
  gradientNorm(program, { gradient: trained.gradients, norm }, { maxNorm: options.maxGradientNorm ?? null });
  return adamw(program, {
    parameters: trained.values,
    gradient: trained.gradients,
    m: trained.firstMoments,
    v: trained.secondMoments,
    state: trained.optimiserState,
    norm,
    stop: tensors.stop,
  }, {
    count: trained.trainedLength,
    rate: options.rate,
    betas: options.betas ?? [0.9, 0.999],
    epsilon: options.epsilon ?? 1e-8,
    weightDecay: options.weightDecay ?? 0,
    decoupled: options.isDecoupled ?? true,
  });
}

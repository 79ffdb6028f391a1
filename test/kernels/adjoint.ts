import { expect, test } from "vitest";
import type { BufferSpec, KernelSpec, ParamLayout, ParamValues } from "../../src/engine/kernel-spec.js";
import { anyKernel } from "../../src/engine/kernel-spec.js";
import { expectClose } from "../close.js";
import { deviceFor, engines, runKernel, testNumbers, type Contents } from "./harness.js";

/** A kernel and its backward kernel at one point. */
export interface AdjointCase<F extends ParamLayout, G extends ParamLayout> {
  readonly title: string;
  readonly forward: { readonly params: ParamValues<F>; readonly inputs: Contents };
  readonly backward: { readonly params: ParamValues<G>; readonly inputs: Contents };
  /** Inputs of the forward kernel by the output of the backward one that is their gradient. */
  readonly gradients: Readonly<Record<string, string>>;
  /** What the backward kernel was given as gradient of each output of the forward one. */
  readonly cotangents: Contents;
  /** Outputs of the forward kernel, in float64. */
  readonly twin: (inputs: Contents) => Contents;
}

type Buffers<P extends ParamLayout> = Readonly<Record<string, BufferSpec<P>>>;

const dot = (a: ArrayLike<number>, b: ArrayLike<number>): number => {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i]! * b[i]!;
  return sum;
};

/** The inputs moved by `h` along a direction. */
function moved(inputs: Contents, directions: Contents, h: number): Contents {
  const along = Object.entries(directions).map(([name, u]) => [name, Float64Array.from(u, (value, i) => inputs[name]![i]! + h * value)] as const);
  return { ...inputs, ...Object.fromEntries(along) };
}

/**
 * Claims that a backward kernel is the adjoint of its forward kernel: with J the derivative at a point, v what comes back
 * and u any direction, ⟨Jᵀv, u⟩ = ⟨v, Ju⟩. Jᵀv is what the backward kernel writes; Ju are differences along u, once of the
 * float64 twin and once of the forward kernel on the same engine. Points must be 0.05 away from kinks: |u| ≤ 1, steps ≤ 0.04.
 */
export function proveAdjoint<F extends ParamLayout, G extends ParamLayout>(
  forward: KernelSpec<F, Buffers<F>>,
  backward: KernelSpec<G, Buffers<G>>,
  cases: readonly AdjointCase<F, G>[],
): void {
  const forwardKernel = anyKernel(forward);
  const backwardKernel = anyKernel(backward);
  test.each(engines)(`${backward.name} on %s is the adjoint of ${forward.name}, and the slope of its twin`, async (engine) => {
    const device = await deviceFor(engine);
    for (const one of cases) {
      const { inputs, params } = one.forward;
      const written = await runKernel(device, backwardKernel, one.backward.params, one.backward.inputs);
      const along = (outputs: Contents): number => Object.entries(one.cotangents).reduce((sum, [name, v]) => sum + dot(v, outputs[name]!), 0);
      for (const seed of [91, 92]) {
        const pairs = Object.entries(one.gradients).map(([gradient, name], at) => ({
          name, gradient: written[gradient]!, direction: testNumbers(inputs[name]!.length, seed + 10 * at),
        }));
        const directions = Object.fromEntries(pairs.map(({ name, direction }) => [name, direction]));
        const slope = pairs.reduce((sum, { gradient, direction }) => sum + dot(gradient, direction), 0);
        // What independent relative errors of the terms of the slope add up to.
        const size = Math.hypot(...pairs.flatMap(({ gradient, direction }) => Array.from(direction, (value, i) => value * gradient[i]!)));
        expect(size, `${one.title}: there is something to compare`).toBeGreaterThan(0);
        const twinAt = (h: number): number => along(one.twin(moved(inputs, directions, h)));
        expectClose([slope], [(twinAt(1e-5) - twinAt(-1e-5)) / 2e-5], { absolute: 2e-6 * size }, `${one.title}: slope of the twin`);
        const kernelAt = async (h: number): Promise<number> => along(await runKernel(device, forwardKernel, params, moved(inputs, directions, h)));
        // Differences of fourth order: wide steps keep the rounding of f32 small.
        const near = await kernelAt(0.02) - await kernelAt(-0.02);
        const far = await kernelAt(0.04) - await kernelAt(-0.04);
        expectClose([slope], [(8 * near - far) / 0.24], { absolute: 4e-5 * size }, `${one.title}: adjoint of the forward kernel`);
      }
    }
  });
}

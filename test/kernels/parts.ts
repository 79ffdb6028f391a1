import { test } from "vitest";
import { anyKernel, type BufferSpec, type KernelSpec, type ParamLayout, type ParamValues } from "../../src/engine/kernel-spec.js";
import { expectClose, type Tolerance } from "../close.js";
import { deviceFor, engines, runKernel, type Contents } from "./harness.js";

/**
 * Proves the rows of an output one by one. Rows that hold different quantities (means and squares, a loss and a count) have
 * different sizes, and a tolerance for the whole would be one for the largest only.
 */
export function proveParts<P extends ParamLayout, B extends Readonly<Record<string, BufferSpec<P>>>>(
  typed: KernelSpec<P, B>,
  given: { readonly params: ParamValues<P>; readonly inputs: Contents },
  output: string,
  parts: Readonly<Record<string, ArrayLike<number>>>,
  tolerance: Tolerance,
): void {
  const spec = anyKernel(typed);
  test.each(engines)(`${spec.name} on %s: ${Object.keys(parts).join(", ")} are each as exact as they can be`, async (engine) => {
    const got = (await runKernel(await deviceFor(engine), spec, given.params, given.inputs))[output]!;
    let at = 0;
    for (const [name, expected] of Object.entries(parts)) {
      expectClose(got.slice(at, at + expected.length), expected, tolerance, `${spec.name}: ${name}`);
      at += expected.length;
    }
  });
}

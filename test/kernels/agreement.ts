import fc from "fast-check";
import { test } from "vitest";
import { anyKernel, type BufferSpec, type KernelSpec, type ParamLayout, type ParamValues } from "../../src/engine/kernel-spec.js";
import { expectClose, type Tolerance } from "../close.js";
import { deviceFor, engines, expectSameBits, runKernel, type Contents } from "./harness.js";

/** Random launches of each kernel. DIFFTUNE_FUZZ_RUNS asks for more; then each run of the suite also draws others. */
const wantedRuns = Number(process.env.DIFFTUNE_FUZZ_RUNS ?? "");
const fuzz = wantedRuns >= 1 ? { numRuns: Math.floor(wantedRuns) } : { numRuns: 6, seed: 20 };

/** One launch to compare: parameters and inputs. */
export interface AgreementCase<P extends ParamLayout> {
  readonly params: ParamValues<P>;
  readonly inputs: Contents;
}

/**
 * Claims that both engines give the same outputs on random shapes: `draw` makes a launch from four random sizes (1 to
 * `largest`) and a seed. "bits" asks for equality.
 */
export function proveAgreement<P extends ParamLayout, B extends Readonly<Record<string, BufferSpec<P>>>>(
  typed: KernelSpec<P, B>,
  tolerance: Tolerance | "bits",
  largest: number,
  draw: (sizes: readonly [number, number, number, number], seed: number) => AgreementCase<P>,
): void {
  const spec = anyKernel(typed);
  test.skipIf(engines.length < 2)(`${spec.name} agrees on both engines on random shapes`, async () => {
    const size = fc.integer({ min: 1, max: largest });
    const devices = await Promise.all(engines.map((engine) => deviceFor(engine)));
    await fc.assert(fc.asyncProperty(fc.tuple(size, size, size, size), fc.nat(0xffff), async (sizes, seed) => {
      const { params, inputs } = draw(sizes, seed);
      const [first, second] = await Promise.all(devices.map((device) => runKernel(device, spec, params, inputs)));
      const title = `${spec.name} ${JSON.stringify(params)}`;
      if (tolerance === "bits") {
        expectSameBits(first!, second!, title);
        return;
      }
      for (const [name, values] of Object.entries(first!)) expectClose(second![name]!, values, tolerance, `${title}: ${name}`);
    }), fuzz);
  });
}

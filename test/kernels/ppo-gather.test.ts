import { describe, expect, test } from "vitest";
import { DifftuneError } from "../../src/core/errors.js";
import { ppoGather, ppoGatherSpec } from "../../src/kernels/rl/ppo-gather.js";
import { proveAgreement } from "./agreement.js";
import { deviceFor, engines, proveKernel } from "./harness.js";

/** A permutation of 0 to length − 1: multiplication by a number that shares no factor with the prime 10007. */
function permutation(length: number): Uint32Array {
  return Uint32Array.from(Array.from({ length: 10007 }, (_, i) => (i * 4321) % 10007).filter((value) => value < length));
}

function indices(count: number, offset: number, tunedSteps: number, form: "step" | "chain"): { permutation: Uint32Array; rows: number[]; transitions: number[]; flat: number[]; steps: number[] } {
  const order = permutation(offset + count + 5);
  const flat = Array.from({ length: count }, (_, r) => (form === "step" ? order[offset + r]! : order[offset + Math.floor(r / tunedSteps)]! * tunedSteps + (r % tunedSteps)));
  const rows = flat.map((q) => Math.floor(q / tunedSteps));
  const transitions = flat.map((q) => q % tunedSteps);
  return { permutation: order, rows, transitions, flat, steps: transitions.map((j) => 3 + j) };
}

proveKernel(ppoGatherSpec, [1, 3, 33, 257, 625].flatMap((size) => [1, 5, 10].flatMap((tunedSteps) => (["step", "chain"] as const).map((form) => {
  const count = form === "chain" ? Math.ceil(size / tunedSteps) * tunedSteps : size;
  const { permutation: order, ...expected } = indices(count, 64, tunedSteps, form);
  return {
    title: `${form} ${count}, K' = ${tunedSteps}`,
    params: { count, offset: 64, tunedSteps, wholeChains: form === "chain" ? 1 : 0, firstStep: 3, hasFlat: 1, hasSteps: 1 },
    inputs: { permutation: order, flat: new Uint32Array(count), steps: new Uint32Array(count) },
    expected,
    tolerance: {},
  };
}))));

proveAgreement(ppoGatherSpec, "bits", 30, ([a, b, tunedSteps, offset]) => ({
  params: { count: a * b, offset, tunedSteps, wholeChains: 0, firstStep: 0, hasFlat: 0, hasSteps: 0 },
  inputs: { permutation: permutation(a * b + offset) },
}));

describe.each(engines)("minibatches on %s", (engine) => {
  test("take every transition of an epoch once, and refuse to run behind its end", async () => {
    const device = await deviceFor(engine);
    const [rows, K, count] = [12, 5, 20];
    const order = device.tensor([rows * K], { data: permutation(rows * K), dtype: "u32" });
    const u32 = (): typeof order => device.tensor([count], { dtype: "u32" });
    const [row, transition, flat] = [u32(), u32(), u32()];
    const update: { to?: (offset: number) => void } = {};
    const program = await device.program("gather", (recorder) => {
      const launch = ppoGather(recorder, { permutation: order, rows: row, transitions: transition, flat }, { count, offset: 0, tunedSteps: K, updateForm: "step" });
      update.to = (offset) => { launch.update({ offset }); };
    });
    const seen: number[] = [];
    for (let minibatch = 0; minibatch < 3; minibatch++) {
      update.to?.(minibatch * count);
      program.run();
      const [n, j, q] = [await device.readU32(row), await device.readU32(transition), await device.readU32(flat)];
      expect([...q]).toEqual([...n].map((value, i) => value * K + j[i]!));
      seen.push(...q);
    }
    expect(seen.sort((a, b) => a - b)).toEqual(Array.from({ length: rows * K }, (_, i) => i));
    expect(() => update.to?.(3 * count)).toThrow(DifftuneError);
    program.close();
  });
});

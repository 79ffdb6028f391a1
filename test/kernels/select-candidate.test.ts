import { expect, test } from "vitest";
import { selectCandidate, selectCandidateSpec } from "../../src/kernels/rl/select-candidate.js";
import { deviceFor, engines, proveKernel, testNumbers } from "./harness.js";
import { proveAgreement } from "./agreement.js";

const expectile = 0.75;

function selected(first: Float32Array, second: Float32Array, values: Float32Array, u: Float32Array, M: number, isGreedy: boolean): number[] {
  return Array.from(values, (value, e) => {
    const scores = Array.from({ length: M }, (_, m) => Math.min(first[e * M + m]!, second[e * M + m]!));
    if (isGreedy) return e * M + scores.indexOf(Math.max(...scores));
    const weights = scores.map((score) => (score > value ? expectile : 1 - expectile));
    const wanted = u[e]! * weights.reduce((sum, weight) => sum + weight, 0);
    let sum = 0;
    const at = weights.findIndex((weight) => (sum += weight) > wanted);
    return e * M + (at < 0 ? M - 1 : at);
  });
}

function inputs(rows: number, M: number, seed: number) {
  return {
    first: testNumbers(rows * M, seed), second: testNumbers(rows * M, seed + 1), values: testNumbers(rows, seed + 2, 0.5),
    u: testNumbers(rows, seed + 3).map((value) => 0.5 * (value + 1)),
  };
}

// Weights of 1/4 and 3/4 add without rounding: the choice is exact.
proveKernel(selectCandidateSpec, [[1, 1], [3, 2], [31, 10], [33, 33], [65, 3], [257, 20]].flatMap(([rows, candidates]) => [0, 1].map((isGreedy) => {
  const given = inputs(rows!, candidates!, rows!);
  return {
    title: `${rows}x${candidates} ${isGreedy === 1 ? "greedy" : "drawn"}`,
    params: { rows: rows!, candidates: candidates!, isGreedy, expectile },
    inputs: given,
    expected: { selected: selected(given.first, given.second, given.values, given.u, candidates!, isGreedy === 1) },
    tolerance: { absolute: 0 },
  };
})));

test.each(engines)("candidates above the value are drawn as often as their weight says on %s", async (engine) => {
  const device = await deviceFor(engine);
  const [rows, candidates] = [4000, 3];
  // The first of three is above the value: 0.7 of 0.7 + 0.3 + 0.3.
  const scores = Float32Array.from({ length: rows * candidates }, (_, n) => (n % candidates === 0 ? 1 : -1));
  const [first, second] = [device.tensor([rows * candidates], { data: scores }), device.tensor([rows * candidates], { data: scores })];
  const values = device.tensor([rows]);
  const u = device.tensor([rows], { data: testNumbers(rows, 5).map((value) => 0.5 * (value + 1)) });
  const chosen = device.tensor([rows], { dtype: "u32" });
  using program = await device.program("select", (recorder) => {
    selectCandidate(recorder, { first, second, values, u, selected: chosen }, { rows, candidates, isGreedy: false, expectile: 0.7 });
  });
  program.run();
  const counts = [0, 0, 0];
  for (const [e, n] of (await device.readU32(chosen)).entries()) counts[n - e * candidates]! += 1;
  expect(Math.abs(counts[0]! / rows - 0.7 / 1.3)).toBeLessThan(0.03);
  expect(Math.abs(counts[1]! / rows - 0.3 / 1.3)).toBeLessThan(0.03);
});

test("no candidates are refused", () => {
  expect(selectCandidateSpec.check?.({ rows: 1, candidates: 0, isGreedy: 0, expectile })).toMatch(/no candidates/);
});

proveAgreement(selectCandidateSpec, "bits", 30, ([rows, candidates], seed) => ({
  params: { rows, candidates, isGreedy: seed % 2, expectile }, inputs: inputs(rows, candidates, seed),
}));

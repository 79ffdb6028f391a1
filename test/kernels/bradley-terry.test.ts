import { describe, expect, test } from "vitest";
import { DifftuneError } from "../../src/core/errors.js";
import { bradleyTerry, bradleyTerrySpec, preferenceStatistics, type TieRule } from "../../src/kernels/rl/bradley-terry.js";
import { sumSegments, sumSegmentsBackward, sumSegmentsBackwardSpec, sumSegmentsSpec } from "../../src/kernels/rl/sum-segments.js";
import { expectClose } from "../close.js";
import { GoldenFile } from "../golden-runner/golden-file.js";
import { bradleyTerry as twin, preferenceAccuracy, type BradleyTerryResult } from "../reference/bradley-terry.js";
import { differences } from "../reference/finite-difference.js";
import { proveAgreement } from "./agreement.js";
import { deviceFor, engines, proveKernel, testNumbers } from "./harness.js";

const codes: Record<TieRule, number> = { drop: 0, half: 1, davidson: 2 };

/** 0, 1 and −1 in no order; with one tie in four. */
const labelsOf = (length: number, seed: number): Float32Array => testNumbers(length, seed).map((value) => (value > 0.5 ? -1 : value > -0.2 ? 1 : 0));

function rule(kind: TieRule, smoothing: number, logNu: number): Parameters<typeof twin>[3] {
  return kind === "davidson" ? { kind, logNu } : { kind, smoothing };
}

proveKernel(bradleyTerrySpec, [[1, 1], [2, 3], [3, 33], [1, 257], [2, 600]].flatMap(([members, pairs]) =>
  ([["drop", 0], ["drop", 0.05], ["half", 0], ["half", 0.1], ["davidson", 0]] as const).flatMap(([kind, smoothing]) => [true, false].map((isShared) => {
    const [M, N] = [members!, pairs!];
    const r0 = testNumbers(M * N, 1, 6);
    // Some differences are so large that e^d would overflow, others none.
    const r1 = testNumbers(M * N, 2, 6).map((value, i) => (i % 19 === 7 ? value * 30 : i % 23 === 5 ? r0[i]! : value));
    const labels = labelsOf(isShared ? N : M * N, 3);
    const logNu = testNumbers(M, 4);
    const row = (values: Float32Array, m: number): Float32Array => values.subarray(m * N, (m + 1) * N);
    const results = Array.from({ length: M }, (_, m): BradleyTerryResult & { statistics: number[] } => {
      const y = isShared ? labels : row(labels, m);
      const strict = y.filter((label) => label >= 0).length;
      // The twin's mean of no pairs is no number; the kernel's is 0.
      const isEmpty = kind === "drop" && strict === 0;
      const result = isEmpty ? { loss: 0, dr0: new Float64Array(N), dr1: new Float64Array(N), dlogNu: 0 } : twin(row(r0, m), row(r1, m), y, rule(kind, smoothing, logNu[m]!));
      return { ...result, statistics: [result.loss, strict === 0 ? 0 : preferenceAccuracy(row(r0, m), row(r1, m), y), strict] };
    });
    const slopes = { relative: 4e-6 };
    return {
      title: `${kind} ${smoothing}, ${M} members, ${N} pairs, ${isShared ? "shared" : "own"} labels`,
      params: { members: M, pairs: N, labelStride: isShared ? 0 : N, rule: codes[kind], smoothing },
      inputs: { r0, r1, labels, ...(kind === "davidson" ? { logNu, dlogNu: new Float32Array(M) } : {}) },
      expected: {
        dr0: results.flatMap(({ dr0 }) => [...dr0]),
        dr1: results.flatMap(({ dr1 }) => [...dr1]),
        statistics: results.flatMap(({ statistics }) => statistics),
        ...(kind === "davidson" ? { dlogNu: results.map(({ dlogNu }) => dlogNu) } : {}),
      },
      // The number of strict pairs is far larger than a loss, and exact.
      tolerance: { dr0: slopes, dr1: slopes, dlogNu: slopes, statistics: { absolute: 4e-6 * Math.max(...results.map(({ loss }) => loss), 1e-3) } },
    };
  }))));

test.each(["drop", "half", "davidson"] as const)("the gradient of the twin with %s is the difference quotient of its loss", (kind) => {
  const n = 15;
  const [r0, r1, logNu] = [Float64Array.from(testNumbers(n, 5, 3)), Float64Array.from(testNumbers(n, 6, 3)), new Float64Array([-0.7])];
  const evaluate = (): BradleyTerryResult => twin(r0, r1, labelsOf(n, 7), rule(kind, 0.1, logNu[0]!));
  const loss = (): number => evaluate().loss;
  expectClose(evaluate().dr0, differences(loss, r0), { relative: 1e-7 });
  expectClose(evaluate().dr1, differences(loss, r1), { relative: 1e-7 });
  expectClose([evaluate().dlogNu], differences(loss, logNu), { absolute: 1e-8 });
});

const shapes = [[1, 1], [3, 31], [65, 33], [257, 3], [33, 32]] as const;

proveKernel(sumSegmentsSpec, shapes.map(([segments, horizon]) => {
  const r = testNumbers(segments * horizon, 8);
  const score = Array.from({ length: segments }, (_, s) => r.subarray(s * horizon, (s + 1) * horizon).reduce((sum, value) => sum + value, 0));
  return { title: `${segments}x${horizon}`, params: { segments, horizon }, inputs: { r }, expected: { score }, tolerance: { relative: 2e-6 } };
}));

proveKernel(sumSegmentsBackwardSpec, shapes.map(([segments, horizon]) => {
  const dscore = testNumbers(segments, 9);
  const dr = Array.from({ length: segments * horizon }, (_, i) => dscore[Math.floor(i / horizon)]!);
  return { title: `${segments}x${horizon}`, params: { segments, horizon }, inputs: { dscore }, expected: { dr }, tolerance: {} };
}));

proveAgreement(bradleyTerrySpec, { relative: 4e-6 }, 20, ([members, pairs, kind], seed) => ({
  params: { members, pairs, labelStride: pairs, rule: kind % 3, smoothing: 0.1 },
  inputs: {
    r0: testNumbers(members * pairs, seed, 4), r1: testNumbers(members * pairs, seed + 1, 4), labels: labelsOf(members * pairs, seed + 2), logNu: testNumbers(members, seed + 3), dlogNu: new Float32Array(members),
  },
}));

proveAgreement(sumSegmentsSpec, { relative: 2e-6 }, 30, ([segments, horizon], seed) => ({ params: { segments, horizon }, inputs: { r: testNumbers(segments * horizon, seed) } }));

describe.each(engines)("preferences on %s", (engine) => {
  const golden = GoldenFile.open("alignment/bt_scalar");
  const modes = golden.names().flatMap((name) => /^(.+)\.loss$/.exec(name)?.[1] ?? []);

  test.each(modes)("have the golden loss and gradients of mode %s", async (mode) => {
    const device = await deviceFor(engine);
    const pairs = golden.values("y").length;
    const tensor = (data?: ArrayLike<number>): ReturnType<typeof device.tensor> => device.tensor([pairs], data === undefined ? {} : { data });
    const [r0, r1, labels, dr0, dr1] = [tensor(golden.values("r0")), tensor(golden.values("r1")), tensor(golden.values("y")), tensor(), tensor()];
    const statistics = device.tensor([preferenceStatistics.length]);
    const isDavidson = mode === "davidson";
    const logNu = device.tensor([1], { data: isDavidson ? golden.values("davidson.log_nu") : [0] });
    const dlogNu = device.tensor([1]);
    const program = await device.program(mode, (recorder) => {
      bradleyTerry(recorder, { r0, r1, labels, dr0, dr1, statistics, logNu, dlogNu }, {
        members: 1, pairs, ties: isDavidson ? "davidson" : mode.startsWith("half") ? "half" : "drop", smoothing: Number(/_smooth(.+)$/.exec(mode)?.[1] ?? 0), sharedLabels: true,
      });
    });
    program.run();
    const [loss, accuracy] = await device.read(statistics);
    expectClose([loss!], [golden.scalar(`${mode}.loss`)], { relative: 1e-6 }, "loss");
    expectClose([accuracy!], [golden.scalar("accuracy_nontie")], { relative: 1e-6 }, "accuracy");
    expectClose(await device.read(dr0), golden.values(`${mode}.grad_r0`), { relative: 2e-6 }, "gradient of r0");
    expectClose(await device.read(dr1), golden.values(`${mode}.grad_r1`), { relative: 2e-6 }, "gradient of r1");
    if (isDavidson) expectClose(await device.read(dlogNu), golden.values("davidson.grad_log_nu"), { relative: 2e-6 }, "gradient of ln nu");
    program.close();
  });

  test("pass the gradient of a segment on to each of its states: sum and spread are adjoint", async () => {
    const device = await deviceFor(engine);
    const [segments, horizon] = [33, 7];
    const [rewards, slopes] = [testNumbers(segments * horizon, 10), testNumbers(segments, 11)];
    const [r, dr] = [device.tensor([segments, horizon], { data: rewards }), device.tensor([segments, horizon])];
    const [score, dscore] = [device.tensor([segments]), device.tensor([segments], { data: slopes })];
    const program = await device.program("segments", (recorder) => {
      sumSegments(recorder, { r, score }, { segments, horizon });
      sumSegmentsBackward(recorder, { dscore, dr }, { segments, horizon });
    });
    program.run();
    const dot = (a: ArrayLike<number>, b: ArrayLike<number>): number => Array.from(a).reduce((sum, value, i) => sum + value * b[i]!, 0);
    expectClose([dot(await device.read(score), slopes)], [dot(rewards, await device.read(dr))], { relative: 1e-5 });
    program.close();
  });

  test("refuse davidson without its parameter", async () => {
    const device = await deviceFor(engine);
    const t = (): ReturnType<typeof device.tensor> => device.tensor([4]);
    await expect(device.program("ties", (recorder) => {
      bradleyTerry(recorder, { r0: t(), r1: t(), labels: t(), dr0: t(), dr1: t(), statistics: t() }, { members: 1, pairs: 4, ties: "davidson", smoothing: 0, sharedLabels: true });
    })).rejects.toThrow(DifftuneError);
  });
});

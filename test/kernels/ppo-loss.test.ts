import { describe, expect, test } from "vitest";
import { noLimit, type ParamValues } from "../../src/engine/kernel-spec.js";
import { adamStateLength, adamw } from "../../src/kernels/optim/adamw.js";
import { advantageStatistics, advantageStatisticsLength } from "../../src/kernels/rl/advantage-statistics.js";
import { cloningLossSpec } from "../../src/kernels/rl/cloning-loss.js";
import { lossStatistics, lossStatisticsSpec } from "../../src/kernels/rl/loss-statistics.js";
import { ppoLoss, ppoLossSpec, ppoSchedule, ppoStatistics, type ClipSchedule } from "../../src/kernels/rl/ppo-loss.js";
import { expectClose } from "../close.js";
import { clampToQuantiles } from "../reference/advantages.js";
import { differences } from "../reference/finite-difference.js";
import { clippedObjective, cloningLoss as cloningTwin, logProbRange, ppoLoss as ppoTwin, type PpoOptions } from "../reference/ppo-loss.js";
import { proveAgreement } from "./agreement.js";
import { awkwardSizes, deviceFor, engines, proveKernel, testNumbers } from "./harness.js";
import { proveParts } from "./parts.js";

const clip: ClipSchedule = { first: 0.01, last: 0.1, rate: 3 };
const discount = 0.95;

/** Log-densities of which some are beyond the clamp on each side and some exactly on it, and what they were before. */
function logProbs(rows: number, width: number, seed: number): { newLogProb: Float32Array; oldLogProb: Float32Array } {
  const newLogProb = testNumbers(rows * width, seed).map((value, i) => (i % 17 === 5 ? -5 : i % 13 === 4 ? 2 : 4.5 * value - 1.5));
  const shift = testNumbers(rows * width, seed + 1, 0.4);
  return { newLogProb, oldLogProb: newLogProb.map((value, i) => value + shift[i]!) };
}

const transitionsOf = (rows: number, tunedSteps: number): Uint32Array => Uint32Array.from({ length: rows }, (_, r) => (r * 7 + 3) % tunedSteps);

/** Sums of the statistics of rows, in blocks of 256. */
function blockSums(rows: number, statisticsOf: (from: number, to: number) => readonly number[]): number[] {
  const blocks = Math.ceil(rows / 256);
  const columns = Array.from({ length: blocks }, (_, b) => {
    const [from, to] = [b * 256, Math.min(rows, (b + 1) * 256)];
    return statisticsOf(from, to).map((mean) => mean * (to - from));
  });
  return ppoStatistics.flatMap((_, c) => columns.map((column) => column[c]!));
}

const closeLosses = { dlogp: { relative: 4e-6 }, partials: { relative: 4e-6 } };

// The diffusion policy: clamp, mean over the entries that count, advantages normalised, clamped and discounted.
proveKernel(ppoLossSpec, [[1, 1, 1, 1], [3, 4, 4, 2], [31, 6, 4, 5], [33, 12, 6, 1], [257, 8, 8, 10], [600, 28, 14, 10]].flatMap(([rows, width, counted, tunedSteps]) =>
  ([["step", 0, 1], ["step", 0.05, 0.9], ["chain", 0.1, 0.95]] as const).flatMap(([form, lowerQuantile, upperQuantile]) => {
    const [R, W, C, K] = [form === "chain" ? Math.ceil(rows! / tunedSteps!) * tunedSteps! : rows!, width!, counted!, tunedSteps!];
    const repeats = form === "chain" ? K : 1;
    const inputs = logProbs(R, W, 5);
    const advantages = testNumbers(R / repeats, 6, 3).map((value) => value + 1);
    const isNormal = advantages.length > 1;
    const j = form === "chain" ? Uint32Array.from({ length: R }, (_, r) => r % K) : transitionsOf(R, K);
    const options: PpoOptions = {
      horizon: W, actionDim: 1, rewardHorizon: C, tunedStepCount: K, normalizeAdvantages: isNormal, lowerQuantile, upperQuantile, denoisingDiscount: discount, clip,
    };
    const whole = ppoTwin(inputs.newLogProb, inputs.oldLogProb, advantages, j, options);
    const rowMeans = (logProb: ArrayLike<number>): Float64Array => Float64Array.from({ length: R }, (_, r) => {
      const entries = Array.from({ length: C }, (__, k) => Math.min(Math.max(logProb[r * W + k]!, logProbRange[0]), logProbRange[1]));
      return entries.reduce((sum, value) => sum + value, 0) / C;
    });
    const schedule = ppoSchedule(K, clip, discount);
    const [fresh, stored] = [rowMeans(inputs.newLogProb), rowMeans(inputs.oldLogProb)];
    const partials = blockSums(R, (from, to) => {
      const part = clippedObjective(fresh.subarray(from, to), stored.subarray(from, to), whole.weightedAdvantages.subarray(from, to), (row) => schedule[j[from + row]!]!);
      return [part.loss, part.approxKl, part.clipFraction, part.ratio];
    });
    const mean = advantages.reduce((sum, value) => sum + value, 0) / advantages.length;
    const deviation = Math.sqrt(advantages.reduce((sum, value) => sum + (value - mean) ** 2, 0) / Math.max(advantages.length - 1, 1));
    const clamped = [...clampToQuantiles(advantages, lowerQuantile, upperQuantile)];
    return [{
      title: `${form} ${R}x${W}, ${C} count, K' = ${K}, quantiles ${lowerQuantile} to ${upperQuantile}`,
      params: {
        rows: R, width: W, counted: C, repeats, tunedSteps: K, normalise: isNormal ? 1 : 0, hasLimits: 1, hasTransitions: form === "chain" ? 0 : 1, aggregateFirst: 0,
        low: logProbRange[0], high: logProbRange[1], weight: 1 / C, advantageLimit: noLimit, gradientScale: 1 / R,
      },
      inputs: { ...inputs, advantages, schedule, statistics: [mean, deviation, Math.min(...clamped), Math.max(...clamped)], ...(form === "chain" ? {} : { transitions: j }) },
      expected: { dlogp: whole.dlogp, partials },
      tolerance: closeLosses,
    }];
  })));

// Gaussian and mixture policies reduce first and clamp then; the exact density of preferences sums and clamps nothing.
proveKernel(ppoLossSpec, awkwardSizes.flatMap((rows) => (["reduceFirst", "sum"] as const).map((kind) => {
  const width = kind === "sum" ? 5 : 6;
  const { newLogProb, oldLogProb } = logProbs(rows, width, 15);
  // Rows of which some are beyond the clamp as a whole.
  const shifted = (logProb: Float32Array): Float32Array => logProb.map((value, i) => value / width + (Math.floor(i / width) % 5 === 2 ? 3 : 0));
  const [fresh, stored] = kind === "sum" ? [newLogProb.map((value) => value / 3), oldLogProb.map((value) => value / 3)] : [shifted(newLogProb), shifted(oldLogProb)];
  const advantages = testNumbers(rows, 16, 4);
  const weight = kind === "sum" ? 1 : 1 / width;
  const [low, high] = kind === "sum" ? [-noLimit, noLimit] : logProbRange;
  const limit = kind === "sum" ? 2.5 : noLimit;
  const reduce = (logProb: ArrayLike<number>): Float64Array => Float64Array.from({ length: rows }, (_, r) => weight * Array.from({ length: width }, (__, k) => logProb[r * width + k]!).reduce((sum, value) => sum + value, 0));
  const clampRow = (value: number): number => Math.min(Math.max(value, low), high);
  const raw = reduce(fresh);
  const scaled = advantages.map((value) => Math.min(Math.max(value, -limit), limit));
  const [a, b] = [raw.map(clampRow), reduce(stored).map(clampRow)];
  const whole = clippedObjective(a, b, scaled, () => clip.last);
  const partials = blockSums(rows, (from, to) => {
    const part = clippedObjective(a.subarray(from, to), b.subarray(from, to), scaled.subarray(from, to), () => clip.last);
    return [part.loss, part.approxKl, part.clipFraction, part.ratio];
  });
  return {
    title: `${kind} ${rows}x${width}`,
    params: {
      rows, width, counted: width, repeats: 1, tunedSteps: 1, normalise: 0, hasLimits: 0, hasTransitions: 0, aggregateFirst: kind === "sum" ? 0 : 1,
      low, high, weight, advantageLimit: limit, gradientScale: 1 / rows,
    },
    inputs: { newLogProb: fresh, oldLogProb: stored, advantages, schedule: ppoSchedule(1, clip, 1) },
    expected: { dlogp: Float64Array.from(fresh, (_, i) => { const r = Math.floor(i / width); return raw[r]! === a[r]! ? whole.dnew[r]! * weight : 0; }), partials },
    tolerance: closeLosses,
  };
})));

{
  const rows = 300;
  const { newLogProb, oldLogProb } = logProbs(rows, 1, 25);
  const old = oldLogProb.map((value, i) => newLogProb[i]! + 0.1 * (value - newLogProb[i]!));
  const advantages = testNumbers(rows, 26);
  const epsilon = 0.02;
  const parts = [[0, 256], [256, rows]].map(([from, to]) => {
    const part = clippedObjective(newLogProb.subarray(from, to), old.subarray(from, to), advantages.subarray(from, to), () => epsilon);
    return [part.loss, part.approxKl, part.clipFraction, part.ratio].map((mean) => mean * (to! - from!));
  });
  proveParts(ppoLossSpec, {
    params: {
      rows, width: 1, counted: 1, repeats: 1, tunedSteps: 1, normalise: 0, hasLimits: 0, hasTransitions: 0, aggregateFirst: 0, low: -noLimit, high: noLimit, weight: 1, advantageLimit: noLimit, gradientScale: 1,
    },
    inputs: { newLogProb, oldLogProb: old, advantages, schedule: [epsilon, 1] },
  }, "partials", Object.fromEntries(ppoStatistics.map((name, c) => [name, parts.map((part) => part[c]!)])), { relative: 1e-5 });
}

test("the gradient of the twin is the difference quotient of its loss", () => {
  const [rows, width, K] = [12, 6, 4];
  const { newLogProb, oldLogProb } = logProbs(rows, width, 8);
  // Entries on a bound of the clamp have no derivative.
  const fresh = Float64Array.from(newLogProb, (value) => (value === -5 || value === 2 ? 0.5 : value));
  const options: PpoOptions = { horizon: 6, actionDim: 1, rewardHorizon: 4, tunedStepCount: K, normalizeAdvantages: true, lowerQuantile: 0.1, upperQuantile: 0.9, denoisingDiscount: discount, clip };
  const evaluate = (): ReturnType<typeof ppoTwin> => ppoTwin(fresh, oldLogProb, testNumbers(rows, 9), transitionsOf(rows, K), options);
  expectClose(evaluate().dlogp, differences(() => evaluate().loss, fresh), { relative: 1e-7 });
});

proveAgreement(ppoLossSpec, { relative: 4e-6 }, 24, ([a, b, width, tunedSteps], seed) => {
  const rows = a * b;
  return {
    params: {
      rows, width, counted: width, repeats: 1, tunedSteps, normalise: 1, hasLimits: 0, hasTransitions: 1, aggregateFirst: 0, low: -5, high: 2, weight: 1 / width, advantageLimit: 2, gradientScale: 1,
    },
    inputs: {
      ...logProbs(rows, width, seed), advantages: testNumbers(rows, seed + 3), transitions: transitionsOf(rows, tunedSteps), schedule: ppoSchedule(tunedSteps, clip, discount), statistics: [0.1, 0.5, 0, 0],
    },
  };
});

proveKernel(lossStatisticsSpec, [1, 3, 257, 600].flatMap((blocks) => ([
  { title: "", hasStop: 0, watched: 0, limit: noLimit, stop: 0, after: 0 },
  { title: ", below the limit", hasStop: 1, watched: 1, limit: 1e6, stop: 0, after: 0 },
  { title: ", above the limit", hasStop: 1, watched: 1, limit: -1e6, stop: 0, after: 1 },
  { title: ", stopped before", hasStop: 1, watched: 1, limit: -1e6, stop: 1, after: 1 },
]).map(({ title, hasStop, watched, limit, stop, after }) => {
  const [columns, at, divisor] = [4, 3, 50];
  const partials = testNumbers(columns * blocks, 10, 5).map((value) => value + 2);
  const means = Array.from({ length: columns }, (_, c) => partials.subarray(c * blocks, (c + 1) * blocks).reduce((sum, value) => sum + value, 0) / divisor);
  const statistics = [1, 2, 3, 4, 5, 6, 7];
  const params: ParamValues<typeof lossStatisticsSpec.params> = { columns, blocks, divisor, at, watched, limit, hasStop };
  return {
    title: `${blocks} blocks${title}`,
    params,
    inputs: { partials, statistics, ...(hasStop === 1 ? { stop: [stop] } : {}) },
    expected: { statistics: stop === 1 ? statistics : [1, 2, 3, ...means], ...(hasStop === 1 ? { stop: [after] } : {}) },
    tolerance: { relative: 2e-6 },
  };
})));

proveKernel(cloningLossSpec, [1, 3, 31, 33, 257, 1025, 2500].map((count) => {
  const { newLogProb: logp } = logProbs(count, 1, 11);
  const sums = Array.from({ length: Math.ceil(count / 1024) }, (_, b) => {
    const part = logp.subarray(b * 1024, (b + 1) * 1024);
    return cloningTwin(part).loss * part.length;
  });
  return {
    title: String(count),
    params: { count, low: logProbRange[0], high: logProbRange[1], scale: 1 / count },
    inputs: { logp },
    expected: { dlogp: cloningTwin(logp).dlogp, partials: sums },
    tolerance: { relative: 2e-6 },
  };
}));

test("schedules grow from the first to the last range, linearly at rate 0, and weigh the last transition by 1", () => {
  expectClose(ppoSchedule(3, { first: 0.01, last: 0.03, rate: 0 }, 0.5), [0.01, 0.02, 0.03, 0.25, 0.5, 1], { relative: 1e-6 });
  const [first, middle, last] = ppoSchedule(3, { first: 0.01, last: 0.03, rate: 3 }, 1);
  expect([first, last]).toEqual([Math.fround(0.01), Math.fround(0.03)]);
  expect(middle).toBeLessThan(0.02);
  expectClose(ppoSchedule(1, { first: 0.01, last: 0.03, rate: 3 }, 0.5), [0.03, 1], { relative: 1e-6 });
});

describe.each(engines)("a minibatch of the policy update on %s", (engine) => {
  test("goes from advantages to a step without reading back, and stops after the one that went too far", async () => {
    const device = await deviceFor(engine);
    const [rows, width, K] = [50, 6, 5];
    const { newLogProb: start, oldLogProb: stored } = logProbs(rows, width, 12);
    // The "network" here is its output: the log-densities are the parameters.
    const parameters = device.tensor([rows, width], { data: start });
    const oldLogProb = device.tensor([rows, width], { data: stored });
    const given = testNumbers(rows, 13, 2);
    const j = transitionsOf(rows, K);
    const advantages = device.tensor([rows], { data: given });
    const transitions = device.tensor([rows], { data: j, dtype: "u32" });
    const schedule = device.tensor([2, K], { data: ppoSchedule(K, clip, discount) });
    const [dlogp, m, v] = [device.tensor([rows, width]), device.tensor([rows, width]), device.tensor([rows, width])];
    const [state, shares, statistics] = [device.tensor([adamStateLength]), device.tensor([advantageStatisticsLength]), device.tensor([3, 4])];
    const stop = device.tensor([1], { dtype: "u32" });
    const update: { at?: (m: number) => void } = {};
    const target = 0.02;
    const program = await device.program("minibatch", (recorder) => {
      advantageStatistics(recorder, { advantages, statistics: shares }, { count: rows, quantiles: [0.1, 0.9] });
      const loss = ppoLoss(recorder, { newLogProb: parameters, oldLogProb, advantages, transitions, schedule, statistics: shares, dlogp }, {
        rows, width, counted: width, tunedSteps: K, updateForm: "step", normalizeAdvantages: true, clampToQuantiles: true, advantageLimit: null, logProbRange, reduction: "mean", clampOrder: "clampFirst",
      });
      adamw(recorder, { parameters, gradient: dlogp, m, v, state, stop }, { rate: 0.5, betas: [0.9, 0.999], epsilon: 1e-8, weightDecay: 0, decoupled: true });
      const launch = lossStatistics(recorder, loss, { statistics, stop }, { at: 0, stopAbove: { column: ppoStatistics.indexOf("approxKl"), limit: target } });
      update.at = (minibatch) => { launch.update({ at: 4 * minibatch }); };
    });
    const options: PpoOptions = { horizon: width, actionDim: 1, rewardHorizon: width, tunedStepCount: K, normalizeAdvantages: true, lowerQuantile: 0.1, upperQuantile: 0.9, denoisingDiscount: discount, clip };
    const seen: Float32Array[] = [await device.read(parameters)];
    for (let minibatch = 0; minibatch < 3; minibatch++) {
      update.at?.(minibatch);
      program.run();
      seen.push(await device.read(parameters));
    }
    const rowsOfStatistics = await device.read(statistics);
    const expected = seen.slice(0, 2).map((parametersThen) => ppoTwin(parametersThen, stored, given, j, options));
    // The test means something only if the first minibatch stays below the target and the second goes beyond.
    expect(expected[0]!.approxKl).toBeLessThan(target);
    expect(expected[1]!.approxKl).toBeGreaterThan(target);
    for (const [minibatch, { loss, approxKl, clipFraction, ratio }] of expected.entries()) {
      expectClose(rowsOfStatistics.subarray(4 * minibatch, 4 * minibatch + 4), [loss, approxKl, clipFraction, ratio], { relative: 4e-6 }, `statistics ${minibatch}`);
    }
    expect([...rowsOfStatistics.subarray(8)]).toEqual([0, 0, 0, 0]);
    // Two steps were taken: the second although its divergence was beyond the target, the third not.
    expect((await device.read(state))[0]).toBe(2);
    expect(seen[2]).not.toEqual(seen[1]);
    expect(seen[3]).toEqual(seen[2]);
    expectClose(await device.read(dlogp), ppoTwin(seen[2]!, stored, given, j, options).dlogp, { relative: 4e-6 });
    program.close();
  });
});

import { describe, expect, test } from "vitest";
import { adamAdvanceSpec, adamStateLength, adamw, adamwSpec } from "../../src/kernels/optim/adamw.js";
import { ema, emaSpec, emaWeights } from "../../src/kernels/optim/ema.js";
import { gradientNorm, gradientNormLength, gradientNormSpec, squaredNormSpec } from "../../src/kernels/optim/gradient-norm.js";
import { noLimit } from "../../src/engine/kernel-spec.js";
import { expectClose } from "../close.js";
import { GoldenFile } from "../golden-runner/golden-file.js";
import type { OptimizerArguments } from "../golden-runner/policies.js";
import { adamStep, clipScale, emaStep, globalNorm } from "../reference/optimizer.js";
import { deviceFor, engines, proveKernel, testNumbers } from "./harness.js";

const blocksOf = (count: number): number => Math.ceil(count / 4096);

proveKernel(squaredNormSpec, [1, 3, 31, 257, 4095, 4097, 12300].map((count) => {
  const g = testNumbers(count, 3, 2);
  // One entry in seven is no number: NaN and both infinities in turn.
  const isBad = (i: number): boolean => count > 7 && i % 7 === 3;
  const given = g.map((value, i) => (isBad(i) ? [NaN, Infinity, -Infinity][i % 3]! : value));
  const blocks = blocksOf(count);
  const partials = new Float64Array(2 * blocks);
  for (let i = 0; i < count; i++) {
    const block = Math.floor(i / 4096);
    if (isBad(i)) partials[blocks + block]! += 1;
    else partials[block]! += g[i]! ** 2;
  }
  return { title: String(count), params: { count }, inputs: { g: given }, expected: { partials }, tolerance: { relative: 2e-6 } };
}));

proveKernel(gradientNormSpec, [1, 3, 257, 600].flatMap((blocks) => [noLimit, 0.5, 1000].flatMap((maxNorm) => [0, 2].map((bad) => {
  const partials = new Float32Array(2 * blocks);
  // Squares that sum to about 1, so that the norm and its factor are numbers of one size.
  for (const [b, value] of testNumbers(blocks, 4, 2).entries()) partials[b] = Math.abs(value) / blocks;
  partials[2 * blocks - 1] = bad;
  const length = Math.sqrt(partials.subarray(0, blocks).reduce((sum, value) => sum + value, 0));
  return {
    title: `${blocks} blocks, largest ${maxNorm}, ${bad} bad`,
    params: { blocks, maxNorm },
    inputs: { partials },
    expected: { norm: [length, bad > 0 ? 0 : clipScale(length, maxNorm), bad] },
    tolerance: { relative: 2e-6 },
  };
}))));

const betas = [[0.9, 0.999], [0, 0.5], [0.95, 0.99999]] as const;
const log = (beta: number): number => Math.max(Math.log(beta), -100);

proveKernel(adamAdvanceSpec, betas.flatMap(([beta1, beta2]) => [0, 1, 9, 999, 99_999].flatMap((taken) => {
  const params = { logBeta1: log(beta1), logBeta2: log(beta2) };
  const before = [taken, 5, 6, 7, 8, 2];
  const k = taken + 1;
  const first = 1 / (1 - beta1 ** k);
  const second = 1 / Math.sqrt(1 - beta2 ** k);
  const title = `betas ${beta1}, ${beta2} after ${taken} steps`;
  // k is compared by its own size: the corrections are measured as ratios to what they should be.
  const tolerance = { relative: 0, absolute: 2e-6 * Math.max(first, second) };
  return [
    { title, params: { ...params, hasNorm: 0, hasStop: 0 }, inputs: { state: before }, expected: { state: [k, first, second, 1, 1, 2] }, tolerance },
    { title: `${title}, clipped`, params: { ...params, hasNorm: 1, hasStop: 1 }, inputs: { norm: [3, 0.25, 0], stop: [0], state: before }, expected: { state: [k, first, second, 0.25, 1, 2] }, tolerance },
    { title: `${title}, not finite`, params: { ...params, hasNorm: 1, hasStop: 1 }, inputs: { norm: [3, 0, 4], stop: [0], state: before }, expected: { state: [taken, 5, 6, 7, 0, 3] }, tolerance },
    { title: `${title}, stopped`, params: { ...params, hasNorm: 1, hasStop: 1 }, inputs: { norm: [3, 0, 4], stop: [1], state: before }, expected: { state: [taken, 5, 6, 7, 0, 2] }, tolerance },
  ];
})));

proveKernel(adamwSpec, [1, 3, 31, 33, 1023, 1025, 2500].flatMap((count) => [true, false].flatMap((isDecoupled) => {
  const [rate, beta1, beta2, epsilon, weightDecay, scale] = [1e-2, 0.9, 0.999, 1e-8, 0.1, 0.5];
  const p = testNumbers(count, 5);
  const g = testNumbers(count, 6, 3);
  const m = testNumbers(count, 7);
  const v = testNumbers(count, 8).map((value) => value ** 2);
  const k = 7;
  const after = adamStep(
    { parameters: Float64Array.from(p), m: Float64Array.from(m), v: Float64Array.from(v) },
    g.map((value) => value * scale),
    k,
    { rate, beta1, beta2, epsilon, weightDecay, isDecoupled },
  );
  const params = { count, rate, beta1, beta2, rest1: 1 - beta1, rest2: 1 - beta2, epsilon, weightDecay, decoupled: isDecoupled ? 1 : 0 };
  const state = [k, 1 / (1 - beta1 ** k), 1 / Math.sqrt(1 - beta2 ** k), scale];
  const title = `${count} ${isDecoupled ? "AdamW" : "Adam"}`;
  return [
    {
      title,
      params,
      inputs: { g, p, m, v, state: [...state, 1, 0] },
      expected: { p: after.parameters, m: after.m, v: after.v },
      tolerance: { relative: 2e-6 },
    },
    { title: `${title}, inactive`, params, inputs: { g, p, m, v, state: [...state, 0, 0] }, expected: { p, m, v }, tolerance: {} },
  ];
})));

proveKernel(emaSpec, [1, 3, 31, 33, 1023, 1025, 2500].flatMap((count) => [0.995, 0].map((decay) => {
  const p = testNumbers(count, 9);
  const average = testNumbers(count, 10);
  return {
    title: `${count}, decay ${decay}`,
    params: { count, ...emaWeights(decay) },
    inputs: { p, average },
    expected: { average: emaStep(average, p, decay) },
    // A decay of 0 copies, to the bit.
    tolerance: decay === 0 ? {} : { relative: 2e-7 },
  };
})));

describe.each(engines)("optimiser on %s", (engine) => {
  const golden = GoldenFile.open("dppo/optimizer");
  const cases = golden.json("cases") as Record<string, OptimizerArguments>;

  test.each(Object.keys(cases))("follows the golden steps of %s", async (name) => {
    const { kind, lr, betas: [beta1, beta2], eps, weight_decay } = cases[name]!;
    const group = golden.below(`${name}.f64`);
    const device = await deviceFor(engine);
    const count = group.values("p0").length;
    const [gradient, m, v] = [device.tensor([count]), device.tensor([count]), device.tensor([count])];
    const parameters = device.tensor([count], { data: group.values("p0") });
    const state = device.tensor([adamStateLength]);
    const program = await device.program("adam", (recorder) => {
      adamw(recorder, { parameters, gradient, m, v, state }, { rate: lr, betas: [beta1, beta2], epsilon: eps, weightDecay: weight_decay, decoupled: kind === "AdamW" });
    });
    let k = 0;
    for (; group.has(`g${k}`); k++) {
      device.write(gradient, group.values(`g${k}`));
      program.run();
      expectClose(await device.read(parameters), group.values(`p${k + 1}`), { relative: 1e-6 }, `parameters after step ${k + 1}`);
    }
    expect(k).toBeGreaterThan(1);
    expect((await device.read(state))[0]).toBe(k);
    expectClose(await device.read(m), group.values("exp_avg"), { relative: 1e-6 }, "first moment");
    expectClose(await device.read(v), group.values("exp_avg_sq"), { relative: 1e-6 }, "second moment");
    program.close();
  });

  const clipped = golden.names().filter((name) => name.endsWith(".norm")).map((name) => name.slice(0, -".norm".length));
  test.each(clipped)("measures and clips the golden norm of %s", async (prefix) => {
    const group = golden.below(prefix);
    const device = await deviceFor(engine);
    const data = [...group.values("g0"), ...group.values("g1")];
    const gradient = device.tensor([data.length], { data });
    const norm = device.tensor([gradientNormLength]);
    const program = await device.program("norm", (recorder) => {
      gradientNorm(recorder, { gradient, norm }, { maxNorm: Number(prefix.slice("clip".length)) });
    });
    program.run();
    const [length, scale, bad] = await device.read(norm);
    expectClose([length!], [group.scalar("norm")], { relative: 1e-6 }, "norm");
    expectClose(data.map((value) => value * scale!), [...group.values("out0"), ...group.values("out1")], { relative: 1e-6 }, "clipped gradient");
    expect(bad).toBe(0);
    program.close();
  });

  test("a gradient that is not finite changes nothing and is counted; a stop flag ends the steps", async () => {
    const device = await deviceFor(engine);
    const start = testNumbers(5000, 11);
    const parameters = device.tensor([5000], { data: start });
    const gradient = device.tensor([5000], { data: testNumbers(5000, 12) });
    const [m, v, state, norm] = [device.tensor([5000]), device.tensor([5000]), device.tensor([adamStateLength]), device.tensor([gradientNormLength])];
    const stop = device.tensor([1], { dtype: "u32" });
    const program = await device.program("guarded step", (recorder) => {
      gradientNorm(recorder, { gradient, norm }, { maxNorm: null });
      adamw(recorder, { parameters, gradient, m, v, state, norm, stop }, { rate: 0.1, betas: [0.9, 0.999], epsilon: 1e-8, weightDecay: 0, decoupled: true });
    });
    const run = async (): Promise<{ moved: boolean; steps: number; skipped: number }> => {
      const before = await device.read(parameters);
      program.run();
      const after = await device.read(parameters);
      const { 0: steps, 5: skipped } = await device.read(state);
      return { moved: after.some((value, i) => value !== before[i]), steps: steps!, skipped: skipped! };
    };
    expect(await run()).toEqual({ moved: true, steps: 1, skipped: 0 });
    expectClose([(await device.read(norm))[0]!], [globalNorm([testNumbers(5000, 12)])], { relative: 2e-6 });
    device.write(gradient.view(4096, [1]), [NaN]);
    expect(await run()).toEqual({ moved: false, steps: 1, skipped: 1 });
    // Finite, but the square is beyond f32.
    device.write(gradient.view(4096, [1]), [1e30]);
    expect(await run()).toEqual({ moved: false, steps: 1, skipped: 2 });
    device.write(gradient.view(4096, [1]), [0]);
    expect(await run()).toEqual({ moved: true, steps: 2, skipped: 2 });
    device.write(stop, [1]);
    expect(await run()).toEqual({ moved: false, steps: 2, skipped: 2 });
    program.close();
  });

  test("Adam finds the minimum of a quadratic, and its average follows", async () => {
    const device = await deviceFor(engine);
    const target = testNumbers(33, 13);
    const parameters = device.tensor([33]);
    const [gradient, m, v, state, average] = [device.tensor([33]), device.tensor([33]), device.tensor([33]), device.tensor([adamStateLength]), device.tensor([33])];
    const program = await device.program("quadratic", (recorder) => {
      adamw(recorder, { parameters, gradient, m, v, state }, { rate: 0.02, betas: [0.9, 0.999], epsilon: 1e-8, weightDecay: 0, decoupled: true });
      ema(recorder, { parameters, average }, { decay: 0.9 });
    });
    for (let k = 0; k < 200; k++) {
      device.write(gradient, (await device.read(parameters)).map((value, i) => value - target[i]!));
      program.run();
    }
    expectClose(await device.read(parameters), target, { absolute: 0.02 });
    expectClose(await device.read(average), target, { absolute: 0.02 });
    program.close();
  });
});

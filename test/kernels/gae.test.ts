import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { DifftuneError } from "../../src/core/errors.js";
import { gae, gaeSpec } from "../../src/kernels/rl/gae.js";
import { anyKernel } from "../../src/engine/kernel-spec.js";
import { expectClose } from "../close.js";
import { GoldenFile } from "../golden-runner/golden-file.js";
import { generalizedAdvantages } from "../reference/advantages.js";
import { deviceFor, engines, proveKernel, runKernel, testNumbers, type Contents } from "./harness.js";

/** A rollout whose episodes end now and then, by termination, truncation or both. */
function rollout(steps: number, envs: number, seed: number): Record<"rewards" | "values" | "lastValues" | "terminated" | "truncated" | "finalValues", Float32Array> {
  const flags = (by: number): Float32Array => testNumbers(steps * envs, seed + by).map((value) => (value > 0.7 ? 1 : 0));
  return {
    rewards: testNumbers(steps * envs, seed + 1, 2),
    values: testNumbers(steps * envs, seed + 2, 5),
    lastValues: testNumbers(envs, seed + 3, 5),
    terminated: flags(4),
    truncated: flags(5),
    finalValues: testNumbers(steps * envs, seed + 6, 5),
  };
}

const shapes = [[1, 1], [3, 4], [1, 31], [31, 33], [33, 3], [65, 257], [500, 40]] as const;

proveKernel(gaeSpec, shapes.flatMap(([steps, envs]) => (["reference", "correct"] as const).map((truncation) => {
  const { truncated, finalValues, ...always } = rollout(steps, envs, 20);
  const params = { steps, envs, gamma: 0.99, lambda: 0.95, rewardScale: 0.5 };
  const cut = { truncated, finalValues };
  const isCorrect = truncation === "correct";
  const inputs: Contents = isCorrect ? { ...always, ...cut } : { ...always };
  return {
    title: `${steps}x${envs} ${truncation}`,
    params: { ...params, correct: isCorrect ? 1 : 0 },
    inputs,
    expected: { ...generalizedAdvantages({ ...always, ...params, ...(isCorrect ? { cut } : {}) }) },
    tolerance: { relative: 2e-6 },
  };
})));

describe.each(engines)("gae on %s", (engine) => {
  const golden = GoldenFile.open("dppo/gae");
  test.each(golden.groups())("equals the golden case %s", async (name) => {
    const group = golden.below(name);
    const [steps, envs] = group.shape("rewards") as [number, number];
    const [gamma, lambda, rewardScale] = group.values("gamma_lambda_scale") as unknown as [number, number, number];
    const device = await deviceFor(engine);
    const inputs = Object.fromEntries(["rewards", "values", "terminated"].map((key) => [key, device.tensor([steps, envs], { data: group.values(key) })]));
    const lastValues = device.tensor([envs], { data: group.values("last_values") });
    const [advantages, returns] = [device.tensor([steps, envs]), device.tensor([steps, envs])];
    const program = await device.program("gae", (recorder) => {
      gae(recorder, { ...(inputs as Record<"rewards" | "values" | "terminated", typeof lastValues>), lastValues, advantages, returns }, { steps, envs, gamma, lambda, rewardScale, truncation: "reference" });
    });
    program.run();
    expectClose(await device.read(advantages), group.values("advantages"), { relative: 1e-6 }, "advantages");
    expectClose(await device.read(returns), group.values("returns"), { relative: 1e-6 }, "returns");
    program.close();
  });

  test("refuses correct truncation without what it needs", async () => {
    const device = await deviceFor(engine);
    const t = device.tensor([4]);
    await expect(device.program("gae", (recorder) => {
      gae(recorder, { rewards: t, values: t, lastValues: t, terminated: t, truncated: t, advantages: device.tensor([4]), returns: device.tensor([4]) },
        { steps: 1, envs: 4, gamma: 1, lambda: 1, rewardScale: 1, truncation: "correct" });
    })).rejects.toThrow(DifftuneError);
  });
});

test("a correctly truncated episode does not know what comes after it", async () => {
  const [steps, envs, cutAt] = [6, 5, 3];
  const { rewards, values, lastValues, finalValues } = rollout(steps, envs, 40);
  const truncated = new Float32Array(steps * envs).fill(1, (cutAt - 1) * envs, cutAt * envs);
  const terminated = new Float32Array(steps * envs);
  const params = { steps, envs, gamma: 0.99, lambda: 0.95, rewardScale: 1, correct: 1 };
  for (const engine of engines) {
    const run = (changed: Float32Array): ReturnType<typeof runKernel> => deviceFor(engine).then((device) =>
      runKernel(device, anyKernel(gaeSpec), params, { rewards: changed, values, lastValues, terminated, truncated, finalValues }));
    const before = (await run(rewards)).advantages!.slice(0, cutAt * envs);
    const after = (await run(rewards.map((value, i) => (i < cutAt * envs ? value : -value)))).advantages!.slice(0, cutAt * envs);
    expect(after).toEqual(before);
  }
});

test.skipIf(engines.length < 2)("gae agrees between the engines on random shapes", async () => {
  const [one, other] = await Promise.all([deviceFor("wasm"), deviceFor("webgpu")]);
  await fc.assert(fc.asyncProperty(fc.integer({ min: 1, max: 40 }), fc.integer({ min: 1, max: 70 }), fc.integer({ min: 0, max: 1000 }), fc.boolean(),
    async (steps, envs, seed, isCorrect) => {
      const inputs: Contents = { ...rollout(steps, envs, seed) };
      const params = { steps, envs, gamma: 0.9, lambda: 0.8, rewardScale: 2, correct: isCorrect ? 1 : 0 };
      const [a, b] = await Promise.all([runKernel(one, anyKernel(gaeSpec), params, inputs), runKernel(other, anyKernel(gaeSpec), params, inputs)]);
      expectClose(a.advantages!, b.advantages!, { relative: 2e-6 });
      expectClose(a.returns!, b.returns!, { relative: 2e-6 });
    }), { numRuns: 10, seed: 1 });
});

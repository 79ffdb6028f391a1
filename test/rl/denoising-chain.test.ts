import { describe, expect, test } from "vitest";
import { mean, standardDeviation } from "../../src/core/statistics.js";
import { Policy, type PolicyNetwork } from "../../src/diffusion/policy.js";
import { chainOf } from "../../src/rl/denoising-chain.js";
import { deviceFor, engines } from "../kernels/harness.js";

const task = {
  observationNames: ["a", "b", "c"], actionNames: ["dx", "dy"], horizon: 4, actionSteps: 2,
  statistics: { observations: { min: [0, 0, 0], max: [1, 2, 3] }, actions: { min: [-0.01, 0], max: [0.01, 0.02] } },
};
const denoiser = { kind: "diffusion-mlp", process: { denoisingSteps: 8 }, hidden: [32, 32, 32] } as const;
const policyOf = (network: PolicyNetwork): Policy => Policy.create({ ...task, network }, 5);
const observation = [0.3, 1.1, 2];

describe.each(engines)("the chain of a decision on %s", (engine) => {
  test("ends in the actions that the policy takes, tuned or not, and shows more steps of the same chain when asked", async () => {
    const device = await deviceFor(engine);
    const base = policyOf(denoiser);
    const tuned = base.withTuned(base.values.map((value) => 1.1 * value), 3);
    for (const policy of [base, tuned]) {
      for (const isDeterministic of [true, false]) {
        const whole = await chainOf(device, policy, observation, { samples: 33, seed: 4, steps: 99, isDeterministic });
        expect(whole.axes).toEqual(["dx", "dy"]);
        expect(whole.steps.map(({ step }) => step)).toEqual([8, 7, 6, 5, 4, 3, 2, 1, 0]);
        const short = await chainOf(device, policy, observation, { samples: 33, seed: 4, steps: 2, isDeterministic });
        expect(short.steps).toEqual(whole.steps.slice(-3));
        using actor = await policy.on(device, { count: 33, seed: 4, isDeterministic });
        const actions = await actor.act(Float32Array.from({ length: 99 }, (_, place) => observation[place % 3]!));
        const taken = Array.from({ length: 33 }, (_, row) => [...actions.subarray(row * 4, row * 4 + 2)]).flat();
        const [last] = (await chainOf(device, policy, observation, { samples: 33, seed: 4, steps: 0, isDeterministic })).steps;
        expect(last).toEqual(whole.steps.at(-1));
        for (const [place, value] of taken.entries()) expect(Math.abs(last!.points[place]! - value)).toBeLessThan(1e-8);
      }
    }
  });

  test("begins in noise around the middle of the actions' range", async () => {
    const { steps: [first] } = await chainOf(await deviceFor(engine), policyOf(denoiser), observation, { samples: 4000, steps: 8 });
    const y = first!.points.filter((_, place) => place % 2 === 1);
    expect(mean(y)).toBeCloseTo(0.01, 3);
    expect(standardDeviation(y)).toBeCloseTo(0.01, 3);
  });

  test("of a Gaussian policy is the action alone", async () => {
    const device = await deviceFor(engine);
    const policy = policyOf({ kind: "gaussian-mlp", hidden: [16, 16], std: { kind: "constant", std: 0.1 } });
    const { steps } = await chainOf(device, policy, observation, { samples: 3000 });
    expect(steps.map(({ step, points }) => [step, points.length])).toEqual([[0, 6000]]);
    const x = steps[0]!.points.filter((_, place) => place % 2 === 0);
    expect(standardDeviation(x)).toBeCloseTo(0.1 * 0.01, 4);
  });

  test("frees all it took, and refuses what has no plane or no such observation", async () => {
    const device = await deviceFor(engine);
    const before = device.use.liveBuffers;
    await chainOf(device, policyOf(denoiser), observation, { samples: 3 });
    expect(device.use.liveBuffers).toBe(before);
    await expect(chainOf(device, policyOf(denoiser), [1, 2])).rejects.toMatchObject({ code: "SHAPE", expected: 3, got: 2 });
    const line = Policy.create({
      ...task, actionNames: ["dx"], statistics: { ...task.statistics, actions: { min: [0], max: [1] } }, network: denoiser,
    }, 1);
    await expect(chainOf(device, line, observation)).rejects.toMatchObject({ code: "OPTION" });
  });
});

import { describe, expect, test } from "vitest";
import { avoidBoxTask, compileTask } from "../../src/preference/preference-task.js";
import { createRewardNetworks, RewardModel, type RewardModelShape } from "../../src/preference/reward-model.js";
import { openStateReward } from "../../src/preference/state-reward.js";
import { deviceFor, engines, testNumbers } from "../kernels/harness.js";

const columns = ["blockX", "agentX", "agentY"];
const box = { x0: 330, y0: 300, x1: 470, y1: 440 };

function modelOf(features: readonly string[]): RewardModel {
  const shape: RewardModelShape = {
    features, hidden: [8, 8], members: 2, ties: "drop", statistics: { mean: features.map(() => 0.1), std: features.map(() => 0.5) },
  };
  return new RewardModel(shape, createRewardNetworks(shape).layout.initialValues(4));
}

describe.each(engines)("a learned reward on %s", (engine) => {
  test("scores raw states through the features that its file names", async () => {
    const device = await deviceFor(engine);
    const task = await compileTask(avoidBoxTask(box), columns);
    const model = modelOf(task.features);
    const states = Float32Array.from(testNumbers(3 * 70, 1), (value) => 256 + 100 * value);
    const features = Array.from({ length: 70 }, (_, row) => [...task.feature(states, row)]).flat();
    using scorer = await model.on(device);
    const expected = await scorer.rewards(features);
    for (const source of [model, model.save()]) {
      using reward = await openStateReward(device, source, columns, { rows: 32 });
      const rewards = await reward.score(states);
      expect(rewards).toHaveLength(70);
      for (const [row, value] of rewards.entries()) expect(value).toBeCloseTo(expected[row]!, 5);
      expect(new Set(rewards).size).toBeGreaterThan(60);
    }
  });
});

test("a function is a reward as well, now or later", async () => {
  const device = await deviceFor("wasm");
  const sums = (states: Float32Array): number[] => Array.from({ length: states.length / 2 }, (_, row) => states[2 * row]! + states[2 * row + 1]!);
  for (const source of [sums, async (states: Float32Array) => sums(states)]) {
    using reward = await openStateReward(device, source, ["x", "y"]);
    expect([...await reward.score(new Float32Array([1, 2, 3, 4]))]).toEqual([3, 7]);
  }
});

describe("refused are", () => {
  test("a model of other columns, and a file that is no model", async () => {
    const device = await deviceFor("wasm");
    await expect(openStateReward(device, modelOf(["agentZ"]), columns)).rejects.toMatchObject({ code: "OPTION", got: "agentZ" });
    await expect(openStateReward(device, new Uint8Array(40), columns)).rejects.toMatchObject({ name: "DifftuneError" });
  });

  test.each([
    ["too few rewards", () => [1], new Float32Array(4), "SHAPE"],
    ["a reward that is no number", () => [1, Number.NaN], new Float32Array(4), "DIVERGENCE"],
    ["half a state", () => [1], new Float32Array(3), "SHAPE"],
  ] as const)("%s", async (_, score, states, code) => {
    using reward = await openStateReward(await deviceFor("wasm"), score, ["x", "y"]);
    await expect(reward.score(states)).rejects.toMatchObject({ code });
  });

  test("states for a reward that was closed", async () => {
    const reward = await openStateReward(await deviceFor("wasm"), modelOf(["agentX"]), columns);
    reward.close();
    reward.close();
    await expect(reward.score(new Float32Array(3))).rejects.toMatchObject({ code: "DEVICE_CLOSED" });
  });
});

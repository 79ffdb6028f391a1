import { describe, test } from "vitest";
import { discountedReturnsSpec, initialRewardState, rewardScale, rewardStatisticsSpec, scaleRewardsSpec } from "../../src/kernels/rl/reward-scale.js";
import { expectClose } from "../close.js";
import { GoldenFile } from "../golden-runner/golden-file.js";
import { initialRewardScale, scaleRewards } from "../reference/reward-scale.js";
import { deviceFor, engines, proveKernel, testNumbers } from "./harness.js";
import { proveParts } from "./parts.js";

/** [E, N] as [N, E]. */
function transposed(values: ArrayLike<number>, rows: number): Float64Array {
  const columns = values.length / rows;
  return Float64Array.from({ length: values.length }, (_, i) => values[(i % rows) * columns + Math.floor(i / rows)]!);
}

const firstsOf = (length: number, seed: number): Float32Array => testNumbers(length, seed).map((value) => (value > 0.8 ? 1 : 0));

function discounted(N: number, E: number): { params: { steps: number; envs: number; gamma: number }; inputs: Record<"rewards" | "firsts" | "returns", Float32Array>; returns: Float64Array; means: number[]; squares: number[] } {
  const gamma = 0.99;
  const rewards = testNumbers(N * E, 1).map((value) => value + 0.5);
  const firsts = firstsOf(N * E, 2);
  const start = testNumbers(E, 3, 10);
  const returns = Float64Array.from(start);
  const [means, squares]: [number[], number[]] = [[], []];
  for (let e = 0; e < E; e++) {
    const seen = Array.from({ length: N }, (_, n) => (returns[e] = rewards[n * E + e]! + (1 - firsts[n * E + e]!) * gamma * returns[e]!));
    const mean = seen.reduce((sum, value) => sum + value, 0) / N;
    means.push(mean);
    squares.push(seen.reduce((sum, value) => sum + (value - mean) ** 2, 0));
  }
  return { params: { steps: N, envs: E, gamma }, inputs: { rewards, firsts, returns: start }, returns, means, squares };
}

proveKernel(discountedReturnsSpec, [[1, 1], [3, 4], [1, 31], [31, 33], [33, 3], [257, 65]].map(([N, E]) => {
  const { params, inputs, returns, means, squares } = discounted(N!, E!);
  return { title: `${N}x${E}`, params, inputs, expected: { returns, partials: [...means, ...squares] }, tolerance: { relative: 2e-6 } };
}));

{
  const { params, inputs, means, squares } = discounted(257, 65);
  proveParts(discountedReturnsSpec, { params, inputs }, "partials", { means, squares }, { relative: 4e-6 });
}

proveKernel(rewardStatisticsSpec, [1, 3, 33, 257, 600].flatMap((envs) => [[0, 1, 1e-4, 0], [3, 4, 20_000, 0.5]].map((state) => {
  const steps = 5;
  const partials = testNumbers(2 * envs, 4, 3).map((value, i) => (i < envs ? value : Math.abs(value)));
  const mean = partials.subarray(0, envs).reduce((sum, value) => sum + value, 0) / envs;
  const squares = partials.subarray(0, envs).reduce((sum, value, e) => sum + partials[envs + e]! + steps * (value - mean) ** 2, 0);
  const [oldMean, oldVariance, count] = state as [number, number, number];
  const size = steps * envs;
  const total = count + size;
  const delta = mean - oldMean;
  const variance = (oldVariance * count + squares + (delta ** 2 * count * size) / total) / (total - 1);
  // The count is far larger than the rest; it is what f32 holds of it.
  const joined = [oldMean + (delta * size) / total, variance, Math.fround(total), 1 / Math.sqrt(variance + 1e-8)];
  return {
    title: `${envs} environments after ${count}`,
    params: { steps, envs },
    inputs: { partials, state },
    expected: { state: joined },
    tolerance: { absolute: 4e-6 * Math.max(variance, 1) },
  };
})));

proveKernel(scaleRewardsSpec, [1, 3, 31, 257, 1025].map((count) => {
  const rewards = testNumbers(count, 5, 30);
  return {
    title: String(count),
    params: { count, clip: 10 },
    inputs: { rewards, state: [0, 4, 100, 0.5] },
    expected: { scaled: Array.from(rewards, (value) => Math.min(Math.max(value / 2, -10), 10)) },
    tolerance: { relative: 2e-7 },
  };
}));

describe.each(engines)("reward scale on %s", (engine) => {
  async function scaler(N: number, E: number, gamma: number, clip: number): Promise<(rewards: ArrayLike<number>, firsts: ArrayLike<number>) => Promise<Record<"scaled" | "state" | "returns", Float32Array>>> {
    const device = await deviceFor(engine);
    const [rewards, firsts, scaled] = [device.tensor([N, E]), device.tensor([N, E]), device.tensor([N, E])];
    const returns = device.tensor([E]);
    const state = device.tensor([4], { data: initialRewardState });
    const program = await device.program("reward scale", (recorder) => {
      rewardScale(recorder, { rewards, firsts, returns, state, scaled }, { steps: N, envs: E, gamma, clip });
    });
    return async (r, f) => {
      device.write(rewards, r);
      device.write(firsts, f);
      program.run();
      return { scaled: await device.read(scaled), state: await device.read(state), returns: await device.read(returns) };
    };
  }

  const golden = GoldenFile.open("dppo/reward_scaler");
  const clipCase = golden.json("clip_case") as { cliprew: number; gamma: number };
  test.each(golden.groups())("follows the golden calls of case %s", async (name) => {
    const [gamma, clip] = name === "clip" ? [clipCase.gamma, clipCase.cliprew] : [0.99, 10];
    const [E, N] = golden.shape(`${name}.call0.reward`) as [number, number];
    const run = await scaler(N, E, gamma, clip);
    for (let k = 0; golden.has(`${name}.call${k}.reward`); k++) {
      const call = golden.below(`${name}.call${k}`);
      const { scaled, state, returns } = await run(transposed(call.values("reward"), E), transposed(call.values("first"), E));
      expectClose(scaled, transposed(call.values("out"), E), { relative: 1e-6 }, `rewards of call ${k}`);
      const deviation = Math.sqrt(call.scalar("var"));
      expectClose([state[0]!], [call.scalar("mean")], { absolute: 1e-6 * deviation }, `mean after call ${k}`);
      expectClose([state[1]!], [call.scalar("var")], { relative: 2e-6 }, `variance after call ${k}`);
      expectClose([state[2]!], [call.scalar("count")], { relative: 1e-7 }, `count after call ${k}`);
      expectClose(returns, call.values("ret"), { relative: 1e-6 }, "returns");
    }
  });

  test("follows the double precision scale over many rollouts of returns far from zero", async () => {
    const [N, E] = [40, 33];
    const run = await scaler(N, E, 0.99, 10);
    let state = initialRewardScale(E);
    for (let k = 0; k < 10; k++) {
      const rewards = testNumbers(N * E, 50 + k).map((value) => value + 3);
      const firsts = firstsOf(N * E, 80 + k).map((value, i) => (i % 7 === 0 ? value : 0));
      const expected = scaleRewards(state, transposed(rewards, N), transposed(firsts, N));
      state = expected.state;
      const got = await run(rewards, firsts);
      expectClose(got.scaled, transposed(expected.scaled, E), { relative: 4e-6 }, `rewards of rollout ${k}`);
    }
  });
});

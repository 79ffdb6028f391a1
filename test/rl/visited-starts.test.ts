import { describe, expect, test } from "vitest";
import { createPushT, type PushT } from "../../src/envs/pusht.js";
import type { Acting } from "../../src/rl/evaluation.js";
import { visitedStarts } from "../../src/rl/visited-starts.js";
import { deviceFor } from "../kernels/harness.js";

/** Sends the agent of every row to the T, right through it. */
const towardsTheT: Acting = {
  on: async (_, { count = 1 }) => ({
    act: async (observations) => {
      const width = observations.length / count;
      return Float32Array.from({ length: count * 4 * 2 }, (_number, at) => observations[Math.floor(at / 8) * width + 2 + (at % 2)]!);
    },
    close: () => undefined,
  }),
};

const open = (options: Parameters<typeof createPushT>[0] = {}): Promise<PushT> => createPushT({ count: 8, actionSteps: 4, maxSteps: 40, ...options });

describe("states that a policy visits", () => {
  test.each(["legacy", "angleFirst"] as const)("are starts from which the T stands where it stood, %s", async (resetOrder) => {
    using env = await open({ resetOrder, count: 1 });
    await env.reset([5]);
    for (let chunk = 0; chunk < 6; chunk++) {
      env.actions.set([300, 300, 200, 260, 260, 200, 256, 256].map((value, at) => value + 7 * chunk * (at % 3)));
      await env.stepChunk(env.actions);
    }
    const before = env.pose();
    const start = env.startAt();
    expect(start).toHaveLength(5);
    await env.resetTo(start);
    for (const [name, value] of Object.entries(env.pose())) expect(Math.abs(value - before[name as keyof typeof before]), name).toBeLessThan(0.1);
  });

  test("are drawn from whole episodes, the same for one seed, whatever the number asked for", async () => {
    const device = await deviceFor("wasm");
    using env = await open();
    const options = { states: 30, rollouts: 10, seed: 3 };
    const states = await visitedStarts(device, towardsTheT, env, options);
    expect(states).toHaveLength(30);
    for (const state of states) {
      expect(state).toHaveLength(5);
      expect(state.every(Number.isFinite)).toBe(true);
    }
    expect(new Set(states.map(String)).size).toBe(30);
    expect(await visitedStarts(device, towardsTheT, env, options)).toEqual(states);
    expect(await visitedStarts(device, towardsTheT, env, { ...options, seed: 4 })).not.toEqual(states);
    // 10 episodes of 10 decisions; the last state of each is of the next episode, and where the agent has left the canvas there is none.
    const all = await visitedStarts(device, towardsTheT, env, { ...options, states: 1000 });
    expect(all.length).toBeLessThanOrEqual(90);
    expect(all.length).toBeGreaterThan(70);
    expect(all.slice(0, 30)).toEqual(states);
  });

  test("stops when told to, and refuses what cannot be", async () => {
    const device = await deviceFor("wasm");
    using env = await open();
    await expect(visitedStarts(device, towardsTheT, env, { signal: AbortSignal.abort() })).rejects.toMatchObject({ code: "CANCELLED" });
    await expect(visitedStarts(device, towardsTheT, env, { states: 0 })).rejects.toMatchObject({ code: "OPTION", path: "states" });
    await expect(visitedStarts(device, towardsTheT, env, { seed: 0xffffffff, rollouts: 2 })).rejects.toMatchObject({ code: "OPTION", path: "seed" });
    using short = await open({ maxSteps: 4 });
    await expect(visitedStarts(device, towardsTheT, short, { rollouts: 2 })).rejects.toMatchObject({ code: "ENVIRONMENT" });
  });
});

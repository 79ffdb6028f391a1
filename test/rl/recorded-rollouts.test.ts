import { describe, expect, test } from "vitest";
import { DatasetBuilder, sourceOf, type Dataset } from "../../src/data/dataset.js";
import { createPushT } from "../../src/envs/index.js";
import type { PushT } from "../../src/envs/pusht.js";
import type { Acting } from "../../src/rl/evaluation.js";
import { recordRollouts, type RolloutOptions } from "../../src/rl/recorded-rollouts.js";
import { deviceFor } from "../kernels/harness.js";

/** Sends the agent of every row 10 px to the right of where it is told to have been, chunk by chunk. */
const toTheRight: Acting = {
  on: async (_, { count = 1 }) => ({
    act: async (observations) => {
      const width = observations.length / count;
      return Float32Array.from({ length: count * 2 * 2 }, (_number, at) => (at % 2 === 0 ? 10 + 5 * ((at >> 1) % 2) : 0) + observations[Math.floor(at / 4) * width + (at % 2)]!);
    },
    close: () => undefined,
  }),
};

async function record(env: PushT, options: RolloutOptions): Promise<Dataset> {
  const builder = new DatasetBuilder(sourceOf(env));
  for await (const { episodes } of builder.collect(recordRollouts(await deviceFor("wasm"), toTheRight, env, options), options.episodes)) expect(episodes).toBeGreaterThan(0);
  return builder.build();
}

describe("recorded rollouts", () => {
  test("are the states and actions of each seed's episode, step by step, whatever the number of environments", async () => {
    const options: RolloutOptions = { episodes: 5, steps: 5, seed: 30 };
    const sets: Dataset[] = [];
    for (const count of [1, 2, 5, 8]) {
      using env = await createPushT({ count, actionSteps: 2, recordSteps: true });
      sets.push(await record(env, options));
    }
    const numbers = ({ observations, actions, rewards, ends }: Dataset): unknown => ({ observations, actions, rewards, ends });
    for (const set of sets) expect(numbers(set)).toEqual(numbers(sets[0]!));
    const [set] = sets;
    expect([...set!.seeds]).toEqual([30, 31, 32, 33, 34]);
    expect([...set!.ends]).toEqual([5, 10, 15, 20, 25]);
    using env = await createPushT({ actionSteps: 1 });
    for (let episode = 0; episode < 5; episode++) {
      const { observations, actions, rewards } = set!.episode(episode);
      let result = await env.reset([30 + episode]);
      for (let step = 0; step < 5; step++) {
        expect([...observations.subarray(5 * step, 5 * step + 5)]).toEqual([...result.observations]);
        result = await env.stepChunk(actions.slice(2 * step, 2 * step + 2));
        expect(rewards[step]).toBe(result.rewards[0]);
      }
    }
  });

  test("end with their episode, inside of a chunk too, and say how", async () => {
    using env = await createPushT({ count: 3, actionSteps: 2, recordSteps: true, maxSteps: 3, forbiddenBox: { x0: -9000, y0: -9000, x1: 9000, y1: 9000 } });
    const set = await record(env, { episodes: 3, steps: 40 });
    expect([...set.ends]).toEqual([3, 6, 9]);
    expect(set.labels).toEqual(["enteredBox", "enteredBox", "enteredBox"]);
    expect([...set.terminated, ...set.successes]).toEqual([0, 0, 0, 0, 0, 0]);
  });

  test("that are cut before the end of their episode claim nothing of it", async () => {
    using env = await createPushT({ actionSteps: 2, recordSteps: true, maxSteps: 4, forbiddenBox: { x0: -9000, y0: -9000, x1: 9000, y1: 9000 } });
    expect((await record(env, { episodes: 1, steps: 3 })).labels).toEqual([""]);
    expect((await record(env, { episodes: 1, steps: 4 })).labels).toEqual(["enteredBox"]);
  });

  test("need an environment that keeps its steps, and stop when they are told to", async () => {
    using blind = await createPushT({ actionSteps: 2 });
    await expect(record(blind, { episodes: 1 })).rejects.toThrow(/recordSteps/);
    using env = await createPushT({ actionSteps: 2, recordSteps: true });
    await expect(record(env, { episodes: 1, signal: AbortSignal.abort() })).rejects.toMatchObject({ code: "CANCELLED" });
    await expect(record(env, { episodes: 2, seed: 0xffffffff })).rejects.toThrow(/last seed/);
  });
});

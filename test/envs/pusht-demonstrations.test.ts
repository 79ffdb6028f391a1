import { describe, expect, test } from "vitest";
import type { Demonstration } from "../../src/envs/demonstration.js";
import { demonstratePushT, type PushTDemonstrationOptions } from "../../src/envs/pusht-demonstrations.js";
import { createPushT } from "../../src/envs/pusht.js";

async function collect(options: PushTDemonstrationOptions): Promise<Demonstration[]> {
  const episodes: Demonstration[] = [];
  for await (const episode of demonstratePushT(options)) episodes.push(episode);
  return episodes;
}

/** Distances that the disc covers in a step, sorted. */
function speeds(episodes: readonly Demonstration[]): number[] {
  return episodes
    .flatMap(({ observations }) =>
      Array.from({ length: observations.length / 5 - 1 }, (_, step) =>
        Math.hypot(observations[5 * step + 5]! - observations[5 * step]!, observations[5 * step + 6]! - observations[5 * step + 1]!),
      ),
    )
    .sort((a, b) => a - b);
}

describe("demonstrations of push-t", () => {
  test("at least 98 % of the seeds 0 to 199 are solved beyond 0.95 within 300 steps, at the speed of a hand", async () => {
    const episodes = await collect({ count: 200, keepFailures: true });
    expect(episodes.map(({ seed }) => seed)).toEqual(Array.from({ length: 200 }, (_, seed) => seed));
    expect(episodes.filter(({ success }) => success).length).toBeGreaterThanOrEqual(196);
    const lengths = episodes.map(({ rewards }) => rewards.length).sort((a, b) => a - b);
    expect(lengths[199]).toBeLessThanOrEqual(300);
    // The 206 recordings of a person: median 122 steps; 7.9 px a step in the middle, 18.6 at nine tenths, 29 at the last hundredth.
    expect(lengths[100]).toBeGreaterThan(80);
    expect(lengths[100]).toBeLessThan(140);
    const steps = speeds(episodes);
    const quantile = (share: number) => steps[Math.floor(share * steps.length)]!;
    expect(quantile(0.5)).toBeGreaterThan(6);
    expect(quantile(0.5)).toBeLessThan(11);
    expect(quantile(0.9)).toBeLessThan(19);
    expect(quantile(0.99)).toBeLessThan(29);
    for (const { actions } of episodes) for (const target of actions) expect(target >= 0 && target <= 512).toBe(true);
  }, 240_000);

  test("replaying the actions repeats observations, rewards and success to the bit", async () => {
    const [episode] = await collect({ seed: 17, observation: "keypoints", successCoverage: 0.9 });
    using env = await createPushT({ observation: "keypoints", successCoverage: 0.9, autoReset: false, actionSteps: 1 });
    const result = await env.reset([17]);
    for (let step = 0; step < episode!.rewards.length; step++) {
      expect(result.terminated[0]).toBe(0);
      expect([...result.observations]).toEqual([...episode!.observations.subarray(20 * step, 20 * step + 20)]);
      await env.stepChunk(episode!.actions.subarray(2 * step, 2 * step + 2));
      expect(result.rewards[0]).toBe(episode!.rewards[step]);
    }
    expect(result.terminated[0]).toBe(1);
    expect(episode!.rewards.at(-1)).toBe(1);
  });

  test("the same options give the same demonstrations; the order of the reset is kept", async () => {
    const options = { count: 3, seed: 4_294_967_294, resetOrder: "angleFirst", observation: "corners" } as const;
    const [first, second] = [await collect(options), await collect(options)];
    expect(first).toEqual(second);
    expect(first.map(({ seed }) => seed)).toEqual([4_294_967_294, 4_294_967_295, 0]);
    using env = await createPushT({ resetOrder: "angleFirst", observation: "corners" });
    expect([...(await env.reset([0])).observations]).toEqual([...first[2]!.observations.subarray(0, 18)]);
  });

  test("a shaking hand misses what it aims at and comes to the goal all the same", async () => {
    const options = { count: 12, seed: 30 } as const;
    const [shaking, steady] = [await collect({ ...options, shakePx: 8 }), await collect(options)];
    expect(await collect({ ...options, shakePx: 8 })).toEqual(shaking);
    const total = (episodes: readonly Demonstration[]): number => episodes.reduce((sum, { rewards }) => sum + rewards.length, 0);
    expect(total(shaking)).toBeGreaterThan(total(steady));
    for (const { observations, actions, rewards, seed } of shaking) {
      expect(rewards.at(-1)).toBe(1);
      // What is recorded is what the hand aimed at: given as it stands, it leads elsewhere.
      using env = await createPushT({ autoReset: false });
      const result = await env.reset([seed]);
      expect([...result.observations]).toEqual([...observations.subarray(0, 5)]);
      await env.stepChunk(actions.subarray(0, 2));
      const [x, y] = result.observations as unknown as [number, number];
      const missed = Math.hypot(observations[5]! - x, observations[6]! - y);
      expect(missed).toBeGreaterThan(0);
      // A step goes 30 % of the way to its target; each coordinate is missed by 24 px at most.
      expect(missed).toBeLessThan(0.3 * 24 * Math.SQRT2);
    }
  });

  test("a consistent planner answers like states alike", async () => {
    const starts = { states: [[100, 300, 250, 150, 2]], jitterPx: 0.5 };
    /** Mean distance of the places where the agents are after 40 steps. */
    const spread = async (consistent: boolean): Promise<number> => {
      const ends = (await collect({ count: 6, starts, consistent })).map(({ observations }) => observations.subarray(5 * 40, 5 * 40 + 2));
      const pairs = ends.flatMap((a, i) => ends.slice(i + 1).map((b) => Math.hypot(a[0]! - b[0]!, a[1]! - b[1]!)));
      return pairs.reduce((sum, distance) => sum + distance, 0) / pairs.length;
    };
    expect(await spread(true)).toBeLessThan(0.5 * await spread(false));
  });

  test("offsets lead the agent where their targets lead it", async () => {
    const options = { seed: 17, shakePx: 3 } as const;
    const [[targets], [offsets]] = [await collect(options), await collect({ ...options, action: "offset" })];
    expect(offsets!.observations).toEqual(targets!.observations);
    const steady = (await collect({ seed: 17, action: "offset" }))[0]!;
    using env = await createPushT({ action: "offset", autoReset: false });
    expect(env.actionSpace.names).toEqual(["offsetX", "offsetY"]);
    const result = await env.reset([17]);
    for (let step = 0; step + 1 < steady.rewards.length; step++) {
      await env.stepChunk(steady.actions.subarray(2 * step, 2 * step + 2));
      const expected = steady.observations.subarray(5 * step + 5, 5 * step + 10);
      for (const [place, value] of expected.entries()) expect(Math.abs(result.observations[place]! - value)).toBeLessThan(1e-3);
    }
    for (const [place, offset] of offsets!.actions.entries()) {
      const agent = targets!.observations[5 * (place >> 1) + (place & 1)]!;
      expect(offset).toBeCloseTo(targets!.actions[place]! - agent, 3);
    }
  });

  test("demonstrations begin where the environment's starts are", async () => {
    const starts = { states: [[100, 300, 250, 150, 2]], jitterPx: 5, jitterAngle: 0.05 };
    const episodes = await collect({ count: 4, starts, resetOrder: "angleFirst" });
    for (const { observations } of episodes) {
      expect(Math.abs(observations[0]! - 100)).toBeLessThanOrEqual(5);
      expect(Math.abs(observations[3]! - 150)).toBeLessThanOrEqual(5.5);
      expect(Math.abs(observations[4]! - 2)).toBeLessThanOrEqual(0.06);
    }
    expect(new Set(episodes.map(({ observations }) => observations[0])).size).toBe(4);
  });

  test("a forbidden box is gone round, by a shaking hand too, and what is left out is the beginning of the way round", async () => {
    const box = { x0: 330, y0: 300, x1: 470, y1: 440 };
    const starts = { states: [[388, 221, 240, 331, 1.27], [447, 244, 234, 326, 1.226]], jitterPx: 5, jitterAngle: 0.05 };
    const options = { count: 8, starts, consistent: true, shakePx: 4, maxSteps: 150 } as const;
    const entering = (episodes: readonly Demonstration[]) => episodes.filter(({ observations }) =>
      observations.some((x, place) => place % 5 === 0 && x > box.x0 && x < box.x1 && observations[place + 1]! > box.y0 && observations[place + 1]! < box.y1),
    ).length;
    const [direct, round] = [await collect(options), await collect({ ...options, forbiddenBox: box })];
    expect(entering(direct)).toBe(8);
    expect(entering(round)).toBe(0);
    expect(round.every(({ success, rewards }) => success && rewards.at(-1) === 1)).toBe(true);
    const shortened = await collect({ ...options, forbiddenBox: box, skipSteps: 8 });
    expect(shortened).toEqual(round.map(({ observations, actions, rewards, ...rest }) => (
      { ...rest, observations: observations.subarray(5 * 8), actions: actions.subarray(2 * 8), rewards: rewards.subarray(8) }
    )));
    // A box that holds the goal leaves no way of coming to it.
    expect(await collect({ count: 1, forbiddenBox: { x0: 120, y0: 120, x1: 400, y1: 400 }, keepFailures: true, seed: 3, maxSteps: 60 })).toMatchObject([{ success: false }]);
  });

  test("failures are left out unless they are asked for", async () => {
    const all = await collect({ count: 4, maxSteps: 80, keepFailures: true });
    const failed = all.filter(({ success }) => !success);
    expect(failed.length).toBeGreaterThan(0);
    expect(failed.every(({ rewards }) => rewards.length <= 80 && rewards.at(-1)! < 1)).toBe(true);
    const kept = await collect({ count: 2, maxSteps: 80 });
    expect(kept.every(({ success, rewards }) => success && rewards.length <= 80)).toBe(true);
  });

  test("it stops when told to, and refuses options that make no sense", async () => {
    const controller = new AbortController();
    const stream = demonstratePushT({ count: 5, signal: controller.signal });
    expect((await stream.next()).done).toBe(false);
    controller.abort();
    await expect(stream.next()).rejects.toMatchObject({ code: "CANCELLED" });
    await expect(demonstratePushT({ count: 0 }).next()).rejects.toMatchObject({ code: "OPTION", path: "count" });
    await expect(demonstratePushT({ successCoverage: Number.NaN }).next()).rejects.toMatchObject({ code: "OPTION", path: "successCoverage" });
  });
});

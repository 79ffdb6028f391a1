import { describe, expect, test } from "vitest";
import { createAvoid, noisyActions, vectorise, type ActionNoiseOptions, type EnvironmentDefinition, type VectorEnvironment } from "../../src/envs/index.js";

/** Shows as its observation what was done to it. */
const mirror: EnvironmentDefinition = {
  name: "mirror",
  observations: [{ name: "x", low: -9, high: 9 }, { name: "y", low: -9, high: 9 }],
  actions: [{ name: "x", low: -9, high: 9 }, { name: "y", low: -9, high: 9 }],
  create: () => ({ reset: () => [0, 0], step: (action) => ({ observation: [...action], reward: 0, terminated: false }) }),
};

/** What arrives of the action (1, -2) in each of `chunks` chunks. */
function arrivals(options: ActionNoiseOptions, chunks: number, count = 500): number[][] {
  using env = noisyActions(vectorise(mirror, { count }), options);
  void env.reset();
  return Array.from({ length: chunks }, () => {
    for (let index = 0; index < count; index++) env.actions.set([1, -2], 2 * index);
    void env.stepChunk(env.actions);
    return [...env.result.observations];
  });
}
const apart = (seen: readonly number[]): number[] => seen.map((value, place) => value - (place % 2 === 0 ? 1 : -2));

describe("noise on actions", () => {
  test("has magnitudes between low and high in units of each coordinate, and either sign", () => {
    const [seen] = arrivals({ scale: [1, 0.5], low: 0.1, high: 0.2 }, 1);
    const noise = apart(seen!).map((value, place) => value / (place % 2 === 0 ? 1 : 0.5));
    const sizes = noise.map(Math.abs);
    expect(Math.min(...sizes)).toBeGreaterThanOrEqual(0.1 - 1e-6);
    expect(Math.max(...sizes)).toBeLessThanOrEqual(0.2 + 1e-6);
    expect(sizes.reduce((sum, size) => sum + size, 0) / sizes.length).toBeCloseTo(0.15, 2);
    expect(Math.abs(noise.filter((value) => value > 0).length / noise.length - 0.5)).toBeLessThan(0.05);
    expect(new Set(sizes).size).toBeGreaterThan(900);
  });

  test("grows linearly from one chunk to another and stays", () => {
    const largest = arrivals({ scale: [1, 1], low: 0.4, high: 0.4, from: 2, to: 6 }, 9).map((seen) => Math.max(...apart(seen).map(Math.abs)));
    for (const [chunk, size] of largest.entries()) expect(size).toBeCloseTo(0.4 * Math.min(1, Math.max(0, (chunk - 2) / 4)), 6);
  });

  test("follows from the seed, anew in every chunk", () => {
    const options = { scale: [1, 1], high: 0.3, seed: 4 };
    const [first, second] = arrivals(options, 2);
    expect(arrivals(options, 2)).toEqual([first, second]);
    expect(second).not.toEqual(first);
    expect(arrivals({ ...options, seed: 5 }, 1)[0]).not.toEqual(first);
  });

  test("leaves the given actions alone, tells itself in the options, and none is none", async () => {
    const plain = await createAvoid({ count: 3, actionSteps: 4 });
    using env = noisyActions(await createAvoid({ count: 3, actionSteps: 4 }), { scale: [0.0125, 0.0125], high: 0 });
    expect(env.options).toMatchObject({ physics: "arm", actionNoise: { low: 0, high: 0, from: 0, to: 0 } });
    const actions = new Float32Array(24).fill(0.01);
    await plain.reset();
    await env.reset();
    for (let chunk = 0; chunk < 3; chunk++) expect((await env.stepChunk(actions)).observations).toEqual((await plain.stepChunk(actions)).observations);
    expect(actions).toEqual(new Float32Array(24).fill(0.01));
    plain.close();
  });

  test("goes on from a saved state to the same bits", async () => {
    const make = async (): Promise<VectorEnvironment> => noisyActions(await createAvoid({ count: 2, actionSteps: 4, physics: "planar" }), { scale: [0.0125, 0.0125], high: 0.5, to: 4 });
    using env = await make();
    using other = await make();
    await env.reset();
    const run = async (of: VectorEnvironment) => {
      const seen: number[] = [];
      for (let chunk = 0; chunk < 4; chunk++) seen.push(...(await of.stepChunk(of.actions.fill(0.005))).observations);
      return seen;
    };
    await run(env);
    const saved = env.save!();
    const rest = await run(env);
    other.restore!(saved);
    expect(await run(other)).toEqual(rest);
    expect(() => { other.restore!(saved.subarray(0, 2)); }).toThrow(/too short/);
    expect(() => noisyActions(vectorise(mirror), { scale: [1, 1], high: 1 }).save!()).toThrow(/cannot be saved/);
  });

  test.each([
    [{ scale: [1], high: 1 }, /1 scales; an action of "mirror" has 2/], [{ scale: [1, 1], low: 2, high: 1 }, /low must not be above high/],
    [{ scale: [1, 1], high: 1, from: 3, to: 2 }, /from must not be above to/], [{ scale: [1, 1] }, /"high" is missing/],
  ])("refuses %j", (options, message) => {
    expect(() => noisyActions(vectorise(mirror), options as ActionNoiseOptions)).toThrow(message);
    expect(() => noisyActions(vectorise(mirror), { scale: [1, 1], high: 1 }).stepChunk(new Float32Array(3))).toThrow(/takes a Float32Array of 2/);
  });
});

import { describe, expect, test } from "vitest";
import { DifftuneError } from "../../src/core/errors.js";
import type { EnvironmentDefinition, StepAnswer } from "../../src/envs/index.js";
import { vectorise } from "../../src/envs/index.js";

/** Counts up from a random start by the action; ends at `goal`. Every number of it can be foreseen. */
function counter(goal: number, answer: Partial<StepAnswer> = {}): EnvironmentDefinition {
  return {
    name: "counter",
    observations: [
      { name: "start", low: 0, high: 100 },
      { name: "value", low: 0, high: 100 },
    ],
    actions: [{ name: "increment", low: 0, high: 1 }],
    create() {
      let start = 0;
      let value = 0;
      return {
        reset(random) {
          start = random.below(100);
          value = 0;
          return [start, value];
        },
        step(action) {
          value += action[0] ?? 0;
          return { observation: [start, value], reward: value, terminated: value >= goal, ...answer };
        },
      };
    },
  };
}

describe("vectorise", () => {
  test("an episode that ends inside a chunk drops the rest, keeps its final observations and starts anew", () => {
    const env = vectorise(counter(3), { count: 2, observationSteps: 2, actionSteps: 4 });
    const first = env.reset([7, 8]);
    const starts = [first.observations[0], first.observations[4]];
    expect([...first.observations]).toEqual([starts[0], 0, starts[0], 0, starts[1], 0, starts[1], 0]);
    env.actions.set([1, 1, 1, 1, 0.5, 0.5, 0.5, 0.5]);
    const result = env.stepChunk(env.actions);
    expect(result).toBe(first);
    expect([...result.terminated]).toEqual([1, 0]);
    expect([...result.truncated]).toEqual([0, 0]);
    expect([...result.steps]).toEqual([3, 4]);
    expect([...result.rewards]).toEqual([6, 5]);
    expect([...result.stepRewards]).toEqual([1, 2, 3, 0, 0.5, 1, 1.5, 2]);
    expect([...result.finalObservations.subarray(0, 4)]).toEqual([starts[0], 2, starts[0], 3]);
    expect([...result.observations.subarray(4)]).toEqual([starts[1], 1.5, starts[1], 2]);
    expect(result.observations[1]).toBe(0);
    expect(result.observations[3]).toBe(0);
    expect(result.finished.get(0, "length")).toBe(3);
    expect(result.finished.get(0, "return")).toBe(6);
    expect(result.running.get(1, "length")).toBe(4);
    expect(env.outcome(0)).toMatchObject({ success: true, reason: "success" });
  });

  test("keeps the observation of every step where it is asked to", () => {
    const env = vectorise(counter(3), { count: 2, observationSteps: 2, actionSteps: 4, recordSteps: true });
    const first = env.reset([7, 8]);
    const starts = [first.observations[0]!, first.observations[4]!] as const;
    env.actions.set([1, 1, 1, 1, 0.5, 0.5, 0.5, 0.5]);
    env.stepChunk(env.actions);
    const seen = env.stepObservations!;
    // Three steps until the episode ends, not the observation of the next one.
    expect([...seen.subarray(0, 6)]).toEqual([starts[0], 1, starts[0], 2, starts[0], 3]);
    expect([...seen.subarray(8)]).toEqual([0.5, 1, 1.5, 2].flatMap((value) => [starts[1], value]));
    expect(vectorise(counter(3)).stepObservations).toBeUndefined();
  });

  test("truncation is not termination", () => {
    const env = vectorise(counter(100), { count: 1, maxSteps: 6, actionSteps: 4 });
    env.reset();
    env.actions.fill(1);
    expect(env.stepChunk(env.actions).truncated[0]).toBe(0);
    const result = env.stepChunk(env.actions);
    expect(result.truncated[0]).toBe(1);
    expect(result.terminated[0]).toBe(0);
    expect(result.steps[0]).toBe(2);
    expect(env.outcome(0)).toMatchObject({ success: false, reason: "outOfSteps" });
  });

  test("an episode that ends by itself on its last step is terminated, not truncated", () => {
    const env = vectorise(counter(2), { count: 1, maxSteps: 2, actionSteps: 2 });
    env.reset();
    env.actions.fill(1);
    const result = env.stepChunk(env.actions);
    expect([result.terminated[0], result.truncated[0]]).toEqual([1, 0]);
  });

  test("seeds repeat an episode, and each environment goes on to seeds of its own", () => {
    const env = vectorise(counter(1), { count: 3, seed: 5 });
    const start = (index: number) => env.result.observations[index * 2];
    env.reset();
    const initial = [start(0), start(1), start(2)];
    env.actions.fill(1);
    env.stepChunk(env.actions);
    const second = [start(0), start(1), start(2)];
    const alone = vectorise(counter(1), { count: 1 });
    for (const [index, value] of [...initial, ...second].entries()) {
      alone.reset([5 + index]);
      expect(alone.result.observations[0]).toBe(value);
    }
  });

  test("a stride of zero repeats one start for ever", () => {
    const env = vectorise(counter(1), { count: 1, seed: 5, seedStride: 0 });
    const start = env.reset().observations[0];
    env.actions.fill(1);
    expect(env.stepChunk(env.actions).observations[0]).toBe(start);
    expect(env.reset().observations[0]).toBe(start);
  });

  test.each<[string, Partial<StepAnswer>]>([
    ["an observation too short", { observation: [1] }],
    ["a NaN in the observation", { observation: [1, Number.NaN] }],
    ["an infinite reward", { reward: Number.POSITIVE_INFINITY }],
  ])("%s of the user's environment is a contract error", (_, answer) => {
    const env = vectorise(counter(9, answer), { count: 1 });
    env.reset();
    expect(() => env.stepChunk(env.actions)).toThrow(expect.objectContaining({ code: "ENVIRONMENT", index: 0 }));
  });

  test("what the user's code throws names the environment, and the half-stepped batch must be reset", () => {
    const env = vectorise({
      ...counter(9),
      create: () => ({ reset: () => [0, 0], step: () => { throw new RangeError("beyond the edge"); } }),
    }, { count: 2 });
    env.reset();
    expect(() => env.stepChunk(env.actions)).toThrow('Environment "counter" 0 threw in step(): beyond the edge');
    expect(() => env.stepChunk(env.actions)).toThrow("or after an error. Call reset() first.");
    env.reset();
    expect(() => env.stepChunk(env.actions)).toThrow("beyond the edge");
  });

  test("a refused chunk moves nothing", () => {
    const env = vectorise(counter(9), { count: 2, actionSteps: 2 });
    env.reset();
    const before = [...env.result.observations];
    env.actions.set([1, 1, 1, Number.NaN]);
    let caught: unknown;
    try {
      env.stepChunk(env.actions);
    } catch (error) {
      caught = error;
    }
    expect(caught).toBeInstanceOf(DifftuneError);
    expect((caught as DifftuneError).message).toContain('Action "increment" of environment 1, step 1, is NaN');
    expect([...env.result.observations]).toEqual(before);
    expect(env.result.running.get(0, "length")).toBe(0);
  });
});

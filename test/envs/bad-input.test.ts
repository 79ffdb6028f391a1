import { describe, expect, test } from "vitest";
import { DifftuneError, type ErrorCode } from "../../src/core/errors.js";
import { LinearMemory } from "../../src/core/linear-memory.js";
import {
  createAvoid, createPushT, environment, vectorise, type EnvironmentDefinition, type VectorEnvironment,
} from "../../src/envs/index.js";

/** Runs something that must be refused and gives the error. */
async function refusal(act: () => unknown): Promise<DifftuneError> {
  try {
    await act();
  } catch (error) {
    if (error instanceof DifftuneError) return error;
    throw error;
  }
  throw new Error("It was accepted.");
}

/** What a user may pass by mistake: anything. */
type Mistake = Readonly<Record<string, unknown>>;

const nonCounts = [0, -1, 1.5, Number.NaN, Number.POSITIVE_INFINITY, 65_537, 2 ** 53, "8", null, [4], {}];
const commonMistakes: [Mistake, string][] = [
  ...nonCounts.map((count): [Mistake, string] => [{ count }, "count"]),
  ...[0, -3, 2.5, Number.NaN, 1025, "1"].map((actionSteps): [Mistake, string] => [{ actionSteps }, "actionSteps"]),
  ...[0, -3, 2.5, Number.NaN, 65, true].map((observationSteps): [Mistake, string] => [{ observationSteps }, "observationSteps"]),
  ...[-1, 0.5, Number.NaN, 2 ** 32, "1"].map((seed): [Mistake, string] => [{ seed }, "seed"]),
  ...[-1, 0.5, Number.NaN, 2 ** 32].map((seedStride): [Mistake, string] => [{ seedStride }, "seedStride"]),
  ...[-1, 0.5, Number.NaN, Number.POSITIVE_INFINITY].map((maxSteps): [Mistake, string] => [{ maxSteps }, "maxSteps"]),
];
const physicsMistakes: [Mistake, string][] = [
  ...[0, -1, 1.5, Number.NaN, 257, "all"].map((threads): [Mistake, string] => [{ threads }, "threads"]),
  [{ autoReset: 1 }, "autoReset"],
  [{ recordSteps: "yes" }, "recordSteps"],
  [{ memory: {} }, "memory"],
  [{ memory: new WebAssembly.Memory({ initial: 1 }) }, "memory"],
];
const pushtMistakes: [Mistake, string][] = [
  [{ task: "pull" }, "task"],
  [{ observation: "pixels" }, "observation"],
  ...[0, -0.5, 1.01, Number.NaN, "0.9"].map((successCoverage): [Mistake, string] => [{ successCoverage }, "successCoverage"]),
  [{ endOnSuccess: 0 }, "endOnSuccess"],
  [{ forbiddenBox: [320, 320, 512, 512] }, "forbiddenBox.0"],
  [{ forbiddenBox: 320 }, "forbiddenBox"],
  [{ forbiddenBox: { x0: 1, y0: 1, x1: 2 } }, "forbiddenBox.y1"],
  [{ forbiddenBox: { x0: 1, y0: Number.NaN, x1: 2, y1: 2 } }, "forbiddenBox.y0"],
  [{ forbiddenBox: { x0: 1, y0: 1, x1: 2, y1: 2, z: 1 } }, "forbiddenBox.z"],
  [{ reach: { x: -1 } }, "reach.x"],
  [{ reach: { radius: 0 } }, "reach.radius"],
  [{ reach: { point: 3 } }, "reach.point"],
  [{ resetOrder: "new" }, "resetOrder"],
  [{ collision: "precise" }, "collision"],
  [{ colision: "exact" }, "colision"],
  [{ physics: "arm" }, "physics"],
  [{ starts: { states: [] } }, "starts.states"],
  [{ starts: { states: [[1, 2, 3, 4]] } }, "starts.states.0"],
  [{ starts: { states: [[1, 2, 3, 4, Number.NaN]] } }, "starts.states.0.4"],
  [{ starts: { states: [[1, 2, 3, 4, 5]], jitterPx: -1 } }, "starts.jitterPx"],
  [{ starts: { states: [[1, 2, 3, 4, 5]], jitterAngle: 4 } }, "starts.jitterAngle"],
];
const avoidMistakes: [Mistake, string][] = [
  [{ physics: "level-a" }, "physics"],
  [{ reward: "m4" }, "reward"],
  [{ reward: 5 }, "reward"],
  [{ sparse: 1 }, "sparse"],
  [{ observationDelay: 2 }, "observationDelay"],
  [{ observationDelay: "0" }, "observationDelay"],
  [{ obstacles: "none" }, "obstacles"],
  [{ startBox: { x0: 0.3, y0: 0 } }, "startBox.x1"],
  [{ startBox: { x0: Number.NaN, y0: 0, x1: 0.5, y1: 0.1 } }, "startBox.x0"],
  [{ startBox: { x0: 0.3, y0: 0, x1: Number.POSITIVE_INFINITY, y1: 0.1 } }, "startBox.x1"],
  [{ obstacle: false }, "obstacle"],
  [{ collision: "fast" }, "collision"],
];

describe("options that are refused, by name, with nothing allocated", () => {
  const makers = {
    createPushT: (options: Mistake) => createPushT(options),
    createAvoid: (options: Mistake) => createAvoid(options),
  };
  const cases: [keyof typeof makers, Mistake, string][] = [
    ...[...commonMistakes, ...physicsMistakes].flatMap(([options, path]): [keyof typeof makers, Mistake, string][] => [
      ["createPushT", options, path],
      ["createAvoid", options, path],
    ]),
    ...pushtMistakes.map(([options, path]): [keyof typeof makers, Mistake, string] => ["createPushT", options, path]),
    ...avoidMistakes.map(([options, path]): [keyof typeof makers, Mistake, string] => ["createAvoid", options, path]),
  ];
  test.each(cases)("%s(%o)", async (maker, options, path) => {
    const memory = new LinearMemory();
    const error = await refusal(() => makers[maker]({ memory, ...options }));
    expect(error.code).toBe("OPTION");
    expect(error.path).toBe(path);
    expect(error.message).toContain(maker);
    expect(memory.peakBytes).toBe(0);
  });

  test.each([
    [() => createPushT({ forbiddenBox: { x0: 5, y0: 5, x1: 5, y1: 9 } }), "createPushT: option forbiddenBox needs x0 < x1 and y0 < y1."],
    [() => createAvoid({ startBox: { x0: 0.5, y0: 0, x1: 0.4, y1: 0.1 } }), "createAvoid: option startBox needs x0 <= x1 and y0 <= y1."],
    [() => createPushT({ colision: "exact" } as never), 'createPushT has no option "colision". Did you mean "collision"?'],
    [() => createPushT(3 as never), "createPushT"],
    [() => createPushT(null as never), undefined],
    [() => environment("push" as never), 'There is no environment "push". Did you mean "pusht"?'],
    [() => environment("constructor" as never), 'There is no environment "constructor".'],
    [() => environment(7 as never), "There is no environment"],
  ])("%# says what to do", async (act, text) => {
    if (text === undefined) {
      ((await act()) as VectorEnvironment).close();
      return;
    }
    const error = await refusal(act);
    expect(error.code).toBe("OPTION");
    expect(error.message).toContain(text);
  });

  test("a batch beyond the memory is refused and leaves nothing", async () => {
    const memory = new LinearMemory({ maximumBytes: 4 * 2 ** 20 });
    const error = await refusal(() => createPushT({ count: 65_536, memory }));
    expect(error.code).toBe("OUT_OF_MEMORY");
    expect(memory.liveBytes).toBe(0);
    const huge = await refusal(() => createPushT({ count: 65_536, actionSteps: 1024, observationSteps: 64, memory }));
    expect(["OUT_OF_MEMORY", "OPTION"]).toContain(huge.code);
    expect(memory.liveBytes).toBe(0);
  });
});

const counter: EnvironmentDefinition = {
  name: "counter",
  observations: [{ name: "value", low: 0, high: 1 }],
  actions: [{ name: "x", low: 0, high: 1 }, { name: "y", low: 0, high: 1 }],
  create: () => ({ reset: () => [0], step: () => ({ observation: [0], reward: 0, terminated: false }) }),
};

const kinds: [string, (threads: number) => Promise<VectorEnvironment>][] = [
  ["push-t", (threads) => createPushT({ count: 17, actionSteps: 2, threads })],
  ["avoid", (threads) => createAvoid({ count: 17, actionSteps: 2, threads })],
  ["plain", () => Promise.resolve(vectorise(counter, { count: 17, actionSteps: 2 }))],
];

/** Everything that an observer can see of an environment. */
function look(env: VectorEnvironment): unknown {
  const { observations, running, rewards, steps } = env.result;
  return structuredClone([observations.slice(), running.values.slice(), rewards.slice(), steps.slice()]);
}

describe.each(kinds)("%s refuses before anything moves", (_, open) => {
  const actions = (spoil?: (values: Float32Array) => void): Float32Array => {
    const values = new Float32Array(68).fill(0.25);
    spoil?.(values);
    return values;
  };
  const cases: [string, unknown, ErrorCode][] = [
    ["a NaN in the last action", actions((values) => { values[67] = Number.NaN; }), "ENVIRONMENT"],
    ["a NaN in the first action", actions((values) => { values[0] = Number.NaN; }), "ENVIRONMENT"],
    ["an infinite action", actions((values) => { values[5] = Number.POSITIVE_INFINITY; }), "ENVIRONMENT"],
    ["an infinite action to the other side", actions((values) => { values[5] = Number.NEGATIVE_INFINITY; }), "ENVIRONMENT"],
    ["an action of 1e10", actions((values) => { values[7] = 1e10; }), "ENVIRONMENT"],
    ["one number too few", new Float32Array(67), "SHAPE"],
    ["one number too many", new Float32Array(69), "SHAPE"],
    ["no number", new Float32Array(0), "SHAPE"],
    ["doubles", new Float64Array(68), "SHAPE"],
    ["a list", Array.from({ length: 68 }, () => 0), "SHAPE"],
    ["nothing", undefined, "SHAPE"],
    ["null", null, "SHAPE"],
    ["text", "0".repeat(68), "SHAPE"],
  ];
  test.each([1, 2])("on %i threads", async (threads) => {
    using env = await open(threads);
    await env.reset();
    await env.stepChunk(actions());
    for (const [name, given, code] of cases) {
      const before = look(env);
      const error = await refusal(() => env.stepChunk(given as Float32Array));
      expect([name, error.code]).toEqual([name, code]);
      expect(look(env)).toEqual(before);
    }
    // It goes on as if nothing had happened.
    using twin = await open(1);
    await twin.reset();
    await twin.stepChunk(actions());
    await env.stepChunk(actions());
    await twin.stepChunk(actions());
    expect(look(env)).toEqual(look(twin));
  });

  test("the message names environment, step and coordinate", async () => {
    using env = await open(1);
    await env.reset();
    const error = await refusal(() => env.stepChunk(actions((values) => { values[6] = Number.NaN; })));
    expect(error.message).toContain(`Action "${env.actionSpace.names[0]}" of environment 1, step 1, is NaN`);
    expect(error.index).toBe(6);
  });

  test("seeds", async () => {
    using env = await open(1);
    await env.reset();
    const before = look(env);
    const good = Array.from({ length: 17 }, (_, index) => index);
    for (const seeds of [good.slice(1), [...good, 17], []]) expect((await refusal(() => env.reset(seeds))).code).toBe("SHAPE");
    for (const seed of [-1, 0.5, Number.NaN, 2 ** 32, Number.POSITIVE_INFINITY]) {
      const error = await refusal(() => env.reset([...good.slice(0, 2), seed, ...good.slice(3)]));
      expect([error.code, error.index]).toEqual(["OPTION", 2]);
    }
    expect(look(env)).toEqual(before);
  });

  test("a step before the first reset, and anything after close", async () => {
    const env = await open(1);
    expect((await refusal(() => env.stepChunk(actions()))).message).toContain("before its first reset");
    env.close();
    env.close();
    for (const act of [() => env.reset(), () => env.stepChunk(actions()), () => env.render(0)]) {
      const error = await refusal(act);
      expect([error.code, error.message.includes("closed")]).toEqual(["ENVIRONMENT", true]);
    }
  });

  test("an environment that is not there", async () => {
    using env = await open(1);
    await env.reset();
    for (const index of [-1, 17, 0.5, Number.NaN]) {
      expect((await refusal(() => env.render(index))).code).toMatch(/SHAPE|ENVIRONMENT/);
      expect((await refusal(() => env.outcome(index))).code).toBe("SHAPE");
    }
  });
});

describe("starts that are refused", () => {
  test.each([[[1, 2, 3]], [[1, 2, 3, 4, Number.NaN]], [[1, 2, 3, 4, Number.POSITIVE_INFINITY]], [[1, 2, 1e10, 4, 5]]])("push-t from %j", async (start) => {
    using env = await createPushT();
    await env.reset();
    const before = look(env);
    expect((await refusal(() => env.resetTo(start))).code).toMatch(/SHAPE|ENVIRONMENT/);
    expect(look(env)).toEqual(before);
  });

  test.each([1, 2])("avoid from beyond the arm's reach, on %i threads", async (threads) => {
    using env = await createAvoid({ count: 20, threads });
    const starts = Array.from({ length: 20 }, () => [0.5, -0.2]);
    starts[11] = [1.9, 1.9];
    starts[18] = [0.5, -0.1];
    const error = await refusal(() => env.resetTo(starts.flat()));
    expect([error.code, error.index]).toEqual(["ENVIRONMENT", 11]);
    expect(env.threads).toBe(threads);
    expect([...Array(20).keys()].every((index) => Number.isFinite(env.pose(index).actualX))).toBe(true);
  });
});

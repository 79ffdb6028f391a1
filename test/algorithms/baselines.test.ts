import { describe, expect, test } from "vitest";
import { dawr } from "../../src/algorithms/dawr.js";
import { dipo } from "../../src/algorithms/dipo.js";
import { dql } from "../../src/algorithms/dql.js";
import { drwr } from "../../src/algorithms/drwr.js";
import { idql } from "../../src/algorithms/idql.js";
import type { BaselineTraining } from "../../src/algorithms/off-policy.js";
import { qsm } from "../../src/algorithms/qsm.js";
import { DifftuneError } from "../../src/core/errors.js";
import { Policy } from "../../src/diffusion/policy.js";
import type { Device } from "../../src/engine/device.js";
import { createAvoid } from "../../src/envs/avoid.js";
import type { VectorEnvironment } from "../../src/envs/environment.js";
import type { IterationEvent } from "../../src/rl/training.js";
import { deviceFor, engines } from "../kernels/harness.js";
import { twoArms, twoModePolicy } from "./two-arms.js";

const critic = { hidden: [32, 32] };
const shared = { iterations: 8, steps: 4, batchSize: 128, seed: 1, rate: 1e-3, resetEvery: "episode" as const };
const replay = { ...shared, replayRatio: 8, criticWarmup: 1, criticRate: 3e-3, critic };

type Start = (device: Device, policy: Policy, environment: VectorEnvironment, more?: { readonly iterations?: number; readonly evaluateEvery?: number }) => BaselineTraining;

/** Settings with which each learns the bandit within seconds. */
const starts: Readonly<Record<string, Start>> = {
  drwr: (device, policy, env, more) => drwr(device, policy, env, { ...shared, beta: 2, ...more }),
  dawr: (device, policy, env, more) => dawr(device, policy, env, { ...replay, beta: 2, ...more }),
  idql: (device, policy, env, more) => idql(device, policy, env, { ...replay, slowness: 0.1, exploration: 0.95, ...more }),
  dql: (device, policy, env, more) => dql(device, policy, env, { ...replay, slowness: 0.1, ...more }),
  dipo: (device, policy, env, more) => dipo(device, policy, env, { ...replay, slowness: 0.1, ascentSteps: 4, ascentRate: 0.05, ...more }),
  qsm: (device, policy, env, more) => qsm(device, policy, env, { ...replay, slowness: 0.1, coefficient: 3, ...more }),
};

let known: Promise<Policy> | undefined;
/** Two arms, both pulled; one policy for all tests. */
const start = async (): Promise<Policy> => known ??= twoModePolicy(await deviceFor("wasm", 1));

async function eventsOf(training: BaselineTraining): Promise<IterationEvent[]> {
  const events: IterationEvent[] = [];
  for await (const event of training) events.push(event);
  return events;
}

describe.each(Object.entries(starts))("%s", (name, begin) => {
  test("learns which of two arms pays, from a policy that pulls both", async () => {
    const device = await deviceFor("wasm", 1);
    const policy = await start();
    using environment = twoArms(64);
    const before = device.use.liveBuffers;
    const training = begin(device, policy, environment);
    const events = await eventsOf(training);
    expect(device.use.liveBuffers).toBe(before);
    expect(events.map(({ iteration }) => iteration)).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
    const [first, last] = [events[0]!, events.at(-1)!];
    expect(first.return).toBeGreaterThan(0.4);
    expect(first.return).toBeLessThan(0.65);
    expect(last.return).toBeGreaterThan(0.75);
    expect(last).toMatchObject({ episodes: 256, episodeLength: 1, envSteps: 8 * 256, mode: "train" });
    expect(last.policyLoss).toBeTypeOf("number");
    expect("valueLoss" in last).toBe(name !== "drwr");
    expect(Object.values(last).every((value) => typeof value !== "number" || Number.isFinite(value))).toBe(true);
    const tuned = await training.policy();
    expect(tuned.metadata).toMatchObject({ method: name, iteration: "8" });
    expect(tuned.values).not.toEqual(policy.values);
  });
});

test("IDQL acts greedily where it evaluates: the better arm, once the critics know it", async () => {
  using environment = twoArms(64);
  const events = await eventsOf(starts.idql!(await deviceFor("wasm", 1), await start(), environment, { iterations: 4, evaluateEvery: 3 }));
  expect(events.map(({ mode }) => mode)).toEqual(["evaluate", "train", "train", "evaluate"]);
  expect(events[0]).not.toHaveProperty("policyLoss");
  expect(events[3]!.return).toBeGreaterThan(events[0]!.return! + 0.15);
  expect(events[3]!.return).toBeGreaterThan(events[2]!.return!);
});

test.skipIf(engines.length < 2).each(Object.keys(starts))("%s does the same on both engines", async (name) => {
  const runs = await Promise.all((["wasm", "webgpu"] as const).map(async (engine) => {
    const policy = await start();
    using environment = twoArms(6);
    const little = { ...shared, iterations: 2, steps: 2, batchSize: 16 };
    const learning = { ...little, replayRatio: 1.5, criticWarmup: 0, critic: { hidden: [8, 8, 8] } };
    const device = await deviceFor(engine, 1);
    const training = name === "drwr" ? drwr(device, policy, environment, { ...little, epochs: 1 })
      : { dawr, idql, dql, dipo, qsm }[name]!(device, policy, environment, learning);
    const events = await eventsOf(training);
    return { events, change: (await training.policy()).values.map((value, at) => value - policy.values[at]!) };
  }));
  const [wasm, webgpu] = runs as [(typeof runs)[0], (typeof runs)[0]];
  for (const [at, event] of wasm.events.entries()) {
    expect(webgpu.events[at]!.return).toBeCloseTo(event.return!, 4);
    expect(webgpu.events[at]!.policyLoss).toBeCloseTo(event.policyLoss!, 4);
    expect(webgpu.events[at]!.minibatches).toBe(event.minibatches);
  }
  // Two steps of Adam, nearly sign(g) times the rate each: few parameters with next to no gradient may differ.
  const apart = wasm.change.filter((value, at) => Math.abs(value - webgpu.change[at]!) > 1e-4).length;
  expect(apart).toBeLessThan(0.01 * wasm.change.length);
  expect(Math.max(...wasm.change)).toBeGreaterThan(5e-4);
});

describe("a stopped run", () => {
  /** Avoid with a small policy: its environments can be saved. */
  const world = (): Promise<VectorEnvironment> => createAvoid({ count: 4, maxSteps: 8, actionSteps: 4, physics: "planar" });
  const small = ({ observationSpace, actionSpace }: VectorEnvironment): Policy =>
    Policy.create({
      observationNames: observationSpace.names,
      actionNames: actionSpace.names,
      horizon: 4,
      statistics: {
        observations: { min: observationSpace.names.map(() => -0.3), max: observationSpace.names.map(() => 0.8) },
        actions: { min: [-0.0125, -0.0125], max: [0.0125, 0.0125] },
      },
      network: { kind: "diffusion-mlp", process: { denoisingSteps: 4 }, timeSize: 8, hidden: [16, 16] },
    }, 3);
  const options = { steps: 5, batchSize: 16, rate: 1e-3, resetEvery: "episode" as const, seed: 7 };
  const learning = { ...options, replayRatio: 2, criticWarmup: 1, bufferSteps: 7, critic: { hidden: [8, 8] } };
  interface Resumable { readonly iterations: number; readonly resume?: Uint8Array }
  const runs: Readonly<Record<string, (device: Device, env: VectorEnvironment, more: Resumable) => BaselineTraining>> = {
    drwr: (device, env, more) => drwr(device, small(env), env, { ...options, epochs: 2, ...more }),
    dawr: (device, env, more) => dawr(device, small(env), env, { ...learning, ...more }),
    idql: (device, env, more) => idql(device, small(env), env, { ...learning, candidates: 3, ...more }),
    dipo: (device, env, more) => dipo(device, small(env), env, { ...learning, ascentSteps: 2, ...more }),
    dql: (device, env, more) => dql(device, small(env), env, { ...learning, ...more }),
    qsm: (device, env, more) => qsm(device, small(env), env, { ...learning, ...more }),
  };

  test.each(Object.entries(runs))("of %s goes on to the same bits as one that was never stopped, its buffer gone round", async (_, begin) => {
    const device = await deviceFor("wasm", 1);
    using whole = await world();
    const uninterrupted = begin(device, whole, { iterations: 4 });
    await eventsOf(uninterrupted);
    const expected = await uninterrupted.save();

    using first = await world();
    const stopped = begin(device, first, { iterations: 4 });
    let saved: Uint8Array | undefined;
    for await (const { iteration } of stopped) {
      if (iteration < 2) continue;
      saved = await stopped.save();
      break;
    }
    using second = await world();
    const resumed = begin(device, second, { iterations: 4, resume: saved! });
    expect((await eventsOf(resumed)).map(({ iteration }) => iteration)).toEqual([3]);
    expect(Buffer.compare(await resumed.save(), expected)).toBe(0);
  });

  test("can be made longer", async () => {
    const device = await deviceFor("wasm", 1);
    using whole = await world();
    const long = runs.qsm!(device, whole, { iterations: 3 });
    await eventsOf(long);
    using first = await world();
    const short = runs.qsm!(device, first, { iterations: 1 });
    await eventsOf(short);
    using second = await world();
    const resumed = runs.qsm!(device, second, { iterations: 3, resume: await short.save() });
    await eventsOf(resumed);
    expect((await resumed.policy()).values).toEqual((await long.policy()).values);
  });

  test("is not gone on from with other options, nor as another algorithm", async () => {
    const device = await deviceFor("wasm", 1);
    using env = await world();
    const run = runs.qsm!(device, env, { iterations: 1 });
    const saved = await run.save();
    run.close();
    expect(() => qsm(device, small(env), env, { ...learning, batchSize: 8, resume: saved })).toThrow(/batchSize/);
    expect(() => dql(device, small(env), env, { ...learning, resume: saved })).toThrow(/qsm/);
  });
});

describe("a baseline", () => {
  const refused = async (make: (policy: Policy) => unknown): Promise<DifftuneError> => {
    const policy = await start();
    try {
      make(policy);
    } catch (error) {
      if (error instanceof DifftuneError) return error;
    }
    throw new Error("nothing was refused");
  };

  test("stops at its signal, and leaves nothing on the device", async () => {
    const device = await deviceFor("wasm", 1);
    const policy = await start();
    using environment = twoArms(8);
    const before = device.use.liveBuffers;
    const stop = new AbortController();
    const training = drwr(device, policy, environment, { ...shared, batchSize: 32, signal: stop.signal });
    const seen: number[] = [];
    const run = async (): Promise<void> => {
      for await (const { iteration } of training) {
        seen.push(iteration);
        if (iteration === 1) stop.abort();
      }
    };
    await expect(run()).rejects.toMatchObject({ code: "CANCELLED" });
    expect(seen).toEqual([0, 1]);
    expect(device.use.liveBuffers).toBe(before);
    expect((await training.policy()).metadata.iteration).toBe("2");
  });

  test("ends with the loop that drives it", async () => {
    const device = await deviceFor("wasm", 1);
    const before = device.use.liveBuffers;
    using environment = twoArms(8);
    const training = qsm(device, await start(), environment, { ...replay, batchSize: 32 });
    for await (const event of training) if (event.iteration === 0) break;
    expect(device.use.liveBuffers).toBe(before);
    await expect(eventsOf(training)).rejects.toMatchObject({ code: "OPTION" });
  });

  test("reports a loss that is no number", async () => {
    using environment = twoArms(8);
    const policy = await start();
    const broken = policy.withValues(policy.values.map(() => 1e30));
    const training = drwr(await deviceFor("wasm", 1), broken, environment, { ...shared, batchSize: 32 });
    await expect(eventsOf(training)).rejects.toMatchObject({ code: expect.stringMatching(/DIVERGENCE|ENVIRONMENT/) as string });
  });

  test("trains diffusion policies of one network whose chunks are executed whole", async () => {
    const device = await deviceFor("wasm", 1);
    using environment = twoArms(8);
    const bounds = { min: [-1], max: [1] };
    const base = { observationNames: ["nothing"], actionNames: ["arm"], statistics: { observations: bounds, actions: bounds } };
    const gaussian = Policy.create({ ...base, horizon: 1, network: { kind: "gaussian-mlp", hidden: [8] } }, 1);
    const half = Policy.create({ ...base, horizon: 2, actionSteps: 1, network: { kind: "diffusion-mlp", process: { denoisingSteps: 4 }, hidden: [8] } }, 1);
    expect((await refused(() => dql(device, gaussian, environment))).message).toMatch(/gaussian-mlp/);
    expect((await refused(() => dql(device, half, environment))).path).toBe("actionSteps");
    expect((await refused((policy) => dql(device, policy.withTuned(policy.values, 2), environment))).hint).toMatch(/withValues/);
    using other = await createAvoid({ count: 1, physics: "planar" });
    expect((await refused((policy) => dql(device, policy, other))).code).toBe("OPTION");
  });

  test.each([
    ["drwr", () => drwr, { epoch: 3 }, "epoch"],
    ["dawr", () => dawr, { criticRows: "some" }, "criticRows"],
    ["idql", () => idql, { expectile: 1 }, "expectile"],
    ["dql", () => dql, { slowness: 2 }, "slowness"],
    ["dipo", () => dipo, { ascentSteps: 0 }, "ascentSteps"],
    ["qsm", () => qsm, { batchSize: 1.5 }, "batchSize"],
  ] as const)("%s names the option that is wrong", async (name, algorithm, wrong, path) => {
    const device = await deviceFor("wasm", 1);
    using environment = twoArms(8);
    const error = await refused((policy) => algorithm()(device, policy, environment, wrong as never));
    expect(error).toMatchObject({ code: "OPTION", path });
    expect(error.message).toContain(name);
  });
});

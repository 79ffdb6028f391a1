import { describe, expect, test } from "vitest";
import { dppo, startDppo, type DppoOptions } from "../../src/algorithms/dppo.js";
import { ppo } from "../../src/algorithms/ppo.js";
import { Policy } from "../../src/diffusion/policy.js";
import { createDevice } from "../../src/engine/create-device.js";
import { createAvoid } from "../../src/envs/avoid.js";
import { vectorise } from "../../src/envs/vectorise.js";
import type { VectorEnvironment } from "../../src/envs/environment.js";
import { RolloutCollector } from "../../src/rl/rollout.js";
import { createActingNoise } from "../../src/diffusion/acting.js";
import type { IterationEvent, Training } from "../../src/rl/training.js";
import { decodeTrainingState } from "../../src/rl/training-state.js";
import { deviceFor, engines, testNumbers } from "../kernels/harness.js";
import { banditCritic, banditDenoiser, banditPolicy, bestAction, createBandit } from "./bandit.js";

async function finish(training: Training<IterationEvent>): Promise<IterationEvent[]> {
  const events: IterationEvent[] = [];
  for await (const event of training) events.push(event);
  return events;
}

/** A policy for Avoid with a little network. */
function avoidPolicy(seed = 3): Policy {
  return Policy.create({
    observationNames: ["desiredX", "desiredY", "actualX", "actualY"],
    actionNames: ["incrementX", "incrementY"],
    horizon: 4,
    statistics: {
      observations: { min: [0.2, -0.3, 0.2, -0.3], max: [0.8, 0.5, 0.8, 0.5] },
      actions: { min: [-0.0125, 0], max: [0.0125, 0.0125] },
    },
    network: { kind: "diffusion-mlp", hidden: [16, 16, 16], isResidual: true, process: { denoisingSteps: 6 } },
  }, seed);
}

const little: DppoOptions = {
  iterations: 4, steps: 5, epochs: 2, batchSize: 40, tunedSteps: 3, criticWarmup: 1, critic: banditCritic,
  rate: { max: 1e-3, min: 1e-3 }, successThreshold: 2,
};

const planar = { count: 6, actionSteps: 4, physics: "planar", maxSteps: 20 } as const;

describe.each(engines)("a bandit of one step on %s", (engine) => {
  test("is learned through the sampler", async () => {
    const device = await deviceFor(engine);
    using env = createBandit(64);
    const iterations = engine === "wasm" ? 40 : 12;
    const training = dppo(device, banditPolicy(banditDenoiser), env, {
      iterations, steps: 1, tunedSteps: 5, batchSize: 160, epochs: 4, criticWarmup: 1, critic: banditCritic,
      rate: { max: 3e-3, min: 3e-3 }, criticRate: { max: 1e-2, min: 1e-2 }, maxGradientNorm: 1,
    });
    const events = await finish(training);
    const [first, last] = [events[1]!.return!, events.at(-1)!.return!];
    expect(last).toBeGreaterThan(first + (engine === "wasm" ? 0.1 : 0.03));
    if (engine !== "wasm") return;
    using actor = await (await training.policy()).on(device, { count: 256 });
    const actions = await actor.act(new Float32Array(256));
    const mean = actions.reduce((sum, action) => sum + action, 0) / 256;
    expect(Math.abs(mean - bestAction)).toBeLessThan(0.15);
  });
});

test.each([
  ["a Gaussian", { kind: "gaussian-mlp", hidden: [24, 24, 24], std: { kind: "learned", std: 0.2 } }, "released"],
  ["a mixture", { kind: "gmm-mlp", components: 3, hidden: [24, 24], std: { kind: "constant", std: 0.2 } }, "corrected"],
] as const)("PPO teaches %s the bandit", async (_, network, densityClamp) => {
  const device = await deviceFor("wasm");
  using env = createBandit(64);
  const events = await finish(ppo(device, banditPolicy(network), env, {
    iterations: 30, steps: 1, batchSize: 32, epochs: 4, critic: banditCritic, rate: { max: 3e-3, min: 3e-3 }, densityClamp,
  }));
  expect(events.at(-1)!.return!).toBeGreaterThan(events[1]!.return! + 0.1);
});

test("a U-Net trained for chunks of 16 is tuned, acts and is kept for chunks of 8", async () => {
  const device = await deviceFor("wasm");
  const long = Policy.create({
    ...avoidPolicy().options, horizon: 16, actionSteps: 16,
    network: { kind: "unet", timeSize: 8, channels: 8, multipliers: [1, 2], kernelSize: 3, groups: 2, process: { denoisingSteps: 6 } },
  }, 3);
  const short = long.withOptions({ horizon: 8, actionSteps: 8 });
  using env = await createAvoid({ ...planar, actionSteps: 8, maxSteps: 40 });
  const training = dppo(device, short, env, { ...little, iterations: 2 });
  const events = await finish(training);
  expect(events.map(({ envSteps }) => envSteps)).toEqual([6 * 5 * 8, 2 * 6 * 5 * 8]);
  const tuned = Policy.decode((await training.policy()).encode());
  expect(tuned.options).toMatchObject({ horizon: 8, actionSteps: 8 });
  expect(tuned.values).toEqual(long.values);
  expect(tuned.tuned!.steps).toBe(3);
  expect(tuned.tuned!.values).not.toEqual(long.values);
  // Half of a long chunk is executed by a policy that predicts it whole.
  const half = dppo(device, long.withOptions({ actionSteps: 8 }), env, { ...little, iterations: 2 });
  expect(await finish(half)).toHaveLength(2);
});

describe("a run that was stopped", () => {
  const fixed = ({ seconds: _s, iterationSeconds: _i, envStepsPerSecond: _e, ...event }: IterationEvent): object => event;

  test.each([["iteration", engines[0]!], ["episode", engines[0]!], ...engines.slice(1).map((engine) => ["episode", engine] as const)] as const)(
    "goes on to the same bits where every %s starts anew, %s",
    async (resetEvery, engine) => {
      const device = await deviceFor(engine);
      const options = { ...little, resetEvery };
      using whole = await createAvoid(planar);
      const straight = dppo(device, avoidPolicy(), whole, options);
      const expected = await finish(straight);

      using before = await createAvoid(planar);
      const stopped = dppo(device, avoidPolicy(), before, options);
      const events: object[] = [];
      let saved: Uint8Array | undefined;
      for await (const event of stopped) {
        events.push(fixed(event));
        if (event.iteration !== 1) continue;
        saved = await stopped.save();
        break;
      }
      expect(await stopped.save()).toEqual(saved);
      using after = await createAvoid(planar);
      const resumed = dppo(device, avoidPolicy(), after, { ...options, resume: saved! });
      for (const event of await finish(resumed)) events.push(fixed(event));
      expect(events).toEqual(expected.map(fixed));
      expect(await resumed.save()).toEqual(await straight.save());
    },
  );

  test("is refused under other options, another policy, another algorithm, or damaged", async () => {
    const device = await deviceFor("wasm");
    using env = await createAvoid(planar);
    const training = dppo(device, avoidPolicy(), env, { ...little, iterations: 1 });
    await finish(training);
    const saved = await training.save();
    expect(() => dppo(device, avoidPolicy(), env, { ...little, gamma: 0.5, resume: saved })).toThrow(/"gamma" is 0.5, but the checkpoint was made with 0.99/);
    expect(() => dppo(device, avoidPolicy(), env, { ...little, iterations: 9, resume: saved })).not.toThrow();
    expect(() => dppo(device, banditPolicy(banditDenoiser), env, { ...little, resume: saved })).toThrow(/another policy/);
    expect(() => ppo(device, banditPolicy({ kind: "gaussian-mlp" }), env, { resume: saved })).toThrow(/of dppo, not of ppo/);
    expect(() => dppo(device, avoidPolicy(), env, { ...little, resume: saved.subarray(0, saved.length - 9) })).toThrow();
    expect(decodeTrainingState(saved).counters.iteration).toBe(1);
  });

  test("names environments that cannot be saved", async () => {
    const device = await deviceFor("wasm");
    using env = createBandit(8);
    const options = { iterations: 1, steps: 1, batchSize: 8, tunedSteps: 2, critic: banditCritic };
    const training = dppo(device, banditPolicy(banditDenoiser), env, options);
    await finish(training);
    await expect(finish(dppo(device, banditPolicy(banditDenoiser), env, { ...options, iterations: 2, resume: await training.save() }))).rejects.toThrow(/cannot be saved/);
  });

  test("ends after the iteration at hand when it is aborted, and can still be saved", async () => {
    const device = await deviceFor("wasm");
    using env = await createAvoid(planar);
    const stop = new AbortController();
    const training = dppo(device, avoidPolicy(), env, { ...little, signal: stop.signal });
    const seen: number[] = [];
    await expect((async () => {
      for await (const { iteration } of training) {
        seen.push(iteration);
        stop.abort();
      }
    })()).rejects.toMatchObject({ code: "CANCELLED" });
    expect(seen).toEqual([0]);
    expect(decodeTrainingState(await training.save()).counters.iteration).toBe(1);
  });
});

describe("the loop", () => {
  test("frees all that it holds, however it is left", async () => {
    const device = await createDevice({ engine: "wasm", wasm: { threads: 1 } });
    using env = await createAvoid({ ...planar, memory: device.memory });
    const before = device.use;
    await finish(dppo(device, avoidPolicy(), env, { ...little, iterations: 2 }));
    const left = dppo(device, avoidPolicy(), env, little)[Symbol.asyncIterator]();
    await left.next();
    await left.return();
    dppo(device, avoidPolicy(), env, little).close();
    expect(device.use).toMatchObject({ liveBuffers: before.liveBuffers, liveBytes: before.liveBytes });
    device.close();
  });

  test("allocates nothing between iterations", async () => {
    const device = await createDevice({ engine: "wasm", wasm: { threads: 1 } });
    using env = await createAvoid({ ...planar, memory: device.memory });
    const uses: object[] = [];
    for await (const { mode } of dppo(device, avoidPolicy(), env, little)) uses.push({ mode, ...device.use });
    for (const use of uses) expect(use).toEqual(uses[0]);
    device.close();
  });

  test("gives the same bits in shared memory, in a memory of its own, and on any number of threads", async () => {
    const ends: Uint8Array[] = [];
    for (const [threads, isShared] of [[1, true], [1, false], [2, true], [3, false]] as const) {
      const device = await createDevice({ engine: "wasm", wasm: { threads, simd: "plain" } });
      using env = await createAvoid({ ...planar, ...(isShared ? { memory: device.memory } : {}) });
      const training = dppo(device, avoidPolicy(), env, little);
      await finish(training);
      ends.push(await training.save());
      device.close();
    }
    for (const end of ends.slice(1)) expect(end).toEqual(ends[0]);
  });

  test.each(engines)("collects the same rollout in two halves as in one piece, %s", async (engine) => {
    const device = await deviceFor(engine);
    const policy = avoidPolicy();
    const rollouts: Record<string, number[]>[] = [];
    for (const isSplit of [false, true]) {
      using env = await createAvoid({ ...planar, count: 7, recordSteps: true });
      const values = device.tensor([policy.layout.length], { data: policy.values });
      const noise = createActingNoise(device, policy, env.count);
      const collector = await RolloutCollector.create({
        device, policy, environment: env, steps: 6, tunedSteps: 3, values, tuned: values, noise, keepsFinalStates: true, keepsSteps: true,
        draw: (decision) => { device.write(noise.normals, testNumbers(noise.normals.length, decision)); },
      }, isSplit);
      const record = await collector.collect({ decision: 0, resets: true, isDeterministic: false });
      rollouts.push({
        rewards: [...record.rewards],
        firsts: [...record.firsts],
        states: [...await device.read(collector.states)],
        chains: [...await device.read(collector.chains)],
        last: [...await device.read(collector.lastStates)],
        final: [...await device.read(collector.finalStates!)],
        reached: [...record.reached!.states],
        counts: [...record.reached!.counts],
      });
      collector.close();
    }
    expect(rollouts[0]!.rewards!.some((reward) => reward !== 0)).toBe(true);
    expect(rollouts[1]).toEqual(rollouts[0]);
  });

  test("tunes a single step, and with a rate of 0 moves nothing", async () => {
    const device = await deviceFor("wasm");
    using env = await createAvoid(planar);
    const policy = avoidPolicy();
    const still = { ...little, tunedSteps: 1, clip: { rate: 0 }, rate: { max: 0, min: 0 } };
    const training = dppo(device, policy, env, still);
    for (const event of await finish(training)) {
      expect(Number.isFinite(event.policyLoss)).toBe(true);
      expect(event.approxKl).toBeLessThan(1e-6);
    }
    expect((await training.policy()).tuned?.values).toEqual(policy.values);
  });

  test("keeps the base frozen, discards the policy's gradient while the critic warms up, and counts", async () => {
    const device = await deviceFor("wasm");
    using env = await createAvoid(planar);
    const policy = avoidPolicy();
    const training = dppo(device, policy, env, { ...little, criticWarmup: 2 });
    for await (const event of training) {
      const { values, tuned } = await training.policy();
      expect(values).toEqual(policy.values);
      if (event.iteration < 2) expect(tuned?.values).toEqual(policy.values);
      else expect(tuned?.values).not.toEqual(policy.values);
      expect(event.envSteps).toBe((event.iteration + 1) * 6 * 5 * 4);
      expect(event.minibatches).toBe(2 * 2);
      expect(event.episodes).toBe(6);
    }
  });

  test("evaluates without learning where it is asked to", async () => {
    const device = await deviceFor("wasm");
    using env = await createAvoid(planar);
    const training = dppo(device, avoidPolicy(), env, { ...little, criticWarmup: 0, evaluateEvery: 2 });
    let before: Float32Array | undefined;
    for await (const event of training) {
      const { tuned } = await training.policy();
      expect(event.mode).toBe(event.iteration % 2 === 0 ? "evaluate" : "train");
      if (event.mode === "evaluate" && before !== undefined) expect(tuned?.values).toEqual(before);
      if (event.mode === "train") expect(tuned?.values).not.toEqual(before);
      expect("policyLoss" in event).toBe(event.mode === "train");
      before = tuned?.values;
    }
  });

  test("ends an update early once the KL target is passed", async () => {
    const device = await deviceFor("wasm");
    using env = await createAvoid(planar);
    const events = await finish(dppo(device, avoidPolicy(), env, { ...little, epochs: 8, rate: { max: 3e-2, min: 3e-2 }, targetKl: 1e-4 }));
    expect(events.slice(1).some(({ minibatches }) => minibatches! < 16)).toBe(true);
    expect(events[0]!.minibatches).toBe(16);
  });

  test.each([
    ["chain form", { updateForm: "chain", batchSize: 10 }],
    ["correct truncation", { truncation: "correct", resetEvery: "episode" }],
    ["accumulated gradients", { accumulate: 2, batchSize: 20 }],
    ["imitation of the frozen policy", { cloningWeight: 0.1 }],
    ["quantiles and limits", { advantageQuantiles: [0.05, 0.95], advantageLimit: 2, valueClip: 0.2, maxGradientNorm: 0.5, rewardHorizon: 2 }],
    ["DDIM", { sampler: { kind: "ddim", stepCount: 3, eta: 1 } }],
    ["unscaled rewards", { scaleRewards: false, rewardFactor: 0.5, logProbRange: null }],
  ] as const)("runs with %s", async (_, options) => {
    const device = await deviceFor("wasm");
    using env = await createAvoid(planar);
    const training = dppo(device, avoidPolicy(), env, { ...little, ...(options as DppoOptions) });
    const events = await finish(training);
    expect(events).toHaveLength(4);
    for (const event of events) for (const value of Object.values(event)) if (typeof value === "number") expect(Number.isFinite(value)).toBe(true);
    if ("cloningWeight" in options) expect((events[2] as unknown as { cloningLoss: number }).cloningLoss).not.toBe(0);
    expect((await training.policy()).tuned?.values).not.toEqual(avoidPolicy().values);
  });

  test("adds the gradients of two half minibatches to that of the whole", async () => {
    const device = await deviceFor("wasm");
    const ends: Float32Array[] = [];
    for (const options of [{ batchSize: 90, accumulate: 1 }, { batchSize: 45, accumulate: 2 }]) {
      using env = await createAvoid(planar);
      // Without normalisation by minibatch, and with plain sums, a half has half of the weight.
      const training = startDppo(device, avoidPolicy(), env, {
        ...little, ...options, iterations: 2, epochs: 1, normalizeAdvantages: false, criticWarmup: 0, scaleRewards: false,
      }, {});
      await finish(training);
      ends.push((await training.policy()).tuned!.values);
    }
    // Adam does not see the scale of a gradient, so the sum of two means steps as their mean does, up to epsilon.
    const moved = ends[0]!.map((value, at) => value - avoidPolicy().values[at]!);
    const difference = ends[0]!.map((value, at) => value - ends[1]![at]!);
    const norm = (values: Float32Array): number => Math.hypot(...values);
    expect(norm(difference)).toBeLessThan(0.05 * norm(moved));
  });
});

describe("what goes wrong is said", () => {
  const options = { ...little, iterations: 2 };

  test("a reward that is no number", async () => {
    const device = await deviceFor("wasm");
    let steps = 0;
    using env = vectorise({
      name: "broken",
      observations: [{ name: "nothing", low: -1, high: 1 }],
      actions: [{ name: "arm", low: -1, high: 1 }],
      create: () => ({ reset: () => [0], step: () => ({ observation: [0], reward: ++steps > 4 ? Number.NaN : 0, terminated: true }) }),
    }, { count: 4 });
    await expect(finish(dppo(device, banditPolicy(banditDenoiser), env, { ...options, steps: 1, batchSize: 4 }))).rejects.toMatchObject({ code: "ENVIRONMENT" });
  });

  test("a loss beyond all numbers, and the run stays where it was whole", async () => {
    const device = await deviceFor("wasm");
    using env = await createAvoid(planar);
    const training = dppo(device, avoidPolicy(), env, { ...options, scaleRewards: false, rewardFactor: 1e30 });
    await expect(finish(training)).rejects.toMatchObject({ code: "DIVERGENCE", message: expect.stringContaining("minibatch 0") as string });
    await expect(training.save()).rejects.toThrow(/middle of iteration 0/);
  });

  test.each<[DppoOptions | Record<string, unknown>, RegExp]>([
    [{ tunedSteps: 7 }, /tunedSteps is 7, but a chain has 6/],
    [{ tunedStep: 3 }, /Did you mean "tunedSteps"/],
    [{ rewardHorizon: 9, tunedSteps: 3 }, /rewardHorizon is 9/],
    [{ gamma: 2 }, /gamma/],
    [{ clip: { firts: 1 } }, /clip.firts/],
    [{ advantageQuantiles: [0.9, 0.1] }, /rise/],
    [{ iterations: 0 }, /iterations/],
    [{ sampler: { kind: "ddim", stepCount: 2 }, tunedSteps: 3 }, /a chain has 2 steps/],
  ])("options %j", async (bad, message) => {
    const device = await deviceFor("wasm");
    using env = await createAvoid(planar);
    expect(() => dppo(device, avoidPolicy(), env, bad)).toThrow(message);
  });

  test("a policy or an environment of another kind", async () => {
    const device = await deviceFor("wasm");
    using env: VectorEnvironment = await createAvoid({ ...planar, actionSteps: 2 });
    expect(() => dppo(device, banditPolicy({ kind: "gaussian-mlp" }), env)).toThrow(/Use ppo/);
    expect(() => ppo(device, avoidPolicy(), env)).toThrow(/Use dppo/);
    await expect(finish(dppo(device, avoidPolicy(), env, little))).rejects.toThrow(/actionSteps: 4/);
    await expect(finish(dppo(device, banditPolicy(banditDenoiser), env, { ...little, tunedSteps: 2 }))).rejects.toThrow(/different tasks/);
  });
});

import { describe, expect, test } from "vitest";
import { Policy, type PolicyOptions } from "../../src/diffusion/policy.js";
import { PhiloxStream } from "../../src/core/philox.js";
import { deviceFor, engines } from "../kernels/harness.js";

const statistics = { observations: { min: [0, -1, 2], max: [1, 1, 6] }, actions: { min: [-0.5, 0], max: [0.5, 2] } };
const task = {
  observationNames: ["a", "b", "c"], actionNames: ["x", "y"], horizon: 4, actionSteps: 3, observationSteps: 2, statistics,
} as const;
const kinds: Readonly<Record<string, PolicyOptions>> = {
  diffusion: { ...task, network: { kind: "diffusion-mlp", hidden: [16, 16, 16], process: { denoisingSteps: 5 } } },
  oldest: { ...task, horizonStart: "oldest", network: { kind: "diffusion-mlp", hidden: [16, 16, 16], process: { denoisingSteps: 6, sampler: { kind: "ddim", stepCount: 3, eta: 1 } } } },
  unet: { ...task, network: { kind: "unet", timeSize: 8, channels: 8, multipliers: [1, 2], kernelSize: 3, groups: 2, process: { denoisingSteps: 5 } } },
  gaussian: { ...task, network: { kind: "gaussian-mlp", hidden: [16] } },
  gmm: { ...task, network: { kind: "gmm-mlp", components: 3, hidden: [16] } },
};

function observationsOf(rows: number): Float32Array {
  const random = new PhiloxStream(5, 0);
  return Float32Array.from({ length: rows * 6 }, (_, n) => random.uniform() * (n % 3 === 2 ? 4 : 1) + (n % 3 === 2 ? 2 : 0));
}

describe.each(Object.entries(kinds))("a %s policy", (kind, options) => {
  const isDiffusion = "process" in options.network;

  test("comes back from its file, to the bit", () => {
    const policy = Policy.create(options, 3).withMetadata({ method: "test" });
    const whole = isDiffusion ? policy.withTuned(policy.values.map((value) => value * 1.5), 2) : policy;
    const again = Policy.decode(whole.encode());
    expect(again.options).toEqual(whole.options);
    expect(again.metadata).toEqual({ method: "test" });
    expect(again.values).toEqual(whole.values);
    expect(again.tuned).toEqual(whole.tuned);
    expect(again.encode()).toEqual(whole.encode());
  });

  test.each(engines)("acts within the units of its data, the same for one seed (%s)", async (engine) => {
    const device = await deviceFor(engine);
    const base = Policy.create(options, 3);
    const policy = isDiffusion ? base.withTuned(base.values.map((value) => value * 0.9), 2) : base;
    // The first read-back of a device makes its staging buffer, which stays.
    await device.read(device.tensor([1]));
    const before = device.use.liveBuffers;
    const observations = observationsOf(5);
    const acts: number[][] = [];
    for (const isDeterministic of [true, false]) {
      using actor = await policy.on(device, { count: 5, isDeterministic, seed: 9 });
      const first = Array.from(await actor.act(observations));
      const second = Array.from(await actor.act(observations));
      actor.restart();
      expect(Array.from(await actor.act(observations))).toEqual(first);
      expect(second).not.toEqual(first);
      acts.push(first);
    }
    expect(acts[1]).not.toEqual(acts[0]);
    for (const actions of acts) {
      expect(actions).toHaveLength(5 * 3 * 2);
      for (const [n, action] of actions.entries()) {
        expect(Math.abs(action - (n % 2 === 0 ? 0 : 1)), kind).toBeLessThan(1.5);
      }
    }
    expect(device.use.liveBuffers).toBe(before);
  });
});

test.each(["diffusion", "unet"])("engines decide alike: %s", async (kind) => {
  if (engines.length < 2) return;
  const policy = Policy.create(kinds[kind]!, 3);
  const decisions: number[][] = [];
  for (const engine of engines) {
    using actor = await policy.on(await deviceFor(engine), { count: 5, isDeterministic: false });
    decisions.push(Array.from(await actor.act(observationsOf(5))));
  }
  for (const [n, action] of decisions[0]!.entries()) expect(action).toBeCloseTo(decisions[1]![n]!, 4);
});

test("a U-Net predicts another number of actions with the same parameters, tuned ones too; halves that leave a rest are refused", async () => {
  const base = Policy.create({ ...kinds.unet!, horizon: 8, actionSteps: 8 }, 3);
  const long = base.withTuned(base.values.map((value) => value * 0.9), 2);
  const short = long.withOptions({ horizon: 4, actionSteps: 4 });
  expect(short.values).toBe(long.values);
  expect(short.tuned).toEqual(long.tuned);
  expect(Policy.decode(short.encode()).options).toMatchObject({ horizon: 4, actionSteps: 4 });
  using actor = await short.on(await deviceFor("wasm"), { count: 3 });
  expect(await actor.act(observationsOf(3))).toHaveLength(3 * 4 * 2);
  expect(() => long.withOptions({ horizon: 5, actionSteps: 5 })).toThrow(/horizon 5 cannot be halved/);
  expect(() => Policy.create({ ...kinds.unet!, network: { ...kinds.unet!.network, groups: 3 } as never }, 0)).toThrow(/groups 3/);
});

test("what does not fit is refused by name", async () => {
  const policy = Policy.create(kinds.diffusion!, 3);
  expect(() => policy.withTuned(policy.values, 6)).toThrow(/tunedSteps is 6/);
  expect(() => policy.withValues(new Float32Array(3))).toThrow(/3 numbers/);
  expect(() => policy.withOptions({ horizon: 8, actionSteps: 8 })).toThrow(/do not fit/);
  expect(() => Policy.create(kinds.gaussian!, 3).withTuned(new Float32Array(1), 1)).toThrow();
  expect(() => Policy.create({ ...task, statistics: { ...statistics, actions: { min: [0], max: [1] } }, network: { kind: "gaussian-mlp" } }, 0)).toThrow(/statistics/);
  expect(() => Policy.decode(policy.encode().subarray(0, 100))).toThrow();
  using actor = await policy.on(await deviceFor("wasm"));
  await expect(actor.act(new Float32Array(5))).rejects.toThrow(/6/);
  await expect(actor.act(Float32Array.of(0, 0, 0, 0, Number.NaN, 0))).rejects.toThrow(/"b" of row 0/);
});

import { describe, expect, test } from "vitest";
import { pretrain, type PretrainEvent, type PretrainOptions } from "../../src/algorithms/pretrain.js";
import { PhiloxStream } from "../../src/core/philox.js";
import { DatasetBuilder, type Dataset } from "../../src/data/dataset.js";
import { splitEpisodes } from "../../src/data/windows.js";
import type { PolicyNetwork } from "../../src/diffusion/policy.js";
import { createDevice } from "../../src/engine/create-device.js";
import { readFloats, readSafetensors, writeSafetensors } from "../../src/io/safetensors.js";
import type { Training } from "../../src/rl/training.js";
import { deviceFor, engines } from "../kernels/harness.js";

const networks = {
  unet: { kind: "unet", timeSize: 4, channels: 4, multipliers: [1, 2], kernelSize: 3, groups: 2, process: { denoisingSteps: 5 } },
  diffusion: { kind: "diffusion-mlp", hidden: [16, 16, 16], isResidual: true, process: { denoisingSteps: 5 } },
  gaussian: { kind: "gaussian-mlp", hidden: [16], std: { kind: "learned", std: 0.3 } },
  gmm: { kind: "gmm-mlp", components: 3, hidden: [16] },
} as const satisfies Record<string, PolicyNetwork>;
const kinds = Object.entries(networks) as [keyof typeof networks, PolicyNetwork][];

/** Episodes of a random walk of two numbers; the first and last row of each are at the corners, so that all have one range. */
function walks(episodeCount: number, length = 9): Dataset {
  const builder = new DatasetBuilder({ environment: "walk", options: {}, observationNames: ["a", "b"], actionNames: ["x", "y"] });
  for (let episode = 0; episode < episodeCount; episode++) {
    const random = new PhiloxStream(4, episode);
    const row = (n: number): number => (n < 2 ? -1 : n >= 2 * length - 2 ? 1 : 2 * random.uniform() - 1);
    const observations = Float32Array.from({ length: 2 * length }, (_, n) => row(n));
    const actions = Float32Array.from({ length: 2 * length }, (_, n) => row(n));
    builder.add({ observations, actions, rewards: new Float32Array(length), seed: episode, success: true, label: "" });
  }
  return builder.build();
}

/** One long episode of single decisions: an action for each state. */
function decisions(rows: number, actionOf: (state: number, random: PhiloxStream) => number): Dataset {
  const random = new PhiloxStream(8, 0);
  const builder = new DatasetBuilder({ environment: "decisions", options: {}, observationNames: ["state"], actionNames: ["action"] });
  const observations = Float32Array.from({ length: rows }, (_, row) => (2 * row) / (rows - 1) - 1);
  const actions = observations.map((state) => actionOf(state, random));
  builder.add({ observations, actions, rewards: new Float32Array(rows), seed: 0, success: true, label: "" });
  return builder.build();
}

const data = walks(5);
/** 30 windows: three batches of 8 and one of 6. */
const quick = { horizon: 4, epochs: 6, batchSize: 8, reportEvery: 5, rate: 1e-2, emaStart: 2, seed: 3 } as const;

async function eventsOf(training: Training<PretrainEvent>): Promise<PretrainEvent[]> {
  const events: PretrainEvent[] = [];
  for await (const event of training) events.push(event);
  return events;
}

async function stateOf(training: Training<PretrainEvent>): Promise<Map<string, Float32Array>> {
  const { tensors } = readSafetensors(await training.save());
  return new Map([...tensors].map(([name, tensor]) => [name, readFloats(tensor)]));
}

describe.each(engines)("pre-training on %s", (engine) => {
  test.each(kinds)("of a %s policy: stopped anywhere and resumed, it ends with the same bits", async (_, network) => {
    const device = await deviceFor(engine);
    const options: PretrainOptions = { ...quick, network };
    const whole = pretrain(device, data, options);
    const events = await eventsOf(whole);
    expect(events.at(-1)).toMatchObject({ step: 24, steps: 24, epoch: 6, epochs: 6 });
    const expected = await whole.save();

    // Left between two events, in the middle of an epoch.
    const left = pretrain(device, data, options);
    for await (const event of left) if (event.step === 10) break;
    const later = await eventsOf(pretrain(device, data, { ...options, resume: await left.save() }));
    expect(later.map(({ step, loss }) => ({ step, loss }))).toEqual(events.slice(2).map(({ step, loss }) => ({ step, loss })));

    // Stopped by a signal, twice in one run.
    const [first, second] = [new AbortController(), new AbortController()];
    const stopped = pretrain(device, data, { ...options, signal: first.signal });
    await expect((async () => { for await (const { step } of stopped) if (step === 5) first.abort("enough"); })())
      .rejects.toMatchObject({ code: "CANCELLED", cause: "enough" });
    const again = pretrain(device, data, { ...options, reportEvery: 3, signal: second.signal, resume: await stopped.save() });
    await expect((async () => { for await (const { step } of again) if (step >= 15) second.abort(); })()).rejects.toMatchObject({ code: "CANCELLED" });
    const last = pretrain(device, data, { ...options, resume: await again.save() });
    await eventsOf(last);
    expect(await last.save()).toEqual(expected);
    expect((await last.policy()).encode()).toEqual((await whole.policy()).encode());
  });

  test("gives all memory back, however it ends", async () => {
    const device = await deviceFor(engine);
    const round = async (): Promise<void> => {
      const options: PretrainOptions = { ...quick, network: networks.diffusion, validationShare: 0.4, sampleEvery: 2 };
      await eventsOf(pretrain(device, data, options));
      for await (const event of pretrain(device, data, options)) if (event.step > 0) break;
      const closed = pretrain(device, data, options);
      for await (const event of closed) {
        expect(event.step).toBe(5);
        closed.close();
        closed.close();
        break;
      }
      await expect(pretrain(device, data, { ...options, signal: AbortSignal.abort() })[Symbol.asyncIterator]().next()).rejects.toMatchObject({ code: "CANCELLED" });
    };
    await round();
    const { liveBuffers, liveBytes } = device.use;
    await round();
    expect(device.use).toMatchObject({ liveBuffers, liveBytes });
  });

  test("a device that is closed in the middle ends it with DEVICE_CLOSED, not with what the tidying up meets", async () => {
    const device = await createDevice(engine === "wasm" ? { engine, wasm: { threads: 1 } } : { engine });
    const training = pretrain(device, data, { ...quick, network: networks.gaussian });
    const events = training[Symbol.asyncIterator]();
    expect((await events.next()).value).toMatchObject({ step: 5 });
    device.close();
    await expect(events.next()).rejects.toMatchObject({ code: "DEVICE_CLOSED" });
    await expect(training.policy()).rejects.toMatchObject({ code: "DEVICE_CLOSED" });
  });
});

describe("an epoch", () => {
  // At a rate of next to nothing the parameters stand still, and losses tell which windows were taken.
  const still = { ...quick, network: networks.gaussian, rate: 1e-30, weightDecay: 0 } as const;

  test("takes every window once, in an order of its own", async () => {
    const device = await deviceFor("wasm");
    const [all] = await eventsOf(pretrain(device, data, { ...still, epochs: 1, batchSize: 1000 }));
    const events = await eventsOf(pretrain(device, data, { ...still, epochs: 3, reportEvery: 1 }));
    const epochs = [0, 1, 2].map((epoch) => events.slice(4 * epoch, 4 * epoch + 4).map(({ loss }) => loss));
    for (const losses of epochs) {
      const mean = losses.reduce((sum, loss, batch) => sum + loss * (batch < 3 ? 8 : 6), 0) / 30;
      expect(mean).toBeCloseTo(all!.loss, 5);
    }
    expect(new Set(epochs.flat().map((loss) => loss.toFixed(5))).size).toBe(12);
    expect(events.map(({ epoch }) => epoch)).toEqual([1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3]);
  });

  test("reports the mean loss since the last event, whatever their distance", async () => {
    const device = await deviceFor("wasm");
    const single = await eventsOf(pretrain(device, data, { ...quick, network: networks.gmm, reportEvery: 1 }));
    const events = await eventsOf(pretrain(device, data, { ...quick, network: networks.gmm, reportEvery: 7 }));
    expect(events.map(({ step }) => step)).toEqual([7, 14, 21, 24]);
    for (const [index, { step, loss, gradientNorm }] of events.entries()) {
      const steps = single.slice(index * 7, step);
      expect(loss).toBeCloseTo(steps.reduce((sum, event) => sum + event.loss, 0) / steps.length, 10);
      expect(gradientNorm).toBeCloseTo(steps.reduce((sum, event) => sum + event.gradientNorm, 0) / steps.length, 10);
    }
  });

  test("measures the loss of whole episodes that it never trains on, with and without the average", async () => {
    const device = await deviceFor("wasm");
    const events = await eventsOf(pretrain(device, data, { ...still, epochs: 5, validationShare: 0.4, validateEvery: 2, reportEvery: 1000 }));
    // 3 episodes are trained on: 18 windows, 3 batches.
    expect(events.map(({ step, validationLoss }) => [step, validationLoss !== undefined])).toEqual([[6, true], [12, true], [15, true]]);
    const { validation } = splitEpisodes(5, { share: 0.4, seed: 3 });
    const [expected] = await eventsOf(pretrain(device, data.subset(validation), { ...still, epochs: 1, batchSize: 1000 }));
    expect(events[0]!.validationLoss).toBeCloseTo(expected!.loss, 5);
    expect(events[0]!.emaValidationLoss).toBeCloseTo(expected!.loss, 5);

    const learned = await eventsOf(pretrain(device, walks(10), { ...quick, network: networks.diffusion, epochs: 40, validationShare: 0.3 }));
    const last = learned.at(-1)!;
    expect(last.validationLoss).toBeLessThan(1);
    expect(last.emaValidationLoss).not.toBe(last.validationLoss);
  });

  test("follows the schedule of the rate once per epoch, from its lowest", async () => {
    const device = await deviceFor("wasm");
    const events = await eventsOf(pretrain(device, data, {
      ...quick, network: networks.gaussian, epochs: 5, rate: 1e-2, minRate: 2e-3, warmupEpochs: 2, cycleEpochs: 4, reportEvery: 4,
    }));
    expect(events.map(({ rate }) => rate.toFixed(5))).toEqual(["0.00200", "0.00600", "0.01000", "0.00600", "0.00200"]);
  });

  test("shows what the policy does, in units of the data", async () => {
    const device = await deviceFor("wasm");
    const shifted = decisions(64, (state) => 100 + 10 * state);
    const options: PretrainOptions = { network: networks.gaussian, horizon: 1, epochs: 4, sampleEvery: 2, sampleStates: 3, sampleDraws: 5, reportEvery: 1 };
    const events = await eventsOf(pretrain(device, shifted, options));
    expect(events.filter(({ samples }) => samples !== undefined).map(({ epoch }) => epoch)).toEqual([2, 4]);
    const samples = events[3]!.samples!;
    expect(samples.map(({ observations }) => observations[0]!.toFixed(2))).toEqual(["-0.68", "0.02", "0.68"]);
    for (const { actions } of samples) {
      expect(actions).toHaveLength(5);
      for (const [action] of actions) expect(Math.abs(action! - 100)).toBeLessThan(25);
    }
    expect(JSON.parse(JSON.stringify(samples))).toEqual(samples);
    expect((await eventsOf(pretrain(device, shifted, options)))[3]!.samples).toEqual(samples);
  });
});

describe("the moving average", () => {
  test.each([
    [{ emaEvery: "batch", emaFrequency: 1, emaStart: 1 }],
    [{ emaEvery: "batch", emaFrequency: 3, emaStart: 3 }],
    [{ emaEvery: "epoch", emaFrequency: 1, emaStart: 2 }],
    [{ emaEvery: "epoch", emaFrequency: 2, emaStart: 4 }],
  ] as const)("with %j follows the scalar rule", async (rule) => {
    const device = await deviceFor("wasm");
    const training = pretrain(device, data, { ...quick, ...rule, network: networks.gaussian, emaDecay: 0.9, reportEvery: 1 });
    const name = "mlp_mean.moduleList.0.linear_1.weight";
    let average = readFloats(readSafetensors(await training.save()).tensors.get(`average.${name}`)!);
    for await (const { step, epoch } of training) {
      const state = await stateOf(training);
      const values = state.get(`network.${name}`)!;
      // Spec 5.2: counted from 0 by release 8, epochs from 1 by release 5.
      const isDue = rule.emaEvery === "batch" ? (step - 1) % rule.emaFrequency === 0 : step % 4 === 0 && epoch % rule.emaFrequency === 0;
      if (isDue) average = epoch < rule.emaStart ? values : average.map((past, at) => 0.9 * past + 0.1 * values[at]!);
      const got = state.get(`average.${name}`)!;
      for (const [at, value] of average.entries()) expect(Math.abs(got[at]! - value)).toBeLessThan(1e-6);
      expect(values).not.toEqual(got.map(() => 0));
    }
  });

  test("is the policy of a diffusion network, the parameters themselves of others, unless it is said otherwise", async () => {
    const device = await deviceFor("wasm");
    for (const [kind, network] of kinds) {
      for (const useEma of [undefined, false, true]) {
        const training = pretrain(device, data, { ...quick, network, ...(useEma === undefined ? {} : { useEma }) });
        await eventsOf(training);
        const policy = await training.policy();
        const { tensors } = readSafetensors(await training.save());
        const isDiffusion = policy.model.kind === "diffusion";
        const isAverage = useEma ?? isDiffusion;
        const prefix = isAverage ? "average." : isDiffusion ? "actor." : "network.";
        expect(policy.values, `${kind}, ${useEma}`).toEqual(policy.layout.load(tensors, { prefix }));
        expect(policy.metadata).toMatchObject({ method: "pretrain", environment: "walk", seed: "3", steps: "24", parameters: isAverage ? "average" : "last" });
      }
    }
  });
});

describe("what is learned", () => {
  const draws = 4000;

  /** Many actions in one state, without a seed of their own. */
  async function drawn(training: Training<PretrainEvent>, state: number): Promise<Float32Array> {
    const policy = await training.policy();
    using actor = await policy.on(await deviceFor("wasm"), { count: draws, isDeterministic: false, seed: 1 });
    return (await actor.act(new Float32Array(draws).fill(state))).slice();
  }

  function moments(values: Float32Array): { readonly mean: number; readonly std: number } {
    const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
    return { mean, std: Math.sqrt(values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length) };
  }

  test("a Gaussian policy recovers the mean of every state and the deviation", async () => {
    const set = decisions(2000, (state, random) => 3 + Math.sin(2 * state) + 0.2 * random.normal());
    const training = pretrain(await deviceFor("wasm"), set, {
      network: { kind: "gaussian-mlp", hidden: [32, 32], std: { kind: "learned", std: 0.3 } }, horizon: 1, epochs: 60, batchSize: 128, rate: 1e-2,
    });
    await eventsOf(training);
    for (const state of [-0.8, 0, 0.6]) {
      const { mean, std } = moments(await drawn(training, state));
      expect(Math.abs(mean - 3 - Math.sin(2 * state))).toBeLessThan(0.05);
      expect(Math.abs(std - 0.2)).toBeLessThan(0.015);
    }
  });

  test("an entropy weight widens a Gaussian policy", async () => {
    const set = decisions(500, (_, random) => random.normal());
    const deviations: number[] = [];
    for (const entropyWeight of [0, 1]) {
      const training = pretrain(await deviceFor("wasm"), set, {
        network: { kind: "gaussian-mlp", hidden: [8], std: { kind: "learned", std: 0.3 } }, horizon: 1, epochs: 60, batchSize: 128, rate: 1e-2, entropyWeight,
      });
      await eventsOf(training);
      deviations.push(moments(await drawn(training, 0)).std);
    }
    // The density weighs as much as the entropy: σ² / s² = 1 + w.
    expect(deviations[1]! / deviations[0]!).toBeGreaterThan(1.3);
  });

  test("a mixture recovers places, deviation and weights of its modes", async () => {
    const set = decisions(3000, (state, random) => (random.uniform() < 0.3 ? -1 : 1 + 0.3 * state) + 0.1 * random.normal());
    const training = pretrain(await deviceFor("wasm"), set, {
      network: { kind: "gmm-mlp", components: 2, hidden: [32], std: { kind: "learned", std: 0.2 } }, horizon: 1, epochs: 80, batchSize: 128, rate: 2e-2,
    });
    await eventsOf(training);
    for (const state of [-0.5, 0.5]) {
      const actions = await drawn(training, state);
      const [low, high] = [actions.filter((action) => action < 0), actions.filter((action) => action >= 0)];
      expect(Math.abs(low.length / draws - 0.3)).toBeLessThan(0.05);
      expect(Math.abs(moments(low).mean + 1)).toBeLessThan(0.05);
      expect(Math.abs(moments(high).mean - 1 - 0.3 * state)).toBeLessThan(0.05);
      for (const side of [low, high]) expect(Math.abs(moments(side).std - 0.1)).toBeLessThan(0.02);
    }
  });

  test("a diffusion policy learns both of two ways", async () => {
    const set = decisions(2048, (state, random) => (random.uniform() < 0.5 ? -0.5 : 0.5) + 0.3 * state);
    const training = pretrain(await deviceFor("wasm"), set, {
      network: { kind: "diffusion-mlp", hidden: [64, 64, 64], process: { denoisingSteps: 20 } }, horizon: 1, epochs: 100, batchSize: 256, rate: 5e-3,
    });
    await eventsOf(training);
    const policy = (await training.policy()).withProcess({ minSamplingStd: 0.01 });
    using actor = await policy.on(await deviceFor("wasm"), { count: draws, isDeterministic: false });
    const actions = await actor.act(new Float32Array(draws).fill(0.5));
    const near = (place: number): number => actions.filter((action) => Math.abs(action - place - 0.15) < 0.1).length / draws;
    expect(near(0.5) + near(-0.5)).toBeGreaterThan(0.8);
    for (const place of [-0.5, 0.5]) expect(Math.abs(near(place) - 0.45)).toBeLessThan(0.12);
  });
});

describe("a run", () => {
  test("spreads the observations over the range that is asked for, and nothing else", async () => {
    const options: PretrainOptions = { ...quick, epochs: 1, network: networks.diffusion };
    const device = await deviceFor("wasm");
    const [plain, wide] = await Promise.all([options, { ...options, observationRange: 4 }].map((each) => pretrain(device, data, each).policy()));
    expect(plain!.options.statistics).toEqual(data.statistics);
    expect(wide!.options.statistics).toEqual({ observations: { min: [-0.25, -0.25], max: [0.25, 0.25] }, actions: data.statistics.actions });
    expect(() => pretrain(device, data, { ...options, observationRange: 0 })).toThrow(/observationRange/);
  });

  test("that diverges names the step and keeps nothing", async () => {
    const training = pretrain(await deviceFor("wasm"), data, { ...quick, network: networks.diffusion, rate: 1e25 });
    const events = training[Symbol.asyncIterator]();
    const failure: unknown = await events.next().then(() => undefined, (error: unknown) => error);
    expect(failure).toMatchObject({ code: "DIVERGENCE", index: 2 });
    expect((failure as Error).message).toMatch(/^At step 2 the loss is/);
    await expect(training.save()).rejects.toBe(failure);
  });

  test("lets others in while it works", async () => {
    let ticks = 0;
    const timer = setInterval(() => { ticks += 1; }, 1);
    const training = pretrain(await deviceFor("wasm"), data, { ...quick, network: networks.diffusion, epochs: 400, reportEvery: 1_000_000 });
    const events = await eventsOf(training);
    clearInterval(timer);
    expect(events).toHaveLength(1);
    // Once every 50 ms of work, and there is work for more than that.
    expect(ticks).toBeGreaterThan(0);
  });

  test("gives policies and states one after the other while events are awaited", async () => {
    const training = pretrain(await deviceFor("wasm"), data, { ...quick, network: networks.gaussian });
    const fresh = await training.policy();
    const events = training[Symbol.asyncIterator]();
    const [, policy, , later] = await Promise.all([events.next(), training.policy(), events.next(), training.policy()]);
    expect(policy.metadata.steps).toBe("5");
    expect(later.metadata.steps).toBe("10");
    expect(policy.values).not.toEqual(fresh.values);
    expect(later.values).not.toEqual(policy.values);
    training.close();
    await expect(training.policy()).rejects.toMatchObject({ code: "CANCELLED" });
    await expect(events.next()).rejects.toMatchObject({ code: "CANCELLED" });
  });

  test.each<[Record<string, unknown>, string]>([
    [{ epochs: 0 }, "epochs"],
    [{ batchSize: 1.5 }, "batchSize"],
    [{ rate: 0 }, "rate"],
    [{ rate: Number.NaN }, "rate"],
    [{ minRate: -1 }, "minRate"],
    [{ weightDecay: 2 }, "weightDecay"],
    [{ emaDecay: 1.1 }, "emaDecay"],
    [{ emaEvery: "step" }, "emaEvery"],
    [{ validationShare: 1 }, "validationShare"],
    [{ horizon: 0 }, "horizon"],
    [{ horizon: 50 }, "horizon"],
    [{ actionSteps: 5 }, "actionSteps"],
    [{ network: { kind: "mlp" } }, "network.kind"],
    [{ entropyWeight: 0.1 }, "entropyWeight"],
    [{ seed: -1 }, "seed"],
    [{ signal: true }, "signal"],
    [{ batchsize: 16 }, "batchsize"],
  ])("with %j is refused before anything is allocated", async (wrong, path) => {
    const device = await deviceFor("wasm");
    const before = { ...device.use };
    const options = { ...quick, network: networks.diffusion, ...wrong } as PretrainOptions;
    expect(() => pretrain(device, data, options)).toThrow(expect.objectContaining({ path }));
    expect(() => pretrain(device, data, { ...quick, network: networks.diffusion, warmupEpochs: 6 })).toThrow(/warmupEpochs/);
    expect({ ...device.use }).toEqual(before);
  });

  test("resumes only what fits: options, data, file", async () => {
    const device = await deviceFor("wasm");
    const options: PretrainOptions = { ...quick, network: networks.gaussian, cycleEpochs: 6 };
    const training = pretrain(device, data, options);
    for await (const { step } of training) if (step === 10) break;
    const resume = await training.save();
    const refused = (changes: Partial<PretrainOptions>, set = data): unknown => {
      try {
        pretrain(device, set, { ...options, resume, ...changes });
        return undefined;
      } catch (error) {
        return error;
      }
    };
    expect(refused({ rate: 2e-2 })).toMatchObject({ code: "OPTION", path: "rate" });
    expect(refused({ network: { ...networks.gaussian, hidden: [17] } })).toMatchObject({ code: "OPTION", path: "network" });
    expect(refused({ epochs: 2 })).toMatchObject({ code: "OPTION", path: "epochs" });
    expect(refused({}, walks(6))).toMatchObject({ code: "FORMAT", path: "data" });
    expect(refused({ resume: resume.slice(0, 100) })).toMatchObject({ code: "FORMAT" });
    const { metadata, tensors } = readSafetensors(resume);
    const changed = (name: string, value: string): Uint8Array => writeSafetensors({ metadata: new Map([...metadata, [name, value]]), tensors });
    expect(refused({ resume: changed("format", "difftune-policy") })).toMatchObject({ code: "FORMAT", path: "format" });
    expect(refused({ resume: changed("version", "2") })).toMatchObject({ code: "FORMAT", path: "version" });
    expect(refused({ resume: changed("step", "-1") })).toMatchObject({ code: "FORMAT", path: "step" });
    expect(refused({ resume: changed("training", "[") })).toMatchObject({ code: "FORMAT", path: "training" });
    const without = new Map([...tensors].filter(([name]) => name !== "optimiser_state"));
    expect(refused({ resume: writeSafetensors({ metadata, tensors: without }) })).toMatchObject({ code: "FORMAT", path: "optimiser_state" });
    // More epochs, other reports: the numbers are the same.
    expect(refused({ epochs: 20, reportEvery: 1 })).toBeUndefined();
  });

  test("that is resumed at its end gives its policy and no event", async () => {
    const device = await deviceFor("wasm");
    const training = pretrain(device, data, { ...quick, network: networks.gaussian });
    await eventsOf(training);
    const again = pretrain(device, data, { ...quick, network: networks.gaussian, resume: await training.save() });
    expect(await eventsOf(again)).toEqual([]);
    expect((await again.policy()).encode()).toEqual((await training.policy()).encode());
  });
});

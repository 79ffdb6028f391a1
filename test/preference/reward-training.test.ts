import { describe, expect, test } from "vitest";
import { PhiloxStream } from "../../src/core/philox.js";
import { mean, standardDeviation } from "../../src/core/statistics.js";
import { calibrate, rankCorrelation } from "../../src/preference/calibration.js";
import type { PreferenceLabel, PreferencePair } from "../../src/preference/pair-store.js";
import { normaliseReward, RewardModel, rewardMap } from "../../src/preference/reward-model.js";
import { featureStatistics, trainReward, type RewardEvent, type RewardOptions, type RewardPairs, type RewardTraining } from "../../src/preference/reward-training.js";
import { deviceFor, engines } from "../kernels/harness.js";

/** The truth: a place is the better the farther it lies to the right and the lower. */
const truth = (x: number, y: number): number => x - 0.5 * y;

/** Pairs in a square, labelled by the truth; those that are close are equal. */
function pairsOf(count: number, horizon: number, seed: number, tieWidth = 0): PreferencePair[] {
  const random = new PhiloxStream(seed);
  const segment = (): Float32Array => Float32Array.from({ length: 2 * horizon }, () => 2 * random.uniform() - 1);
  const score = (states: Float32Array): number => states.reduce((sum, value, at) => sum + (at % 2 === 0 ? truth(value, 0) : truth(0, value)), 0);
  return Array.from({ length: count }, (_, id) => {
    const [features0, features1] = [segment(), segment()];
    const d = score(features1) - score(features0);
    const label: PreferenceLabel = Math.abs(d) < tieWidth ? -1 : d > 0 ? 1 : 0;
    return {
      id, horizon, features0, features1, states0: features0, states1: features1, label, annotator: "truth", round: 0, timestampMs: 0,
      source: { episode0: id, step0: 0, episode1: id, step1: 50 },
    };
  });
}

const dataOf = (count: number, horizon = 1, tieWidth = 0): RewardPairs => ({
  features: ["x", "y"], training: pairsOf(count, horizon, 1, tieWidth), validation: pairsOf(60, horizon, 2, tieWidth),
});
const small: RewardOptions = { hidden: [16, 16], members: 2, rate: 3e-3, batchSize: 48, epochs: 6, accuracy: 1, seed: 3 };

async function finish(training: RewardTraining): Promise<RewardEvent[]> {
  const events: RewardEvent[] = [];
  for await (const event of training) events.push(event);
  return events;
}

const numbersOf = (events: readonly RewardEvent[]): unknown[] => events.map(({ seconds: _, ...numbers }) => numbers);

describe.each(engines)("on %s", (engine) => {
  test.each([["drop", 1, 0], ["half", 3, 0.3], ["davidson", 2, 0.3]] as const)("a reward with ties %j is learned from segments of %i states, and orders states that it has not seen", async (ties, horizon, tieWidth) => {
    const device = await deviceFor(engine);
    const data = dataOf(200, horizon, tieWidth);
    const training = trainReward(device, data, { ...small, ties, epochs: 20 });
    const events = await finish(training);
    const model = await training.model();
    expect(events[0]!.loss).toBeGreaterThan(events.at(-1)!.loss);
    expect(events.at(-1)!.validationAccuracy).toBeGreaterThan(0.9);
    using scorer = await model.on(device, { rows: 64 });
    const states = Float32Array.from(pairsOf(100, 1, 9).flatMap(({ features0 }) => [...features0]));
    const rewards = await scorer.rewards(states);
    expect(rewards).toHaveLength(100);
    expect(rankCorrelation(rewards, rewards.map((_, at) => truth(states[2 * at]!, states[2 * at + 1]!)))).toBeGreaterThan(0.9);
    const differences = async (pairs: readonly PreferencePair[]): Promise<number[]> => {
      const sums = await Promise.all((["features0", "features1"] as const).map(async (which) => {
        using own = await model.on(device);
        const all = await own.rewards(pairs.flatMap((pair) => [...pair[which]]));
        return pairs.map((_, at) => all.subarray(at * horizon, (at + 1) * horizon).reduce((sum, value) => sum + value, 0));
      }));
      return sums[1]!.map((each, at) => each - sums[0]![at]!);
    };
    const best = events.find(({ epoch, bestEpoch }) => epoch === bestEpoch && epoch === events.at(-1)!.bestEpoch)!;
    // What the model says of the validation pairs is what the best epoch was measured by.
    expect(calibrate(await differences(data.validation), data.validation.map(({ label }) => label)).accuracy).toBeCloseTo(best.validationAccuracy!, 12);
  });

  test("a run that was saved and resumed goes on to the same bits, and the same seed gives them again", async () => {
    const device = await deviceFor(engine);
    const data = dataOf(100);
    const options: RewardOptions = { ...small, anchor: { low: [-2, -2], high: [2, 2], points: 5 } };
    const whole = trainReward(device, data, options);
    const events = await finish(whole);
    const first = trainReward(device, data, { ...options, epochs: 3 });
    const early = await finish(first);
    const second = trainReward(device, data, { ...options, resume: await first.save() });
    const late = await finish(second);
    const bare = (list: readonly RewardEvent[]): unknown[] => list.map(({ seconds: _, epochs: __, end: ___, ...numbers }) => numbers);
    expect(bare([...early, ...late])).toEqual(bare(events));
    expect(await second.save()).toEqual(await whole.save());
    expect((await second.model()).values).toEqual((await whole.model()).values);
    expect(numbersOf(await finish(trainReward(device, data, options)))).toEqual(numbersOf(events));
    await expect((async () => trainReward(device, data, { ...options, rate: 1e-3, resume: await first.save() }))()).rejects.toMatchObject({ code: "OPTION", path: "resume" });
  });
});

describe("training", () => {
  test("ends when the training pairs are right, or when validation gets no better, and keeps the best", async () => {
    const device = await deviceFor("wasm");
    const right = await finish(trainReward(device, dataOf(200), { ...small, epochs: 60, accuracy: 0.9 }));
    expect(right.at(-1)).toMatchObject({ end: "accuracy" });
    expect(right.at(-1)!.accuracy).toBeGreaterThan(0.9);
    expect(right.slice(0, -1).every(({ accuracy, end }) => accuracy <= 0.9 && end === undefined)).toBe(true);
    // Labels by chance: what is learned from them makes validation worse.
    const random = new PhiloxStream(4);
    const chance: RewardPairs = { ...dataOf(40), training: pairsOf(40, 1, 8).map((pair) => ({ ...pair, label: random.below(2) as 0 | 1 })) };
    const wrong = await finish(trainReward(device, chance, { ...small, rate: 0.01, epochs: 200, patience: 4 }));
    const { bestEpoch, epoch, end } = wrong.at(-1)!;
    expect([end, epoch - bestEpoch]).toEqual(["patience", 4]);
    const least = Math.min(...wrong.map(({ validationLoss }) => validationLoss!));
    expect(wrong[bestEpoch - 1]!.validationLoss).toBe(least);
  });

  test("the anchor keeps the reward small where nothing was seen", async () => {
    const device = await deviceFor("wasm");
    const corner = async (anchor: RewardOptions["anchor"]): Promise<number> => {
      const training = trainReward(device, dataOf(100), { ...small, epochs: 30, ...(anchor === undefined ? {} : { anchor }) });
      await finish(training);
      using scorer = await (await training.model()).on(device);
      const rewards = await scorer.rewards([5, -5, -5, 5, 5, 5, -5, -5]);
      return rewards.reduce((sum, value) => sum + Math.abs(value), 0) / 4;
    };
    expect(await corner({ low: [-6, -6], high: [6, 6], weight: 5 })).toBeLessThan(0.5 * (await corner(null)));
  });

  test("can be stopped by its signal with all that it has learned, and frees the device", async () => {
    const device = await deviceFor("wasm");
    const { liveBytes } = device.use;
    const stop = new AbortController();
    const training = trainReward(device, dataOf(60), { ...small, signal: stop.signal });
    const run = async (): Promise<void> => {
      for await (const { epoch } of training) if (epoch === 2) stop.abort();
    };
    await expect(run()).rejects.toMatchObject({ code: "CANCELLED", message: "Training was stopped after epoch 2 of 6." });
    expect(device.use.liveBytes).toBe(liveBytes);
    expect((await training.model()).values).toHaveLength((await training.model()).values.length);
    expect(await finish(trainReward(device, dataOf(60), { ...small, resume: await training.save() }))).toHaveLength(4);
    for await (const { epoch } of trainReward(device, dataOf(60), small)) if (epoch === 1) break;
    expect(device.use.liveBytes).toBe(liveBytes);
  });

  test.each([
    ["no pairs", { training: [] }, {}, /no pairs/],
    ["labels of one class", { training: pairsOf(9, 1, 1).map((pair) => ({ ...pair, label: 1 as const })) }, {}, /No training pair is labelled 0/],
    ["segments of different lengths", { validation: pairsOf(3, 2, 5) }, {}, /segments of 2 states/],
    ["other features", { features: ["x"] }, {}, /has 2 features/],
    ["statistics of another width", {}, { statistics: { mean: [0], std: [1] } }, /1 numbers for 2 features/],
    ["an anchor of another width", {}, { anchor: { low: [0], high: [1, 1] } }, /anchor.low/],
    ["an unknown option", {}, { member: 3 }, /Did you mean "members"/],
    ["bytes that are no state", {}, { resume: new Uint8Array(20) }, /./],
  ])("refuses %s", async (_, data, options, message) => {
    const device = await deviceFor("wasm");
    expect(() => trainReward(device, { ...dataOf(20), ...data }, { ...small, ...options })).toThrow(message);
  });
});

describe("a reward model", () => {
  const shape = { features: ["x", "y"], hidden: [8], members: 3, ties: "davidson", statistics: { mean: [1, 2], std: [0.5, 4] } } as const;
  const model = async (): Promise<RewardModel> => {
    const device = await deviceFor("wasm");
    const training = trainReward(device, dataOf(30), { hidden: [8], members: 3, ties: "davidson", epochs: 1, statistics: { mean: [1, 2], std: [0.5, 4] } });
    await finish(training);
    return training.model();
  };

  test("is saved and read again to the same rewards, its zero, unit and temperature with it", async () => {
    const device = await deviceFor("wasm");
    const before = (await model()).with({ shift: 0.25, scale: 2, temperature: 1.5 });
    const after = RewardModel.load(before.save());
    expect(after).toMatchObject({ shape, shift: 0.25, scale: 2, temperature: 1.5 });
    expect(after.values).toEqual(before.values);
    using scorer = await after.on(device, { rows: 2 });
    const features = [1, 2, 3, 4, 5, 6];
    const members = await scorer.members(features);
    const rewards = await scorer.rewards(features);
    for (let row = 0; row < 3; row++) expect(rewards[row]).toBeCloseTo(((members[0]![row]! + members[1]![row]! + members[2]![row]!) / 3 - 0.25) / 2, 6);
    expect(() => RewardModel.load(before.save().slice(0, 50))).toThrow(expect.objectContaining({ code: "FORMAT" }) as Error);
    await expect(scorer.rewards([1, 2, 3])).rejects.toMatchObject({ code: "SHAPE" });
    scorer.close();
    await expect(scorer.rewards([1, 2])).rejects.toMatchObject({ code: "DEVICE_CLOSED" });
  });

  test("is drawn over a grid: rows along y, columns along x, at the centres of the cells", async () => {
    const device = await deviceFor("wasm");
    using scorer = await (await model()).on(device);
    const map = await rewardMap(scorer, (x, y) => [x / 256 - 1, y / 256 - 1], { x: [0, 512], y: [100, 200], cells: 4 });
    expect([map.x, map.y]).toEqual([[64, 192, 320, 448], [112.5, 137.5, 162.5, 187.5]]);
    expect(map.values[1]![2]).toBe((await scorer.rewards([320 / 256 - 1, 137.5 / 256 - 1]))[0]);
  });

  test("takes zero and unit from rollouts where it is asked to", async () => {
    const device = await deviceFor("wasm");
    const states = Float32Array.from(pairsOf(50, 1, 6).flatMap(({ features0 }) => [...features0]));
    const original = (await model()).with({ shift: 3, scale: 7 });
    for (const kind of ["center", "standardize"] as const) {
      using scorer = await (await normaliseReward(device, original, states, kind)).on(device);
      const rewards = await scorer.rewards(states);
      expect(mean(rewards)).toBeCloseTo(0, 5);
      if (kind === "standardize") expect(standardDeviation(rewards)).toBeCloseTo(1, 5);
      else expect(Math.max(...rewards.map(Math.abs))).toBeLessThan(2);
    }
    await expect(normaliseReward(device, original, [1, 2, 1, 2], "standardize")).rejects.toThrow(/same reward/);
  });

  test("statistics have a floor, and are those of the population", () => {
    expect(featureStatistics([1, 5, 3, 5], 2)).toEqual({ mean: [2, 5], std: [1, 1e-3] });
  });
});

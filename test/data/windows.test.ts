import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { DifftuneError } from "../../src/core/errors.js";
import { DatasetBuilder, type Dataset } from "../../src/data/dataset.js";
import { splitEpisodes, transitionWindowsOf, windowsOf, type WindowOptions } from "../../src/data/windows.js";
import { Normaliser } from "../../src/envs/index.js";

/** Episodes whose numbers say where they stand: observation 100 e + t, action -(100 e + t), reward t + 1. */
function countedDataset(lengths: readonly number[], isTerminated = (_episode: number): boolean => false): Dataset {
  const builder = new DatasetBuilder({ environment: "counted", options: {}, observationNames: ["place"], actionNames: ["back"] });
  for (const [episode, length] of lengths.entries()) {
    const places = Float32Array.from({ length }, (_, step) => 100 * episode + step);
    builder.add({
      observations: places,
      actions: places.map((place) => -place),
      rewards: Float32Array.from({ length }, (_, step) => step + 1),
      seed: episode,
      success: false,
      isTerminated: isTerminated(episode),
      label: "",
    });
  }
  return builder.build();
}

function rowsOf(values: Float32Array, width: number): number[][] {
  return Array.from({ length: values.length / width }, (_, row) => [...values.subarray(row * width, (row + 1) * width)]);
}

describe("windows", () => {
  test("begin at every row that has a whole chunk ahead, in no episode shorter than a chunk", () => {
    const windows = windowsOf(countedDataset([4, 2, 3]), { horizon: 3 });
    expect([...windows.starts]).toEqual([0, 1, 6]);
    expect([...windows.episodes]).toEqual([0, 0, 2]);
    const { rows, states, chunks } = windows.materialise();
    expect(rows).toBe(3);
    expect(rowsOf(states, 1)).toEqual([[0], [1], [200]]);
    expect(rowsOf(chunks, 3)).toEqual([[-0, -1, -2], [-1, -2, -3], [-200, -201, -202]]);
  });

  test("with the newest observation first executed repeat the first row before the start", () => {
    const { states, chunks } = windowsOf(countedDataset([4]), { horizon: 2, observationSteps: 3, horizonStart: "newest" }).materialise();
    expect(rowsOf(states, 3)).toEqual([[0, 0, 0], [0, 0, 1], [0, 1, 2]]);
    expect(rowsOf(chunks, 2)).toEqual([[-0, -1], [-1, -2], [-2, -3]]);
  });

  test("with the oldest observation first begin stack and chunk at one row", () => {
    const { states, chunks } = windowsOf(countedDataset([4]), { horizon: 3, observationSteps: 2 }).materialise();
    expect(rowsOf(states, 2)).toEqual([[0, 1], [1, 2]]);
    expect(rowsOf(chunks, 3)).toEqual([[-0, -1, -2], [-1, -2, -3]]);
  });

  test("padded at the edges, as diffusion policy does, repeat the first and the last row", () => {
    const windows = windowsOf(countedDataset([4, 2, 1]), { horizon: 4, observationSteps: 2, actionSteps: 2, padding: "edges" });
    expect([...windows.starts]).toEqual([-1, 0, 1, 3]);
    const { states, chunks } = windows.materialise();
    expect(rowsOf(states, 2)).toEqual([[0, 0], [0, 1], [1, 2], [100, 100]]);
    expect(rowsOf(chunks, 4)).toEqual([[-0, -0, -1, -2], [-0, -1, -2, -3], [-1, -2, -3, -3], [-100, -100, -101, -101]]);
  });

  test("make every recorded step the present of some window where the edges are padded", () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 12 }), { minLength: 1, maxLength: 4 }), fc.integer({ min: 1, max: 4 }), fc.integer({ min: 1, max: 6 }), fc.boolean(), (lengths, observationSteps, ahead, isOldest) => {
        const dataset = countedDataset(lengths);
        const horizon = isOldest ? ahead + observationSteps - 1 : ahead;
        const windows = windowsOf(dataset, { horizon, observationSteps, actionSteps: ahead, horizonStart: isOldest ? "oldest" : "newest", padding: "edges" });
        const { states } = windows.materialise();
        const present = new Set(rowsOf(states, observationSteps).map((stack) => stack.at(-1)));
        expect(present).toEqual(new Set(dataset.observations));
      }),
      { numRuns: 60 },
    );
  });

  test("are those of chosen episodes alone", () => {
    const dataset = countedDataset([3, 3, 3]);
    expect([...windowsOf(dataset, { horizon: 2, episodes: [2, 0] }).starts]).toEqual([6, 7, 0, 1]);
    expect([...windowsOf(dataset, { horizon: 2, maxEpisodes: 1 }).starts]).toEqual([0, 1]);
    expect([...windowsOf(dataset, { horizon: 2, episodes: [1, 2], maxEpisodes: 1 }).starts]).toEqual([3, 4]);
  });

  test("are normalised with the statistics that they are given, and leave the data set as it is", () => {
    const dataset = countedDataset([5]);
    const normaliser = new Normaliser(dataset.statistics);
    const { states, chunks } = windowsOf(dataset, { horizon: 2 }).materialise(normaliser);
    const restored = new Float32Array(chunks.length);
    normaliser.restoreActions(chunks, restored);
    for (const [index, value] of [0, -1, -1, -2, -2, -3, -3, -4].entries()) expect(restored[index]).toBeCloseTo(value, 5);
    expect(states[0]).toBeCloseTo(-1, 6);
    expect([...dataset.observations]).toEqual([0, 1, 2, 3, 4]);
  });

  test.each<[string, readonly number[], WindowOptions, string]>([
    ["no horizon", [4], {} as WindowOptions, "OPTION"],
    ["a horizon of 0", [4], { horizon: 0 }, "OPTION"],
    ["a misspelt option", [4], { horizon: 2, maxEpisode: 3 } as WindowOptions, "OPTION"],
    ["more actions than lie ahead", [4], { horizon: 2, observationSteps: 2, actionSteps: 2 }, "OPTION"],
    ["more observations than the horizon has", [9], { horizon: 2, observationSteps: 4 }, "OPTION"],
    ["an episode that is not there", [4], { horizon: 2, episodes: [1] }, "OPTION"],
    ["no episode of the length", [3, 2], { horizon: 4 }, "SHAPE"],
    ["no episode at all", [3, 2], { horizon: 2, episodes: [] }, "SHAPE"],
  ])("refuse %s", (_, lengths, options, code) => {
    expect(() => windowsOf(countedDataset(lengths), options)).toThrow(expect.objectContaining({ name: DifftuneError.name, code }) as Error);
  });

  test("refuse a normaliser of other sizes", () => {
    const statistics = { observations: { min: [0, 0], max: [1, 1] }, actions: { min: [0], max: [1] } };
    expect(() => windowsOf(countedDataset([4]), { horizon: 2 }).materialise(new Normaliser(statistics))).toThrow(/observationSize 2/);
  });
});

describe("windows of transitions", () => {
  test("lose the last start of an episode that was cut off", () => {
    const windows = transitionWindowsOf(countedDataset([4, 4], (episode) => episode === 1), { horizon: 2 });
    expect([...windows.starts]).toEqual([0, 1, 4, 5, 6]);
    const { rewards, dones, nextStates, returnsToGo } = windows.materialise();
    expect([...rewards]).toEqual([1, 2, 1, 2, 3]);
    expect([...dones]).toEqual([0, 0, 0, 0, 0]);
    expect([...nextStates]).toEqual([2, 3, 102, 0, 0]);
    expect([...returnsToGo]).toEqual([10, 9, 10, 9, 7]);
  });

  test("are done where their first step terminates, and discount what is to come", () => {
    const { dones, returnsToGo } = transitionWindowsOf(countedDataset([2], () => true), { horizon: 1, discount: 0.5 }).materialise();
    expect([...dones]).toEqual([0, 1]);
    expect([...returnsToGo]).toEqual([2, 2]);
  });

  test("keep zeros of the last windows out of the normaliser", () => {
    const dataset = countedDataset([5], () => true);
    const { nextStates } = transitionWindowsOf(dataset, { horizon: 2 }).materialise(new Normaliser(dataset.statistics));
    expect([...nextStates.subarray(2)]).toEqual([0, 0]);
    expect(nextStates[0]).toBeCloseTo(0, 5);
  });
});

describe("a validation split", () => {
  test("puts every episode on one side, the same for the same seed", () => {
    fc.assert(
      fc.property(fc.integer({ min: 2, max: 60 }), fc.double({ min: 0.01, max: 0.99, noNaN: true }), fc.integer({ min: 0, max: 1000 }), (count, share, seed) => {
        const { training, validation } = splitEpisodes(count, { share, seed });
        expect([...training, ...validation].sort((a, b) => a - b)).toEqual(Array.from({ length: count }, (_, index) => index));
        expect(validation.length).toBe(Math.min(Math.max(Math.round(share * count), 1), count - 1));
        expect(splitEpisodes(count, { share, seed })).toEqual({ training, validation });
      }),
    );
  });

  test("differs from seed to seed, and may be empty", () => {
    const chosen = new Set(Array.from({ length: 20 }, (_, seed) => splitEpisodes(30, { seed }).validation.join()));
    expect(chosen.size).toBe(20);
    expect(splitEpisodes(3, { share: 0 })).toEqual({ training: [0, 1, 2], validation: [] });
  });

  test.each<[string, number, object, string]>([
    ["one episode", 1, {}, "SHAPE"],
    ["no episode", 0, { share: 0 }, "SHAPE"],
    ["a share of 1", 9, { share: 1 }, "OPTION"],
    ["a negative seed", 9, { seed: -1 }, "OPTION"],
  ])("refuses %s", (_, count, options, code) => {
    expect(() => splitEpisodes(count, options)).toThrow(expect.objectContaining({ code }) as Error);
  });
});

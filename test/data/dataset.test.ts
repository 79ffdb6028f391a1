import { describe, expect, test } from "vitest";
import { DifftuneError } from "../../src/core/errors.js";
import { PhiloxStream } from "../../src/core/philox.js";
import { Dataset, DatasetBuilder, type DatasetSource } from "../../src/data/dataset.js";
import type { Demonstration } from "../../src/envs/index.js";
import { readSafetensors, writeSafetensors, type StoredTensor } from "../../src/io/safetensors.js";

const source: DatasetSource = {
  environment: "avoid",
  options: { reward: "m5", maxSteps: 100 },
  observationNames: ["desiredX", "desiredY", "actualX", "actualY"],
  actionNames: ["incrementX", "incrementY"],
};

function episode(length: number, seed: number): Demonstration {
  const random = new PhiloxStream(seed);
  const floats = (count: number) => Float32Array.from({ length: count }, () => random.uniform());
  return { observations: floats(4 * length), actions: floats(2 * length), rewards: floats(length), seed, success: seed % 2 === 0, isTerminated: seed % 3 === 0, label: `12${seed}` };
}

function makeDataset(): Dataset {
  const builder = new DatasetBuilder(source);
  for (const [index, length] of [5, 1, 9].entries()) builder.add(episode(length, 6 + index));
  return builder.build();
}

describe("data sets", () => {
  test("are read as they were written, to the bit", () => {
    const dataset = makeDataset();
    const bytes = dataset.encode();
    const again = Dataset.decode(bytes);
    expect(again).toEqual(dataset);
    expect(again.encode()).toEqual(bytes);
    expect(again.episodeCount).toBe(3);
    expect(again.stepCount).toBe(15);
    expect(again.episode(2)).toEqual(episode(9, 8));
    expect([...again.episodes()].map(({ label }) => label)).toEqual(["126", "127", "128"]);
    expect([...again.ends]).toEqual([5, 6, 15]);
  });

  test("know the extrema of every column", () => {
    const { observations, actions, statistics } = makeDataset();
    for (const [values, width, { min, max }] of [[observations, 4, statistics.observations], [actions, 2, statistics.actions]] as const) {
      for (let column = 0; column < width; column++) {
        const own = values.filter((_, index) => index % width === column);
        expect(min[column]).toBe(Math.min(...own));
        expect(max[column]).toBe(Math.max(...own));
      }
    }
  });

  test("give subsets with statistics of their own", () => {
    const subset = makeDataset().subset([2, 0]);
    expect(subset.episode(0)).toEqual(episode(9, 8));
    expect(subset.episode(1)).toEqual(episode(5, 6));
    expect(subset.statistics.actions.max[0]).toBe(Math.max(...subset.actions.filter((_, index) => index % 2 === 0)));
  });

  test("report while they are collected, and stop the demonstrator when the loop is left", async () => {
    let stopped = false;
    async function* demonstrate(): AsyncGenerator<Demonstration> {
      try {
        for (let seed = 0; ; seed++) yield await Promise.resolve(episode(3, seed));
      } finally {
        stopped = true;
      }
    }
    const builder = new DatasetBuilder(source);
    const seen: number[][] = [];
    for await (const progress of builder.collect(demonstrate(), 4)) {
      seen.push([progress.episodes, progress.steps, progress.successes, progress.last.length, progress.total ?? -1]);
      if (progress.episodes === 3) break;
    }
    expect(seen).toEqual([[1, 3, 1, 3, 4], [2, 6, 1, 3, 4], [3, 9, 2, 3, 4]]);
    expect(stopped).toBe(true);
    expect(builder.build().episodeCount).toBe(3);
  });

  test.each<[string, Partial<Demonstration>, string]>([
    ["an empty episode", { observations: new Float32Array(0), actions: new Float32Array(0), rewards: new Float32Array(0) }, "SHAPE"],
    ["too few observations", { observations: new Float32Array(7) }, "SHAPE"],
    ["too many actions", { actions: new Float32Array(6) }, "SHAPE"],
    ["a NaN", { actions: Float32Array.of(0, 1, Number.NaN, 2) }, "FORMAT"],
    ["an infinite reward", { rewards: Float32Array.of(0, Number.POSITIVE_INFINITY) }, "FORMAT"],
    ["a negative seed", { seed: -1 }, "FORMAT"],
  ])("refuse %s and keep nothing of it", (_, fault, code) => {
    const builder = new DatasetBuilder(source);
    builder.add(episode(4, 1));
    expect(() => { builder.add({ ...episode(2, 1), ...fault }); }).toThrow(expect.objectContaining({ code }));
    expect(builder.build().stepCount).toBe(4);
  });

  const faults: [string, (tensors: Map<string, StoredTensor>, metadata: Map<string, string>) => void, string][] = [
    ["another format", (_, metadata) => metadata.set("format", "policy"), "format"],
    ["a later version", (_, metadata) => metadata.set("version", "2"), "version"],
    ["no environment", (_, metadata) => metadata.delete("environment"), "environment"],
    ["options that are no JSON", (_, metadata) => metadata.set("options", "{"), "options"],
    ["options that are a list", (_, metadata) => metadata.set("options", "[]"), "options"],
    ["names that are numbers", (_, metadata) => metadata.set("actionNames", "[1, 2]"), "actionNames"],
    ["one name too few", (_, metadata) => metadata.set("actionNames", '["incrementX"]'), "actions"],
    ["a label too few", (_, metadata) => metadata.set("labels", '["125"]'), "labels"],
    ["no actions", (tensors) => tensors.delete("actions"), "actions"],
    ["an end before its begin", (tensors) => tensors.set("ends", words([5, 5, 15])), "ends"],
    ["an end beyond the rows", (tensors) => tensors.set("ends", words([5, 6, 16])), "observations"],
    ["no episode", (tensors) => tensors.set("ends", words([])), "observations"],
    ["seeds of another count", (tensors) => tensors.set("seeds", words([1])), "seeds"],
    ["an end of 2", (tensors) => tensors.set("terminated", { dtype: "U8", shape: [3], bytes: Uint8Array.of(0, 1, 2) }), "terminated"],
    ["a success of 2", (tensors) => tensors.set("successes", { dtype: "U8", shape: [3], bytes: Uint8Array.of(0, 1, 2) }), "successes"],
    ["a NaN reward", (tensors) => new DataView(tensors.get("rewards")!.bytes.buffer, tensors.get("rewards")!.bytes.byteOffset).setFloat32(0, Number.NaN, true), "rewards"],
    ["statistics upside down", (tensors) => {
      const least = tensors.get("actions.min")!;
      tensors.set("actions.min", tensors.get("actions.max")!);
      tensors.set("actions.max", least);
    }, "actions.min"],
  ];
  test.each(faults)("a file with %s is refused", (_, spoil, path) => {
    const { tensors, metadata } = readSafetensors(makeDataset().encode());
    const spoilt = { tensors: new Map(tensors), metadata: new Map(metadata) };
    spoil(spoilt.tensors, spoilt.metadata);
    const bytes = writeSafetensors(spoilt);
    expect(() => Dataset.decode(bytes)).toThrow(DifftuneError);
    expect(() => Dataset.decode(bytes)).toThrow(expect.objectContaining({ code: "FORMAT", path }));
  });
});

function words(values: readonly number[]): StoredTensor {
  return { dtype: "U32", shape: [values.length], bytes: new Uint8Array(Uint32Array.from(values).buffer) };
}

import { mkdir, mkdtemp, readFile, readdir, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { beforeAll, beforeEach, describe, expect, test } from "vitest";
import { Dataset } from "../../src/data/dataset.js";
import { npyBytes, npzBytes } from "../data/writers/numpy.js";
import { zarrFiles } from "../data/writers/zarr.js";
import { expectBuilt } from "../expect-built.js";
import { difftune, jsonLines } from "./run-difftune.js";

let cwd: string;
beforeAll(expectBuilt);
beforeEach(async () => {
  cwd = await mkdtemp(path.join(tmpdir(), "difftune-convert-"));
});

const readDataset = async (name: string): Promise<Dataset> => Dataset.decode(await readFile(path.join(cwd, name)));

async function writeFiles(files: Readonly<Record<string, Uint8Array>>): Promise<void> {
  for (const [name, bytes] of Object.entries(files)) {
    await mkdir(path.dirname(path.join(cwd, name)), { recursive: true });
    await writeFile(path.join(cwd, name), bytes);
  }
}

const train = npzBytes({ states: npyBytes([-1, 0, 1, 0.5], [4, 1]), actions: npyBytes([0, 0, 1, -1], [4, 1]), traj_lengths: npyBytes([1, 3], [2], { description: "<i8" }) }, 6);
const normalization = npzBytes({ obs_min: npyBytes([10], [1]), obs_max: npyBytes([20], [1]), action_min: npyBytes([0], [1]), action_max: npyBytes([4], [1]) });

describe("difftune convert", () => {
  test("makes a data set of a folder of DPPO, in physical units", async () => {
    await writeFiles({ "hopper/train.npz": train, "hopper/normalization.npz": normalization });
    const { code, output, errors } = await difftune(["convert", "hopper", "--environment", "hopper", "--observation-names", "height", "--out", "new/hopper.safetensors"], { cwd });
    expect(code, errors).toBe(0);
    expect(output).toMatch(/^format {7}DPPO, npz$/m);
    const dataset = await readDataset("new/hopper.safetensors");
    expect(dataset.source).toMatchObject({ environment: "hopper", observationNames: ["height"], actionNames: ["actions"] });
    expect([...dataset.ends]).toEqual([1, 4]);
    for (const [index, value] of [10, 15, 20, 17.5].entries()) expect(dataset.observations[index]).toBeCloseTo(value, 4);
  });

  test("takes a single file, with its extrema or without", async () => {
    await writeFiles({ "train.npz": train, "n.npz": normalization });
    await difftune(["convert", "train.npz", "--out", "stored.safetensors"], { cwd });
    await difftune(["convert", "--from", "train.npz", "--normalization", "n.npz", "--out", "physical.safetensors"], { cwd });
    expect([...(await readDataset("stored.safetensors")).actions]).toEqual([0, 0, 1, -1]);
    expect((await readDataset("physical.safetensors")).actions[2]).toBeCloseTo(4, 4);
  });

  test("makes a data set of a replay buffer, and to a program nothing but JSON lines", async () => {
    await writeFiles({
      ...(await zarrFiles("replay.zarr/data/keypoint", [1, 2, 3, 4], [2, 2], { chunks: [1, 2] })),
      ...(await zarrFiles("replay.zarr/data/action", [5, 6], [2, 1], { chunks: [2, 1] })),
      ...(await zarrFiles("replay.zarr/meta/episode_ends", [1, 2], [2], { chunks: [2], description: "<i8" })),
    });
    const { code, output, errors } = await difftune(["convert", "replay.zarr", "--observations", "keypoint,action", "--out", "a.safetensors", "--json"], { cwd });
    expect({ code, errors }).toEqual({ code: 0, errors: "" });
    expect(jsonLines(output).map(({ event, episodes }) => [event, episodes])).toEqual([["episode", 1], ["episode", 2], ["done", 2]]);
    expect([...(await readDataset("a.safetensors")).observations]).toEqual([1, 2, 5, 3, 4, 6]);
  });

  test.each<[readonly string[], number, RegExp]>([
    [["none", "--out", "a.safetensors"], 1, /none cannot be read: there is no such file or folder/],
    [["it.txt", "--out", "a.safetensors"], 1, /it\.txt is no recording in a known format/],
    [["it.txt", "--out", "it.txt"], 1, /it\.txt is there already/],
    [["it.txt"], 2, /option "out" is missing/],
    [["train.npz", "--out", "a.safetensors", "--observations", "pixels"], 1, /has no array "pixels"/],
    [["train.npz", "--out", "a.safetensors", "--action-names", "x,y"], 2, /actionNames has 2 names for 1 numbers/],
    [["bad.npz", "--out", "a.safetensors"], 1, /Episode 0, step 1: "actions" is NaN/],
  ])("refuses %j and writes nothing", async (words, expected, message) => {
    const bad = npzBytes({ states: npyBytes([1, 2], [2, 1]), actions: npyBytes([0, Number.NaN], [2, 1]), traj_lengths: npyBytes([2], [1]) });
    await writeFiles({ "it.txt": new TextEncoder().encode("nothing of the kind"), "train.npz": train, "bad.npz": bad });
    const { code, output, errors } = await difftune(["convert", ...words], { cwd });
    expect(errors).toMatch(message);
    expect({ code, output }).toEqual({ code: expected, output: "" });
    expect((await readdir(cwd)).sort()).toEqual(["bad.npz", "it.txt", "train.npz"]);
  });
});

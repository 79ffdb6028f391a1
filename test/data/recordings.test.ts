import { zipSync } from "fflate";
import { describe, expect, test } from "vitest";
import { DifftuneError } from "../../src/core/errors.js";
import { DatasetBuilder } from "../../src/data/dataset.js";
import { openRecording } from "../../src/data/open-recording.js";
import { loadRecording, type Recording } from "../../src/data/recording.js";
import type { Demonstration } from "../../src/envs/index.js";
import { bytesSource } from "../../src/io/byte-source.js";
import { json, memoryFolder } from "./writers/folder.js";
import { npyBytes, npzBytes } from "./writers/numpy.js";
import { parquetBytes, type Codec, type ParquetColumn } from "./writers/parquet.js";
import { pickleBytes, type Pickleable, type PickledArray } from "./writers/pickle.js";
import { zarrFiles } from "./writers/zarr.js";

/** Two episodes, of 3 and 2 steps, with 2 numbers of state and 1 of action; the numbers say where they stand. */
const lengths = [3, 2];
const states = [0, 1, 10, 11, 20, 21, 100, 101, 110, 111];
const actions = [0.5, 1.5, 2.5, 10.5, 11.5];
const rewards = [1, 2, 3, 4, 5];

async function collected(recording: Recording): Promise<Demonstration[]> {
  const episodes: Demonstration[] = [];
  for await (const episode of recording.episodes()) episodes.push(episode);
  return episodes;
}

/** What the two episodes must come out as. */
function expectEpisodes(episodes: readonly Demonstration[], { hasRewards = true } = {}): void {
  expect(episodes.map(({ observations }) => [...observations])).toEqual([states.slice(0, 6), states.slice(6)]);
  expect(episodes.map((episode) => [...episode.actions])).toEqual([actions.slice(0, 3), actions.slice(3)]);
  expect(episodes.map((episode) => [...episode.rewards])).toEqual(hasRewards ? [rewards.slice(0, 3), rewards.slice(3)] : [[0, 0, 0], [0, 0]]);
}

const stitched = {
  states: npyBytes(states, [5, 2], { description: "<f8" }),
  actions: npyBytes(actions, [5, 1]),
  traj_lengths: npyBytes(lengths, [2], { description: "<i8" }),
};
const normalization = npzBytes({
  obs_min: npyBytes([-10, 0], [2], { description: "<f8" }),
  obs_max: npyBytes([10, 4], [2], { description: "<f8" }),
  action_min: npyBytes([1], [1]),
  action_max: npyBytes([3], [1]),
});

describe("DPPO's npz", () => {
  test.each<[string, 0 | 6]>([["stored", 0], ["packed", 6]])("is read where it is %s, without reading images", async (_, level) => {
    const file = npzBytes({ ...stitched, rewards: npyBytes(rewards, [5]), terminals: npyBytes([0, 0, 1, 0, 0], [5], { description: "|b1" }), images: Uint8Array.of(1, 2, 3) }, level);
    const recording = await openRecording(bytesSource(file, "train.npz"));
    expect(recording).toMatchObject({ format: "DPPO, npz", episodeCount: 2, source: { environment: "unknown", observationNames: ["states0", "states1"], actionNames: ["actions"] } });
    const episodes = await collected(recording);
    expectEpisodes(episodes);
    expect(episodes.map(({ isTerminated }) => isTerminated)).toEqual([true, false]);
    // Each reading begins anew.
    expectEpisodes(await collected(recording));
  });

  test("gives zeros where there are no rewards", async () => {
    expectEpisodes(await collected(await openRecording(bytesSource(npzBytes(stitched)))), { hasRewards: false });
  });

  test("is restored to physical units with the extrema beside it, which stay its statistics", async () => {
    const [x, a] = [[-1, 1, 0, -1, 1, 0, 0, 0, 0.5, 0.5], [-1, 0, 1, 0.5, -0.5]];
    const train = npzBytes({ ...stitched, states: npyBytes(x, [5, 2]), actions: npyBytes(a, [5, 1]) });
    const folder = memoryFolder({ "train.npz": train, "normalization.npz": normalization });
    const dataset = await loadRecording(await openRecording(folder));
    expect(dataset.statistics).toEqual({ observations: { min: [-10, 0], max: [10, 4] }, actions: { min: [1], max: [3] } });
    for (const [index, value] of [-10, 4, 0, 0, 10, 2, 0, 2, 5, 3].entries()) expect(dataset.observations[index]).toBeCloseTo(value, 5);
    for (const [index, value] of [1, 2, 3, 2.5, 1.5].entries()) expect(dataset.actions[index]).toBeCloseTo(value, 5);
    const stored = await loadRecording(await openRecording(folder, { units: "stored" }));
    expect([...stored.observations]).toEqual(x);
    expect(stored.statistics.observations).toEqual({ min: [-1, -1], max: [1, 1] });
  });

  test("takes other arrays for the observation, and names", async () => {
    const file = npzBytes({ ...stitched, images: npyBytes(Array.from({ length: 20 }, (_, index) => index), [5, 1, 2, 2], { description: "|u1" }) });
    const recording = await openRecording(bytesSource(file), { observations: ["images", "states"], actionNames: ["push"], environment: "mine", environmentOptions: { size: 3 } });
    expect(recording.source).toEqual({ environment: "mine", options: { size: 3 }, observationNames: ["images0", "images1", "images2", "images3", "states0", "states1"], actionNames: ["push"] });
    const [first] = await collected(recording);
    expect([...first!.observations]).toEqual([0, 1, 2, 3, 0, 1, 4, 5, 6, 7, 10, 11, 8, 9, 10, 11, 20, 21]);
  });

  test.each<[string, Record<string, Uint8Array>, RegExp]>([
    ["no states", { actions: stitched.actions, traj_lengths: stitched.traj_lengths }, /no array "states".*actions, traj_lengths/],
    ["fewer steps than its lengths say", { ...stitched, traj_lengths: npyBytes([3, 3], [2], { description: "<i8" }) }, /"states" has 5 rows, its episodes have 6/],
    ["an episode of no steps", { ...stitched, traj_lengths: npyBytes([5, 0], [2], { description: "<i8" }) }, /episode 1 ends at row 5/],
    ["an episode of half a step", { ...stitched, traj_lengths: npyBytes([2.5, 2.5], [2]) }, /episode 0 ends at row 2.5/],
    ["no episode", { ...stitched, traj_lengths: npyBytes([], [0], { description: "<i8" }) }, /no episode/],
    ["fewer actions than states", { ...stitched, actions: npyBytes([1, 2, 3, 4], [4, 1]) }, /"actions" has 4 rows/],
    ["two rewards a step", { ...stitched, rewards: npyBytes([1, 2, 3, 4, 5, 6, 7, 8, 9, 10], [5, 2]) }, /"rewards" has 2 numbers a step/],
    ["lengths in a table", { ...stitched, traj_lengths: npyBytes([3, 2], [2, 1], { description: "<i8" }) }, /no list "traj_lengths"/],
    ["texts", { ...stitched, states: npyBytes([], [5, 2], { header: "{'descr': '<U4', 'fortran_order': False, 'shape': (5, 2), }" }) }, /elements of the type '<U4'/],
    ["objects", { ...stitched, states: npyBytes([], [5, 2], { header: "{'descr': '|O', 'fortran_order': False, 'shape': (5, 2), }" }) }, /elements of the type '\|O'/],
    ["records", { ...stitched, states: npyBytes([], [5], { header: "{'descr': [('x', '<f4')], 'fortran_order': False, 'shape': (5,), }" }) }, /is not understood/],
    ["a shape that does not fit its bytes", { ...stitched, states: npyBytes(states, [6, 2]) }, /takes 48 bytes, there are 40/],
    ["a shape beyond every memory", { ...stitched, states: npyBytes(states, [2 ** 40, 2 ** 40]) }, /no memory holds/],
    ["a version that is not known", { ...stitched, states: npyBytes(states, [5, 2], { version: 9 }) }, /has the version 9/],
    ["something else for an array", { ...stitched, states: Uint8Array.from({ length: 64 }) }, /is no array of NumPy/],
    ["an array that is cut off", { ...stitched, states: stitched.states.subarray(0, 9) }, /there are 9/],
  ])("with %s is refused", async (_, arrays, message) => {
    await expectFormat(async () => loadRecording(await openRecording(bytesSource(npzBytes(arrays), "train.npz"))), message);
  });

  test("with a number that is not finite is refused, and nothing is given", async () => {
    const file = npzBytes({ ...stitched, actions: npyBytes([0, 1, Number.NaN, 3, 4], [5, 1]) });
    await expectFormat(async () => loadRecording(await openRecording(bytesSource(file))), /Episode 0, step 2: "actions" is NaN/);
  });

  test("with extrema of other widths, or the wrong way round, is refused before it is read", async () => {
    const wide = npzBytes({ obs_min: npyBytes([0], [1]), obs_max: npyBytes([1], [1]), action_min: npyBytes([0], [1]), action_max: npyBytes([1], [1]) });
    await expectFormat(() => openRecording(bytesSource(npzBytes(stitched)), { normalization: bytesSource(wide, "normalization.npz") }), /extrema of 1 observations, the recording has 2/);
    const turned = npzBytes({ obs_min: npyBytes([0, 9], [2]), obs_max: npyBytes([1, 1], [2]), action_min: npyBytes([0], [1]), action_max: npyBytes([1], [1]) });
    await expectFormat(() => openRecording(bytesSource(npzBytes(stitched)), { normalization: bytesSource(turned) }), /column 1 are 9 and 1/);
    const partial = npzBytes({ obs_min: npyBytes([0, 9], [2]) });
    await expectFormat(() => openRecording(bytesSource(npzBytes(stitched)), { normalization: bytesSource(partial, "normalization.npz") }), /no list "obs_max"/);
  });

  test("with a wrong number of names is refused", async () => {
    await expect(openRecording(bytesSource(npzBytes(stitched)), { observationNames: ["x"] })).rejects.toMatchObject({ code: "OPTION", path: "observationNames" });
    await expect(openRecording(bytesSource(npzBytes(stitched)), { observation: ["x"] } as object)).rejects.toMatchObject({ code: "OPTION" });
  });
});

describe("DPPO's pickled episodes", () => {
  const padded = (values: readonly number[][], shape: readonly number[]): PickledArray => ({ shape, values: values.flat(), description: "<f8" });
  const content = new Map<string, Pickleable>([
    ["observations", padded([states.slice(0, 6), states.slice(6), [0, 0]], [2, 3, 2])],
    ["actions", padded([actions, [0]], [2, 3, 1])],
    ["rewards", padded([rewards, [0]], [2, 3])],
    ["traj_length", { shape: [2], values: lengths, description: "<i8" }],
  ]);

  test.each([2, 3, 4, 5])("are read from protocol %i, without what fills them up", async (protocol) => {
    const recording = await openRecording(bytesSource(pickleBytes(content, protocol), "train.npz"));
    expect(recording).toMatchObject({ format: "DPPO, pickled episodes", episodeCount: 2 });
    expectEpisodes(await collected(recording));
  });

  test("have the names of Avoid where they have as many numbers", async () => {
    const wide = new Map(content).set("observations", { shape: [2, 3, 4], values: Array.from({ length: 24 }, (_, index) => index), description: "<f4" }).set("actions", { shape: [2, 3, 2], values: Array.from({ length: 12 }, () => 0), description: "<f4" });
    const { source } = await openRecording(bytesSource(pickleBytes(wide)));
    expect([source.observationNames, source.actionNames]).toEqual([["desiredX", "desiredY", "actualX", "actualY"], ["incrementX", "incrementY"]]);
  });

  test("are restored with extrema that are pickled as well", async () => {
    const extrema = new Map<string, Pickleable>([["obs_min", [-1, -1]], ["obs_max", [1, 1]], ["action_min", [0]], ["action_max", [2]]]);
    const [first] = await collected(await openRecording(bytesSource(pickleBytes(content)), { normalization: bytesSource(pickleBytes(extrema)) }));
    expect(first!.actions[0]).toBeCloseTo(1.5, 5);
    expect(first!.observations[2]).toBeCloseTo(10, 4);
  });

  test.each<[string, (content: Map<string, Pickleable>) => unknown, RegExp]>([
    ["no observations", (map) => map.delete("observations"), /no array "observations"/],
    ["flat actions", (map) => map.set("actions", { shape: [6], values: [0, 0, 0, 0, 0, 0], description: "<f4" }), /no array "actions" of 3 dimensions/],
    ["actions of fewer steps", (map) => map.set("actions", { shape: [2, 2, 1], values: [0, 0, 0, 0], description: "<f4" }), /"actions" is \[2, 2, 1\]/],
    ["a length beyond the padding", (map) => map.set("traj_length", { shape: [2], values: [3, 4], description: "<i8" }), /1 to 3 steps/],
    ["a length of 0", (map) => map.set("traj_length", [0, 2]), /1 to 3 steps/],
    ["a length too few", (map) => map.set("traj_length", [3]), /each of the 2 episodes/],
    ["no lengths", (map) => map.delete("traj_length"), /no list "traj_length"/],
    ["lengths in words", (map) => map.set("traj_length", ["three", "two"]), /1 to 3 steps/],
  ])("with %s are refused", async (_, change, message) => {
    const changed = new Map(content);
    change(changed);
    await expectFormat(() => openRecording(bytesSource(pickleBytes(changed), "train.npz")), message);
  });

  test("that are a list and no dictionary are refused", async () => {
    await expectFormat(() => openRecording(bytesSource(pickleBytes([1, 2]), "train.npz")), /no pickle of a dictionary/);
  });
});

describe("D3IL's pickles", () => {
  const episode = (rows: readonly (readonly number[])[], actual = rows): Uint8Array => {
    const array = (values: readonly (readonly number[])[]): Pickleable => ({ shape: [values.length, 3], values: values.flat(), description: "<f8" });
    return pickleBytes(new Map([["robot", new Map([["des_c_pos", array(rows)], ["c_pos", array(actual)], ["time_stamp", [0.1, 0.2]]])]]));
  };

  test("give steps of the desired position and are labelled by their file", async () => {
    const folder = memoryFolder({
      "env_001_00.pkl": episode([[0.5, -0.25, 0.12], [0.5, 0.25, 0.12], [0.75, 0.5, 0.12]]),
      "env_000_00.pkl": episode([[0, 0, 0], [1, 0, 0]], [[2, 0.25, 0], [3, 0.3, 0]]),
    });
    const recording = await openRecording(folder);
    expect(recording).toMatchObject({ episodeCount: 2, source: { environment: "avoid", actionNames: ["incrementX", "incrementY"] } });
    const episodes = await collected(recording);
    expect(episodes.map(({ label, success }) => [label, success])).toEqual([["env_000_00", false], ["env_001_00", true]]);
    expect([...episodes[0]!.observations]).toEqual([0, 0, 2, 0.25]);
    expect([...episodes[1]!.actions]).toEqual([0, 0.5, 0.25, 0.25]);
    expect([...episodes[1]!.observations]).toEqual([0.5, -0.25, 0.5, -0.25, 0.5, 0.25, 0.5, 0.25]);
    expect(await collected(await openRecording(bytesSource(episode([[0, 0, 0], [1, 0, 0]]), "env_005_00.pkl")))).toMatchObject([{ label: "env_005_00" }]);
  });

  test.each<[string, Uint8Array, RegExp]>([
    ["one row", episode([[0, 0, 0]]), /1 desired and 1 actual/],
    ["fewer actual positions", episode([[0, 0, 0], [1, 1, 1]], [[0, 0, 0]]), /2 desired and 1 actual/],
    ["no positions", pickleBytes(new Map([["robot", new Map([["j_pos", [1]]])]])), /no array "robot.des_c_pos"/],
    ["a robot that is a number", pickleBytes(new Map([["robot", 1]])), /no array "robot.des_c_pos"/],
  ])("with %s are refused", async (_, file, message) => {
    await expectFormat(async () => collected(await openRecording(memoryFolder({ "env_000_00.pkl": file }))), message);
  });
});

describe("a replay buffer of diffusion policy", () => {
  const compressors = { none: null, zlib: { id: "zlib", level: 1 }, blosc: { id: "blosc", cname: "lz4", clevel: 5, shuffle: 1, blocksize: 0 } };
  const buffer = async (compressor: Readonly<Record<string, unknown>> | null, prefix = ""): Promise<Record<string, Uint8Array>> => ({
    ...(await zarrFiles(`${prefix}data/state`, states, [5, 2], { chunks: [2, 1], compressor })),
    ...(await zarrFiles(`${prefix}data/action`, actions, [5, 1], { chunks: [4, 1], compressor, description: "<f8" })),
    ...(await zarrFiles(`${prefix}data/img`, Array.from({ length: 20 }, (_, index) => index), [5, 2, 2], { chunks: [3, 2, 2], compressor, description: "|u1" })),
    ...(await zarrFiles(`${prefix}meta/episode_ends`, [3, 5], [2], { chunks: [2], compressor, description: "<i8" })),
  });

  test.each(Object.entries(compressors))("is read from a folder with %s compression", async (_, compressor) => {
    const recording = await openRecording(memoryFolder(await buffer(compressor)));
    expect(recording).toMatchObject({ format: "diffusion policy, replay buffer", episodeCount: 2, source: { observationNames: ["state0", "state1"], actionNames: ["action"] } });
    expectEpisodes(await collected(recording), { hasRewards: false });
  });

  test("is read from a zip, wherever in it it lies", async () => {
    for (const [prefix, compressor] of [["", null], ["pusht/replay.zarr/", compressors.blosc], ["pusht/replays.zarr/", null]] as const) {
      const zip = zipSync(await buffer(compressor, prefix), { level: 0 });
      expectEpisodes(await collected(await openRecording(bytesSource(zip, "replay.zarr.zip"))), { hasRewards: false });
    }
  });

  test("gives images where they are asked for", async () => {
    const [first] = await collected(await openRecording(memoryFolder(await buffer(null)), { observations: ["img", "action"] }));
    expect([...first!.observations]).toEqual([0, 1, 2, 3, 0.5, 4, 5, 6, 7, 1.5, 8, 9, 10, 11, 2.5]);
  });

  test("believes that a missing chunk is empty only if it is told so", async () => {
    const { "data/state/0.1": lost, ...files } = await buffer(null);
    expect(lost).toBeDefined();
    await expectFormat(async () => collected(await openRecording(memoryFolder(files))), /lacks the chunk "data\/state\/0.1"/);
    const [first] = await collected(await openRecording(memoryFolder(files), { missingChunks: "fill" }));
    expect([...first!.observations]).toEqual([0, 0, 10, 0, 20, 21]);
  });

  test.each<[string, (files: Record<string, Uint8Array>) => unknown, RegExp]>([
    ["no action", (files) => ["data/action/.zarray", "data/action/0.0", "data/action/1.0"].forEach((name) => Reflect.deleteProperty(files, name)), /no array "data\/action".*state, img/],
    ["a description that is no JSON", (files) => (files["data/state/.zarray"] = Uint8Array.of(1, 2)), /data\/state cannot be read/],
    ["a type of element that is not known", (files) => (files["data/state/.zarray"] = json({ zarr_format: 2, shape: [5, 2], chunks: [2, 1], dtype: "<M8[ns]", compressor: null, fill_value: 0, order: "C", filters: null })), /data\/state/],
    ["a compressor that is not known", (files) => (files["data/state/.zarray"] = json({ zarr_format: 2, shape: [5, 2], chunks: [2, 1], dtype: "<f4", compressor: { id: "mine" }, fill_value: 0, order: "C", filters: null })), /data\/state.*mine/],
    ["chunks larger than memory", (files) => (files["data/state/.zarray"] = json({ zarr_format: 2, shape: [5, 2], chunks: [2 ** 40, 2 ** 40], dtype: "<f4", compressor: null, fill_value: 0, order: "C", filters: null })), /data\/state/],
    ["a chunk that is cut off", (files) => (files["data/action/0.0"] = files["data/action/0.0"]!.subarray(0, 7)), /data\/action/],
    ["episodes that end beyond the data", async (files) => Object.assign(files, await zarrFiles("meta/episode_ends", [3, 6], [2], { chunks: [2], description: "<i8" })), /"state" has 5 rows, its episodes have 6/],
    ["episodes that do not rise", async (files) => Object.assign(files, await zarrFiles("meta/episode_ends", [5, 5], [2], { chunks: [2], description: "<i8" })), /episode 1 ends at row 5/],
    ["ends in a table", async (files) => Object.assign(files, await zarrFiles("meta/episode_ends", [3, 5], [1, 2], { chunks: [1, 2], description: "<i8" })), /episode_ends is no list/],
  ])("with %s is refused", async (_, change, message) => {
    const files = await buffer(null);
    await change(files);
    await expectFormat(async () => collected(await openRecording(memoryFolder(files))), message);
  });

  test("with damaged blosc is refused", async () => {
    const files = await buffer(compressors.blosc);
    files["data/state/0.0"] = files["data/state/0.0"]!.map((byte, index) => (index < 16 ? byte : byte ^ 0xff)).subarray(0, 20);
    await expectFormat(async () => collected(await openRecording(memoryFolder(files))), /data\/state/);
  });
});

describe("a data set of LeRobot", () => {
  const columns = (from = 0, to = 5): ParquetColumn[] => [
    { name: "observation.state", kind: "floats", rows: [0, 1, 2, 3, 4].slice(from, to).map((row) => states.slice(2 * row, 2 * row + 2)) },
    { name: "action", kind: "floats", rows: actions.slice(from, to).map((value) => [value]) },
    { name: "episode_index", kind: "int64", rows: [0, 0, 0, 1, 1].slice(from, to) },
    { name: "frame_index", kind: "int64", rows: [0, 1, 2, 0, 1].slice(from, to) },
    { name: "next.reward", kind: "float", rows: rewards.slice(from, to) },
    { name: "next.done", kind: "boolean", rows: [0, 0, 1, 0, 0].slice(from, to) },
    { name: "next.success", kind: "boolean", rows: [0, 0, 1, 0, 0].slice(from, to) },
    { name: "note", kind: "text", rows: ["a", "b", "c", "d", "e"].slice(from, to) },
  ];
  const info = {
    codebase_version: "v2.1",
    total_episodes: 2,
    total_frames: 5,
    chunks_size: 1000,
    data_path: "data/chunk-{episode_chunk:03d}/episode_{episode_index:06d}.parquet",
    features: { "observation.state": { dtype: "float32", shape: [2], names: { motors: ["x", "y"] } }, action: { dtype: "float32", shape: [1], names: null }, "observation.image": { dtype: "video", shape: [3, 96, 96] } },
  };
  const laterInfo = { ...info, codebase_version: "v3.0", data_path: "data/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet" };
  const version2 = (): Record<string, Uint8Array> => ({
    "meta/info.json": json(info),
    "data/chunk-000/episode_000000.parquet": parquetBytes(columns(0, 3)),
    "data/chunk-000/episode_000001.parquet": parquetBytes(columns(3, 5)),
  });

  test("of version 2 is read file by file", async () => {
    const recording = await openRecording(memoryFolder(version2()));
    expect(recording).toMatchObject({ format: "LeRobot", episodeCount: 2, source: { observationNames: ["x", "y"], actionNames: ["action"] } });
    const episodes = await collected(recording);
    expectEpisodes(episodes);
    expect(episodes.map(({ success, isTerminated }) => [success, isTerminated])).toEqual([[true, true], [false, false]]);
  });

  test("of version 3 is read across row groups and files", async () => {
    const folder = memoryFolder({
      "meta/info.json": json(laterInfo),
      "data/chunk-000/file-000.parquet": parquetBytes(columns(0, 2), { groups: [1, 2] }),
      "data/chunk-000/file-001.parquet": parquetBytes(columns(2, 4)),
      "data/chunk-001/file-000.parquet": parquetBytes(columns(4, 5)),
    });
    expectEpisodes(await collected(await openRecording(folder)));
  });

  test.each<Codec>(["none", "snappy", "gzip"])("is read with %s compression, from one file alone", async (codec) => {
    const recording = await openRecording(bytesSource(parquetBytes(columns(), { codec, groups: [2, 3, 5] }), "file.parquet"));
    expect(recording.source.observationNames).toEqual(["observation.state0", "observation.state1"]);
    expectEpisodes(await collected(recording));
  });

  test("may lie in a buffer of Node, whose slices are views", async () => {
    const file = Buffer.concat([Buffer.alloc(3), parquetBytes(columns(), { groups: [2, 5] })]).subarray(3);
    expectEpisodes(await collected(await openRecording(bytesSource(file))));
  });

  test("is one episode a file where no column says otherwise", async () => {
    const [state, action] = columns();
    const episodes = await collected(await openRecording(bytesSource(parquetBytes([state!, action!]))));
    expect(episodes.map((episode) => episode.rewards.length)).toEqual([5]);
  });

  test.each<[string, (files: Record<string, Uint8Array>) => unknown, RegExp]>([
    ["a missing file", (files) => delete files["data/chunk-000/episode_000001.parquet"], /lacks "data\/chunk-000\/episode_000001.parquet", episode 1 of 2/],
    ["a description that is no JSON", (files) => (files["meta/info.json"] = Uint8Array.of(123)), /description of folder is not understood/],
    ["a description without features", (files) => (files["meta/info.json"] = json({ total_episodes: 1 })), /description of folder is not understood/],
    ["no action", (files) => (files["meta/info.json"] = json({ ...info, features: { "observation.state": { shape: [2] } } })), /no column "action"/],
    ["fewer numbers than described", (files) => (files["meta/info.json"] = json({ ...info, features: { ...info.features, "observation.state": { shape: [3] } } })), /row 0: "observation.state" has 2 numbers instead of 3/],
    ["fewer frames than described", (files) => (files["meta/info.json"] = json({ ...info, total_frames: 9 })), /has 5 frames, its description says 9/],
    ["fewer episodes than described", (files) => Object.assign(files, { "meta/info.json": json({ ...laterInfo, total_episodes: 3 }), "data/chunk-000/file-000.parquet": parquetBytes(columns()) }), /has 2 episodes, its description says 3/],
    ["a file that is cut off", (files) => (files["data/chunk-000/episode_000000.parquet"] = parquetBytes(columns(0, 3)).subarray(0, 300)), /cannot be read as Parquet/],
    ["an empty file", (files) => (files["data/chunk-000/episode_000000.parquet"] = new Uint8Array(0)), /cannot be read as Parquet/],
    ["a column that is gone", (files) => (files["data/chunk-000/episode_000000.parquet"] = parquetBytes(columns(0, 3).slice(1))), /has no column "observation.state"/],
    ["frames out of order", (files) => (files["data/chunk-000/episode_000000.parquet"] = parquetBytes(columns(0, 3).map((column) => (column.name === "frame_index" ? { ...column, rows: [0, 2, 1] } : column)))), /row 1: frame 2 of episode 0 stands where frame 1/],
    ["episodes out of order", (files) => (files["data/chunk-000/episode_000001.parquet"] = parquetBytes(columns(3, 5).map((column) => (column.name === "episode_index" ? { ...column, rows: [-1, -1] } : column)))), /episode -1 stands behind episode 0/],
    ["a wrong count of rows", (files) => (files["data/chunk-000/episode_000000.parquet"] = parquetBytes(columns(0, 3), { rowCount: 7, groups: [3] })), /claims 7 rows, its row groups have 3/],
  ])("with %s is refused", async (_, change, message) => {
    const files = version2();
    change(files);
    await expectFormat(async () => loadRecording(await openRecording(memoryFolder(files))), message);
  });

  test("with a text for an action is refused", async () => {
    const [state] = columns();
    const file = parquetBytes([state!, { name: "action", kind: "text", rows: ["a", "b", "c", "d", "e"] }]);
    await expectFormat(() => openRecording(bytesSource(file)), /"action" holds no numbers/);
  });
});

describe("a recording", () => {
  test("may be a data set of this package", async () => {
    const builder = new DatasetBuilder({ environment: "mine", options: {}, observationNames: ["x"], actionNames: ["u"] });
    builder.add({ observations: Float32Array.of(1, 2), actions: Float32Array.of(3, 4), rewards: Float32Array.of(0, 1), seed: 7, success: true, label: "left" });
    const dataset = builder.build();
    expect(await loadRecording(await openRecording(bytesSource(dataset.encode())))).toEqual(dataset);
  });

  test.each<[string, Uint8Array]>([
    ["a text", new TextEncoder().encode("not a recording at all")],
    ["an empty file", new Uint8Array(0)],
    ["a zip of something else", zipSync({ "readme.txt": Uint8Array.of(1) })],
  ])("is not %s", async (_, bytes) => {
    await expectFormat(() => openRecording(bytesSource(bytes, "it")), /it is no recording in a known format/);
  });

  test("is not an empty folder", async () => {
    await expectFormat(() => openRecording(memoryFolder({})), /folder is no recording in a known format/);
  });
});

async function expectFormat(run: () => Promise<unknown>, message: RegExp): Promise<void> {
  const error: unknown = await run().then(() => undefined, (reason: unknown) => reason);
  expect(error).toBeInstanceOf(DifftuneError);
  expect(error).toMatchObject({ code: "FORMAT" });
  expect((error as DifftuneError).message).toMatch(message);
}

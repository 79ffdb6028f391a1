import { describe, expect, test } from "vitest";
import { openRecording } from "../../src/data/open-recording.js";
import type { Recording } from "../../src/data/recording.js";
import { bytesSource, type ByteSource, type Folder } from "../../src/io/byte-source.js";
import { memoryFolder } from "./writers/folder.js";
import { npyBytes, npzBytes } from "./writers/numpy.js";
import { parquetBytes } from "./writers/parquet.js";
import { zarrFiles } from "./writers/zarr.js";

const episodes = 200;
const steps = 500;
const width = 8;
const rows = episodes * steps;
/** Packs little, as recordings do. */
const states = Float32Array.from({ length: rows * width }, (_, index) => Math.sin(index * 1.37) * 1000);
const actions = states.subarray(0, rows);
const ends = Array.from({ length: episodes }, (_, index) => steps * (index + 1));

/** Counts what is read of a file. */
class Meter {
  total = 0;
  most = 0;

  of(source: ByteSource): ByteSource {
    return {
      ...source,
      read: async (offset, length) => {
        this.total += length;
        this.most = Math.max(this.most, length);
        return source.read(offset, length);
      },
    };
  }

  reset(): void {
    [this.total, this.most] = [0, 0];
  }
}

/** Reads `count` episodes and leaves the loop. */
async function take(recording: Recording, count: number): Promise<number> {
  let taken = 0;
  for await (const episode of recording.episodes()) {
    const expected = states.subarray(taken * steps * width, (taken + 1) * steps * width);
    expect(episode.observations.length === expected.length && episode.observations.every((value, index) => value === expected[index])).toBe(true);
    taken += 1;
    if (taken === count) break;
  }
  return taken;
}

describe("episodes are read one at a time", () => {
  const episodeBytes = 4 * steps * width;
  const arrays = { states: npyBytes(states, [rows, width]), actions: npyBytes(actions, [rows, 1]), traj_lengths: npyBytes(ends.map(() => steps), [episodes], { description: "<i8" }) };

  test("from a stored npz: no range is longer than an episode", async () => {
    const meter = new Meter();
    const recording = await openRecording(meter.of(bytesSource(npzBytes(arrays))));
    meter.reset();
    await take(recording, 3);
    expect(meter.most).toBe(episodeBytes);
    expect(meter.total).toBeLessThan(4 * episodeBytes);
    meter.reset();
    await take(recording, episodes);
    expect(meter.most).toBe(episodeBytes);
  });

  test("from a packed npz: it is unfolded as far as it is asked for", async () => {
    const meter = new Meter();
    const file = npzBytes(arrays, 6);
    const recording = await openRecording(meter.of(bytesSource(file)));
    meter.reset();
    await take(recording, 3);
    expect(meter.most).toBeLessThanOrEqual(65_536);
    expect(meter.total).toBeLessThan(6 * 65_536);
    expect(file.byteLength).toBeGreaterThan(20 * 65_536);
  });

  test("from Zarr: only the chunks that it lies in are opened, each of them once", async () => {
    const chunkRows = 700;
    const files = {
      ...(await zarrFiles("data/state", states.subarray(0, 20 * steps * width), [20 * steps, width], { chunks: [chunkRows, width] })),
      ...(await zarrFiles("data/action", actions.subarray(0, 20 * steps), [20 * steps, 1], { chunks: [chunkRows, 1] })),
      ...(await zarrFiles("meta/episode_ends", ends.slice(0, 20), [20], { chunks: [20], description: "<i8" })),
    };
    const opened: string[] = [];
    const folder: Folder = { ...memoryFolder(files), open: (name) => { opened.push(name); return memoryFolder(files).open(name); } };
    const recording = await openRecording(folder);
    opened.length = 0;
    await take(recording, 3);
    expect(opened.filter((name) => name.startsWith("data/state/"))).toEqual(["data/state/0.0", "data/state/1.0", "data/state/2.0"]);
  });

  test("from Parquet: only the row groups that it lies in are read", async () => {
    const count = 40;
    const list = (values: Float32Array, own: number): number[][] => Array.from({ length: count * steps }, (_, row) => [...values.subarray(row * own, (row + 1) * own)]);
    const file = parquetBytes(
      [
        { name: "observation.state", kind: "floats", rows: list(states, width) },
        { name: "action", kind: "floats", rows: list(actions, 1) },
        { name: "episode_index", kind: "int64", rows: Array.from({ length: count * steps }, (_, row) => Math.floor(row / steps)) },
      ],
      { groups: Array.from({ length: count / 2 }, (_, index) => 2 * steps * (index + 1)), codec: "none" },
    );
    const meter = new Meter();
    const recording = await openRecording(meter.of(bytesSource(file)));
    meter.reset();
    await take(recording, 1);
    const footerBytes = 2 ** 19;
    // Two episodes lie in a row group: the second one shows that the first is over.
    expect(meter.total).toBeLessThan(footerBytes + 4 * episodeBytes);
    expect(file.byteLength).toBeGreaterThan(footerBytes + 10 * episodeBytes);
  });
});

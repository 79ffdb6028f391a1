import { readFileSync } from "node:fs";
import path from "node:path";
import type { AvoidRows, Demonstration } from "../../src/envs/index.js";
import { sharedPath } from "../shared-folder.js";
import { readHumanEpisodes } from "./avoid-demonstrations.js";

const index = sharedPath("data/pusht-demos.json");
const folder = path.dirname(index.path);

/** Why tests on recordings of people cannot run here; undefined where they can. The recordings are not part of the repository. */
export const humanDataMissing = index.missing;

function readFloats32(file: string, from: number, count: number): Float32Array {
  const bytes = readFileSync(path.join(folder, file));
  return new Float32Array(bytes.buffer.slice(bytes.byteOffset + from, bytes.byteOffset + from + 4 * count));
}

/** The 206 Push-T recordings: state before each action, episode k from seed k. */
export function humanPushT(): Demonstration[] {
  const { episode_ends: ends, arrays } = JSON.parse(readFileSync(index.path, "utf8")) as {
    episode_ends: number[];
    arrays: { name: string; shape: [number, number]; offset: number }[];
  };
  const table = (name: string): Float32Array => {
    const { shape, offset } = arrays.find((array) => array.name === name)!;
    return readFloats32("pusht-demos.bin", offset, shape[0] * shape[1]);
  };
  const [states, actions] = [table("state"), table("action")];
  return ends.map((end, episode) => {
    const begin = episode === 0 ? 0 : ends[episode - 1]!;
    return {
      observations: states.subarray(5 * begin, 5 * end),
      actions: actions.subarray(2 * begin, 2 * end),
      rewards: new Float32Array(end - begin),
      seed: episode,
      success: true,
      label: String(episode),
    };
  });
}

/** The 96 Avoid recordings; `label` is the number of the recording. */
export function humanAvoid(): AvoidRows[] {
  return readHumanEpisodes(folder).map(({ id, values }) => ({ label: id, rows: values }));
}

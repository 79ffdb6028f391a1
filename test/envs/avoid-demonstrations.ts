import { readFileSync } from "node:fs";
import path from "node:path";

/** One recorded human episode of Avoid: rows of desired x, y and actual x, y. */
export interface HumanEpisode {
  readonly id: string;
  readonly mode: string;
  readonly subsets: readonly string[];
  readonly rows: number;
  /** [rows, 4] */
  readonly values: Float32Array;
}

/** The recordings in a folder of the form of `data/avoid-demos.*`. */
export function readHumanEpisodes(folder: string): HumanEpisode[] {
  const index = JSON.parse(readFileSync(path.join(folder, "avoid-demos.json"), "utf8")) as {
    readonly episodes: readonly (Omit<HumanEpisode, "values"> & { readonly offset_rows: number })[];
  };
  const bytes = readFileSync(path.join(folder, "avoid-demos.f32.bin"));
  const all = new Float32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength));
  return index.episodes.map(({ offset_rows: offset, ...episode }) => ({
    ...episode,
    values: all.slice(offset * 4, (offset + episode.rows) * 4),
  }));
}

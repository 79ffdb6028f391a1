import * as v from "valibot";
import { DifftuneError } from "../core/errors.js";
import { oneOf } from "../core/options.js";
import type { Demonstration } from "../envs/demonstration.js";
import { Normaliser, type DataStatistics, type NormaliserKind } from "../envs/normaliser.js";
import type { ByteSource } from "../io/byte-source.js";
import { DatasetBuilder, type Dataset, type DatasetSource } from "./dataset.js";

/** Recorded episodes in the format of another program: opened, and not yet read. */
export interface Recording {
  /** What the file is, in words. */
  readonly format: string;
  readonly source: DatasetSource;
  /** How many episodes there are, where that is known before they are read. */
  readonly episodeCount: number | undefined;
  /** Extrema that came with the episodes; undefined where they are to be taken from the numbers themselves. */
  readonly statistics: DataStatistics | undefined;
  /** Reads one episode after the other and keeps nothing of those before. Each call begins anew. */
  episodes(): AsyncGenerator<Demonstration, void, undefined>;
}

/** What the formats of other programs leave open. */
export interface RecordingOptions {
  /** Name of the environment that was recorded. Default "unknown", or what the format says. */
  readonly environment?: string | undefined;
  /** Its options, for replays. Default none. */
  readonly environmentOptions?: Readonly<Record<string, unknown>>;
  /**
   * Arrays or columns that make up an observation, one behind the other. Default: what the format calls the state, without
   * images. Whatever is named here is read, images too, each of their numbers as one of the observation.
   */
  readonly observations?: readonly string[] | undefined;
  /** Arrays or columns that make up an action. Default: what the format calls the action. */
  readonly actions?: readonly string[] | undefined;
  /** Names of the numbers of an observation. Default: names of the arrays, numbered. */
  readonly observationNames?: readonly string[] | undefined;
  /** Names of the numbers of an action. Default: names of the arrays, numbered. */
  readonly actionNames?: readonly string[] | undefined;
  /** Extrema that DPPO's files were normalised with. Default: `normalization.npz` beside them, in a folder. */
  readonly normalization?: ByteSource | undefined;
  /** How they were normalised. Default "dppo". */
  readonly normaliser?: NormaliserKind;
  /** `physical` undoes the normalisation where its extrema are there, `stored` leaves the numbers as they are. Default "physical". */
  readonly units?: "physical" | "stored";
  /**
   * Zarr leaves out chunks in which every number is the fill value, and a chunk that was lost looks just so: `refuse` reports
   * it, `fill` believes it. Default "refuse".
   */
  readonly missingChunks?: "refuse" | "fill";
}

const names = v.optional(v.pipe(v.array(v.string("It must be a list of names."), "It must be a list of names."), v.minLength(1, "It must have a name.")));
const isSource = (value: unknown): value is ByteSource => typeof value === "object" && value !== null && "read" in value && "size" in value;

/** @internal */
export const recordingSchema = v.strictObject({
  environment: v.optional(v.string("It must be a name.")),
  environmentOptions: v.optional(v.record(v.string(), v.unknown()), {}),
  observations: names,
  actions: names,
  observationNames: names,
  actionNames: names,
  normalization: v.optional(v.custom<ByteSource>(isSource, "It must be a ByteSource.")),
  normaliser: v.optional(oneOf(["dppo", "furniture", "diffusionPolicy"]), "dppo"),
  units: v.optional(oneOf(["physical", "stored"]), "physical"),
  missingChunks: v.optional(oneOf(["refuse", "fill"]), "refuse"),
} satisfies Record<keyof RecordingOptions, v.GenericSchema>);

/** @internal Resolved {@link RecordingOptions}. */
export type RecordingSettings = Readonly<v.InferOutput<typeof recordingSchema>>;

/** @internal An array with one row a step, wherever it lies. */
export interface RowTable {
  readonly name: string;
  readonly rows: number;
  readonly width: number;
  /** Rows [from, to) as [to - from, width]. */
  read(from: number, to: number): Promise<Float32Array>;
}

/** @internal The tables of a stitched recording; rewards are zeros where there are none. */
export interface RowTables {
  readonly observations: readonly RowTable[];
  readonly actions: readonly RowTable[];
  readonly rewards?: RowTable | undefined;
  readonly terminals?: RowTable | undefined;
}

/** @internal Cuts tables into episodes at `ends`, the rows after the last of each. */
export async function* episodesOfTables(tables: RowTables, ends: readonly number[]): AsyncGenerator<Demonstration, void, undefined> {
  let begin = 0;
  for (const end of ends) {
    const rewards = (await tables.rewards?.read(begin, end)) ?? new Float32Array(end - begin);
    const terminals = await tables.terminals?.read(begin, end);
    yield {
      observations: await readBeside(tables.observations, begin, end),
      actions: await readBeside(tables.actions, begin, end),
      rewards,
      seed: 0,
      success: false,
      isTerminated: (terminals?.at(-1) ?? 0) !== 0,
      label: "",
    };
    begin = end;
  }
}

/** Rows of several tables, joined row by row. */
async function readBeside(tables: readonly RowTable[], from: number, to: number): Promise<Float32Array> {
  const parts = [];
  for (const table of tables) parts.push({ width: table.width, values: await table.read(from, to) });
  return joinRows(parts, to - from);
}

/** @internal Joins tables of the same rows side by side. */
export function joinRows(parts: readonly { readonly width: number; readonly values: Float32Array }[], rows: number): Float32Array {
  if (parts.length === 1) return parts[0]!.values;
  const width = parts.reduce((sum, part) => sum + part.width, 0);
  const joined = new Float32Array(rows * width);
  let column = 0;
  for (const part of parts) {
    for (let row = 0; row < rows; row++) joined.set(part.values.subarray(row * part.width, (row + 1) * part.width), row * width + column);
    column += part.width;
  }
  return joined;
}

/** @internal Checks that all tables have the rows that the ends speak of, and that every episode has some. */
export function checkEnds(tables: RowTables, ends: readonly number[], name: string): void {
  if (ends.length === 0) throw new DifftuneError("FORMAT", `${name} has no episode.`, { path: name });
  const wrong = ends.findIndex((end, index) => !Number.isSafeInteger(end) || end <= (ends[index - 1] ?? 0));
  if (wrong >= 0) {
    throw new DifftuneError("FORMAT", `${name}: episode ${wrong} ends at row ${ends[wrong]}, not after the one before it.`, { path: name, index: wrong, got: ends[wrong] });
  }
  const all = [...tables.observations, ...tables.actions, tables.rewards, tables.terminals].filter((table) => table !== undefined);
  for (const table of all) {
    if (table.rows !== ends.at(-1)) {
      throw new DifftuneError("FORMAT", `${name}: "${table.name}" has ${table.rows} rows, its episodes have ${ends.at(-1)}.`, { path: table.name, expected: ends.at(-1), got: table.rows });
    }
  }
}

/** @internal What is said of a recording: its environment and the names of its numbers. */
export function sourceWith(
  settings: RecordingSettings,
  observations: readonly { readonly name: string; readonly width: number }[],
  actions: readonly { readonly name: string; readonly width: number }[],
  known: { readonly environment?: string; readonly observationNames?: readonly string[]; readonly actionNames?: readonly string[] } = {},
): DatasetSource {
  const pick = (option: "observationNames" | "actionNames", tables: typeof observations): readonly string[] => {
    const width = tables.reduce((sum, table) => sum + table.width, 0);
    const given = settings[option];
    if (given !== undefined && given.length !== width) {
      throw new DifftuneError("OPTION", `${option} has ${given.length} names for ${width} numbers.`, { path: option, expected: width, got: given.length });
    }
    if (given !== undefined) return given;
    if (known[option]?.length === width) return known[option];
    return tables.flatMap(({ name, width: own }) => (own === 1 ? [name] : Array.from({ length: own }, (_, index) => `${name}${index}`)));
  };
  return {
    environment: settings.environment ?? known.environment ?? "unknown",
    options: settings.environmentOptions,
    observationNames: pick("observationNames", observations),
    actionNames: pick("actionNames", actions),
  };
}

/** @internal Undoes the normalisation of episodes: x = (x̂ - offset) / scale, whatever the kind added to the range. */
export async function* restored(
  episodes: AsyncIterable<Demonstration>,
  statistics: DataStatistics,
  kind: NormaliserKind,
): AsyncGenerator<Demonstration, void, undefined> {
  // A policy's actions go back without DPPO's 1e-6; recorded ones went there with it, as observations do.
  const observations = new Normaliser(statistics, kind);
  const actions = new Normaliser({ observations: statistics.actions, actions: statistics.actions }, kind);
  for await (const episode of episodes) {
    observations.restoreObservations(episode.observations, episode.observations);
    actions.restoreObservations(episode.actions, episode.actions);
    yield episode;
  }
}

/** Reads all episodes of a recording into a data set. A fault anywhere is thrown; half a data set is never given. */
export async function loadRecording(recording: Recording): Promise<Dataset> {
  const builder = new DatasetBuilder(recording.source);
  for await (const episode of recording.episodes()) builder.add(episode);
  return builder.build(recording.statistics);
}

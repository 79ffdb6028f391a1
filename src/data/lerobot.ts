import * as v from "valibot";
import type { AsyncBuffer, FileMetaData } from "hyparquet";
import { DifftuneError } from "../core/errors.js";
import type { Demonstration } from "../envs/demonstration.js";
import { readRange, readWhole, type ByteSource, type Folder } from "../io/byte-source.js";
import { joinRows, sourceWith, type Recording, type RecordingSettings } from "./recording.js";

/** Where LeRobot describes a data set. */
export const lerobotDescription = "meta/info.json";
const descriptionLimitBytes = 16 * 2 ** 20;
const defaultPath = "data/chunk-{episode_chunk:03d}/episode_{episode_index:06d}.parquet";

const count = v.pipe(v.number(), v.safeInteger(), v.minValue(0));
/** What is used of the description; it holds much more. */
const descriptionSchema = v.object({
  total_episodes: count,
  total_frames: v.optional(count),
  chunks_size: v.optional(v.pipe(count, v.minValue(1)), 1000),
  data_path: v.optional(v.string(), defaultPath),
  features: v.record(v.string(), v.object({ shape: v.optional(v.array(count)), names: v.optional(v.unknown()) })),
});
type Description = v.InferOutput<typeof descriptionSchema>;

/** A column of numbers: one, or a list of them, a row. */
interface Column {
  readonly name: string;
  readonly width: number;
}

/**
 * A data set of LeRobot: `meta/info.json` and Parquet files, one an episode (version 2) or many episodes in each (version
 * 3). It is read one row group at a time. The state is `observation.state`, the action `action`, unless they are named
 * otherwise; `next.reward`, `next.done` and `next.success` are used where they are there. Videos and images are left out.
 */
export async function openLeRobot(folder: Folder, settings: RecordingSettings): Promise<Recording> {
  const file = await folder.open(lerobotDescription);
  if (file === undefined) throw new DifftuneError("FORMAT", `${folder.name} has no "${lerobotDescription}".`, { path: lerobotDescription });
  const description = readDescription(await readWhole(file, descriptionLimitBytes), folder.name);
  const wanted = [...columnNames(settings).observations, ...columnNames(settings).actions];
  const absent = wanted.find((name) => description.features[name] === undefined);
  if (absent !== undefined) throw absentColumn(absent, Object.keys(description.features), folder.name);
  const widthOf = (name: string): number => (description.features[name]?.shape ?? [1]).reduce((product, size) => product * size, 1);
  const columns = {
    observations: columnNames(settings).observations.map((name) => ({ name, width: widthOf(name) })),
    actions: columnNames(settings).actions.map((name) => ({ name, width: widthOf(name) })),
  };
  const namesOf = (group: readonly Column[]): readonly string[] => group.flatMap(({ name, width }) => axisNames(description.features[name]?.names, width) ?? []);
  return {
    format: "LeRobot",
    source: sourceWith(settings, columns.observations, columns.actions, { observationNames: namesOf(columns.observations), actionNames: namesOf(columns.actions) }),
    episodeCount: description.total_episodes,
    statistics: undefined,
    async *episodes() {
      let [episodes, frames] = [0, 0];
      for await (const episode of episodesOfFiles(filesOf(folder, description), columns)) {
        episodes += 1;
        frames += episode.rewards.length;
        yield episode;
      }
      for (const [what, expected, got] of [["episodes", description.total_episodes, episodes], ["frames", description.total_frames ?? frames, frames]] as const) {
        if (expected !== got) throw new DifftuneError("FORMAT", `${folder.name} has ${got} ${what}, its description says ${expected}.`, { hint: "Is a file missing?", path: lerobotDescription, expected, got });
      }
    },
  };
}

/** One Parquet file with the columns of LeRobot, without its description. */
export async function openParquet(file: ByteSource, settings: RecordingSettings): Promise<Recording> {
  const opened = await openFile(file);
  const names = columnNames(settings);
  const widthOf = async (name: string): Promise<Column> => {
    if (!opened.columns.includes(name)) throw absentColumn(name, opened.columns, file.name);
    const [row] = await opened.read(0, 1, [name]);
    return { name, width: numbersOf(row?.[name], name, file.name, 0).length };
  };
  const columns = { observations: await Promise.all(names.observations.map(widthOf)), actions: await Promise.all(names.actions.map(widthOf)) };
  return {
    format: "Parquet",
    source: sourceWith(settings, columns.observations, columns.actions),
    episodeCount: undefined,
    statistics: undefined,
    episodes: () => episodesOfFiles([file], columns),
  };
}

function columnNames(settings: RecordingSettings): { readonly observations: readonly string[]; readonly actions: readonly string[] } {
  return { observations: settings.observations ?? ["observation.state"], actions: settings.actions ?? ["action"] };
}

function readDescription(bytes: Uint8Array, name: string): Description {
  try {
    return v.parse(descriptionSchema, JSON.parse(new TextDecoder().decode(bytes.slice())));
  } catch (cause) {
    throw new DifftuneError("FORMAT", `The description of ${name} is not understood: ${cause instanceof Error ? cause.message : ""}`, { path: lerobotDescription, cause });
  }
}

/** The names of a feature's numbers: a list, or lists by group such as `motors`. */
function axisNames(names: unknown, width: number): readonly string[] | undefined {
  const lists: unknown[] = Array.isArray(names) ? [names] : typeof names === "object" && names !== null ? Object.values(names) : [];
  const flat: unknown[] = lists.flat();
  return flat.length === width && flat.every((item) => typeof item === "string") ? flat : undefined;
}

/** `{episode_index:06d}` becomes the number with leading zeros. */
function fillPath(path: string, numbers: Readonly<Record<string, number>>): string {
  return path.replace(/\{(\w+)(?::0?(\d+)d)?\}/g, (whole, key: string, digits?: string) => numbers[key]?.toString().padStart(Number(digits ?? 0), "0") ?? whole);
}

async function* filesOf(folder: Folder, description: Description): AsyncGenerator<ByteSource> {
  const { data_path: path, chunks_size: size, total_episodes: episodes } = description;
  if (path.includes("{episode_index")) {
    for (let episode = 0; episode < episodes; episode++) {
      const own = fillPath(path, { episode_chunk: Math.floor(episode / size), episode_index: episode });
      const file = await folder.open(own);
      if (file === undefined) throw new DifftuneError("FORMAT", `${folder.name} lacks "${own}", episode ${episode} of ${episodes}.`, { path: own, index: episode });
      yield file;
    }
    return;
  }
  // How many files there are is not said: they are numbered without a gap, and so are the chunks.
  for (let chunk = 0; ; chunk++) {
    for (let index = 0; ; index++) {
      const file = await folder.open(fillPath(path, { chunk_index: chunk, file_index: index }));
      if (file === undefined && index === 0) return;
      if (file === undefined) break;
      yield file;
    }
  }
}

type Row = Readonly<Record<string, unknown>>;

/** An opened Parquet file. */
interface ParquetFile {
  readonly columns: readonly string[];
  /** First row of each row group, and the number of rows at the end. */
  readonly groups: readonly number[];
  read(from: number, to: number, columns: readonly string[]): Promise<readonly Row[]>;
}

async function openFile(file: ByteSource): Promise<ParquetFile> {
  const { parquetMetadataAsync, parquetReadObjects, parquetSchema } = await import("hyparquet");
  const { compressors } = await import("hyparquet-compressors");
  const buffer: AsyncBuffer = {
    byteLength: file.size,
    // A copy: what is read may be a view, and the `slice` of Node's buffers is one too.
    slice: async (from, to = file.size) => new Uint8Array(await readRange(file, from, to - from, "a part of the file")).buffer,
  };
  const guarded = async <T>(read: () => Promise<T>): Promise<T> => {
    try {
      return await read();
    } catch (cause) {
      if (cause instanceof DifftuneError) throw cause;
      throw new DifftuneError("FORMAT", `${file.name} cannot be read as Parquet: ${cause instanceof Error ? cause.message : String(cause)}`, { path: file.name, cause });
    }
  };
  const { metadata, columns } = await guarded(async () => {
    const found: FileMetaData = await parquetMetadataAsync(buffer);
    return { metadata: found, columns: parquetSchema(found).children.map((child) => child.element.name) };
  });
  let rows = 0;
  const groups = [0, ...metadata.row_groups.map((group) => (rows += Number(group.num_rows)))];
  if (rows !== Number(metadata.num_rows) || !Number.isSafeInteger(rows)) {
    throw new DifftuneError("FORMAT", `${file.name} claims ${String(metadata.num_rows)} rows, its row groups have ${rows}.`, { path: file.name, got: rows });
  }
  return {
    columns,
    groups,
    read: async (from, to, wanted) => {
      const read = await guarded(() => parquetReadObjects({ file: buffer, metadata, compressors, columns: [...wanted], rowStart: from, rowEnd: to }));
      if (read.length !== to - from) throw new DifftuneError("FORMAT", `${file.name} has ${read.length} of the rows ${from} to ${to}.`, { path: file.name, expected: to - from, got: read.length });
      return read;
    },
  };
}

/** The rows of one episode, as they come. */
class OpenEpisode {
  readonly index: number;
  length = 0;
  isDone = false;
  success = false;
  readonly #columns: ReadonlyMap<string, { readonly width: number; readonly values: number[] }>;
  readonly #rewards: number[] = [];

  constructor(index: number, columns: readonly Column[]) {
    this.index = index;
    this.#columns = new Map(columns.map(({ name, width }) => [name, { width, values: [] }]));
  }

  add(row: Row, file: string, place: number): void {
    const frame = row.frame_index === undefined ? this.length : numbersOf(row.frame_index, "frame_index", file, place)[0];
    if (frame !== this.length) {
      throw new DifftuneError("FORMAT", `${file}, row ${place}: frame ${frame} of episode ${this.index} stands where frame ${this.length} is expected.`, { path: "frame_index", index: place, expected: this.length, got: frame });
    }
    for (const [name, { width, values }] of this.#columns) {
      const numbers = numbersOf(row[name], name, file, place);
      if (numbers.length !== width) {
        throw new DifftuneError("FORMAT", `${file}, row ${place}: "${name}" has ${numbers.length} numbers instead of ${width}.`, { path: name, index: place, expected: width, got: numbers.length });
      }
      for (const number of numbers) values.push(number);
    }
    const optional = (name: string): number => (row[name] === undefined || row[name] === null ? 0 : (numbersOf(row[name], name, file, place)[0] ?? 0));
    this.#rewards.push(optional("next.reward"));
    this.isDone = optional("next.done") !== 0;
    this.success ||= optional("next.success") !== 0;
    this.length += 1;
  }

  finish(observations: readonly Column[], actions: readonly Column[]): Demonstration {
    const join = (group: readonly Column[]): Float32Array =>
      joinRows(group.map(({ name, width }) => ({ width, values: Float32Array.from(this.#columns.get(name)!.values) })), this.length);
    return {
      observations: join(observations),
      actions: join(actions),
      rewards: Float32Array.from(this.#rewards),
      seed: 0,
      success: this.success,
      isTerminated: this.isDone,
      label: "",
    };
  }
}

/** Episodes may go on from one row group to the next, and from one file to the next. */
async function* episodesOfFiles(
  files: AsyncIterable<ByteSource> | Iterable<ByteSource>,
  { observations, actions }: { readonly observations: readonly Column[]; readonly actions: readonly Column[] },
): AsyncGenerator<Demonstration, void, undefined> {
  const numeric = [...observations, ...actions];
  let open: OpenEpisode | undefined;
  let fileIndex = -1;
  for await (const file of files) {
    fileIndex += 1;
    const opened = await openFile(file);
    const absent = numeric.find(({ name }) => !opened.columns.includes(name));
    if (absent !== undefined) throw absentColumn(absent.name, opened.columns, file.name);
    const wanted = [...new Set([...numeric.map(({ name }) => name), "episode_index", "frame_index", "next.reward", "next.done", "next.success"])].filter((name) => opened.columns.includes(name));
    for (const [group, from] of opened.groups.slice(0, -1).entries()) {
      for (const [offset, row] of (await opened.read(from, opened.groups[group + 1]!, wanted)).entries()) {
        // Without a column that says so, a file is an episode.
        const index = wanted.includes("episode_index") ? numbersOf(row.episode_index, "episode_index", file.name, from + offset)[0]! : fileIndex;
        if (open !== undefined && open.index !== index) {
          if (index < open.index) throw new DifftuneError("FORMAT", `${file.name}, row ${from + offset}: episode ${index} stands behind episode ${open.index}.`, { path: "episode_index", index: from + offset, got: index });
          yield open.finish(observations, actions);
          open = undefined;
        }
        open ??= new OpenEpisode(index, numeric);
        open.add(row, file.name, from + offset);
      }
    }
  }
  if (open !== undefined) yield open.finish(observations, actions);
}

/** The numbers of one cell: a number, a truth value, or lists of them. */
function numbersOf(cell: unknown, name: string, file: string, row: number): readonly number[] {
  if (typeof cell === "number") return [cell];
  if (typeof cell === "bigint" || typeof cell === "boolean") return [Number(cell)];
  if (Array.isArray(cell)) return cell.flatMap((item: unknown) => numbersOf(item, name, file, row));
  if (cell instanceof Float32Array || cell instanceof Float64Array || cell instanceof Int32Array) return [...cell];
  throw new DifftuneError("FORMAT", `${file}, row ${row}: "${name}" holds no numbers.`, { hint: "Images and texts are not read.", path: name, index: row });
}

function absentColumn(name: string, columns: readonly string[], place: string): DifftuneError {
  return new DifftuneError("FORMAT", `${place} has no column "${name}".`, { hint: `Its columns are ${columns.join(", ")}.`, path: name, got: columns });
}

import type { Array as ZarrArray, AsyncReadable, DataType } from "zarrita";
import { DifftuneError } from "../core/errors.js";
import { readWhole, type ByteSource, type Folder } from "../io/byte-source.js";
import { checkEnds, episodesOfTables, sourceWith, type Recording, type RecordingSettings, type RowTable } from "./recording.js";

/** A chunk, or a description, that is read at once. */
const fileLimitBytes = 2 ** 31 - 1;
const descriptionLimitBytes = 16 * 2 ** 20;
const endsPath = "meta/episode_ends";
const descriptions = [".zarray", "zarr.json"];

/**
 * The path of the replay buffer in a folder or an archive, "" for its root: where `meta/episode_ends` lies. Undefined if
 * there is none, or more than one.
 */
export async function findReplayBuffer(folder: Folder): Promise<string | undefined> {
  for (const description of descriptions) {
    if ((await folder.open(`${endsPath}/${description}`)) !== undefined) return "";
  }
  const pattern = new RegExp(`^(.*/)${endsPath}/(${descriptions.map((name) => name.replace(".", "\\.")).join("|")})$`);
  const roots = new Set((await folder.names()).map((name) => pattern.exec(name)?.[1]).filter((root) => root !== undefined));
  return roots.size === 1 ? [...roots][0] : undefined;
}

/**
 * The replay buffer of diffusion policy, Zarr of version 2 or 3: `data/<key>` [N, …] and `meta/episode_ends` [M]. It is
 * read one row of chunks at a time. The state is `data/state` or `data/obs`, the action `data/action`, unless they are
 * named otherwise.
 */
export async function openReplayBuffer(folder: Folder, root: string, settings: RecordingSettings): Promise<Recording> {
  const zarr = await import("zarrita");
  const place = (path: string): string => `${folder.name}: ${root}${path}`;
  const guarded = async <T>(path: string, read: () => Promise<T>): Promise<T> => {
    try {
      return await read();
    } catch (cause) {
      if (cause instanceof DifftuneError) throw cause;
      throw new DifftuneError("FORMAT", `${place(path)} cannot be read: ${cause instanceof Error ? cause.message : String(cause)}`, { path: root + path, cause });
    }
  };
  const isChunk = (key: string): boolean => !/\/(\.z\w+|zarr\.json)$/.test(key);
  const bloscArrays = new Set<string>();
  const store: AsyncReadable = {
    async get(key) {
      const path = key.slice(1);
      const file = await folder.open(path);
      if (file === undefined && isChunk(key) && settings.missingChunks === "refuse") {
        throw new DifftuneError("FORMAT", `${folder.name} lacks the chunk "${path}".`, {
          hint: 'Zarr leaves out chunks that hold the fill value alone; if that is so here, say missingChunks: "fill".',
          path,
        });
      }
      const bytes = file && (await readWhole(file, fileLimitBytes));
      if (bytes !== undefined && isChunk(key) && [...bloscArrays].some((array) => path.startsWith(`${array}/`))) checkBlosc(bytes, `${folder.name}: ${path}`);
      // A copy: numbers are viewed in place, which a part of an archive may not be aligned for.
      return bytes && new Uint8Array(bytes);
    },
  };
  const location = zarr.root(store).resolve(root);
  const has = async (path: string): Promise<boolean> => (await describe(path)) !== undefined;
  const describe = async (path: string): Promise<ByteSource | undefined> => {
    for (const description of descriptions) {
      const file = await folder.open(`${root}${path}/${description}`);
      if (file !== undefined) return file;
    }
    return undefined;
  };
  const open = async (path: string): Promise<ZarrArray<DataType, AsyncReadable>> => {
    const file = await describe(path);
    const text = file === undefined ? "" : new TextDecoder().decode((await readWhole(file, descriptionLimitBytes)).slice());
    // A shard holds many chunks: it has no header of its own.
    if (text.includes('"blosc"') && !text.includes('"sharding_indexed"')) bloscArrays.add(root + path);
    return guarded(path, () => zarr.open(location.resolve(path), { kind: "array" }));
  };
  /** Rows [from, to), which lie in one row of chunks. */
  const read = async (array: ZarrArray<DataType, AsyncReadable>, path: string, from: number, to: number): Promise<Float64Array> => {
    const [chunkRows = 1, ...chunkSizes] = array.chunks;
    const sizes = array.shape.slice(1);
    const out = new Float64Array((to - from) * sizes.reduce((product, size) => product * size, 1));
    const block = Math.floor(from / chunkRows);
    for (const place of indices(sizes.map((size, axis) => Math.ceil(size / chunkSizes[axis]!)))) {
      const chunk = await guarded(path, () => array.getChunk([block, ...place]));
      const expected = array.chunks.reduce((product, size) => product * size, 1);
      if (chunk.data.length !== expected) {
        const name = `${root}${path}/${[block, ...place].join(".")}`;
        throw new DifftuneError("FORMAT", `${folder.name}: the chunk "${name}" holds ${chunk.data.length} of ${expected} numbers.`, { hint: "The file is cut off or damaged.", path: name, expected, got: chunk.data.length });
      }
      const numbers = Float64Array.from(chunk.data as Iterable<unknown>, Number);
      const [rowStride = 1, ...strides] = chunk.stride;
      for (const within of indices(chunkSizes.map((size, axis) => Math.min(size, sizes[axis]! - place[axis]! * size)))) {
        const source = within.reduce((sum, at, axis) => sum + at * strides[axis]!, 0);
        const target = within.reduce((sum, at, axis) => sum * sizes[axis]! + place[axis]! * chunkSizes[axis]! + at, 0);
        const width = out.length / (to - from);
        for (let row = from; row < to; row++) out[(row - from) * width + target] = numbers[(row - block * chunkRows) * rowStride + source]!;
      }
    }
    return out;
  };
  const table = async (key: string): Promise<RowTable> => {
    const path = `data/${key}`;
    if (!(await has(path))) {
      const keys = new Set((await folder.names()).map((name) => new RegExp(`^${escaped(root)}data/([^/.]+)/`).exec(name)?.[1]).filter((name) => name !== undefined));
      throw new DifftuneError("FORMAT", `${folder.name} has no array "${path}".`, { hint: `Its arrays are ${[...keys].join(", ")}.`, path, got: [...keys] });
    }
    const array = await open(path);
    const [rows = 0, ...sizes] = array.shape;
    const width = sizes.reduce((product, size) => product * size, 1);
    const blockRows = array.chunks[0] ?? 0;
    if (array.shape.length === 0 || blockRows < 1 || !/^(bool|u?int\d+|float\d+)$/.test(array.dtype)) {
      throw new DifftuneError("FORMAT", `${place(path)} is ${array.dtype} [${array.shape.join(", ")}] in chunks of [${array.chunks.join(", ")}]; rows of numbers are read.`, { path });
    }
    return blockTable({ name: key, rows, width }, blockRows, (from, to) => read(array, path, from, to));
  };
  const first = async (keys: readonly string[]): Promise<readonly string[]> => {
    for (const key of keys) if (await has(`data/${key}`)) return [key];
    return keys.slice(0, 1);
  };
  const tables = {
    observations: await Promise.all((settings.observations ?? (await first(["state", "obs"]))).map(table)),
    actions: await Promise.all((settings.actions ?? ["action"]).map(table)),
    rewards: (await has("data/reward")) ? await table("reward") : undefined,
  };
  const endsArray = await open(endsPath);
  if (endsArray.shape.length !== 1) throw new DifftuneError("FORMAT", `${place(endsPath)} is no list.`, { path: endsPath, got: endsArray.shape });
  const [count, step] = [endsArray.shape[0]!, Math.max(endsArray.chunks[0] ?? 1, 1)];
  const ends: number[] = [];
  for (let from = 0; from < count; from += step) for (const end of await read(endsArray, endsPath, from, Math.min(from + step, count))) ends.push(end);
  checkEnds(tables, ends, folder.name);
  return {
    format: "diffusion policy, replay buffer",
    source: sourceWith(settings, tables.observations, tables.actions),
    episodeCount: ends.length,
    statistics: undefined,
    episodes: () => episodesOfTables(tables, ends),
  };
}

/** A table that is read in blocks of rows and keeps the last one, since episodes do not end where blocks do. */
function blockTable(
  table: Omit<RowTable, "read">,
  blockRows: number,
  readBlock: (from: number, to: number) => Promise<ArrayLike<number>>,
): RowTable {
  const { rows, width } = table;
  let [keptFrom, kept]: [number, ArrayLike<number>] = [-1, []];
  return {
    ...table,
    async read(from, to) {
      const out = new Float32Array((to - from) * width);
      for (let row = from; row < to; ) {
        const begin = row - (row % blockRows);
        const end = Math.min(begin + blockRows, rows);
        if (keptFrom !== begin) [keptFrom, kept] = [begin, await readBlock(begin, end)];
        const last = Math.min(end, to);
        for (let index = 0; index < (last - row) * width; index++) out[(row - from) * width + index] = kept[(row - begin) * width + index]!;
        row = last;
      }
      return out;
    },
  };
}

/** The decoder of Blosc does not look whether it has all of a chunk: bytes 12 to 15 of the header say how long it must be. */
function checkBlosc(bytes: Uint8Array, name: string): void {
  const expected = bytes.byteLength < 16 ? 16 : new DataView(bytes.buffer, bytes.byteOffset).getUint32(12, true);
  if (expected !== bytes.byteLength) {
    throw new DifftuneError("FORMAT", `${name} has ${bytes.byteLength} of ${expected} bytes.`, { hint: "The file is cut off or damaged.", path: name, expected, got: bytes.byteLength });
  }
}

/** All index tuples below `sizes`, the last index fastest. */
function* indices(sizes: readonly number[]): Generator<readonly number[]> {
  const index = sizes.map(() => 0);
  const count = sizes.reduce((product, size) => product * size, 1);
  for (let turn = 0; turn < count; turn++) {
    yield [...index];
    for (let axis = sizes.length - 1; axis >= 0; axis--) {
      index[axis]! += 1;
      if (index[axis]! < sizes[axis]!) break;
      index[axis] = 0;
    }
  }
}

function escaped(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|]/g, "\\$&");
}

import { DifftuneError } from "../core/errors.js";
import { Normaliser, type DataStatistics, type Extrema } from "../envs/normaliser.js";
import { readWhole, type ByteSource, type Folder } from "../io/byte-source.js";
import { openNumpy } from "../io/numpy.js";
import { NumpyArray, readPickle, type Unpickled } from "../io/pickle.js";
import { readDoubles, readFloats } from "../io/safetensors.js";
import { openZip } from "../io/zip.js";
import { checkEnds, episodesOfTables, restored, sourceWith, type Recording, type RecordingSettings, type RowTable, type RowTables } from "./recording.js";

/** Pickles are held in memory as a whole. */
const pickleLimitBytes = 2 ** 31 - 1;

/**
 * DPPO's `train.npz`: `states` [N, D], `actions` [N, A], `traj_lengths` [M], and, where they are there, `rewards` [N] and
 * `terminals` [N]. Images are read only if they are named. Stored arrays are read in ranges, packed ones as they unfold.
 */
export async function openDppoArchive(archive: Folder, settings: RecordingSettings): Promise<Recording> {
  const table = async (key: string): Promise<RowTable | undefined> => {
    const source = await archive.open(`${key}.npy`);
    if (source === undefined) return undefined;
    const file = await openNumpy(source);
    return { name: key, rows: file.shape[0] ?? 1, width: file.width, read: async (from, to) => readFloats(await file.rows(from, to)) };
  };
  const needed = async (key: string): Promise<RowTable> => {
    const found = await table(key);
    if (found !== undefined) return found;
    const keys = (await archive.names()).map((file) => file.replace(/\.npy$/, ""));
    throw new DifftuneError("FORMAT", `${archive.name} has no array "${key}".`, { hint: `Its arrays are ${keys.join(", ")}.`, path: key, expected: key, got: keys });
  };
  const open = async (): Promise<RowTables> => ({
    observations: await Promise.all((settings.observations ?? ["states"]).map(needed)),
    actions: await Promise.all((settings.actions ?? ["actions"]).map(needed)),
    rewards: oneColumn(await table("rewards")),
    terminals: oneColumn(await table("terminals")),
  });
  let end = 0;
  const ends = (await numbersIn(archive, "traj_lengths")).map((length) => (end += length));
  const tables = await open();
  checkEnds(tables, ends, archive.name);
  return physical(
    {
      format: "DPPO, npz",
      source: sourceWith(settings, tables.observations, tables.actions),
      episodeCount: ends.length,
      statistics: undefined,
      // Packed arrays only unfold forwards, so that every reading opens its own.
      episodes: async function* () { yield* episodesOfTables(await open(), ends); },
    },
    settings,
  );
}

/**
 * DPPO's files of Avoid, which are called npz and are pickles: `observations` [M, T, D], `actions` [M, T, A], `rewards`
 * [M, T], filled up with zeros, and `traj_length` [M].
 */
export async function openDppoPickle(content: ReadonlyMap<Unpickled, Unpickled>, name: string, settings: RecordingSettings): Promise<Recording> {
  const array = (key: string, dimensions: number): { values: Float32Array; shape: readonly number[] } => {
    const found = content.get(key);
    if (!(found instanceof NumpyArray) || found.tensor.shape.length !== dimensions) {
      throw new DifftuneError("FORMAT", `${name} has no array "${key}" of ${dimensions} dimensions.`, { path: key, expected: dimensions });
    }
    return { values: readFloats(found.tensor), shape: found.tensor.shape };
  };
  const [observations, actions] = [array("observations", 3), array("actions", 3)];
  const rewards = content.has("rewards") ? array("rewards", 2) : undefined;
  const lengths = numbersOf(content.get("traj_length") ?? content.get("traj_lengths"), "traj_length", name);
  const [count, most] = observations.shape as [number, number];
  for (const [key, other] of [["actions", actions], ["rewards", rewards]] as const) {
    if (other !== undefined && (other.shape[0] !== count || other.shape[1] !== most)) {
      throw new DifftuneError("FORMAT", `${name}: "${key}" is [${other.shape.join(", ")}] for observations of [${observations.shape.join(", ")}].`, { path: key, expected: observations.shape, got: other.shape });
    }
  }
  if (count === 0) throw new DifftuneError("FORMAT", `${name} has no episode.`, { path: name });
  const wrong = lengths.findIndex((length) => !Number.isInteger(length) || length < 1 || length > most);
  if (lengths.length !== count || wrong >= 0) {
    throw new DifftuneError("FORMAT", `${name}: "traj_length" does not give each of the ${count} episodes 1 to ${most} steps.`, { path: "traj_length", index: wrong, got: lengths[wrong] ?? lengths.length });
  }
  const cut = ({ values, shape }: typeof observations, episode: number): Float32Array => {
    const width = shape[2] ?? 1;
    return values.slice(episode * most * width, (episode * most + lengths[episode]!) * width);
  };
  const table = (key: string, { shape }: typeof observations): { name: string; width: number } => ({ name: key, width: shape[2]! });
  return physical(
    {
      format: "DPPO, pickled episodes",
      source: sourceWith(settings, [table("observation", observations)], [table("action", actions)], avoidNames),
      episodeCount: count,
      statistics: undefined,
      async *episodes() {
        for (let episode = 0; episode < count; episode++) {
          yield await Promise.resolve({
            observations: cut(observations, episode),
            actions: cut(actions, episode),
            rewards: rewards === undefined ? new Float32Array(lengths[episode]!) : cut(rewards, episode),
            seed: 0,
            success: false,
            label: "",
          });
        }
      },
    },
    settings,
  );
}

/** Names of the numbers of Avoid, for recordings that have as many. */
export const avoidNames = {
  observationNames: ["desiredX", "desiredY", "actualX", "actualY"],
  actionNames: ["incrementX", "incrementY"],
} as const;

/** Reads a file as a pickle of a dictionary. */
export async function openPickle(source: ByteSource): Promise<ReadonlyMap<Unpickled, Unpickled>> {
  const content = readPickle(await readWhole(source, pickleLimitBytes), source.name);
  if (!(content instanceof Map)) throw new DifftuneError("FORMAT", `${source.name} is no pickle of a dictionary.`, { path: source.name });
  return content as ReadonlyMap<Unpickled, Unpickled>;
}

function oneColumn(table: RowTable | undefined): RowTable | undefined {
  if (table !== undefined && table.width !== 1) {
    throw new DifftuneError("FORMAT", `"${table.name}" has ${table.width} numbers a step instead of one.`, { path: table.name, expected: 1, got: table.width });
  }
  return table;
}

/** A list of numbers in an archive of arrays, in 64 bits. */
async function numbersIn(archive: Folder, key: string): Promise<readonly number[]> {
  const file = await archive.open(`${key}.npy`);
  const array = file === undefined ? undefined : await openNumpy(file);
  if (array?.shape.length !== 1) throw new DifftuneError("FORMAT", `${archive.name} has no list "${key}".`, { path: key });
  return [...readDoubles(await array.rows(0, array.shape[0]!))];
}

function numbersOf(value: Unpickled | undefined, key: string, name: string): readonly number[] {
  if (value instanceof NumpyArray && value.tensor.shape.length === 1) return [...readDoubles(value.tensor)];
  if (Array.isArray(value)) return value.map((item: Unpickled) => (item instanceof NumpyArray && item.tensor.shape.length === 0 ? readDoubles(item.tensor)[0]! : Number(item)));
  throw new DifftuneError("FORMAT", `${name} has no list "${key}".`, { path: key });
}

/** In physical units, if the extrema are there and nothing else is wished. */
async function physical(recording: Recording, settings: RecordingSettings): Promise<Recording> {
  if (settings.normalization === undefined || settings.units === "stored") return recording;
  const statistics = await readNormalization(settings.normalization);
  for (const [group, names] of [["observations", recording.source.observationNames], ["actions", recording.source.actionNames]] as const) {
    if (statistics[group].min.length !== names.length) {
      throw new DifftuneError("FORMAT", `${settings.normalization.name} has extrema of ${statistics[group].min.length} ${group}, the recording has ${names.length}.`, {
        path: group,
        expected: names.length,
        got: statistics[group].min.length,
      });
    }
  }
  // Finds what is wrong with the extrema before anything is read.
  const { kind } = new Normaliser(statistics, settings.normaliser);
  return { ...recording, statistics, episodes: () => restored(recording.episodes(), statistics, kind) };
}

/** `normalization.npz`: obs_min, obs_max [D], action_min, action_max [A]; a zip of arrays or a pickle of a dictionary. */
async function readNormalization(source: ByteSource): Promise<DataStatistics> {
  const isZip = (await source.read(0, 2)).every((byte, index) => byte === [0x50, 0x4b][index]);
  const archive = isZip ? await openZip(source) : undefined;
  const content = isZip ? undefined : await openPickle(source);
  const numbers = (key: string): Promise<readonly number[]> =>
    archive === undefined ? Promise.resolve(numbersOf(content?.get(key), key, source.name)) : numbersIn(archive, key);
  const extrema = async (group: string): Promise<Extrema> => ({ min: await numbers(`${group}_min`), max: await numbers(`${group}_max`) });
  return { observations: await extrema("obs"), actions: await extrema("action") };
}

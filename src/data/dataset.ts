import { DifftuneError } from "../core/errors.js";
import type { Demonstration } from "../envs/demonstration.js";
import type { VectorEnvironment } from "../envs/environment.js";
import { extremaOf, type DataStatistics, type Extrema } from "../envs/normaliser.js";
import {
  readDoubles, readFloats, readSafetensors, storeDoubles, storeFloats, writeSafetensors, type Dtype, type StoredTensor,
} from "../io/safetensors.js";

const formatName = "difftune-dataset";
const formatVersion = "1";

/** What a data set is a recording of. */
export interface DatasetSource {
  /** Name of the environment, as the registry knows it. */
  readonly environment: string;
  /** Its resolved options, so that a replay runs in the same one. */
  readonly options: Readonly<Record<string, unknown>>;
  readonly observationNames: readonly string[];
  readonly actionNames: readonly string[];
}

/** Says of an environment what a data set keeps of it. */
export function sourceOf(env: VectorEnvironment): DatasetSource {
  return { environment: env.name, options: env.options, observationNames: env.observationSpace.names, actionNames: env.actionSpace.names };
}

/** What {@link DatasetBuilder.collect} reports after every episode. */
export interface CollectProgress {
  /** Episodes so far, and how many there will be, if that is known. */
  readonly episodes: number;
  readonly total: number | undefined;
  readonly steps: number;
  readonly successes: number;
  /** The episode that was just added. */
  readonly last: { readonly length: number; readonly success: boolean; readonly label: string };
}

/**
 * Recorded episodes, one after the other: N steps in all, M episodes, D and A numbers.
 *
 * On disk it is one safetensors file:
 *
 *     observations F32 [N, D]   actions F32 [N, A]   rewards F32 [N]
 *     ends U32 [M]              the row after the last of each episode
 *     seeds U32 [M]             successes U8 [M]           terminated U8 [M], zeros if it is absent
 *     observations.min, observations.max F64 [D]     actions.min, actions.max F64 [A]
 *     metadata: format = difftune-dataset, version, environment, options (JSON), observationNames, actionNames and
 *     labels (JSON lists)
 */
export class Dataset {
  readonly source: DatasetSource;
  readonly observations: Float32Array;
  readonly actions: Float32Array;
  readonly rewards: Float32Array;
  readonly ends: Uint32Array;
  readonly seeds: Uint32Array;
  readonly successes: Uint8Array;
  /** 1 where the last step ended the episode for good, 0 where it was cut off. */
  readonly terminated: Uint8Array;
  readonly labels: readonly string[];
  readonly statistics: DataStatistics;

  /** @internal Use {@link DatasetBuilder} or {@link Dataset.decode}. */
  constructor(source: DatasetSource, parts: DatasetParts, statistics: DataStatistics) {
    this.source = source;
    this.observations = parts.observations;
    this.actions = parts.actions;
    this.rewards = parts.rewards;
    this.ends = parts.ends;
    this.seeds = parts.seeds;
    this.successes = parts.successes;
    this.terminated = parts.terminated;
    this.labels = parts.labels;
    this.statistics = statistics;
  }

  /** D, numbers in one observation. */
  get observationSize(): number {
    return this.source.observationNames.length;
  }

  /** A, numbers in one action. */
  get actionSize(): number {
    return this.source.actionNames.length;
  }

  get episodeCount(): number {
    return this.ends.length;
  }

  get stepCount(): number {
    return this.rewards.length;
  }

  /** Episode `index`: views, not copies. */
  episode(index: number): Demonstration {
    const end = this.ends[index];
    if (end === undefined) {
      throw new DifftuneError("SHAPE", `There is no episode ${index}; there are ${this.episodeCount}.`, { index, expected: this.episodeCount });
    }
    const begin = index === 0 ? 0 : this.ends[index - 1]!;
    return {
      observations: this.observations.subarray(begin * this.observationSize, end * this.observationSize),
      actions: this.actions.subarray(begin * this.actionSize, end * this.actionSize),
      rewards: this.rewards.subarray(begin, end),
      seed: this.seeds[index]!,
      success: this.successes[index] === 1,
      isTerminated: this.terminated[index] === 1,
      label: this.labels[index]!,
    };
  }

  /** The episodes, in order. */
  *episodes(): Generator<Demonstration> {
    for (let index = 0; index < this.episodeCount; index++) yield this.episode(index);
  }

  /** A data set of the chosen episodes alone, with statistics of its own. */
  subset(indices: readonly number[]): Dataset {
    const builder = new DatasetBuilder(this.source);
    for (const index of indices) builder.add(this.episode(index));
    return builder.build();
  }

  /** The bytes of the file. Equal data sets give equal bytes. */
  encode(): Uint8Array {
    const { source, statistics } = this;
    const [steps, episodes] = [this.stepCount, this.episodeCount];
    return writeSafetensors({
      metadata: new Map([
        ["format", formatName],
        ["version", formatVersion],
        ["environment", source.environment],
        ["options", JSON.stringify(source.options)],
        ["observationNames", JSON.stringify(source.observationNames)],
        ["actionNames", JSON.stringify(source.actionNames)],
        ["labels", JSON.stringify(this.labels)],
      ]),
      tensors: new Map<string, StoredTensor>([
        ["observations", storeFloats([steps, this.observationSize], this.observations)],
        ["actions", storeFloats([steps, this.actionSize], this.actions)],
        ["rewards", storeFloats([steps], this.rewards)],
        ["ends", storeWords(this.ends)],
        ["seeds", storeWords(this.seeds)],
        ["successes", { dtype: "U8", shape: [episodes], bytes: this.successes.slice() }],
        ["terminated", { dtype: "U8", shape: [episodes], bytes: this.terminated.slice() }],
        ["observations.min", storeDoubles([this.observationSize], statistics.observations.min)],
        ["observations.max", storeDoubles([this.observationSize], statistics.observations.max)],
        ["actions.min", storeDoubles([this.actionSize], statistics.actions.min)],
        ["actions.max", storeDoubles([this.actionSize], statistics.actions.max)],
      ]),
    });
  }

  /** Reads a file that is in memory. Whatever does not fit together is refused, by name. */
  static decode(file: Uint8Array): Dataset {
    const { metadata, tensors } = readSafetensors(file);
    const text = (name: string): string => {
      const found = metadata.get(name);
      if (found === undefined) throw formatError(`The file has no "${name}" in its metadata.`, name);
      return found;
    };
    if (metadata.get("format") !== formatName) throw formatError("The file is no data set of this package.", "format", metadata.get("format"));
    if (text("version") !== formatVersion) throw formatError(`The data set has version ${text("version")}; this package reads ${formatVersion}.`, "version");
    const names = (name: string): readonly string[] => {
      const list = parseJson(text(name), name);
      if (!Array.isArray(list) || !list.every((item) => typeof item === "string")) throw formatError(`"${name}" is no list of texts.`, name);
      return Object.freeze(list);
    };
    const options = parseJson(text("options"), "options");
    if (typeof options !== "object" || options === null || Array.isArray(options)) throw formatError('"options" is no object.', "options");
    const source: DatasetSource = {
      environment: text("environment"),
      options: options as Record<string, unknown>,
      observationNames: names("observationNames"),
      actionNames: names("actionNames"),
    };
    const tensor = (name: string, dtype: Dtype, shape?: readonly number[]): StoredTensor => {
      const found = tensors.get(name);
      if (found === undefined) throw formatError(`The file has no tensor "${name}".`, name);
      const isShaped = shape === undefined || (found.shape.length === shape.length && found.shape.every((size, axis) => size === shape[axis]));
      if (found.dtype !== dtype || !isShaped) {
        throw formatError(`Tensor "${name}" is ${found.dtype} [${found.shape.join(", ")}] instead of ${dtype} [${shape?.join(", ") ?? "*"}].`, name);
      }
      return found;
    };
    const ends = Uint32Array.from(readDoubles(tensor("ends", "U32")));
    const [steps, episodes] = [ends.at(-1) ?? 0, ends.length];
    const [observationSize, actionSize] = [source.observationNames.length, source.actionNames.length];
    const parts: DatasetParts = {
      observations: readFloats(tensor("observations", "F32", [steps, observationSize])),
      actions: readFloats(tensor("actions", "F32", [steps, actionSize])),
      rewards: readFloats(tensor("rewards", "F32", [steps])),
      ends,
      seeds: Uint32Array.from(readDoubles(tensor("seeds", "U32", [episodes]))),
      successes: Uint8Array.from(readDoubles(tensor("successes", "U8", [episodes]))),
      // Files of version 0.1.0 lack it.
      terminated: tensors.has("terminated") ? Uint8Array.from(readDoubles(tensor("terminated", "U8", [episodes]))) : new Uint8Array(episodes),
      labels: names("labels"),
    };
    checkParts(source, parts);
    const extrema = (group: string, size: number): Extrema => ({
      min: [...readDoubles(tensor(`${group}.min`, "F64", [size]))],
      max: [...readDoubles(tensor(`${group}.max`, "F64", [size]))],
    });
    const statistics = { observations: extrema("observations", observationSize), actions: extrema("actions", actionSize) };
    for (const [group, { min, max }] of Object.entries(statistics)) {
      const place = min.findIndex((lowest, column) => !(lowest <= max[column]!) || !Number.isFinite(lowest) || !Number.isFinite(max[column]));
      if (place >= 0) throw formatError(`The ${group} statistics of column ${place} are ${min[place]} and ${max[place]}.`, `${group}.min`);
    }
    return new Dataset(source, parts, statistics);
  }
}

/** The arrays of a data set. */
interface DatasetParts {
  readonly observations: Float32Array;
  readonly actions: Float32Array;
  readonly rewards: Float32Array;
  readonly ends: Uint32Array;
  readonly seeds: Uint32Array;
  readonly successes: Uint8Array;
  readonly terminated: Uint8Array;
  readonly labels: readonly string[];
}

/** A list of floats that grows by doubling. */
class FloatList {
  #values = new Float32Array(1024);
  length = 0;

  append(values: Float32Array): void {
    const length = this.length + values.length;
    if (length > this.#values.length) {
      const grown = new Float32Array(Math.max(length, 2 * this.#values.length));
      grown.set(this.#values.subarray(0, this.length));
      this.#values = grown;
    }
    this.#values.set(values, this.length);
    this.length = length;
  }

  take(): Float32Array {
    return this.#values.slice(0, this.length);
  }
}

/**
 * Puts a data set together, episode by episode.
 *
 * @example
 * const builder = new DatasetBuilder(sourceOf(env));
 * for await (const progress of builder.collect(demonstrate(env), 50)) report(progress);
 * const bytes = builder.build().encode();
 */
export class DatasetBuilder {
  readonly #source: DatasetSource;
  readonly #observations = new FloatList();
  readonly #actions = new FloatList();
  readonly #rewards = new FloatList();
  readonly #ends: number[] = [];
  readonly #seeds: number[] = [];
  readonly #successes: number[] = [];
  readonly #terminated: number[] = [];
  readonly #labels: string[] = [];

  constructor(source: DatasetSource) {
    if (source.observationNames.length === 0 || source.actionNames.length === 0) {
      throw new DifftuneError("SHAPE", "A data set needs at least one observation and one action name.");
    }
    this.#source = source;
  }

  /** Appends one episode; one that is empty, of other sizes or not finite is refused and nothing is kept of it. */
  add(episode: Demonstration): void {
    const length = episode.rewards.length;
    const groups = [
      ["observations", episode.observations, this.#source.observationNames],
      ["actions", episode.actions, this.#source.actionNames],
      ["rewards", episode.rewards, ["reward"]],
    ] as const;
    if (length === 0) throw new DifftuneError("SHAPE", "An episode needs at least one step.", { index: this.#ends.length });
    for (const [group, values, names] of groups) {
      if (values.length !== length * names.length) {
        throw new DifftuneError("SHAPE", `Episode ${this.#ends.length} has ${values.length} numbers of ${group} for ${length} steps of ${names.length}.`, {
          path: group,
          expected: length * names.length,
          got: values.length,
        });
      }
      const place = values.findIndex((value) => !Number.isFinite(value));
      if (place >= 0) {
        throw new DifftuneError("FORMAT", `Episode ${this.#ends.length}, step ${Math.floor(place / names.length)}: "${names[place % names.length]}" is ${values[place]}.`, {
          path: group,
          index: place,
          got: values[place],
        });
      }
    }
    if (!Number.isInteger(episode.seed) || episode.seed < 0 || episode.seed > 0xffffffff) {
      throw new DifftuneError("FORMAT", `Episode ${this.#ends.length} has the seed ${episode.seed}; a seed is a whole number below 2^32.`, { path: "seed", got: episode.seed });
    }
    this.#observations.append(episode.observations);
    this.#actions.append(episode.actions);
    this.#rewards.append(episode.rewards);
    this.#ends.push(this.#rewards.length);
    this.#seeds.push(episode.seed);
    this.#successes.push(episode.success ? 1 : 0);
    this.#terminated.push(episode.isTerminated === true ? 1 : 0);
    this.#labels.push(episode.label);
  }

  /** Appends the episodes of a data set of the same columns; one of others is refused and nothing is kept of it. */
  addAll(dataset: Dataset): void {
    for (const group of ["observationNames", "actionNames"] as const) {
      const [own, others] = [this.#source[group].join(", "), dataset.source[group].join(", ")];
      if (own !== others) throw new DifftuneError("SHAPE", `The data sets do not belong together: one has the ${group} ${own}, the other ${others}.`, { path: group, expected: own, got: others });
    }
    for (const episode of dataset.episodes()) this.add(episode);
  }

  /** Appends all that a demonstrator gives, and reports after each episode. Leaving the loop stops the demonstrator. */
  async *collect(episodes: AsyncIterable<Demonstration> | Iterable<Demonstration>, total?: number): AsyncGenerator<CollectProgress, void, undefined> {
    let successes = this.#successes.reduce((sum, success) => sum + success, 0);
    for await (const episode of episodes) {
      this.add(episode);
      if (episode.success) successes += 1;
      yield Object.freeze({
        episodes: this.#ends.length,
        total,
        steps: this.#rewards.length,
        successes,
        last: Object.freeze({ length: episode.rewards.length, success: episode.success, label: episode.label }),
      });
    }
  }

  /** The data set so far. @param statistics instead of the extrema of the numbers, where others belong to them */
  build(statistics?: DataStatistics): Dataset {
    if (this.#ends.length === 0) throw new DifftuneError("SHAPE", "A data set needs at least one episode.");
    const parts: DatasetParts = {
      observations: this.#observations.take(),
      actions: this.#actions.take(),
      rewards: this.#rewards.take(),
      ends: Uint32Array.from(this.#ends),
      seeds: Uint32Array.from(this.#seeds),
      successes: Uint8Array.from(this.#successes),
      terminated: Uint8Array.from(this.#terminated),
      labels: Object.freeze([...this.#labels]),
    };
    for (const [group, names] of [["observations", this.#source.observationNames], ["actions", this.#source.actionNames]] as const) {
      const width = statistics?.[group].min.length ?? names.length;
      if (width !== names.length) {
        throw new DifftuneError("SHAPE", `The ${group} statistics are of ${width} numbers, the data set has ${names.length}.`, { path: group, expected: names.length, got: width });
      }
    }
    return new Dataset(this.#source, parts, statistics ?? {
      observations: extremaOf(parts.observations, this.#source.observationNames.length),
      actions: extremaOf(parts.actions, this.#source.actionNames.length),
    });
  }
}

function checkParts(source: DatasetSource, parts: DatasetParts): void {
  if (source.observationNames.length === 0 || source.actionNames.length === 0) throw formatError("The data set has no observation or action names.", "observationNames");
  if (parts.ends.length === 0) throw formatError("The data set has no episode.", "ends");
  if (parts.labels.length !== parts.ends.length) throw formatError(`There are ${parts.labels.length} labels for ${parts.ends.length} episodes.`, "labels");
  const order = parts.ends.findIndex((end, index) => end <= (index === 0 ? 0 : parts.ends[index - 1]!));
  if (order >= 0) throw formatError(`Episode ${order} ends at row ${parts.ends[order]}, not after the one before it.`, "ends", order);
  for (const name of ["successes", "terminated"] as const) {
    const place = parts[name].findIndex((value) => value > 1);
    if (place >= 0) throw formatError(`Number ${place} of "${name}" is ${parts[name][place]}, not 0 or 1.`, name, place);
  }
  for (const name of ["observations", "actions", "rewards"] as const) {
    const place = parts[name].findIndex((value) => !Number.isFinite(value));
    if (place >= 0) throw formatError(`Number ${place} of "${name}" is ${parts[name][place]}.`, name, place);
  }
}

function storeWords(values: Uint32Array): StoredTensor {
  const bytes = new Uint8Array(values.length * 4);
  const view = new DataView(bytes.buffer);
  for (const [index, value] of values.entries()) view.setUint32(4 * index, value, true);
  return { dtype: "U32", shape: [values.length], bytes };
}

function parseJson(text: string, path: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new DifftuneError("FORMAT", `"${path}" of the metadata is no JSON.`, { path, cause });
  }
}

function formatError(message: string, path: string, got?: unknown): DifftuneError {
  return new DifftuneError("FORMAT", message, { path, got });
}

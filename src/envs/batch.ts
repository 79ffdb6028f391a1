import * as v from "valibot";
import { DifftuneError } from "../core/errors.js";
import { LinearMemory } from "../core/linear-memory.js";
import { wholeNumber } from "../core/options.js";
import { coreCount } from "../threads/cores.js";
import { ThreadTeam, type TeamExports } from "../threads/thread-team.js";
import { actionError, checkActionLength, checkSeeds, closedError, commonEpisodeColumns, EpisodeTable, type ChunkResult, type Space } from "./environment.js";
import { Physics } from "./physics.js";

/** Options that every environment of the physics module has; see {@link PushTOptions} and {@link AvoidOptions}. */
export const batchOptions = {
  /** E, environments stepped together. Memory grows with it, 1 to 4 KiB each. */
  count: v.optional(wholeNumber(1, 65_536), 1),
  /** Ta, steps executed per chunk. */
  actionSteps: v.optional(wholeNumber(1, 1024), 1),
  /** To, newest observations that the policy sees; before the episode's start the first one is repeated. */
  observationSteps: v.optional(wholeNumber(1, 64), 1),
  /** Episode k of environment e starts from seed + e + k * seedStride (modulo 2^32). */
  seed: v.optional(wholeNumber(0, 0xffffffff), 0),
  /** The number of environments by default; 0 repeats one start for ever. */
  seedStride: v.optional(wholeNumber(0, 0xffffffff)),
  /** Whether an environment whose episode has ended starts the next one at once. Without it, it stands still until `reset`. */
  autoReset: v.optional(v.boolean("It must be true or false."), true),
  /** Whether `stepObservations` keeps the observation of every single step, which pictures and demonstrations need. */
  recordSteps: v.optional(v.boolean("It must be true or false."), false),
  /**
   * Threads that simulate, never more than there are groups of eight environments. Default: the cores; always 1 in a
   * page that is not cross-origin isolated. The bits do not depend on it.
   */
  threads: v.optional(wholeNumber(1, 256)),
  /** Where the environments live. Give an engine's memory and its networks read observations without a copy. Default: a memory of its own. */
  memory: v.optional(v.instance(LinearMemory, "It must be a LinearMemory.")),
};

/** A thread more needs this many environments more to pay. */
const environmentsPerThread = 8;
/** Each thread takes about this many grains, so that none waits long for the slowest. */
const grainsPerThread = 8;

/** Words in front of a saved state: seven that name what it is of, and a checksum. */
const savedWords = 8;

/** What a kind of environment tells its batch. */
export interface BatchKind {
  /** Prefix of its functions in the module. */
  readonly prefix: "pusht" | "avoid";
  readonly name: string;
  /** The observation kind, as the module numbers it. */
  readonly observationKind: string;
  readonly actionSpace: Space;
  /** Environments that the module steps side by side; a grain is a multiple of it, where there are enough for all threads. */
  readonly groupSize: number;
  /** Its own columns of the episode table, after the common ones. */
  readonly episodeColumns: readonly string[];
}

/** The resolved options that a batch needs. */
export interface BatchSettings {
  readonly count: number;
  readonly actionSteps: number;
  readonly observationSteps: number;
  readonly maxSteps: number;
  readonly seed: number;
  readonly seedStride?: number | undefined;
  readonly autoReset: boolean;
  readonly recordSteps: boolean;
  readonly threads?: number | undefined;
  readonly memory?: LinearMemory | undefined;
}

/** E environments of one kind in linear memory, stepped by one thread or a team. */
export class Batch {
  readonly physics: Physics;
  readonly memory: LinearMemory;
  readonly threads: number;
  readonly result: ChunkResult;
  readonly actions: Float32Array;
  /** [E, Ta]: the module's flags of each step. */
  readonly stepFlags: Uint32Array;
  /** [E, Ta, D]: the observation after each step, where the steps are recorded. */
  readonly stepObservations: Float32Array | undefined;
  /** Where the module's block begins. */
  readonly pointer: number;
  /** Room for small answers of the module. */
  readonly scratch: Float64Array;
  readonly #kind: BatchKind;
  readonly #settings: BatchSettings;
  readonly #team: ThreadTeam | undefined;
  readonly #job: number;
  readonly #blocks: number[] = [];
  readonly #jobWords: Uint32Array;
  readonly #seeds: Uint32Array;
  readonly #starts: Float64Array;
  /** Everything behind the header: states, seeds, observations, tables. */
  readonly #content: Uint8Array;
  readonly #header: Uint32Array;
  readonly #nextWord: number;
  readonly #countWord: number;
  readonly #statusWord: number;
  readonly #operationWord: number;
  readonly #useStartsWord: number;
  readonly #operations: { readonly reset: number; readonly step: number };
  readonly #checkActions: (batch: number, from: number, to: number) => number;
  readonly #resetAlone: (batch: number, from: number, to: number) => number;
  readonly #stepAlone: (batch: number, from: number, to: number) => number;
  #hasStarted = false;
  #isBusy = false;
  #isClosed = false;

  private constructor(
    kind: BatchKind,
    settings: BatchSettings,
    physics: Physics,
    memory: LinearMemory,
    pointer: number,
    bytes: number,
    job: number,
    team: ThreadTeam | undefined,
  ) {
    this.#kind = kind;
    this.#settings = settings;
    this.physics = physics;
    this.memory = memory;
    this.pointer = pointer;
    this.#job = job;
    this.scratch = memory.f64(job + physics.constant("JOB_SCRATCH"), physics.constant("JOB_SCRATCH_BYTES") / 8);
    this.#team = team;
    this.threads = team?.threads ?? 1;
    const { count, actionSteps, observationSteps } = settings;
    const at = (name: string) => physics.constant(name) / 4;
    const headerBytes = physics.constant("BATCH_HEADER_BYTES");
    this.#header = memory.u32(pointer, headerBytes / 4);
    this.#content = memory.u8(pointer + headerBytes, bytes - headerBytes);
    const place = (name: string) => this.#header[at(name)]!;
    const window = count * observationSteps * place("BATCH_OBSERVATION_SIZE");
    const columns = [...commonEpisodeColumns, ...kind.episodeColumns];
    const tableSize = count * physics.constant("BATCH_EPISODE_SIZE");
    this.result = Object.freeze({
      observations: memory.f32(place("BATCH_OBSERVATIONS"), window),
      finalObservations: memory.f32(place("BATCH_FINAL_OBSERVATIONS"), window),
      rewards: memory.f32(place("BATCH_REWARDS"), count),
      stepRewards: memory.f32(place("BATCH_STEP_REWARDS"), count * actionSteps),
      terminated: memory.u32(place("BATCH_TERMINATED"), count),
      truncated: memory.u32(place("BATCH_TRUNCATED"), count),
      steps: memory.u32(place("BATCH_STEPS"), count),
      finished: new EpisodeTable(columns, memory.f64(place("BATCH_EPISODES"), tableSize)),
      running: new EpisodeTable(columns, memory.f64(place("BATCH_RUNNING"), tableSize)),
    });
    this.actions = memory.f32(place("BATCH_ACTIONS"), count * actionSteps * place("BATCH_ACTION_SIZE"));
    this.stepFlags = memory.u32(place("BATCH_STEP_FLAGS"), count * actionSteps);
    this.stepObservations = settings.recordSteps
      ? memory.f32(place("BATCH_STEP_OBSERVATIONS"), count * actionSteps * place("BATCH_OBSERVATION_SIZE"))
      : undefined;
    this.#seeds = memory.u32(place("BATCH_SEEDS"), count);
    this.#starts = memory.f64(place("BATCH_STARTS"), count * place("BATCH_START_SIZE"));
    this.#useStartsWord = at("BATCH_USE_STARTS");
    this.#header[at("BATCH_MAX_STEPS")] = settings.maxSteps;
    this.#header[at("BATCH_AUTO_RESET")] = settings.autoReset ? 1 : 0;
    if (settings.seedStride !== undefined) this.#header[at("BATCH_SEED_STRIDE")] = settings.seedStride;
    for (let index = 0; index < count; index++) this.#seeds[index] = settings.seed + index;
    this.#operations = { reset: physics.constant("JOB_RESET"), step: physics.constant("JOB_STEP") };
    this.#nextWord = at("JOB_NEXT");
    this.#countWord = at("JOB_COUNT");
    this.#statusWord = at("JOB_STATUS");
    this.#operationWord = at("JOB_OPERATION");
    this.#jobWords = memory.u32(job, physics.constant("JOB_BYTES") / 4);
    this.#jobWords[at("JOB_CONTROL")] = team?.control ?? 0;
    this.#jobWords[at("JOB_BATCH")] = pointer;
    const groups = Math.ceil(count / (this.threads * grainsPerThread) / kind.groupSize);
    const grain = Math.min(groups * kind.groupSize, Math.ceil(count / this.threads));
    this.#jobWords[at("JOB_GRAIN")] = grain;
    this.#checkActions = physics.call("batch_check_actions");
    this.#resetAlone = physics.call(`${kind.prefix}_reset`);
    this.#stepAlone = physics.call(`${kind.prefix}_step_chunk`);
  }

  static async open(kind: BatchKind, settings: BatchSettings): Promise<Batch> {
    const memory = settings.memory ?? new LinearMemory();
    const physics = await Physics.open(memory);
    const { count, actionSteps, observationSteps } = settings;
    const observationKind = physics.constant(kind.observationKind);
    const record = settings.recordSteps ? physics.constant("RECORD_OBSERVATIONS") : 0;
    const shape = [count, actionSteps, observationSteps, observationKind, record];
    const bytes = physics.call(`${kind.prefix}_batch_bytes`)(...shape) >>> 0;
    if (bytes === 0) {
      throw new DifftuneError("OPTION", `${count} environments of ${actionSteps} steps and ${observationSteps} observations do not fit a memory.`, {
        hint: "Use fewer environments.",
        path: "count",
        got: count,
      });
    }
    const threads = Math.min(settings.threads ?? coreCount(), Math.ceil(count / environmentsPerThread));
    const blocks: number[] = [];
    try {
      const pointer = memory.allocate(bytes);
      blocks.push(pointer);
      const job = memory.allocate(physics.constant("JOB_BYTES"));
      blocks.push(job);
      physics.call(`${kind.prefix}_batch_init`)(pointer, ...shape);
      const team = threads === 1 ? undefined : await ThreadTeam.create(memory, physics.module, teamExports(physics), { threads });
      return new Batch(kind, settings, physics, memory, pointer, bytes, job, team);
    } catch (error) {
      for (const block of blocks) memory.free(block);
      throw error;
    }
  }

  /** Writes an option of the kind, f64, before the first reset. */
  setDouble(constant: string, value: number): void {
    this.memory.f64(this.pointer + this.physics.constant(constant), 1)[0] = value;
  }

  /** Writes an option of the kind, u32, before the first reset. */
  setWord(constant: string, value: number): void {
    this.memory.u32(this.pointer + this.physics.constant(constant), 1)[0] = value;
  }

  /** A block beside the batch, for tables that the module reads; it goes when the batch is closed. */
  allocate(bytes: number): number {
    const block = this.memory.allocate(bytes);
    this.#blocks.push(block);
    return block;
  }

  reset(seeds?: ArrayLike<number>): ChunkResult | Promise<ChunkResult> {
    this.#enter();
    if (seeds !== undefined) {
      checkSeeds(seeds, this.#settings.count);
      this.#seeds.set(seeds);
    }
    return this.#resetAll(0);
  }

  /** Resets every environment to a given start, [E, start size]; later episodes are drawn from seeds again. */
  resetTo(starts: ArrayLike<number>): ChunkResult | Promise<ChunkResult> {
    this.#enter();
    if (starts.length !== this.#starts.length) {
      throw new DifftuneError("SHAPE", `resetTo got ${starts.length} numbers; it takes ${this.#starts.length}.`, {
        hint: `That is ${this.#starts.length / this.#settings.count} for each of ${this.#settings.count} environments.`,
        expected: this.#starts.length,
        got: starts.length,
      });
    }
    for (let index = 0; index < starts.length; index++) {
      const value = starts[index] ?? Number.NaN;
      if (!(Math.abs(value) <= 1e9)) {
        throw new DifftuneError("ENVIRONMENT", `Number ${index} of the starts is ${value}; starts must be finite and within 1e9.`, { index, got: value });
      }
    }
    this.#starts.set(starts);
    return this.#resetAll(1);
  }

  /** Executes a chunk in environments `from` to `to`; the others stand still. */
  stepChunk(actions: Float32Array, from: number, to: number): ChunkResult | Promise<ChunkResult> {
    this.#enter();
    const { count, actionSteps } = this.#settings;
    const { actionSpace } = this.#kind;
    checkActionLength(actions, count, actionSteps, actionSpace.size);
    if (!this.#hasStarted) {
      throw new DifftuneError("ENVIRONMENT", `Environment "${this.#kind.name}" was stepped before its first reset.`, { hint: "Call reset() first." });
    }
    if (!(Number.isInteger(from) && Number.isInteger(to) && from >= 0 && from < to && to <= count)) {
      throw new DifftuneError("SHAPE", `There are no environments ${from} to ${to}; there are ${count}.`, { expected: count, got: [from, to] });
    }
    if (actions !== this.actions) {
      const width = actions.length / count;
      this.actions.set(actions.subarray(from * width, to * width), from * width);
    }
    if (this.#team === undefined) {
      const status = this.#stepAlone(this.pointer, from, to);
      if (status !== 0) throw actionError(status - 1, actions[status - 1], actionSteps, actionSpace);
      return this.result;
    }
    const status = this.#checkActions(this.pointer, from, to);
    if (status !== 0) throw actionError(status - 1, actions[status - 1], actionSteps, actionSpace);
    return this.#runTeam(this.#team, this.#operations.step, from, to)?.then(() => this.result) ?? this.result;
  }

  /** The state of all environments and the seeds to come; an environment made with the same options goes on from it. */
  save(): Uint8Array {
    this.#enter();
    if (!this.#hasStarted) {
      throw new DifftuneError("ENVIRONMENT", `Environment "${this.#kind.name}" has no state before its first reset.`, { hint: "Call reset() first." });
    }
    const saved = new Uint8Array(4 * savedWords + this.#content.length);
    saved.set(this.#content, 4 * savedWords);
    new Uint32Array(saved.buffer, 0, savedWords).set([...this.#identity(), checksum(this.#content)]);
    return saved;
  }

  /** Goes on from a saved state. One of other options, cut off or damaged, is refused and nothing moves. */
  restore(saved: Uint8Array): void {
    this.#enter();
    const expected = 4 * savedWords + this.#content.length;
    const words = saved.length === expected ? new Uint32Array(saved.slice(0, 4 * savedWords).buffer) : [];
    const content = saved.subarray(4 * savedWords);
    if (!this.#identity().every((word, index) => words[index] === word)) {
      throw new DifftuneError("FORMAT", `The saved state is not one of "${this.#kind.name}" with these options.`, {
        hint: "Count, chunk, stacked observations and kind of observation must be those it was saved with.",
        expected,
        got: saved.length,
      });
    }
    if (words[savedWords - 1] !== checksum(content)) {
      throw new DifftuneError("FORMAT", `The saved state of "${this.#kind.name}" is damaged.`, { hint: "Use an older one." });
    }
    this.#content.set(content);
    this.#hasStarted = true;
  }

  /** What a saved state must agree in. */
  #identity(): number[] {
    const names = ["BATCH_KIND", "BATCH_COUNT", "BATCH_CHUNK", "BATCH_STACKED", "BATCH_OBSERVATION_KIND", "BATCH_RECORD", "BATCH_STATE_STRIDE"];
    return names.map((name) => this.#header[this.physics.constant(name) / 4]!);
  }

  /** Refuses a number that names no environment, and any use after `close`. */
  checkIndex(index: number): void {
    this.#enter();
    if (!Number.isInteger(index) || index < 0 || index >= this.#settings.count) {
      throw new DifftuneError("SHAPE", `There is no environment ${index}; there are ${this.#settings.count}.`, { index, expected: this.#settings.count });
    }
  }

  close(): void {
    if (this.#isClosed) return;
    if (this.#isBusy) {
      throw new DifftuneError("ENVIRONMENT", `Environment "${this.#kind.name}" was closed while a chunk is running.`, { hint: "Await stepChunk() first." });
    }
    this.#isClosed = true;
    this.#team?.close();
    for (const block of this.#blocks) this.memory.free(block);
    this.memory.free(this.#job);
    this.memory.free(this.pointer);
  }

  #enter(): void {
    if (this.#isClosed) throw closedError(this.#kind.name);
    if (this.#isBusy) {
      throw new DifftuneError("ENVIRONMENT", `Environment "${this.#kind.name}" is still running the last chunk.`, { hint: "Await stepChunk() before the next call." });
    }
  }

  #resetAll(useStarts: number): ChunkResult | Promise<ChunkResult> {
    this.#header[this.#useStartsWord] = useStarts;
    const { rewards, stepRewards, terminated, truncated, steps } = this.result;
    for (const values of [rewards, stepRewards, terminated, truncated, steps, this.stepFlags]) values.fill(0);
    if (this.#team === undefined) return this.#resetDone(this.#resetAlone(this.pointer, 0, this.#settings.count));
    const pending = this.#runTeam(this.#team, this.#operations.reset, 0, this.#settings.count);
    if (pending === undefined) return this.#resetDone(this.#jobWords[this.#statusWord]!);
    return pending.then(() => this.#resetDone(this.#jobWords[this.#statusWord]!));
  }

  #resetDone(status: number): ChunkResult {
    this.#header[this.#useStartsWord] = 0;
    this.#hasStarted = true;
    if (status === 0) return this.result;
    throw new DifftuneError("ENVIRONMENT", `The start of environment ${status - 1} cannot be taken: it is out of reach or touches an obstacle.`, {
      hint: "That environment has the task's own start instead.",
      index: status - 1,
    });
  }

  /** Runs a job. Returns nothing when it is done already. */
  #runTeam(team: ThreadTeam, operation: number, from: number, to: number): Promise<void> | undefined {
    this.#jobWords[this.#operationWord] = operation;
    this.#jobWords[this.#statusWord] = 0;
    this.#jobWords[this.#nextWord] = from;
    this.#jobWords[this.#countWord] = to;
    const pending = team.run(this.#job);
    if (pending === undefined) return undefined;
    this.#isBusy = true;
    return pending.finally(() => {
      this.#isBusy = false;
    });
  }
}

function teamExports(physics: Physics): TeamExports {
  const [run, start] = [physics.call("run"), physics.call("start")];
  return { run: (job) => { run(job); }, start: (control, job) => { start(control, job); } };
}

/** FNV-1a. */
function checksum(bytes: Uint8Array): number {
  let value = 0x811c9dc5;
  for (const byte of bytes) value = Math.imul(value ^ byte, 0x01000193);
  return value >>> 0;
}

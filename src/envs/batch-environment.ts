import type { LinearMemory } from "../core/linear-memory.js";
import type { Batch } from "./batch.js";
import type { ChunkResult, EpisodeOutcome, Image, Space, VectorEnvironment } from "./environment.js";

/** The resolved options that every environment of the physics module has. */
export interface BatchEnvironmentSettings {
  readonly count: number;
  readonly observationSteps: number;
  readonly actionSteps: number;
  readonly maxSteps: number;
}

/** A batch of the physics module behind the contract of environments: what Avoid and Push-T have in common. */
export abstract class BatchEnvironment<Settings extends BatchEnvironmentSettings> implements VectorEnvironment {
  readonly name: string;
  readonly observationSpace: Space;
  readonly actionSpace: Space;
  readonly options: Settings & Readonly<Record<string, unknown>>;
  readonly path: readonly [x: string, y: string];
  protected readonly batch: Batch;

  protected constructor(
    name: string,
    batch: Batch,
    options: Settings & Readonly<Record<string, unknown>>,
    observationSpace: Space,
    actionSpace: Space,
    path: readonly [x: string, y: string],
  ) {
    this.name = name;
    this.path = path;
    this.options = options;
    this.observationSpace = observationSpace;
    this.actionSpace = actionSpace;
    this.batch = batch;
  }

  get count(): number {
    return this.options.count;
  }

  get observationSteps(): number {
    return this.options.observationSteps;
  }

  get actionSteps(): number {
    return this.options.actionSteps;
  }

  get maxSteps(): number {
    return this.options.maxSteps;
  }

  get actions(): Float32Array {
    return this.batch.actions;
  }

  get result(): ChunkResult {
    return this.batch.result;
  }

  get memory(): LinearMemory {
    return this.batch.memory;
  }

  /** Threads that simulate. */
  get threads(): number {
    return this.batch.threads;
  }

  /** [E, Ta]: what happened in each step, bits of the environment's step flags. */
  get stepFlags(): Uint32Array {
    return this.batch.stepFlags;
  }

  /** [E, Ta, D]: the observation that each step answered with; undefined without the option `recordSteps`. */
  get stepObservations(): Float32Array | undefined {
    return this.batch.stepObservations;
  }

  reset(seeds?: ArrayLike<number>): ChunkResult | Promise<ChunkResult> {
    return this.batch.reset(seeds);
  }

  /** Starts every environment from a given start, [E, start size]. */
  resetTo(starts: ArrayLike<number>): ChunkResult | Promise<ChunkResult> {
    return this.batch.resetTo(starts);
  }

  stepChunk(actions: Float32Array): ChunkResult | Promise<ChunkResult> {
    return this.batch.stepChunk(actions, 0, this.count);
  }

  stepRows(actions: Float32Array, from: number, to: number): ChunkResult | Promise<ChunkResult> {
    return this.batch.stepChunk(actions, from, to);
  }

  abstract outcome(index: number, episode?: "finished" | "running"): EpisodeOutcome;

  abstract render(index?: number): Image;

  save(): Uint8Array {
    return this.batch.save();
  }

  restore(saved: Uint8Array): void {
    this.batch.restore(saved);
  }

  close(): void {
    this.batch.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

import { LinearMemory } from "../../src/core/linear-memory.ts";
import { physics } from "../../src/generated/physics-wasm.ts";

/** What a Push-T batch of the tests is made of; the rest is left at the module's defaults. */
export interface PushtBatchOptions {
  readonly count: number;
  readonly chunk?: number;
  readonly stacked?: number;
  readonly observationKind?: "PUSHT_STATE" | "PUSHT_KEYPOINTS" | "PUSHT_CORNERS";
  /** RECORD_OBSERVATIONS = 1, RECORD_TRACE = 2. */
  readonly record?: number;
}

/**
 * A batch seen through the module's own exports, without the TypeScript environment in between: what tests and benchmarks of
 * the physics use. Fields are named as the module names them.
 */
export class PushtBatch {
  readonly memory: LinearMemory;
  readonly pointer: number;
  readonly byteLength: number;
  readonly #exports: WebAssembly.Exports;

  constructor(options: PushtBatchOptions, memory = new LinearMemory()) {
    this.memory = memory;
    const module = new WebAssembly.Module(Uint8Array.from(atob(physics), (character) => character.charCodeAt(0)));
    this.#exports = new WebAssembly.Instance(module, { env: { memory: memory.memory } }).exports;
    const shape = [
      options.count,
      options.chunk ?? 1,
      options.stacked ?? 1,
      this.constant(options.observationKind ?? "PUSHT_STATE"),
      options.record ?? 0,
    ];
    this.byteLength = this.call("pusht_batch_bytes", ...shape) >>> 0;
    this.pointer = memory.allocate(this.byteLength);
    this.call("pusht_batch_init", this.pointer, ...shape);
  }

  /** Calls an export that takes and returns numbers. */
  call(name: string, ...values: readonly number[]): number {
    const exported = this.#exports[name];
    if (typeof exported !== "function") throw new RangeError(`the physics module has no function ${name}`);
    return Number((exported as (...values: readonly number[]) => unknown)(...values));
  }

  constant(name: string): number {
    const exported = this.#exports[name];
    if (!(exported instanceof WebAssembly.Global)) throw new RangeError(`the physics module has no constant ${name}`);
    return Number(exported.value);
  }

  get(field: string): number {
    return this.memory.u32(this.pointer + this.constant(field), 1)[0]!;
  }

  set(field: string, value: number): void {
    this.memory.u32(this.pointer + this.constant(field), 1)[0] = value;
  }

  setDouble(field: string, value: number): void {
    this.memory.f64(this.pointer + this.constant(field), 1)[0] = value;
  }

  f32(field: string, length: number): Float32Array<SharedArrayBuffer> {
    return this.memory.f32(this.get(field), length);
  }

  f64(field: string, length: number): Float64Array<SharedArrayBuffer> {
    return this.memory.f64(this.get(field), length);
  }

  u32(field: string, length: number): Uint32Array<SharedArrayBuffer> {
    return this.memory.u32(this.get(field), length);
  }

  reset(from = 0, to = this.get("BATCH_COUNT")): void {
    this.call("pusht_reset", this.pointer, from, to);
  }

  /** Runs the chunk; the status is 0, or 1 + the index of a refused action. */
  stepChunk(from = 0, to = this.get("BATCH_COUNT")): number {
    return this.call("pusht_step_chunk", this.pointer, from, to);
  }
}

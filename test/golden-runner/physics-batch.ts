import { LinearMemory } from "../../src/core/linear-memory.ts";
import { physics } from "../../src/generated/physics-wasm.ts";

/** The numbers that a batch of any kind is laid out by. */
export interface PhysicsBatchShape {
  readonly count: number;
  readonly chunk?: number;
  readonly stacked?: number;
  /** Name of one of the module's constants; kind 0 without. */
  readonly observationKind?: string;
  /** RECORD_OBSERVATIONS = 1, RECORD_TRACE = 2. */
  readonly record?: number;
}

/**
 * A batch seen through the module's own exports, without the TypeScript environment in between: what tests and benchmarks of
 * the physics use. Fields are named as the module names them.
 */
export class PhysicsBatch {
  readonly memory: LinearMemory;
  readonly pointer: number;
  readonly byteLength: number;
  readonly #kind: string;
  readonly #exports: WebAssembly.Exports;

  /** `kind` is the prefix of the module's functions: pusht or avoid. */
  constructor(kind: string, shape: PhysicsBatchShape, memory = new LinearMemory()) {
    this.memory = memory;
    this.#kind = kind;
    const module = new WebAssembly.Module(Uint8Array.from(atob(physics), (character) => character.charCodeAt(0)));
    this.#exports = new WebAssembly.Instance(module, { env: { memory: memory.memory } }).exports;
    const observationKind = shape.observationKind === undefined ? 0 : this.constant(shape.observationKind);
    const sizes = [shape.count, shape.chunk ?? 1, shape.stacked ?? 1, observationKind, shape.record ?? 0];
    this.byteLength = this.call(`${kind}_batch_bytes`, ...sizes) >>> 0;
    this.pointer = memory.allocate(this.byteLength);
    this.call(`${kind}_batch_init`, this.pointer, ...sizes);
  }

  /** Calls an export that takes and returns numbers. */
  call(name: string, ...values: readonly number[]): number {
    const exported = this.#exports[name];
    if (typeof exported !== "function") throw new RangeError(`the physics module has no function ${name}`);
    return Number((exported as (...numbers: number[]) => unknown)(...values));
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

  /** Status 0, or 1 + the first environment that could not take its start. */
  reset(from = 0, to = this.get("BATCH_COUNT")): number {
    return this.call(`${this.#kind}_reset`, this.pointer, from, to);
  }

  /** Runs the chunk; the status is 0, or 1 + the index of a refused action. */
  stepChunk(from = 0, to = this.get("BATCH_COUNT")): number {
    return this.call(`${this.#kind}_step_chunk`, this.pointer, from, to);
  }
}

import { DifftuneError } from "./errors.js";

/** First byte that the host hands out; the constants of the WASM modules live below (see scripts/build.mjs). */
const heapStart = 131_072;
const pageBytes = 65_536;
/** Every block starts on a cache line, so that two threads never share one. */
const alignment = 64;

/** Options of {@link LinearMemory}. */
export interface LinearMemoryOptions {
  /** Largest size the memory may grow to, bytes. Address space is reserved, memory is not. Default 2 GiB. */
  readonly maximumBytes?: number;
}

interface Span {
  pointer: number;
  byteLength: number;
}

/**
 * One shared WebAssembly memory and its allocator. The WASM engine and the environments of one process use the same
 * one, so that a network reads observations where the physics wrote them.
 *
 * First fit over a list of free spans ordered by address; neighbours merge when freed. Allocation happens when
 * programs and environments are built, never while they run.
 */
export class LinearMemory {
  readonly memory: WebAssembly.Memory;
  readonly #free: Span[] = [];
  readonly #live = new Map<number, number>();
  readonly #maximumBytes: number;
  #end = heapStart;
  #liveBytes = 0;
  #peakBytes = 0;

  constructor(options: LinearMemoryOptions = {}) {
    const maximumBytes = options.maximumBytes ?? 2 ** 31;
    if (!Number.isSafeInteger(maximumBytes) || maximumBytes < 2 * pageBytes || maximumBytes > 2 ** 32) {
      throw new DifftuneError("OPTION", `maximumBytes must be a whole number from ${2 * pageBytes} to ${2 ** 32}.`, {
        got: options.maximumBytes,
      });
    }
    this.#maximumBytes = Math.floor(maximumBytes / pageBytes) * pageBytes;
    this.memory = new WebAssembly.Memory({ initial: 2, maximum: this.#maximumBytes / pageBytes, shared: true });
  }

  /** Number of blocks handed out and not freed. */
  get liveCount(): number {
    return this.#live.size;
  }

  /** Bytes handed out and not freed. */
  get liveBytes(): number {
    return this.#liveBytes;
  }

  /** Largest value that {@link liveBytes} has had. */
  get peakBytes(): number {
    return this.#peakBytes;
  }

  /** Hands out `byteLength` zeroed bytes on a 64-byte boundary. */
  allocate(byteLength: number): number {
    if (!Number.isSafeInteger(byteLength) || byteLength <= 0) {
      throw new DifftuneError("SHAPE", `An allocation needs a positive whole number of bytes.`, { got: byteLength });
    }
    const size = Math.ceil(byteLength / alignment) * alignment;
    const pointer = this.#takeFree(size) ?? this.#extend(size);
    this.#live.set(pointer, size);
    this.#liveBytes += size;
    this.#peakBytes = Math.max(this.#peakBytes, this.#liveBytes);
    new Uint8Array(this.memory.buffer, pointer, size).fill(0);
    return pointer;
  }

  /** Takes a block back. Freeing what is not live is a defect of the caller and throws. */
  free(pointer: number): void {
    const byteLength = this.#live.get(pointer);
    if (byteLength === undefined) {
      throw new DifftuneError("INVARIANT", `Byte ${pointer} is no live block of this memory.`);
    }
    this.#live.delete(pointer);
    this.#liveBytes -= byteLength;
    let at = this.#free.findIndex((span) => span.pointer > pointer);
    if (at < 0) at = this.#free.length;
    this.#free.splice(at, 0, { pointer, byteLength });
    this.#merge(at);
    if (at > 0) this.#merge(at - 1);
  }

  /** Bytes of the live block at `pointer`, rounded up to whole cache lines; 0 when there is none. */
  sizeOf(pointer: number): number {
    return this.#live.get(pointer) ?? 0;
  }

  /** A view of `length` floats at `pointer`; make it anew after the memory has grown past it. */
  f32(pointer: number, length: number): Float32Array<SharedArrayBuffer> {
    return new Float32Array(this.#shared(), pointer, length);
  }

  /** A view of `length` doubles at `pointer`. */
  f64(pointer: number, length: number): Float64Array<SharedArrayBuffer> {
    return new Float64Array(this.#shared(), pointer, length);
  }

  /** A view of `length` unsigned words at `pointer`. */
  u32(pointer: number, length: number): Uint32Array<SharedArrayBuffer> {
    return new Uint32Array(this.#shared(), pointer, length);
  }

  /** A view of `length` signed words at `pointer`; the form that `Atomics.wait` takes. */
  i32(pointer: number, length: number): Int32Array<SharedArrayBuffer> {
    return new Int32Array(this.#shared(), pointer, length);
  }

  /** A view of `length` bytes at `pointer`. */
  u8(pointer: number, length: number): Uint8Array<SharedArrayBuffer> {
    return new Uint8Array(this.#shared(), pointer, length);
  }

  #shared(): SharedArrayBuffer {
    // A memory made with `shared: true` has a SharedArrayBuffer; pages that are not isolated hide only its constructor.
    return this.memory.buffer as unknown as SharedArrayBuffer;
  }

  #takeFree(size: number): number | undefined {
    const at = this.#free.findIndex((span) => span.byteLength >= size);
    const span = this.#free[at];
    if (span === undefined) return undefined;
    const pointer = span.pointer;
    if (span.byteLength === size) {
      this.#free.splice(at, 1);
    } else {
      span.pointer += size;
      span.byteLength -= size;
    }
    return pointer;
  }

  #extend(size: number): number {
    const last = this.#free.at(-1);
    const pointer = last !== undefined && last.pointer + last.byteLength === this.#end ? last.pointer : this.#end;
    const end = pointer + size;
    if (end > this.#maximumBytes) throw this.#outOfMemory(size);
    const missing = Math.ceil((end - this.memory.buffer.byteLength) / pageBytes);
    if (missing > 0) {
      try {
        this.memory.grow(missing);
      } catch (cause) {
        throw this.#outOfMemory(size, cause);
      }
    }
    if (pointer !== this.#end) this.#free.pop();
    this.#end = end;
    return pointer;
  }

  #outOfMemory(byteLength: number, cause?: unknown): DifftuneError {
    return new DifftuneError("OUT_OF_MEMORY", `No room for ${byteLength} bytes beside the ${this.#liveBytes} in use.`, {
      hint: `The limit is ${this.#maximumBytes} bytes; raise maximumBytes, or use smaller batches.`,
      got: byteLength,
      cause,
    });
  }

  #merge(at: number): void {
    const span = this.#free[at];
    const next = this.#free[at + 1];
    if (span === undefined || next === undefined || span.pointer + span.byteLength !== next.pointer) return;
    span.byteLength += next.byteLength;
    this.#free.splice(at + 1, 1);
  }
}

import { DifftuneError } from "../../core/errors.js";
import { LinearMemory } from "../../core/linear-memory.js";
import { ThreadTeam, type TeamExports } from "../../threads/thread-team.js";
import type { Device, DeviceInfo, DeviceLoss, DeviceUse, TensorData, TensorOptions } from "../device.js";
import { Recorder, type Program, type ProgramRecorder } from "../program.js";
import { checkLength, elementCount, Tensor, wrongType, type Storage } from "../tensor.js";
import type { VariantChooser } from "../variant-chooser.js";
import { loadKernels, operatorCode, type SimdBuild } from "./kernel-module.js";
import { lowerLaunches, type LoweredProgram, type WasmSlots } from "./lowering.js";

/** Options of {@link createWasmDevice}. */
export interface WasmDeviceOptions {
  /** Threads that compute. Default: all cores where threads exist, else 1. Results do not depend on it. */
  readonly threads?: number;
  /** SIMD build: `auto` takes relaxed SIMD (fused multiply-add) where the host validates it. Default `auto`. */
  readonly simd?: "auto" | SimdBuild;
  /** Memory to live in, for example one that environments use too. Default: a memory of its own. */
  readonly memory?: LinearMemory;
  /** Picks the variant of every launch, for example an autotuner. Default: the plain one. */
  readonly variants?: VariantChooser;
}

class WasmStorage implements Storage {
  readonly label: string;
  readonly byteLength: number;
  readonly pointer: number;
  /** False for memory that somebody else frees. */
  readonly isOwned: boolean;

  constructor(label: string, byteLength: number, pointer: number, isOwned: boolean) {
    this.label = label;
    this.byteLength = byteLength;
    this.pointer = pointer;
    this.isOwned = isOwned;
  }
}

/** Makes a device of the WASM engine. */
export async function createWasmDevice(options: WasmDeviceOptions = {}): Promise<WasmDevice> {
  const memory = options.memory ?? new LinearMemory();
  const { module, build } = await loadKernels(options.simd ?? "auto");
  const instance = await WebAssembly.instantiate(module, { env: { memory: memory.memory } });
  const exports = instance.exports as unknown as TeamExports;
  const team = await ThreadTeam.create(memory, module, exports, options.threads === undefined ? {} : { threads: options.threads });
  return new WasmDevice(memory, team, build, options.variants);
}

/** The WASM engine: kernels in AssemblyScript SIMD on any CPU. */
export class WasmDevice implements Device {
  readonly info: DeviceInfo;
  readonly memory: LinearMemory;
  readonly lost: Promise<DeviceLoss>;
  readonly #team: ThreadTeam;
  readonly #variants: VariantChooser | undefined;
  readonly #live = new Set<Storage>();
  readonly #programs = new Set<WasmProgram>();
  #liveBytes = 0;
  /** Blocks of memory that programs hold. */
  #programBlocks = 0;
  #peakBytes = 0;
  #resolveLost: (loss: DeviceLoss) => void = () => undefined;
  #closed = false;
  #failure: DifftuneError | undefined;
  /** Work of a page's main thread that has not finished; undefined when nothing is pending. */
  #pending: Promise<void> | undefined;

  constructor(
    memory: LinearMemory,
    team: ThreadTeam,
    build: SimdBuild,
    variants: VariantChooser | undefined,
  ) {
    this.memory = memory;
    this.#team = team;
    this.#variants = variants;
    this.lost = new Promise((resolve) => { this.#resolveLost = resolve; });
    this.info = Object.freeze({
      engine: "wasm",
      description: `WASM ${build} SIMD, ${team.threads} thread${team.threads === 1 ? "" : "s"}`,
      key: `wasm-${build}-${team.threads}`,
      isSoftware: false,
      threads: team.threads,
      build,
      features: ["simd", ...(build === "relaxed" ? ["relaxed-simd"] : []), ...(team.threads > 1 ? ["threads"] : [])],
    });
  }

  get use(): DeviceUse {
    return { liveBuffers: this.#live.size + this.#programBlocks, liveBytes: this.#liveBytes, peakBytes: this.#peakBytes };
  }

  tensor(shape: readonly number[], options: TensorOptions = {}): Tensor {
    this.#check();
    const label = options.label ?? "tensor";
    const length = elementCount(shape, label);
    if (options.data !== undefined) checkLength(options.data, length, label);
    const storage = this.#allocate(label, length * 4);
    const tensor = new Tensor(storage, shape, options.dtype ?? "f32", label);
    if (options.data !== undefined) this.write(tensor, options.data);
    return tensor;
  }

  /** A tensor over memory that somebody else owns, for example an environment's observations: nothing is copied. */
  tensorAt(pointer: number, shape: readonly number[], label: string): Tensor {
    this.#check();
    const length = elementCount(shape, label);
    if (!Number.isSafeInteger(pointer) || pointer <= 0 || pointer % 16 !== 0 || pointer + length * 4 > this.memory.memory.buffer.byteLength) {
      throw new DifftuneError("SHAPE", `"${label}" does not lie inside the memory at byte ${pointer}.`, {
        hint: "Pass a pointer of this device's memory that is a multiple of 16.",
        got: pointer,
      });
    }
    const storage = new WasmStorage(label, length * 4, pointer, false);
    this.#live.add(storage);
    return new Tensor(storage, shape, "f32", label);
  }

  free(tensor: Tensor): void {
    if (this.#closed) return;
    const storage = tensor.storage;
    if (!(storage instanceof WasmStorage) || !this.#live.delete(storage)) {
      throw new DifftuneError("KERNEL_LAUNCH", `Tensor "${tensor.label}" is not a live tensor of this device.`, {
        hint: "Free a tensor once, on the device that made it.",
      });
    }
    if (storage.isOwned) {
      this.#liveBytes -= storage.byteLength;
      this.#inOrder(() => { this.memory.free(storage.pointer); });
    }
  }

  write(tensor: Tensor, data: ArrayLike<number>): void {
    this.#check();
    checkLength(data, tensor.length, tensor.label);
    this.#checkOwn(tensor);
    if (this.#pending === undefined) {
      this.#view(tensor).set(data);
    } else {
      const copy = tensor.dtype === "f32" ? Float32Array.from(data) : Uint32Array.from(data);
      this.#inOrder(() => { this.#view(tensor).set(copy); });
    }
  }

  async read(tensor: Tensor): Promise<Float32Array<ArrayBuffer>> {
    const [data] = await this.readAll([tensor]);
    if (!(data instanceof Float32Array)) throw wrongType(tensor, "f32");
    return data;
  }

  async readU32(tensor: Tensor): Promise<Uint32Array<ArrayBuffer>> {
    const [data] = await this.readAll([tensor]);
    if (!(data instanceof Uint32Array)) throw wrongType(tensor, "u32");
    return data;
  }

  async readAll(tensors: readonly Tensor[]): Promise<TensorData[]> {
    this.#check();
    for (const tensor of tensors) this.#checkOwn(tensor);
    await this.idle();
    return tensors.map((tensor) => {
      const copy = tensor.dtype === "f32" ? new Float32Array(tensor.length) : new Uint32Array(tensor.length);
      copy.set(this.#view(tensor));
      return copy;
    });
  }

  async idle(): Promise<void> {
    this.#check();
    while (this.#pending !== undefined) await this.#pending;
    this.#check();
  }

  async program(label: string, record: (recorder: ProgramRecorder) => void): Promise<Program> {
    this.#check();
    const recorder = new Recorder(label, "wasm", (storage) => this.#live.has(storage), (shape, options) => this.tensor(shape, options));
    const pointers: number[] = [];
    try {
      record(recorder);
      if (this.#variants !== undefined) {
        await this.#variants.prepare(this, recorder.launches);
        this.#check();
      }
      return this.#lower(recorder, pointers);
    } catch (error) {
      if (!this.#closed) {
        for (const pointer of pointers) this.memory.free(pointer);
        for (const constant of recorder.constants) this.free(constant);
      }
      throw error;
    }
  }

  close(): void {
    if (this.#closed) return;
    for (const program of [...this.#programs]) program.close();
    this.#closed = true;
    const owned = [...this.#live].filter((storage): storage is WasmStorage => storage instanceof WasmStorage && storage.isOwned);
    this.#live.clear();
    this.#liveBytes = 0;
    this.#resolveLost({ reason: "closed", message: "The device was closed." });
    this.#inOrder(() => {
      this.#team.close();
      for (const storage of owned) this.memory.free(storage.pointer);
    });
  }

  [Symbol.dispose](): void {
    this.close();
  }

  /** Runs work now, or after what is pending. For this engine's programs. */
  enqueue(work: () => Promise<void> | undefined): void {
    this.#check();
    if (this.#pending === undefined) {
      const promise = this.#guarded(work);
      if (promise !== undefined) this.#follow(promise);
    } else {
      this.#follow(this.#pending.then(() => this.#guarded(work)));
    }
  }

  /** Takes a program off the books. */
  forget(program: WasmProgram, held: HeldMemory): void {
    if (!this.#programs.delete(program)) return;
    this.#inOrder(() => { for (const pointer of held.pointers) this.memory.free(pointer); });
    for (const constant of held.constants) this.free(constant);
    this.#liveBytes -= held.bytes;
    this.#programBlocks -= held.pointers.length;
  }

  /** Does something at once, or behind the runs that a page's workers have not finished, which may use what it touches. */
  #inOrder(work: () => void): void {
    if (this.#pending === undefined) work();
    else this.#follow(this.#pending.then(work));
  }

  #guarded(work: () => Promise<void> | undefined): Promise<void> | undefined {
    try {
      return work();
    } catch (cause) {
      throw this.#lose(cause);
    }
  }

  /** A trap leaves memory in no known state: this device cannot go on. */
  #lose(cause: unknown): DifftuneError {
    this.#failure ??= cause instanceof DifftuneError ? cause
      : new DifftuneError("DEVICE_LOST", "A kernel trapped.", { hint: "Create a new device.", cause });
    this.#resolveLost({ reason: "lost", message: this.#failure.message });
    return this.#failure;
  }

  #follow(promise: Promise<void>): void {
    const tail: Promise<void> = promise.catch((cause: unknown) => { this.#lose(cause); }).then(() => {
      if (this.#pending === tail) this.#pending = undefined;
    });
    this.#pending = tail;
  }

  #lower(recorder: Recorder, pointers: number[]): WasmProgram {
    const slotBytes = recorder.seal();
    const slots: WasmSlots = slotBytes.map((byteLength) => {
      const pointer = this.memory.allocate(byteLength);
      pointers.push(pointer);
      return { pointer, byteLength };
    });
    const lowered = lowerLaunches(recorder.launches, this.memory, this.#team.control, pointers, {
      pointerOf: (tensor) => (tensor.storage instanceof WasmStorage
        ? tensor.storage.pointer + tensor.byteOffset
        : undefined),
      slots,
      operatorCode,
      inOrder: (work) => { this.#inOrder(work); },
      chooseVariant: (launch) => this.#variants?.choose(this, launch),
    });
    const bytes = pointers.reduce((sum, pointer) => sum + this.memory.sizeOf(pointer), 0);
    this.#count(bytes);
    this.#programBlocks += pointers.length;
    const program = new WasmProgram(this, this.#team, recorder.label, recorder.launches.length, lowered, { pointers, bytes, constants: recorder.constants });
    this.#programs.add(program);
    return program;
  }

  #allocate(label: string, byteLength: number): WasmStorage {
    const storage = new WasmStorage(label, byteLength, this.memory.allocate(byteLength), true);
    this.#live.add(storage);
    this.#count(byteLength);
    return storage;
  }

  #count(bytes: number): void {
    this.#liveBytes += bytes;
    this.#peakBytes = Math.max(this.#peakBytes, this.#liveBytes);
  }

  #view(tensor: Tensor): Float32Array<SharedArrayBuffer> | Uint32Array<SharedArrayBuffer> {
    const pointer = (tensor.storage as WasmStorage).pointer + tensor.byteOffset;
    return tensor.dtype === "f32" ? this.memory.f32(pointer, tensor.length) : this.memory.u32(pointer, tensor.length);
  }

  #checkOwn(tensor: Tensor): void {
    if (!this.#live.has(tensor.storage)) {
      throw new DifftuneError("KERNEL_LAUNCH", `Tensor "${tensor.label}" is not a live tensor of this device.`, {
        hint: "It was freed, belongs to another device, or is a temporary of a program.",
      });
    }
  }

  #check(): void {
    if (this.#closed) throw new DifftuneError("DEVICE_CLOSED", "The device was closed.");
    if (this.#failure !== undefined) throw this.#failure;
  }
}

/** What a program frees when it is closed. */
interface HeldMemory {
  readonly pointers: readonly number[];
  /** Bytes behind the pointers. */
  readonly bytes: number;
  readonly constants: readonly Tensor[];
}

class WasmProgram implements Program {
  readonly label: string;
  readonly launchCount: number;
  readonly #device: WasmDevice;
  readonly #held: HeldMemory;
  readonly #work: () => Promise<void> | undefined;
  #closed = false;

  constructor(
    device: WasmDevice,
    team: ThreadTeam,
    label: string,
    launchCount: number,
    lowered: LoweredProgram,
    held: HeldMemory,
  ) {
    this.#device = device;
    this.label = label;
    this.launchCount = launchCount;
    this.#held = held;
    this.#work = () => {
      lowered.refresh();
      return team.run(lowered.table);
    };
  }

  run(): void {
    if (this.#closed) throw new DifftuneError("DEVICE_CLOSED", `Program "${this.label}" was closed.`);
    this.#device.enqueue(this.#work);
  }

  gpuTime(): Promise<undefined> {
    return Promise.resolve(undefined);
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#device.forget(this, this.#held);
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

import { DifftuneError } from "../core/errors.js";
import type { EngineName, TensorOptions } from "./device.js";
import { anyKernel, type AnyKernelSpec, type BufferSpec, type KernelSpec, type ParamLayout, type ParamValues, type ScalarType } from "./kernel-spec.js";
import { elementCount, Tensor, viewAlignmentBytes, type Storage } from "./tensor.js";

/** Buffers of a launch by name; only optional ones may be left out. */
export type LaunchBuffers<B> = {
  readonly [Name in keyof B as B[Name] extends { readonly optional: true } ? never : Name]: Tensor;
} & {
  readonly [Name in keyof B as B[Name] extends { readonly optional: true } ? Name : never]?: Tensor | undefined;
};

/** One recorded launch. Its parameters may change between runs; its buffers may not. */
export interface Launch<P extends ParamLayout = ParamLayout> {
  /** Sets some parameters for the runs that follow. Sizes must stay what the launch was recorded with, or shrink. */
  update(params: Partial<ParamValues<P>>): void;
}

/** What {@link Device.program} hands to its callback. */
export interface ProgramRecorder {
  readonly label: string;
  /** The engine that will run the program, for launchers that cut work differently on a GPU. */
  readonly engine: EngineName;
  /** Memory that lives inside one run: contents are undefined before it is written, and later temporaries reuse it. */
  temporary(shape: readonly number[], label: string, dtype?: ScalarType): Tensor;
  /** Numbers that never change, kept with the program: tables that kernels read. */
  constant(data: ArrayLike<number>, label: string, dtype?: ScalarType): Tensor;
  /** Adds one launch. Refuses wrong sizes, types and aliases at once. */
  launch<P extends ParamLayout, B extends Readonly<Record<string, BufferSpec<P>>>>(
    spec: KernelSpec<P, B>,
    params: ParamValues<P>,
    buffers: LaunchBuffers<B>,
    variant?: string,
  ): Launch<P>;
}

/** A fixed list of launches on fixed buffers. */
export interface Program {
  readonly label: string;
  readonly launchCount: number;
  /** Submits one run. Returns at once or when done, as the engine can; wait with `device.read` or `device.idle`. */
  run(): void;
  /** GPU milliseconds of the last finished run where the device has timestamps; undefined elsewhere. */
  gpuTime(): Promise<number | undefined>;
  close(): void;
  [Symbol.dispose](): void;
}

/** A launch as recorded: what an engine lowers. */
export interface RecordedLaunch {
  readonly spec: AnyKernelSpec;
  readonly label: string;
  /** Current values, in the order of the spec; `update` writes here and then into the engine. */
  readonly values: number[];
  readonly tensors: readonly (Tensor | undefined)[];
  readonly variant: string | undefined;
  /** Set by the engine: carries changed values to where the kernel reads them. */
  commit: () => void;
}

/** A temporary before the arena is planned. The engine gives it a slot. */
export class TemporaryStorage implements Storage {
  readonly label: string;
  readonly byteLength: number;
  /** Index of the arena slot; -1 until planned. */
  slot = -1;
  firstUse = Number.POSITIVE_INFINITY;
  lastUse = -1;

  constructor(label: string, byteLength: number) {
    this.label = label;
    this.byteLength = byteLength;
  }
}

/** The values of a parameter set, checked against its types. */
function checkedValue(spec: AnyKernelSpec, name: string, type: ScalarType, value: number | undefined, label: string): number {
  if (value === undefined || !Number.isFinite(value)) {
    throw new DifftuneError("KERNEL_LAUNCH", `${label}: parameter "${name}" is ${value}.`, {
      hint: "Parameters are finite numbers.",
      kernel: spec.name,
      got: value,
    });
  }
  if (type === "u32" && (!Number.isInteger(value) || value < 0 || value > 0xffffffff)) {
    throw new DifftuneError("KERNEL_LAUNCH", `${label}: parameter "${name}" is ${value}.`, {
      hint: "It must be a whole number from 0 to 2^32 - 1.",
      kernel: spec.name,
      got: value,
    });
  }
  if (type === "f32" && Math.abs(value) > 3.4028234663852886e38) {
    throw new DifftuneError("KERNEL_LAUNCH", `${label}: parameter "${name}" is ${value}, beyond f32.`, {
      kernel: spec.name,
      got: value,
    });
  }
  return value;
}

/** The parameters of a launch by name, as its spec's functions take them. */
export function paramsOf({ spec, values }: Pick<RecordedLaunch, "spec" | "values">): Record<string, number> {
  return Object.fromEntries(Object.keys(spec.params).map((name, at) => [name, values[at] ?? 0]));
}

function checkShapes(spec: AnyKernelSpec, params: Record<string, number>, tensors: readonly (Tensor | undefined)[], label: string): void {
  const problem = spec.check?.(params);
  if (problem !== undefined) {
    throw new DifftuneError("KERNEL_LAUNCH", `${label}: ${problem}`, { kernel: spec.name, got: params });
  }
  const units = spec.units(params);
  if (!Number.isSafeInteger(units) || units < 1) {
    throw new DifftuneError("SHAPE", `${label}: there is nothing to compute (${units} units).`, {
      hint: "Every size must be at least 1.",
      kernel: spec.name,
      got: params,
    });
  }
  for (const [at, [name, buffer]] of Object.entries(spec.buffers).entries()) {
    const tensor = tensors[at];
    if (tensor === undefined) continue;
    const needed = buffer.length(params);
    if (!Number.isSafeInteger(needed) || needed < 1 || needed > tensor.length) {
      throw new DifftuneError("SHAPE", `${label}: buffer "${name}" (${tensor.label}) has ${tensor.length} elements.`, {
        hint: `These parameters need ${needed}.`,
        kernel: spec.name,
        expected: needed,
        got: tensor.length,
      });
    }
  }
}

/** Everything about recording that is the same on both engines. */
export class Recorder implements ProgramRecorder {
  readonly label: string;
  readonly engine: EngineName;
  readonly launches: RecordedLaunch[] = [];
  readonly temporaries: TemporaryStorage[] = [];
  /** Tensors that the program frees when it is closed. */
  readonly constants: Tensor[] = [];
  readonly #owns: (storage: Storage) => boolean;
  readonly #make: (shape: readonly number[], options: TensorOptions) => Tensor;
  #sealed = false;

  /**
   * @param owns whether a storage is a live one of the recording device
   * @param make makes a tensor on it
   */
  constructor(
    label: string,
    engine: EngineName,
    owns: (storage: Storage) => boolean,
    make: (shape: readonly number[], options: TensorOptions) => Tensor,
  ) {
    this.label = label;
    this.engine = engine;
    this.#owns = owns;
    this.#make = make;
  }

  constant(data: ArrayLike<number>, label: string, dtype: ScalarType = "f32"): Tensor {
    this.#open();
    const tensor = this.#make([data.length], { label: `${this.label}/${label}`, dtype, data });
    this.constants.push(tensor);
    return tensor;
  }

  temporary(shape: readonly number[], label: string, dtype: ScalarType = "f32"): Tensor {
    this.#open();
    const byteLength = elementCount(shape, label) * 4;
    const storage = new TemporaryStorage(`${this.label}/${label}`, byteLength);
    this.temporaries.push(storage);
    return new Tensor(storage, shape, dtype, storage.label);
  }

  launch<P extends ParamLayout, B extends Readonly<Record<string, BufferSpec<P>>>>(
    typedSpec: KernelSpec<P, B>,
    params: ParamValues<P>,
    buffers: LaunchBuffers<B>,
    variant?: string,
  ): Launch<P> {
    this.#open();
    const spec = anyKernel(typedSpec);
    const label = `${this.label}/${this.launches.length}:${spec.name}`;
    const given: Readonly<Record<string, number | undefined>> = params;
    const layout = Object.entries(spec.params);
    const values = layout.map(([name, type]) => checkedValue(spec, name, type, given[name], label));
    const byName: Readonly<Record<string, Tensor | undefined>> = buffers;
    const tensors = Object.keys(spec.buffers).map((name) => byName[name]);
    for (const name of Object.keys(byName)) {
      if (!(name in spec.buffers)) {
        throw new DifftuneError("KERNEL_LAUNCH", `${label}: there is no buffer "${name}".`, {
          hint: `The buffers are ${Object.keys(spec.buffers).join(", ")}.`,
          kernel: spec.name,
        });
      }
    }
    this.#checkTensors(spec, tensors, label);
    checkShapes(spec, paramsOf({ spec, values }), tensors, label);

    const index = this.launches.length;
    for (const tensor of tensors) {
      if (tensor?.storage instanceof TemporaryStorage) {
        tensor.storage.firstUse = Math.min(tensor.storage.firstUse, index);
        tensor.storage.lastUse = index;
      }
    }
    const recorded: RecordedLaunch = { spec, label, values, tensors, variant, commit: () => undefined };
    this.launches.push(recorded);
    return {
      update: (changed) => {
        const changes: Readonly<Record<string, number | undefined>> = changed;
        const next = [...values];
        for (const [name, value] of Object.entries(changes)) {
          const at = layout.findIndex(([known]) => known === name);
          const type = layout[at]?.[1];
          if (type === undefined) {
            throw new DifftuneError("KERNEL_LAUNCH", `${label}: there is no parameter "${name}".`, {
              hint: `The parameters are ${Object.keys(spec.params).join(", ")}.`,
              kernel: spec.name,
            });
          }
          next[at] = checkedValue(spec, name, type, value, label);
        }
        const now = paramsOf({ spec, values: next });
        checkShapes(spec, now, tensors, label);
        if (spec.units(now) > spec.units(paramsOf({ spec, values }))) {
          throw new DifftuneError("KERNEL_LAUNCH", `${label}: an update may not make the launch larger.`, {
            hint: "Record a new program for a larger shape.",
            kernel: spec.name,
          });
        }
        for (const [at, value] of next.entries()) values[at] = value;
        recorded.commit();
      },
    };
  }

  /** Ends recording: nothing can be added, and every temporary has a slot. Returns the bytes of each slot. */
  seal(): number[] {
    this.#open();
    this.#sealed = true;
    if (this.launches.length === 0) {
      throw new DifftuneError("KERNEL_LAUNCH", `Program "${this.label}" has no launches.`, {
        hint: "Record at least one.",
      });
    }
    return planSlots(this.temporaries.filter((temporary) => temporary.lastUse >= 0));
  }

  #open(): void {
    if (this.#sealed) {
      throw new DifftuneError("KERNEL_LAUNCH", `Program "${this.label}" is recorded already.`, {
        hint: "Launches and temporaries belong inside the callback of device.program().",
      });
    }
  }

  #checkTensors(spec: AnyKernelSpec, tensors: readonly (Tensor | undefined)[], label: string): void {
    const otherBuffers = Object.values(spec.buffers);
    for (const [at, [name, buffer]] of Object.entries(spec.buffers).entries()) {
      const tensor = tensors[at];
      if (tensor === undefined) {
        if (buffer.optional === true) continue;
        throw new DifftuneError("KERNEL_LAUNCH", `${label}: buffer "${name}" is missing.`, { kernel: spec.name });
      }
      const dtype = buffer.dtype ?? "f32";
      if (tensor.dtype !== dtype) {
        throw new DifftuneError("KERNEL_LAUNCH", `${label}: buffer "${name}" (${tensor.label}) holds ${tensor.dtype}.`, {
          expected: dtype,
          got: tensor.dtype,
          kernel: spec.name,
        });
      }
      const isOwn = tensor.storage instanceof TemporaryStorage
        ? this.temporaries.includes(tensor.storage)
        : this.#owns(tensor.storage);
      if (!isOwn) {
        throw new DifftuneError("KERNEL_LAUNCH", `${label}: buffer "${name}" (${tensor.label}) is freed or of another device or program.`, {
          kernel: spec.name,
        });
      }
      if (tensor.byteOffset % viewAlignmentBytes !== 0) {
        throw new DifftuneError("KERNEL_LAUNCH", `${label}: buffer "${name}" (${tensor.label}) starts at byte ${tensor.byteOffset}.`, {
          hint: "Kernels take views that start on 64-element boundaries.",
          kernel: spec.name,
        });
      }
      if (buffer.access === "read") continue;
      for (const [otherAt, other] of tensors.entries()) {
        if (other === undefined || otherAt === at || !tensor.sharesStorageWith(other)) continue;
        // Two written parts of one storage (a layer's weight and bias inside the flat gradient) are apart.
        const isApart = tensor.byteOffset + tensor.byteLength <= other.byteOffset || other.byteOffset + other.byteLength <= tensor.byteOffset;
        if (isApart && otherBuffers[otherAt]?.access !== "read") continue;
        throw new DifftuneError("KERNEL_LAUNCH", `${label}: "${name}" is written and shares memory with another buffer.`, {
          hint: `${tensor.label} and ${other.label} must be different tensors.`,
          kernel: spec.name,
        });
      }
    }
  }
}

/**
 * Gives each temporary a slot; two of one size share one when their uses do not overlap in time. Only of one size: rows of
 * two sizes in one place would belong to different threads, and cost a barrier that equal rows do not.
 */
function planSlots(temporaries: readonly TemporaryStorage[]): number[] {
  const slots: { readonly byteLength: number; freeFrom: number }[] = [];
  for (const temporary of [...temporaries].sort((a, b) => a.firstUse - b.firstUse)) {
    const at = slots.findIndex(({ byteLength, freeFrom }) => byteLength === temporary.byteLength && freeFrom <= temporary.firstUse);
    const slot = slots[at];
    if (slot === undefined) {
      temporary.slot = slots.length;
      slots.push({ byteLength: temporary.byteLength, freeFrom: temporary.lastUse + 1 });
    } else {
      temporary.slot = at;
      slot.freeFrom = temporary.lastUse + 1;
    }
  }
  return slots.map(({ byteLength }) => byteLength);
}

import type { LinearMemory } from "../core/linear-memory.js";
import type { ScalarType } from "./kernel-spec.js";
import type { Program, ProgramRecorder } from "./program.js";
import type { Tensor } from "./tensor.js";

/** Which body of every kernel runs. */
export type EngineName = "webgpu" | "wasm";

/** What is known about a device, for logs, caches and bug reports. */
export interface DeviceInfo {
  readonly engine: EngineName;
  /** One line for people, for example `WASM relaxed SIMD, 2 threads` or the adapter's description. */
  readonly description: string;
  /** What results and tuned choices depend on: adapter and driver, or SIMD build and thread count. */
  readonly key: string;
  /** True for WebGPU without a GPU (llvmpipe, SwiftShader). */
  readonly isSoftware: boolean;
  readonly threads: number;
  /** `plain` or `relaxed` SIMD on WASM; `wgsl` on WebGPU. */
  readonly build: "plain" | "relaxed" | "wgsl";
  /** Optional features in use. */
  readonly features: readonly string[];
}

/** Memory that a device holds. */
export interface DeviceUse {
  readonly liveBuffers: number;
  readonly liveBytes: number;
  readonly peakBytes: number;
}

/** Options of a new tensor. */
export interface TensorOptions {
  /** Shown in errors and GPU tools. */
  readonly label?: string;
  readonly dtype?: ScalarType;
  /** First contents; zeros when left out. */
  readonly data?: ArrayLike<number>;
}

/** What {@link Device.read} gives back for a tensor. */
export type TensorData = Float32Array<ArrayBuffer> | Uint32Array<ArrayBuffer>;

/** Why a device went away. */
export interface DeviceLoss {
  readonly reason: "closed" | "lost";
  readonly message: string;
}

/**
 * A place where kernels run. Both engines have this one interface; everything above knows nothing else.
 * What you create you close; `close()` of the device frees all that is left.
 */
export interface Device {
  readonly info: DeviceInfo;
  readonly use: DeviceUse;
  /** Resolves once, when the device is lost or closed. Never rejects. */
  readonly lost: Promise<DeviceLoss>;
  /** The linear memory of the WASM engine, which environments may share; undefined on WebGPU. */
  readonly memory: LinearMemory | undefined;

  /** A tensor that lives until it is freed or the device is closed. */
  tensor(shape: readonly number[], options?: TensorOptions): Tensor;
  /** Frees a tensor made by {@link tensor} (not a view of one). */
  free(tensor: Tensor): void;
  /** Overwrites the elements of a tensor, or of a view. */
  write(tensor: Tensor, data: ArrayLike<number>): void;
  /** Copies the elements of tensors out, after all that was submitted. One wait for all of them. */
  read(tensor: Tensor): Promise<Float32Array<ArrayBuffer>>;
  readU32(tensor: Tensor): Promise<Uint32Array<ArrayBuffer>>;
  readAll(tensors: readonly Tensor[]): Promise<TensorData[]>;
  /** Waits until everything submitted has run; throws what went wrong since the last wait. */
  idle(): Promise<void>;

  /**
   * Records a program: `record` calls launchers on the recorder, in order. Everything that can fail or allocate does
   * so here; {@link Program.run} does neither.
   */
  program(label: string, record: (recorder: ProgramRecorder) => void): Promise<Program>;

  close(): void;
  [Symbol.dispose](): void;
}

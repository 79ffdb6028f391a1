import * as host from "#host";
import { DifftuneError } from "../../core/errors.js";
import type { Device, DeviceInfo, DeviceLoss, DeviceUse, TensorData, TensorOptions } from "../device.js";
import { variantsOf } from "../kernel-spec.js";
import { paramsOf, Recorder, TemporaryStorage, type Program, type ProgramRecorder, type RecordedLaunch } from "../program.js";
import { checkLength, elementCount, Tensor, wrongType, type Storage } from "../tensor.js";
import type { VariantChooser } from "../variant-chooser.js";
import { bufferUsage, mapMode, maximumWorkgroups } from "./constants.js";
import { PipelineCache } from "./pipelines.js";

/** Options of {@link createWebGpuDevice}. */
export interface WebGpuDeviceOptions {
  /** A device that the caller has and keeps: it is used, not destroyed. */
  readonly device?: GPUDevice;
  /** The `GPU` to ask for an adapter. Default: `navigator.gpu` in pages, the package `webgpu` in Node. */
  readonly gpu?: GPU;
  /** Options of Dawn in Node, for example `["backend=vulkan"]`; toggles go in one string. */
  readonly dawn?: readonly string[];
  /** Which of two GPUs to ask for. Default: the system chooses. */
  readonly powerPreference?: GPUPowerPreference;
  /** Picks the variant of every launch, for example an autotuner. Default: the plain one. */
  readonly variants?: VariantChooser;
}

class GpuStorage implements Storage {
  readonly label: string;
  readonly byteLength: number;
  readonly buffer: GPUBuffer;

  constructor(label: string, byteLength: number, buffer: GPUBuffer) {
    this.label = label;
    this.byteLength = byteLength;
    this.buffer = buffer;
  }
}

/** Features that are switched on where the adapter has them; nothing needs them. */
const wantedFeatures: readonly GPUFeatureName[] = ["timestamp-query"];

/** Limits that are raised to what the adapter offers; kernels stay inside the defaults, data may be larger. */
const wantedLimits = ["maxBufferSize", "maxStorageBufferBindingSize"] as const;

interface Opened {
  readonly device: GPUDevice;
  readonly description: string;
  readonly key: string;
  readonly isSoftware: boolean;
  /** Kept reachable as long as the device: once collected, Dawn crashes in unrelated places. */
  readonly gpu: GPU | undefined;
  readonly isOwned: boolean;
}

function isSoftwareAdapter(info: GPUAdapterInfo): boolean {
  return info.isFallbackAdapter
    || /llvmpipe|lavapipe|swiftshader|software|basic render/i.test(`${info.description} ${info.device} ${info.architecture}`);
}

/** Whether a GPU (not a software adapter) is there; asks without making a device. */
export async function hasHardwareGpu(): Promise<boolean> {
  const gpu = await host.openGpu([]);
  const adapter = await gpu?.requestAdapter();
  return adapter !== undefined && adapter !== null && !isSoftwareAdapter(adapter.info);
}

/** What an adapter says of itself: one line for people, and all of it, the driver included, as a key. */
function described(info: GPUAdapterInfo): Pick<Opened, "description" | "key" | "isSoftware"> {
  return {
    description: info.description === "" ? `${info.vendor} ${info.architecture}` : info.description,
    key: [info.vendor, info.architecture, info.device, info.description].join("-"),
    isSoftware: isSoftwareAdapter(info),
  };
}

async function open(options: WebGpuDeviceOptions): Promise<Opened> {
  if (options.device !== undefined) {
    const info = options.device.adapterInfo;
    return {
      device: options.device,
      ...described(info),
      gpu: undefined,
      isOwned: false,
    };
  }
  const gpu = options.gpu ?? (await host.openGpu(options.dawn ?? []));
  if (gpu === undefined) {
    throw new DifftuneError("GPU_UNAVAILABLE", "There is no WebGPU here.", {
      hint: "In Node run `npm install webgpu`; in a page use a browser with WebGPU, over https or localhost. The WASM engine needs neither.",
    });
  }
  const adapter = await gpu.requestAdapter(options.powerPreference === undefined ? {} : { powerPreference: options.powerPreference });
  if (adapter === null) {
    throw new DifftuneError("GPU_UNAVAILABLE", "WebGPU found no adapter.", {
      hint: "Install a Vulkan driver (without a GPU: Mesa 23 or newer, package mesa-vulkan-drivers; on Debian 12 from bookworm-backports), or use the WASM engine.",
    });
  }
  const info = adapter.info;
  const requiredLimits: Record<string, number> = {};
  for (const name of wantedLimits) requiredLimits[name] = adapter.limits[name];
  const device = await adapter.requestDevice({
    label: "difftune",
    requiredFeatures: wantedFeatures.filter((feature) => adapter.features.has(feature)),
    requiredLimits,
  });
  return {
    device,
    ...described(info),
    gpu,
    isOwned: true,
  };
}

/** Makes a device of the WebGPU engine. */
export async function createWebGpuDevice(options: WebGpuDeviceOptions = {}): Promise<WebGpuDevice> {
  return new WebGpuDevice(await open(options), options.variants);
}

/** Bytes between the parameter blocks of two launches: WebGPU's default alignment of uniform offsets. */
const paramStride = 256;
/** Largest staging buffers kept for reuse, per size class. */
const stagingDepth = 4;
/** Runs shorter than this are not worth sleeping through, milliseconds. */
const sleepWorth = 8;

/** The WebGPU engine: kernels in WGSL on any GPU. */
export class WebGpuDevice implements Device {
  readonly info: DeviceInfo;
  readonly memory = undefined;
  readonly lost: Promise<DeviceLoss>;
  /** Everything below is for this engine's programs. */
  readonly gpu: GPUDevice;
  readonly pipelines: PipelineCache;
  readonly variants: VariantChooser | undefined;
  /** Bound where a launch leaves out an optional buffer; one for each access, since reading and writing may not mix. */
  readonly dummies: { readonly read: GPUBuffer; readonly write: readonly GPUBuffer[] };
  readonly #opened: Opened;
  readonly #live = new Set<Storage>();
  readonly #programs = new Set<WebGpuProgram>();
  readonly #staging = new Map<number, GPUBuffer[]>();
  readonly #onUncaptured: (event: GPUUncapturedErrorEvent) => void;
  #liveBytes = 0;
  #peakBytes = 0;
  #liveBuffers = 0;
  #closed = false;
  #failure: DifftuneError | undefined;
  /** Programs submitted since the last wait, once for each run, and when the first was. */
  readonly #submitted: WebGpuProgram[] = [];
  #submittedAt = 0;

  constructor(opened: Opened, variants: VariantChooser | undefined) {
    this.#opened = opened;
    this.gpu = opened.device;
    this.variants = variants;
    this.pipelines = new PipelineCache(this.gpu);
    this.info = Object.freeze({
      engine: "webgpu",
      description: opened.description,
      key: `webgpu-${opened.key}`,
      isSoftware: opened.isSoftware,
      threads: 1,
      build: "wgsl",
      features: wantedFeatures.filter((feature) => this.gpu.features.has(feature)),
    });
    this.#onUncaptured = (event) => {
      event.preventDefault();
      this.#failure ??= attributed(event.error);
    };
    this.gpu.addEventListener("uncapturederror", this.#onUncaptured);
    this.lost = this.gpu.lost.then((info) => {
      const loss: DeviceLoss = { reason: this.#closed ? "closed" : "lost", message: info.message };
      if (loss.reason === "lost") {
        this.#failure = new DifftuneError("DEVICE_LOST", `The GPU device was lost: ${info.message}`, {
          hint: "Create a new device and go on from the last checkpoint.",
        });
      }
      return loss;
    });
    const dummy = (label: string): GPUBuffer => this.createBuffer(label, paramStride);
    this.dummies = { read: dummy("absent input"), write: Array.from({ length: 8 }, (_, at) => dummy(`absent output ${at}`)) };
  }

  get use(): DeviceUse {
    return { liveBuffers: this.#liveBuffers, liveBytes: this.#liveBytes, peakBytes: this.#peakBytes };
  }

  tensor(shape: readonly number[], options: TensorOptions = {}): Tensor {
    this.#check();
    const label = options.label ?? "tensor";
    const length = elementCount(shape, label);
    if (options.data !== undefined) checkLength(options.data, length, label);
    const storage = new GpuStorage(label, length * 4, this.createBuffer(label, length * 4));
    this.#live.add(storage);
    const tensor = new Tensor(storage, shape, options.dtype ?? "f32", label);
    if (options.data !== undefined) this.write(tensor, options.data);
    return tensor;
  }

  free(tensor: Tensor): void {
    if (this.#closed) return;
    const storage = tensor.storage;
    if (!(storage instanceof GpuStorage) || !this.#live.delete(storage)) {
      throw new DifftuneError("KERNEL_LAUNCH", `Tensor "${tensor.label}" is not a live tensor of this device.`, {
        hint: "Free a tensor once, on the device that made it.",
      });
    }
    this.destroyBuffer(storage.buffer);
  }

  write(tensor: Tensor, data: ArrayLike<number>): void {
    this.#check();
    checkLength(data, tensor.length, tensor.label);
    const buffer = this.bufferOf(tensor);
    // Always a copy: WebGPU takes no view of shared memory, and a type cannot tell one view from the other.
    const bytes = tensor.dtype === "f32" ? new Float32Array(data) : new Uint32Array(data);
    this.gpu.queue.writeBuffer(buffer, tensor.byteOffset, bytes);
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
    const byteLength = tensors.reduce((sum, tensor) => sum + tensor.byteLength, 0);
    if (byteLength === 0) {
      await this.idle();
      return [];
    }
    const sources = tensors.map((tensor) => this.bufferOf(tensor));
    const staging = this.#takeStaging(byteLength);
    const encoder = this.gpu.createCommandEncoder({ label: "read" });
    let at = 0;
    for (const [index, tensor] of tensors.entries()) {
      encoder.copyBufferToBuffer(sources[index] ?? this.bufferOf(tensor), tensor.byteOffset, staging, at, tensor.byteLength);
      at += tensor.byteLength;
    }
    this.gpu.queue.submit([encoder.finish()]);
    try {
      await this.#await(() => staging.mapAsync(mapMode.read, 0, byteLength));
    } catch (error) {
      this.destroyBuffer(staging);
      throw error;
    }
    const bytes = staging.getMappedRange(0, byteLength).slice(0);
    staging.unmap();
    this.#returnStaging(staging);
    at = 0;
    return tensors.map((tensor) => {
      const data = tensor.dtype === "f32" ? new Float32Array(bytes, at, tensor.length) : new Uint32Array(bytes, at, tensor.length);
      at += tensor.byteLength;
      return data;
    });
  }

  async idle(): Promise<void> {
    this.#check();
    await this.#await(() => this.gpu.queue.onSubmittedWorkDone());
  }

  async program(label: string, record: (recorder: ProgramRecorder) => void): Promise<Program> {
    this.#check();
    const recorder = new Recorder(label, "webgpu", (storage) => this.#live.has(storage), (shape, options) => this.tensor(shape, options));
    let program: WebGpuProgram;
    try {
      record(recorder);
      await this.variants?.prepare(this, recorder.launches);
      program = await WebGpuProgram.create(this, recorder);
    } catch (error) {
      if (!this.#closed) for (const constant of recorder.constants) this.free(constant);
      throw error;
    }
    try {
      // Validation errors of bind groups are reported by Dawn at the next turn; a program that exists is a valid one.
      await this.idle();
    } catch (error) {
      program.close();
      throw error;
    }
    this.#programs.add(program);
    return program;
  }

  close(): void {
    if (this.#closed) return;
    for (const program of [...this.#programs]) program.close();
    this.#closed = true;
    for (const storage of this.#live) if (storage instanceof GpuStorage) this.destroyBuffer(storage.buffer);
    this.#live.clear();
    for (const buffers of this.#staging.values()) for (const buffer of buffers) this.destroyBuffer(buffer);
    this.#staging.clear();
    this.destroyBuffer(this.dummies.read);
    for (const dummy of this.dummies.write) this.destroyBuffer(dummy);
    this.gpu.removeEventListener("uncapturederror", this.#onUncaptured);
    if (this.#opened.isOwned) this.gpu.destroy();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  /** The buffer of one of this device's tensors. */
  bufferOf(tensor: Tensor): GPUBuffer {
    if (!(tensor.storage instanceof GpuStorage) || !this.#live.has(tensor.storage)) {
      throw new DifftuneError("KERNEL_LAUNCH", `Tensor "${tensor.label}" is not a live tensor of this device.`, {
        hint: "It was freed, belongs to another device, or is a temporary of a program.",
      });
    }
    return tensor.storage.buffer;
  }

  createBuffer(label: string, byteLength: number, usage: number = bufferUsage.storage): GPUBuffer {
    const largest = Math.min(this.gpu.limits.maxBufferSize, this.gpu.limits.maxStorageBufferBindingSize);
    if (byteLength > largest) {
      throw new DifftuneError("OUT_OF_MEMORY", `"${label}" needs ${byteLength} bytes; this device binds at most ${largest}.`, {
        hint: "Use smaller batches.",
        expected: largest,
        got: byteLength,
      });
    }
    return this.createRawBuffer(label, byteLength, usage | bufferUsage.copySource | bufferUsage.copyTarget);
  }

  /** A buffer of just this usage, counted like every other. */
  createRawBuffer(label: string, byteLength: number, usage: number): GPUBuffer {
    const buffer = this.gpu.createBuffer({ label, size: byteLength, usage });
    this.#liveBuffers += 1;
    this.#liveBytes += byteLength;
    this.#peakBytes = Math.max(this.#peakBytes, this.#liveBytes);
    return buffer;
  }

  destroyBuffer(buffer: GPUBuffer): void {
    this.#liveBuffers -= 1;
    this.#liveBytes -= buffer.size;
    buffer.destroy();
  }

  /** Submits one run of a program. */
  submit(commands: GPUCommandBuffer, program: WebGpuProgram): void {
    this.#check();
    this.gpu.queue.submit([commands]);
    if (this.#submitted.length === 0) this.#submittedAt = performance.now();
    this.#submitted.push(program);
  }

  forget(program: WebGpuProgram, constants: readonly Tensor[]): void {
    this.#programs.delete(program);
    for (const constant of constants) this.free(constant);
  }

  /** Awaits the GPU, then throws what went wrong meanwhile. */
  async waitFor<T>(wait: () => Promise<T>): Promise<T> {
    return this.#await(wait);
  }

  async #await<T>(wait: () => Promise<T>): Promise<T> {
    // Dawn's Node binding spins a core while a promise is pending, so most of an expected long wait is slept through.
    const submitted = this.#submitted.splice(0);
    const elapsed = (): number => performance.now() - this.#submittedAt;
    const left = submitted.reduce((sum, program) => sum + program.expectedMs, 0) - elapsed();
    if (submitted.length > 0 && left > sleepWorth) await new Promise((resolve) => setTimeout(resolve, left * 0.8));
    let result: T;
    try {
      result = await wait();
    } catch (cause) {
      // Loss is announced a turn later than the promises that it breaks.
      await new Promise((resolve) => setTimeout(resolve, 0));
      throw this.#failure ?? new DifftuneError("DEVICE_LOST", "The GPU stopped answering.", { cause });
    }
    for (const program of submitted) program.learn(elapsed() / submitted.length);
    await Promise.resolve();
    this.#check();
    return result;
  }

  #check(): void {
    if (this.#closed) throw new DifftuneError("DEVICE_CLOSED", "The device was closed.");
    const failure = this.#failure;
    if (failure === undefined) return;
    // A launch error is told once and the device goes on; a loss is for ever.
    if (failure.code !== "DEVICE_LOST") this.#failure = undefined;
    throw failure;
  }

  #takeStaging(byteLength: number): GPUBuffer {
    const size = 2 ** Math.ceil(Math.log2(Math.max(byteLength, 256)));
    return this.#staging.get(size)?.pop() ?? this.createRawBuffer(`staging ${size}`, size, bufferUsage.mapRead | bufferUsage.copyTarget);
  }

  #returnStaging(buffer: GPUBuffer): void {
    const ring = this.#staging.get(buffer.size) ?? [];
    if (ring.length < stagingDepth && !this.#closed) {
      ring.push(buffer);
      this.#staging.set(buffer.size, ring);
    } else {
      this.destroyBuffer(buffer);
    }
  }
}

interface Step {
  readonly pipeline: GPUComputePipeline;
  readonly bindGroup: GPUBindGroup;
  grid: readonly [number, number, number];
}

class WebGpuProgram implements Program {
  readonly label: string;
  readonly launchCount: number;
  readonly #device: WebGpuDevice;
  readonly #steps: readonly Step[];
  readonly #buffers: readonly GPUBuffer[];
  readonly #constants: readonly Tensor[];
  readonly #timestamps: { readonly set: GPUQuerySet; readonly resolve: GPUBuffer; readonly read: GPUBuffer } | undefined;
  /** How long a run takes, milliseconds, as far as earlier waits have told. */
  expectedMs = 0;
  #closed = false;

  private constructor(device: WebGpuDevice, label: string, steps: readonly Step[], buffers: readonly GPUBuffer[], constants: readonly Tensor[]) {
    this.#device = device;
    this.label = label;
    this.launchCount = steps.length;
    this.#steps = steps;
    this.#buffers = buffers;
    this.#constants = constants;
    if (device.gpu.features.has("timestamp-query")) {
      this.#timestamps = {
        set: device.gpu.createQuerySet({ label: `${label}/timestamps`, type: "timestamp", count: 2 }),
        resolve: device.createRawBuffer(`${label}/resolved timestamps`, 16, bufferUsage.queryResolve | bufferUsage.copySource),
        read: device.createRawBuffer(`${label}/read timestamps`, 16, bufferUsage.mapRead | bufferUsage.copyTarget),
      };
    }
  }

  static async create(device: WebGpuDevice, recorder: Recorder): Promise<WebGpuProgram> {
    const slotBytes = recorder.seal();
    const launches = recorder.launches;
    const chosen = launches.map((launch) => entryPointOf(launch, device));
    const kernels = await Promise.all(launches.map((launch, at) => device.pipelines.compile(launch.spec, chosen[at] ?? "main")));
    const buffers: GPUBuffer[] = [];
    try {
      const slots = slotBytes.map((byteLength, at) => {
        const buffer = device.createBuffer(`${recorder.label}/slot ${at}`, byteLength);
        buffers.push(buffer);
        return buffer;
      });
      const params = device.createBuffer(`${recorder.label}/params`, launches.length * paramStride, bufferUsage.uniform);
      buffers.push(params);
      const steps = launches.map((launch, at): Step => {
        const kernel = kernels[at];
        if (kernel === undefined) throw new DifftuneError("INVARIANT", `Launch ${launch.label} has no pipeline.`);
        const bindGroup = device.gpu.createBindGroup({
          label: launch.label,
          layout: kernel.layout,
          entries: [
            { binding: 0, resource: { buffer: params, offset: at * paramStride, size: paramBytes(launch) } },
            ...bindings(launch, device, slots),
          ],
        });
        const step: Step = { pipeline: kernel.pipeline, bindGroup, grid: gridOf(launch, chosen[at] ?? "main") };
        launch.commit = () => {
          step.grid = gridOf(launch, chosen[at] ?? "main");
          device.gpu.queue.writeBuffer(params, at * paramStride, packParams(launch));
        };
        launch.commit();
        return step;
      });
      return new WebGpuProgram(device, recorder.label, steps, buffers, recorder.constants);
    } catch (error) {
      for (const buffer of buffers) device.destroyBuffer(buffer);
      for (const launch of launches) launch.commit = () => undefined;
      throw error;
    }
  }

  run(): void {
    this.#submit(undefined);
  }

  async gpuTime(): Promise<number | undefined> {
    const timestamps = this.#timestamps;
    if (timestamps === undefined) return undefined;
    this.#submit(timestamps);
    await this.#device.waitFor(() => timestamps.read.mapAsync(mapMode.read));
    const [begin = 0n, end = 0n] = new BigUint64Array(timestamps.read.getMappedRange());
    timestamps.read.unmap();
    return Number(end - begin) / 1e6;
  }

  /** Takes in how long a run took; the shorter times count, since a wait may have waited for more than this program. */
  learn(milliseconds: number): void {
    this.expectedMs = this.expectedMs === 0 ? milliseconds : Math.min(milliseconds, this.expectedMs * 1.1);
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    for (const buffer of this.#buffers) this.#device.destroyBuffer(buffer);
    if (this.#timestamps !== undefined) {
      this.#timestamps.set.destroy();
      this.#device.destroyBuffer(this.#timestamps.resolve);
      this.#device.destroyBuffer(this.#timestamps.read);
    }
    this.#device.forget(this, this.#constants);
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #submit(timestamps: { readonly set: GPUQuerySet; readonly resolve: GPUBuffer; readonly read: GPUBuffer } | undefined): void {
    if (this.#closed) throw new DifftuneError("DEVICE_CLOSED", `Program "${this.label}" was closed.`);
    const encoder = this.#device.gpu.createCommandEncoder({ label: this.label });
    const pass = encoder.beginComputePass(timestamps === undefined ? { label: this.label } : {
      label: this.label,
      timestampWrites: { querySet: timestamps.set, beginningOfPassWriteIndex: 0, endOfPassWriteIndex: 1 },
    });
    for (const step of this.#steps) {
      pass.setPipeline(step.pipeline);
      pass.setBindGroup(0, step.bindGroup);
      pass.dispatchWorkgroups(step.grid[0], step.grid[1], step.grid[2]);
    }
    pass.end();
    if (timestamps !== undefined) {
      encoder.resolveQuerySet(timestamps.set, 0, 2, timestamps.resolve, 0);
      encoder.copyBufferToBuffer(timestamps.resolve, 0, timestamps.read, 0, 16);
    }
    this.#device.submit(encoder.finish({ label: this.label }), this);
  }
}

function entryPointOf(launch: RecordedLaunch, device: WebGpuDevice): string {
  const known = variantsOf(launch.spec, "webgpu");
  const asked = launch.variant ?? device.variants?.choose(device, launch) ?? known[0];
  if (asked === undefined || !known.includes(asked)) {
    throw new DifftuneError("KERNEL_LAUNCH", `${launch.label}: there is no variant "${asked}".`, {
      hint: `The WGSL entry points are ${known.join(", ")}.`,
      kernel: launch.spec.name,
    });
  }
  return asked;
}

function paramBytes(launch: RecordedLaunch): number {
  return Math.max(16, Math.ceil(launch.values.length / 4) * 16);
}

function packParams(launch: RecordedLaunch): ArrayBuffer {
  const bytes = new ArrayBuffer(paramBytes(launch));
  const view = new DataView(bytes);
  for (const [at, type] of Object.values(launch.spec.params).entries()) {
    const value = launch.values[at] ?? 0;
    if (type === "u32") view.setUint32(at * 4, value, true);
    else view.setFloat32(at * 4, value, true);
  }
  return bytes;
}

function bindings(launch: RecordedLaunch, device: WebGpuDevice, slots: readonly GPUBuffer[]): GPUBindGroupEntry[] {
  return Object.values(launch.spec.buffers).map((buffer, at): GPUBindGroupEntry => {
    const tensor = launch.tensors[at];
    const binding = at + 1;
    if (tensor === undefined) {
      const dummy = buffer.access === "read" ? device.dummies.read : device.dummies.write[at];
      if (dummy === undefined) throw new DifftuneError("INVARIANT", `${launch.label} has more than eight buffers.`);
      return { binding, resource: { buffer: dummy } };
    }
    const gpuBuffer = tensor.storage instanceof TemporaryStorage ? slots[tensor.storage.slot] : device.bufferOf(tensor);
    if (gpuBuffer === undefined) throw new DifftuneError("INVARIANT", `Temporary "${tensor.label}" has no slot.`);
    return { binding, resource: { buffer: gpuBuffer, offset: tensor.byteOffset, size: tensor.byteLength } };
  });
}

/** Folds a long x into y; `lib/index.wgsl` unfolds it. */
function gridOf(launch: RecordedLaunch, entryPoint: string): readonly [number, number, number] {
  const params = paramsOf(launch);
  const [x, y = 1, z = 1] = launch.spec.entryPoints[entryPoint]?.(params) ?? [0];
  const folded: readonly [number, number, number] = x > maximumWorkgroups && y === 1
    ? [maximumWorkgroups, Math.ceil(x / maximumWorkgroups), z]
    : [x, y, z];
  if (folded.some((count) => !Number.isInteger(count) || count < 1 || count > maximumWorkgroups)) {
    throw new DifftuneError("KERNEL_LAUNCH", `${launch.label}: a grid of ${folded.join(" x ")} workgroups does not fit.`, {
      hint: "Use smaller batches.",
      kernel: launch.spec.name,
      got: folded,
    });
  }
  return folded;
}

/** Turns a WebGPU error into ours; every object has a label, so the message names the launch. */
function attributed(error: GPUError): DifftuneError {
  const kernel = /\d+:([a-z]+\/[a-z0-9_]+)/.exec(error.message)?.[1];
  const isMemory = error.constructor.name === "GPUOutOfMemoryError";
  return new DifftuneError(isMemory ? "OUT_OF_MEMORY" : "KERNEL_LAUNCH", `WebGPU refused a command: ${error.message}`, {
    ...(kernel === undefined ? {} : { kernel }),
    cause: error,
  });
}

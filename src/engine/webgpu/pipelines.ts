import { DifftuneError } from "../../core/errors.js";
import type { AnyKernelSpec } from "../kernel-spec.js";
import { shaderStage } from "./constants.js";
import { shaderSource } from "./shader.js";

/** A compiled entry point with the layout that its bind groups follow. */
export interface CompiledKernel {
  readonly pipeline: GPUComputePipeline;
  readonly layout: GPUBindGroupLayout;
}

interface KernelModule {
  readonly module: GPUShaderModule;
  readonly layout: GPUBindGroupLayout;
  readonly pipelineLayout: GPUPipelineLayout;
}

/** Compiles kernels once a device: modules by name, pipelines by name and entry point, all of them in parallel. */
export class PipelineCache {
  readonly #device: GPUDevice;
  readonly #modules = new Map<string, KernelModule>();
  readonly #pipelines = new Map<string, Promise<CompiledKernel>>();

  constructor(device: GPUDevice) {
    this.#device = device;
  }

  /** The pipeline of an entry point. A shader that does not compile rejects with its messages, line by line. */
  compile(spec: AnyKernelSpec, entryPoint: string): Promise<CompiledKernel> {
    const key = `${spec.name}:${entryPoint}`;
    let pipeline = this.#pipelines.get(key);
    if (pipeline === undefined) {
      pipeline = this.#create(spec, entryPoint, key);
      this.#pipelines.set(key, pipeline);
    }
    return pipeline;
  }

  async #create(spec: AnyKernelSpec, entryPoint: string, label: string): Promise<CompiledKernel> {
    const { module, layout, pipelineLayout } = this.#module(spec);
    try {
      const pipeline = await this.#device.createComputePipelineAsync({
        label,
        layout: pipelineLayout,
        compute: { module, entryPoint },
      });
      return { pipeline, layout };
    } catch (cause) {
      const compilation = await module.getCompilationInfo().catch(() => undefined);
      const messages = compilation?.messages.map((message) => `${message.lineNum}:${message.linePos} ${message.message}`) ?? [];
      const reason = cause instanceof Error ? cause.message : String(cause);
      throw new DifftuneError("KERNEL_COMPILE", `Kernel ${label} does not compile: ${[...messages, reason].join("; ")}`, {
        kernel: spec.name,
        cause,
      });
    }
  }

  #module(spec: AnyKernelSpec): KernelModule {
    let known = this.#modules.get(spec.name);
    if (known === undefined) {
      // What is wrong with a shader is told by the pipeline that needs it; the scope keeps it from being told twice.
      this.#device.pushErrorScope("validation");
      const module = this.#device.createShaderModule({ label: spec.name, code: shaderSource(spec) });
      void this.#device.popErrorScope().catch(() => null);
      const storageEntries = Object.values(spec.buffers).map((buffer, at): GPUBindGroupLayoutEntry => ({
        binding: at + 1,
        visibility: shaderStage.compute,
        buffer: { type: buffer.access === "read" ? "read-only-storage" : "storage" },
      }));
      const layout = this.#device.createBindGroupLayout({
        label: spec.name,
        entries: [{ binding: 0, visibility: shaderStage.compute, buffer: { type: "uniform" } }, ...storageEntries],
      });
      const pipelineLayout = this.#device.createPipelineLayout({ label: spec.name, bindGroupLayouts: [layout] });
      known = { module, layout, pipelineLayout };
      this.#modules.set(spec.name, known);
    }
    return known;
  }
}

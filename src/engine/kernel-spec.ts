import type { EngineName } from "./device.js";

/** Element types that both engines hold. Parameters are of the same two types. */
export type ScalarType = "f32" | "u32";

/** Names and types of a kernel's parameters, in the order of the WGSL struct `Params` (padding fields left out). */
export type ParamLayout = Readonly<Record<string, ScalarType>>;

/** Values of a kernel's parameters. */
export type ParamValues<P extends ParamLayout> = { readonly [Name in keyof P]: number };

/** One buffer of a kernel: binding number = 1 + its place in {@link KernelSpec.buffers}. */
export interface BufferSpec<P extends ParamLayout> {
  /** `write` and `readwrite` are both `read_write` in WGSL; `write` promises that every element is written, none read. */
  readonly access: "read" | "write" | "readwrite";
  /** Element type; f32 when left out. */
  readonly dtype?: ScalarType;
  /** Number of elements that a launch with these parameters may touch. */
  readonly length: (params: ParamValues<P>) => number;
  /**
   * True when unit u of U touches only the u-th of U equal parts of the buffer. Launches with equal U on such buffers
   * need no barrier between them on the WASM engine.
   */
  readonly rows?: boolean;
  /** Working memory of the kernel: what it holds before and after a launch means nothing. */
  readonly scratch?: boolean;
  /** May be left out of a launch; a flag among the parameters tells the kernel. */
  readonly optional?: boolean;
}

/** Workgroup counts of one launch; a count of x above 65,535 is folded into y by the engine when y is 1. */
export type Grid = readonly [x: number, y?: number, z?: number];

/**
 * One kernel and its contract: what both bodies (kernels/<name>.wgsl and assembly/kernels/<name>.ts) are given.
 * The spec is data; it knows nothing of an engine's objects.
 */
export interface KernelSpec<
  P extends ParamLayout = ParamLayout,
  B extends Readonly<Record<string, BufferSpec<P>>> = Readonly<Record<string, BufferSpec<P>>>,
> {
  /** Path below `kernels/` without its ending, for example `nn/linear`. */
  readonly name: string;
  /** Snippets of `kernels/lib/` that stand in front of the shader, in order. */
  readonly lib?: readonly string[];
  readonly params: P;
  readonly buffers: B;
  /** Units that the WASM engine splits among threads (rows, or fixed-size blocks); at least 1. */
  readonly units: (params: ParamValues<P>) => number;
  /** Entry points of the shader with their grids. The first is the plain one, which deterministic mode pins. */
  readonly entryPoints: Readonly<Record<string, (params: ParamValues<P>) => Grid>>;
  /** Names of the variants of the WASM body, the plain one first; the body reads the chosen index. Default: one, `main`. */
  readonly wasmVariants?: readonly string[];
  /** Multiply-adds counted twice; for benchmarks and the autotuner. */
  readonly flops?: (params: ParamValues<P>) => number;
  /** What is wrong with these parameters, beyond ranges of type; undefined when nothing is. */
  readonly check?: (params: ParamValues<P>) => string | undefined;
}

/** A spec whose parameter and buffer names the type system knows. */
export function defineKernel<
  const P extends ParamLayout,
  const B extends Readonly<Record<string, BufferSpec<P>>>,
>(spec: KernelSpec<P, B>): KernelSpec<P, B> {
  return spec;
}

/** A spec seen without its names: what engines, registries and tests handle. */
export type AnyKernelSpec = KernelSpec<ParamLayout, Readonly<Record<string, BufferSpec<ParamLayout>>>>;

/** Names of the bodies that a kernel has on an engine, the plain one first. */
export function variantsOf(spec: AnyKernelSpec, engine: EngineName): readonly string[] {
  return engine === "webgpu" ? Object.keys(spec.entryPoints) : (spec.wasmVariants ?? ["main"]);
}

/** Forgets the names of a spec. Safe: every function of a spec reads only the parameters that its layout lists. */
export function anyKernel<P extends ParamLayout, B extends Readonly<Record<string, BufferSpec<P>>>>(
  spec: KernelSpec<P, B>,
): AnyKernelSpec {
  return spec as unknown as AnyKernelSpec;
}

/** Largest finite f32: a clamp to it does nothing. Stands for "no clip" in f32 parameters, since WGSL has no infinity. */
export const noLimit = 3.4028234663852886e38;

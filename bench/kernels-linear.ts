import type { Device } from "../src/engine/device.js";
import type { AnyKernelSpec, KernelSpec, ParamLayout, ParamValues, BufferSpec } from "../src/engine/kernel-spec.js";
import { anyKernel } from "../src/engine/kernel-spec.js";
import type { Program } from "../src/engine/program.js";
import {
  linearBackwardInputSpec,
  linearBackwardInputUnpackedSpec,
  linearBackwardWeightSpec,
  linearPackedInputSpec,
  linearPackSpec,
  linearSpec,
} from "../src/kernels/nn/linear.js";

/** One launch of a kernel at one size, to be timed on any device and in any variant. */
export interface LaunchCase {
  readonly workload: string;
  readonly spec: AnyKernelSpec;
  /** Useful work of one run: 2 per multiply-add. */
  readonly gflop: number;
  /** The launch as a program over tensors that live until the device is closed. */
  readonly build: (device: Device, variant?: string) => Promise<Program>;
}

function launchCase<P extends ParamLayout, B extends Readonly<Record<string, BufferSpec<P>>>>(
  workload: string,
  typed: KernelSpec<P, B>,
  params: ParamValues<P>,
  leftOut: readonly string[] = [],
): LaunchCase {
  const spec = anyKernel(typed);
  return {
    workload,
    spec,
    gflop: (spec.flops?.(params) ?? 0) / 1e9,
    build: (device, variant) => {
      const tensors = Object.fromEntries(Object.entries(spec.buffers).filter(([name]) => !leftOut.includes(name)).map(([name, buffer]) => {
        const length = buffer.length(params);
        // Numbers of both signs and no denormals, which would be slow on a CPU.
        return [name, device.tensor([length], { label: name, data: Float32Array.from({ length }, (_, at) => ((at * 7919) % 1009) / 1009 - 0.5) })];
      }));
      return device.program(workload, (recorder) => { recorder.launch(spec, params, tensors, variant); });
    },
  };
}

function forward(workload: string, rows: number, inFeatures: number, outFeatures: number): LaunchCase {
  return launchCase(workload, linearSpec, {
    rows, inFeatures, outFeatures, activation: 1, hasBias: 1, hasAddend: 0, writesY: 0, writesActivated: 1,
  }, ["addend", "y"]);
}

function backward(rows: number, inFeatures: number, outFeatures: number): LaunchCase[] {
  const size = `${rows}x${inFeatures}x${outFeatures}`;
  return [
    launchCase(`linear-backward-input-${size}`, linearBackwardInputSpec, {
      rows, inFeatures, outFeatures, activation: 1, hasPre: 1, hasAddend: 0,
    }, ["addend"]),
    launchCase(`linear-backward-weight-${size}`, linearBackwardWeightSpec, {
      rows, inFeatures, outFeatures, rowStride: inFeatures, column: 0, hasBias: 1, parts: 1,
    }),
  ];
}

/** The matrix products of the targets (`E-gemm-*`), their gradients, and the narrow layers at both ends of a network. */
export const linearCases: readonly LaunchCase[] = [
  forward("E-gemm-50x512x512", 50, 512, 512),
  forward("E-gemm-1000x512x512", 1000, 512, 512),
  forward("E-gemm-5000x512x512", 5000, 512, 512),
  ...[50, 128, 1000, 5000].flatMap((rows) => backward(rows, 512, 512)),
  ...([[50, 28, 512], [50, 512, 8], [5000, 28, 512], [5000, 512, 8], [5000, 256, 1], [1, 512, 512], [2, 512, 512]] as const)
    .map(([rows, inFeatures, outFeatures]) => forward(`linear-${rows}x${inFeatures}x${outFeatures}`, rows, inFeatures, outFeatures)),
  ...backward(5000, 28, 512).slice(1),
  ...backward(5000, 512, 8),
  ...backward(5000, 256, 1),
  // Few rows, the weight as it lies: beside linear-128x512x512 and linear-backward-input-128x512x512, to which a pack belongs.
  forward("linear-128x512x512", 128, 512, 512),
  launchCase("linear-packed-input-128x512x512", linearPackedInputSpec, {
    rows: 128, inFeatures: 512, outFeatures: 512, rowStride: 512, column: 0, activation: 1, hasBias: 1, hasAddend: 0, writesY: 0, writesActivated: 1,
  }, ["addend", "y"]),
  launchCase("linear-backward-unpacked-128x512x512", linearBackwardInputUnpackedSpec, {
    rows: 128, inFeatures: 512, outFeatures: 512, rowStride: 512, column: 0, activation: 1, hasPre: 1, hasAddend: 0,
  }, ["addend"]),
  launchCase("linear-pack-128x512", linearPackSpec, { inFeatures: 512, outFeatures: 128, rowStride: 512, column: 0, transposed: 0 }),
  launchCase("linear-pack-512x512", linearPackSpec, { inFeatures: 512, outFeatures: 512, rowStride: 512, column: 0, transposed: 0 }),
  launchCase("linear-pack-transposed-512x512", linearPackSpec, { inFeatures: 512, outFeatures: 512, rowStride: 512, column: 0, transposed: 1 }),
];

import { PhiloxStream } from "../src/core/philox.js";
import { recordCloningLoss } from "../src/diffusion/cloning-loss.js";
import { DiffusionProcess } from "../src/diffusion/process.js";
import { recordSampling } from "../src/diffusion/sampling.js";
import type { Device } from "../src/engine/device.js";
import type { Program } from "../src/engine/program.js";
import { randomNormal } from "../src/kernels/rng/random.js";
import type { Denoiser } from "../src/nn/denoiser.js";
import { createTrained, recordOptimiserStep } from "../src/nn/trained.js";
import { benchDevices } from "./devices.js";
import type { SuiteRequest, Workload } from "./workload.js";

/** A program to time with the useful work of one run. */
export interface Built {
  readonly program: Program;
  readonly gflop: number;
  readonly items: number;
}

/** The same normals for the same seed. */
export function normals(length: number, seed: number): Float32Array {
  const random = new PhiloxStream(seed, 0);
  return Float32Array.from({ length }, () => random.normal());
}

/**
 * One whole sampling of a batch, the chain of the tuned steps stored. `mflop` is the work of one prediction for one row.
 */
export async function samplingProgram(
  device: Device,
  denoiser: Denoiser,
  { rows, steps, tunedSteps, mflop }: { readonly rows: number; readonly steps: number; readonly tunedSteps: number; readonly mflop: number },
): Promise<Built> {
  const process = new DiffusionProcess({ denoisingSteps: steps });
  const tables = process.tables(device);
  const { width } = denoiser;
  const values = denoiser.layout.initialValues(1);
  const frozen = device.tensor([denoiser.layout.length], { label: "frozen", data: values });
  const tuned = device.tensor([denoiser.layout.length], { label: "tuned", data: values });
  const state = device.tensor([rows, denoiser.conditionWidth], { label: "state" });
  const chunk = device.tensor([rows, width], { label: "chunk" });
  const chain = device.tensor([rows, tunedSteps + 1, width], { label: "chain" });
  const noise = device.tensor([steps + 1, rows, width], { label: "noise" });
  const program = await device.program("sample", (recorder) => {
    randomNormal(recorder, { out: noise }, { length: noise.length, seed: [1, 2], stream: 3, step: 0 });
    recordSampling(recorder, denoiser, process, tables, { frozen, tuned, state, noise, chunk, chain }, {
      rows, tunedSteps, isDeterministic: false,
    });
  });
  return { program, gflop: (rows * steps * mflop) / 1000, items: rows };
}

/** One step of behaviour cloning: noising, loss, gradients, AdamW. `mflop` is the work of one prediction for one row. */
export async function cloningProgram(
  device: Device,
  denoiser: Denoiser,
  { rows, mflop }: { readonly rows: number; readonly mflop: number },
): Promise<Built> {
  const process = new DiffusionProcess({ denoisingSteps: 20 });
  const { width, layout } = denoiser;
  const actor = createTrained(device, layout, layout.initialValues(1), "denoiser");
  const x0 = device.tensor([rows, width], { label: "chunks" });
  const state = device.tensor([rows, denoiser.conditionWidth], { label: "state" });
  const time = device.tensor([rows], { label: "time", dtype: "u32", data: Array.from({ length: rows }, (_, row) => row % 20) });
  const noise = device.tensor([rows, width], { label: "noise" });
  const noisingTable = process.noisingTable(device);
  const loss = device.tensor([1], { label: "loss" });
  const program = await device.program("pretrain", (recorder) => {
    randomNormal(recorder, { out: noise }, { length: noise.length, seed: [1, 2], stream: 3, step: 0 });
    recordCloningLoss(recorder, denoiser, process, { ...actor, x0, state, time, noise, noisingTable, loss }, rows);
    recordOptimiserStep(recorder, actor, { rate: 1e-4, weightDecay: 1e-6 });
  });
  return { program, gflop: (3 * rows * mflop) / 1000, items: rows };
}

/** Workloads of programs on every device of a request. */
export async function* benchPrograms(
  programs: Readonly<Record<string, (device: Device) => Promise<Built>>>,
  request: SuiteRequest,
): AsyncIterable<Workload> {
  for (const [workload, build] of Object.entries(programs)) {
    if (!workload.includes(request.filter)) continue;
    for await (const { device, variant, threads } of benchDevices(request)) {
      const { program, gflop, items } = await build(device);
      yield {
        workload,
        engine: device.info.engine,
        variant,
        threads,
        gflop,
        items,
        device: device.info.description,
        run: device.info.engine === "wasm"
          ? () => { program.run(); }
          : () => { program.run(); return device.idle(); },
        ...(device.info.features.includes("timestamp-query") ? { deviceMs: () => program.gpuTime() } : {}),
        close: () => { program.close(); },
      };
    }
  }
}

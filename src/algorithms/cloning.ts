import * as v from "valibot";
import { DifftuneError } from "../core/errors.js";
import { finiteNumber, parseOptions, positiveNumber, wholeNumber } from "../core/options.js";
import { PhiloxStream } from "../core/philox.js";
import type { Device } from "../engine/device.js";
import type { Launch, Program } from "../engine/program.js";
import type { Tensor } from "../engine/tensor.js";
import { recordCloningLoss } from "../diffusion/cloning-loss.js";
import type { DiffusionProcess } from "../diffusion/process.js";
import { recordSampling } from "../diffusion/sampling.js";
import { rowGather } from "../kernels/nn/row-gather.js";
import { adamStateLength, adamw } from "../kernels/optim/adamw.js";
import { ema } from "../kernels/optim/ema.js";
import { randomIndex, randomNormal } from "../kernels/rng/random.js";
import type { Denoiser } from "../nn/denoiser.js";
import { warmupCosineRate } from "../nn/rate-schedule.js";

/** Pairs of a state and the chunk that was done in it, row by row, already normalised to [-1, 1]. */
export interface CloningSet {
  readonly rows: number;
  /** [rows, conditionWidth] */
  readonly states: Float32Array;
  /** [rows, horizon x action size] */
  readonly chunks: Float32Array;
}

/** Options of {@link cloneBehaviour}. */
export interface CloningOptions {
  /** Gradient steps. Default 2000. */
  readonly steps?: number;
  /** Pairs of a step, drawn with replacement. Default 256. */
  readonly batchSize?: number;
  /** Highest learning rate; the rate warms up over 2 % of the steps and falls to a tenth on a cosine. Default 1e-3. */
  readonly rate?: number;
  /** Decoupled weight decay. Default 1e-6. */
  readonly weightDecay?: number;
  /** Weight of the past in the moving average of the parameters, which is the result. Default 0.995. */
  readonly averageDecay?: number;
  /** Decides first parameters, batches, times and noise. Default 0. */
  readonly seed?: number;
  /** Steps between two events. Default 100. */
  readonly reportEvery?: number;
  /** Stops the training with a `CANCELLED` error before its next step. */
  readonly signal?: AbortSignal;
}

const seedNumber = wholeNumber(0, 0xffffffff);
const stepCount = wholeNumber(1, 1_000_000_000);

const cloningSchema = v.strictObject({
  steps: v.optional(stepCount, 2000),
  batchSize: v.optional(wholeNumber(1, 1_048_576), 256),
  rate: v.optional(positiveNumber(), 1e-3),
  weightDecay: v.optional(finiteNumber(0, 1), 1e-6),
  averageDecay: v.optional(finiteNumber(0, 1), 0.995),
  seed: v.optional(seedNumber, 0),
  reportEvery: v.optional(stepCount, 100),
  signal: v.optional(v.instance(AbortSignal, "It must be an AbortSignal.")),
} satisfies Record<keyof CloningOptions, v.GenericSchema>);

/** Options of {@link sampleChunks}. */
export interface SampleChunksOptions {
  /** Decides the noise. Default 0. */
  readonly seed?: number;
  /** Without exploration noise, as policies are evaluated. Default true. */
  readonly isDeterministic?: boolean;
}

const sampleSchema = v.strictObject({
  seed: v.optional(seedNumber, 0),
  isDeterministic: v.optional(v.boolean("It must be true or false."), true),
} satisfies Record<keyof SampleChunksOptions, v.GenericSchema>);

/** Options of {@link toyMixture}. */
export interface MixtureOptions {
  /** Gaussians on the ring. Default 8. */
  readonly modes?: number;
  /** Distance of their means from 0. Default 0.7. */
  readonly radius?: number;
  /** Standard deviation of each. Default 0.05. */
  readonly spread?: number;
}

const mixtureSchema = v.strictObject({
  modes: v.optional(wholeNumber(1, 1_000_000), 8),
  radius: v.optional(finiteNumber(0, 1000), 0.7),
  spread: v.optional(finiteNumber(0, 1000), 0.05),
} satisfies Record<keyof MixtureOptions, v.GenericSchema>);

/** Progress of {@link cloneBehaviour}. */
export interface CloningEvent {
  readonly step: number;
  readonly steps: number;
  /** Loss of the last batch, its noise prediction error. */
  readonly loss: number;
  readonly rate: number;
}

/** Random streams of one seed; the same number never serves two purposes. */
const streams = { batch: 1, time: 2, noise: 3, sample: 4 } as const;

/**
 * Trains a denoiser on pairs by behaviour cloning (spec 1.2, 5.2) and returns the averaged parameters, flat. Everything a
 * step needs is drawn on the device: nothing is read back but the loss, once an event.
 */
export async function* cloneBehaviour(
  device: Device,
  denoiser: Denoiser,
  process: DiffusionProcess,
  set: CloningSet,
  options: CloningOptions = {},
): AsyncGenerator<CloningEvent, Float32Array> {
  const { steps, batchSize, rate, weightDecay, averageDecay, seed, reportEvery, signal } = parseOptions(cloningSchema, options, "cloneBehaviour");
  checkSet(denoiser, set);
  const { layout, width, conditionWidth } = denoiser;
  const owned: Tensor[] = [];
  const keep = (tensor: Tensor): Tensor => { owned.push(tensor); return tensor; };
  let program: Program | undefined;
  try {
    const initial = layout.initialValues(seed);
    const flat = (label: string, data?: Float32Array): Tensor =>
      keep(device.tensor([layout.length], data === undefined ? { label } : { label, data }));
    const values = flat("values", initial);
    const average = flat("average", initial);
    const gradients = flat("gradients");
    const m = flat("first moments");
    const v = flat("second moments");
    const state = keep(device.tensor([adamStateLength], { label: "optimiser state" }));
    const states = keep(device.tensor([set.rows, conditionWidth], { label: "states", data: set.states }));
    const chunks = keep(device.tensor([set.rows, width], { label: "chunks", data: set.chunks }));
    const noisingTable = keep(process.noisingTable(device));
    const loss = keep(device.tensor([1], { label: "loss" }));

    const draws: Launch[] = [];
    let optimiser: Launch | undefined;
    program = await device.program("clone behaviour", (recorder) => {
      const key = (stream: number): { seed: readonly [number, number]; stream: number; step: number } => ({ seed: [seed, 0], stream, step: 0 });
      const rows = batchSize;
      const row = recorder.temporary([rows], "batch rows", "u32");
      const time = recorder.temporary([rows], "batch times", "u32");
      const noise = recorder.temporary([rows, width], "noise");
      draws.push(
        randomIndex(recorder, { out: row }, { length: rows, count: set.rows, ...key(streams.batch) }),
        randomIndex(recorder, { out: time }, { length: rows, count: process.denoisingSteps, ...key(streams.time) }),
        randomNormal(recorder, { out: noise }, { length: rows * width, ...key(streams.noise) }),
      );
      const x0 = recorder.temporary([rows, width], "batch chunks");
      const batchState = recorder.temporary([rows, conditionWidth], "batch states");
      rowGather(recorder, { source: chunks, index: row, out: x0 }, { rows, width });
      rowGather(recorder, { source: states, index: row, out: batchState }, { rows, width: conditionWidth });
      recordCloningLoss(recorder, denoiser, process, { values, gradients, x0, state: batchState, time, noise, noisingTable, loss }, rows);
      optimiser = adamw(recorder, { parameters: values, gradient: gradients, m, v, state }, {
        rate, betas: [0.9, 0.999], epsilon: 1e-8, weightDecay, decoupled: true,
      });
      ema(recorder, { parameters: values, average }, { decay: averageDecay });
    });

    for (let step = 1; step <= steps; step++) {
      if (signal?.aborted === true) {
        throw new DifftuneError("CANCELLED", `Training was stopped at step ${step} of ${steps}.`, { cause: signal.reason });
      }
      const now = warmupCosineRate({
        maxRate: rate, minRate: rate / 10, warmupSteps: Math.floor(steps / 50), cycleSteps: steps + 1,
      }, step);
      for (const draw of draws) draw.update({ step });
      optimiser?.update({ rate: now });
      program.run();
      if (step % reportEvery !== 0 && step !== steps) continue;
      const [last = Number.NaN] = await device.read(loss);
      if (!Number.isFinite(last)) {
        throw new DifftuneError("DIVERGENCE", `The loss is ${last} at step ${step}.`, {
          hint: "Lower the rate, or look for numbers outside [-1, 1] in the data.",
          got: last,
        });
      }
      yield Object.freeze({ step, steps, loss: last, rate: now });
    }
    return await device.read(average);
  } finally {
    program?.close();
    for (const tensor of owned) device.free(tensor);
  }
}

/** Samples chunks for states with flat parameters; [rows, horizon x action size]. */
export async function sampleChunks(
  device: Device,
  denoiser: Denoiser,
  process: DiffusionProcess,
  parameters: Float32Array,
  states: Float32Array,
  options: SampleChunksOptions = {},
): Promise<Float32Array> {
  const { seed, isDeterministic } = parseOptions(sampleSchema, options, "sampleChunks");
  const rows = states.length / denoiser.conditionWidth;
  if (!Number.isSafeInteger(rows) || rows < 1) {
    throw new DifftuneError("SHAPE", `${states.length} elements are no rows of states.`, {
      hint: `A row has ${denoiser.conditionWidth}; there is at least one.`,
      got: states.length,
    });
  }
  const tables = process.tables(device, { isDeterministic });
  const owned: Tensor[] = [tables.schedule, tables.times];
  const keep = (tensor: Tensor): Tensor => { owned.push(tensor); return tensor; };
  try {
    const frozen = keep(device.tensor([denoiser.layout.length], { label: "parameters", data: parameters }));
    const state = keep(device.tensor([rows, denoiser.conditionWidth], { label: "states", data: states }));
    const noise = keep(device.tensor([process.stepCount + 1, rows, denoiser.width], { label: "noise" }));
    const chunk = keep(device.tensor([rows, denoiser.width], { label: "chunks" }));
    using program = await device.program("sample chunks", (recorder) => {
      randomNormal(recorder, { out: noise }, { length: noise.length, seed: [seed, 0], stream: streams.sample, step: 0 });
      recordSampling(recorder, denoiser, process, tables, { frozen, state, noise, chunk }, { rows, tunedSteps: 0, isDeterministic });
    });
    program.run();
    return await device.read(chunk);
  } finally {
    for (const tensor of owned) device.free(tensor);
  }
}

/** Points of a ring of Gaussians, the toy on which a denoiser can be seen to work; its state is always 0. */
export function toyMixture(rows: number, seed: number, options: MixtureOptions = {}): CloningSet {
  const { modes, radius, spread } = parseOptions(mixtureSchema, options, "toyMixture");
  const random = new PhiloxStream(seed, 0);
  const chunks = new Float32Array(2 * rows);
  for (let row = 0; row < rows; row++) {
    const angle = (2 * Math.PI * Math.floor(random.uniform() * modes)) / modes;
    chunks[2 * row] = radius * Math.cos(angle) + spread * random.normal();
    chunks[2 * row + 1] = radius * Math.sin(angle) + spread * random.normal();
  }
  return { rows, states: new Float32Array(rows), chunks };
}

function checkSet(denoiser: Denoiser, set: CloningSet): void {
  const expected = { states: set.rows * denoiser.conditionWidth, chunks: set.rows * denoiser.width };
  if (!Number.isSafeInteger(set.rows) || set.rows < 1 || set.states.length !== expected.states || set.chunks.length !== expected.chunks) {
    throw new DifftuneError("SHAPE", `The data do not fit the network: ${set.rows} rows, ${set.states.length} state and ${set.chunks.length} chunk elements.`, {
      expected,
      got: { states: set.states.length, chunks: set.chunks.length },
    });
  }
  for (const [name, data] of Object.entries({ states: set.states, chunks: set.chunks })) {
    const index = data.findIndex((value) => !Number.isFinite(value));
    if (index >= 0) {
      throw new DifftuneError("FORMAT", `Element ${index} of ${name} is ${data[index]}.`, { hint: "Data are finite numbers.", index, path: name });
    }
  }
}

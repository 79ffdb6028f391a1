import type { Device } from "../engine/device.js";
import { Holdings } from "../engine/holdings.js";
import type { Launch, Program, ProgramRecorder } from "../engine/program.js";
import type { Tensor } from "../engine/tensor.js";
import { randomStreams } from "../core/random-streams.js";
import { copyColumns } from "../kernels/nn/columns.js";
import { rowGather } from "../kernels/nn/row-gather.js";
import { adamStateLength, type adamwSpec } from "../kernels/optim/adamw.js";
import { ema, emaWeights, type emaSpec } from "../kernels/optim/ema.js";
import { gradientNormLength } from "../kernels/optim/gradient-norm.js";
import { randomIndex, randomNormal, randomPermutation } from "../kernels/rng/random.js";
import { recordLikelihoodLoss } from "../nn/density.js";
import { createTrained, freeTrained, recordOptimiserStep, type OptimiserOptions, type Trained } from "../nn/trained.js";
import { recordCloningLoss } from "./cloning-loss.js";
import type { PolicyModel } from "./policy.js";

/** Rows of a data set that a policy learns to imitate, normalised. */
export interface ClonedRows {
  readonly rows: number;
  /** Flattened observation stacks [rows, To·D]. */
  readonly states: Float32Array;
  /** Chunks that were done in them [rows, H·A]. */
  readonly chunks: Float32Array;
}

/** What training has made of a policy: flat buffers of its layout. */
export interface ClonerState {
  readonly values: Float32Array;
  /** Moving average of the values. */
  readonly average: Float32Array;
  readonly firstMoments: Float32Array;
  readonly secondMoments: Float32Array;
  readonly optimiserState: Float32Array;
}

/** Where the training of a policy starts. */
export function firstClonerState(values: Float32Array): ClonerState {
  const zeros = (): Float32Array => new Float32Array(values.length);
  return { values, average: values, firstMoments: zeros(), secondMoments: zeros(), optimiserState: new Float32Array(adamStateLength) };
}

/** Options of a {@link Cloner}. */
export interface ClonerOptions {
  readonly batchSize: number;
  /** Decides order, times and noise. */
  readonly seed: number;
  readonly weightDecay: number;
  readonly maxGradientNorm: number | null;
  /** Weight of the entropy of Gaussian and mixture policies. */
  readonly entropyWeight: number;
  /** Steps of which the losses are kept until {@link Cloner.takeLosses}. */
  readonly lossSlots: number;
}

/** The losses of some steps. */
export interface StepLosses {
  readonly count: number;
  readonly lossSum: number;
  readonly gradientNormSum: number;
  /** First step whose loss or gradient was not finite, counted from the first of these steps. */
  readonly fault: { readonly index: number; readonly loss: number; readonly faultyGradients: number } | undefined;
}

/** A batch that is to be imitated. */
export interface CloningBatch {
  /** [rows, To·D] */
  readonly state: Tensor;
  /** [rows, H·A] */
  readonly chunks: Tensor;
  /** What the loss of a diffusion policy needs besides, see {@link recordCloningLoss}. */
  readonly drawn: {
    readonly time: Tensor;
    readonly noise: Tensor;
    readonly noisingTable: Tensor;
    readonly noised?: Tensor;
  } | undefined;
  /** Receives the loss, one number. */
  readonly loss: Tensor;
}

/**
 * Records one step of behaviour cloning: the loss of the policy's kind (noise prediction or likelihood), forward and
 * backward, and AdamW. Set the rate of a run by `update({ rate })` of the returned launch.
 */
export function recordCloningStep(
  program: ProgramRecorder,
  model: PolicyModel,
  trained: Trained,
  batch: CloningBatch,
  options: OptimiserOptions & { readonly rows: number; readonly entropyWeight?: number },
  norm?: Tensor,
): Launch<typeof adamwSpec.params> {
  recordLoss(program, model, trained.values, trained.gradients, batch, options);
  return recordOptimiserStep(program, trained, options, { norm });
}

/** Random streams of training and of validation. */
const streams = {
  training: { time: randomStreams.time, noise: randomStreams.noise },
  validation: { time: randomStreams.validationTime, noise: randomStreams.validationNoise },
} as const;

/** Validation rows of one run at most: more make no difference in time, fewer keep the memory small. */
const validationRows = 4096;

/** Elements that are noted of each step: the loss, then what `gradientNorm` tells. */
const noteWidth = 1 + gradientNormLength;

/** Rows on the device, and the order in which they are taken. */
interface RowSource {
  readonly rows: number;
  readonly states: Tensor;
  readonly chunks: Tensor;
  readonly order: Tensor;
}

/** A recorded run over a batch; `moveTo` says which rows the next run takes, and which draws. */
interface BatchRun {
  readonly program: Program;
  readonly moveTo: (firstRow: number, step: number) => void;
}

/** A {@link BatchRun} that learns. */
interface TrainingRun extends BatchRun {
  readonly optimiser: Launch<typeof adamwSpec.params>;
  /** Chooses where the step's loss is noted. */
  readonly noteAt: (slot: number) => void;
}

/** A {@link BatchRun} that measures values and average. */
interface ValidationRun extends BatchRun {
  /** Chooses where the losses are noted. */
  readonly noteAt: (batch: number) => void;
}

/**
 * A policy that is being trained by behaviour cloning, on a device: its data, its parameters, their moving average, and
 * the programs of a step. Everything a step needs is there; nothing is awaited for one.
 */
export class Cloner {
  /** Batches of an epoch; the last one may be smaller. */
  readonly batchCount: number;
  readonly #device: Device;
  readonly #model: PolicyModel;
  readonly #options: ClonerOptions;
  readonly #holdings: Holdings;
  readonly #trained: Trained;
  readonly #average: Tensor;
  readonly #noisingTable: Tensor | undefined;
  readonly #training: RowSource;
  readonly #validation: RowSource | undefined;
  readonly #notes: Tensor;
  #noted = 0;
  #shuffling: { readonly program: Program; readonly launch: Launch<{ readonly step: "u32" }> } | undefined;
  #averaging: { readonly program: Program; readonly launch: Launch<typeof emaSpec.params> } | undefined;
  /** By number of rows: full batches, and the last one. */
  readonly #steps = new Map<number, TrainingRun>();
  #validating: { readonly runs: ReadonlyMap<number, ValidationRun>; readonly losses: Tensor } | undefined;
  #isClosed = false;

  private constructor(
    device: Device,
    model: PolicyModel,
    data: { readonly training: ClonedRows; readonly validation?: ClonedRows | undefined },
    state: ClonerState,
    options: ClonerOptions,
  ) {
    this.#device = device;
    this.#holdings = new Holdings(device);
    this.#model = model;
    this.#options = options;
    this.batchCount = Math.ceil(data.training.rows / options.batchSize);
    const { layout } = model.kind === "diffusion" ? model.denoiser : model.network;
    this.#trained = createTrained(device, layout, state.values, "policy");
    device.write(this.#trained.firstMoments, state.firstMoments);
    device.write(this.#trained.secondMoments, state.secondMoments);
    device.write(this.#trained.optimiserState, state.optimiserState);
    this.#average = this.#holdings.keep(device.tensor([layout.length], { label: "average", data: state.average }));
    this.#noisingTable = model.kind === "diffusion" ? this.#holdings.keep(model.process.noisingTable(device)) : undefined;
    this.#training = this.#place(data.training, "training");
    this.#validation = data.validation === undefined ? undefined : this.#place(data.validation, "validation");
    this.#notes = this.#holdings.keep(device.tensor([options.lossSlots, noteWidth], { label: "losses" }));
  }

  /** Puts data and parameters on a device and records the programs. */
  static async create(
    device: Device,
    model: PolicyModel,
    data: { readonly training: ClonedRows; readonly validation?: ClonedRows | undefined },
    state: ClonerState,
    options: ClonerOptions,
  ): Promise<Cloner> {
    const cloner = new Cloner(device, model, data, state, options);
    try {
      await cloner.#record();
    } catch (error) {
      cloner.close();
      throw error;
    }
    return cloner;
  }

  /** Whether the losses must be taken before the next step. */
  get isFull(): boolean {
    return this.#noted === this.#options.lossSlots;
  }

  /** Draws the order of an epoch. */
  shuffle(epoch: number): void {
    this.#shuffling!.launch.update({ step: epoch });
    this.#shuffling!.program.run();
  }

  /** One step on a batch of the epoch. `step` keys its draws. */
  step(step: number, batch: number, rate: number): void {
    const { batchSize } = this.#options;
    const first = batch * batchSize;
    const run = this.#steps.get(Math.min(batchSize, this.#training.rows - first))!;
    run.moveTo(first, step);
    run.optimiser.update({ rate });
    run.noteAt(this.#noted++);
    run.program.run();
  }

  /** average ← decay · average + (1 − decay) · values; a decay of 0 copies to the bit. */
  average(decay: number): void {
    this.#averaging!.launch.update(emaWeights(decay));
    this.#averaging!.program.run();
  }

  /** The losses of the steps since they were last taken: the one wait of training. */
  async takeLosses(): Promise<StepLosses> {
    const count = this.#noted;
    this.#noted = 0;
    let [lossSum, gradientNormSum] = [0, 0];
    let fault: StepLosses["fault"];
    if (count > 0) {
      const notes = await this.#device.read(this.#notes.view(0, [count, noteWidth]));
      for (let index = 0; index < count; index++) {
        const [loss, norm, , faultyGradients] = notes.subarray(index * noteWidth) as unknown as [number, number, number, number];
        lossSum += loss;
        gradientNormSum += norm;
        if (fault === undefined && (!Number.isFinite(loss) || faultyGradients > 0)) fault = { index, loss, faultyGradients };
      }
    }
    return { count, lossSum, gradientNormSum, fault };
  }

  /** Losses of values and average on the validation rows, with the same draws every time. Needs validation rows. */
  async validate(): Promise<{ readonly values: number; readonly average: number }> {
    const { runs, losses } = (this.#validating ??= await this.#recordValidation());
    const { rows } = this.#validation!;
    for (let batch = 0; batch * validationRows < rows; batch++) {
      const first = batch * validationRows;
      const run = runs.get(Math.min(validationRows, rows - first))!;
      run.moveTo(first, batch);
      run.noteAt(batch);
      run.program.run();
    }
    const read = await this.#device.read(losses);
    const mean = (which: number): number => {
      let sum = 0;
      for (let first = 0; first < rows; first += validationRows) {
        sum += Math.min(validationRows, rows - first) * read[(2 * first) / validationRows + which]!;
      }
      return sum / rows;
    };
    return { values: mean(0), average: mean(1) };
  }

  /** Everything that training has changed, copied out. */
  async read(): Promise<ClonerState> {
    const { values, firstMoments, secondMoments, optimiserState } = this.#trained;
    const read = await this.#device.readAll([values, this.#average, firstMoments, secondMoments, optimiserState]);
    const [ofValues, average, first, second, ofOptimiser] = read as [Float32Array, Float32Array, Float32Array, Float32Array, Float32Array];
    return { values: ofValues, average, firstMoments: first, secondMoments: second, optimiserState: ofOptimiser };
  }

  /** Waits until the device has done what it was given. */
  idle(): Promise<void> {
    return this.#device.idle();
  }

  /** Frees all of it. Twice is once. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#holdings.close();
    freeTrained(this.#device, this.#trained);
  }

  #place({ rows, states, chunks }: ClonedRows, label: string): RowSource {
    return {
      rows,
      states: this.#holdings.keep(this.#device.tensor([rows, states.length / rows], { label: `${label} states`, data: states })),
      chunks: this.#holdings.keep(this.#device.tensor([rows, chunks.length / rows], { label: `${label} chunks`, data: chunks })),
      order: this.#holdings.keep(this.#device.tensor([rows], { label: `${label} order`, dtype: "u32", data: Uint32Array.from({ length: rows }, (_, row) => row) })),
    };
  }

  async #record(): Promise<void> {
    const { batchSize, seed } = this.#options;
    const { rows, order } = this.#training;
    let shuffle: Launch<{ readonly step: "u32" }> | undefined;
    this.#shuffling = {
      program: await this.#holdings.program("order of an epoch", (recorder) => {
        shuffle = randomPermutation(recorder, { out: order }, { length: rows, seed: [seed, 0], stream: randomStreams.permutation, step: 0 });
      }),
      launch: shuffle!,
    };
    let average: Launch<typeof emaSpec.params> | undefined;
    this.#averaging = {
      program: await this.#holdings.program("moving average", (recorder) => {
        average = ema(recorder, { parameters: this.#trained.values, average: this.#average }, { decay: 0 });
      }),
      launch: average!,
    };
    for (const size of batchSizes(rows, batchSize)) this.#steps.set(size, await this.#recordStep(size));
  }

  async #recordStep(rows: number): Promise<TrainingRun> {
    const { weightDecay, maxGradientNorm, entropyWeight, lossSlots } = this.#options;
    let recorded: Omit<TrainingRun, "program"> | undefined;
    const program = await this.#holdings.program(`cloning step of ${rows} rows`, (recorder) => {
      const loss = recorder.temporary([1], "loss");
      const norm = recorder.temporary([gradientNormLength], "gradient norm");
      const { batch, moveTo } = this.#recordBatch(recorder, this.#training, rows, streams.training);
      const optimiser = recordCloningStep(recorder, this.#model, this.#trained, { ...batch, loss }, {
        rows, rate: 0, weightDecay, maxGradientNorm, entropyWeight,
      }, norm);
      const note = (src: Tensor, column: number): ((slot: number) => void) => {
        const shape = { rows: 1, columns: src.length, srcStride: src.length, srcColumn: 0, dstStride: lossSlots * noteWidth };
        const launch = copyColumns(recorder, { src, dst: this.#notes }, { ...shape, dstColumn: column });
        return (slot) => { launch.update({ dstColumn: slot * noteWidth + column }); };
      };
      const notes = [note(loss, 0), note(norm, 1)];
      recorded = { moveTo, optimiser, noteAt: (slot) => { for (const noteAt of notes) noteAt(slot); } };
    });
    return { program, ...recorded! };
  }

  async #recordValidation(): Promise<{ readonly runs: ReadonlyMap<number, ValidationRun>; readonly losses: Tensor }> {
    const source = this.#validation!;
    const batchCount = Math.ceil(source.rows / validationRows);
    const losses = this.#holdings.keep(this.#device.tensor([batchCount, 2], { label: "validation losses" }));
    const runs = new Map<number, ValidationRun>();
    for (const rows of batchSizes(source.rows, validationRows)) {
      let recorded: Omit<ValidationRun, "program"> | undefined;
      const program = await this.#holdings.program(`validation of ${rows} rows`, (recorder) => {
        const { batch, moveTo } = this.#recordBatch(recorder, source, rows, streams.validation);
        const notes = [this.#trained.values, this.#average].map((values, column) => {
          const loss = recorder.temporary([1], "loss");
          recordLoss(recorder, this.#model, values, undefined, { ...batch, loss }, { rows, entropyWeight: this.#options.entropyWeight });
          const shape = { rows: 1, columns: 1, srcStride: 1, srcColumn: 0, dstStride: losses.length };
          return { column, launch: copyColumns(recorder, { src: loss, dst: losses }, { ...shape, dstColumn: column }) };
        });
        recorded = { moveTo, noteAt: (at) => { for (const { column, launch } of notes) launch.update({ dstColumn: 2 * at + column }); } };
      });
      runs.set(rows, { program, ...recorded! });
    }
    return { runs, losses };
  }

  /** Records which rows of the source are taken, and the draws of the loss. */
  #recordBatch(
    recorder: ProgramRecorder,
    source: RowSource,
    rows: number,
    stream: { readonly time: number; readonly noise: number },
  ): { readonly batch: Omit<CloningBatch, "loss">; readonly moveTo: BatchRun["moveTo"] } {
    const gather = (from: Tensor, label: string): { readonly out: Tensor; readonly launch: Launch<{ readonly indexOffset: "u32" }> } => {
      const width = from.length / source.rows;
      const out = recorder.temporary([rows, width], label);
      return { out, launch: rowGather(recorder, { source: from, index: source.order, out }, { rows, width }) };
    };
    const [state, chunks] = [gather(source.states, "batch states"), gather(source.chunks, "batch chunks")];
    const draws: Launch<{ readonly step: "u32" }>[] = [];
    let drawn: CloningBatch["drawn"];
    if (this.#model.kind === "diffusion") {
      const key = { seed: [this.#options.seed, 0] as const, step: 0 };
      const time = recorder.temporary([rows], "batch times", "u32");
      const noise = recorder.temporary(chunks.out.shape, "batch noise");
      draws.push(
        randomIndex(recorder, { out: time }, { length: rows, count: this.#model.process.denoisingSteps, stream: stream.time, ...key }),
        randomNormal(recorder, { out: noise }, { length: noise.length, stream: stream.noise, ...key }),
      );
      drawn = { time, noise, noisingTable: this.#noisingTable! };
    }
    return {
      batch: { state: state.out, chunks: chunks.out, drawn },
      moveTo: (firstRow, step) => {
        for (const { launch } of [state, chunks]) launch.update({ indexOffset: firstRow });
        for (const draw of draws) draw.update({ step });
      },
    };
  }
}

function recordLoss(
  program: ProgramRecorder,
  model: PolicyModel,
  values: Tensor,
  gradients: Tensor | undefined,
  { state, chunks, drawn, loss }: CloningBatch,
  options: { readonly rows: number; readonly entropyWeight?: number },
): void {
  if (model.kind === "diffusion") {
    recordCloningLoss(program, model.denoiser, model.process, { values, gradients, x0: chunks, state, loss, ...drawn! }, options.rows);
  } else {
    recordLikelihoodLoss(program, model.network, { values, gradients, state, chunks, loss }, options);
  }
}

/** Sizes of batches that occur: full ones, and a smaller last one. */
function batchSizes(rows: number, batchSize: number): ReadonlySet<number> {
  return new Set([Math.min(rows, batchSize), rows % batchSize].filter((size) => size > 0));
}

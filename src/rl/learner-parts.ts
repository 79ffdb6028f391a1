import { DifftuneError } from "../core/errors.js";
import { randomStreams } from "../core/random-streams.js";
import type { Device } from "../engine/device.js";
import type { Launch, Program, ProgramRecorder } from "../engine/program.js";
import type { Tensor } from "../engine/tensor.js";
import type { Policy } from "../diffusion/policy.js";
import type { DiffusionProcess, ProcessTables } from "../diffusion/process.js";
import { recordSampling } from "../diffusion/sampling.js";
import { accumulate, ema } from "../kernels/optim/ema.js";
import { gradientNormLength } from "../kernels/optim/gradient-norm.js";
import { randomIndex, randomNormal, type RandomKey } from "../kernels/rng/random.js";
import type { Denoiser } from "../nn/denoiser.js";
import type { ParameterLayout } from "../nn/parameters.js";
import { createTrained, freeTrained, recordOptimiserStep, type OptimiserOptions, type Trained } from "../nn/trained.js";
import type { ReplayBatch, ReplayBuffer } from "./replay-buffer.js";

/** While a lesson is recorded: what changes from update to update, and what is reported. */
export interface LessonNotes {
  /** A launch that draws: gets the number of the update before each run. */
  draw(launch: Launch<{ readonly step: "u32" }>): void;
  /** What else changes before a run. */
  before(change: (update: number) => void): void;
  /** Numbers whose sum is reported under a name, as a mean over the updates of an iteration. */
  tally(name: string, numbers: Tensor): void;
}

/** A recorded program that learns something. */
export interface Lesson {
  /** Runs it once; equal numbers draw equal randomness, in all lessons alike. */
  run(update: number): void;
}

interface Tally {
  readonly sums: Tensor;
  runs: number;
}

/** What learners around a diffusion policy are built of: networks, slow copies, lessons. Saves and frees all of it. */
export class LearnerParts {
  readonly device: Device;
  readonly policy: Policy;
  readonly denoiser: Denoiser;
  readonly process: DiffusionProcess;
  /** Tables of stochastic sampling. */
  readonly tables: ProcessTables;
  readonly noisingTable: Tensor;
  readonly #seed: number;
  readonly #owned: Tensor[] = [];
  readonly #trained: Trained[] = [];
  readonly #programs: Program[] = [];
  readonly #saved = new Map<string, Tensor>();
  readonly #tallies = new Map<string, Tally>();

  constructor(device: Device, policy: Policy, seed: number) {
    if (policy.model.kind !== "diffusion") throw new DifftuneError("INVARIANT", "Learners are built around a diffusion policy.");
    this.device = device;
    this.policy = policy;
    this.denoiser = policy.model.denoiser;
    this.process = policy.model.process;
    this.#seed = seed;
    this.tables = this.process.tables(device);
    this.noisingTable = this.process.noisingTable(device);
    this.#owned.push(this.tables.schedule, this.tables.times, this.noisingTable);
  }

  /** A network to be trained; part of what is saved. */
  trained(name: string, layout: ParameterLayout, values: Float32Array): Trained {
    const trained = createTrained(this.device, layout, values, name);
    this.#trained.push(trained);
    this.#saved.set(name, trained.values);
    this.#saved.set(`${name} first moments`, trained.firstMoments);
    this.#saved.set(`${name} second moments`, trained.secondMoments);
    this.#saved.set(`${name} optimiser`, trained.optimiserState);
    return trained;
  }

  /** A copy of parameters that follows them slowly; part of what is saved. */
  slowCopy(name: string, values: Float32Array): Tensor {
    const copy = this.own(this.device.tensor([values.length], { label: name, data: values }));
    this.#saved.set(name, copy);
    return copy;
  }

  /** Takes over a tensor. */
  own(tensor: Tensor): Tensor {
    this.#owned.push(tensor);
    return tensor;
  }

  /** What a consumer's random numbers are keyed by. */
  key(stream: number): RandomKey {
    return { seed: [this.#seed, 0], stream, step: 0 };
  }

  /** Records a program that learns. */
  async lesson(label: string, record: (program: ProgramRecorder, notes: LessonNotes) => void): Promise<Lesson> {
    const changes: ((update: number) => void)[] = [];
    const tallies: Tally[] = [];
    const program = await this.device.program(label, (recorder) => {
      record(recorder, {
        draw: (launch) => { changes.push((step) => { launch.update({ step }); }); },
        before: (change) => { changes.push(change); },
        tally: (name, numbers) => {
          const tally = this.#tallies.get(name) ?? { sums: this.own(this.device.tensor([numbers.length], { label: `sums of ${name}` })), runs: 0 };
          this.#tallies.set(name, tally);
          tallies.push(tally);
          accumulate(recorder, { addend: numbers, sum: tally.sums });
        },
      });
    });
    this.#programs.push(program);
    return {
      run: (update) => {
        for (const change of changes) change(update);
        program.run();
        for (const tally of tallies) tally.runs += 1;
      },
    };
  }

  /** Records a batch of a buffer. Lessons of one update draw the same rows. */
  recordBatch(program: ProgramRecorder, notes: LessonNotes, buffer: ReplayBuffer, rows: number): ReplayBatch {
    const { batch, draw } = buffer.recordDraw(program, rows, this.key(randomStreams.replay));
    notes.draw(draw);
    return batch;
  }

  /** Records an AdamW step; with a name, the gradient's norm is reported. */
  recordDescent(program: ProgramRecorder, notes: LessonNotes, trained: Trained, options: OptimiserOptions, normName?: string): void {
    const norm = program.temporary([gradientNormLength], "gradient norm");
    recordOptimiserStep(program, trained, options, { norm });
    if (normName !== undefined) notes.tally(normName, norm.view(0, [1]));
  }

  /** Records the draws of the supervised loss: a time a row, a normal an element. */
  recordDraws(program: ProgramRecorder, notes: LessonNotes, rows: number): { readonly time: Tensor; readonly noise: Tensor } {
    const time = program.temporary([rows], "batch times", "u32");
    notes.draw(randomIndex(program, { out: time }, { length: rows, count: this.process.denoisingSteps, ...this.key(randomStreams.time) }));
    return { time, noise: this.recordNormals(program, notes, rows * this.denoiser.width, randomStreams.noise) };
  }

  /** Records normals. */
  recordNormals(program: ProgramRecorder, notes: LessonNotes, length: number, stream: number): Tensor {
    const noise = program.temporary([length], "normals");
    notes.draw(randomNormal(program, { out: noise }, { length, ...this.key(stream) }));
    return noise;
  }

  /** Records chunks sampled with exploration noise for states, by the network with the parameters given. */
  recordFollowing(program: ProgramRecorder, notes: LessonNotes, values: Tensor, state: Tensor, rows: number): Tensor {
    const chunk = program.temporary([rows, this.denoiser.width], "following chunks");
    const noise = this.recordNormals(program, notes, (this.process.stepCount + 1) * rows * this.denoiser.width, randomStreams.following);
    recordSampling(program, this.denoiser, this.process, this.tables, { frozen: values, state, noise, chunk }, {
      rows, tunedSteps: 0, isDeterministic: false,
    });
    return chunk;
  }

  /** Records copy <- (1 - share) copy + share values. */
  recordFollow(program: ProgramRecorder, values: Tensor, copy: Tensor, share: number): void {
    ema(program, { parameters: values, average: copy }, { decay: 1 - share });
  }

  /** The mean of every tally since the last time, by name. One wait; what is no number ends the run. */
  async takeTallies(): Promise<Readonly<Record<string, number>>> {
    const used = [...this.#tallies].filter(([, { runs }]) => runs > 0);
    if (used.length === 0) return {};
    const sums = await this.device.readAll(used.map(([, tally]) => tally.sums));
    const means = used.map(([name, tally], at): [string, number] => {
      const mean = Array.from(sums[at] ?? []).reduce((total, value) => total + value, 0) / tally.runs;
      if (!Number.isFinite(mean)) {
        throw new DifftuneError("DIVERGENCE", `${name} is ${mean}.`, { hint: "Lower the learning rates, or the factor of the rewards.", got: mean });
      }
      tally.runs = 0;
      this.device.write(tally.sums, new Float32Array(tally.sums.length));
      return [name, mean];
    });
    return Object.fromEntries(means);
  }

  /** Everything that a run goes on from, by name. */
  get state(): ReadonlyMap<string, Tensor> {
    return this.#saved;
  }

  /** Frees everything. */
  close(): void {
    for (const program of this.#programs.splice(0)) program.close();
    for (const trained of this.#trained.splice(0)) freeTrained(this.device, trained);
    for (const tensor of this.#owned.splice(0)) this.device.free(tensor);
  }
}

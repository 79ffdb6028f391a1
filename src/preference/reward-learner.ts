import { randomStreams } from "../core/random-streams.js";
import type { Device } from "../engine/device.js";
import { Holdings } from "../engine/holdings.js";
import type { Launch, Program, ProgramRecorder } from "../engine/program.js";
import type { Tensor } from "../engine/tensor.js";
import { affineColumns } from "../kernels/nn/affine-columns.js";
import { copyColumns } from "../kernels/nn/columns.js";
import { rowGather } from "../kernels/nn/row-gather.js";
import { bradleyTerry, preferenceStatistics } from "../kernels/rl/bradley-terry.js";
import { sumSegments, sumSegmentsBackward } from "../kernels/rl/sum-segments.js";
import { randomPermutation, randomUniform } from "../kernels/rng/random.js";
import { Pass } from "../nn/pass.js";
import { createTrained, freeTrained, recordOptimiserStep, type Trained } from "../nn/trained.js";
import type { PreferencePair } from "./pair-store.js";
import { createRewardNetworks, logNuName, standardise, type RewardModelShape, type RewardNetworks } from "./reward-model.js";

/** Flat buffers of the layout of the networks. */
export interface LearnerState {
  readonly values: Float32Array;
  readonly firstMoments: Float32Array;
  readonly secondMoments: Float32Array;
  readonly optimiserState: Float32Array;
}

/** Labelled pairs of segments of `horizon` states; the first `trainingCount` are learned from. */
export interface LearnerPairs {
  readonly horizon: number;
  readonly pairs: readonly PreferencePair[];
  readonly trainingCount: number;
}

/** Options of a {@link RewardLearner}. */
export interface LearnerOptions {
  readonly batchSize: number;
  readonly rate: number;
  readonly weightDecay: number;
  readonly smoothing: number;
  readonly seed: number;
  readonly anchor: {
    readonly low: readonly number[];
    readonly high: readonly number[];
    readonly weight: number;
    readonly points: number;
  } | null;
}

/** What the members say of all pairs. */
export interface PairScores {
  /** R1 − R0 [members][pairs]. */
  readonly differences: readonly Float64Array[];
  /** ln ν of each member; only with ties "davidson". */
  readonly logNu: readonly number[] | undefined;
}

/** Pairs of one measuring run at most. */
const measuredPairs = 1024;

interface Step {
  readonly program: Program;
  readonly moveTo: (step: number, firstPair: number) => void;
}

interface Measurement {
  readonly program: Program;
  readonly moveTo: (firstPair: number) => void;
  /** Scores [pairs, 2] of each member. */
  readonly scores: readonly Tensor[];
}

/** A reward ensemble that learns on a device: its pairs, its parameters, and the programs of a step and of a measurement. */
export class RewardLearner {
  /** Batches of an epoch; the last one may be smaller. */
  readonly batchCount: number;
  readonly #device: Device;
  readonly #shape: RewardModelShape;
  readonly #networks: RewardNetworks;
  readonly #pairs: LearnerPairs;
  readonly #options: LearnerOptions;
  readonly #holdings: Holdings;
  readonly #trained: Trained;
  /** Standardised features [pairs, 2 H D]: the first segment, then the second. */
  readonly #features: Tensor;
  readonly #labels: Tensor;
  /** Order of the training pairs, one for each member. */
  readonly #orders: readonly Tensor[];
  /** All pairs in their order. */
  readonly #identity: Tensor;
  readonly #anchor: { readonly scale: Tensor; readonly shift: Tensor; readonly slope: Tensor; readonly zero: Tensor } | undefined;
  #shuffle: { readonly program: Program; readonly launches: readonly Launch<{ readonly step: "u32" }>[] } | undefined;
  #shuffledEpoch: number | undefined;
  /** By number of pairs: full batches, and the last one. */
  readonly #steps = new Map<number, Step>();
  readonly #measurements = new Map<number, Measurement>();
  #isClosed = false;

  private constructor(device: Device, shape: RewardModelShape, pairs: LearnerPairs, state: LearnerState, options: LearnerOptions) {
    this.#device = device;
    this.#holdings = new Holdings(device);
    this.#shape = shape;
    this.#pairs = pairs;
    this.#options = options;
    this.#networks = createRewardNetworks(shape);
    this.batchCount = Math.ceil(pairs.trainingCount / options.batchSize);
    this.#trained = createTrained(device, this.#networks.layout, state.values, "reward ensemble");
    device.write(this.#trained.firstMoments, state.firstMoments);
    device.write(this.#trained.secondMoments, state.secondMoments);
    device.write(this.#trained.optimiserState, state.optimiserState);
    const count = pairs.pairs.length;
    const segment = pairs.horizon * shape.features.length;
    const features = new Float32Array(count * 2 * segment);
    for (const [at, { features0, features1 }] of pairs.pairs.entries()) {
      features.set(standardise(shape.statistics, features0), 2 * at * segment);
      features.set(standardise(shape.statistics, features1), (2 * at + 1) * segment);
    }
    this.#features = this.#floats("pair features", features);
    this.#labels = this.#floats("pair labels", pairs.pairs.map(({ label }) => label));
    const indices = (label: string, length: number): Tensor =>
      this.#holdings.keep(device.tensor([length], { label, dtype: "u32", data: Uint32Array.from({ length }, (_, at) => at) }));
    this.#identity = indices("all pairs", count);
    this.#orders = this.#networks.members.map((_, member) => indices(`order of member ${member}`, pairs.trainingCount));
    const { anchor } = options;
    if (anchor !== null) {
      const corners = [anchor.low, anchor.high].map((corner) => standardise(shape.statistics, corner)) as [Float32Array, Float32Array];
      this.#anchor = {
        scale: this.#floats("anchor ranges", corners[1].map((high, at) => high - corners[0][at]!)),
        shift: this.#floats("anchor corner", corners[0]),
        // d/dr of weight · mean r²
        slope: this.#floats("anchor slope", [(2 * anchor.weight) / anchor.points]),
        zero: this.#floats("anchor zero", [0]),
      };
    }
  }

  /** Puts pairs and parameters on a device and records the programs. */
  static async create(device: Device, shape: RewardModelShape, pairs: LearnerPairs, state: LearnerState, options: LearnerOptions): Promise<RewardLearner> {
    const learner = new RewardLearner(device, shape, pairs, state, options);
    try {
      await learner.#record();
    } catch (error) {
      learner.close();
      throw error;
    }
    return learner;
  }

  /** One gradient step of all members, each on its own batch of the epoch (from 0). */
  step(epoch: number, batch: number): void {
    const { trainingCount } = this.#pairs;
    const { batchSize } = this.#options;
    if (this.#shuffledEpoch !== epoch) {
      for (const launch of this.#shuffle!.launches) launch.update({ step: epoch });
      this.#shuffle!.program.run();
      this.#shuffledEpoch = epoch;
    }
    const first = batch * batchSize;
    const step = this.#steps.get(Math.min(batchSize, trainingCount - first))!;
    step.moveTo(epoch * this.batchCount + batch, first);
    step.program.run();
  }

  /** Scores of all pairs by the parameters as they stand: the one wait of an epoch. */
  async scores(): Promise<PairScores> {
    const count = this.#pairs.pairs.length;
    const differences = this.#networks.members.map(() => new Float64Array(count));
    for (let first = 0; first < count; first += measuredPairs) {
      const size = Math.min(measuredPairs, count - first);
      const { program, moveTo, scores } = this.#measurements.get(size)!;
      moveTo(first);
      program.run();
      for (const [member, read] of (await this.#device.readAll(scores)).entries()) {
        for (let pair = 0; pair < size; pair++) differences[member]![first + pair] = read[2 * pair + 1]! - read[2 * pair]!;
      }
    }
    if (this.#shape.ties !== "davidson") return { differences, logNu: undefined };
    const values = await this.values();
    return { differences, logNu: differences.map((_, member) => values[this.#networks.layout.get(logNuName(member)).offset]!) };
  }

  /** The parameters as they stand. */
  values(): Promise<Float32Array> {
    return this.#device.read(this.#trained.values);
  }

  /** Everything that learning has changed. */
  async read(): Promise<LearnerState> {
    const { values, firstMoments, secondMoments, optimiserState } = this.#trained;
    const [first, second, third, fourth] = await this.#device.readAll([values, firstMoments, secondMoments, optimiserState]) as [Float32Array, Float32Array, Float32Array, Float32Array];
    return { values: first, firstMoments: second, secondMoments: third, optimiserState: fourth };
  }

  /** Frees all of it. Twice is once. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#holdings.close();
    freeTrained(this.#device, this.#trained);
  }

  #floats(label: string, data: ArrayLike<number>): Tensor {
    return this.#holdings.keep(this.#device.tensor([data.length], { label, data }));
  }

  async #record(): Promise<void> {
    const { pairs, trainingCount } = this.#pairs;
    const launches: Launch<{ readonly step: "u32" }>[] = [];
    const program = await this.#holdings.program("orders of an epoch", (recorder) => {
      for (const [member, out] of this.#orders.entries()) {
        launches.push(randomPermutation(recorder, { out }, { length: trainingCount, seed: this.#seedOf(member), stream: randomStreams.permutation, step: 0 }));
      }
    });
    this.#shuffle = { program, launches };
    for (const size of sizesOf(trainingCount, this.#options.batchSize)) this.#steps.set(size, await this.#recordStep(size));
    for (const size of sizesOf(pairs.length, measuredPairs)) this.#measurements.set(size, await this.#recordMeasurement(size));
  }

  /** Members draw apart from each other: each has a key of its own. */
  #seedOf(member: number): readonly [number, number] {
    return [this.#options.seed, 1 + member];
  }

  async #recordStep(size: number): Promise<Step> {
    const { rate, weightDecay } = this.#options;
    const moves: Step["moveTo"][] = [];
    const program = await this.#holdings.program(`reward step of ${size} pairs`, (recorder) => {
      const pass = new Pass(recorder, this.#networks.layout, this.#trained.values, this.#trained.gradients);
      for (const member of this.#networks.members.keys()) moves.push(this.#recordMember(recorder, pass, member, size));
      recordOptimiserStep(recorder, this.#trained, { rate, weightDecay });
    });
    return { program, moveTo: (step, firstPair) => { for (const move of moves) move(step, firstPair); } };
  }

  /**
   * Records the gradient of one member on one batch. The rows of its network are the anchor points, then both segments of each
   * pair: [A + 2 H B, D].
   */
  #recordMember(recorder: ProgramRecorder, pass: Pass, member: number, size: number): Step["moveTo"] {
    const { ties, features: { length: width } } = this.#shape;
    const { layout } = this.#networks;
    const { horizon } = this.#pairs;
    const network = this.#networks.members[member]!;
    const points = this.#options.anchor?.points ?? 0;
    const states = 2 * horizon * size;
    const rows = points + states;
    const gathered = recorder.temporary([states, width], "batch features");
    const labels = recorder.temporary([size], "batch labels");
    const index = this.#orders[member]!;
    const gathers = [
      rowGather(recorder, { source: this.#features, index, out: gathered }, { rows: size, width: 2 * horizon * width }),
      rowGather(recorder, { source: this.#labels, index, out: labels }, { rows: size, width: 1 }),
    ];
    const x = recorder.temporary([rows, width], "network input");
    affineColumns(recorder, { src: gathered, dst: x }, { rows: states, columns: width, dstOffset: points * width });
    let draw: Launch<{ readonly step: "u32" }> | undefined;
    if (this.#anchor !== undefined) {
      const uniform = recorder.temporary([points, width], "anchor draws");
      draw = randomUniform(recorder, { out: uniform }, { length: points * width, seed: this.#seedOf(member), stream: randomStreams.anchor, step: 0 });
      affineColumns(recorder, { src: uniform, dst: x, map: { scale: this.#anchor.scale, shift: this.#anchor.shift } }, { rows: points, columns: width });
    }
    const tape = network.forward(pass, x, rows);
    const rewards = recorder.temporary([states], "rewards of states");
    affineColumns(recorder, { src: tape.output, dst: rewards }, { rows: 1, columns: states, srcOffset: points });
    const score = recorder.temporary([size, 2], "scores");
    sumSegments(recorder, { r: rewards, score }, { segments: 2 * size, horizon });

    const [r0, r1, dr0, dr1] = ["r0", "r1", "dr0", "dr1"].map((label) => recorder.temporary([size], label)) as [Tensor, Tensor, Tensor, Tensor];
    for (const [srcColumn, dst] of [r0, r1].entries()) {
      copyColumns(recorder, { src: score, dst }, { rows: size, columns: 1, srcStride: 2, srcColumn, dstStride: 1, dstColumn: 0 });
    }
    const nu = ties === "davidson"
      ? { logNu: layout.view(this.#trained.values, logNuName(member)), dlogNu: layout.view(this.#trained.gradients, logNuName(member)) }
      : {};
    bradleyTerry(recorder, { r0, r1, labels, dr0, dr1, statistics: recorder.temporary([preferenceStatistics.length], "statistics"), ...nu }, {
      members: 1, pairs: size, ties, smoothing: this.#options.smoothing, sharedLabels: true,
    });
    const dscore = recorder.temporary([size, 2], "score gradient");
    for (const [dstColumn, src] of [dr0, dr1].entries()) {
      copyColumns(recorder, { src, dst: dscore }, { rows: size, columns: 1, srcStride: 1, srcColumn: 0, dstStride: 2, dstColumn });
    }
    const drewards = recorder.temporary([states], "gradient of rewards of states");
    sumSegmentsBackward(recorder, { dscore, dr: drewards }, { segments: 2 * size, horizon });
    const doutput = recorder.temporary([rows, 1], "gradient of rewards");
    affineColumns(recorder, { src: drewards, dst: doutput }, { rows: 1, columns: states, dstOffset: points });
    if (this.#anchor !== undefined) {
      affineColumns(recorder, { src: tape.output, dst: doutput, map: { scale: this.#anchor.slope, shift: this.#anchor.zero } }, { rows: 1, columns: points });
    }
    network.backward(pass, tape, doutput, rows);
    return (step, firstPair) => {
      for (const gather of gathers) gather.update({ indexOffset: firstPair });
      draw?.update({ step });
    };
  }

  async #recordMeasurement(size: number): Promise<Measurement> {
    const { horizon } = this.#pairs;
    const width = this.#shape.features.length;
    const scores = this.#networks.members.map((_, member) => this.#holdings.keep(this.#device.tensor([size, 2], { label: `measured scores of member ${member}` })));
    let gather: Launch<{ readonly indexOffset: "u32" }> | undefined;
    const program = await this.#holdings.program(`reward measurement of ${size} pairs`, (recorder) => {
      const pass = new Pass(recorder, this.#networks.layout, this.#trained.values);
      const x = recorder.temporary([size * 2 * horizon, width], "measured features");
      gather = rowGather(recorder, { source: this.#features, index: this.#identity, out: x }, { rows: size, width: 2 * horizon * width });
      for (const [member, network] of this.#networks.members.entries()) {
        const r = network.infer(pass, x, size * 2 * horizon);
        sumSegments(recorder, { r, score: scores[member]! }, { segments: 2 * size, horizon });
      }
    });
    return { program, scores, moveTo: (firstPair) => { gather!.update({ indexOffset: firstPair }); } };
  }
}

/** Sizes of parts that occur: full ones, and a smaller last one. */
function sizesOf(count: number, full: number): ReadonlySet<number> {
  return new Set([Math.min(count, full), count % full].filter((size) => size > 0));
}

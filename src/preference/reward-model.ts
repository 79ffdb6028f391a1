import * as v from "valibot";
import { DifftuneError } from "../core/errors.js";
import { mean, standardDeviation } from "../core/statistics.js";
import type { Device } from "../engine/device.js";
import type { Program } from "../engine/program.js";
import type { Tensor } from "../engine/tensor.js";
import { readSafetensors, writeSafetensors } from "../io/safetensors.js";
import { affineColumns } from "../kernels/nn/affine-columns.js";
import type { TieRule } from "../kernels/rl/bradley-terry.js";
import { createMlp, type Mlp } from "../nn/mlp.js";
import { ParameterLayout } from "../nn/parameters.js";
import { Pass } from "../nn/pass.js";

/** Mean and deviation of each reward feature over the states of rollouts: what a model's inputs are standardised by. */
export interface FeatureStatistics {
  readonly mean: readonly number[];
  readonly std: readonly number[];
}

/** What a reward model is, apart from its parameters. */
export interface RewardModelShape {
  /** Names of the D reward features. */
  readonly features: readonly string[];
  /** Sizes of the hidden layers of every member. */
  readonly hidden: readonly number[];
  /** M, networks that learn apart from each other; the reward is their mean. */
  readonly members: number;
  readonly ties: TieRule;
  readonly statistics: FeatureStatistics;
}

const formatName = "difftune-reward";
const formatVersion = "1";

const finite = v.pipe(v.number(), v.finite());
const size = v.pipe(v.number(), v.safeInteger(), v.minValue(1), v.maxValue(65_536));
const descriptionSchema = v.strictObject({
  features: v.pipe(v.array(v.string()), v.minLength(1)),
  hidden: v.pipe(v.array(size), v.minLength(1), v.maxLength(64)),
  members: v.pipe(size, v.maxValue(64)),
  ties: v.picklist(["drop", "half", "davidson"]),
  statistics: v.strictObject({ mean: v.array(finite), std: v.array(v.pipe(finite, v.gtValue(0))) }),
  shift: finite,
  scale: v.pipe(finite, v.gtValue(0)),
  temperature: v.optional(v.pipe(finite, v.gtValue(0))),
});

/** The networks of a reward model: one layout for all members, so that one optimiser step serves them all. */
export interface RewardNetworks {
  readonly layout: ParameterLayout;
  /** One perceptron D → hidden → 1 each, leaky ReLU within, tanh at the end. */
  readonly members: readonly Mlp[];
}

/** Builds the networks of a reward model. `davidson` gives every member a ln ν of its own, at first ln ½. */
export function createRewardNetworks({ features, hidden, members, ties }: RewardModelShape): RewardNetworks {
  const layout = new ParameterLayout();
  const networks = Array.from({ length: members }, (_, member) => {
    const network = createMlp(layout, `member${member}`, {
      sizes: [features.length, ...hidden, 1], activation: "leakyRelu", outputActivation: "tanh",
    });
    if (ties === "davidson") layout.add(logNuName(member), [1], { kind: "constant", value: Math.log(0.5) });
    return network;
  });
  return { layout, members: networks };
}

/** Name of a member's ln ν, which only models of ties "davidson" have. */
export function logNuName(member: number): string {
  return `member${member}.log_nu`;
}

/** Features as the networks see them: (x − mean) / std. */
export function standardise({ mean, std }: FeatureStatistics, features: ArrayLike<number>): Float32Array {
  return Float32Array.from(features, (value, at) => (value - mean[at % mean.length]!) / std[at % std.length]!);
}

/** A learned reward r̂(φ(state)): parameters and everything needed to use them, frozen. */
export class RewardModel {
  readonly shape: RewardModelShape;
  /** Flat parameters of all members. */
  readonly values: Float32Array;
  /** The reward is (mean of the members − shift) / scale. */
  readonly shift: number;
  readonly scale: number;
  /** What the scores must be divided by for honest probabilities; a record, not applied to the reward. */
  readonly temperature: number | undefined;

  constructor(shape: RewardModelShape, values: Float32Array, more: { readonly shift?: number; readonly scale?: number; readonly temperature?: number | undefined } = {}) {
    this.shape = shape;
    this.values = values;
    this.shift = more.shift ?? 0;
    this.scale = more.scale ?? 1;
    this.temperature = more.temperature;
  }

  /** The same model with another zero and unit, or with its temperature noted. */
  with(more: { readonly shift?: number; readonly scale?: number; readonly temperature?: number }): RewardModel {
    return new RewardModel(this.shape, this.values, { shift: this.shift, scale: this.scale, temperature: this.temperature, ...more });
  }

  /** The bytes of a safetensors file. */
  save(): Uint8Array {
    const { shape, shift, scale, temperature } = this;
    const { layout } = createRewardNetworks(shape);
    return writeSafetensors({
      metadata: new Map([
        ["format", formatName], ["version", formatVersion],
        ["model", JSON.stringify({ ...shape, shift, scale, ...(temperature === undefined ? {} : { temperature }) })],
      ]),
      tensors: layout.save(this.values),
    });
  }

  /** Reads {@link save}; whatever does not fit together is refused. */
  static load(bytes: Uint8Array): RewardModel {
    const { metadata, tensors } = readSafetensors(bytes);
    if (metadata.get("format") !== formatName) throw new DifftuneError("FORMAT", "The file is no reward model.", { path: "format", got: metadata.get("format") });
    if (metadata.get("version") !== formatVersion) {
      throw new DifftuneError("FORMAT", `The reward model has version ${metadata.get("version")}; this package reads ${formatVersion}.`, { path: "version" });
    }
    const { shift, scale, temperature, ...shape } = describedIn(metadata.get("model"));
    return new RewardModel(shape, createRewardNetworks(shape).layout.load(tensors), { shift, scale, temperature });
  }

  /** Puts the model on a device. `rows`: states of one run; more are done in several. Close it when done. */
  async on(device: Device, options: { readonly rows?: number } = {}): Promise<RewardScorer> {
    return RewardScorer.create(device, this, options.rows ?? 1024);
  }
}

function describedIn(text: string | undefined): v.InferOutput<typeof descriptionSchema> {
  let value: unknown;
  try {
    value = JSON.parse(text ?? "");
  } catch (cause) {
    throw new DifftuneError("FORMAT", '"model" of the reward model is no JSON.', { path: "model", cause });
  }
  const checked = v.safeParse(descriptionSchema, value);
  const width = checked.success ? checked.output.features.length : 0;
  if (!checked.success || checked.output.statistics.mean.length !== width || checked.output.statistics.std.length !== width) {
    throw new DifftuneError("FORMAT", '"model" of the reward model describes none.', { path: "model", cause: checked.issues });
  }
  return checked.output;
}

/** A reward model on a device. */
export class RewardScorer {
  readonly #device: Device;
  readonly #model: RewardModel;
  readonly #rows: number;
  readonly #tensors: Tensor[] = [];
  #input!: Tensor;
  #outputs!: readonly Tensor[];
  #program: Program | undefined;

  private constructor(device: Device, model: RewardModel, rows: number) {
    this.#device = device;
    this.#model = model;
    this.#rows = rows;
  }

  /** @internal Use {@link RewardModel.on}. */
  static async create(device: Device, model: RewardModel, rows: number): Promise<RewardScorer> {
    if (!Number.isSafeInteger(rows) || rows < 1) throw new DifftuneError("OPTION", `RewardModel.on: option "rows" is ${rows}. It must be a whole number above 0.`, { path: "rows", got: rows });
    const scorer = new RewardScorer(device, model, rows);
    const { layout, members } = createRewardNetworks(model.shape);
    const keep = (tensor: Tensor): Tensor => {
      scorer.#tensors.push(tensor);
      return tensor;
    };
    try {
      const values = keep(device.tensor([layout.length], { label: "reward model", data: model.values }));
      scorer.#input = keep(device.tensor([rows, model.shape.features.length], { label: "reward features" }));
      scorer.#outputs = members.map((_, member) => keep(device.tensor([rows], { label: `rewards of member ${member}` })));
      scorer.#program = await device.program("rewards", (recorder) => {
        const pass = new Pass(recorder, layout, values);
        for (const [member, network] of members.entries()) {
          const rewards = network.infer(pass, scorer.#input, rows);
          affineColumns(recorder, { src: rewards, dst: scorer.#outputs[member]! }, { rows: 1, columns: rows });
        }
      });
    } catch (error) {
      scorer.close();
      throw error;
    }
    return scorer;
  }

  /** Rewards [M][rows] of features [rows, D] by each member, as its network gives them: within (−1, 1). */
  async members(features: ArrayLike<number>): Promise<readonly Float32Array[]> {
    if (this.#program === undefined) throw new DifftuneError("DEVICE_CLOSED", "The reward model was closed.", { hint: "Put it on the device again." });
    const { features: names, statistics, members } = this.#model.shape;
    const width = names.length;
    if (features.length % width !== 0) {
      throw new DifftuneError("SHAPE", `${features.length} numbers are no rows of ${width} features.`, { expected: width, got: features.length });
    }
    const inputs = standardise(statistics, features);
    const rewards = Array.from({ length: members }, () => new Float32Array(inputs.length / width));
    for (let first = 0; first < inputs.length / width; first += this.#rows) {
      const part = new Float32Array(this.#rows * width);
      part.set(inputs.subarray(first * width, (first + this.#rows) * width));
      this.#device.write(this.#input, part);
      this.#program.run();
      for (const [member, values] of (await this.#device.readAll(this.#outputs)).entries()) {
        rewards[member]!.set(values.subarray(0, Math.min(this.#rows, rewards[member]!.length - first)), first);
      }
    }
    return rewards;
  }

  /** The reward [rows] of features [rows, D]. */
  async rewards(features: ArrayLike<number>): Promise<Float32Array> {
    const members = await this.members(features);
    const { shift, scale } = this.#model;
    return members[0]!.map((_, row) => (members.reduce((sum, member) => sum + member[row]!, 0) / members.length - shift) / scale);
  }

  /** Frees it. Twice is once. */
  close(): void {
    this.#program?.close();
    this.#program = undefined;
    for (const tensor of this.#tensors.splice(0)) this.#device.free(tensor);
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

/**
 * The model with the zero, or zero and unit, of its own rewards over the states of rollouts: their mean becomes 0 (`center`), and
 * their deviation 1 (`standardize`). PPO on standardised advantages does not need it.
 *
 * @param features of these states [rows, D]
 */
export async function normaliseReward(device: Device, model: RewardModel, features: ArrayLike<number>, kind: "center" | "standardize"): Promise<RewardModel> {
  using scorer = await model.with({ shift: 0, scale: 1 }).on(device);
  const rewards = await scorer.rewards(features);
  const shift = mean(rewards);
  const scale = kind === "center" ? 1 : standardDeviation(rewards);
  if (!(scale > 0)) throw new DifftuneError("FORMAT", "All of these states have the same reward: it has no unit of its own.", { hint: "Use \"center\".", got: scale });
  return model.with({ shift, scale });
}

/** A reward over a grid of the workspace: what a heat map draws. */
export interface RewardMap {
  /** Centres of the cells along x and y. */
  readonly x: readonly number[];
  readonly y: readonly number[];
  /** Rewards by row: `values[j][i]` belongs to (x[i], y[j]). */
  readonly values: readonly (readonly number[])[];
}

/**
 * Rewards on a grid of cells over a rectangle.
 *
 * @param feature the reward features of a place
 */
export async function rewardMap(
  scorer: RewardScorer,
  feature: (x: number, y: number) => readonly number[],
  area: { readonly x: readonly [number, number]; readonly y: readonly [number, number]; readonly cells?: number },
): Promise<RewardMap> {
  const { cells = 64 } = area;
  if (!Number.isSafeInteger(cells) || cells < 1 || cells > 4096) throw new DifftuneError("OPTION", `rewardMap: option "cells" is ${cells}. It must be 1 to 4096.`, { path: "cells", got: cells });
  const centres = ([low, high]: readonly [number, number]): readonly number[] => Object.freeze(Array.from({ length: cells }, (_, at) => low + ((at + 0.5) * (high - low)) / cells));
  const [x, y] = [centres(area.x), centres(area.y)];
  const rewards = await scorer.rewards(y.flatMap((cy) => x.flatMap((cx) => feature(cx, cy))));
  return Object.freeze({ x, y, values: Object.freeze(y.map((_, row) => Object.freeze([...rewards.subarray(row * cells, (row + 1) * cells)]))) });
}

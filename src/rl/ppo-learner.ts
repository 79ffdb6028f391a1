import { Breath } from "../core/breath.js";
import { DifftuneError } from "../core/errors.js";
import type { Device } from "../engine/device.js";
import type { Program } from "../engine/program.js";
import type { Tensor } from "../engine/tensor.js";
import type { VectorEnvironment } from "../envs/environment.js";
import { createActingNoise, type ActingNoise } from "../diffusion/acting.js";
import type { Policy } from "../diffusion/policy.js";
import { affineColumns } from "../kernels/nn/affine-columns.js";
import { accumulate } from "../kernels/optim/ema.js";
import { gradientNormLength } from "../kernels/optim/gradient-norm.js";
import { advantageStatistics, advantageStatisticsLength, moments } from "../kernels/rl/advantage-statistics.js";
import { gae } from "../kernels/rl/gae.js";
import { initialRewardState, rewardScale } from "../kernels/rl/reward-scale.js";
import { createCritic, type Critic, type CriticOptions } from "../nn/critic.js";
import type { ParameterLayout } from "../nn/parameters.js";
import { createTrained, type OptimiserOptions, type Trained } from "../nn/trained.js";
import { createDraws, type Draws } from "./draws.js";
import { checkFit } from "./fit.js";
import type { MovableBatch, Objective } from "./objective.js";
import type { PpoModel, Rollout } from "./ppo-update.js";
import { RolloutCollector, type RolloutRecord, type RolloutSetup } from "./rollout.js";
import { recordUpdateStep, type UpdateStep } from "./update-step.js";

/** How rewards become advantages (spec 7, 8). */
export interface AdvantageOptions {
  readonly gamma: number;
  readonly lambda: number;
  /** Divide rewards by the running deviation of their discounted sums. */
  readonly scalesRewards: boolean;
  /** Factor of the rewards, after that. */
  readonly rewardFactor: number;
  readonly truncation: "reference" | "correct";
  /** Whose mean and deviation normalise the advantages, where the objective does: by default those of each minibatch. */
  readonly normalizedOver?: "minibatch" | "rollout";
}

/** What a learner is made with. */
export interface LearnerSetup {
  readonly device: Device;
  readonly policy: Policy;
  readonly environment: VectorEnvironment;
  /** N: chunks of a rollout. */
  readonly steps: number;
  /** See {@link RolloutSetup.siblings}. */
  readonly siblings?: RolloutSetup["siblings"] | undefined;
  /** K' of a diffusion policy; 0 for others. */
  readonly tunedSteps: number;
  /** Left out, the rewards of chunks are their advantages. */
  readonly critic: Omit<CriticOptions, "conditionWidth"> | undefined;
  readonly advantage: AdvantageOptions;
  readonly epochs: number;
  /** Entries of a minibatch: transitions, or samples. */
  readonly batchSize: number;
  /** Minibatches whose gradients are added before a step. */
  readonly accumulate: number;
  /** Transitions that the old log-densities are computed for at once, at most. */
  readonly sliceSize: number;
  readonly targetKl: number | null;
  readonly actorOptimiser: Omit<OptimiserOptions, "rate">;
  readonly criticOptimiser: Omit<OptimiserOptions, "rate">;
  /** Whether the frozen policy is asked about every transition, and how far the acting one is from it. */
  readonly comparesFrozen?: boolean;
  /** Whether rollouts keep the observation that each step led to. */
  readonly keepsSteps?: boolean;
  readonly seed: number;
}

/** The mean statistics of an update. */
export interface UpdateSummary {
  /** Minibatches learned from. */
  readonly minibatches: number;
  /** Mean of each column of the objective over them. */
  readonly means: Readonly<Record<string, number>>;
  /** Norm of the policy's gradient in the last one, before it was clipped. */
  readonly gradientNorm: number;
}

/** Discount and clip of the running reward scale; fixed in the original (spec 7). */
const rewardScaleOptions = { gamma: 0.99, clip: 10 } as const;

/** What makes an objective of what the learner has. */
export type ObjectiveOf = (parts: {
  readonly critic: Critic | undefined;
  readonly rows: number;
  readonly frozen: Tensor;
  /** Of a diffusion policy; undefined for others. */
  readonly model: PpoModel | undefined;
}) => Objective;

/** The parts of an actor-critic on a device, from rollout to optimiser step. Each method is one box of the algorithm. */
export class PpoLearner {
  readonly objective: Objective;
  readonly actor: Trained;
  /** Undefined where advantages need no values. */
  readonly critic: { readonly network: Critic; readonly trained: Trained } | undefined;
  /** Parameters of the frozen base; for Gaussian and mixture policies the trained ones themselves. */
  readonly frozen: Tensor;
  readonly noise: ActingNoise;
  /** The rollout as minibatches see it. */
  readonly rollout: Rollout;
  /** [N, E] */
  readonly scaledRewards: Tensor;
  /** [E] and four numbers: what the reward scale carries from rollout to rollout. */
  readonly discountedReturns: Tensor;
  readonly rewardState: Tensor;
  /** [minibatches, columns]: statistics of the last update. */
  readonly log: Tensor;
  readonly #setup: LearnerSetup;
  readonly #collector: RolloutCollector;
  readonly #draws: Draws;
  readonly #owned: Tensor[];
  readonly #programs: Program[] = [];
  readonly #host: { readonly rewards: Tensor; readonly terminated: Tensor; readonly truncated: Tensor; readonly firsts: Tensor };
  readonly #values: { readonly last: Tensor; readonly final: Tensor | undefined };
  readonly #stop: Tensor;
  readonly #actorNorm: Tensor;
  readonly #explained: { readonly residual: Tensor; readonly returns: Tensor };
  readonly #minibatches: number;
  readonly #batchSize: number;
  #assess: (() => void) | undefined;
  #advance: Program | undefined;
  #loss: { readonly program: Program; readonly movable: MovableBatch } | undefined;
  #gather: { readonly program: Program; readonly startsAnew: (isFirst: boolean) => void } | undefined;
  #steps: ReadonlyMap<boolean, { readonly program: Program; readonly step: UpdateStep }> = new Map();

  private constructor(parts: {
    readonly setup: LearnerSetup; readonly collector: RolloutCollector; readonly draws: Draws; readonly objective: Objective;
    readonly actor: Trained; readonly critic: PpoLearner["critic"]; readonly frozen: Tensor;
    readonly noise: ActingNoise; readonly permutation: Tensor; readonly owned: Tensor[];
  }) {
    const { setup, collector, objective } = parts;
    const { device, environment, steps, policy } = setup;
    this.#setup = setup;
    this.#collector = collector;
    this.#draws = parts.draws;
    this.#owned = parts.owned;
    this.objective = objective;
    this.actor = parts.actor;
    this.critic = parts.critic;
    this.frozen = parts.frozen;
    this.noise = parts.noise;
    const E = environment.count;
    const rows = steps * E;
    const own = (shape: readonly number[], label: string, data?: ArrayLike<number>): Tensor =>
      this.#own(device.tensor(shape, data === undefined ? { label } : { label, data }));
    this.#host = { rewards: own([rows], "rewards"), terminated: own([rows], "terminated"), truncated: own([rows], "truncated"), firsts: own([rows], "firsts") };
    this.rollout = {
      states: collector.states,
      chains: collector.chains,
      oldLogProbs: own([objective.oldLength], "old log-densities"),
      returns: own([rows], "returns"),
      oldValues: own([rows], "old values"),
      advantages: own([rows], "advantages"),
      advantageMoments: setup.advantage.normalizedOver === "rollout" ? own([advantageStatisticsLength], "advantage moments") : undefined,
      frozen: setup.comparesFrozen !== true ? undefined : {
        outputs: own([objective.oldLength], "frozen outputs"), divergences: own([objective.densities], "divergences"),
      },
      permutation: parts.permutation,
    };
    this.scaledRewards = own([rows], "scaled rewards");
    this.discountedReturns = own([E], "discounted returns");
    this.rewardState = own([initialRewardState.length], "reward state", initialRewardState);
    this.#values = { last: own([E], "last values"), final: setup.critic !== undefined && setup.advantage.truncation === "correct" ? own([rows], "final values") : undefined };
    this.#stop = this.#own(device.tensor([1], { label: "stop", dtype: "u32" }));
    this.#actorNorm = own([gradientNormLength], "policy gradient norm");
    this.#explained = { residual: own([2], "residual moments"), returns: own([2], "return moments") };
    this.#batchSize = Math.min(setup.batchSize, objective.entries);
    this.#minibatches = Math.max(1, Math.floor(objective.entries / this.#batchSize));
    const stepsOfUpdate = Math.max(1, Math.floor((setup.epochs * this.#minibatches) / setup.accumulate));
    this.log = own([stepsOfUpdate, objective.columns.length], "update log");
    if (parts.critic !== undefined && policy.conditionWidth !== parts.critic.network.conditionWidth) throw new DifftuneError("INVARIANT", "The critic is of another task.");
  }

  /** @param draws where the randomness comes from, made for given tensors; by default from the seed, on the device */
  static async create(
    setup: LearnerSetup,
    objectiveOf: ObjectiveOf,
    createDrawsFor: (tensors: { readonly noise: ActingNoise; readonly permutation: Tensor }) => Promise<Draws> =
    (tensors) => createDraws(setup.device, tensors, setup.seed),
  ): Promise<PpoLearner> {
    const { device, policy, environment, steps, tunedSteps, seed } = setup;
    checkFit(policy, environment);
    const owned: Tensor[] = [];
    const own = (tensor: Tensor): Tensor => { owned.push(tensor); return tensor; };
    const ownTrained = (trained: Trained): Trained => {
      owned.push(trained.values, trained.gradients, trained.firstMoments, trained.secondMoments, trained.optimiserState);
      return trained;
    };
    let collector: RolloutCollector | undefined;
    let draws: Draws | undefined;
    let learner: PpoLearner | undefined;
    try {
      const { layout, model } = policy;
      const isDiffusion = model.kind === "diffusion";
      const actor = ownTrained(createTrained(device, layout, policy.tuned?.values ?? policy.values, "policy"));
      const frozen = isDiffusion ? own(device.tensor([layout.length], { label: "frozen policy", data: policy.values })) : actor.values;
      const network = setup.critic && createCritic({ ...setup.critic, conditionWidth: policy.conditionWidth });
      const critic = network && { network, trained: ownTrained(createTrained(device, network.layout, network.layout.initialValues(seed + 1), "critic")) };
      const noise = createActingNoise(device, policy, environment.count);
      owned.push(noise.normals, ...(noise.uniforms === undefined ? [] : [noise.uniforms]));
      let ppoModel: PpoModel | undefined;
      if (isDiffusion) {
        const tables = model.process.tables(device);
        owned.push(tables.schedule, tables.times);
        ppoModel = { denoiser: model.denoiser, critic: network, process: model.process, tables, tunedSteps, actionSize: policy.actionSize };
      }
      const objective = objectiveOf({ critic: network, rows: steps * environment.count, frozen, model: ppoModel });
      const permutation = own(device.tensor([objective.entries], { label: "permutation", dtype: "u32" }));
      const made = await createDrawsFor({ noise, permutation });
      draws = made;
      collector = await RolloutCollector.create({
        device, policy, environment, steps, siblings: setup.siblings ?? 1, tunedSteps, noise,
        values: frozen,
        tuned: isDiffusion ? actor.values : undefined,
        draw: (decision) => { made.act(decision); },
        keepsFinalStates: network !== undefined && setup.advantage.truncation === "correct",
        keepsSteps: setup.keepsSteps ?? false,
      });
      learner = new PpoLearner({ setup, collector, draws, objective, actor, critic, frozen, noise, permutation, owned });
      await learner.#build();
      return learner;
    } catch (error) {
      if (learner !== undefined) learner.close();
      else {
        collector?.close();
        draws?.close();
        for (const tensor of owned) device.free(tensor);
      }
      throw error;
    }
  }

  async #build(): Promise<void> {
    const { device, environment, steps, advantage, policy, sliceSize } = this.#setup;
    const { conditionWidth } = policy;
    const E = environment.count;
    const rows = steps * E;
    const { critic, actor, rollout, objective } = this;

    const densities = evenSlice(objective.densities, sliceSize);
    const identity = this.#own(device.tensor([objective.densities], {
      label: "identity", dtype: "u32", data: Uint32Array.from({ length: objective.densities }, (_, at) => at),
    }));
    let toDensities = (_: number): void => undefined;
    const old = await this.#program("old log-densities", (recorder) => {
      ({ moveTo: toDensities } = objective.recordOld(recorder, actor.values, rollout, identity, densities));
    });
    const valuing: (() => void)[] = [];
    if (critic !== undefined) {
      valuing.push(await this.#valuing(critic, "values", rollout.states, rollout.oldValues, rows, conditionWidth));
      valuing.push(await this.#valuing(critic, "last values", this.#collector.lastStates, this.#values.last, E, conditionWidth));
      const { finalStates } = this.#collector;
      if (finalStates !== undefined && this.#values.final !== undefined) {
        valuing.push(await this.#valuing(critic, "final values", finalStates, this.#values.final, rows, conditionWidth));
      }
    }
    this.#assess = () => {
      slices(objective.densities, densities, (offset) => { toDensities(offset); old.run(); });
      for (const value of valuing) value();
    };

    this.#advance = await this.#program("advantages", (recorder) => {
      const { rewards, terminated, truncated, firsts } = this.#host;
      if (advantage.scalesRewards) {
        rewardScale(recorder, { rewards, firsts, returns: this.discountedReturns, state: this.rewardState, scaled: this.scaledRewards }, {
          steps, envs: E, ...rewardScaleOptions,
        });
      } else {
        affineColumns(recorder, { src: rewards, dst: this.scaledRewards }, { rows: 1, columns: rows });
      }
      if (critic === undefined) {
        affineColumns(recorder, { src: this.scaledRewards, dst: rollout.advantages }, { rows: 1, columns: rows });
      } else {
        const finalValues = this.#values.final;
        gae(recorder, {
          rewards: this.scaledRewards,
          values: rollout.oldValues,
          lastValues: this.#values.last,
          terminated,
          ...(finalValues === undefined ? {} : { truncated, finalValues }),
          advantages: rollout.advantages,
          returns: rollout.returns,
        }, { steps, envs: E, gamma: advantage.gamma, lambda: advantage.lambda, rewardScale: advantage.rewardFactor, truncation: advantage.truncation });
        moments(recorder, { x: rollout.returns, base: rollout.oldValues, result: this.#explained.residual }, { count: rows });
        moments(recorder, { x: rollout.returns, result: this.#explained.returns }, { count: rows });
      }
      if (rollout.advantageMoments !== undefined) {
        advantageStatistics(recorder, { advantages: rollout.advantages, statistics: rollout.advantageMoments }, { count: rows, quantiles: null });
      }
    });

    const isAdding = this.#setup.accumulate > 1;
    const fresh = (trained: Trained, label: string): Tensor =>
      (isAdding ? this.#own(device.tensor([trained.gradients.length], { label })) : trained.gradients);
    const gradients = { actor: fresh(actor, "minibatch policy gradients"), critic: critic && fresh(critic.trained, "minibatch critic gradients") };
    const statistics = this.#own(device.tensor([objective.columns.length], { label: "minibatch statistics" }));
    let movable: MovableBatch | undefined;
    const loss = await this.#program("losses", (recorder) => {
      movable = objective.recordLoss(recorder, rollout, {
        actor: { values: actor.values, gradients: gradients.actor },
        critic: critic && { values: critic.trained.values, gradients: gradients.critic! },
        statistics,
      }, this.#batchSize);
    });
    this.#loss = { program: loss, movable: movable! };
    if (isAdding) {
      const sums: ReturnType<typeof accumulate>[] = [];
      const program = await this.#program("gather gradients", (recorder) => {
        sums.push(accumulate(recorder, { addend: gradients.actor, sum: actor.gradients }));
        if (critic !== undefined) sums.push(accumulate(recorder, { addend: gradients.critic!, sum: critic.trained.gradients }));
      });
      this.#gather = { program, startsAnew: (isFirst) => { for (const sum of sums) sum.update({ decay: isFirst ? 0 : 1 }); } };
    }

    const criticNorm = this.#own(device.tensor([gradientNormLength], { label: "critic gradient norm" }));
    const { actorOptimiser, criticOptimiser, targetKl } = this.#setup;
    const made = new Map<boolean, { readonly program: Program; readonly step: UpdateStep }>();
    for (const movesActor of [false, true]) {
      let step: UpdateStep | undefined;
      const program = await this.#program(movesActor ? "step" : "critic step", (recorder) => {
        step = recordUpdateStep(recorder, {
          actor: movesActor ? actor : undefined, critic: critic?.trained, actorNorm: this.#actorNorm, criticNorm, statistics, log: this.log, stop: this.#stop,
        }, { actor: { ...actorOptimiser, rate: 0 }, critic: { ...criticOptimiser, rate: 0 }, targetKl });
      });
      made.set(movesActor, { program, step: step! });
    }
    this.#steps = made;
  }

  /** Acts and simulates. `decision` counts the decisions since the start of the run. */
  collect(options: { readonly decision: number; readonly resets: boolean; readonly isDeterministic: boolean }): Promise<RolloutRecord> {
    return this.#collector.collect(options);
  }

  /**
   * V(s), log pi_old, scaled rewards, advantages and returns of the last rollout; the explained variance of the critic, and the
   * divergences from the frozen policy [N E, K'] where it is asked.
   *
   * @param rewards of the chunks [N, E]; by default those of the environment
   */
  async assess(
    { rewards: earned, terminated, truncated, firsts }: RolloutRecord,
    rewards: Float32Array = earned,
  ): Promise<{ readonly explainedVariance: number | undefined; readonly divergences: Float32Array | undefined }> {
    const { device } = this.#setup;
    device.write(this.#host.rewards, rewards);
    device.write(this.#host.terminated, terminated);
    device.write(this.#host.truncated, truncated);
    device.write(this.#host.firsts, firsts.subarray(0, rewards.length));
    this.#assess?.();
    this.#advance?.run();
    const { frozen } = this.rollout;
    const [residual, returns, divergences] = await device.readAll([this.#explained.residual, this.#explained.returns, ...(frozen === undefined ? [] : [frozen.divergences])]);
    const variance = this.critic === undefined ? 0 : returns![1]! ** 2;
    return {
      explainedVariance: variance > 0 ? 1 - residual![1]! ** 2 / variance : undefined,
      divergences: divergences as Float32Array | undefined,
    };
  }

  /**
   * Passes over the rollout in minibatches. `update` counts the updates since the start of the run. Without `movesActor`
   * only the critic learns. Ends early where the KL target is passed. `divergenceWeight` is that of the divergence of a transition
   * from the frozen policy, by default 0.
   */
  async update(options: {
    readonly update: number; readonly movesActor: boolean; readonly actorRate: number; readonly criticRate: number; readonly divergenceWeight?: number | undefined;
  }): Promise<UpdateSummary> {
    const { device, epochs, accumulate: every, targetKl } = this.#setup;
    const { program: lossProgram, movable } = this.#loss!;
    const { program: stepProgram, step } = this.#steps.get(options.movesActor)!;
    const columns = this.objective.columns.length;
    const rowsOfLog = this.log.shape[0]!;
    device.write(this.#stop, [0]);
    // Rows of minibatches that are not learned from stay unwritten, which a ratio of 0 tells: a mean of exponentials is above it.
    device.write(this.log, new Float32Array(this.log.length));
    step.actor?.update({ rate: options.actorRate });
    step.critic?.update({ rate: options.criticRate });
    movable.weighDivergence(options.divergenceWeight ?? 0);
    const breath = new Breath();
    let minibatch = 0;
    let row = 0;
    for (let epoch = 0; epoch < epochs; epoch++) {
      this.#draws.permute(options.update * epochs + epoch);
      for (let at = 0; at < this.#minibatches; at++, minibatch++) {
        movable.moveTo(at * this.#batchSize);
        movable.drawFor(options.update * epochs * this.#minibatches + minibatch);
        lossProgram.run();
        if (this.#gather !== undefined) {
          this.#gather.startsAnew(minibatch % every === 0);
          this.#gather.program.run();
        }
        if ((minibatch + 1) % every === 0 && row < rowsOfLog) {
          step.log.update({ at: row * columns });
          stepProgram.run();
          row += 1;
        }
        await breath.take();
      }
      // Once an epoch: what is left of an epoch after the flag moves nothing.
      if (targetKl !== null && (await device.readU32(this.#stop))[0] === 1) break;
    }
    const [log, norm] = await device.readAll([this.log, this.#actorNorm]);
    return this.#summarise(log as Float32Array, row, norm as Float32Array);
  }

  #summarise(log: Float32Array, rows: number, norm: Float32Array): UpdateSummary {
    const { columns, measured } = this.objective;
    const ratio = columns.indexOf("ratio");
    const means: Record<string, number> = {};
    let minibatches = 0;
    for (let row = 0; row < rows; row++) {
      const values = log.subarray(row * columns.length, (row + 1) * columns.length);
      const place = values.findIndex((value) => !Number.isFinite(value));
      if (place >= 0) {
        throw new DifftuneError("DIVERGENCE", `"${columns[place]}" of minibatch ${row} is ${values[place]}.`, {
          hint: "Lower the learning rate, or clip the gradient.", index: row, got: values[place],
        });
      }
      if (values[ratio] === 0) break;
      minibatches += 1;
      for (const name of measured) means[name] = (means[name] ?? 0) + values[columns.indexOf(name)]!;
    }
    for (const name of measured) means[name] = (means[name] ?? 0) / Math.max(1, minibatches);
    if (norm[2]! > 0) {
      throw new DifftuneError("DIVERGENCE", `The gradient has ${norm[2]} numbers that are not finite.`, { hint: "Lower the learning rate, or clip the gradient.", got: norm[2] });
    }
    return { minibatches, means, gradientNorm: norm[0]! };
  }

  /** All that a resumed run needs, by name: tensors of the device. */
  get state(): Readonly<Record<string, Tensor>> {
    const of = (name: string, { firstMoments, secondMoments, optimiserState }: Trained): Record<string, Tensor> => ({
      [`optimiser.${name}.firstMoments`]: firstMoments,
      [`optimiser.${name}.secondMoments`]: secondMoments,
      [`optimiser.${name}.state`]: optimiserState,
    });
    return {
      ...of("actor", this.actor),
      ...(this.critic === undefined ? {} : of("critic", this.critic.trained)),
      "rewards.returns": this.discountedReturns,
      "rewards.state": this.rewardState,
    };
  }

  get actorLayout(): ParameterLayout {
    return this.#setup.policy.layout;
  }

  /** Beginnings after the last rollout; see {@link RolloutCollector.lastFirsts}. */
  get lastFirsts(): Float32Array {
    return this.#collector.lastFirsts;
  }

  /** The reverse, for a resumed run. */
  restoreFirsts(firsts: Float32Array): void {
    this.#collector.restoreFirsts(firsts);
  }

  close(): void {
    this.#collector.close();
    this.#draws.close();
    for (const program of this.#programs.splice(0)) program.close();
    for (const tensor of this.#owned.splice(0)) this.#setup.device.free(tensor);
  }

  #own(tensor: Tensor): Tensor {
    this.#owned.push(tensor);
    return tensor;
  }

  async #program(label: string, record: Parameters<Device["program"]>[1]): Promise<Program> {
    const program = await this.#setup.device.program(label, record);
    this.#programs.push(program);
    return program;
  }

  /** Runs the critic over rows of states, in slices. */
  async #valuing({ network, trained }: NonNullable<PpoLearner["critic"]>, label: string, states: Tensor, target: Tensor, rows: number, conditionWidth: number): Promise<() => void> {
    const count = evenSlice(rows, this.#setup.sliceSize);
    let moveTo = (_: number): void => undefined;
    const program = await this.#program(label, (recorder) => {
      const state = recorder.temporary([count, conditionWidth], "states");
      const taken = affineColumns(recorder, { src: states, dst: state }, { rows: count, columns: conditionWidth });
      const output = network.infer(recorder, trained.values, state, count);
      const kept = affineColumns(recorder, { src: output, dst: target }, { rows: count, columns: 1 });
      moveTo = (offset) => {
        taken.update({ srcOffset: offset * conditionWidth });
        kept.update({ dstOffset: offset });
      };
    });
    return () => { slices(rows, count, (offset) => { moveTo(offset); program.run(); }); };
  }
}

/** The size of slices of at most `most` that cover `total` with the least overlap. */
function evenSlice(total: number, most: number): number {
  return Math.ceil(total / Math.ceil(total / most));
}

/** Covers `total` in runs of `size`; the last one may overlap the one before, whose numbers it repeats. */
function slices(total: number, size: number, run: (offset: number) => void): void {
  for (let offset = 0; offset < total; offset += size) run(Math.min(offset, total - size));
}

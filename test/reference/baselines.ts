import { ddpmSchedule, denoisingSteps, samplingStd } from "../../src/diffusion/schedule.ts";
import { criticOptions, diffusionMlpOptions, type CriticArguments, type NetworkArguments } from "../golden-runner/networks.ts";
import { denoiseMean, denoiseMeanBackward, denoiseMeanBackwardInput, type StepOptions } from "./denoise-step.ts";
import { diffusionMlp } from "./diffusion-mlp.ts";
import { forwardNoising } from "./forward-noising.ts";
import type { Gradients, MlpOptions, Parameters } from "./mlp.ts";
import { mlp } from "./mlp.ts";
import { adamStep, clipScale, globalNorm, type AdamState } from "./optimizer.ts";
import { qCritic, type TracedQCritic } from "./q-critic.ts";
import { expectileLoss, minimum, minimumBackward, relativeValueLoss, tdTarget } from "./q-learning.ts";

/** Constructor arguments and settings of the golden file `baselines`. */
export interface BaselinesConfig {
  readonly network_kwargs: NetworkArguments;
  readonly critic_q_kwargs: CriticArguments & { readonly action_dim: number; readonly action_steps: number };
  readonly critic_v_kwargs: CriticArguments;
  readonly model_kwargs: { readonly denoising_steps: number; readonly randn_clip_value: number; readonly min_sampling_denoising_std: number };
  readonly dipo_action_gradient: { readonly lr: number; readonly eps: number; readonly steps: number; readonly max_norm: number };
  readonly gamma: number;
  readonly awr_td: { readonly gamma: number; readonly alpha: number; readonly lam: number };
  readonly expectile: number;
  readonly qsm_coeff: number;
  readonly dql_eta: number;
}

/** One batch of experience. */
export interface Batch {
  readonly state: Float64Array;
  readonly nextState: Float64Array;
  readonly action: Float64Array;
  readonly rewards: Float64Array;
  readonly terminated: Float64Array;
}

/** Times and noise of the supervised loss. */
export interface Draws {
  readonly time: ArrayLike<number>;
  readonly noise: Float64Array;
}

/** A loss and the gradients of the parameters that learn from it. */
export interface Learned {
  readonly loss: number;
  readonly gradients: Gradients;
}

const stepOptions: StepOptions = { sampler: "ddpm", prediction: "noise", x0Clip: 1, noiseClip: null };

/** The losses of spec 12.1 to 12.6 in double precision. */
export class Baselines {
  readonly #config: BaselinesConfig;
  readonly #actor: Parameters;
  readonly #q: Parameters;
  readonly #v: Parameters;

  constructor(config: BaselinesConfig, parameters: { readonly actor: Parameters; readonly q: Parameters; readonly v: Parameters }) {
    this.#config = config;
    this.#actor = parameters.actor;
    this.#q = parameters.q;
    this.#v = parameters.v;
  }

  /** Both values of the critic. */
  judge(state: ArrayLike<number>, action: ArrayLike<number>): TracedQCritic {
    return qCritic(this.#q, qOptions(this.#config), state, action, this.#width);
  }

  /** mean over rows of weight times the mean squared error of the noise; `dx0` is the gradient of the chunks. */
  cloning(state: Float64Array, x0: Float64Array, draws: Draws, weights?: ArrayLike<number>): Learned & { readonly dx0: Float64Array } {
    const { time, noise } = draws;
    const { alphasCumprod } = ddpmSchedule(this.#config.model_kwargs.denoising_steps);
    const traced = this.#denoise(forwardNoising(x0, noise, time, alphasCumprod), time, state);
    const row = (i: number): number => Math.floor(i / this.#width);
    let loss = 0;
    const doutput = traced.output.map((value, i) => {
      const difference = value - noise[i]!;
      const weight = (weights?.[row(i)] ?? 1) / x0.length;
      loss += weight * difference ** 2;
      return 2 * weight * difference;
    });
    const gradients: Gradients = new Map();
    const { dx } = traced.backward(doutput, gradients);
    return { loss, gradients, dx0: dx.map((value, i) => value * Math.sqrt(alphasCumprod[time[row(i)]!]!)) };
  }

  /** A stochastic chain of the one network, and the way back through all of it. */
  sample(state: Float64Array, noise: ArrayLike<number>): { readonly chunk: Float64Array; readonly backward: (d: Float64Array, gradients: Gradients) => void } {
    const { denoising_steps, randn_clip_value: clip, min_sampling_denoising_std: floor } = this.#config.model_kwargs;
    const steps = denoisingSteps(denoising_steps, { kind: "ddpm" });
    const size = (state.length / this.#config.network_kwargs.cond_dim) * this.#width;
    let x = Float64Array.from({ length: size }, (_, i) => noise[i]!);
    const tapes = steps.map((step, at) => {
      const before = x;
      const traced = this.#denoise(before, new Array<number>(size / this.#width).fill(step.timestep), state);
      const std = samplingStd(step, "ddpm", { floor });
      const draw = (i: number): number => Math.min(Math.max(noise[(at + 1) * size + i]!, -clip), clip);
      x = denoiseMean(before, traced.output, step, stepOptions).map((mean, i) => mean + std * draw(i));
      return { step, before, traced };
    });
    return {
      chunk: x,
      backward: (dChunk, gradients) => {
        tapes.reduceRight((d, { step, before, traced }) => {
          const { dx } = traced.backward(denoiseMeanBackward(d, before, traced.output, step, stepOptions), gradients);
          return denoiseMeanBackwardInput(d, before, traced.output, step, stepOptions).map((direct, i) => direct + dx[i]!);
        }, dChunk);
      },
    };
  }

  /** DIPO and DQL: (Q1 - y)^2 + (Q2 - y)^2 in the mean, y with the smaller critic at the chunk that follows. */
  criticLoss(batch: Batch, nextAction: Float64Array): Learned {
    const next = this.judge(batch.nextState, nextAction);
    return this.#regression(batch, tdTarget(batch.rewards, batch.terminated, minimum(next.first, next.second), this.#config.gamma));
  }

  /** IDQL: the expectile loss of V, the critics being constants. */
  idqlValueLoss(batch: Batch): Learned {
    const { first, second } = this.judge(batch.state, batch.action);
    const traced = mlp(this.#v, "Q1", criticOptions(this.#config.critic_v_kwargs))(batch.state);
    const { loss, gradient } = expectileLoss(traced.output, minimum(first, second), this.#config.expectile);
    const gradients: Gradients = new Map();
    traced.backward(gradient, gradients);
    return { loss, gradients };
  }

  /** IDQL: the squared errors of both critics against r + γ (1 - terminated) V(next). */
  idqlCriticLoss(batch: Batch): Learned {
    const next = mlp(this.#v, "Q1", criticOptions(this.#config.critic_v_kwargs))(batch.nextState).output;
    return this.#regression(batch, tdTarget(batch.rewards, batch.terminated, next, this.#config.gamma));
  }

  /** DIPO: steps of Adam on the actions, up the smaller critic; the gradient clipped as one, the actions held in [-1, 1]. */
  improve(state: Float64Array, action: Float64Array): Float64Array {
    const { lr, eps, steps, max_norm } = this.#config.dipo_action_gradient;
    let adam: AdamState = { parameters: action, m: action.map(() => 0), v: action.map(() => 0) };
    for (let k = 1; k <= steps; k++) {
      const judged = this.judge(state, adam.parameters);
      const { dfirst, dsecond } = minimumBackward(judged.first, judged.second, -1);
      const gradient = judged.backward(dfirst, dsecond, new Map());
      const scale = clipScale(globalNorm([gradient]), max_norm);
      const next = adamStep(adam, gradient.map((value) => value * scale), k, {
        rate: lr, beta1: 0.9, beta2: 0.999, epsilon: eps, weightDecay: 0, isDecoupled: false,
      });
      adam = { ...next, parameters: next.parameters.map((value) => Math.min(Math.max(value, -1), 1)) };
    }
    return adam.parameters;
  }

  /** DQL: cloning of sampled chunks plus eta times the relative value loss, through the whole chain. */
  dqlLoss(state: Float64Array, chainNoise: ArrayLike<number>, draws: Draws, isSwapped: boolean): Learned {
    const sampled = this.sample(state, chainNoise);
    const judged = this.judge(state, sampled.chunk);
    const [a, b] = isSwapped ? [judged.second, judged.first] : [judged.first, judged.second];
    const value = relativeValueLoss(a, b);
    const slope = value.gradient.map((d) => this.#config.dql_eta * d);
    const none = slope.map(() => 0);
    const dValue = judged.backward(isSwapped ? none : slope, isSwapped ? slope : none, new Map());
    const { loss, gradients, dx0 } = this.cloning(state, sampled.chunk, draws);
    sampled.backward(dx0.map((d, i) => d + dValue[i]!), gradients);
    return { loss: loss + this.#config.dql_eta * value.loss, gradients };
  }

  /** QSM: mean (-ε̂ - c g)^2, g the mean of both critics' gradients at the noised chunk. */
  qsmLoss(state: Float64Array, x0: Float64Array, draws: Draws): Learned {
    const { time, noise } = draws;
    const { alphasCumprod } = ddpmSchedule(this.#config.model_kwargs.denoising_steps);
    const x = forwardNoising(x0, noise, time, alphasCumprod);
    const judged = this.judge(state, x);
    const half = judged.first.map(() => 0.5);
    const g = judged.backward(half, half, new Map());
    const traced = this.#denoise(x, time, state);
    let loss = 0;
    const doutput = traced.output.map((value, i) => {
      const error = -value - this.#config.qsm_coeff * g[i]!;
      loss += error ** 2 / x.length;
      return (-2 * error) / x.length;
    });
    const gradients: Gradients = new Map();
    traced.backward(doutput, gradients);
    return { loss, gradients };
  }

  get #width(): number {
    return this.#config.network_kwargs.action_dim * this.#config.network_kwargs.horizon_steps;
  }

  #denoise(x: Float64Array, time: ArrayLike<number>, state: ArrayLike<number>) {
    return diffusionMlp(this.#actor, diffusionMlpOptions(this.#config.network_kwargs), x, time, state);
  }

  #regression(batch: Batch, targets: Float64Array): Learned {
    const judged = this.judge(batch.state, batch.action);
    const n = targets.length;
    let loss = 0;
    const slope = (values: Float64Array): Float64Array => values.map((value, i) => {
      loss += (value - targets[i]!) ** 2 / n;
      return (2 * (value - targets[i]!)) / n;
    });
    const gradients: Gradients = new Map();
    judged.backward(slope(judged.first), slope(judged.second), gradients);
    return { loss, gradients };
  }
}

/** The perceptrons of the critics: plain, on the state and the whole chunk. */
function qOptions({ critic_q_kwargs: args }: BaselinesConfig): MlpOptions {
  const options = criticOptions(args);
  const [cond, ...rest] = options.dims;
  return { ...options, residual: false, dims: [cond! + args.action_dim * args.action_steps, ...rest] };
}

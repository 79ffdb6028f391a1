import { mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { PhiloxStream } from "../../src/core/philox.ts";
import { denoisingSteps } from "../../src/diffusion/schedule.ts";
import { storeDoubles, writeSafetensors, type StoredTensor } from "../../src/io/safetensors.ts";
import { activations } from "../reference/activations.ts";
import { generalizedAdvantages } from "../reference/advantages.ts";
import { binaryEntropy, bradleyTerry, disagreement, preferenceAccuracy, type TieRule } from "../reference/bradley-terry.ts";
import { denoiseMean, denoiseMeanBackward, type StepOptions } from "../reference/denoise-step.ts";
import { denoiserTwin } from "../reference/denoiser.ts";
import { diffusionMlp } from "../reference/diffusion-mlp.ts";
import { DiffusionPolicy } from "../reference/diffusion-policy.ts";
import { fdppUpdate, samplerNamed, type FdppOptions } from "../reference/fdpp.ts";
import { diagonalGaussianKl, gaussianKl, gaussianKlBackward } from "../reference/gaussian-kl.ts";
import { activationLayer, linearLayer, sequence, type Gradients } from "../reference/mlp.ts";
import { adamStep, clipScale, globalNorm, type AdamState } from "../reference/optimizer.ts";
import { adamOptions, ppoUpdate } from "../reference/ppo-update.ts";
import { pretrain } from "../reference/pretrain.ts";
import { initialRewardScale, scaleRewards } from "../reference/reward-scale.ts";
import { cloningUpdate, evaluatePolicy, stochasticUpdate } from "../reference/stochastic-policy.ts";
import { timestepEmbedding } from "../reference/timestep-embedding.ts";
import {
  activationNames,
  criticOptions,
  diffusionMlpOptions,
  unetOptions,
  type CriticArguments,
  type NetworkArguments,
  type UnetArguments,
} from "./networks.ts";
import type { ModelArguments, OptimizerArguments, PpoCase, PretrainCase, SamplingCase, StochasticCase } from "./policies.ts";
import { criticShapes, denoiserShapes, stochasticShapes, unetShapes, type Shapes } from "./shapes.ts";

/**
 * Golden vectors of the same form as the published ones, with other sizes, step counts and options, computed by the
 * double-precision twins (which the published ones prove). They keep the readers, and the kernels under them, from
 * fitting one set of sizes only. The names end otherwise, too: a reader is found by the first words.
 */
export function writeVariants(folder: string, seed: number): void {
  const makers: Readonly<Record<string, (random: Numbers) => GoldenContent>> = {
    "dppo/activations_posemb": makeActivations,
    "dppo/diffusion_mlp": makeDenoisers,
    "dppo/unet1d": makeUnets,
    "dppo/sampling_logprob": makeSampling,
    "dppo/ppo_loss_v05": (random) => makePpo(random, "chain"),
    "dppo/ppo_loss_v08": (random) => makePpo(random, "step"),
    "dppo/gae": makeAdvantages,
    "dppo/reward_scaler": makeRewardScale,
    "dppo/optimizer": makeOptimizer,
    "dppo/pretrain": makePretraining,
    "dppo/gaussian_gmm": makeStochastic,
    "alignment/net": makeAlignmentNet,
    "alignment/bt_scalar": makePreferences,
    "alignment/bt_ensemble": makeEnsemble,
    "alignment/kl_step": makeKl,
    "alignment/fdpp_exact": (random) => makeFdpp(random, "exact"),
    "alignment/fdpp_compat": (random) => makeFdpp(random, "compat"),
  };
  for (const [stream, [name, make]] of Object.entries(makers).entries()) {
    const content = make(new Numbers(seed, stream));
    const file = path.join(folder, `${name}_variant.safetensors`);
    mkdirSync(path.dirname(file), { recursive: true });
    writeFileSync(file, writeSafetensors({ metadata: content.metadata, tensors: content.tensors }));
  }
}

/** Random numbers that a 32-bit float holds exactly, as the published inputs do. */
class Numbers {
  readonly #stream: PhiloxStream;

  constructor(seed: number, stream: number) {
    this.#stream = new PhiloxStream(seed, stream);
  }

  normals(count: number, scale = 1): Float64Array {
    return Float64Array.from({ length: count }, () => Math.fround(scale * this.#stream.normal()));
  }

  uniforms(count: number, low: number, high: number): Float64Array {
    return Float64Array.from({ length: count }, () => Math.fround(low + (high - low) * this.#stream.uniform()));
  }

  below(count: number, limit: number): Float64Array {
    return Float64Array.from({ length: count }, () => this.#stream.below(limit));
  }

  /** Parameters of the size of a fresh network's, with norms that matter. */
  parameters(shapes: Shapes): Map<string, Float64Array> {
    return new Map(
      [...shapes].map(([name, shape]) => {
        const count = shape.reduce((product, size) => product * size, 1);
        const isNorm = name.includes("norm") || name.includes(".block.2.");
        const fanIn = (shape[1] ?? count) * (shape[2] ?? 1);
        const values = this.normals(count, isNorm ? 0.2 : 0.7 / Math.sqrt(fanIn));
        return [name, isNorm && name.endsWith("weight") ? values.map((value) => Math.fround(1 + value)) : values];
      }),
    );
  }

  /** Neighbours of given parameters. */
  near(parameters: ReadonlyMap<string, Float64Array>, distance: number): Map<string, Float64Array> {
    return new Map(
      [...parameters].map(([name, values]) => {
        const shift = this.normals(values.length, distance);
        return [name, values.map((value, i) => Math.fround(value + shift[i]!))];
      }),
    );
  }

  /** Noise with a few draws beyond the usual clip. */
  noise(count: number): Float64Array {
    return this.normals(count).map((value) => (this.#stream.uniform() < 0.03 ? Math.fround(3.6 * Math.sign(value)) : value));
  }
}

/** What a file will hold. */
class GoldenContent {
  readonly metadata = new Map<string, string>();
  readonly tensors = new Map<string, StoredTensor>();

  json(name: string, value: unknown): void {
    this.metadata.set(name, JSON.stringify(value));
  }

  set(name: string, shape: readonly number[], values: ArrayLike<number>): void {
    this.tensors.set(name, storeDoubles(shape, values));
  }

  scalar(name: string, value: number): void {
    this.set(name, [], [value]);
  }

  /** Parameters or gradients; shapes are those of the parameters. */
  group(prefix: string, values: ReadonlyMap<string, ArrayLike<number>>, shapes: Shapes): void {
    for (const [name, numbers] of values) this.set(`${prefix}.${name}`, shapes.get(name)!, numbers);
  }
}

function makeActivations(random: Numbers): GoldenContent {
  const content = new GoldenContent();
  const x = Float64Array.of(0, ...random.normals(70, 4), -30, 30);
  content.set("in.x", [x.length], x);
  for (const [name, own] of Object.entries(activationNames)) {
    content.set(`${name}.y`, [x.length], Array.from(x, activations[own].value));
    content.set(`${name}.dy`, [x.length], Array.from(x, activations[own].slope));
  }
  const t = Float64Array.of(0, 1, 99, ...random.below(10, 100));
  content.set("posemb.in.t", [t.length], t);
  for (const dim of [4, 6, 10, 64]) content.set(`posemb${dim}.out`, [t.length, dim], timestepEmbedding(t, dim));
  return content;
}

function makeDenoisers(random: Numbers): GoldenContent {
  const content = new GoldenContent();
  const cases: Record<string, NetworkArguments> = {
    odd: {
      action_dim: 3, horizon_steps: 5, cond_dim: 7, time_dim: 6, mlp_dims: [33, 33, 33, 33, 33],
      activation_type: "ELU", residual_style: true,
    },
    wide: { action_dim: 1, horizon_steps: 1, cond_dim: 1, time_dim: 4, mlp_dims: [65], activation_type: "Tanh", out_activation_type: "Softplus" },
    deep: {
      action_dim: 2, horizon_steps: 3, cond_dim: 9, time_dim: 32, mlp_dims: [7, 31, 5, 64], cond_mlp_dims: [17],
      activation_type: "GELU", use_layernorm: true,
    },
    block: {
      action_dim: 7, horizon_steps: 4, cond_dim: 23, mlp_dims: [48, 48, 48], cond_mlp_dims: [20, 11],
      activation_type: "Mish", residual_style: true, use_layernorm: true,
    },
  };
  content.json("cases", cases);
  for (const [name, args] of Object.entries(cases)) {
    const B = 1 + Math.floor(random.uniforms(1, 1, 70)[0]!);
    addDenoiser(content, random, name, "DiffusionMLP", args, B);
  }
  return content;
}

function makeUnets(random: Numbers): GoldenContent {
  const content = new GoldenContent();
  const cases: Record<string, UnetArguments & { readonly horizon_steps: number }> = {
    h4_robot: {
      action_dim: 7, horizon_steps: 4, cond_dim: 23, diffusion_step_embed_dim: 16, dim: 16, dim_mults: [1, 2], n_groups: 8,
      cond_predict_scale: true,
    },
    h16_deep: {
      action_dim: 3, horizon_steps: 16, cond_dim: 6, diffusion_step_embed_dim: 4, dim: 6, dim_mults: [1, 2, 3, 4], n_groups: 3,
      kernel_size: 3, smaller_encoder: true, groupnorm_eps: 1e-4,
    },
    h12_condmlp: {
      action_dim: 2, horizon_steps: 12, cond_dim: 5, dim: 9, dim_mults: [1, 1, 2], n_groups: null, cond_mlp_dims: [12, 7],
      activation_type: "GELU", kernel_size: 7,
    },
    h8_one: { action_dim: 1, horizon_steps: 8, cond_dim: 1, dim: 6, dim_mults: [1], n_groups: 2, kernel_size: 3 },
  };
  content.json("cases", cases);
  for (const [name, args] of Object.entries(cases)) {
    const B = 1 + Math.floor(random.uniforms(1, 1, 20)[0]!);
    addDenoiser(content, random, name, "Unet1D", args, B);
  }
  return content;
}

function addDenoiser(
  content: GoldenContent,
  random: Numbers,
  name: string,
  network: string,
  args: NetworkArguments,
  B: number,
): void {
  const shapes = network === "Unet1D" ? unetShapes(unetOptions(args, args.horizon_steps)) : denoiserShapes(diffusionMlpOptions(args));
  const parameters = random.parameters(shapes);
  const chunk = [B, args.horizon_steps, args.action_dim];
  const width = args.horizon_steps * args.action_dim;
  const x = random.normals(B * width);
  const t = random.below(B, 100);
  const state = random.normals(B * args.cond_dim);
  const dy = random.normals(B * width);
  const traced = denoiserTwin({ network, network_kwargs: args }, args.horizon_steps)(parameters, x, t, state);
  const gradients: Gradients = new Map();
  const { dx, dstate } = traced.backward(dy, gradients);
  content.group(`${name}.param`, parameters, shapes);
  content.group(`${name}.grad`, gradients, shapes);
  content.set(`${name}.in.x`, chunk, x);
  content.set(`${name}.in.t`, [B], t);
  content.set(`${name}.in.state`, [B, 1, args.cond_dim], state);
  content.set(`${name}.in.dy`, chunk, dy);
  content.set(`${name}.out.y`, chunk, traced.output);
  content.set(`${name}.grad_in.x`, chunk, dx);
  content.set(`${name}.grad_in.state`, [B, 1, args.cond_dim], dstate);
}

const samplingNetwork: NetworkArguments = {
  action_dim: 3, horizon_steps: 3, cond_dim: 5, time_dim: 8, mlp_dims: [20, 20, 20],
  activation_type: "Mish", residual_style: true,
};

const samplingModel: Omit<ModelArguments, "denoising_steps"> = {
  horizon_steps: 3, obs_dim: 5, action_dim: 3, gamma_denoising: 0.95, clip_ploss_coef: 0.02,
  clip_ploss_coef_base: 0.004, clip_ploss_coef_rate: 2, randn_clip_value: 2.5, min_sampling_denoising_std: 0.12,
  min_logprob_denoising_std: 0.15,
};

function makeSampling(random: Numbers): GoldenContent {
  const content = new GoldenContent();
  const of = (model: Partial<ModelArguments> & { denoising_steps: number }, rest: Partial<SamplingCase>): SamplingCase => ({
    network: "DiffusionMLP",
    network_kwargs: samplingNetwork,
    model_kwargs: { ...samplingModel, ...model },
    call: { deterministic: false },
    eta: null,
    ...rest,
  });
  const supervised = (model: ModelArguments): SamplingCase => ({
    network: "DiffusionMLP", network_kwargs: samplingNetwork, model_kwargs: model,
  });
  const cases: Record<string, SamplingCase> = {
    ddpm1: of({ denoising_steps: 1, ft_denoising_steps: 1 }, {}),
    ddpm7_k3_det: of({ denoising_steps: 7, ft_denoising_steps: 3, denoised_clip_value: 0.6 }, { call: { deterministic: true } }),
    ddpm7_k7_final: of({ denoising_steps: 7, ft_denoising_steps: 7, final_action_clip_value: 0.4 }, {}),
    ddpm9_k2_sample: of({ denoising_steps: 9, ft_denoising_steps: 2, predict_epsilon: false, denoised_clip_value: null }, {}),
    ddim17_4_k2: of(
      { denoising_steps: 17, ft_denoising_steps: 2, use_ddim: true, ddim_steps: 4, eps_clip_value: 1.2 },
      { eta: 0.3 },
    ),
    ddim20_20_k5_free: of(
      { denoising_steps: 20, ft_denoising_steps: 5, use_ddim: true, ddim_steps: 20, denoised_clip_value: null },
      { eta: 1 },
    ),
    ddim30_3_k3_det_base: of(
      { denoising_steps: 30, ft_denoising_steps: 3, use_ddim: true, ddim_steps: 3 },
      { eta: 1, call: { deterministic: true, use_base_policy: true } },
    ),
    base_ddpm6: supervised({ denoising_steps: 6, randn_clip_value: 2 }),
    base_ddim40_4: supervised({ denoising_steps: 40, use_ddim: true, ddim_steps: 4, final_action_clip_value: 0.3 }),
  };
  content.json("cases", cases);
  const shapes = denoiserShapes(diffusionMlpOptions(samplingNetwork));
  const { horizon_steps: H, action_dim: A, cond_dim: D } = samplingNetwork;
  for (const [name, one] of Object.entries(cases)) {
    const B = 1 + Math.floor(random.uniforms(1, 1, 40)[0]!);
    const policy = new DiffusionPolicy(one);
    const frozen = random.parameters(shapes);
    if (one.model_kwargs.denoised_clip_value === null) makeShrinking(frozen, shapes, H * A);
    const tuned = random.near(frozen, 0.05);
    const state = random.normals(B * D);
    const stepCount = one.model_kwargs.ddim_steps ?? one.model_kwargs.denoising_steps;
    const noise = random.noise((stepCount + 1) * B * H * A);
    content.set(`${name}.in.state`, [B, 1, D], state);
    content.set(`${name}.in.noise`, [stepCount + 1, B, H, A], noise);
    if (one.call === undefined) {
      const call = { isDeterministic: true, useBase: true };
      const { x } = policy.sample({ frozen, tuned: frozen }, state, noise, call);
      content.group(`${name}.network`, frozen, shapes);
      content.set(`${name}.out.trajectories`, [B, H, A], x);
      continue;
    }
    const K = one.model_kwargs.ft_denoising_steps!;
    const call = { isDeterministic: one.call.deterministic ?? false, useBase: one.call.use_base_policy ?? false };
    const { x, chain } = policy.sample({ frozen, tuned }, state, noise, call);
    // The chain is stored as 32 bits see it, so that likelihoods start from the same numbers.
    const stored = chain.map(Math.fround);
    const rows = policy.transitions(stored, state);
    content.group(`${name}.actor`, frozen, shapes);
    content.group(`${name}.actor_ft`, tuned, shapes);
    content.set(`${name}.out.trajectories`, [B, H, A], x);
    content.set(`${name}.out.chains`, [B, K + 1, H, A], stored);
    content.set(`${name}.out.logprobs`, [B * K, H, A], policy.logProb(tuned, rows).logp);
    content.set(`${name}.out.logprobs_base`, [B * K, H, A], policy.logProb(frozen, rows).logp);
  }
  return content;
}

const ppoCritic: CriticArguments = { cond_dim: 5, mlp_dims: [9, 9, 9, 9, 9], activation_type: "Mish", residual_style: true };
const adamW: OptimizerArguments = { kind: "AdamW", lr: 2e-3, betas: [0.9, 0.99], eps: 1e-8, weight_decay: 0.02 };

function makePpo(random: Numbers, form: "chain" | "step"): GoldenContent {
  const content = new GoldenContent();
  const of = (model: Partial<ModelArguments> & { denoising_steps: number }, rest: Partial<PpoCase>): PpoCase => ({
    network: "DiffusionMLP",
    network_kwargs: samplingNetwork,
    model_kwargs: { ...samplingModel, ...model },
    loss_call: { reward_horizon: 3 },
    eta: null,
    vf_coef: 0.25,
    ent_coef: 0.01,
    bc_loss_coeff: 0.2,
    max_grad_norm_actor: 0.1,
    actor_opt: adamW,
    critic_opt: { ...adamW, kind: "Adam", weight_decay: 0 },
    ...rest,
  });
  const cases: Record<string, PpoCase> = {
    plain: of({ denoising_steps: 6, ft_denoising_steps: 4 }, {}),
    short: of(
      {
        denoising_steps: 8, ft_denoising_steps: 8, clip_vloss_coef: 0.1, norm_adv: false, gamma_denoising: 0.7,
        clip_advantage_lower_quantile: 0.1, clip_advantage_upper_quantile: 0.8,
      },
      { loss_call: { reward_horizon: 1 }, max_grad_norm_actor: null },
    ),
    ddim: of({ denoising_steps: 24, ft_denoising_steps: 3, use_ddim: true, ddim_steps: 6, clip_ploss_coef_rate: 0.5 }, { eta: 0.7 }),
    ...(form === "step"
      ? { cloning: of({ denoising_steps: 5, ft_denoising_steps: 2 }, { loss_call: { reward_horizon: 2, use_bc_loss: true } }) }
      : { single: of({ denoising_steps: 4, ft_denoising_steps: 1 }, {}) }),
  };
  content.json("cases", cases);
  content.json("critic_kwargs", ppoCritic);
  const critic = criticOptions(ppoCritic);
  const actorShapes = denoiserShapes(diffusionMlpOptions(samplingNetwork));
  const valueShapes = criticShapes(critic);
  const { horizon_steps: H, action_dim: A, cond_dim: D } = samplingNetwork;
  const C = H * A;
  for (const [name, one] of Object.entries(cases)) {
    const policy = new DiffusionPolicy(one);
    const samples = 11;
    const K = one.model_kwargs.ft_denoising_steps!;
    const stepCount = one.model_kwargs.ddim_steps ?? one.model_kwargs.denoising_steps;
    const frozen = random.parameters(actorShapes);
    const old = random.near(frozen, 0.02);
    const tuned = random.near(old, 0.002);
    const networks = { frozen, tuned, critic: random.parameters(valueShapes) };
    const samplesState = random.normals(samples * D);
    const noise = random.noise((stepCount + 1) * samples * C);
    const call = { isDeterministic: false, useBase: false };
    const chain = policy.sample({ frozen, tuned: old }, samplesState, noise, call).chain.map(Math.fround);
    const all = policy.transitions(chain, samplesState);
    const oldLogProbs = policy.logProb(old, all).logp.map(Math.fround);
    const returns = random.normals(samples);
    const oldValues = random.normals(samples, 0.3);
    const advantages = random.normals(samples, 2);
    // Update form "step" draws single transitions, with everything of their sample beside them.
    const flat = form === "chain" ? undefined : [...random.below(26, samples * K)];
    const pick = (values: ArrayLike<number>, width: number, of: (q: number) => number): Float64Array =>
      Float64Array.from({ length: flat!.length * width }, (_, i) => values[of(flat![Math.floor(i / width)]!) * width + (i % width)]!);
    const sampleOf = (q: number): number => Math.floor(q / K);
    const batch =
      flat === undefined
        ? { rows: all, state: samplesState, oldLogProbs, advantages, returns, oldValues }
        : {
            rows: {
              state: pick(samplesState, D, sampleOf),
              previous: pick(all.previous, C, (q) => q),
              next: pick(all.next, C, (q) => q),
              j: flat.map((q) => q % K),
            },
            state: pick(samplesState, D, sampleOf),
            oldLogProbs: pick(oldLogProbs, C, (q) => q),
            advantages: pick(advantages, 1, sampleOf),
            returns: pick(returns, 1, sampleOf),
            oldValues: pick(oldValues, 1, sampleOf),
          };
    const B = batch.advantages.length;
    const cloningNoise = one.loss_call.use_bc_loss === true ? random.noise((stepCount + 1) * B * C) : undefined;
    const update = ppoUpdate(one, critic, networks, { ...batch, cloningNoise });

    content.set(`${name}.in.state`, [B, 1, D], batch.state);
    if (flat === undefined) {
      content.set(`${name}.in.chains`, [B, K + 1, H, A], chain);
      content.set(`${name}.in.oldlogprobs`, [B, K, H, A], batch.oldLogProbs);
    } else {
      content.set(`${name}.in.chains_prev`, [B, H, A], batch.rows.previous);
      content.set(`${name}.in.chains_next`, [B, H, A], batch.rows.next);
      content.set(`${name}.in.denoising_inds`, [B], batch.rows.j);
      content.set(`${name}.in.oldlogprobs`, [B, H, A], batch.oldLogProbs);
      content.set(`${name}.in.flat_index`, [B], flat);
    }
    content.set(`${name}.in.returns`, [B], batch.returns);
    content.set(`${name}.in.oldvalues`, [B], batch.oldValues);
    content.set(`${name}.in.advantages`, [B], batch.advantages);
    if (cloningNoise !== undefined) content.set(`${name}.in.bc_noise`, [stepCount + 1, B, H, A], cloningNoise);
    content.group(`${name}.actor`, frozen, actorShapes);
    content.group(`${name}.actor_ft`, tuned, actorShapes);
    content.group(`${name}.critic`, networks.critic, valueShapes);
    content.group(`${name}.grad_actor_ft`, update.actorGradients, actorShapes);
    content.group(`${name}.grad_critic`, update.criticGradients, valueShapes);
    content.group(`${name}.post.actor_ft`, update.actorAfter, actorShapes);
    content.group(`${name}.post.critic`, update.criticAfter, valueShapes);
    const scalars = {
      pg_loss: update.policy.loss, entropy_loss: update.entropy, v_loss: update.value,
      clipfrac: update.policy.clipFraction, approx_kl: update.policy.approxKl, ratio_mean: update.policy.ratio,
      bc_loss: update.cloning, eta_mean: one.eta ?? 1, loss: update.total, actor_grad_norm: update.actorGradientNorm,
    };
    for (const [key, value] of Object.entries(scalars)) content.scalar(`${name}.out.${key}`, value);
  }
  return content;
}

function makeAdvantages(random: Numbers): GoldenContent {
  const content = new GoldenContent();
  for (const [name, N, E] of [["one", 1, 1], ["long", 300, 3], ["wide", 2, 67]] as const) {
    const input = {
      rewards: random.normals(N * E),
      values: random.normals(N * E),
      lastValues: random.normals(E),
      terminated: random.below(N * E, 10).map((value) => (value === 0 ? 1 : 0)),
    };
    const [gamma, lambda, rewardScale] = [0.97, 0.9, 0.5];
    const { advantages, returns } = generalizedAdvantages({ ...input, gamma, lambda, rewardScale });
    content.set(`${name}.rewards`, [N, E], input.rewards);
    content.set(`${name}.values`, [N, E], input.values);
    content.set(`${name}.last_values`, [E], input.lastValues);
    content.set(`${name}.terminated`, [N, E], input.terminated);
    content.set(`${name}.truncated`, [N, E], random.below(N * E, 2));
    content.set(`${name}.gamma_lambda_scale`, [3], [gamma, lambda, rewardScale]);
    content.set(`${name}.advantages`, [N, E], advantages);
    content.set(`${name}.returns`, [N, E], returns);
  }
  return content;
}

function makeRewardScale(random: Numbers): GoldenContent {
  const content = new GoldenContent();
  const clipCase = { cliprew: 0.8, gamma: 0.95 };
  content.json("clip_case", clipCase);
  for (const [name, E, N] of [["shared", 5, 33], ["clip", 70, 2]] as const) {
    const [gamma, clip] = name === "clip" ? [clipCase.gamma, clipCase.cliprew] : [0.99, 10];
    let state = initialRewardScale(E);
    for (let k = 0; k < 3; k++) {
      const call = `${name}.call${k}`;
      const reward = random.normals(E * N);
      const first = random.below(E * N, 6).map((value) => (value === 0 ? 1 : 0));
      const next = scaleRewards(state, reward, first, gamma, clip);
      state = next.state;
      content.set(`${call}.reward`, [E, N], reward);
      content.set(`${call}.first`, [E, N], first);
      content.set(`${call}.out`, [E, N], next.scaled);
      content.set(`${call}.mean`, [1], [state.mean]);
      content.set(`${call}.var`, [1], [state.variance]);
      content.set(`${call}.count`, [1], [state.count]);
      content.set(`${call}.ret`, [E], state.returns);
    }
  }
  return content;
}

function makeOptimizer(random: Numbers): GoldenContent {
  const content = new GoldenContent();
  const cases: Record<string, OptimizerArguments> = {
    adamw: adamW,
    adam_decay: { kind: "Adam", lr: 1e-2, betas: [0.8, 0.95], eps: 1e-4, weight_decay: 0.1 },
  };
  content.json("cases", cases);
  for (const [name, args] of Object.entries(cases)) {
    const count = 301;
    const start = random.normals(count);
    let state: AdamState = { parameters: start, m: start.map(() => 0), v: start.map(() => 0) };
    content.set(`${name}.f64.p0`, [count], start);
    for (let k = 0; k < 3; k++) {
      const gradient = random.normals(count);
      state = adamStep(state, gradient, k + 1, adamOptions(args));
      content.set(`${name}.f64.g${k}`, [count], gradient);
      content.set(`${name}.f64.p${k + 1}`, [count], state.parameters);
    }
    content.set(`${name}.f64.exp_avg`, [count], state.m);
    content.set(`${name}.f64.exp_avg_sq`, [count], state.v);
  }
  for (const maxNorm of [0.3, 50]) {
    const gradients = [random.normals(100), random.normals(7)];
    const norm = globalNorm(gradients);
    const scale = clipScale(norm, maxNorm);
    const prefix = `clip${maxNorm}`;
    content.scalar(`${prefix}.norm`, norm);
    for (const [i, gradient] of gradients.entries()) {
      content.set(`${prefix}.g${i}`, [gradient.length], gradient);
      content.set(`${prefix}.out${i}`, [gradient.length], gradient.map((g) => g * scale));
    }
  }
  return content;
}

function makePretraining(random: Numbers): GoldenContent {
  const content = new GoldenContent();
  const cases: Record<string, PretrainCase> = {
    noise: {
      network: "DiffusionMLP", network_kwargs: samplingNetwork, denoising_steps: 13, predict_epsilon: true,
      ema_decay: 0.9, opt: { ...adamW, weight_decay: 0.01 },
    },
    sample: {
      network: "DiffusionMLP",
      network_kwargs: { ...samplingNetwork, cond_mlp_dims: [6], residual_style: false, use_layernorm: true, mlp_dims: [10, 12] },
      denoising_steps: 50, predict_epsilon: false, ema_decay: 0.99, opt: { ...adamW, kind: "Adam", weight_decay: 0 },
    },
  };
  content.json("cases", cases);
  for (const [name, one] of Object.entries(cases)) {
    const { horizon_steps: H, action_dim: A, cond_dim: D } = one.network_kwargs;
    const B = 19;
    const shapes = denoiserShapes(diffusionMlpOptions(one.network_kwargs));
    const initial = random.parameters(shapes);
    const batches = [0, 1, 2].map(() => ({
      x0: random.uniforms(B * H * A, -1, 1),
      state: random.normals(B * D),
      t: random.below(B, one.denoising_steps),
      noise: random.normals(B * H * A),
    }));
    content.group(`${name}.init`, initial, shapes);
    for (const [k, step] of [...pretrain(one, initial, batches)].entries()) {
      const prefix = `${name}.step${k}`;
      const { x0, state, t, noise } = batches[k]!;
      content.set(`${prefix}.x0`, [B, H, A], x0);
      content.set(`${prefix}.state`, [B, 1, D], state);
      content.set(`${prefix}.t`, [B], t);
      content.set(`${prefix}.noise`, [B, H, A], noise);
      content.set(`${prefix}.x_noisy`, [B, H, A], step.noisy);
      content.scalar(`${prefix}.loss`, step.loss);
      if (k === 0) content.group(`${prefix}.grad`, step.gradients, shapes);
      if (k === batches.length - 1) {
        content.group(`${name}.after3`, step.parameters, shapes);
        content.group(`${name}.ema3`, step.ema, shapes);
      }
    }
  }
  return content;
}

function makeStochastic(random: Numbers): GoldenContent {
  const content = new GoldenContent();
  const base = { action_dim: 3, horizon_steps: 2, cond_dim: 5, mlp_dims: [12, 12, 12], activation_type: "Mish" };
  const of = (network: string, kwargs: Partial<NetworkArguments>, rest: Partial<StochasticCase> = {}): StochasticCase => ({
    network, network_kwargs: { ...base, ...kwargs }, clip_ploss_coef: 0.1, clip_vloss_coef: null, ent_coef: 0.02, vf_coef: 0.5, ...rest,
  });
  const cases: Record<string, StochasticCase> = {
    gauss_linear: of("Gaussian_MLP", { fixed_std: 0.3, tanh_output: false, use_layernorm: true }),
    gauss_learned: of("Gaussian_MLP", { fixed_std: 0.25, learn_fixed_std: true, std_min: 0.02, std_max: 0.5, residual_style: true }, { clip_vloss_coef: 0.2 }),
    gauss_predicted: of("Gaussian_MLP", { fixed_std: null, std_min: 0.1, std_max: 0.9, residual_style: true, mlp_dims: [8, 8, 8, 8] }),
    gmm_predicted: of("GMM_MLP", { fixed_std: null, std_min: 0.2, std_max: 0.7, num_modes: 3 }),
    gmm_fixed: of("GMM_MLP", { fixed_std: 0.4, num_modes: 7 }),
    gmm_learned: of("GMM_MLP", { fixed_std: 0.5, learn_fixed_std: true, std_min: 0.05, std_max: 0.8, num_modes: 2, residual_style: true }),
  };
  content.json("cases", cases);
  content.json("critic_kwargs", ppoCritic);
  const critic = criticOptions(ppoCritic);
  const valueShapes = criticShapes(critic);
  for (const [name, one] of Object.entries(cases)) {
    const { horizon_steps: H, action_dim: A, cond_dim: D, fixed_std, std_min = 0.01, std_max = 1, num_modes = 1 } = one.network_kwargs;
    const B = 13;
    const shapes = stochasticShapes(one);
    const old = random.parameters(shapes);
    old.set("logvar_min", Float64Array.of(Math.fround(Math.log(std_min ** 2))));
    old.set("logvar_max", Float64Array.of(Math.fround(Math.log(std_max ** 2))));
    if (shapes.has("logvar")) {
      const center = Math.log((fixed_std ?? 0.1) ** 2);
      old.set("logvar", random.normals(num_modes * A, 0.1).map((value) => Math.fround(center + value)));
    }
    const actor = random.near(old, 0.01);
    for (const fixed of ["logvar_min", "logvar_max"]) actor.set(fixed, old.get(fixed)!);
    const state = random.normals(B * D);
    const trueAction = random.uniforms(B * H * A, -1, 1);
    const before = evaluatePolicy(one, old, state, trueAction);
    const cloned = cloningUpdate(before);
    // Actions near the first component's mean, so that likelihoods are neither tiny nor all clamped.
    const rowWidth = before.traced.mean.length / B;
    const jitter = random.normals(B * H * A);
    const actions = Float64Array.from({ length: B * H * A }, (_, i) => {
      const at = Math.floor(i / (H * A)) * rowWidth + (i % (H * A));
      return Math.fround(before.traced.mean[at]! + before.traced.std[at]! * jitter[i]!);
    });
    const oldLogProbs = evaluatePolicy(one, old, state, actions).logProb.map(Math.fround);
    const batch = {
      state, oldLogProbs, advantages: random.normals(B), returns: random.normals(B), oldValues: random.normals(B, 0.3),
    };
    const criticParameters = random.parameters(valueShapes);
    const policy = evaluatePolicy(one, actor, state, actions);
    const update = stochasticUpdate(one, policy, { parameters: criticParameters, options: critic }, batch);
    const modes = one.network === "GMM_MLP" ? [num_modes] : [];
    content.set(`${name}.out.mean`, [B, ...modes, H * A], before.traced.mean);
    content.set(`${name}.out.scale`, [B, ...modes, H * A], before.traced.std);
    if (modes.length > 0) content.set(`${name}.out.logits`, [B, num_modes], before.traced.logits);
    content.group(`${name}.actor_old`, old, shapes);
    content.group(`${name}.actor`, actor, shapes);
    content.group(`${name}.critic`, criticParameters, valueShapes);
    content.group(`${name}.grad_bc`, cloned.gradients, shapes);
    content.group(`${name}.grad_actor`, update.actorGradients, shapes);
    content.group(`${name}.grad_critic`, update.criticGradients, valueShapes);
    content.set(`${name}.in.true_action`, [B, H, A], trueAction);
    content.set(`${name}.in.state`, [B, 1, D], state);
    content.set(`${name}.in.actions`, [B, H, A], actions);
    content.set(`${name}.in.oldlogprobs`, [B], oldLogProbs);
    content.set(`${name}.in.returns`, [B], batch.returns);
    content.set(`${name}.in.oldvalues`, [B], batch.oldValues);
    content.set(`${name}.in.advantages`, [B], batch.advantages);
    content.set(`${name}.out.newlogprobs`, [B], policy.logProb);
    const scalars = {
      bc_nll: cloned.loss, entropy: before.entropy, pg_loss: update.statistics.loss, entropy_loss: -policy.entropy,
      v_loss: update.value, clipfrac: update.statistics.clipFraction, approx_kl: update.statistics.approxKl,
      ratio_mean: update.statistics.ratio, bc_loss: 0, std: policy.std, loss: update.total,
    };
    for (const [key, value] of Object.entries(scalars)) content.scalar(`${name}.out.${key}`, value);
  }
  return content;
}

/** The denoiser of the alignment files with other sizes. */
const alignmentNetwork: NetworkArguments = {
  action_dim: 3, horizon_steps: 2, cond_dim: 4, time_dim: 10, mlp_dims: [18, 18, 18], activation_type: "Mish", residual_style: true,
};

function makeAlignmentNet(random: Numbers): GoldenContent {
  const content = new GoldenContent();
  const { action_dim: Da, horizon_steps: Ta, cond_dim: Do, time_dim, mlp_dims } = alignmentNetwork;
  const B = 9;
  const options = diffusionMlpOptions(alignmentNetwork);
  const shapes = denoiserShapes(options);
  const theta = random.parameters(shapes);
  const [x, cond, G] = [random.normals(B * Ta * Da), random.normals(B * Do), random.normals(B * Ta * Da)];
  const t = random.below(B, 50);
  const traced = diffusionMlp(theta, options, x, t, cond);
  const gradients: Gradients = new Map();
  const { dx, dstate } = traced.backward(G, gradients);
  for (const [name, value] of Object.entries({ loss: "sum(out*G)", Ta, Da, Do, time_dim, hidden: mlp_dims![0] })) {
    content.metadata.set(name, String(value));
  }
  content.group("theta", theta, shapes);
  content.group("grad", gradients, shapes);
  content.set("x", [B, Ta * Da], x);
  content.set("t", [B], t);
  content.set("cond", [B, Do], cond);
  content.set("G", [B, Ta * Da], G);
  content.set("sin_emb", [B, time_dim!], timestepEmbedding(t, time_dim!));
  content.set("out", [B, Ta * Da], traced.output);
  content.set("grad_x", [B, Ta * Da], dx);
  content.set("grad_cond", [B, Do], dstate);
  return content;
}

/** Labels with every outcome. */
function labels(random: Numbers, count: number): Float64Array {
  return random.below(count, 3).map((value) => value - 1);
}

function makePreferences(random: Numbers): GoldenContent {
  const content = new GoldenContent();
  const n = 131;
  const [r0, r1, y] = [random.normals(n, 2), random.normals(n, 2), labels(random, n)];
  content.set("r0", [n], r0);
  content.set("r1", [n], r1);
  content.set("y", [n], y);
  content.set("p_1_over_0", [n], Float64Array.from(r0, (value, i) => activations.softplus.slope(r1[i]! - value)));
  content.set("accuracy_nontie", [1], [preferenceAccuracy(r0, r1, y)]);
  const logNu = Math.fround(-0.3);
  const rules: Record<string, TieRule> = {
    drop: { kind: "drop", smoothing: 0 },
    half: { kind: "half", smoothing: 0 },
    "half_smooth0.25": { kind: "half", smoothing: 0.25 },
    "drop_smooth0.05": { kind: "drop", smoothing: 0.05 },
    davidson: { kind: "davidson", logNu },
  };
  for (const [mode, rule] of Object.entries(rules)) {
    const { loss, dr0, dr1, dlogNu } = bradleyTerry(r0, r1, y, rule);
    content.set(`${mode}.loss`, [1], [loss]);
    content.set(`${mode}.grad_r0`, [n], dr0);
    content.set(`${mode}.grad_r1`, [n], dr1);
    if (rule.kind === "davidson") {
      content.set("davidson.log_nu", [1], [logNu]);
      content.set("davidson.grad_log_nu", [1], [dlogNu]);
    }
  }
  return content;
}

function makeEnsemble(random: Numbers): GoldenContent {
  const content = new GoldenContent();
  const [pairs, H, D, hidden, M] = [17, 1, 5, 11, 4];
  const [s0, s1, y] = [random.normals(pairs * H * D), random.normals(pairs * H * D), labels(random, pairs)];
  content.set("s0", [pairs, H, D], s0);
  content.set("s1", [pairs, H, D], s1);
  content.set("y", [pairs], y);
  const sizes = [D, hidden, hidden, 1];
  const shapes: Shapes = new Map(
    [0, 1, 2].flatMap((layer): [string, number[]][] => [
      [`${layer}.weight`, [sizes[layer + 1]!, sizes[layer]!]],
      [`${layer}.bias`, [sizes[layer + 1]!]],
    ]),
  );
  const all = { R0: [] as number[], R1: [] as number[], loss: [] as number[] };
  const gaps: Float64Array[] = [];
  const stateReward = new Float64Array(pairs * H);
  for (let m = 0; m < M; m++) {
    const parameters = random.parameters(shapes);
    const net = sequence(
      [0, 1, 2].flatMap((layer) => [
        linearLayer(parameters, String(layer), sizes[layer]!, sizes[layer + 1]!),
        activationLayer(layer < 2 ? "leakyRelu" : "tanh"),
      ]),
    );
    const [first, second] = [net(s0), net(s1)];
    const score = (rewards: Float64Array): Float64Array =>
      Float64Array.from({ length: pairs }, (_, i) => rewards.subarray(i * H, (i + 1) * H).reduce((a, b) => a + b, 0));
    const [R0, R1] = [score(first.output), score(second.output)];
    const { loss, dr0, dr1 } = bradleyTerry(R0, R1, y, { kind: "half", smoothing: 0 });
    const gradients: Gradients = new Map();
    first.backward(Float64Array.from({ length: pairs * H }, (_, i) => dr0[Math.floor(i / H)]!), gradients);
    second.backward(Float64Array.from({ length: pairs * H }, (_, i) => dr1[Math.floor(i / H)]!), gradients);
    content.group(`member${m}`, parameters, shapes);
    content.group(`grad.member${m}`, gradients, shapes);
    all.R0.push(...R0);
    all.R1.push(...R1);
    all.loss.push(loss);
    gaps.push(R1.map((value, i) => value - R0[i]!));
    for (let i = 0; i < stateReward.length; i++) stateReward[i]! += first.output[i]! / M;
  }
  const p = gaps.map((gap) => gap.map(activations.softplus.slope));
  const mean = (f: (i: number, m: number) => number): number[] =>
    Array.from({ length: pairs }, (_, i) => gaps.reduce((sum, __, m) => sum + f(i, m) / M, 0));
  content.set("R0", [M, pairs], all.R0);
  content.set("R1", [M, pairs], all.R1);
  content.set("loss_member", [M], all.loss);
  content.set("prob_1_over_0", [M, pairs], p.flatMap((member) => [...member]));
  content.set("disagreement", [pairs], disagreement(gaps));
  content.set("entropy_mean", [pairs], mean((i, m) => binaryEntropy(p[m]![i]!)));
  content.set("entropy_of_mean", [pairs], mean((i, m) => p[m]![i]!).map(binaryEntropy));
  content.set("state_reward_s0", [pairs, H], stateReward);
  return content;
}

function makeKl(random: Numbers): GoldenContent {
  const content = new GoldenContent();
  const floor = 0.08;
  content.metadata.set("sigma_floor", String(floor));
  const [B, X] = [5, 7];
  for (const name of ["ddpm6.noclip", "ddpm6.clip0.7", "ddim21_3.noclip", "ddim21_3.clip0.7"]) {
    const { K, sampler } = samplerNamed(name);
    const steps = denoisingSteps(K, sampler);
    const clip = /\.clip(.+)$/.exec(name)?.[1];
    const options: StepOptions = {
      sampler: sampler.kind, prediction: "noise", x0Clip: clip === undefined ? null : Number(clip), noiseClip: null,
    };
    const size = steps.length * B * X;
    const [x, eps] = [random.normals(size), random.normals(size)];
    const shift = random.normals(size, 0.1);
    const epsPre = eps.map((value, i) => Math.fround(value + shift[i]!));
    const out = { mu: [] as number[], mu_pre: [] as number[], kl: [] as number[], grad_eps_sum_kl: [] as number[] };
    const stds: number[] = [];
    for (const [i, step] of steps.entries()) {
      const at = (values: Float64Array): Float64Array => values.subarray(i * B * X, (i + 1) * B * X);
      const std = Math.max(step.std, floor);
      const mean = denoiseMean(at(x), at(eps), step, options);
      const reference = denoiseMean(at(x), at(epsPre), step, options);
      stds.push(std);
      out.mu.push(...mean);
      out.mu_pre.push(...reference);
      out.kl.push(...gaussianKl(mean, reference, () => std, X));
      const dmean = gaussianKlBackward(() => 1, mean, reference, () => std, X);
      out.grad_eps_sum_kl.push(...denoiseMeanBackward(dmean, at(x), at(eps), step, options));
    }
    const shape = [steps.length, B, X];
    content.set(`${name}.x_k`, shape, x);
    content.set(`${name}.eps`, shape, eps);
    content.set(`${name}.eps_pre`, shape, epsPre);
    content.set(`${name}.sigma_floored`, [steps.length], stds);
    content.set(`${name}.kl`, [steps.length, B], out.kl);
    for (const key of ["mu", "mu_pre", "grad_eps_sum_kl"] as const) content.set(`${name}.${key}`, shape, out[key]);
  }
  const [meanP, meanQ] = [random.normals(8 * 5), random.normals(8 * 5)];
  const [logStdP, logStdQ] = [random.normals(8 * 5, 0.3), random.normals(8 * 5, 0.3)];
  content.set("general.mu_p", [8, 5], meanP);
  content.set("general.mu_q", [8, 5], meanQ);
  content.set("general.logstd_p", [8, 5], logStdP);
  content.set("general.logstd_q", [8, 5], logStdQ);
  content.set("general.kl_pq", [8], diagonalGaussianKl(meanP, logStdP, meanQ, logStdQ, 5));
  return content;
}

/** Turns a fresh denoiser into one that predicts about x itself: its chains shrink instead of growing without bound. */
function makeShrinking(parameters: ReadonlyMap<string, Float64Array>, shapes: Shapes, X: number): void {
  for (const [name, values] of parameters) {
    for (let i = 0; i < values.length; i++) values[i] = Math.fround(0.25 * values[i]!);
    const width = shapes.get(name)![1]!;
    const isOuter = name === "mlp_mean.layers.0.weight" || name === "mlp_mean.layers.2.weight";
    if (isOuter) for (let c = 0; c < X; c++) values[c * width + c] = 1;
  }
}

function makeFdpp(random: Numbers, kind: "exact" | "compat"): GoldenContent {
  const content = new GoldenContent();
  const isExact = kind === "exact";
  const metadata = {
    floor: "0.12", pfloor: "0.12", clip: isExact ? "None" : "0.9", red: isExact ? "sum" : "mean",
    clamp: isExact ? "False" : "True", g: isExact ? "1.0" : "0.8", eps: isExact ? "0.3" : "0.02", alpha: "0.07",
    sampler: isExact ? "ddpm7" : "ddim12_4 eta=1",
  };
  for (const [key, value] of Object.entries(metadata)) content.metadata.set(key, value);
  const [B, X, Do] = [6, 6, 4];
  const network = diffusionMlpOptions({ ...alignmentNetwork, action_dim: X, horizon_steps: 1 });
  const shapes = denoiserShapes(network);
  const pretrained = random.parameters(shapes);
  makeShrinking(pretrained, shapes, X);
  const old = random.near(pretrained, 0.003);
  const theta = random.near(old, 0.003);
  const options: FdppOptions = {
    network,
    ...samplerNamed(metadata.sampler),
    floor: Number(metadata.pfloor),
    x0Clip: isExact ? null : Number(metadata.clip),
    reduction: isExact ? "sum" : "mean",
    isClamped: !isExact,
    denoisingDiscount: Number(metadata.g),
    ratioClip: Number(metadata.eps),
    klWeight: Number(metadata.alpha),
  };
  const steps = denoisingSteps(options.K, options.sampler);
  const n = steps.length;
  const cond = random.normals(B * Do);
  const chain = new Float64Array(B * (n + 1) * X);
  let x = random.normals(B * X);
  const store = (i: number): void => {
    for (let b = 0; b < B; b++) chain.set(x.subarray(b * X, (b + 1) * X), (b * (n + 1) + i) * X);
  };
  store(0);
  const stepOptions: StepOptions = { sampler: options.sampler.kind, prediction: "noise", x0Clip: options.x0Clip, noiseClip: null };
  for (const [i, step] of steps.entries()) {
    const e = diffusionMlp(old, network, x, new Array<number>(B).fill(step.timestep), cond).output;
    const z = random.normals(B * X);
    x = denoiseMean(x, e, step, stepOptions).map((mean, k) => Math.fround(mean + Math.max(step.std, options.floor) * z[k]!));
    store(i + 1);
  }
  const advantage = random.normals(B);
  const update = fdppUpdate({ theta, pretrained, old }, cond, chain, advantage, options);
  content.group("theta", theta, shapes);
  content.group("theta_pre", pretrained, shapes);
  content.group("theta_old", old, shapes);
  content.group("grad", update.gradients, shapes);
  content.set("cond", [B, Do], cond);
  content.set("chain", [B, n + 1, X], chain);
  content.set("advantage", [B], advantage);
  content.set("t_index", [n], steps.map((step) => step.timestep));
  content.set("sigma", [n], steps.map((step) => step.std));
  content.set("mu", [B, n, X], update.mean);
  content.set("mu_pre", [B, n, X], update.pretrainedMean);
  content.set("logprob", [B, n], update.logProb);
  content.set("old_logprob", [B, n], update.oldLogProb);
  content.set("ratio", [B, n], update.logProb.map((value, r) => Math.exp(value - update.oldLogProb[r]!)));
  content.set("kl_per_step", [B, n], update.kl);
  content.set("pg_loss", [1], [update.statistics.loss]);
  content.set("kl_term", [1], [update.klTerm]);
  content.set("total_loss", [1], [update.total]);
  content.set("clip_fraction", [1], [update.statistics.clipFraction]);
  return content;
}

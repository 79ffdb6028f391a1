import { describe, expect, it } from "vitest";
import { ddpmSchedule } from "../../src/diffusion/schedule.ts";
import { expectClose } from "../close.ts";
import { GoldenFile } from "../golden-runner/golden-file.ts";
import {
  criticOptions,
  diffusionMlpOptions,
  type CriticArguments,
  type NetworkArguments,
} from "../golden-runner/networks.ts";
import { ppoOptionsOf, type OptimizerArguments, type PpoCase, type SamplingCase } from "../golden-runner/policies.ts";
import { DiffusionPolicy, type Transitions } from "./diffusion-policy.ts";
import { diffusionMlp } from "./diffusion-mlp.ts";
import { forwardNoising } from "./forward-noising.ts";
import { meanSquaredLoss } from "./mean-squared-loss.ts";
import { mlp, type Gradients } from "./mlp.ts";
import { adamStep, clipScale, emaStep, globalNorm, type AdamOptions, type AdamState } from "./optimizer.ts";
import { cloningLoss, ppoLoss } from "./ppo-loss.ts";
import { valueLoss } from "./value-loss.ts";

const exact = { relative: 1e-11 };
/** The first Adam step divides a gradient by its own size, which magnifies the last digits of tiny ones. */
const afterAdam = { relative: 1e-9 };

function adamOptions(args: OptimizerArguments): AdamOptions {
  return {
    rate: args.lr,
    beta1: args.betas[0],
    beta2: args.betas[1],
    epsilon: args.eps,
    weightDecay: args.weight_decay,
    isDecoupled: args.kind === "AdamW",
  };
}

function freshAdam(parameters: Float64Array): AdamState {
  return { parameters, m: parameters.map(() => 0), v: parameters.map(() => 0) };
}

describe("sampling", () => {
  const golden = GoldenFile.open("dppo/sampling_logprob");
  const cases = golden.json("cases") as Record<string, SamplingCase>;
  const perceptrons = Object.keys(cases).filter((name) => cases[name]!.network === "DiffusionMLP");

  it.each(perceptrons.filter((name) => golden.has(`${name}.out.chains`)))("%s equals the golden chains", (name) => {
    const group = golden.below(name);
    const policy = new DiffusionPolicy(cases[name]!);
    const networks = { frozen: group.parameters("actor"), tuned: group.parameters("actor_ft") };
    const state = group.values("in.state");
    const { deterministic, use_base_policy } = cases[name]!.call!;
    const { x, chain } = policy.sample(networks, state, group.values("in.noise"), {
      isDeterministic: deterministic ?? false,
      useBase: use_base_policy ?? false,
    });
    expectClose(x, group.values("out.trajectories"), exact, "actions");
    expectClose(chain, group.values("out.chains"), exact, "chains");
    const rows = policy.transitions(group.values("out.chains"), state);
    expectClose(policy.logProb(networks.tuned, rows).logp, group.values("out.logprobs"), exact, "log-probabilities");
    expectClose(policy.logProb(networks.frozen, rows).logp, group.values("out.logprobs_base"), exact, "base policy");
  });

  it.each(perceptrons.filter((name) => !golden.has(`${name}.out.chains`)))("%s equals the golden actions", (name) => {
    const group = golden.below(name);
    const network = group.parameters("network");
    const policy = new DiffusionPolicy(cases[name]!);
    const call = { isDeterministic: true, useBase: true };
    const noise = group.values("in.noise");
    const { x } = policy.sample({ frozen: network, tuned: network }, group.values("in.state"), noise, call);
    expectClose(x, group.values("out.trajectories"), exact, "actions");
  });
});

describe.each(["ppo_loss_v05", "ppo_loss_v08"])("%s", (file) => {
  const golden = GoldenFile.open(`dppo/${file}`);
  const cases = golden.json("cases") as Record<string, PpoCase>;
  const critic = criticOptions(golden.json("critic_kwargs") as CriticArguments);
  const perceptrons = Object.keys(cases).filter((name) => cases[name]!.network === "DiffusionMLP");

  it.each(perceptrons)("%s equals the golden losses, gradients and parameters after the step", (name) => {
    const group = golden.below(name);
    const { model_kwargs: model, loss_call, ...settings } = cases[name]!;
    const policy = new DiffusionPolicy(cases[name]!);
    const tuned = group.parameters("actor_ft");
    const state = group.values("in.state");

    const rows: Transitions = group.has("in.chains")
      ? policy.transitions(group.values("in.chains"), state)
      : {
          state,
          previous: group.values("in.chains_prev"),
          next: group.values("in.chains_next"),
          j: group.values("in.denoising_inds"),
        };
    const { logp, backward } = policy.logProb(tuned, rows);
    const policyLoss = ppoLoss(
      logp,
      group.values("in.oldlogprobs"),
      group.values("in.advantages"),
      rows.j,
      ppoOptionsOf(model, loss_call.reward_horizon),
    );
    expectClose([policyLoss.loss], [group.scalar("out.pg_loss")], exact, "policy loss");
    expectClose([policyLoss.approxKl], [group.scalar("out.approx_kl")], { absolute: 1e-14, relative: 1e-10 }, "KL");
    expectClose([policyLoss.ratio], [group.scalar("out.ratio_mean")], exact, "ratio");
    expectClose([policyLoss.clipFraction], [group.scalar("out.clipfrac")], exact, "clip fraction");
    const actorGradients: Gradients = new Map();
    backward(policyLoss.dlogp, actorGradients);

    let cloning = 0;
    if (loss_call.use_bc_loss === true) {
      const networks = { frozen: group.parameters("actor"), tuned };
      const call = { isDeterministic: false, useBase: true };
      const { chain } = policy.sample(networks, state, group.values("in.bc_noise"), call);
      const traced = policy.logProb(tuned, policy.transitions(chain, state));
      const { loss, dlogp } = cloningLoss(traced.logp);
      cloning = loss;
      traced.backward(dlogp.map((value) => settings.bc_loss_coeff * value), actorGradients);
    }
    expectClose([cloning], [group.scalar("out.bc_loss")], exact, "cloning loss");

    const criticParameters = group.parameters("critic");
    const values = mlp(criticParameters, "Q1", critic)(state);
    const value = valueLoss(
      values.output,
      group.values("in.returns"),
      group.values("in.oldvalues"),
      model.clip_vloss_coef ?? null,
    );
    expectClose([value.loss], [group.scalar("out.v_loss")], exact, "value loss");
    const criticGradients: Gradients = new Map();
    values.backward(value.gradient.map((d) => settings.vf_coef * d), criticGradients);

    const entropy = -(cases[name]!.eta ?? 1);
    expect(group.scalar("out.entropy_loss")).toBe(entropy);
    const total =
      policyLoss.loss +
      settings.ent_coef * entropy +
      settings.vf_coef * value.loss +
      settings.bc_loss_coeff * cloning;
    expectClose([total], [group.scalar("out.loss")], exact, "total");

    for (const [key, gradient] of actorGradients) {
      expectClose(gradient, group.values(`grad_actor_ft.${key}`), exact, `actor ${key}`);
    }
    for (const [key, gradient] of criticGradients) {
      expectClose(gradient, group.values(`grad_critic.${key}`), exact, `critic ${key}`);
    }
    const norm = globalNorm(actorGradients.values());
    expectClose([norm], [group.scalar("out.actor_grad_norm")], exact, "gradient norm");

    const scale = clipScale(norm, settings.max_grad_norm_actor ?? Infinity);
    for (const [key, gradient] of actorGradients) {
      const start = freshAdam(tuned.get(key)!);
      const step = adamStep(start, gradient.map((g) => g * scale), 1, adamOptions(settings.actor_opt));
      expectClose(step.parameters, group.values(`post.actor_ft.${key}`), afterAdam, `actor ${key} after the step`);
    }
    for (const [key, gradient] of criticGradients) {
      const step = adamStep(freshAdam(criticParameters.get(key)!), gradient, 1, adamOptions(settings.critic_opt));
      expectClose(step.parameters, group.values(`post.critic.${key}`), afterAdam, `critic ${key} after the step`);
    }
  });
});

describe("pre-training", () => {
  interface PretrainCase {
    readonly network: string;
    readonly network_kwargs: NetworkArguments;
    readonly denoising_steps: number;
    readonly predict_epsilon: boolean;
    readonly ema_decay: number;
    readonly opt: OptimizerArguments;
  }
  const golden = GoldenFile.open("dppo/pretrain");
  const cases = golden.json("cases") as Record<string, PretrainCase>;
  const perceptrons = Object.keys(cases).filter((name) => cases[name]!.network === "DiffusionMLP");

  it.each(perceptrons)("%s equals the golden losses, gradients, parameters and averages", (name) => {
    const group = golden.below(name);
    const settings = cases[name]!;
    const { alphasCumprod } = ddpmSchedule(settings.denoising_steps);
    const states = new Map([...group.parameters("init")].map(([key, values]) => [key, freshAdam(values)]));
    let ema = group.parameters("init");
    for (let k = 0; group.has(`step${k}.x0`); k++) {
      const step = group.below(`step${k}`);
      const t = step.values("t");
      const noisy = forwardNoising(step.values("x0"), step.values("noise"), t, alphasCumprod);
      expectClose(noisy, step.values("x_noisy"), exact, "noised chunk");
      const parameters = new Map([...states].map(([key, state]) => [key, state.parameters]));
      const options = diffusionMlpOptions(settings.network_kwargs);
      const traced = diffusionMlp(parameters, options, noisy, t, step.values("state"));
      const target = step.values(settings.predict_epsilon ? "noise" : "x0");
      const { loss, gradient } = meanSquaredLoss(traced.output, target);
      expectClose([loss], [step.scalar("loss")], exact, `loss ${k}`);
      const gradients: Gradients = new Map();
      traced.backward(gradient, gradients);
      for (const [key, values] of gradients) {
        if (k === 0) expectClose(values, step.values(`grad.${key}`), exact, key);
        states.set(key, adamStep(states.get(key)!, values, k + 1, adamOptions(settings.opt)));
      }
      ema = new Map(
        [...ema].map(([key, values]) => [key, emaStep(values, states.get(key)!.parameters, settings.ema_decay)]),
      );
    }
    for (const [key, state] of states) {
      expectClose(state.parameters, group.values(`after3.${key}`), afterAdam, `${key} after 3 steps`);
      expectClose(ema.get(key)!, group.values(`ema3.${key}`), afterAdam, `average of ${key}`);
    }
  });
});

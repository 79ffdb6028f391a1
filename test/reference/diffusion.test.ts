import { describe, expect, it } from "vitest";
import { expectClose } from "../close.ts";
import { GoldenFile } from "../golden-runner/golden-file.ts";
import { criticOptions, type CriticArguments } from "../golden-runner/networks.ts";
import type { PpoCase, PretrainCase, SamplingCase } from "../golden-runner/policies.ts";
import { DiffusionPolicy, type Transitions } from "./diffusion-policy.ts";
import { ppoUpdate } from "./ppo-update.ts";
import { pretrain } from "./pretrain.ts";

const exact = { relative: 1e-11 };
/** The first Adam step divides a gradient by its own size, which magnifies the last digits of tiny ones. */
const afterAdam = { relative: 1e-9 };

describe("sampling", () => {
  const golden = GoldenFile.open("dppo/sampling_logprob");
  const cases = golden.json("cases") as Record<string, SamplingCase>;
  const names = Object.keys(cases);

  it.each(names.filter((name) => golden.has(`${name}.out.chains`)))("%s equals the golden chains", (name) => {
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

  it.each(names.filter((name) => !golden.has(`${name}.out.chains`)))("%s equals the golden actions", (name) => {
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
  const names = Object.keys(cases);

  it.each(names)("%s equals the golden losses, gradients and parameters after the step", (name) => {
    const group = golden.below(name);
    const settings = cases[name]!;
    const networks = {
      frozen: group.parameters("actor"),
      tuned: group.parameters("actor_ft"),
      critic: group.parameters("critic"),
    };
    const state = group.values("in.state");
    const rows: Transitions = group.has("in.chains")
      ? new DiffusionPolicy(settings).transitions(group.values("in.chains"), state)
      : {
          state,
          previous: group.values("in.chains_prev"),
          next: group.values("in.chains_next"),
          j: group.values("in.denoising_inds"),
        };
    const update = ppoUpdate(settings, critic, networks, {
      rows,
      state,
      oldLogProbs: group.values("in.oldlogprobs"),
      advantages: group.values("in.advantages"),
      returns: group.values("in.returns"),
      oldValues: group.values("in.oldvalues"),
      cloningNoise: settings.loss_call.use_bc_loss === true ? group.values("in.bc_noise") : undefined,
    });
    expectClose([update.policy.loss], [group.scalar("out.pg_loss")], exact, "policy loss");
    expectClose([update.policy.approxKl], [group.scalar("out.approx_kl")], { absolute: 1e-14, relative: 1e-10 }, "KL");
    expectClose([update.policy.ratio], [group.scalar("out.ratio_mean")], exact, "ratio");
    expectClose([update.policy.clipFraction], [group.scalar("out.clipfrac")], exact, "clip fraction");
    expectClose([update.cloning], [group.scalar("out.bc_loss")], exact, "cloning loss");
    expectClose([update.value], [group.scalar("out.v_loss")], exact, "value loss");
    expectClose([update.entropy], [group.scalar("out.entropy_loss")], exact, "entropy loss");
    expectClose([update.total], [group.scalar("out.loss")], exact, "total");
    expectClose([update.actorGradientNorm], [group.scalar("out.actor_grad_norm")], exact, "gradient norm");
    for (const [kind, values, tolerance] of [
      ["grad_actor_ft", update.actorGradients, exact],
      ["grad_critic", update.criticGradients, exact],
      ["post.actor_ft", update.actorAfter, afterAdam],
      ["post.critic", update.criticAfter, afterAdam],
    ] as const) {
      const expected = group.parameters(kind);
      expect([...values.keys()].sort()).toEqual([...expected.keys()].sort());
      for (const [key, got] of values) expectClose(got, expected.get(key)!, tolerance, `${kind} ${key}`);
    }
  });
});

describe("pre-training", () => {
  const golden = GoldenFile.open("dppo/pretrain");
  const cases = golden.json("cases") as Record<string, PretrainCase>;
  const names = Object.keys(cases);

  it.each(names)("%s equals the golden losses, gradients, parameters and averages", (name) => {
    const group = golden.below(name);
    const stepNames = group.groups().filter((key) => /^step\d+$/.test(key));
    const batches = stepNames.map((key) => {
      const step = group.below(key);
      return { x0: step.values("x0"), state: step.values("state"), t: step.values("t"), noise: step.values("noise") };
    });
    const steps = [...pretrain(cases[name]!, group.parameters("init"), batches)];
    for (const [k, step] of steps.entries()) {
      const expected = group.below(stepNames[k]!);
      expectClose(step.noisy, expected.values("x_noisy"), exact, "noised chunk");
      expectClose([step.loss], [expected.scalar("loss")], exact, `loss ${k}`);
    }
    const first = group.parameters("step0.grad");
    for (const [key, gradient] of steps[0]!.gradients) expectClose(gradient, first.get(key)!, exact, key);
    const last = steps.at(-1)!;
    for (const [key, values] of last.parameters) {
      expectClose(values, group.values(`after3.${key}`), afterAdam, `${key} after 3 steps`);
      expectClose(last.ema.get(key)!, group.values(`ema3.${key}`), afterAdam, `average of ${key}`);
    }
  });
});

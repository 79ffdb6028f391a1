import { describe, expect, it } from "vitest";
import { expectClose } from "../close.ts";
import { GoldenFile } from "../golden-runner/golden-file.ts";
import { criticOptions, type CriticArguments } from "../golden-runner/networks.ts";
import type { StochasticCase } from "../golden-runner/policies.ts";
import { differences } from "./finite-difference.ts";
import { gaussianSample } from "./gaussian-head.ts";
import { mixtureSample, type Mixture } from "./mixture-head.ts";
import type { Gradients } from "./mlp.ts";
import { normals } from "./random.ts";
import { gaussianMlp, mixtureMlp } from "./stochastic-mlp.ts";
import { cloningUpdate, evaluatePolicy, stochasticUpdate } from "./stochastic-policy.ts";

const exact = { relative: 1e-11 };
/** For sums that cancel: a saturated ratio leaves no loss, equal entropies leave the logits no gradient. */
const nearZero = { absolute: 1e-15, relative: 1e-11 };

function mean(values: ArrayLike<number>): number {
  return Float64Array.from(values).reduce((sum, value) => sum + value, 0) / values.length;
}

describe("Gaussian and mixture policies", () => {
  const golden = GoldenFile.open("dppo/gaussian_gmm");
  const cases = golden.json("cases") as Record<string, StochasticCase>;
  const critic = criticOptions(golden.json("critic_kwargs") as CriticArguments);
  const perceptrons = Object.keys(cases).filter((name) => cases[name]!.network.endsWith("_MLP"));

  it.each(perceptrons)("%s equals the golden outputs and cloning loss", (name) => {
    const group = golden.below(name);
    const parameters = group.parameters("actor_old");
    const state = group.values("in.state");
    const policy = evaluatePolicy(cases[name]!, parameters, state, group.values("in.true_action"));
    expectClose(policy.traced.mean, group.values("out.mean"), exact, "mean");
    expectClose(policy.traced.std, group.values("out.scale"), exact, "deviation");
    if (group.has("out.logits")) expectClose(policy.traced.logits, group.values("out.logits"), exact, "logits");
    const { loss, gradients } = cloningUpdate(policy);
    expectClose([loss], [group.scalar("out.bc_nll")], exact, "cloning loss");
    for (const [key, gradient] of gradients) expectClose(gradient, group.values(`grad_bc.${key}`), exact, key);
    expect(gradients.size).toBe(parameters.size - 2);
  });

  it.each(perceptrons)("%s equals the golden PPO losses and gradients", (name) => {
    const group = golden.below(name);
    const settings = cases[name]!;
    const state = group.values("in.state");
    const policy = evaluatePolicy(settings, group.parameters("actor"), state, group.values("in.actions"));
    const update = stochasticUpdate(settings, policy, { parameters: group.parameters("critic"), options: critic }, {
      state,
      oldLogProbs: group.values("in.oldlogprobs"),
      advantages: group.values("in.advantages"),
      returns: group.values("in.returns"),
      oldValues: group.values("in.oldvalues"),
    });
    const { loss, approxKl, clipFraction, ratio } = update.statistics;
    expectClose(policy.logProb, group.values("out.newlogprobs"), exact, "log-probabilities");
    expectClose([loss], [group.scalar("out.pg_loss")], nearZero, "policy loss");
    expectClose([approxKl], [group.scalar("out.approx_kl")], { absolute: 1e-14, relative: 1e-10 }, "KL");
    expectClose([clipFraction], [group.scalar("out.clipfrac")], exact, "clip fraction");
    expectClose([ratio], [group.scalar("out.ratio_mean")], exact, "ratio");
    expectClose([-policy.entropy], [group.scalar("out.entropy_loss")], exact, "entropy loss");
    expectClose([policy.std], [group.scalar("out.std")], exact, "reported deviation");
    expectClose([update.value], [group.scalar("out.v_loss")], exact, "value loss");
    expectClose([update.total], [group.scalar("out.loss")], exact, "total");
    for (const [key, gradient] of update.actorGradients) {
      expectClose(gradient, group.values(`grad_actor.${key}`), nearZero, key);
    }
    for (const [key, gradient] of update.criticGradients) {
      expectClose(gradient, group.values(`grad_critic.${key}`), exact, key);
    }
  });
});

describe("samples", () => {
  it("of a Gaussian stay within the clip", () => {
    expect([...gaussianSample([1, 1, 1], [0.5, 0.5, 0.5], [9, -9, 1], 3)]).toEqual([2.5, -0.5, 1.5]);
  });

  it("of a mixture come from the component that the uniform number picks", () => {
    const mixture: Mixture = { logits: [0, 0, 0, 0], mean: [-1, 1, -1, 1], std: [0.1, 0.2, 0.1, 0.2], M: 2 };
    expectClose(mixtureSample(mixture, [0.49, 0.51], [1, 2]), [-0.9, 1.4], exact);
  });

  it("of a mixture have its moments", () => {
    const count = 20_000;
    const logits = Float64Array.from({ length: 2 * count }, (_, i) => (i % 2 === 0 ? Math.log(0.25) : Math.log(0.75)));
    const ofMode = (a: number, b: number): Float64Array => logits.map((_, i) => (i % 2 === 0 ? a : b));
    const mixture: Mixture = { logits, mean: ofMode(-2, 2), std: ofMode(0.1, 0.5), M: 2 };
    const u = Float64Array.from({ length: count }, (_, i) => (i + 0.5) / count);
    const samples = mixtureSample(mixture, u, normals(count, { counter: [1, 0, 0], key: [3, 4] }));
    expect(mean(samples)).toBeCloseTo(1, 1);
    expect(mean(samples.map((x) => x * x))).toBeCloseTo(4 + 0.25 * 0.01 + 0.75 * 0.25, 1);
  });
});

describe("predicted deviations", () => {
  const options = {
    actionDim: 2,
    horizon: 2,
    condDim: 3,
    hidden: [4, 4],
    activation: "mish",
    tanhOutput: true,
    layerNorm: false,
    residual: false,
    std: "predicted",
    logvarLow: Math.log(0.3 ** 2),
    logvarHigh: Math.log(1.5 ** 2),
    modeCount: 3,
  } as const;

  it.each([
    ["Gaussian", gaussianMlp, ["mlp_base", "mlp_mean", "mlp_logvar"]],
    ["mixture", mixtureMlp, ["mlp_mean", "mlp_weights", "mlp_logvar"]],
  ] as const)("of a %s have the gradients of their differences", (kind, network, names) => {
    let stream = 0;
    const random = (count: number): Float64Array => normals(count, { counter: [stream++, 0, 0], key: [5, 6] });
    const parameters = new Map<string, Float64Array>();
    for (const name of names) {
      const isHead = kind === "Gaussian" && name !== "mlp_base";
      const output = name === "mlp_weights" ? 3 : kind === "mixture" ? 12 : 4;
      const dims = isHead ? [4, output] : name === "mlp_base" ? [3, 4, 4] : [3, 4, 4, output];
      for (let i = 0; i + 1 < dims.length; i++) {
        parameters.set(`${name}.moduleList.${i}.linear_1.weight`, random(dims[i]! * dims[i + 1]!));
        parameters.set(`${name}.moduleList.${i}.linear_1.bias`, random(dims[i + 1]!));
      }
    }
    const state = random(2 * 3);
    const shape = network(parameters, options, state);
    const [dmean, dstd, dlogits] = [shape.mean, shape.std, shape.logits].map((of) => random(of.length)) as [
      Float64Array,
      Float64Array,
      Float64Array,
    ];
    const dot = (a: Float64Array, b: Float64Array): number => a.reduce((sum, value, i) => sum + value * b[i]!, 0);
    const project = (): number => {
      const { mean: m, std, logits } = network(parameters, options, state);
      return dot(m, dmean) + dot(std, dstd) + dot(logits, dlogits);
    };
    const gradients: Gradients = new Map();
    shape.backward({ dmean, dstd, dlogits }, gradients);
    for (const [name, values] of parameters) {
      expectClose(gradients.get(name)!, differences(project, values), { relative: 1e-7, absolute: 1e-8 }, name);
    }
  });
});

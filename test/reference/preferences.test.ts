import { describe, expect, it } from "vitest";
import { denoisingSteps } from "../../src/diffusion/schedule.ts";
import { expectClose } from "../close.ts";
import { GoldenFile } from "../golden-runner/golden-file.ts";
import { activations } from "./activations.ts";
import { binaryEntropy, bradleyTerry, disagreement, preferenceAccuracy, type TieRule } from "./bradley-terry.ts";
import { denoiseMean, denoiseMeanBackward, type StepOptions } from "./denoise-step.ts";
import { fdppUpdate, samplerNamed, type FdppOptions } from "./fdpp.ts";
import { diagonalGaussianKl, gaussianKl, gaussianKlBackward } from "./gaussian-kl.ts";
import { activationLayer, linearLayer, sequence, type Gradients, type Layer } from "./mlp.ts";

const exact = { relative: 1e-11 };

describe("Bradley-Terry on given scores", () => {
  const golden = GoldenFile.open("alignment/bt_scalar");
  const r0 = golden.values("r0");
  const r1 = golden.values("r1");
  const y = golden.values("y");
  const modes = golden.names().flatMap((name) => /^(.+)\.loss$/.exec(name)?.[1] ?? []);

  function ruleNamed(name: string): TieRule {
    if (name === "davidson") return { kind: "davidson", logNu: golden.scalar("davidson.log_nu") };
    const smoothing = Number(/_smooth(.+)$/.exec(name)?.[1] ?? 0);
    return { kind: name.startsWith("half") ? "half" : "drop", smoothing };
  }

  it("has golden modes to compare with", () => expect(modes.length).toBeGreaterThanOrEqual(4));
  it.each(modes)("equals the golden loss and gradients of mode %s", (mode) => {
    const { loss, dr0, dr1, dlogNu } = bradleyTerry(r0, r1, y, ruleNamed(mode));
    expectClose([loss], [golden.scalar(`${mode}.loss`)], exact, "loss");
    expectClose(dr0, golden.values(`${mode}.grad_r0`), exact, "gradient of r0");
    expectClose(dr1, golden.values(`${mode}.grad_r1`), exact, "gradient of r1");
    if (mode === "davidson") expectClose([dlogNu], [golden.scalar("davidson.grad_log_nu")], exact, "gradient of ln nu");
  });

  it("equals the golden probabilities and accuracy", () => {
    const p = Float64Array.from(r0, (value, i) => activations.softplus.slope(r1[i]! - value));
    expectClose(p, golden.values("p_1_over_0"), exact);
    expectClose([preferenceAccuracy(r0, r1, y)], [golden.scalar("accuracy_nontie")], exact);
  });
});

describe("Bradley-Terry on an ensemble", () => {
  const golden = GoldenFile.open("alignment/bt_ensemble");
  const [pairs, H, D] = golden.shape("s0") as [number, number, number];
  const y = golden.values("y");
  const members = golden.groups().filter((name) => /^member\d+$/.test(name));
  const differences: Float64Array[] = [];

  function memberNet(member: string): Layer {
    const parameters = golden.parameters(member);
    const sizes = [D, ...[0, 1, 2].map((layer) => golden.shape(`${member}.${layer}.bias`)[0]!)];
    return sequence([
      linearLayer(parameters, "0", sizes[0]!, sizes[1]!),
      activationLayer("leakyRelu"),
      linearLayer(parameters, "1", sizes[1]!, sizes[2]!),
      activationLayer("leakyRelu"),
      linearLayer(parameters, "2", sizes[2]!, sizes[3]!),
      activationLayer("tanh"),
    ]);
  }

  const stateRewards = new Float64Array(pairs * H);
  for (const [m, member] of members.entries()) {
    it(`equals the golden scores, loss and gradients of ${member}`, () => {
      const net = memberNet(member);
      const [first, second] = [net(golden.values("s0")), net(golden.values("s1"))];
      const score = (rewards: Float64Array): Float64Array =>
        Float64Array.from({ length: pairs }, (_, i) => rewards.subarray(i * H, (i + 1) * H).reduce((a, b) => a + b, 0));
      const R0 = score(first.output);
      const R1 = score(second.output);
      expectClose(R0, golden.values("R0").subarray(m * pairs, (m + 1) * pairs), exact, "R0");
      expectClose(R1, golden.values("R1").subarray(m * pairs, (m + 1) * pairs), exact, "R1");
      const { loss, dr0, dr1 } = bradleyTerry(R0, R1, y, { kind: "half", smoothing: 0 });
      expectClose([loss], [golden.values("loss_member")[m]!], exact, "loss");
      const gradients: Gradients = new Map();
      const spread = (d: Float64Array): Float64Array => Float64Array.from({ length: pairs * H }, (_, i) => d[Math.floor(i / H)]!);
      first.backward(spread(dr0), gradients);
      second.backward(spread(dr1), gradients);
      for (const [key, gradient] of gradients) expectClose(gradient, golden.values(`grad.${member}.${key}`), exact, key);
      differences.push(R1.map((value, i) => value - R0[i]!));
      for (let i = 0; i < stateRewards.length; i++) stateRewards[i]! += first.output[i]! / members.length;
    });
  }

  it("equals the golden probabilities, disagreement and entropies", () => {
    expect(differences).toHaveLength(members.length);
    const p = differences.map((d) => d.map(activations.softplus.slope));
    expectClose(p.flatMap((member) => [...member]), golden.values("prob_1_over_0"), exact, "probabilities");
    expectClose(disagreement(differences), golden.values("disagreement"), exact, "disagreement");
    const mean = (f: (i: number, m: number) => number): number[] =>
      Array.from({ length: pairs }, (_, i) => members.reduce((sum, __, m) => sum + f(i, m) / members.length, 0));
    expectClose(mean((i, m) => binaryEntropy(p[m]![i]!)), golden.values("entropy_mean"), exact, "mean entropy");
    const entropyOfMean = mean((i, m) => p[m]![i]!).map(binaryEntropy);
    expectClose(entropyOfMean, golden.values("entropy_of_mean"), exact, "entropy of the mean");
    expectClose(stateRewards, golden.values("state_reward_s0"), exact, "state rewards");
  });
});

describe("Gaussian KL of denoising steps", () => {
  const golden = GoldenFile.open("alignment/kl_step");
  const floor = Number(golden.text("sigma_floor"));
  const cases = golden.names().flatMap((name) => /^(dd.+)\.x_k$/.exec(name)?.[1] ?? []);

  it.each(cases)("equals the golden means, divergence and gradient of %s", (name) => {
    const group = golden.below(name);
    const { K, sampler } = samplerNamed(name);
    const steps = denoisingSteps(K, sampler);
    const [, B, C] = group.shape("x_k") as [number, number, number];
    const clip = /\.clip(.+)$/.exec(name)?.[1];
    const options: StepOptions = {
      sampler: sampler.kind,
      prediction: "noise",
      x0Clip: clip === undefined ? null : Number(clip),
      noiseClip: null,
    };
    const at = (tensor: string, i: number): Float64Array => group.values(tensor).subarray(i * B * C, (i + 1) * B * C);
    for (const [i, step] of steps.entries()) {
      const x = at("x_k", i);
      const mean = denoiseMean(x, at("eps", i), step, options);
      const reference = denoiseMean(x, at("eps_pre", i), step, options);
      expectClose(mean, at("mu", i), exact, `mean of step ${i}`);
      expectClose(reference, at("mu_pre", i), exact, `frozen mean of step ${i}`);
      const std = Math.max(step.std, floor);
      expectClose([std], [group.values("sigma_floored")[i]!], exact, "floored deviation");
      const kl = gaussianKl(mean, reference, () => std, C);
      expectClose(kl, group.values("kl").subarray(i * B, (i + 1) * B), exact, `divergence of step ${i}`);
      const dmean = gaussianKlBackward(() => 1, mean, reference, () => std, C);
      const doutput = denoiseMeanBackward(dmean, x, at("eps", i), step, options);
      expectClose(doutput, at("grad_eps_sum_kl", i), exact, `gradient of step ${i}`);
    }
  });

  it("equals the golden divergence of unequal deviations", () => {
    const C = golden.shape("general.mu_p")[1]!;
    const [meanP, meanQ, logStdP, logStdQ] = ["mu_p", "mu_q", "logstd_p", "logstd_q"].map((name) =>
      golden.values(`general.${name}`),
    ) as [Float64Array, Float64Array, Float64Array, Float64Array];
    expectClose(diagonalGaussianKl(meanP, logStdP, meanQ, logStdQ, C), golden.values("general.kl_pq"), exact);
  });
});

describe.each(["fdpp_exact", "fdpp_compat"])("%s", (file) => {
  it("equals the golden policy loss, divergence and gradients", () => {
    const golden = GoldenFile.open(`alignment/${file}`);
    const setting = (name: string): number => Number(golden.text(name));
    const hidden = golden.shape("theta.mlp_mean.layers.0.bias")[0]!;
    const options: FdppOptions = {
      network: {
        actionDim: golden.shape("chain")[2]!,
        horizon: 1,
        condDim: golden.shape("cond")[1]!,
        timeDim: golden.shape("theta.time_embedding.1.weight")[1]!,
        hidden: [hidden, hidden, hidden],
        condHidden: [],
        activation: "mish",
        outputActivation: "identity",
        layerNorm: false,
        residual: true,
      },
      ...samplerNamed(golden.text("sampler")!),
      floor: setting("pfloor"),
      x0Clip: golden.text("clip") === "None" ? null : setting("clip"),
      reduction: golden.text("red") === "sum" ? "sum" : "mean",
      isClamped: golden.text("clamp") === "True",
      denoisingDiscount: setting("g"),
      ratioClip: setting("eps"),
      klWeight: setting("alpha"),
    };
    const networks = {
      theta: golden.parameters("theta"),
      pretrained: golden.parameters("theta_pre"),
      old: golden.parameters("theta_old"),
    };
    const update = fdppUpdate(networks, golden.values("cond"), golden.values("chain"), golden.values("advantage"), options);
    expectClose(update.mean, golden.values("mu"), exact, "means");
    expectClose(update.pretrainedMean, golden.values("mu_pre"), exact, "frozen means");
    expectClose(update.logProb, golden.values("logprob"), exact, "log-probabilities");
    expectClose(update.oldLogProb, golden.values("old_logprob"), exact, "old log-probabilities");
    expectClose(update.kl, golden.values("kl_per_step"), exact, "divergence");
    expectClose([update.statistics.loss], [golden.scalar("pg_loss")], exact, "policy loss");
    expectClose([update.statistics.clipFraction], [golden.scalar("clip_fraction")], exact, "clip fraction");
    expectClose([update.klTerm], [golden.scalar("kl_term")], exact, "divergence term");
    expectClose([update.total], [golden.scalar("total_loss")], exact, "total");
    const expected = golden.parameters("grad");
    expect([...update.gradients.keys()].sort()).toEqual([...expected.keys()].sort());
    for (const [key, gradient] of update.gradients) expectClose(gradient, expected.get(key)!, exact, key);
  });
});

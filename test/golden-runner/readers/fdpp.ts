import { DiffusionProcess } from "../../../src/diffusion/process.ts";
import type { Tensor } from "../../../src/engine/tensor.ts";
import { createDiffusionMlp } from "../../../src/nn/diffusion-mlp.ts";
import { chainObjective } from "../../../src/rl/objective.ts";
import { ppoUpdateStatistics } from "../../../src/rl/ppo-update.ts";
import { samplerNamed } from "../../reference/fdpp.ts";
import { clampLogProb, logProbRange } from "../../reference/ppo-loss.ts";
import { denoiserOptions } from "../package-options.ts";
import type { Reader } from "../reader.ts";
import { Session } from "../session.ts";
import { tolerances } from "../tolerances.ts";

/** `fdpp_exact`, `fdpp_compat`: clipped policy loss over whole chains plus the weighted divergence from the frozen policy, by the objective that the learner has. */
export const readFdpp: Reader = async (golden, device, comparison) => {
  const setting = (name: string): number => Number(golden.text(name));
  const { K, sampler } = samplerNamed(golden.text("sampler")!);
  const [samples, , width] = golden.shape("chain") as [number, number, number];
  const hidden = golden.shape("theta.mlp_mean.layers.0.bias")[0]!;
  const denoiser = createDiffusionMlp(
    denoiserOptions({
      action_dim: width, horizon_steps: 1, cond_dim: golden.shape("cond")[1]!,
      time_dim: golden.shape("theta.time_embedding.1.weight")[1]!,
      mlp_dims: [hidden, hidden, hidden], activation_type: "Mish", residual_style: true,
    }),
  );
  const { layout } = denoiser;
  const process = new DiffusionProcess({
    denoisingSteps: K,
    sampler,
    x0Clip: golden.text("clip") === "None" ? null : setting("clip"),
    minLogProbStd: setting("pfloor"),
  });
  const n = process.stepCount;
  const range = golden.text("clamp") === "True" ? logProbRange : null;
  const reduction = golden.text("red") === "sum" ? "sum" : "mean";

  await Session.with(device, async (session) => {
    const tables = session.ownTables(process.tables(device));
    const model = { denoiser, process, tables, tunedSteps: n, actionSize: width };
    const load = (name: string) => session.floats(layout.load(golden.tensors(name)), name);
    const [theta, pretrained, old] = [load("theta"), load("theta_pre"), load("theta_old")];
    const gradients = session.zeros(layout.length, "gradients");
    const rows = samples * n;
    const identity = session.words(Array.from({ length: rows }, (_, at) => at), "order");
    const numbers = (length: number, label: string) => session.zeros(length, label);
    const rollout = (label: string) => ({
      states: session.floats(golden.values("cond"), "states"),
      chains: session.floats(golden.values("chain"), "chains"),
      oldLogProbs: numbers(rows * width, `log-probabilities of ${label}`),
      advantages: session.floats(golden.values("advantage"), "advantages"),
      returns: numbers(samples, "returns"),
      oldValues: numbers(samples, "values"),
      permutation: session.words(Array.from({ length: samples }, (_, at) => at), "samples"),
      frozen: { outputs: numbers(rows * width, `means beside ${label}`), divergences: numbers(rows, `divergences of ${label}`) },
    });
    const [before, tuned] = [rollout("the old policy"), rollout("the tuned policy")];
    const statistics = session.zeros(ppoUpdateStatistics.length, "statistics");
    const objective = (frozen: Tensor) => chainObjective(model, {
      updateForm: "chain",
      clip: { first: setting("eps"), last: setting("eps"), rate: 0 },
      denoisingDiscount: setting("g"),
      rewardHorizon: 1,
      normalizeAdvantages: false,
      logProbRange: range,
      reduction,
      divergence: "kernels",
    }, { rows: samples, frozen, seed: 0 });
    await session.run((program) => {
      objective(pretrained).recordOld(program, old, before, identity, rows);
      // What the tuned policy's own means are, seen as those of a frozen one.
      objective(theta).recordOld(program, pretrained, tuned, identity, rows);
    });
    const tunedMean = (await session.read(tuned.frozen.outputs)).slice();
    await session.run((program) => { objective(pretrained).recordOld(program, theta, tuned, identity, rows); });
    const loss = await session.record((program) => {
      const { moveTo, weighDivergence } = objective(pretrained).recordLoss(program, before, { actor: { values: theta, gradients }, critic: undefined, statistics }, samples);
      moveTo(0);
      // The file's weight is that of the sum over a chain, the objective's that of the mean over its steps.
      weighDivergence(setting("alpha") * n);
    });
    loss.run();
    const { loss: lossLimit, logProb, gradient, forward, divergence } = tolerances.alignment;
    comparison.add("mean", tunedMean, golden.values("mu"), forward, "tuned");
    comparison.add("mean", await session.read(before.frozen.outputs), golden.values("mu_pre"), forward, "frozen");
    const rowLogProb = (elements: Float32Array): Float64Array =>
      Float64Array.from({ length: rows }, (_, r) => {
        const row = Array.from(elements.subarray(r * width, (r + 1) * width), (value) => (range === null ? value : clampLogProb(value)));
        return row.reduce((sum, value) => sum + value, 0) / (reduction === "sum" ? 1 : width);
      });
    comparison.add("log-probabilities", rowLogProb(await session.read(tuned.oldLogProbs)), golden.values("logprob"), logProb, "tuned");
    comparison.add("log-probabilities", rowLogProb(await session.read(before.oldLogProbs)), golden.values("old_logprob"), logProb, "old");
    comparison.add("divergence", await session.read(tuned.frozen.divergences), golden.values("kl_per_step"), divergence, "every step");
    const measured = await session.read(statistics);
    const statistic = (name: (typeof ppoUpdateStatistics)[number]): number => measured[ppoUpdateStatistics.indexOf(name)]!;
    const klTerm = statistic("divergence") * n;
    const policyLoss = statistic("policyLoss");
    comparison.add("policy loss", [policyLoss], golden.values("pg_loss"), lossLimit, "pg_loss");
    comparison.add("divergence term", [klTerm], golden.values("kl_term"), lossLimit, "kl_term");
    comparison.add("total loss", [policyLoss + setting("alpha") * klTerm], golden.values("total_loss"), lossLimit, "total_loss");
    // No published sample sits closer than 3e-4 to the edge of the clip range: 32 bits take the same branches.
    comparison.add("clip fraction", [statistic("clipFraction")], golden.values("clip_fraction"), { kind: "absolute", limit: 1e-6 }, "clip_fraction");
    const got = await session.readByName(layout, gradients);
    comparison.addGradients("parameter gradient", got, golden.parameters("grad"), gradient, "theta");
  });
};

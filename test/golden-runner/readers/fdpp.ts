import { DiffusionProcess } from "../../../src/diffusion/process.ts";
import { forwardLikelihood, inferLikelihood } from "../../../src/diffusion/likelihood.ts";
import { lossStatistics } from "../../../src/kernels/rl/loss-statistics.ts";
import { ppoLoss, ppoSchedule, ppoStatistics } from "../../../src/kernels/rl/ppo-loss.ts";
import { createDiffusionMlp } from "../../../src/nn/diffusion-mlp.ts";
import { samplerNamed } from "../../reference/fdpp.ts";
import { clampLogProb, logProbRange } from "../../reference/ppo-loss.ts";
import { denoiserOptions } from "../package-options.ts";
import type { Reader } from "../reader.ts";
import { Session } from "../session.ts";
import { tolerances } from "../tolerances.ts";
import { chainTransitions } from "./sampling.ts";

/** `fdpp_exact`, `fdpp_compat`: clipped policy loss over whole chains plus the weighted divergence from the frozen policy. */
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
    const load = (name: string) => session.floats(layout.load(golden.tensors(name)), name);
    const [theta, pretrained, old] = [load("theta"), load("theta_pre"), load("theta_old")];
    const gradients = session.zeros(layout.length, "gradients");
    const given = { chain: golden.values("chain"), state: golden.values("cond") };
    const { transitions, rows } = chainTransitions(session, process.stepCount, n, width, given);
    const advantages = session.floats(golden.values("advantage"), "advantages");
    const clip = { first: setting("eps"), last: setting("eps"), rate: 0 };
    const schedule = session.floats(ppoSchedule(n, clip, setting("g")), "clip schedule");
    const statistics = session.zeros(ppoStatistics.length, "statistics");
    const kept = await session.run((program) => {
      const before = inferLikelihood(program, denoiser, process, tables, old, transitions, rows);
      const frozen = inferLikelihood(program, denoiser, process, tables, pretrained, transitions, rows);
      const tape = forwardLikelihood(program, denoiser, process, tables, theta, gradients, transitions, rows);
      const dLogProb = program.temporary([rows, width], "log-probability gradient");
      const partials = ppoLoss(program, { newLogProb: tape.logProb, oldLogProb: before.logProb, advantages, schedule, dlogp: dLogProb }, {
        rows, width, counted: width, tunedSteps: n, updateForm: "chain", normalizeAdvantages: false, clampToQuantiles: false,
        advantageLimit: null, logProbRange: range, reduction, clampOrder: "clampFirst",
      });
      lossStatistics(program, partials, { statistics }, { at: 0 });
      const kl = tape.divergence(frozen.mean, setting("alpha") / samples);
      const results = {
        kl: session.keep(program, kl),
        mean: session.keep(program, tape.mean),
        frozenMean: session.keep(program, frozen.mean),
        logProb: session.keep(program, tape.logProb),
        oldLogProb: session.keep(program, before.logProb),
      };
      tape.backward(dLogProb);
      return results;
    });
    const { loss, logProb, gradient, forward, divergence } = tolerances.alignment;
    comparison.add("mean", await session.read(kept.mean), golden.values("mu"), forward, "tuned");
    comparison.add("mean", await session.read(kept.frozenMean), golden.values("mu_pre"), forward, "frozen");
    const rowLogProb = (elements: Float32Array): Float64Array =>
      Float64Array.from({ length: rows }, (_, r) => {
        const row = Array.from(elements.subarray(r * width, (r + 1) * width), (value) => (range === null ? value : clampLogProb(value)));
        return row.reduce((sum, value) => sum + value, 0) / (reduction === "sum" ? 1 : width);
      });
    comparison.add("log-probabilities", rowLogProb(await session.read(kept.logProb)), golden.values("logprob"), logProb, "tuned");
    comparison.add("log-probabilities", rowLogProb(await session.read(kept.oldLogProb)), golden.values("old_logprob"), logProb, "old");
    const divergences = await session.read(kept.kl);
    comparison.add("divergence", divergences, golden.values("kl_per_step"), divergence, "every step");
    const klTerm = divergences.reduce((sum, value) => sum + value, 0) / samples;
    const [policyLoss, , clipFraction] = (await session.read(statistics)) as unknown as [number, number, number];
    comparison.add("policy loss", [policyLoss], golden.values("pg_loss"), loss, "pg_loss");
    comparison.add("divergence term", [klTerm], golden.values("kl_term"), loss, "kl_term");
    comparison.add("total loss", [policyLoss + setting("alpha") * klTerm], golden.values("total_loss"), loss, "total_loss");
    // No published sample sits closer than 3e-4 to the edge of the clip range: 32 bits take the same branches.
    comparison.add("clip fraction", [clipFraction], golden.values("clip_fraction"), { kind: "absolute", limit: 1e-6 }, "clip_fraction");
    const got = await session.readByName(layout, gradients);
    comparison.addGradients("parameter gradient", got, golden.parameters("grad"), gradient, "theta");
  });
};

import type { Device } from "../../../src/engine/device.ts";
import { advantageStatistics, advantageStatisticsLength } from "../../../src/kernels/rl/advantage-statistics.ts";
import { lossStatistics } from "../../../src/kernels/rl/loss-statistics.ts";
import { ppoLoss, ppoSchedule, ppoStatistics } from "../../../src/kernels/rl/ppo-loss.ts";
import { forwardDensity, inferDensity, recordLikelihoodLoss } from "../../../src/nn/density.ts";
import { createStochasticMlp } from "../../../src/nn/stochastic-mlp.ts";
import { clampLogProb, logProbRange } from "../../reference/ppo-loss.ts";
import type { GoldenComparison } from "../comparison.ts";
import type { GoldenFile } from "../golden-file.ts";
import type { CriticArguments } from "../networks.ts";
import { stochasticOptions } from "../package-options.ts";
import type { StochasticCase } from "../policies.ts";
import type { Reader } from "../reader.ts";
import { Session } from "../session.ts";
import { tolerances } from "../tolerances.ts";
import { criticUpdate } from "./critic.ts";

/** `gaussian_gmm`: heads and cloning loss at `actor_old`, one PPO update (spec 9.5) at `actor`. */
export const readStochastic: Reader = async (golden, device, comparison) => {
  const cases = golden.json("cases") as Record<string, StochasticCase>;
  const critic = golden.json("critic_kwargs") as CriticArguments;
  for (const [name, settings] of Object.entries(cases)) {
    if (settings.network !== "Gaussian_MLP" && settings.network !== "GMM_MLP") {
      comparison.unread(name, `the package has no reader for the network ${settings.network}`);
      continue;
    }
    const group = golden.below(name);
    await compareCloning(group, settings, device, comparison, name);
    await compareUpdate(group, settings, critic, device, comparison, name);
  }
};

function mean(values: ArrayLike<number>): number {
  return Array.from(values).reduce((sum, value) => sum + value, 0) / values.length;
}

async function compareCloning(
  group: GoldenFile,
  settings: StochasticCase,
  device: Device,
  comparison: GoldenComparison,
  place: string,
): Promise<void> {
  const policy = createStochasticMlp(stochasticOptions(settings));
  const { layout } = policy;
  const rows = group.shape("in.state")[0]!;
  await Session.with(device, async (session) => {
    const values = session.floats(layout.load(group.tensors("actor_old")), "policy");
    const gradients = session.zeros(layout.length, "gradients");
    const state = session.floats(group.values("in.state"), "state");
    const chunks = session.floats(group.values("in.true_action"), "chunks");
    const result = session.zeros(1, "cloning loss");
    const kept = await session.run((program) => {
      const { mean, logStd, logits } = inferDensity(program, policy, values, { state, chunks }, rows).head;
      const outputs = {
        mean: session.keep(program, mean),
        logStd: session.keep(program, logStd),
        logits: logits && session.keep(program, logits),
      };
      recordLikelihoodLoss(program, policy, { values, gradients, state, chunks, loss: result }, { rows });
      return outputs;
    });
    const { networkOutput, forward } = tolerances.dppo;
    comparison.add("mean", await session.read(kept.mean), group.values("out.mean"), networkOutput, place);
    const std = (await session.read(kept.logStd)).map(Math.exp);
    comparison.add("deviation", std, group.values("out.scale"), networkOutput, place);
    if (kept.logits !== undefined) {
      comparison.add("logits", await session.read(kept.logits), group.values("out.logits"), networkOutput, place);
    }
    comparison.add("cloning loss", await session.read(result), group.values("out.bc_nll"), forward, place);
    const got = await session.readByName(layout, gradients);
    comparison.addGradients("cloning gradient", got, group.parameters("grad_bc"), tolerances.dppo.gradient, place);
  });
}

async function compareUpdate(
  group: GoldenFile,
  settings: StochasticCase,
  critic: CriticArguments,
  device: Device,
  comparison: GoldenComparison,
  place: string,
): Promise<void> {
  const policy = createStochasticMlp(stochasticOptions(settings));
  const { layout } = policy;
  const rows = group.shape("in.state")[0]!;
  const { loss, statistic, logProb, actorGradient, criticGradient, forward } = tolerances.dppo;
  await Session.with(device, async (session) => {
    const values = session.floats(layout.load(group.tensors("actor")), "policy");
    const gradients = session.zeros(layout.length, "gradients");
    const state = session.floats(group.values("in.state"), "state");
    const chunks = session.floats(group.values("in.actions"), "chunks");
    const advantages = session.floats(group.values("in.advantages"), "advantages");
    const oldLogProb = session.floats(group.values("in.oldlogprobs"), "old log-probabilities");
    const clip = settings.clip_ploss_coef;
    const schedule = session.floats(ppoSchedule(1, { first: clip, last: clip, rate: 0 }, 1), "clip schedule");
    const statistics = session.zeros(advantageStatisticsLength, "advantage statistics");
    const results = session.zeros(ppoStatistics.length, "loss statistics");
    const kept = await session.run((program) => {
      advantageStatistics(program, { advantages, statistics }, { count: rows, quantiles: null });
      const tape = forwardDensity(program, policy, values, gradients, { state, chunks }, rows);
      const dlogp = program.temporary([rows], "log-density gradient");
      const partials = ppoLoss(program, { newLogProb: tape.logProb, oldLogProb, advantages, schedule, statistics, dlogp }, {
        rows, width: 1, counted: 1, tunedSteps: 1, updateForm: "step", normalizeAdvantages: true, clampToQuantiles: false,
        advantageLimit: null, logProbRange, reduction: "mean", clampOrder: "reduceFirst",
      });
      lossStatistics(program, partials, { statistics: results }, { at: 0 });
      const outputs = {
        logProb: session.keep(program, tape.logProb),
        entropy: session.keep(program, tape.entropy),
        spread: tape.spread && session.keep(program, tape.spread),
        logStd: session.keep(program, tape.head.logStd),
      };
      tape.backward(dlogp, -settings.ent_coef / rows);
      return outputs;
    });
    const logProbs = (await session.read(kept.logProb)).map(clampLogProb);
    comparison.add("log-probabilities", logProbs, group.values("out.newlogprobs").map(clampLogProb), logProb, place);
    const [policyLoss, kl, clipFraction, ratio] = (await session.read(results)) as unknown as [number, number, number, number];
    comparison.add("policy loss", [policyLoss], group.values("out.pg_loss"), statistic, place);
    comparison.add("KL", [kl], group.values("out.approx_kl"), statistic, place);
    comparison.add("clip fraction", [clipFraction], group.values("out.clipfrac"), { kind: "absolute", limit: 1.5 / rows }, place);
    comparison.add("ratio", [ratio], group.values("out.ratio_mean"), forward, place);
    const entropy = mean(await session.read(kept.entropy));
    comparison.add("entropy loss", [-entropy], group.values("out.entropy_loss"), tolerances.dppo.forwardAbsolute, place);
    const spread = kept.spread === undefined ? (await session.read(kept.logStd)).map(Math.exp) : await session.read(kept.spread);
    comparison.add("reported deviation", [mean(spread)], group.values("out.std"), forward, place);
    const got = await session.readByName(layout, gradients);
    comparison.addGradients("actor gradient", got, group.parameters("grad_actor"), actorGradient, place);

    const value = await criticUpdate(session, group, critic, settings.clip_vloss_coef, settings.vf_coef);
    comparison.add("value loss", [value.loss], group.values("out.v_loss"), forward, place);
    const total = policyLoss - settings.ent_coef * entropy + settings.vf_coef * value.loss;
    comparison.add("total loss", [total], group.values("out.loss"), loss, place);
    const gradientOfCritic = await session.readByName(value.layout, session.floats(value.gradient, "critic gradient"));
    comparison.addGradients("critic gradient", gradientOfCritic, group.parameters("grad_critic"), criticGradient, place);
  });
}

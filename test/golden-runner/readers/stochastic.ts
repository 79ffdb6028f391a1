import type { Device } from "../../../src/engine/device.ts";
import type { ProgramRecorder } from "../../../src/engine/program.ts";
import type { Tensor } from "../../../src/engine/tensor.ts";
import {
  gaussianDensity,
  gaussianDensityBackward,
  mixtureDensity,
  mixtureDensityBackward,
} from "../../../src/kernels/nn/stochastic-heads.ts";
import { advantageStatistics, advantageStatisticsLength } from "../../../src/kernels/rl/advantage-statistics.ts";
import { cloningLoss } from "../../../src/kernels/rl/cloning-loss.ts";
import { lossStatistics } from "../../../src/kernels/rl/loss-statistics.ts";
import { ppoLoss, ppoSchedule, ppoStatistics } from "../../../src/kernels/rl/ppo-loss.ts";
import { createStochasticMlp, type PolicyTape, type StochasticMlp } from "../../../src/nn/stochastic-mlp.ts";
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

/** A recorded density of actions [rows, H·A] under a policy, and the way back to its parameters. */
interface DensityTape {
  readonly head: PolicyTape;
  /** One a row: the mean over the chunk of a Gaussian, the joint log-density of a mixture. */
  readonly logProb: Tensor;
  /** One a row. */
  readonly entropy: Tensor;
  /** Mean deviation of a row's mixture; undefined for a Gaussian. */
  readonly spread: Tensor | undefined;
  /** `dEntropy` is the gradient of every row's entropy. */
  backward(dLogProb: Tensor, dEntropy: number): void;
}

function recordDensity(
  program: ProgramRecorder,
  policy: StochasticMlp,
  tensors: { readonly values: Tensor; readonly gradients: Tensor; readonly state: Tensor; readonly actions: Tensor },
  rows: number,
): DensityTape {
  const head = policy.forward(program, tensors.values, tensors.gradients, tensors.state, rows);
  const { mean, logStd, logits } = head;
  const x = tensors.actions;
  const width = policy.horizon * policy.actionSize;
  const all = policy.components * width;
  const logProb = program.temporary([rows], "log-density");
  const entropy = program.temporary([rows], "entropy");
  const dMean = program.temporary([rows, all], "mean gradient");
  const dLogStd = program.temporary([rows, all], "log deviation gradient");
  if (logits === undefined) {
    const shape = { rows, width, scale: 1 / width };
    gaussianDensity(program, { x, mean, logStd, logProb, entropy }, shape);
    return {
      head, logProb, entropy, spread: undefined,
      backward: (dLogProb, dEntropy) => {
        gaussianDensityBackward(program, { x, mean, logStd, dLogProb, dMean, dLogStd }, { ...shape, dEntropy });
        head.backward({ dMean, dLogStd });
      },
    };
  }
  const spread = program.temporary([rows], "spread");
  const dLogits = program.temporary([rows, policy.components], "logit gradient");
  const shape = { rows, width, components: policy.components };
  mixtureDensity(program, { x, logits, mean, logStd, logProb, entropy, spread }, shape);
  return {
    head, logProb, entropy, spread,
    backward: (dLogProb, dEntropy) => {
      mixtureDensityBackward(program, { x, logits, mean, logStd, dLogProb, dLogits, dMean, dLogStd }, { ...shape, dEntropy });
      head.backward({ dMean, dLogStd, dLogits });
    },
  };
}

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
    const actions = session.floats(group.values("in.true_action"), "actions");
    const result = session.zeros(1, "cloning loss");
    const kept = await session.run((program) => {
      const inferred = policy.infer(program, values, state, rows);
      const inferredMean = session.keep(program, inferred.mean);
      const tape = recordDensity(program, policy, { values, gradients, state, actions }, rows);
      const dlogp = program.temporary([rows], "log-density gradient");
      const partials = cloningLoss(program, { logp: tape.logProb, dlogp }, { count: rows, logProbRange: null, gradientScale: 1 });
      lossStatistics(program, partials, { statistics: result }, { at: 0 });
      const { logits } = tape.head;
      const outputs = {
        inferredMean,
        mean: session.keep(program, tape.head.mean),
        logStd: session.keep(program, tape.head.logStd),
        logits: logits && session.keep(program, logits),
      };
      tape.backward(dlogp, 0);
      return outputs;
    });
    const { networkOutput, forward } = tolerances.dppo;
    comparison.add("mean", await session.read(kept.mean), group.values("out.mean"), networkOutput, place);
    comparison.add("mean", await session.read(kept.inferredMean), group.values("out.mean"), networkOutput, `${place}, inferred`);
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
    const actions = session.floats(group.values("in.actions"), "actions");
    const advantages = session.floats(group.values("in.advantages"), "advantages");
    const oldLogProb = session.floats(group.values("in.oldlogprobs"), "old log-probabilities");
    const clip = settings.clip_ploss_coef;
    const schedule = session.floats(ppoSchedule(1, { first: clip, last: clip, rate: 0 }, 1), "clip schedule");
    const statistics = session.zeros(advantageStatisticsLength, "advantage statistics");
    const results = session.zeros(ppoStatistics.length, "loss statistics");
    const kept = await session.run((program) => {
      advantageStatistics(program, { advantages, statistics }, { count: rows, quantiles: null });
      const tape = recordDensity(program, policy, { values, gradients, state, actions }, rows);
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

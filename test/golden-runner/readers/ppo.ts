import { recordSampling } from "../../../src/diffusion/sampling.ts";
import type { Device } from "../../../src/engine/device.ts";
import type { Tensor } from "../../../src/engine/tensor.ts";
import { adamStateLength, adamw } from "../../../src/kernels/optim/adamw.ts";
import { gradientNorm, gradientNormLength } from "../../../src/kernels/optim/gradient-norm.ts";
import { createCritic } from "../../../src/nn/critic.ts";
import type { Denoiser } from "../../../src/nn/denoiser.ts";
import type { ParameterLayout } from "../../../src/nn/parameters.ts";
import { ppoUpdateStatistics, recordPpoLoss, type PpoBatch, type PpoModel, type PpoOptions } from "../../../src/rl/ppo-update.ts";
import type { GoldenComparison } from "../comparison.ts";
import type { GoldenFile } from "../golden-file.ts";
import type { CriticArguments } from "../networks.ts";
import { criticOptionsOf, denoiserOf, processOf } from "../package-options.ts";
import { ppoOptionsOf, type OptimizerArguments, type PpoCase } from "../policies.ts";
import type { Reader } from "../reader.ts";
import { Session } from "../session.ts";
import { afterAdam, tolerances } from "../tolerances.ts";
import { adamOptions } from "./optimizer.ts";
import { settledElements } from "./pretrain.ts";
import { chainTransitions, rowTransitions } from "./sampling.ts";

/**
 * `ppo_loss_v05` (whole chains, `in.chains`) and `ppo_loss_v08` (single transitions, `in.denoising_inds`): one update of
 * the tuned denoiser and of the critic, from stored log-probabilities to the parameters after one optimiser step.
 */
export const readPpo: Reader = async (golden, device, comparison) => {
  const cases = golden.json("cases") as Record<string, PpoCase>;
  const critic = golden.json("critic_kwargs") as CriticArguments;
  for (const [name, settings] of Object.entries(cases)) {
    const denoiser = denoiserOf(settings, settings.model_kwargs.horizon_steps!);
    if (denoiser === undefined) {
      comparison.unread(name, `the package has no network ${settings.network}`);
      continue;
    }
    await Session.with(device, (session) => compareUpdate(session, device, golden.below(name), denoiser, settings, critic, comparison, name));
  }
};

async function compareUpdate(
  session: Session,
  device: Device,
  group: GoldenFile,
  denoiser: Denoiser,
  settings: PpoCase,
  criticArguments: CriticArguments,
  comparison: GoldenComparison,
  place: string,
): Promise<void> {
  const critic = createCritic(criticOptionsOf(criticArguments));
  const process = processOf(settings.model_kwargs, settings.eta ?? 1);
  const tables = session.ownTables(process.tables(device));
  const tunedSteps = settings.model_kwargs.ft_denoising_steps!;
  const model: PpoModel = { denoiser, critic, process, tables, tunedSteps, actionSize: settings.network_kwargs.action_dim };
  const options = updateOptions(settings, group.has("in.chains") ? "chain" : "step");
  const samples = group.shape("in.returns")[0]!;
  const transitions = options.updateForm === "chain" ? samples * tunedSteps : samples;
  const hasCloning = settings.loss_call.use_bc_loss === true;
  const batch = await batchOf(session, group, model, hasCloning);

  const flat = (layout: ParameterLayout, name: string) => ({
    values: session.floats(layout.load(group.tensors(name)), name),
    gradients: session.zeros(layout.length, `${name} gradients`),
  });
  const actor = flat(denoiser.layout, "actor_ft");
  const value = flat(critic.layout, "critic");
  const statistics = session.zeros(ppoUpdateStatistics.length, "statistics");
  const updateProgram = { actor, critic: value, batch, statistics };
  await session.run((program) => {
    recordPpoLoss(program, model, options, updateProgram, { transitions, samples });
  });

  const read = await session.read(statistics);
  const of = (name: (typeof ppoUpdateStatistics)[number]): number => read[ppoUpdateStatistics.indexOf(name)]!;
  const { loss, statistic, forward } = tolerances.dppo;
  comparison.add("policy loss", [of("policyLoss")], group.values("out.pg_loss"), statistic, place);
  comparison.add("KL", [of("approxKl")], group.values("out.approx_kl"), statistic, place);
  // An isolated ratio beside its clip range may fall on the other side of it.
  const oneRow = { kind: "absolute", limit: 1.5 / transitions } as const;
  comparison.add("clip fraction", [of("clipFraction")], group.values("out.clipfrac"), oneRow, place);
  comparison.add("ratio", [of("ratio")], group.values("out.ratio_mean"), forward, place);
  comparison.add("value loss", [of("valueLoss")], group.values("out.v_loss"), forward, place);
  if (hasCloning) comparison.add("cloning loss", [of("cloningLoss")], group.values("out.bc_loss"), forward, place);
  const entropy = -(settings.eta ?? 1);
  const total =
    of("policyLoss") +
    settings.ent_coef * entropy +
    settings.vf_coef * of("valueLoss") +
    (hasCloning ? settings.bc_loss_coeff * of("cloningLoss") : 0);
  comparison.add("total loss", [total], group.values("out.loss"), loss, place);

  const actorStep = { kind: "actor_ft", layout: denoiser.layout, ...actor, maxNorm: settings.max_grad_norm_actor } as const;
  await compareStep(session, group, comparison, place, { ...actorStep, optimizer: settings.actor_opt });
  const criticStep = { kind: "critic", layout: critic.layout, ...value, maxNorm: null } as const;
  await compareStep(session, group, comparison, place, { ...criticStep, optimizer: settings.critic_opt });
}

/** The package's options of the update from those of the original. */
function updateOptions(settings: PpoCase, updateForm: "chain" | "step"): PpoOptions {
  const { rewardHorizon, lowerQuantile, upperQuantile, clip, denoisingDiscount, normalizeAdvantages } = ppoOptionsOf(
    settings.model_kwargs,
    settings.loss_call.reward_horizon,
  );
  return {
    updateForm,
    clip,
    denoisingDiscount,
    rewardHorizon,
    normalizeAdvantages,
    advantageQuantiles: lowerQuantile > 0 || upperQuantile < 1 ? [lowerQuantile, upperQuantile] : null,
    valueClip: settings.model_kwargs.clip_vloss_coef ?? null,
    valueWeight: settings.vf_coef,
    cloningWeight: settings.loss_call.use_bc_loss === true ? settings.bc_loss_coeff : 0,
  };
}

/** The minibatch of a case; the frozen policy's chains are sampled where they are imitated. */
async function batchOf(session: Session, group: GoldenFile, model: PpoModel, hasCloning: boolean): Promise<PpoBatch> {
  const { denoiser, process, tunedSteps } = model;
  const state = group.values("in.state");
  const isChain = group.has("in.chains");
  const transitions = isChain
    ? chainTransitions(session, process.stepCount, tunedSteps, denoiser.width, { chain: group.values("in.chains"), state }).transitions
    : rowTransitions(session, process.stepCount, tunedSteps, {
        state, from: group.values("in.chains_prev"), to: group.values("in.chains_next"), j: group.values("in.denoising_inds"),
      });
  const samples = group.shape("in.returns")[0]!;
  const chainIndex = isChain ? Array.from({ length: samples * tunedSteps }, (_, r) => r % tunedSteps) : group.values("in.denoising_inds");
  return {
    transitions,
    chainIndex: session.words(chainIndex, "chain indices"),
    oldLogProb: session.floats(group.values("in.oldlogprobs"), "old log-probabilities"),
    valued: {
      state: session.floats(state, "state").view(0, [samples, state.length / samples]),
      returns: session.floats(group.values("in.returns"), "returns"),
      oldValues: session.floats(group.values("in.oldvalues"), "old values"),
    },
    advantages: session.floats(group.values("in.advantages"), "advantages"),
    imitated: hasCloning ? await sampleFrozen(session, group, model, samples) : undefined,
  };
}

async function sampleFrozen(
  session: Session,
  group: GoldenFile,
  { denoiser, process, tables, tunedSteps }: PpoModel,
  samples: number,
): Promise<NonNullable<PpoBatch["imitated"]>> {
  const frozen = session.floats(denoiser.layout.load(group.tensors("actor")), "frozen");
  const chain = session.zeros(samples * (tunedSteps + 1) * denoiser.width, "chain");
  const state = group.values("in.state");
  const tensors = {
    frozen,
    tuned: frozen,
    state: session.floats(state, "state"),
    noise: session.floats(group.values("in.bc_noise"), "noise"),
    chunk: session.zeros(samples * denoiser.width, "chunk"),
    chain,
  };
  await session.run((program) => {
    recordSampling(program, denoiser, process, tables, tensors, { rows: samples, tunedSteps, isDeterministic: false });
  });
  const drawn = Float64Array.from(await session.read(chain));
  return chainTransitions(session, process.stepCount, tunedSteps, denoiser.width, { chain: drawn, state });
}

/** Compares gradients, their norm, and the parameters after one step of a fresh optimiser. */
async function compareStep(
  session: Session,
  group: GoldenFile,
  comparison: GoldenComparison,
  place: string,
  step: {
    readonly kind: "actor_ft" | "critic";
    readonly layout: ParameterLayout;
    readonly values: Tensor;
    readonly gradients: Tensor;
    readonly optimizer: OptimizerArguments;
    readonly maxNorm: number | null;
  },
): Promise<void> {
  const { kind, layout, values, gradients, optimizer, maxNorm } = step;
  const isActor = kind === "actor_ft";
  const [m, v] = [session.zeros(layout.length, "m"), session.zeros(layout.length, "v")];
  const state = session.zeros(adamStateLength, "optimiser state");
  const norm = session.zeros(gradientNormLength, "norm");
  await session.run((program) => {
    gradientNorm(program, { gradient: gradients, norm }, { maxNorm });
    adamw(program, { parameters: values, gradient: gradients, m, v, state, norm }, adamOptions(optimizer));
  });
  const expected = group.parameters(`grad_${kind}`);
  const got = await session.readByName(layout, gradients);
  const { actorGradient, criticGradient } = tolerances.dppo;
  comparison.addGradients(`${isActor ? "actor" : "critic"} gradient`, got, expected, isActor ? actorGradient : criticGradient, place);
  if (isActor) {
    const [length] = await session.read(norm);
    comparison.add("gradient norm", [length!], group.values("out.actor_grad_norm"), tolerances.dppo.gradient, place);
  }
  const isSettled = settledElements(expected);
  const after = await session.readByName(layout, values);
  for (const [name, numbers] of group.parameters(`post.${kind}`)) {
    const keep = (_: number, element: number): boolean => isSettled(name, element);
    comparison.add("parameters after the step", after.get(name)!.filter(keep), numbers.filter(keep), afterAdam(optimizer.lr), `${place} ${name}`);
  }
}

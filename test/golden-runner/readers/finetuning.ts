import { startDppo } from "../../../src/algorithms/dppo.ts";
import { Policy } from "../../../src/diffusion/policy.ts";
import type { DiffusionMlpOptions } from "../../../src/nn/diffusion-mlp.ts";
import { createCritic } from "../../../src/nn/critic.ts";
import { criticOptionsOf, denoiserOptions } from "../package-options.ts";
import type { CriticArguments, NetworkArguments } from "../networks.ts";
import { ppoOptionsOf, type ModelArguments } from "../policies.ts";
import type { Reader } from "../reader.ts";
import { ScriptedEnvironment } from "../scripted-environment.ts";
import { afterAdam, tolerances } from "../tolerances.ts";

/** Arguments of the original's training loop. */
interface TrainArguments {
  readonly n_envs: number;
  readonly n_steps: number;
  readonly n_itr: number;
  readonly update_epochs: number;
  readonly batch_size: number;
  readonly gamma: number;
  readonly gae_lambda: number;
  readonly reward_scale_const: number;
  readonly vf_coef: number;
  readonly target_kl: number | null;
  readonly n_critic_warmup_itr: number;
  readonly max_grad_norm: number | null;
  readonly reset_at_iteration: boolean;
  readonly lr: {
    readonly actor_lr: number; readonly actor_min: number; readonly critic_lr: number; readonly critic_min: number; readonly first: number; readonly warm: number;
  };
  readonly logprob_batch_size: number;
}

/** Columns of `out.losses`, and what the package calls them. */
const lossColumns = [["policyLoss", 0], ["valueLoss", 2], ["clipFraction", 3], ["approxKl", 4], ["ratio", 5]] as const;

/** `finetune_iterations`: whole iterations of the package's own loop, with the environments, noise and orders of the file. */
export const readFineTuning: Reader = async (golden, device, comparison) => {
  const network = golden.json("network_kwargs") as NetworkArguments;
  const model = golden.json("model_kwargs") as ModelArguments;
  const train = golden.json("train") as TrainArguments;
  const criticOptions = criticOptionsOf(golden.json("critic_kwargs") as CriticArguments);
  const [E, N] = [train.n_envs, train.n_steps];
  const [D, A, H] = [model.obs_dim!, model.action_dim!, model.horizon_steps!];
  const { timeSize, hidden, conditionHidden, activation, outputActivation, useLayerNorm, isResidual } = denoiserOptions(network) as Required<DiffusionMlpOptions>;
  const form = { timeSize, hidden: [...hidden], conditionHidden: [...conditionHidden], activation, outputActivation, useLayerNorm, isResidual };
  const range = (size: number): { min: number[]; max: number[] } => ({ min: Array.from({ length: size }, () => -1), max: Array.from({ length: size }, () => 1) });
  const names = (prefix: string, size: number): string[] => Array.from({ length: size }, (_, at) => `${prefix}${at}`);
  const fresh = Policy.create({
    observationNames: names("o", D),
    actionNames: names("a", A),
    horizon: H,
    actionSteps: H,
    statistics: { observations: range(D), actions: range(A) },
    // Of all ways to normalise, the one that leaves [-1, 1] as it is to the bit.
    normaliser: "diffusionPolicy",
    network: { kind: "diffusion-mlp", process: { denoisingSteps: model.denoising_steps, drawClip: model.randn_clip_value ?? 3 }, ...form },
  }, 0);
  const { layout } = fresh;
  const K = model.ft_denoising_steps!;
  const policy = fresh.withValues(layout.load(golden.tensors("init.actor"))).withTuned(layout.load(golden.tensors("init.actor_ft")), K);
  const criticLayout = createCritic(criticOptions).layout;
  const environment = new ScriptedEnvironment({
    count: E, observationSize: D, actionSize: A, actionSteps: H,
    observations: golden.values("in.obs"), rewards: golden.values("in.rewards"), terminated: golden.values("in.terminated"), truncated: golden.values("in.truncated"),
  });
  const noise = golden.values("in.noise");
  const { forward, forwardAbsolute, chain, logProb, statistic, host } = tolerances.dppo;
  const { clip, denoisingDiscount } = ppoOptionsOf(model, H);
  const rows = N * E;
  const minibatches = golden.shape("out.losses")[0]! / train.n_itr;
  let iteration = 0;
  const training = startDppo(device, policy, environment, {
    iterations: train.n_itr,
    steps: N,
    epochs: train.update_epochs,
    batchSize: train.batch_size,
    updateForm: golden.text("code_version") === "v05" ? "chain" : "step",
    tunedSteps: K,
    gamma: train.gamma,
    lambda: train.gae_lambda,
    rewardFactor: train.reward_scale_const,
    valueWeight: train.vf_coef,
    targetKl: train.target_kl,
    maxGradientNorm: train.max_grad_norm,
    criticWarmup: train.n_critic_warmup_itr,
    resetEvery: train.reset_at_iteration ? "iteration" : "episode",
    rate: { max: train.lr.actor_lr, min: train.lr.actor_min, cycle: train.lr.first, warmup: train.lr.warm },
    criticRate: { max: train.lr.critic_lr, min: train.lr.critic_min, cycle: train.lr.first, warmup: train.lr.warm },
    minSamplingStd: model.min_sampling_denoising_std!,
    minLogProbStd: model.min_logprob_denoising_std!,
    denoisingDiscount,
    clip,
    critic: { hidden: [...criticOptions.hidden!], activation: criticOptions.activation!, isResidual: criticOptions.isResidual! },
    sliceSize: train.logprob_batch_size,
  }, {
    criticValues: criticLayout.load(golden.tensors("init.critic")),
    createDraws: (tensors) => Promise.resolve({
      act: (decision) => {
        const width = tensors.noise.normals.length;
        device.write(tensors.noise.normals, noise.subarray(decision * width, (decision + 1) * width));
      },
      permute: (epoch) => { device.write(tensors.permutation, golden.values(`in.perm.${epoch}`)); },
      close: () => undefined,
    }),
    inspect: async (learner, record) => {
      const place = `iteration ${iteration}`;
      const part = (name: string, size: number): Float64Array => golden.values(name).subarray(iteration * size, (iteration + 1) * size);
      const read = async (tensor: Parameters<typeof device.read>[0]): Promise<Float32Array> => device.read(tensor);
      const of = learner.rollout;
      comparison.add("beginnings", Array.from(record.firsts.subarray(0, rows)), part("out.firsts", rows), host, place);
      comparison.add("actions", environment.executed.slice(iteration * rows * H * A), part("out.actions", rows * H * A), chain, place);
      comparison.add("scaled rewards", await read(learner.scaledRewards), part("out.scaled_rewards", rows), forward, place);
      comparison.add("values", await read(of.oldValues), part("out.values", rows), forward, place);
      comparison.add("returns", await read(of.returns), part("out.returns", rows), forward, place);
      comparison.add("advantages", await read(of.advantages), part("out.advantages", rows), forward, place);
      // Compared as the loss sees them.
      const clamped = (values: ArrayLike<number>): number[] => Array.from(values, (value) => Math.min(Math.max(value, -5), 2));
      comparison.add("old log-probabilities", clamped(await read(of.oldLogProbs)), clamped(part("out.oldlogprobs", rows * K * H * A)), logProb, place);
      const log = await read(learner.log);
      const { columns } = learner.objective;
      for (const [name, column] of lossColumns) {
        const at = columns.indexOf(name);
        const got = Array.from({ length: minibatches }, (_, row) => log[row * columns.length + at]!);
        const expected = Array.from({ length: minibatches }, (_, row) => golden.values("out.losses")[(iteration * minibatches + row) * 8 + column]!);
        const oneRow = { kind: "absolute", limit: 1.5 / train.batch_size } as const;
        comparison.add(name, got, expected, name === "clipFraction" ? oneRow : name === "valueLoss" ? forward : name === "ratio" ? forwardAbsolute : statistic, place);
      }
      const [mean, variance, count] = await read(learner.rewardState) as unknown as [number, number, number];
      comparison.add("reward scale", [variance, mean, count], part("out.scaler_var_mean_count", 3), forward, place);
      comparison.add("discounted rewards", await read(learner.discountedReturns), part("out.scaler_ret", E), forward, place);
      for (const [kind, layoutOf, values, rate] of [
        ["actor_ft", layout, learner.actor.values, train.lr.actor_lr], ["critic", criticLayout, learner.critic!.trained.values, train.lr.critic_lr],
      ] as const) {
        const flat = await read(values);
        for (const [name, expected] of golden.parameters(`out.itr${iteration}.${kind}`)) {
          const { offset, length } = layoutOf.get(name);
          comparison.add("parameters", flat.subarray(offset, offset + length), expected, afterAdam(rate), `${place} ${kind}.${name}`);
        }
      }
      iteration += 1;
    },
  });
  const rates: [number, number][] = [];
  for await (const event of training) rates.push([event.rate!, event.criticRate!]);
  // The file has the rates after each iteration, that is those of the next one.
  comparison.add("policy rate", rates.slice(1).map(([rate]) => rate), golden.values("out.lr_actor_after").subarray(0, rates.length - 1), host, "");
  comparison.add("critic rate", rates.slice(1).map(([, rate]) => rate), golden.values("out.lr_critic_after").subarray(0, rates.length - 1), host, "");
};

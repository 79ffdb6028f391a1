import type { OptimizerArguments, PpoCase } from "../golden-runner/policies.ts";
import { ppoOptionsOf } from "../golden-runner/policies.ts";
import { DiffusionPolicy, type Transitions } from "./diffusion-policy.ts";
import { mlp, type Gradients, type MlpOptions, type Parameters } from "./mlp.ts";
import { adamStep, clipScale, globalNorm, type AdamOptions } from "./optimizer.ts";
import { cloningLoss, ppoLoss, type PpoStatistics } from "./ppo-loss.ts";
import { valueLoss } from "./value-loss.ts";

/** The frozen and the tuned denoiser and the value network. */
export interface PpoNetworks {
  readonly frozen: Parameters;
  readonly tuned: Parameters;
  readonly critic: Parameters;
}

/** A minibatch of the PPO update. */
export interface PpoBatch {
  readonly rows: Transitions;
  readonly oldLogProbs: ArrayLike<number>;
  readonly advantages: ArrayLike<number>;
  readonly returns: ArrayLike<number>;
  readonly oldValues: ArrayLike<number>;
  /** Observations that go with returns and values. */
  readonly state: Float64Array;
  /** Noise of the frozen policy's chains, for the cloning term. */
  readonly cloningNoise: Float64Array | undefined;
}

/** Everything that one update of DPPO computes. */
export interface PpoUpdate {
  readonly policy: PpoStatistics;
  readonly cloning: number;
  readonly value: number;
  readonly entropy: number;
  readonly total: number;
  readonly actorGradients: Gradients;
  readonly criticGradients: Gradients;
  readonly actorGradientNorm: number;
  readonly actorAfter: Map<string, Float64Array>;
  readonly criticAfter: Map<string, Float64Array>;
}

/** Options of Adam from those of the original. */
export function adamOptions(args: OptimizerArguments): AdamOptions {
  return {
    rate: args.lr,
    beta1: args.betas[0],
    beta2: args.betas[1],
    epsilon: args.eps,
    weightDecay: args.weight_decay,
    isDecoupled: args.kind === "AdamW",
  };
}

/** loss = policy + ent·entropy + vf·value + bc·cloning on one minibatch, its gradients, and the parameters after it. */
export function ppoUpdate(settings: PpoCase, critic: MlpOptions, networks: PpoNetworks, batch: PpoBatch): PpoUpdate {
  const policy = new DiffusionPolicy(settings);
  const traced = policy.logProb(networks.tuned, batch.rows);
  const { dlogp, ...statistics } = ppoLoss(
    traced.logp,
    batch.oldLogProbs,
    batch.advantages,
    batch.rows.j,
    ppoOptionsOf(settings.model_kwargs, settings.loss_call.reward_horizon),
  );
  const actorGradients: Gradients = new Map();
  traced.backward(dlogp, actorGradients);

  let cloning = 0;
  if (batch.cloningNoise !== undefined) {
    const call = { isDeterministic: false, useBase: true };
    const { chain } = policy.sample(networks, batch.state, batch.cloningNoise, call);
    const imitated = policy.logProb(networks.tuned, policy.transitions(chain, batch.state));
    const { loss, dlogp: dimitated } = cloningLoss(imitated.logp);
    cloning = loss;
    imitated.backward(dimitated.map((value) => settings.bc_loss_coeff * value), actorGradients);
  }

  const values = mlp(networks.critic, "Q1", critic)(batch.state);
  const valueClip = settings.model_kwargs.clip_vloss_coef ?? null;
  const value = valueLoss(values.output, batch.returns, batch.oldValues, valueClip);
  const criticGradients: Gradients = new Map();
  values.backward(value.gradient.map((d) => settings.vf_coef * d), criticGradients);

  const entropy = -(settings.eta ?? 1);
  const actorGradientNorm = globalNorm(actorGradients.values());
  const scale = clipScale(actorGradientNorm, settings.max_grad_norm_actor ?? Infinity);
  return {
    policy: statistics,
    cloning,
    value: value.loss,
    entropy,
    total:
      statistics.loss + settings.ent_coef * entropy + settings.vf_coef * value.loss + settings.bc_loss_coeff * cloning,
    actorGradients,
    criticGradients,
    actorGradientNorm,
    actorAfter: firstStep(networks.tuned, actorGradients, scale, adamOptions(settings.actor_opt)),
    criticAfter: firstStep(networks.critic, criticGradients, 1, adamOptions(settings.critic_opt)),
  };
}

/** Parameters after the first step of a fresh Adam. */
function firstStep(
  parameters: Parameters,
  gradients: Gradients,
  scale: number,
  options: AdamOptions,
): Map<string, Float64Array> {
  return new Map(
    [...gradients].map(([name, gradient]) => {
      const values = Float64Array.from(parameters.get(name)!);
      const start = { parameters: values, m: values.map(() => 0), v: values.map(() => 0) };
      return [name, adamStep(start, gradient.map((g) => g * scale), 1, options).parameters];
    }),
  );
}

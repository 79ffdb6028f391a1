import { stochasticMlpOptions } from "../golden-runner/networks.ts";
import type { StochasticCase } from "../golden-runner/policies.ts";
import { normalizeAdvantages } from "./advantages.ts";
import { gaussianEntropy } from "./gaussian-head.ts";
import { gaussianLogProb, gaussianLogProbBackward } from "./gaussian-log-prob.ts";
import {
  mixtureEntropy,
  mixtureLogProb,
  mixtureLogProbBackward,
  mixtureStd,
  type Mixture,
  type MixtureGradient,
} from "./mixture-head.ts";
import { mlp, type Gradients, type MlpOptions, type Parameters } from "./mlp.ts";
import { clampLogProb, clippedObjective, logProbGate, type PpoStatistics } from "./ppo-loss.ts";
import { gaussianMlp, mixtureMlp, type TracedPolicy } from "./stochastic-mlp.ts";
import { valueLoss } from "./value-loss.ts";

/** A Gaussian or mixture policy at given states and actions: densities of rows, entropy, and the ways back. */
export interface EvaluatedPolicy {
  readonly traced: TracedPolicy;
  /** Gaussian: mean of the log-densities of a row's elements; mixture: log-density of the row. */
  readonly logProb: Float64Array;
  readonly logProbBackward: (dlogp: ArrayLike<number>) => MixtureGradient;
  readonly entropy: number;
  readonly entropyGradient: MixtureGradient;
  /** The deviation that is reported. */
  readonly std: number;
}

function mean(values: ArrayLike<number>): number {
  return Float64Array.from(values).reduce((sum, value) => sum + value, 0) / values.length;
}

/** The policy of a golden case with the given parameters. */
export function evaluatePolicy(
  settings: Pick<StochasticCase, "network" | "network_kwargs">,
  parameters: Parameters,
  state: Float64Array,
  actions: Float64Array,
): EvaluatedPolicy {
  const bounds = { low: parameters.get("logvar_min")![0]!, high: parameters.get("logvar_max")![0]! };
  const options = stochasticMlpOptions(settings.network_kwargs, bounds);
  const B = state.length / options.condDim;
  const C = actions.length / B;
  if (settings.network === "Gaussian_MLP") {
    const traced = gaussianMlp(parameters, options, state);
    const elements = gaussianLogProb(actions, traced.mean, traced.std);
    const { entropy, dstd } = gaussianEntropy(traced.std);
    const dlogits = new Float64Array(traced.logits.length);
    return {
      traced,
      logProb: Float64Array.from({ length: B }, (_, b) => mean(elements.subarray(b * C, (b + 1) * C))),
      logProbBackward: (dlogp) => {
        const spread = Float64Array.from(actions, (_, i) => dlogp[Math.floor(i / C)]! / C);
        return { ...gaussianLogProbBackward(spread, actions, traced.mean, traced.std), dlogits };
      },
      entropy,
      entropyGradient: { dlogits, dmean: traced.mean.map(() => 0), dstd },
      std: mean(traced.std),
    };
  }
  const traced = mixtureMlp(parameters, options, state);
  const mixture: Mixture = { ...traced, M: options.modeCount };
  const { entropy, dlogits, dstd } = mixtureEntropy(mixture);
  return {
    traced,
    logProb: mixtureLogProb(actions, mixture),
    logProbBackward: (dlogp) => mixtureLogProbBackward(dlogp, actions, mixture),
    entropy,
    entropyGradient: { dlogits, dmean: traced.mean.map(() => 0), dstd },
    std: mixtureStd(mixture),
  };
}

/** −mean log-density of the actions, and the gradients of the parameters. */
export function cloningUpdate(policy: EvaluatedPolicy): { loss: number; gradients: Gradients } {
  const B = policy.logProb.length;
  const gradients: Gradients = new Map();
  policy.traced.backward(policy.logProbBackward(new Float64Array(B).fill(-1 / B)), gradients);
  return { loss: -mean(policy.logProb), gradients };
}

/** A minibatch of spec 9.5. */
export interface StochasticBatch {
  readonly state: Float64Array;
  readonly oldLogProbs: ArrayLike<number>;
  readonly advantages: ArrayLike<number>;
  readonly returns: ArrayLike<number>;
  readonly oldValues: ArrayLike<number>;
}

/** Everything that one update of spec 9.5 computes: loss = policy + ent·entropy + vf·value. */
export interface StochasticUpdate {
  readonly statistics: PpoStatistics;
  readonly value: number;
  readonly total: number;
  readonly actorGradients: Gradients;
  readonly criticGradients: Gradients;
}

export function stochasticUpdate(
  settings: StochasticCase,
  policy: EvaluatedPolicy,
  critic: { readonly parameters: Parameters; readonly options: MlpOptions },
  batch: StochasticBatch,
): StochasticUpdate {
  const { dnew, ...statistics } = clippedObjective(
    policy.logProb.map(clampLogProb),
    Float64Array.from(batch.oldLogProbs, clampLogProb),
    normalizeAdvantages(batch.advantages),
    () => settings.clip_ploss_coef,
  );
  const dlogp = dnew.map((value, row) => value * logProbGate(policy.logProb[row]!));
  const actorGradients: Gradients = new Map();
  const total = add(policy.logProbBackward(dlogp), policy.entropyGradient, -settings.ent_coef);
  policy.traced.backward(total, actorGradients);

  const values = mlp(critic.parameters, "Q1", critic.options)(batch.state);
  const value = valueLoss(values.output, batch.returns, batch.oldValues, settings.clip_vloss_coef);
  const criticGradients: Gradients = new Map();
  values.backward(value.gradient.map((d) => settings.vf_coef * d), criticGradients);
  return {
    statistics,
    value: value.loss,
    total: statistics.loss - settings.ent_coef * policy.entropy + settings.vf_coef * value.loss,
    actorGradients,
    criticGradients,
  };
}

function add(a: MixtureGradient, b: MixtureGradient, factor: number): MixtureGradient {
  const sum = (x: Float64Array, y: Float64Array): Float64Array => x.map((value, i) => value + factor * y[i]!);
  return { dlogits: sum(a.dlogits, b.dlogits), dmean: sum(a.dmean, b.dmean), dstd: sum(a.dstd, b.dstd) };
}

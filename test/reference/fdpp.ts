import { denoisingSteps, type Sampler } from "../../src/diffusion/schedule.ts";
import { denoiseMean, denoiseMeanBackward, type StepOptions } from "./denoise-step.ts";
import { diffusionMlp, type DiffusionMlpOptions } from "./diffusion-mlp.ts";
import { gaussianKl, gaussianKlBackward } from "./gaussian-kl.ts";
import { gaussianLogProb, gaussianLogProbBackward } from "./gaussian-log-prob.ts";
import type { Gradients, Parameters } from "./mlp.ts";
import { clampLogProb, clippedObjective, logProbGate, type PpoStatistics } from "./ppo-loss.ts";

/** "ddpm10" or "ddim10_5", possibly followed by more, with the noise share 1 that the alignment files use. */
export function samplerNamed(name: string): { K: number; sampler: Sampler } {
  const [, kind, K, n] = /^(ddpm|ddim)(\d+)(?:_(\d+))?/.exec(name)!;
  if (kind === "ddpm") return { K: Number(K), sampler: { kind } };
  return { K: Number(K), sampler: { kind: "ddim", stepCount: Number(n), eta: 1 } };
}

/** Options of {@link fdppUpdate}. */
export interface FdppOptions {
  readonly network: DiffusionMlpOptions;
  readonly K: number;
  readonly sampler: Sampler;
  /** Floor of the deviation in likelihoods and divergences. */
  readonly floor: number;
  readonly x0Clip: number | null;
  /** Per-dimension log-probabilities are summed or averaged … */
  readonly reduction: "sum" | "mean";
  /** … after a clamp to [−5, 2] or without. */
  readonly isClamped: boolean;
  readonly denoisingDiscount: number;
  readonly ratioClip: number;
  /** Weight of the divergence term, as applied. */
  readonly klWeight: number;
}

/** The three sets of parameters of FDPP. */
export interface FdppNetworks {
  readonly theta: Parameters;
  readonly pretrained: Parameters;
  readonly old: Parameters;
}

/** Everything that one FDPP loss computes; rows are [B, n]. */
export interface FdppUpdate {
  readonly mean: Float64Array;
  readonly pretrainedMean: Float64Array;
  readonly logProb: Float64Array;
  readonly oldLogProb: Float64Array;
  readonly kl: Float64Array;
  readonly statistics: PpoStatistics;
  readonly klTerm: number;
  readonly total: number;
  readonly gradients: Gradients;
}

/** total = clipped policy loss over chains [B, n + 1, X] + klWeight · mean_B Σ_i KL_i. */
export function fdppUpdate(
  networks: FdppNetworks,
  cond: Float64Array,
  chain: Float64Array,
  advantage: ArrayLike<number>,
  options: FdppOptions,
): FdppUpdate {
  const steps = denoisingSteps(options.K, options.sampler);
  const n = steps.length;
  const B = advantage.length;
  const X = chain.length / (B * (n + 1));
  const step: StepOptions = {
    sampler: options.sampler.kind,
    prediction: "noise",
    x0Clip: options.x0Clip,
    noiseClip: null,
  };
  const stepOfChain = (i: number): Float64Array => {
    const out = new Float64Array(B * X);
    for (let b = 0; b < B; b++) out.set(chain.subarray((b * (n + 1) + i) * X, (b * (n + 1) + i + 1) * X), b * X);
    return out;
  };
  const evaluated = steps.map((coefficients, i) => {
    const x = stepOfChain(i);
    const t = new Array<number>(B).fill(coefficients.timestep);
    const trace = (parameters: Parameters) => diffusionMlp(parameters, options.network, x, t, cond);
    const traced = trace(networks.theta);
    const std = Math.max(coefficients.std, options.floor);
    const mean = denoiseMean(x, traced.output, coefficients, step);
    const reference = denoiseMean(x, trace(networks.pretrained).output, coefficients, step);
    const oldMean = denoiseMean(x, trace(networks.old).output, coefficients, step);
    const next = stepOfChain(i + 1);
    return {
      coefficients, x, next, traced, std, mean, reference,
      logp: gaussianLogProb(next, mean, std),
      oldLogp: gaussianLogProb(next, oldMean, std),
      kl: gaussianKl(mean, reference, () => std, X),
    };
  });

  const rows = (f: (i: number, b: number) => number): Float64Array =>
    Float64Array.from({ length: B * n }, (_, r) => f(r % n, Math.floor(r / n)));
  const elements = (name: "mean" | "reference"): Float64Array =>
    Float64Array.from({ length: B * n * X }, (_, k) => {
      const r = Math.floor(k / X);
      return evaluated[r % n]![name][Math.floor(r / n) * X + (k % X)]!;
    });
  const scale = options.reduction === "sum" ? 1 : 1 / X;
  const rowLogProb = (name: "logp" | "oldLogp"): Float64Array =>
    rows((i, b) => {
      const part = evaluated[i]![name].subarray(b * X, (b + 1) * X);
      return scale * part.reduce((sum, value) => sum + (options.isClamped ? clampLogProb(value) : value), 0);
    });
  const logProb = rowLogProb("logp");
  const oldLogProb = rowLogProb("oldLogp");
  const { dnew, ...statistics } = clippedObjective(
    logProb,
    oldLogProb,
    rows((i, b) => advantage[b]! * options.denoisingDiscount ** (n - 1 - i)),
    () => options.ratioClip,
  );

  const gradients: Gradients = new Map();
  let klTerm = 0;
  for (const [i, { coefficients, x, next, traced, std, mean, reference, logp, kl }] of evaluated.entries()) {
    klTerm += kl.reduce((sum, value) => sum + value, 0) / B;
    const dlogp = logp.map((value, k) => {
      const gate = options.isClamped ? logProbGate(value) : 1;
      return dnew[Math.floor(k / X) * n + i]! * scale * gate;
    });
    const { dmean } = gaussianLogProbBackward(dlogp, next, mean, std);
    const dkl = gaussianKlBackward(() => options.klWeight / B, mean, reference, () => std, X);
    const dtotal = dmean.map((value, k) => value + dkl[k]!);
    traced.backward(denoiseMeanBackward(dtotal, x, traced.output, coefficients, step), gradients);
  }
  return {
    mean: elements("mean"),
    pretrainedMean: elements("reference"),
    logProb,
    oldLogProb,
    kl: rows((i, b) => evaluated[i]!.kl[b]!),
    statistics,
    klTerm,
    total: statistics.loss + options.klWeight * klTerm,
    gradients,
  };
}

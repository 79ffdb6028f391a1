import { anyKernel, noLimit } from "../../engine/kernel-spec.js";
import { denoiseMeanBackwardSpec, denoiseMeanSpec, denoiseStepSpec } from "../diffusion/denoise.js";
import { forwardNoisingSpec } from "../diffusion/forward-noising.js";
import { gaussianKlBackwardAddSpec, gaussianKlSpec } from "../diffusion/gaussian-kl.js";
import { gaussianLogProbBackwardSpec, gaussianLogProbSpec } from "../diffusion/gaussian-log-prob.js";
import { activationBackwardSpec, activationSpec, activations } from "../nn/activation.js";
import { affineColumnsSpec } from "../nn/affine-columns.js";
import { clampBackwardSpec } from "../nn/clamp.js";
import { columnSumSpec, copyColumnsSpec } from "../nn/columns.js";
import { conv1dBackwardWeightSpec, conv1dPackSpec, conv1dSpec } from "../nn/conv1d.js";
import { diagonalGaussianKlBackwardAddSpec, diagonalGaussianKlSpec } from "../nn/diagonal-gaussian-kl.js";
import { groupNormBackwardSpec, groupNormSpec } from "../nn/group-norm.js";
import { layerNormBackwardSpec, layerNormBackwardWeightSpec, layerNormSpec } from "../nn/layer-norm.js";
import {
  linearBackwardInputSpec,
  linearBackwardInputUnpackedSpec,
  linearBackwardWeightSpec,
  linearPackedInputSpec,
  linearPackSpec,
  linearSpec,
  sumPartsSpec,
} from "../nn/linear.js";
import { meanSquaredLossSpec } from "../nn/mean-squared-loss.js";
import { pairSumSpec } from "../nn/pair-sum.js";
import { rowGatherSpec, rowGatherU32Spec } from "../nn/row-gather.js";
import { rowScatterSpec } from "../nn/row-scatter.js";
import {
  gaussianDensityBackwardSpec,
  gaussianDensitySpec,
  gaussianSampleSpec,
  logStdBackwardSpec,
  logStdSpec,
  logStdTiledBackwardSpec,
  mixtureDensityBackwardSpec,
  mixtureDensitySpec,
  mixtureSampleSpec,
} from "../nn/stochastic-heads.js";
import { timestepEmbeddingSpec, timestepFrequencies } from "../nn/timestep-embedding.js";
import { adamAdvanceSpec, adamwSpec } from "../optim/adamw.js";
import { emaSpec } from "../optim/ema.js";
import { gradientNormSpec, squaredNormSpec } from "../optim/gradient-norm.js";
import { momentsJoinSpec, momentsSpec, quantilesSpec } from "../rl/advantage-statistics.js";
import { advantageWeightSpec } from "../rl/advantage-weight.js";
import { bradleyTerrySpec } from "../rl/bradley-terry.js";
import { cloningLossSpec } from "../rl/cloning-loss.js";
import { gaeSpec } from "../rl/gae.js";
import { lossStatisticsSpec } from "../rl/loss-statistics.js";
import { ppoGatherSpec } from "../rl/ppo-gather.js";
import { ppoLossSpec } from "../rl/ppo-loss.js";
import { expectileLossSpec, minimumBackwardSpec, relativeValueLossSpec, tdTargetSpec } from "../rl/q-learning.js";
import { discountedReturnsSpec, rewardStatisticsSpec, scaleRewardsSpec } from "../rl/reward-scale.js";
import { rowCountsSpec } from "../rl/row-counts.js";
import { selectCandidateSpec } from "../rl/select-candidate.js";
import { sumSegmentsBackwardSpec, sumSegmentsSpec } from "../rl/sum-segments.js";
import { valueLossSpec } from "../rl/value-loss.js";
import { randomIndexSpec, randomNormalSpec, randomPermutationSpec, randomUniformSpec } from "../rng/random.js";
import type { SelfTestCase } from "./case.js";

/**
 * One case a kernel: sizes that are no multiple of a vector or a workgroup, options switched on where there are some. A
 * test proves that no kernel is missing.
 */
export const selfTestCases: readonly SelfTestCase[] = [
  {
    kernel: anyKernel(activationSpec),
    params: { rows: 17, columns: 33, kind: activations.mish },
    fills: { x: { kind: "normal", scale: 2 } },
  },
  {
    kernel: anyKernel(activationBackwardSpec),
    params: { rows: 17, columns: 33, kind: activations.gelu },
    fills: { x: { kind: "normal", scale: 2 }, dy: { kind: "normal" } },
  },
  {
    kernel: anyKernel(adamAdvanceSpec),
    params: { logBeta1: -0.105, logBeta2: -0.001, hasNorm: 0, hasStop: 0 },
    fills: { state: { kind: "values", values: [3, 0.2, 0.003, 0.5] } },
  },
  {
    kernel: anyKernel(adamwSpec),
    params: { count: 1500, rate: 0.01, beta1: 0.9, beta2: 0.999, rest1: 0.1, rest2: 0.001, epsilon: 1e-08, weightDecay: 0.01, decoupled: 1 },
    fills: { g: { kind: "normal" }, state: { kind: "values", values: [4, 1, 0.5, 1] }, p: { kind: "normal" }, m: { kind: "normal", scale: 0.1 }, v: { kind: "uniform", from: 0.01, to: 1 } },
  },
  {
    kernel: anyKernel(affineColumnsSpec),
    params: { rows: 19, columns: 6, period: 3, srcOffset: 5, srcStride: 9, dstOffset: 4, dstStride: 8, hasMap: 1, limit: 1.5 },
    fills: { src: { kind: "normal" }, scale: { kind: "normal" }, shift: { kind: "normal" }, dst: { kind: "normal" } },
  },
  {
    kernel: anyKernel(clampBackwardSpec),
    params: { count: 1500, limit: 0.75 },
    fills: { x: { kind: "normal" }, dy: { kind: "normal" } },
  },
  {
    kernel: anyKernel(copyColumnsSpec),
    params: { rows: 19, columns: 5, srcStride: 9, srcColumn: 3, dstStride: 13, dstColumn: 7 },
    fills: { src: { kind: "normal" }, dst: { kind: "normal" } },
  },
  {
    kernel: anyKernel(columnSumSpec),
    params: { rows: 70, columns: 33, stride: 40, offset: 3, blockRows: 32, scale: 0.5 },
    fills: { x: { kind: "normal" } },
  },
  {
    // A convolution of 9 of 11 channels, kernel 5, over 3 positions: taps 1 to 4 are packed.
    kernel: anyKernel(conv1dPackSpec),
    params: { outChannels: 13, inChannels: 9, taps: 4, outStride: 55, inStride: 5, offset: 10 },
    fills: { weight: { kind: "normal" }, taps: { kind: "values", values: [1, 2, 3, 4] } },
  },
  {
    kernel: anyKernel(conv1dSpec),
    params: { rows: 17, inLength: 3, inChannels: 9, outLength: 3, outChannels: 13, taps: 3, hasBias: 1, hasAddend: 1 },
    fills: {
      x: { kind: "normal" }, packed: { kind: "normal" }, windows: { kind: "values", values: [0, 2, 1, 0, 3, 0, 1, 2, 0] },
      bias: { kind: "normal" }, addend: { kind: "normal" },
    },
  },
  {
    kernel: anyKernel(conv1dBackwardWeightSpec),
    params: {
      rows: 17, shortLength: 3, shortChannels: 13, longLength: 6, longChannels: 9, weightChannels: 11, column: 2, kernel: 4, stride: 2,
      padding: 1, blockRows: 7, hasBias: 1,
    },
    fills: { short: { kind: "normal" }, long: { kind: "normal" }, dWeight: { kind: "normal" } },
    writes: ["dBias"],
    ignored: ["scratch"],
  },
  {
    kernel: anyKernel(denoiseStepSpec),
    params: { rows: 17, width: 7, steps: 5, step: 2, sigma: 0.3, x0Clip: 1, epsClip: noLimit, randnClip: 3, finalClip: noLimit, predictEpsilon: 1, noiseOffset: 119, chainSlots: 4, chainSlot: 2, chainInputSlot: 4 },
    fills: { x: { kind: "normal" }, network: { kind: "normal" }, noise: { kind: "normal" }, schedule: { kind: "uniform", from: 0.1, to: 1 }, chain: { kind: "normal" } },
  },
  {
    kernel: anyKernel(denoiseMeanSpec),
    params: { rows: 17, width: 7, steps: 5, predictEpsilon: 1, x0Clip: 1, epsClip: 2 },
    fills: { x: { kind: "normal" }, network: { kind: "normal" }, step: { kind: "index", count: 5 }, schedule: { kind: "uniform", from: 0.1, to: 1 } },
  },
  {
    kernel: anyKernel(denoiseMeanBackwardSpec),
    params: { rows: 17, width: 7, steps: 5, predictEpsilon: 1, x0Clip: 1, epsClip: noLimit, hasDx: 1 },
    fills: { dmean: { kind: "normal" }, x: { kind: "normal" }, network: { kind: "normal" }, step: { kind: "index", count: 5 }, schedule: { kind: "uniform", from: 0.1, to: 1 } },
    writes: ["dx"],
  },
  {
    kernel: anyKernel(momentsSpec),
    params: { count: 3000, hasBase: 0 },
    fills: { x: { kind: "normal", scale: 2, offset: 1 } },
  },
  {
    kernel: anyKernel(momentsJoinSpec),
    params: { count: 3000 },
    fills: { partials: { kind: "uniform", from: 1, to: 2 } },
  },
  {
    kernel: anyKernel(quantilesSpec),
    params: { count: 700, lowRank: 35, highRank: 600, lowShare: 0.25, highShare: 0.5 },
    fills: { x: { kind: "normal" }, statistics: { kind: "values", values: [0, 1, 0, 0] } },
  },
  {
    kernel: anyKernel(cloningLossSpec),
    params: { count: 900, low: -5, high: 2, scale: 0.01 },
    fills: { logp: { kind: "normal", scale: 3 } },
  },
  {
    kernel: anyKernel(diagonalGaussianKlSpec),
    params: { rows: 17, width: 7 },
    fills: { mean: { kind: "normal" }, logStd: { kind: "normal", scale: 0.5 }, reference: { kind: "normal" }, referenceLogStd: { kind: "normal", scale: 0.5 } },
  },
  {
    kernel: anyKernel(diagonalGaussianKlBackwardAddSpec),
    params: { rows: 17, width: 7, scale: 0.5 },
    fills: { mean: { kind: "normal" }, logStd: { kind: "normal", scale: 0.5 }, reference: { kind: "normal" }, referenceLogStd: { kind: "normal", scale: 0.5 }, dmean: { kind: "normal" }, dlogstd: { kind: "normal" } },
  },
  {
    kernel: anyKernel(emaSpec),
    params: { count: 1500, decay: 0.9, share: 0.1 },
    fills: { p: { kind: "normal" }, average: { kind: "normal" } },
  },
  {
    kernel: anyKernel(forwardNoisingSpec),
    params: { rows: 17, width: 7, times: 5 },
    fills: { x0: { kind: "normal" }, noise: { kind: "normal" }, t: { kind: "index", count: 5 }, table: { kind: "uniform", from: 0, to: 1 } },
  },
  {
    kernel: anyKernel(gaeSpec),
    params: { steps: 25, envs: 9, gamma: 0.99, lambda: 0.95, rewardScale: 1, correct: 0 },
    fills: { rewards: { kind: "normal" }, values: { kind: "normal" }, lastValues: { kind: "normal" }, terminated: { kind: "values", values: [0, 0, 0, 0, 0, 0, 1] } },
  },
  {
    kernel: anyKernel(gaussianKlSpec),
    params: { rows: 17, width: 7, steps: 5, hasSchedule: 1, sigma: 0, floorStd: 0.2 },
    fills: { mean: { kind: "normal" }, reference: { kind: "normal" }, step: { kind: "index", count: 5 }, schedule: { kind: "uniform", from: 0.1, to: 1 } },
  },
  {
    kernel: anyKernel(gaussianKlBackwardAddSpec),
    params: { rows: 17, width: 7, steps: 5, hasSchedule: 1, sigma: 0, floorStd: 0.2, scale: 0.5 },
    fills: { mean: { kind: "normal" }, reference: { kind: "normal" }, step: { kind: "index", count: 5 }, schedule: { kind: "uniform", from: 0.1, to: 1 }, dmean: { kind: "normal" } },
  },
  {
    kernel: anyKernel(gaussianLogProbSpec),
    params: { rows: 17, width: 7, steps: 5, source: 2, sigma: 0, floorStd: 0.2 },
    fills: { value: { kind: "normal" }, mean: { kind: "normal" }, step: { kind: "index", count: 5 }, schedule: { kind: "uniform", from: 0.1, to: 1 } },
  },
  {
    kernel: anyKernel(gaussianLogProbBackwardSpec),
    params: { rows: 17, width: 7, steps: 5, source: 2, sigma: 0, floorStd: 0.2, hasDlogstd: 1 },
    fills: { dlogp: { kind: "normal" }, value: { kind: "normal" }, mean: { kind: "normal" }, step: { kind: "index", count: 5 }, schedule: { kind: "uniform", from: 0.1, to: 1 } },
    writes: ["dlogstd"],
  },
  {
    kernel: anyKernel(squaredNormSpec),
    params: { count: 9000 },
    fills: { g: { kind: "normal" } },
  },
  {
    kernel: anyKernel(gradientNormSpec),
    params: { blocks: 3, maxNorm: 1 },
    fills: { partials: { kind: "values", values: [5, 0, 6, 0, 7, 0] } },
  },
  {
    kernel: anyKernel(groupNormSpec),
    params: { rows: 9, length: 3, channels: 15, groups: 3, activation: activations.mish, modulation: 2, hasAddend: 1, epsilon: 1e-05 },
    fills: {
      x: { kind: "normal", scale: 2, offset: 1 }, weight: { kind: "normal" }, bias: { kind: "normal" }, film: { kind: "normal" }, addend: { kind: "normal" },
    },
  },
  {
    kernel: anyKernel(groupNormBackwardSpec),
    params: { rows: 9, length: 3, channels: 15, groups: 3, activation: activations.mish, modulation: 2, epsilon: 1e-05 },
    fills: {
      dy: { kind: "normal" }, x: { kind: "normal", scale: 2, offset: 1 }, weight: { kind: "normal" }, bias: { kind: "normal" }, film: { kind: "normal" },
    },
    writes: ["dfilm", "dnorm"],
  },
  {
    kernel: anyKernel(layerNormSpec),
    params: { rows: 9, columns: 133, epsilon: 1e-05 },
    fills: { x: { kind: "normal", scale: 2, offset: 1 }, weight: { kind: "normal" }, bias: { kind: "normal" } },
  },
  {
    kernel: anyKernel(layerNormBackwardSpec),
    params: { rows: 9, columns: 133, hasAddend: 1 },
    fills: { dy: { kind: "normal" }, x: { kind: "normal" }, weight: { kind: "normal" }, moments: { kind: "uniform", from: 0.5, to: 1 }, addend: { kind: "normal" } },
  },
  {
    kernel: anyKernel(layerNormBackwardWeightSpec),
    params: { rows: 70, columns: 33 },
    fills: { dy: { kind: "normal" }, x: { kind: "normal" }, moments: { kind: "uniform", from: 0.5, to: 1 } },
  },
  {
    kernel: anyKernel(linearPackSpec),
    params: { inFeatures: 33, outFeatures: 21, rowStride: 40, column: 5, transposed: 0 },
    fills: { weight: { kind: "normal" } },
  },
  {
    kernel: anyKernel(linearSpec),
    params: { rows: 29, inFeatures: 65, outFeatures: 37, activation: activations.mish, hasBias: 1, hasAddend: 1, writesY: 1, writesActivated: 1 },
    fills: { x: { kind: "normal" }, packed: { kind: "normal", scale: 0.1 }, bias: { kind: "normal" }, addend: { kind: "normal" } },
    writes: ["y", "activated"],
  },
  {
    kernel: anyKernel(linearPackedInputSpec),
    params: {
      rows: 29, inFeatures: 65, outFeatures: 37, rowStride: 70, column: 3, activation: activations.mish, hasBias: 1, hasAddend: 1, writesY: 1, writesActivated: 1,
    },
    fills: { packed: { kind: "normal" }, weight: { kind: "normal", scale: 0.1 }, bias: { kind: "normal" }, addend: { kind: "normal" } },
    writes: ["y", "activated"],
  },
  {
    kernel: anyKernel(linearBackwardInputUnpackedSpec),
    params: { rows: 29, inFeatures: 65, outFeatures: 37, rowStride: 70, column: 3, activation: activations.mish, hasPre: 1, hasAddend: 1 },
    fills: { dy: { kind: "normal" }, weight: { kind: "normal", scale: 0.1 }, pre: { kind: "normal" }, addend: { kind: "normal" } },
    ignored: ["scratch"],
  },
  {
    kernel: anyKernel(linearBackwardInputSpec),
    params: { rows: 29, inFeatures: 65, outFeatures: 37, activation: activations.mish, hasPre: 1, hasAddend: 1 },
    fills: { dy: { kind: "normal" }, packed: { kind: "normal", scale: 0.1 }, pre: { kind: "normal" }, addend: { kind: "normal" } },
  },
  {
    kernel: anyKernel(linearBackwardWeightSpec),
    params: { rows: 150, inFeatures: 33, outFeatures: 21, rowStride: 40, column: 5, hasBias: 1, parts: 1 },
    fills: { dy: { kind: "normal" }, x: { kind: "normal" }, dWeight: { kind: "normal" } },
    writes: ["dBias"],
    ignored: ["scratch"],
  },
  {
    kernel: anyKernel(sumPartsSpec),
    params: { parts: 3, rows: 11, columns: 13, rowStride: 20, column: 4 },
    fills: { parts: { kind: "normal" }, y: { kind: "normal" } },
  },
  {
    kernel: anyKernel(lossStatisticsSpec),
    params: { columns: 4, blocks: 5, divisor: 100, at: 1, watched: 0, limit: noLimit, hasStop: 0 },
    fills: { partials: { kind: "normal" }, statistics: { kind: "values", values: [0] } },
  },
  {
    kernel: anyKernel(ppoGatherSpec),
    params: { count: 30, offset: 12, tunedSteps: 5, wholeChains: 0, firstStep: 3, hasFlat: 1, hasSteps: 1 },
    fills: { permutation: { kind: "index", count: 200 } },
    writes: ["flat", "steps"],
  },
  {
    kernel: anyKernel(ppoLossSpec),
    params: { rows: 70, width: 8, counted: 6, repeats: 1, tunedSteps: 5, normalise: 1, hasLimits: 1, hasTransitions: 1, aggregateFirst: 0, low: -5, high: 2, weight: 0.125, advantageLimit: noLimit, gradientScale: 0.01 },
    fills: { newLogProb: { kind: "normal", scale: 0.5 }, oldLogProb: { kind: "normal", scale: 0.5 }, advantages: { kind: "normal" }, transitions: { kind: "index", count: 5 }, schedule: { kind: "uniform", from: 0.1, to: 1 }, statistics: { kind: "values", values: [0.1, 1.2, -1.5, 1.5] } },
  },
  {
    kernel: anyKernel(meanSquaredLossSpec),
    params: { rows: 70, width: 7, scale: 0.01, hasWeight: 1, hasGradient: 1 },
    fills: { prediction: { kind: "normal" }, wanted: { kind: "normal" }, weight: { kind: "uniform", from: 0, to: 1 } },
    writes: ["dprediction"],
  },
  {
    kernel: anyKernel(randomUniformSpec),
    params: { length: 777, seed0: 1, seed1: 2, stream: 3, step: 4 },
    fills: {},
  },
  {
    kernel: anyKernel(randomNormalSpec),
    params: { length: 777, seed0: 1, seed1: 2, stream: 3, step: 4 },
    fills: {},
  },
  {
    kernel: anyKernel(randomIndexSpec),
    params: { length: 777, count: 1000, seed0: 1, seed1: 2, stream: 3, step: 4 },
    fills: {},
  },
  {
    kernel: anyKernel(randomPermutationSpec),
    params: { length: 777, seed0: 1, seed1: 2, stream: 3, step: 4 },
    fills: {},
  },
  {
    kernel: anyKernel(discountedReturnsSpec),
    params: { steps: 25, envs: 9, gamma: 0.99 },
    fills: { rewards: { kind: "normal" }, firsts: { kind: "values", values: [1, 0, 0, 0, 0, 0, 0] }, returns: { kind: "normal" } },
  },
  {
    kernel: anyKernel(rewardStatisticsSpec),
    params: { steps: 25, envs: 9 },
    fills: { partials: { kind: "uniform", from: 1, to: 2 }, state: { kind: "values", values: [0, 1, 0.0001, 0] } },
  },
  {
    kernel: anyKernel(scaleRewardsSpec),
    params: { count: 777, clip: 10 },
    fills: { rewards: { kind: "normal", scale: 5 }, state: { kind: "values", values: [0, 2, 100, 0] } },
  },
  {
    kernel: anyKernel(pairSumSpec),
    params: { start: 2, firstRows: 3, secondRows: 5, columns: 13, activation: activations.mish },
    fills: { first: { kind: "normal" }, second: { kind: "normal" } },
  },
  {
    kernel: anyKernel(rowGatherSpec),
    params: { rows: 17, width: 7, sourceRows: 60, indexOffset: 3, divisor: 5, quotientStride: 6, remainderStride: 1, base: 1 },
    fills: { source: { kind: "normal" }, index: { kind: "index", count: 50 } },
  },
  {
    kernel: anyKernel(rowGatherU32Spec),
    params: { rows: 17, width: 3, sourceRows: 60, indexOffset: 3, divisor: 5, quotientStride: 6, remainderStride: 1, base: 1 },
    fills: { source: { kind: "index", count: 1000 }, index: { kind: "index", count: 50 } },
  },
  {
    kernel: anyKernel(logStdSpec),
    params: { rows: 9, width: 24, actionSize: 3, perMode: 12, kind: 2, low: -9, high: -3, constant: 0 },
    fills: { source: { kind: "normal" } },
  },
  {
    kernel: anyKernel(logStdBackwardSpec),
    params: { rows: 9, width: 24, kind: 3, low: -1, high: 1 },
    fills: { source: { kind: "normal" }, dLogStd: { kind: "normal" } },
  },
  {
    kernel: anyKernel(logStdTiledBackwardSpec),
    params: { rows: 70, width: 24, actionSize: 3, perMode: 12, low: -2, high: 2 },
    fills: { logVariance: { kind: "normal" }, dLogStd: { kind: "normal" } },
  },
  {
    kernel: anyKernel(gaussianDensitySpec),
    params: { rows: 33, width: 7, scale: 0.5 },
    fills: { x: { kind: "normal" }, mean: { kind: "normal" }, logStd: { kind: "normal", scale: 0.5 } },
  },
  {
    kernel: anyKernel(gaussianDensityBackwardSpec),
    params: { rows: 33, width: 7, scale: 0.5, dEntropy: 0.1 },
    fills: { x: { kind: "normal" }, mean: { kind: "normal" }, logStd: { kind: "normal", scale: 0.5 }, dLogProb: { kind: "normal" } },
  },
  {
    kernel: anyKernel(gaussianSampleSpec),
    params: { rows: 33, width: 7, clip: 3 },
    fills: { mean: { kind: "normal" }, logStd: { kind: "normal", scale: 0.5 }, z: { kind: "normal", scale: 2 } },
  },
  {
    kernel: anyKernel(mixtureDensitySpec),
    params: { rows: 33, components: 5, width: 7 },
    fills: { x: { kind: "normal" }, logits: { kind: "normal" }, mean: { kind: "normal" }, logStd: { kind: "normal", scale: 0.5 } },
  },
  {
    kernel: anyKernel(mixtureDensityBackwardSpec),
    params: { rows: 33, components: 5, width: 7, dEntropy: 0.1 },
    fills: { x: { kind: "normal" }, logits: { kind: "normal" }, mean: { kind: "normal" }, logStd: { kind: "normal", scale: 0.5 }, dLogProb: { kind: "normal" } },
  },
  {
    kernel: anyKernel(mixtureSampleSpec),
    params: { rows: 33, components: 5, width: 7 },
    fills: { logits: { kind: "normal" }, mean: { kind: "normal" }, logStd: { kind: "normal", scale: 0.5 }, u: { kind: "uniform", from: 0, to: 1 }, z: { kind: "normal" } },
  },
  {
    kernel: anyKernel(timestepEmbeddingSpec),
    params: { rows: 33, dim: 16 },
    fills: { t: { kind: "index", count: 1000 }, frequencies: { kind: "values", values: [...timestepFrequencies(16)] } },
  },
  {
    kernel: anyKernel(rowCountsSpec),
    params: { rows: 70, count: 500, offset: 3, divisor: 5 },
    fills: { index: { kind: "index", count: 350 } },
  },
  {
    kernel: anyKernel(valueLossSpec),
    params: { count: 777, hasOld: 1, hasWeights: 1, clip: 0.2, scale: 0.01 },
    fills: { values: { kind: "normal" }, returns: { kind: "normal" }, oldValues: { kind: "normal" }, weights: { kind: "uniform", from: 0, to: 2 } },
  },
  {
    kernel: anyKernel(advantageWeightSpec),
    params: { count: 1500, hasBase: 1, beta: 2, epsilon: 1e-6, largest: 20 },
    fills: { x: { kind: "normal" }, base: { kind: "normal" }, statistics: { kind: "values", values: [0.1, 1.4] } },
  },
  {
    kernel: anyKernel(tdTargetSpec),
    params: { count: 1500, hasSecond: 1, gamma: 0.9 },
    fills: { rewards: { kind: "normal" }, terminated: { kind: "values", values: [0, 0, 0, 1] }, first: { kind: "normal" }, second: { kind: "normal" } },
  },
  {
    kernel: anyKernel(expectileLossSpec),
    params: { count: 1500, hasSecond: 1, expectile: 0.8, scale: 0.01 },
    fills: { values: { kind: "normal" }, first: { kind: "normal" }, second: { kind: "normal" } },
  },
  {
    kernel: anyKernel(minimumBackwardSpec),
    params: { count: 1500, scale: -1 },
    fills: { first: { kind: "values", values: [1, 2, 3, -1, 0] }, second: { kind: "values", values: [2, 1, 3, 0, 0.5] } },
  },
  {
    kernel: anyKernel(relativeValueLossSpec),
    params: { count: 1500, isSwapped: 1, scale: 0.5 },
    fills: { first: { kind: "normal", offset: 1 }, second: { kind: "normal", offset: 1 } },
  },
  {
    kernel: anyKernel(rowScatterSpec),
    params: { rows: 17, width: 7, dstRows: 40 },
    fills: { src: { kind: "normal" }, index: { kind: "index", count: 40 }, dst: { kind: "normal" } },
  },
  {
    kernel: anyKernel(selectCandidateSpec),
    params: { rows: 70, candidates: 5, isGreedy: 0, expectile: 0.75 },
    fills: { first: { kind: "normal" }, second: { kind: "normal" }, values: { kind: "normal", scale: 0.5 }, u: { kind: "uniform", from: 0, to: 1 } },
  },
  {
    kernel: anyKernel(bradleyTerrySpec),
    params: { members: 3, pairs: 70, labelStride: 0, rule: 2, smoothing: 0.1 },
    fills: { r0: { kind: "normal" }, r1: { kind: "normal" }, labels: { kind: "values", values: [0, 1, 1, 0, -1] }, logNu: { kind: "normal", scale: 0.3 } },
    writes: ["dlogNu"],
  },
  {
    kernel: anyKernel(sumSegmentsSpec),
    params: { segments: 70, horizon: 5 },
    fills: { r: { kind: "normal" } },
  },
  {
    kernel: anyKernel(sumSegmentsBackwardSpec),
    params: { segments: 70, horizon: 5 },
    fills: { dscore: { kind: "normal" } },
  },
];

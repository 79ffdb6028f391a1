/**
 * The kernels of difftune, `difftune/kernels`: their WGSL as text, the spec of each, and the launchers that record them into
 * a program.
 *
 * @example
 * using program = await device.program("advantages", (recorder) => {
 *   gae(recorder, { rewards, values, lastValues, terminated, advantages, returns }, {
 *     steps: 100, envs: 50, gamma: 0.99, lambda: 0.95, rewardScale: 1, truncation: "reference",
 *   });
 * });
 */
export {
  noLimit,
  type AnyKernelSpec,
  type BufferSpec,
  type Grid,
  type KernelSpec,
  type ParamLayout,
  type ParamValues,
  type ScalarType,
} from "../engine/kernel-spec.js";
export { wgsl } from "../generated/wgsl.js";
export { kernels } from "./registry.js";
export {
  denoiseStep,
  denoiseMean,
  denoiseMeanBackward,
  scheduleWidth,
  denoiseStepSpec,
  denoiseMeanSpec,
  denoiseMeanBackwardSpec,
  type DenoiseOptions,
  type DenoiseStepOptions,
} from "./diffusion/denoise.js";
export { forwardNoising, forwardNoisingSpec } from "./diffusion/forward-noising.js";
export {
  gaussianKl,
  gaussianKlBackwardAdd,
  gaussianKlSpec,
  gaussianKlBackwardAddSpec,
  type SharedDeviation,
  type GaussianKlOptions,
} from "./diffusion/gaussian-kl.js";
export {
  gaussianLogProb,
  gaussianLogProbBackward,
  gaussianLogProbSpec,
  gaussianLogProbBackwardSpec,
  type Deviation,
  type GaussianLogProbOptions,
} from "./diffusion/gaussian-log-prob.js";
export { activation, activationBackward, activations, activationSpec, activationBackwardSpec, type Activation } from "./nn/activation.js";
export { affineColumns, affineColumnsSpec } from "./nn/affine-columns.js";
export { clampBackward, clampBackwardSpec } from "./nn/clamp.js";
export { copyColumns, concatColumns, splitColumns, columnSum, copyColumnsSpec, columnSumSpec, type Columns } from "./nn/columns.js";
export {
  planConvolution,
  conv1dPack,
  conv1d,
  conv1dBackwardWeight,
  conv1dPackSpec,
  conv1dSpec,
  conv1dBackwardWeightSpec,
  type ConvolutionShape,
  type ConvolutionDirection,
  type ConvolutionPlan,
} from "./nn/conv1d.js";
export {
  diagonalGaussianKl,
  diagonalGaussianKlBackwardAdd,
  diagonalGaussianKlSpec,
  diagonalGaussianKlBackwardAddSpec,
  type DiagonalGaussians,
} from "./nn/diagonal-gaussian-kl.js";
export {
  groupNorm,
  groupNormBackward,
  modulations,
  groupNormSpec,
  groupNormBackwardSpec,
  type GroupNormOptions,
  type Modulation,
  type NormWeights,
} from "./nn/group-norm.js";
export {
  layerNorm,
  layerNormBackward,
  layerNormBackwardWeight,
  layerNormSpec,
  layerNormBackwardSpec,
  layerNormBackwardWeightSpec,
} from "./nn/layer-norm.js";
export {
  packedLength,
  linearPack,
  linearPackTransposed,
  linear,
  isBestUnpacked,
  linearPackedInput,
  linearBackwardInput,
  linearBackwardWeight,
  linearPackSpec,
  linearSpec,
  linearPackedInputSpec,
  linearBackwardInputSpec,
  linearBackwardInputUnpackedSpec,
  linearBackwardWeightSpec,
  sumPartsSpec,
  type LinearBuffers,
  type WeightSlice,
} from "./nn/linear.js";
export { meanSquaredLoss, meanSquaredLossSpec } from "./nn/mean-squared-loss.js";
export { pairSum, pairSumSpec } from "./nn/pair-sum.js";
export { rowGather, rowGatherSpec, rowGatherU32Spec, type RowGatherOptions } from "./nn/row-gather.js";
export { rowScatter, rowScatterSpec } from "./nn/row-scatter.js";
export {
  logStd,
  logStdBackward,
  gaussianDensity,
  gaussianDensityBackward,
  gaussianSample,
  mixtureDensity,
  mixtureDensityBackward,
  mixtureSample,
  largestMixture,
  logStdSpec,
  logStdBackwardSpec,
  logStdTiledBackwardSpec,
  gaussianDensitySpec,
  gaussianDensityBackwardSpec,
  gaussianSampleSpec,
  mixtureDensitySpec,
  mixtureDensityBackwardSpec,
  mixtureSampleSpec,
  type HeadShape,
  type HeadStd,
} from "./nn/stochastic-heads.js";
export { timestepFrequencies, timestepEmbedding, timestepEmbeddingSpec } from "./nn/timestep-embedding.js";
export { adamw, adamStateLength, adamAdvanceSpec, adamwSpec, type AdamBuffers, type AdamOptions } from "./optim/adamw.js";
export { emaWeights, ema, accumulate, emaSpec } from "./optim/ema.js";
export { gradientNorm, gradientNormLength, squaredNormSpec, gradientNormSpec } from "./optim/gradient-norm.js";
export {
  quantilePosition,
  moments,
  advantageStatistics,
  advantageStatisticsLength,
  momentsSpec,
  momentsJoinSpec,
  quantilesSpec,
} from "./rl/advantage-statistics.js";
export { advantageWeight, advantageWeightSpec, type AdvantageWeightOptions } from "./rl/advantage-weight.js";
export { bradleyTerry, preferenceStatistics, bradleyTerrySpec, type TieRule, type BradleyTerryBuffers } from "./rl/bradley-terry.js";
export { cloningLoss, cloningLossSpec } from "./rl/cloning-loss.js";
export { gae, gaeSpec, type GaeBuffers, type GaeOptions } from "./rl/gae.js";
export { lossStatistics, lossStatisticsSpec, type LossPartials } from "./rl/loss-statistics.js";
export { ppoGather, ppoGatherSpec, type PpoGatherBuffers } from "./rl/ppo-gather.js";
export { ppoSchedule, ppoLoss, ppoStatistics, ppoLossSpec, type ClipSchedule, type PpoLossBuffers, type PpoLossOptions } from "./rl/ppo-loss.js";
export {
  tdTarget,
  expectileLoss,
  minimumBackward,
  relativeValueLoss,
  tdTargetSpec,
  expectileLossSpec,
  minimumBackwardSpec,
  relativeValueLossSpec,
} from "./rl/q-learning.js";
export { rewardScale, initialRewardState, discountedReturnsSpec, rewardStatisticsSpec, scaleRewardsSpec } from "./rl/reward-scale.js";
export { selectCandidate, selectCandidateSpec } from "./rl/select-candidate.js";
export { rowCounts, rowCountsSpec } from "./rl/row-counts.js";
export { sumSegments, sumSegmentsBackward, sumSegmentsSpec, sumSegmentsBackwardSpec } from "./rl/sum-segments.js";
export { valueLoss, valueLossSpec } from "./rl/value-loss.js";
export {
  randomUniform,
  randomNormal,
  randomIndex,
  randomPermutation,
  randomUniformSpec,
  randomNormalSpec,
  randomIndexSpec,
  randomPermutationSpec,
  type RandomKey,
} from "./rng/random.js";

import type { AnyKernelSpec } from "../engine/kernel-spec.js";
import { denoiseKernels } from "./diffusion/denoise.js";
import { forwardNoisingKernels } from "./diffusion/forward-noising.js";
import { gaussianKlKernels } from "./diffusion/gaussian-kl.js";
import { gaussianLogProbKernels } from "./diffusion/gaussian-log-prob.js";
import { activationKernels } from "./nn/activation.js";
import { affineColumnsKernels } from "./nn/affine-columns.js";
import { clampKernels } from "./nn/clamp.js";
import { columnKernels } from "./nn/columns.js";
import { conv1dKernels } from "./nn/conv1d.js";
import { diagonalGaussianKlKernels } from "./nn/diagonal-gaussian-kl.js";
import { groupNormKernels } from "./nn/group-norm.js";
import { layerNormKernels } from "./nn/layer-norm.js";
import { linearKernels } from "./nn/linear.js";
import { meanSquaredLossKernels } from "./nn/mean-squared-loss.js";
import { pairSumKernels } from "./nn/pair-sum.js";
import { rowGatherKernels } from "./nn/row-gather.js";
import { rowScatterKernels } from "./nn/row-scatter.js";
import { stochasticHeadKernels } from "./nn/stochastic-heads.js";
import { timestepEmbeddingKernels } from "./nn/timestep-embedding.js";
import { adamwKernels } from "./optim/adamw.js";
import { emaKernels } from "./optim/ema.js";
import { gradientNormKernels } from "./optim/gradient-norm.js";
import { advantageStatisticsKernels } from "./rl/advantage-statistics.js";
import { advantageWeightKernels } from "./rl/advantage-weight.js";
import { bradleyTerryKernels } from "./rl/bradley-terry.js";
import { cloningLossKernels } from "./rl/cloning-loss.js";
import { gaeKernels } from "./rl/gae.js";
import { lossStatisticsKernels } from "./rl/loss-statistics.js";
import { ppoGatherKernels } from "./rl/ppo-gather.js";
import { ppoLossKernels } from "./rl/ppo-loss.js";
import { qLearningKernels } from "./rl/q-learning.js";
import { rewardScaleKernels } from "./rl/reward-scale.js";
import { rowCountsKernels } from "./rl/row-counts.js";
import { selectCandidateKernels } from "./rl/select-candidate.js";
import { sumSegmentsKernels } from "./rl/sum-segments.js";
import { valueLossKernels } from "./rl/value-loss.js";
import { randomKernels } from "./rng/random.js";

/** Every kernel of the package: the list that both engines must have bodies for. */
export const kernels: readonly AnyKernelSpec[] = [
  ...activationKernels,
  ...adamwKernels,
  ...advantageStatisticsKernels,
  ...affineColumnsKernels,
  ...advantageWeightKernels,
  ...bradleyTerryKernels,
  ...clampKernels,
  ...cloningLossKernels,
  ...columnKernels,
  ...conv1dKernels,
  ...denoiseKernels,
  ...diagonalGaussianKlKernels,
  ...emaKernels,
  ...forwardNoisingKernels,
  ...gaeKernels,
  ...gaussianKlKernels,
  ...gaussianLogProbKernels,
  ...gradientNormKernels,
  ...groupNormKernels,
  ...layerNormKernels,
  ...linearKernels,
  ...lossStatisticsKernels,
  ...meanSquaredLossKernels,
  ...pairSumKernels,
  ...ppoGatherKernels,
  ...ppoLossKernels,
  ...qLearningKernels,
  ...randomKernels,
  ...rewardScaleKernels,
  ...rowCountsKernels,
  ...rowGatherKernels,
  ...rowScatterKernels,
  ...selectCandidateKernels,
  ...stochasticHeadKernels,
  ...sumSegmentsKernels,
  ...timestepEmbeddingKernels,
  ...valueLossKernels,
];

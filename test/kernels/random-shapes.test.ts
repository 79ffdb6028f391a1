import { activationBackwardSpec, activationSpec } from "../../src/kernels/nn/activation.js";
import {
  gaussianDensityBackwardSpec, gaussianDensitySpec, gaussianSampleSpec, logStdBackwardSpec, logStdSpec, logStdTiledBackwardSpec,
  mixtureDensityBackwardSpec, mixtureDensitySpec, mixtureSampleSpec,
} from "../../src/kernels/nn/stochastic-heads.js";
import { adamAdvanceSpec, adamwSpec } from "../../src/kernels/optim/adamw.js";
import { emaSpec } from "../../src/kernels/optim/ema.js";
import { gradientNormSpec, squaredNormSpec } from "../../src/kernels/optim/gradient-norm.js";
import { cloningLossSpec } from "../../src/kernels/rl/cloning-loss.js";
import { lossStatisticsSpec } from "../../src/kernels/rl/loss-statistics.js";
import { discountedReturnsSpec, rewardStatisticsSpec, scaleRewardsSpec } from "../../src/kernels/rl/reward-scale.js";
import { proveAgreement } from "./agreement.js";
import { testNumbers } from "./harness.js";

const close = { absolute: 4e-6, relative: 4e-6 };

proveAgreement(activationSpec, close, 60, ([rows, columns, kind], seed) => ({
  params: { rows, columns, kind: kind % 8 }, inputs: { x: testNumbers(rows * columns, seed, 6) },
}));
proveAgreement(activationBackwardSpec, close, 60, ([rows, columns, kind], seed) => ({
  params: { rows, columns, kind: kind % 8 },
  inputs: { x: testNumbers(rows * columns, seed, 6), dy: testNumbers(rows * columns, seed + 1) },
}));

proveAgreement(logStdSpec, { absolute: 1e-5 }, 20, ([rows, modes, horizon, actionSize], seed) => {
  const width = modes * horizon * actionSize;
  return {
    params: { rows, width, actionSize, perMode: horizon * actionSize, kind: 1 + (seed % 3), low: -6, high: -1, constant: 0 },
    inputs: { source: testNumbers(rows * width, seed, 8) },
  };
});
proveAgreement(logStdBackwardSpec, { absolute: 2e-5 }, 60, ([rows, width, kind], seed) => ({
  params: { rows, width, kind: 2 + (kind % 2), low: -1, high: 1 },
  inputs: { source: testNumbers(rows * width, seed, 3), dLogStd: testNumbers(rows * width, seed + 1) },
}));
proveAgreement(logStdTiledBackwardSpec, close, 16, ([rows, modes, horizon, actionSize], seed) => ({
  params: { rows, width: modes * horizon * actionSize, actionSize, perMode: horizon * actionSize, low: -0.5, high: 0.5 },
  inputs: { logVariance: testNumbers(modes * actionSize, seed), dLogStd: testNumbers(rows * modes * horizon * actionSize, seed + 1) },
}));

const gaussian = (rows: number, width: number, seed: number) => ({
  x: testNumbers(rows * width, seed), mean: testNumbers(rows * width, seed + 1), logStd: testNumbers(rows * width, seed + 2),
});
proveAgreement(gaussianDensitySpec, close, 60, ([rows, width], seed) => ({
  params: { rows, width, scale: 0.5 }, inputs: gaussian(rows, width, seed),
}));
proveAgreement(gaussianDensityBackwardSpec, close, 60, ([rows, width], seed) => ({
  params: { rows, width, scale: 0.5, dEntropy: 0.25 }, inputs: { ...gaussian(rows, width, seed), dLogProb: testNumbers(rows, seed + 3) },
}));
proveAgreement(gaussianSampleSpec, close, 60, ([rows, width], seed) => {
  const { x: z, mean, logStd } = gaussian(rows, width, seed);
  return { params: { rows, width, clip: 0.5 }, inputs: { z, mean, logStd } };
});

const mixture = (rows: number, components: number, width: number, seed: number) => ({
  logits: testNumbers(rows * components, seed, 3),
  mean: testNumbers(rows * components * width, seed + 1),
  logStd: testNumbers(rows * components * width, seed + 2),
});
proveAgreement(mixtureDensitySpec, { absolute: 1e-5, relative: 1e-5 }, 16, ([rows, components, width], seed) => ({
  params: { rows, components, width },
  inputs: { ...mixture(rows, components, width, seed), x: testNumbers(rows * width, seed + 3) },
}));
proveAgreement(mixtureDensityBackwardSpec, { absolute: 1e-5, relative: 2e-5 }, 16, ([rows, components, width], seed) => ({
  params: { rows, components, width, dEntropy: 0.25 },
  inputs: { ...mixture(rows, components, width, seed), x: testNumbers(rows * width, seed + 3), dLogProb: testNumbers(rows, seed + 4) },
}));
proveAgreement(mixtureSampleSpec, close, 16, ([rows, components, width], seed) => ({
  params: { rows, components, width },
  inputs: {
    ...mixture(rows, components, width, seed),
    u: testNumbers(rows, seed + 3).map((value) => 0.5 * (value + 1)),
    z: testNumbers(rows * width, seed + 4),
  },
}));

proveAgreement(emaSpec, close, 60, ([a, b], seed) => ({
  params: { count: a * b, decay: 0.75, share: 0.25 }, inputs: { p: testNumbers(a * b, seed), average: testNumbers(a * b, seed + 1) },
}));
proveAgreement(squaredNormSpec, close, 80, ([a, b], seed) => ({ params: { count: a * b }, inputs: { g: testNumbers(a * b, seed) } }));
proveAgreement(gradientNormSpec, close, 40, ([a, b, limit, bad], seed) => {
  const blocks = a * b;
  const squares = testNumbers(blocks, seed).map((value) => Math.abs(value));
  // Every other launch has entries that are not finite: those make the factor 0.
  const counts = testNumbers(blocks, seed + 1).map((value) => (bad % 2 === 0 && value > 0.5 ? 1 : 0));
  return { params: { blocks, maxNorm: 0.25 * limit }, inputs: { partials: [...squares, ...counts] } };
});
proveAgreement(adamAdvanceSpec, close, 40, ([taken, decay1, decay2, which], seed) => ({
  params: { logBeta1: Math.log(1 - decay1 / 50), logBeta2: Math.log(1 - decay2 / 1000), hasNorm: which & 1, hasStop: (which >> 1) & 1 },
  inputs: {
    ...((which & 1) === 0 ? {} : { norm: [2, 0.5, seed % 3 === 0 ? 1 : 0] }),
    ...(((which >> 1) & 1) === 0 ? {} : { stop: [seed % 2] }),
    state: [taken - 1, 5, 6, 7, 8, 2],
  },
}));
proveAgreement(adamwSpec, close, 60, ([a, b, decoupled], seed) => {
  const count = a * b;
  return {
    params: { count, rate: 0.01, beta1: 0.9, beta2: 0.999, rest1: 0.1, rest2: 0.001, epsilon: 1e-8, weightDecay: 0.1, decoupled: decoupled % 2 },
    inputs: {
      g: testNumbers(count, seed), p: testNumbers(count, seed + 1), m: testNumbers(count, seed + 2),
      v: testNumbers(count, seed + 3).map((value) => 0.1 + value * value), state: [3, 0.25, 0.003, 0.5, 1, 0],
    },
  };
});
proveAgreement(cloningLossSpec, { relative: 1e-5, absolute: 1e-5 }, 60, ([a, b], seed) => ({
  params: { count: a * b, low: -1, high: 1, scale: 0.01 }, inputs: { logp: testNumbers(a * b, seed, 2) },
}));
proveAgreement(discountedReturnsSpec, { relative: 1e-5, absolute: 1e-5 }, 40, ([steps, envs], seed) => ({
  params: { steps, envs, gamma: 0.99 },
  inputs: {
    rewards: testNumbers(steps * envs, seed), firsts: testNumbers(steps * envs, seed + 1).map((value) => (value > 0.8 ? 1 : 0)), returns: testNumbers(envs, seed + 2),
  },
}));
proveAgreement(scaleRewardsSpec, close, 60, ([a, b], seed) => ({
  params: { count: a * b, clip: 1 }, inputs: { rewards: testNumbers(a * b, seed, 3), state: [0, 2, 100, 0] },
}));
proveAgreement(rewardStatisticsSpec, close, 30, ([a, b, steps, count], seed) => {
  const envs = a * b;
  const partials = testNumbers(2 * envs, seed, 3).map((value, at) => (at < envs ? value : Math.abs(value)));
  return { params: { steps, envs }, inputs: { partials, state: [0.5, 2, (count - 1) * 100 + 1e-4, 0.7] } };
});
proveAgreement(lossStatisticsSpec, close, 20, ([columns, a, b, at], seed) => {
  const blocks = a * b;
  const partials = testNumbers(columns * blocks, seed);
  const watched = seed % columns;
  // The limit is on either side of the mean that is watched, and far from it.
  const mean = partials.subarray(watched * blocks, (watched + 1) * blocks).reduce((sum, value) => sum + value, 0) / blocks;
  return {
    params: { columns, blocks, divisor: blocks, at, watched, limit: mean + (seed % 2 === 0 ? 1 : -1), hasStop: 1 },
    inputs: { partials, statistics: testNumbers(at + columns, seed + 1), stop: [seed % 5 === 0 ? 1 : 0] },
  };
});

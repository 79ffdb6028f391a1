/** How a cell of `fdpp-cells.mjs` is trained: options of the package's own functions. */

/** Demonstrations of the planner, and the pre-training on them. */
export const pretraining = {
  demonstrations: { observation: "keypoints", count: 600, seed: 1_000_000, successCoverage: 0.95, maxSteps: 300 },
  options: {
    horizon: 8, observationSteps: 2, epochs: 26, batchSize: 256, rate: 2e-3, emaDecay: 0.995, emaStart: 2, seed: 0,
    network: { kind: "diffusion-mlp", hidden: [512, 512, 512], timeSize: 32, activation: "mish", isResidual: true, process: { denoisingSteps: 100 } },
  },
};

function pretrainOptions({ from, epochs, hidden }) {
  if (from !== undefined) return undefined;
  const { options } = pretraining;
  return {
    ...options,
    ...(epochs === undefined ? {} : { epochs }),
    network: { ...options.network, ...(hidden === undefined ? {} : { hidden }) },
  };
}

/** Options of `trainReward`. Ending at 97 % right would leave the rewards small; the anchor holds them near 0 where nobody was. */
export function rewardOptions() {
  return { hidden: [128, 128], epochs: 60, accuracy: 1, anchor: { low: [-1, -1], high: [1, 1], weight: 0.3 }, seed: 1 };
}

/** How chains are drawn while fine-tuning and evaluating. */
export function samplerOf({ denoisingSteps }) {
  return { kind: "ddim", stepCount: denoisingSteps, eta: 1 };
}

function finetuneOptions(cell) {
  const { alpha, seed, iterations, chunks, epochs, batch, rate, clip, baseline, advantage, stdFloor } = cell;
  return { alpha, seed, iterations, steps: chunks, epochs, batchSize: batch, clip, baseline, advantage, stdFloor, rate: { max: rate, min: rate }, sampler: samplerOf(cell) };
}

/** The options that a cell is trained with; undefined where it only measures. */
export function optionsOf(cell) {
  return { pretrain: pretrainOptions, reward: rewardOptions, finetune: finetuneOptions }[cell.kind]?.(cell);
}

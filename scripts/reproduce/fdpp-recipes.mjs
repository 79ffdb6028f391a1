/** How a cell of `fdpp-cells.mjs` is trained: options of the package's own functions. */

import { pretrainPresets } from "../../dist/index.js";

const { demonstrations, options } = pretrainPresets["pusht-diffusion"];

/**
 * Demonstrations of the planner: from starts from which it runs through the box, moved and turned further than in the experiment,
 * and in every later round from states that the policy of the round before came through.
 */
export const pretraining = {
  demonstrations,
  starts: {
    states: [[447, 193, 235, 312, -5.348434196455743], [250, 118, 259, 289, -12.571312543728117], [446, 245, 220, 316, -5.033649710816105]],
    jitterPx: 8, jitterAngle: 0.08,
  },
};

function pretrainOptions({ from, epochs, hidden }) {
  if (from !== undefined) return undefined;
  return { ...options, ...(epochs === undefined ? {} : { epochs }), network: { ...options.network, ...(hidden === undefined ? {} : { hidden }) } };
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

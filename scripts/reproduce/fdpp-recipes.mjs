/** How a cell of `fdpp-cells.mjs` is trained: options of the package's own functions. */

import { pretrainPresets } from "../../dist/index.js";
import { calibration } from "./fdpp-cells.mjs";

const { demonstrations, options } = pretrainPresets["pusht-diffusion"];

/** The box as the procedure starts with it. */
const box = calibration.firstBox;

/** What a shaking hand and a policy's errors lead to: states near those of the way, from which it is shown how to go on. */
const aside = { jitterPx: 12, jitterAngle: 0.12 };

/**
 * Demonstrations of the planner. They begin at a start of the standard reset (seed 176339) from which it solves the task in some 75
 * steps, both through the box and round it. The agent is put 28 px higher, so that the first chunk ends before the box and the second
 * can still turn away. The way round begins in the open: where it passes close by the T, a first chunk that is seldom shown, and so is
 * taken inexactly, moves the T. The start is moved and turned further than in the experiment.
 *
 * What it shows is the way through the box, and once in 9 episodes the way round it, so that the policy knows both and takes the
 * first. The other episodes begin later and tell nothing of which way is taken: those of the way round after its first chunk,
 * and those from beside either way, `along` it. In every later round it begins at states that the policy of the round before came
 * through.
 */
export const pretraining = {
  demonstrations: { ...demonstrations, maxSteps: 150 },
  starts: { states: [[448, 216, 234, 326, -11.343983515754656]], jitterPx: 8, jitterAngle: 0.08 },
  ways: [
    { count: 800 },
    { count: 95, forbiddenBox: box },
    { count: 600, forbiddenBox: box, skipSteps: options.horizon },
    { count: 700, along: { episodes: 175, states: 5, from: options.horizon, ...aside } },
    { count: 700, forbiddenBox: box, along: { episodes: 175, states: 5, from: options.horizon + 4, ...aside } },
  ],
  /** Some 260,000 steps. */
  epochs: 360,
};

function pretrainOptions({ from, epochs, hidden }) {
  if (from !== undefined) return undefined;
  return { ...options, epochs: epochs ?? pretraining.epochs, network: { ...options.network, ...(hidden === undefined ? {} : { hidden }) } };
}

/**
 * Options of `trainReward`. Ending at 97 % right would leave the rewards small. The anchor holds them near 0 where nobody was; twice its
 * weight also bends them down where few were, such as left of the T, and the policy leaves its task for what is higher.
 */
export function rewardOptions() {
  return { hidden: [128, 128], epochs: 60, accuracy: 1, anchor: { low: [-1, -1], high: [1, 1], weight: 0.15 }, seed: 1 };
}

/** How chains are drawn while fine-tuning and evaluating. */
export function samplerOf({ denoisingSteps }) {
  return { kind: "ddim", stepCount: denoisingSteps, eta: 1 };
}

/** Where an episode ends nothing is to be lost: outside the box rewards are positive. */
function finetuneOptions(cell) {
  const { alpha, seed, iterations, chunks, epochs, batch, rate, lastRate, criticWarmup, clip, baseline, advantage, gamma, stdFloor } = cell;
  return {
    alpha, seed, iterations, steps: chunks, epochs, batchSize: batch, clip, baseline, advantage, gamma, tail: "repeatLast", stdFloor, criticWarmup,
    rate: { max: rate, min: Math.min(rate, lastRate), warmup: 0, cycle: Math.max(1, iterations - criticWarmup) }, sampler: samplerOf(cell),
  };
}

/** The options that a cell is trained with; undefined where it only measures. */
export function optionsOf(cell) {
  return { pretrain: pretrainOptions, reward: rewardOptions, finetune: finetuneOptions }[cell.kind]?.(cell);
}

import { DiffusionProcess } from "../src/diffusion/process.js";
import type { Device } from "../src/engine/device.js";
import type { Tensor } from "../src/engine/tensor.js";
import { gradientNormLength } from "../src/kernels/optim/gradient-norm.js";
import { createDiffusionMlp } from "../src/nn/diffusion-mlp.js";
import { createTrained, recordOptimiserStep } from "../src/nn/trained.js";
import { chainObjective } from "../src/rl/objective.js";
import { ppoUpdateStatistics } from "../src/rl/ppo-update.js";
import { benchPrograms, normals, type Built } from "./denoiser-programs.js";
import type { Suite } from "./workload.js";

/** A rollout of the specification: 32 environments, 25 chunks each, 50 denoising steps, from which minibatches of 5,000 are taken. */
const [chunks, steps, batchSize] = [32 * 25, 50, 5000];

/**
 * F1: one minibatch of the update on Push-T from its state: two observations of 5 numbers, chunks of 8 actions, three layers of 256
 * units. Forward, the clipped objective, the divergence from the frozen policy, backward, norm, clip and Adam.
 */
async function update(device: Device): Promise<Built> {
  const denoiser = createDiffusionMlp({
    actionSize: 2, horizon: 8, conditionWidth: 2 * 5, timeSize: 16, hidden: [256, 256, 256], activation: "relu", isResidual: true,
  });
  const process = new DiffusionProcess({ denoisingSteps: 100, sampler: { kind: "ddim", stepCount: steps, eta: 1 }, minLogProbStd: 0.05 });
  const { width, conditionWidth, layout } = denoiser;
  const actor = createTrained(device, layout, layout.initialValues(1), "policy");
  const transitions = chunks * steps;
  const numbers = (shape: readonly number[], label: string): Tensor => device.tensor(shape, { label, data: normals(shape.reduce((a, b) => a * b, 1), label.length) });
  const rollout = {
    states: numbers([chunks, conditionWidth], "states"),
    chains: numbers([chunks, steps + 1, width], "chains"),
    oldLogProbs: device.tensor([chunks, steps, width], { label: "old log-densities" }),
    returns: device.tensor([chunks], { label: "returns" }),
    oldValues: device.tensor([chunks], { label: "old values" }),
    advantages: numbers([chunks], "advantages"),
    advantageMoments: device.tensor([4], { label: "advantage moments", data: [0, 1, 0, 0] }),
    frozen: { outputs: numbers([chunks, steps, width], "frozen outputs"), divergences: device.tensor([chunks, steps], { label: "divergences" }) },
    // Neighbours in a minibatch are of different chunks and steps, as in a permutation.
    permutation: device.tensor([transitions], { label: "permutation", dtype: "u32", data: Array.from({ length: transitions }, (_, at) => (at * 7919) % transitions) }),
  };
  const objective = chainObjective({ denoiser, process, tables: process.tables(device), tunedSteps: steps, actionSize: 2 }, {
    updateForm: "step", clip: { first: 0.01, last: 0.01, rate: 0 }, denoisingDiscount: 1, rewardHorizon: 8, advantageLimit: 5, divergence: "kernels",
  }, { rows: chunks, frozen: actor.values, seed: 0 });
  const statistics = device.tensor([ppoUpdateStatistics.length], { label: "statistics" });
  const norm = device.tensor([gradientNormLength], { label: "norm" });
  const program = await device.program("update", (recorder) => {
    objective.recordLoss(recorder, rollout, { actor, critic: undefined, statistics }, batchSize).weighDivergence(0.3 / width);
    recordOptimiserStep(recorder, actor, { rate: 3e-5, maxGradientNorm: 1 }, { norm });
  });
  // Layers of the rows; the encoder of the time is run once for each step, not for each row.
  const weights = layout.parameters.filter(({ name, shape }) => shape.length === 2 && !name.startsWith("time")).reduce((sum, { length }) => sum + length, 0);
  return { program, gflop: (3 * batchSize * 2 * weights) / 1e9, items: batchSize };
}

/** Fine-tuning by preferences: the workload of the targets. */
export const fdppSuite: Suite = (request) => benchPrograms({ "F1-fdpp-update": update }, request);

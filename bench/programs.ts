import type { Device } from "../src/engine/device.js";
import { DiffusionProcess } from "../src/diffusion/process.js";
import type { Tensor } from "../src/engine/tensor.js";
import { gae } from "../src/kernels/rl/gae.js";
import { createTrained, recordOptimiserStep } from "../src/nn/trained.js";
import { createCritic } from "../src/nn/critic.js";
import { createDiffusionMlp } from "../src/nn/diffusion-mlp.js";
import { ppoUpdateStatistics, recordMinibatch, recordPpoLoss } from "../src/rl/ppo-update.js";
import { benchPrograms, cloningProgram, normals, samplingProgram, type Built } from "./denoiser-programs.js";
import type { Suite } from "./workload.js";

/** Observation and action sizes of the tasks that the targets are stated for. */
const tasks = {
  avoid: { conditionWidth: 4, actionSize: 2, mflop: 1.087 },
  gym: { conditionWidth: 11, actionSize: 3, mflop: 1.103 },
} as const;

function denoiserOf(task: keyof typeof tasks): ReturnType<typeof createDiffusionMlp> {
  const { conditionWidth, actionSize } = tasks[task];
  return createDiffusionMlp({
    actionSize, conditionWidth, horizon: 4, timeSize: 16, hidden: [512, 512, 512], activation: "relu", isResidual: true,
  });
}

/** W1, W2: one whole sampling of a batch, K = 20, the chain of the last 10 steps stored. */
function sampling(device: Device, task: keyof typeof tasks, rows: number): Promise<Built> {
  return samplingProgram(device, denoiserOf(task), { rows, steps: 20, tunedSteps: 10, mflop: tasks[task].mflop });
}

/**
 * W3: one minibatch of the PPO update in its chain form: `samples` critic rows, 10 times as many actor rows, forward, backward and
 * AdamW for both.
 */
async function update(device: Device, task: keyof typeof tasks, samples: number): Promise<Built> {
  const tunedSteps = 10;
  const denoiser = denoiserOf(task);
  const process = new DiffusionProcess({ denoisingSteps: 20 });
  const critic = createCritic({ conditionWidth: denoiser.conditionWidth });
  const model = { denoiser, critic, process, tables: process.tables(device), tunedSteps, actionSize: tasks[task].actionSize };
  const actor = createTrained(device, denoiser.layout, denoiser.layout.initialValues(1), "actor");
  const valued = createTrained(device, critic.layout, critic.layout.initialValues(2), "critic");
  const column = (label: string): Tensor => device.tensor([samples], { label, data: normals(samples, label.length) });
  const rollout = {
    states: device.tensor([samples, denoiser.conditionWidth], { label: "states", data: normals(samples * denoiser.conditionWidth, 1) }),
    chains: device.tensor([samples, tunedSteps + 1, denoiser.width], { label: "chains", data: normals(samples * (tunedSteps + 1) * denoiser.width, 2) }),
    oldLogProbs: device.tensor([samples, tunedSteps, denoiser.width], { label: "old log-densities" }),
    returns: column("returns"),
    oldValues: column("old values"),
    advantages: column("advantages"),
    permutation: device.tensor([samples], { label: "permutation", dtype: "u32", data: Array.from({ length: samples }, (_, at) => at) }),
  };
  const statistics = device.tensor([ppoUpdateStatistics.length], { label: "statistics" });
  const program = await device.program("update", (recorder) => {
    const { batch, rows } = recordMinibatch(recorder, model, rollout, { updateForm: "chain", batchSize: samples });
    recordPpoLoss(recorder, model, {
      updateForm: "chain", clip: { first: 0.1, last: 0.1, rate: 1 }, denoisingDiscount: 0.95, rewardHorizon: 4,
    }, { actor, critic: valued, batch, statistics }, rows);
    recordOptimiserStep(recorder, actor, { rate: 1e-5 });
    recordOptimiserStep(recorder, valued, { rate: 1e-3 });
  });
  const criticMflop = (2 * critic.layout.parameters.filter(({ shape }) => shape.length === 2).reduce((sum, { length }) => sum + length, 0)) / 1e6;
  return { program, gflop: (3 * samples * (tunedSteps * tasks[task].mflop + criticMflop)) / 1000, items: samples * tunedSteps };
}

/** W6: advantages of 500 steps of 40 environments. */
async function advantages(device: Device): Promise<Built> {
  const [steps, envs] = [500, 40];
  const table = (label: string): Tensor => device.tensor([steps, envs], { label, data: normals(steps * envs, label.length) });
  const buffers = {
    rewards: table("rewards"),
    values: table("values"),
    lastValues: device.tensor([envs], { label: "last values" }),
    terminated: device.tensor([steps, envs], { label: "terminated" }),
    advantages: table("advantages"),
    returns: table("returns"),
  };
  const program = await device.program("advantages", (recorder) => {
    gae(recorder, buffers, { steps, envs, gamma: 0.99, lambda: 0.95, rewardScale: 1, truncation: "reference" });
  });
  return { program, gflop: 0, items: steps * envs };
}

const programs: Readonly<Record<string, (device: Device) => Promise<Built>>> = {
  "W1-avoid-sample": (device) => sampling(device, "avoid", 50),
  "W2-gym-sample": (device) => sampling(device, "gym", 40),
  "W3-ppo-update-avoid": (device) => update(device, "avoid", 625),
  "W3-ppo-update-gym": (device) => update(device, "gym", 5000),
  "W5-pretrain": (device) => cloningProgram(device, denoiserOf("gym"), { rows: 128, mflop: tasks.gym.mflop }),
  "W6-gae-500x40": advantages,
};

/** Whole programs: the workloads of the targets. */
export const programsSuite: Suite = (request) => benchPrograms(programs, request);

import { PhiloxStream } from "../src/core/philox.js";
import type { Device } from "../src/engine/device.js";
import type { Program } from "../src/engine/program.js";
import { recordCloningLoss } from "../src/diffusion/cloning-loss.js";
import { DiffusionProcess } from "../src/diffusion/process.js";
import { recordSampling } from "../src/diffusion/sampling.js";
import type { Tensor } from "../src/engine/tensor.js";
import { gae } from "../src/kernels/rl/gae.js";
import { randomNormal } from "../src/kernels/rng/random.js";
import { createTrained, recordOptimiserStep } from "../src/nn/trained.js";
import { createCritic } from "../src/nn/critic.js";
import { createDiffusionMlp } from "../src/nn/diffusion-mlp.js";
import { ppoUpdateStatistics, recordMinibatch, recordPpoLoss } from "../src/rl/ppo-update.js";
import { benchDevices } from "./devices.js";
import type { Suite, Workload } from "./workload.js";

/** A program to time with the useful work of one run. */
interface Built {
  readonly program: Program;
  readonly gflop: number;
  readonly items: number;
}

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
async function sampling(device: Device, task: keyof typeof tasks, rows: number): Promise<Built> {
  const denoiser = denoiserOf(task);
  const process = new DiffusionProcess({ denoisingSteps: 20 });
  const tables = process.tables(device);
  const { width } = denoiser;
  const values = denoiser.layout.initialValues(1);
  const frozen = device.tensor([denoiser.layout.length], { label: "frozen", data: values });
  const tuned = device.tensor([denoiser.layout.length], { label: "tuned", data: values });
  const state = device.tensor([rows, denoiser.conditionWidth], { label: "state" });
  const chunk = device.tensor([rows, width], { label: "chunk" });
  const chain = device.tensor([rows, 11, width], { label: "chain" });
  const noise = device.tensor([21, rows, width], { label: "noise" });
  const program = await device.program("sample", (recorder) => {
    randomNormal(recorder, { out: noise }, { length: noise.length, seed: [1, 2], stream: 3, step: 0 });
    recordSampling(recorder, denoiser, process, tables, { frozen, tuned, state, noise, chunk, chain }, {
      rows, tunedSteps: 10, isDeterministic: false,
    });
  });
  return { program, gflop: (rows * 20 * tasks[task].mflop) / 1000, items: rows };
}

/** W5: one step of behaviour cloning, batch 128: loss, gradients, AdamW. */
async function pretraining(device: Device): Promise<Built> {
  const rows = 128;
  const denoiser = denoiserOf("gym");
  const process = new DiffusionProcess({ denoisingSteps: 20 });
  const { width, layout } = denoiser;
  const actor = createTrained(device, layout, layout.initialValues(1), "denoiser");
  const x0 = device.tensor([rows, width], { label: "chunks" });
  const state = device.tensor([rows, denoiser.conditionWidth], { label: "state" });
  const time = device.tensor([rows], { label: "time", dtype: "u32", data: Array.from({ length: rows }, (_, row) => row % 20) });
  const noise = device.tensor([rows, width], { label: "noise" });
  const noisingTable = process.noisingTable(device);
  const loss = device.tensor([1], { label: "loss" });
  const program = await device.program("pretrain", (recorder) => {
    randomNormal(recorder, { out: noise }, { length: noise.length, seed: [1, 2], stream: 3, step: 0 });
    recordCloningLoss(recorder, denoiser, process, { ...actor, x0, state, time, noise, noisingTable, loss }, rows);
    recordOptimiserStep(recorder, actor, { rate: 1e-4, weightDecay: 1e-6 });
  });
  return { program, gflop: (3 * rows * tasks.gym.mflop) / 1000, items: rows };
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

function normals(length: number, seed: number): Float32Array {
  const random = new PhiloxStream(seed, 0);
  return Float32Array.from({ length }, () => random.normal());
}

const programs: Readonly<Record<string, (device: Device) => Promise<Built>>> = {
  "W1-avoid-sample": (device) => sampling(device, "avoid", 50),
  "W2-gym-sample": (device) => sampling(device, "gym", 40),
  "W3-ppo-update-avoid": (device) => update(device, "avoid", 625),
  "W3-ppo-update-gym": (device) => update(device, "gym", 5000),
  "W5-pretrain": pretraining,
  "W6-gae-500x40": advantages,
};

/** Whole programs: the workloads of the targets. */
export const programsSuite: Suite = async function* (request) {
  for (const [workload, build] of Object.entries(programs)) {
    if (!workload.includes(request.filter)) continue;
    for await (const { device, variant, threads } of benchDevices(request)) {
      const { program, gflop, items } = await build(device);
      yield {
        workload,
        engine: device.info.engine,
        variant,
        threads,
        gflop,
        items,
        device: device.info.description,
        run: device.info.engine === "wasm"
          ? () => { program.run(); }
          : () => { program.run(); return device.idle(); },
        ...(device.info.features.includes("timestamp-query") ? { deviceMs: () => program.gpuTime() } : {}),
        close: () => { program.close(); },
      } satisfies Workload;
    }
  }
};

import { describe, expect, test } from "vitest";
import { DiffusionProcess } from "../../src/diffusion/process.js";
import type { Device } from "../../src/engine/device.js";
import type { Tensor } from "../../src/engine/tensor.js";
import { createCritic } from "../../src/nn/critic.js";
import { createDiffusionMlp } from "../../src/nn/diffusion-mlp.js";
import { createTrained, type Trained } from "../../src/nn/trained.js";
import { ppoUpdateStatistics, recordMinibatch, recordPpoLoss } from "../../src/rl/ppo-update.js";
import { recordUpdateStep } from "../../src/rl/update-step.js";
import { gradientNormLength } from "../../src/kernels/optim/gradient-norm.js";
import { deviceFor, engines, testNumbers } from "../kernels/harness.js";

const [samples, tunedSteps, batchSize] = [12, 3, 18];

interface Update {
  readonly run: () => void;
  readonly actor: Trained;
  readonly critic: Trained;
  readonly log: Tensor;
  readonly stop: Tensor;
  readonly moveTo: (offset: number) => void;
}

/** An update in minibatches of 18 of 36 transitions, with tiny networks. */
async function update(device: Device, targetKl: number | null): Promise<Update> {
  const denoiser = createDiffusionMlp({ actionSize: 2, conditionWidth: 3, horizon: 2, timeSize: 4, hidden: [8, 8, 8], activation: "relu", isResidual: true });
  const process = new DiffusionProcess({ denoisingSteps: 5 });
  const valueNetwork = createCritic({ conditionWidth: 3 });
  const model = { denoiser, critic: valueNetwork, process, tables: process.tables(device), tunedSteps, actionSize: 2 };
  const actor = createTrained(device, denoiser.layout, denoiser.layout.initialValues(1), "actor");
  const critic = createTrained(device, valueNetwork.layout, valueNetwork.layout.initialValues(2), "critic");
  const numbers = (shape: readonly number[], seed: number): Tensor => device.tensor(shape, { data: testNumbers(shape.reduce((a, b) => a * b, 1), seed) });
  const total = samples * tunedSteps;
  const rollout = {
    states: numbers([samples, 3], 1),
    chains: numbers([samples, tunedSteps + 1, denoiser.width], 2),
    oldLogProbs: numbers([samples, tunedSteps, denoiser.width], 3),
    returns: numbers([samples], 4),
    oldValues: numbers([samples], 5),
    advantages: numbers([samples], 6),
    permutation: device.tensor([total], { dtype: "u32", data: Array.from({ length: total }, (_, i) => (i * 7) % total) }),
  };
  const statistics = device.tensor([ppoUpdateStatistics.length]);
  const log = device.tensor([ppoUpdateStatistics.length]);
  const stop = device.tensor([1], { dtype: "u32" });
  let moveTo = (_: number): void => undefined;
  const losses = await device.program("losses", (recorder) => {
    const minibatch = recordMinibatch(recorder, model, rollout, { updateForm: "step", batchSize });
    moveTo = (offset) => { minibatch.moveTo(offset); };
    const options = { updateForm: "step", clip: { first: 0.1, last: 0.1, rate: 1 }, denoisingDiscount: 0.95, rewardHorizon: 2 } as const;
    recordPpoLoss(recorder, model, options, { actor, critic, batch: minibatch.batch, statistics }, minibatch.rows);
  });
  const norm = (): Tensor => device.tensor([gradientNormLength]);
  const step = await device.program("step", (recorder) => {
    recordUpdateStep(recorder, { actor, critic, actorNorm: norm(), criticNorm: norm(), statistics, log, stop }, {
      actor: { rate: 1e-2 }, critic: { rate: 1e-2 }, targetKl,
    });
  });
  const run = (): void => { losses.run(); step.run(); };
  return { run, actor, critic, log, stop, moveTo };
}

const stepsOf = async (device: Device, trained: Trained): Promise<number> => (await device.read(trained.optimiserState))[0]!;

describe.each(engines)("the update on %s", (engine) => {
  test("learns from the minibatch that went too far, and from none after it", async () => {
    const device = await deviceFor(engine);
    // Old log-densities that are no policy's: the divergence of the first minibatch is far beyond the target.
    const { run, actor, critic, log, stop, moveTo } = await update(device, 1e-3);
    const start = await device.read(actor.values);
    run();
    const [first, after] = [await device.read(log), await device.read(actor.values)];
    expect(first[ppoUpdateStatistics.indexOf("approxKl")]).toBeGreaterThan(1e-3);
    expect(first[ppoUpdateStatistics.indexOf("valueLoss")]).toBeGreaterThan(0);
    expect(after).not.toEqual(start);
    expect([...await device.readU32(stop)]).toEqual([1]);
    moveTo(batchSize);
    run();
    expect(await device.read(actor.values)).toEqual(after);
    expect([await stepsOf(device, actor), await stepsOf(device, critic)]).toEqual([1, 1]);
    expect(await device.read(log)).toEqual(first);
    // The next update starts with the flag down.
    device.write(stop, [0]);
    run();
    expect([await stepsOf(device, actor), await stepsOf(device, critic)]).toEqual([2, 2]);
  });

  test("goes through all minibatches without a target", async () => {
    const device = await deviceFor(engine);
    const { run, actor, critic, stop, moveTo } = await update(device, null);
    for (const offset of [0, batchSize]) {
      moveTo(offset);
      run();
    }
    expect([await stepsOf(device, actor), await stepsOf(device, critic)]).toEqual([2, 2]);
    expect([...await device.readU32(stop)]).toEqual([0]);
  });
});

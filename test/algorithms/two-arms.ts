import type { Device } from "../../src/engine/device.js";
import { recordCloningLoss } from "../../src/diffusion/cloning-loss.js";
import { Policy } from "../../src/diffusion/policy.js";
import { vectorise, type VectorisedEnvironment } from "../../src/envs/vectorise.js";
import { LearnerParts } from "../../src/rl/learner-parts.js";
import { testNumbers } from "../kernels/harness.js";

/** Where the two modes of the first policy are. */
const modes = [-0.6, 0.6] as const;

/** One decision, one number: the reward is 1 at the right end of [-1, 1] and 0 at the left, and the episode ends. */
export function twoArms(count: number): VectorisedEnvironment {
  return vectorise({
    name: "twoArms",
    observations: [{ name: "nothing", low: -1, high: 1 }],
    actions: [{ name: "arm", low: -1, high: 1 }],
    create: () => ({
      reset: () => [0],
      step: (action) => ({ observation: [0], reward: (Math.min(Math.max(action[0]!, -1), 1) + 1) / 2, terminated: true, success: action[0]! > 0 }),
    }),
  }, { count });
}

/** A policy that pulls either arm: a small denoiser, cloned from two modes. */
export async function twoModePolicy(device: Device): Promise<Policy> {
  const bounds = { min: [-1], max: [1] };
  const policy = Policy.create({
    observationNames: ["nothing"],
    actionNames: ["arm"],
    horizon: 1,
    statistics: { observations: bounds, actions: bounds },
    network: { kind: "diffusion-mlp", process: { denoisingSteps: 5, minSamplingStd: 0.1 }, timeSize: 8, hidden: [32, 32] },
  }, 1);
  const parts = new LearnerParts(device, policy, 5);
  try {
    const rows = 256;
    const actor = parts.trained("actor", parts.denoiser.layout, policy.values);
    const x0 = parts.own(device.tensor([rows, 1], { data: testNumbers(rows, 3, 0.1).map((value, row) => value + modes[row % 2]!) }));
    const state = parts.own(device.tensor([rows, 1]));
    const loss = parts.own(device.tensor([1]));
    const lesson = await parts.lesson("clone", (program, notes) => {
      recordCloningLoss(program, parts.denoiser, parts.process, {
        ...actor, x0, state, ...parts.recordDraws(program, notes, rows), noisingTable: parts.noisingTable, loss,
      }, rows);
      parts.recordDescent(program, notes, actor, { rate: 3e-3 });
    });
    for (let update = 0; update < 400; update++) lesson.run(update);
    return policy.withValues(await device.read(actor.values));
  } finally {
    parts.close();
  }
}

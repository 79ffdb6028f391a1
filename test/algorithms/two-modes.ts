import { pretrain } from "../../src/algorithms/pretrain.js";
import { PhiloxStream } from "../../src/core/philox.js";
import { DatasetBuilder } from "../../src/data/dataset.js";
import { Policy, type PolicyNetwork } from "../../src/diffusion/policy.js";
import type { Device } from "../../src/engine/device.js";
import { vectorise, type VectorisedEnvironment } from "../../src/envs/vectorise.js";

/** What there is to see and to decide: one number, which is also the state that it leads to. */
export const place = {
  name: "line",
  observations: [{ name: "place", low: -1, high: 1 }],
  actions: [{ name: "target", low: -1, high: 1 }],
};

/** One decision, then the episode ends. */
export function line(count: number, recordSteps = true): VectorisedEnvironment {
  return vectorise({
    ...place,
    create: () => ({
      reset: () => [0],
      step: (action) => ({ observation: [action[0]!], reward: 0, terminated: true, success: action[0]! > 0 }),
    }),
  }, { count, recordSteps });
}

/** A policy for it that has learned nothing yet. */
export function linePolicy(network: PolicyNetwork = { kind: "diffusion-mlp", hidden: [24, 24, 24], isResidual: true, process: { denoisingSteps: 5 } }): Policy {
  const range = { min: [-1], max: [1] };
  return Policy.create({ observationNames: ["place"], actionNames: ["target"], horizon: 1, statistics: { observations: range, actions: range }, network }, 1);
}

/** The toy of the specification (section 11, test 7): a policy that goes to −0.5 and to +0.5, deviation 0.05, equally often. */
export async function twoModePolicy(device: Device): Promise<Policy> {
  const rows = 1024;
  const random = new PhiloxStream(3);
  const builder = new DatasetBuilder({ environment: "line", options: {}, observationNames: ["place"], actionNames: ["target"] });
  const actions = Float32Array.from({ length: rows }, (_, row) => (row % 2 === 0 ? 0.5 : -0.5) + 0.05 * random.normal());
  // The range of the data becomes that of the policy: two rows at its ends keep one unit one unit.
  actions.set([-1, 1]);
  builder.add({ observations: new Float32Array(rows), actions, rewards: new Float32Array(rows), seed: 0, success: true, label: "" });
  const training = pretrain(device, builder.build(), {
    horizon: 1, epochs: 250, batchSize: 256, rate: 3e-3, emaStart: 100, seed: 1, reportEvery: 10_000,
    network: { kind: "diffusion-mlp", hidden: [48, 48, 48], isResidual: true, process: { denoisingSteps: 10, x0Clip: 1 } },
  });
  for await (const { loss } of training) if (!Number.isFinite(loss)) break;
  return training.policy();
}

/** Share of the policy's own samples, with its noise, that go to the right. */
export async function rightShare(device: Device, policy: Policy): Promise<number> {
  const count = 4096;
  using actor = await policy.on(device, { count, isDeterministic: false, seed: 9 });
  const places = await actor.act(new Float32Array(count));
  return places.filter((place) => place > 0).length / count;
}

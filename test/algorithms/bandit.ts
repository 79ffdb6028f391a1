import { vectorise } from "../../src/envs/vectorise.js";
import type { VectorEnvironment } from "../../src/envs/environment.js";
import { Policy, type PolicyNetwork } from "../../src/diffusion/policy.js";

/** Action of the bandit that is paid best. */
export const bestAction = 0.5;

/** One state, one step: the reward falls with the distance of the action from the best one. */
export function createBandit(count: number): VectorEnvironment {
  return vectorise({
    name: "bandit",
    observations: [{ name: "nothing", low: -1, high: 1 }],
    actions: [{ name: "arm", low: -1, high: 1 }],
    create: () => ({
      reset: () => [0],
      step: (action) => ({ observation: [0], reward: 1 - Math.abs(action[0]! - bestAction), terminated: true }),
    }),
  }, { count });
}

/** A policy of one action in [-1, 1] with little networks. */
export function banditPolicy(network: PolicyNetwork, seed = 1): Policy {
  return Policy.create({
    observationNames: ["nothing"],
    actionNames: ["arm"],
    horizon: 1,
    statistics: { observations: { min: [-1], max: [1] }, actions: { min: [-1], max: [1] } },
    normaliser: "diffusionPolicy",
    network,
  }, seed);
}

export const banditDenoiser: PolicyNetwork = { kind: "diffusion-mlp", hidden: [24, 24, 24], isResidual: true, process: { denoisingSteps: 5 } };

export const banditCritic = { hidden: [16, 16, 16] };

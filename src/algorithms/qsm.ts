import * as v from "valibot";
import { finiteNumber, parseOptions } from "../core/options.js";
import type { Device } from "../engine/device.js";
import type { VectorEnvironment } from "../envs/environment.js";
import type { Policy } from "../diffusion/policy.js";
import { createQCritic } from "../nn/q-critic.js";
import { recordScoreMatching } from "../rl/critic-guidance.js";
import { recordQLoss, recordQTargets } from "../rl/q-learning.js";
import { baselineEntries, BaselineTraining, repeatUpdates, replayEntries, replayUpdates, slownessEntry, type Baseline, type BaselineSetup } from "./off-policy.js";

/** The schema of {@link QsmOptions}. */
export const qsmSchema = v.strictObject({
  ...baselineEntries,
  ...replayEntries({ bufferSteps: 5000, replayRatio: 16, warmup: 5 }),
  slowness: slownessEntry(0.005),
  coefficient: v.optional(v.pipe(finiteNumber(0, 1e6), v.description("Noise that a unit of the critics' gradient asks for; 10 in the original's code, 50 in its paper.")), 10),
});

/** Options of {@link qsm}; defaults are those of the original for its manipulation tasks, sized for Avoid. */
export type QsmOptions = v.InferInput<typeof qsmSchema>;

/** Q-score matching (spec 12.6): the predicted noise becomes the critics' gradient, scaled and turned round. */
export function qsm(device: Device, policy: Policy, environment: VectorEnvironment, options: QsmOptions = {}): BaselineTraining {
  const resolved = parseOptions(qsmSchema, options, "qsm");
  return new BaselineTraining({
    name: "qsm", device, policy, environment, options: resolved, rewardFactor: resolved.rewardFactor, build: (setup) => build(setup, resolved),
  });
}

async function build({ parts, rows, remember }: BaselineSetup, options: v.InferOutput<typeof qsmSchema>): Promise<Baseline> {
  const { policy, denoiser, process, noisingTable } = parts;
  const { batchSize, gamma, slowness, coefficient, seed } = options;
  const buffer = remember(options.bufferSteps);
  const actor = parts.trained("actor", denoiser.layout, policy.values);
  const network = createQCritic({ conditionWidth: policy.conditionWidth, actionWidth: policy.chunkWidth, ...options.critic });
  const critic = parts.trained("critic", network.layout, network.layout.initialValues(seed));
  const slowCritic = parts.slowCopy("slow critic", network.layout.initialValues(seed));

  const learnCritic = await parts.lesson("learn critic", (program, notes) => {
    const batch = parts.recordBatch(program, notes, buffer, batchSize);
    // a' by the policy at s'; y = r + gamma (1 - terminated) min(Q1', Q2')(s', a')
    const action = parts.recordFollowing(program, notes, actor.values, batch.nextState, batchSize);
    const targets = recordQTargets(program, network, slowCritic, batch, { state: batch.nextState, action }, { rows: batchSize, gamma });
    // down (Q1 - y)^2 + (Q2 - y)^2; the slow copies follow
    const losses = program.temporary([2], "critic losses");
    recordQLoss(program, network, critic, batch, targets, losses, { rows: batchSize, at: 0 });
    notes.tally("valueLoss", losses);
    parts.recordDescent(program, notes, critic, { rate: options.criticRate });
    parts.recordFollow(program, critic.values, slowCritic, slowness);
  });

  const learnActor = await parts.lesson("learn actor", (program, notes) => {
    const { state, action } = parts.recordBatch(program, notes, buffer, batchSize);
    const loss = program.temporary([1], "score loss");
    // x_t = a with noise of time t; down (eps(x_t, t, s) + c mean dQ(s, x_t)/dx_t)^2
    recordScoreMatching(program, { denoiser, process, learner: actor }, { critic: network, values: critic.values }, {
      x0: action, state, ...parts.recordDraws(program, notes, batchSize), noisingTable, loss,
    }, { rows: batchSize, coefficient });
    notes.tally("policyLoss", loss);
    parts.recordDescent(program, notes, actor, { rate: options.rate, weightDecay: options.weightDecay }, "gradientNorm");
  });

  return {
    actor,
    buffer,
    learn: (experience, { update, iteration }) => {
      buffer.push(experience);
      const lessons = iteration >= options.criticWarmup ? [learnCritic, learnActor] : [learnCritic];
      return repeatUpdates(replayUpdates(rows, options), update, lessons);
    },
  };
}

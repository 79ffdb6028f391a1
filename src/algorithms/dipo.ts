import * as v from "valibot";
import { finiteNumber, parseOptions, positiveNumber, wholeNumber } from "../core/options.js";
import type { Device } from "../engine/device.js";
import type { VectorEnvironment } from "../envs/environment.js";
import { recordCloningLoss } from "../diffusion/cloning-loss.js";
import type { Policy } from "../diffusion/policy.js";
import { rowScatter } from "../kernels/nn/row-scatter.js";
import { createQCritic } from "../nn/q-critic.js";
import { recordActionAscent } from "../rl/critic-guidance.js";
import { recordQLoss, recordQTargets } from "../rl/q-learning.js";
import { baselineEntries, BaselineTraining, repeatUpdates, replayEntries, replayUpdates, slownessEntry, type Baseline, type BaselineSetup } from "./off-policy.js";

/** The schema of {@link DipoOptions}. */
export const dipoSchema = v.strictObject({
  ...baselineEntries,
  ...replayEntries({ bufferSteps: 20_000, replayRatio: 16, warmup: 5 }),
  slowness: slownessEntry(0.005),
  ascentSteps: v.optional(v.pipe(wholeNumber(1, 1000), v.description("Steps of Adam that improve the chunks of a batch.")), 10),
  ascentRate: v.optional(v.pipe(finiteNumber(0, 10), v.description("Their rate, in normalised units of actions.")), 1e-4),
  ascentNorm: v.optional(v.pipe(positiveNumber(), v.description("Largest norm of the gradient of a batch of chunks, for each element of a chunk.")), 0.1),
});

/** Options of {@link dipo}; defaults are those of the original for its manipulation tasks, sized for Avoid. */
export type DipoOptions = v.InferInput<typeof dipoSchema>;

/** What Adam adds to the root of its second moment where chunks are improved. */
const ascentEpsilon = 1e-5;

/**
 * Diffusion policy for online learning (spec 12.3): remembered chunks are improved by the critics' gradient, and the policy
 * clones the improved ones.
 */
export function dipo(device: Device, policy: Policy, environment: VectorEnvironment, options: DipoOptions = {}): BaselineTraining {
  const resolved = parseOptions(dipoSchema, options, "dipo");
  return new BaselineTraining({
    name: "dipo", device, policy, environment, options: resolved, rewardFactor: resolved.rewardFactor, build: (setup) => build(setup, resolved),
  });
}

async function build({ parts, rows, remember }: BaselineSetup, options: v.InferOutput<typeof dipoSchema>): Promise<Baseline> {
  const { policy, denoiser, process, noisingTable } = parts;
  const { batchSize, gamma, slowness, seed } = options;
  const width = policy.chunkWidth;
  const buffer = remember(options.bufferSteps);
  const actor = parts.trained("actor", denoiser.layout, policy.values);
  const slowActor = parts.slowCopy("slow actor", policy.values);
  const network = createQCritic({ conditionWidth: policy.conditionWidth, actionWidth: width, ...options.critic });
  const critic = parts.trained("critic", network.layout, network.layout.initialValues(seed));
  const slowCritic = parts.slowCopy("slow critic", network.layout.initialValues(seed));

  const learnCritic = await parts.lesson("learn critic", (program, notes) => {
    const batch = parts.recordBatch(program, notes, buffer, batchSize);
    // a' by the slow policy at s'; y = r + gamma (1 - terminated) min(Q1', Q2')(s', a')
    const action = parts.recordFollowing(program, notes, slowActor, batch.nextState, batchSize);
    const targets = recordQTargets(program, network, slowCritic, batch, { state: batch.nextState, action }, { rows: batchSize, gamma });
    // down (Q1 - y)^2 + (Q2 - y)^2; the slow copies follow
    const losses = program.temporary([2], "critic losses");
    recordQLoss(program, network, critic, batch, targets, losses, { rows: batchSize, at: 0 });
    notes.tally("valueLoss", losses);
    parts.recordDescent(program, notes, critic, { rate: options.criticRate });
    parts.recordFollow(program, critic.values, slowCritic, slowness);
  });

  const learnActor = await parts.lesson("learn actor", (program, notes) => {
    const { state, action, index } = parts.recordBatch(program, notes, buffer, batchSize);
    // up min(Q1, Q2) by the chunks themselves; what they become is remembered in their place
    const improved = program.temporary([batchSize, width], "improved chunks");
    recordActionAscent(program, { critic: network, values: critic.values }, { state, action, improved }, {
      rows: batchSize, steps: options.ascentSteps, rate: options.ascentRate, epsilon: ascentEpsilon, maxNorm: options.ascentNorm * width,
    });
    rowScatter(program, { src: improved, index, dst: buffer.columns.chunks }, { rows: batchSize, width });
    // clone them; the slow policy, which acts, follows
    const loss = program.temporary([1], "cloning loss");
    recordCloningLoss(program, denoiser, process, { ...actor, x0: improved, state, ...parts.recordDraws(program, notes, batchSize), noisingTable, loss }, batchSize);
    notes.tally("policyLoss", loss);
    parts.recordDescent(program, notes, actor, { rate: options.rate, weightDecay: options.weightDecay }, "gradientNorm");
    parts.recordFollow(program, actor.values, slowActor, slowness);
  });

  return {
    actor,
    acting: slowActor,
    buffer,
    learn: (experience, { update, iteration }) => {
      buffer.push(experience);
      const lessons = iteration >= options.criticWarmup ? [learnCritic, learnActor] : [learnCritic];
      return repeatUpdates(replayUpdates(rows, options), update, lessons);
    },
  };
}

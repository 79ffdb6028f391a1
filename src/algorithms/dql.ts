import * as v from "valibot";
import { finiteNumber, parseOptions } from "../core/options.js";
import { randomWord } from "../core/philox.js";
import { randomStreams } from "../core/random-streams.js";
import type { Device } from "../engine/device.js";
import type { VectorEnvironment } from "../envs/environment.js";
import type { Policy } from "../diffusion/policy.js";
import { createQCritic } from "../nn/q-critic.js";
import { recordChainAscent } from "../rl/critic-guidance.js";
import { recordQLoss, recordQTargets } from "../rl/q-learning.js";
import { baselineEntries, BaselineTraining, repeatUpdates, replayEntries, replayUpdates, slownessEntry, type Baseline, type BaselineSetup } from "./off-policy.js";

/** The schema of {@link DqlOptions}. */
export const dqlSchema = v.strictObject({
  ...baselineEntries,
  ...replayEntries({ bufferSteps: 20_000, replayRatio: 16, warmup: 5 }),
  slowness: slownessEntry(0.005),
  eta: v.optional(v.pipe(finiteNumber(0, 1e6), v.description("Weight of the critics beside the cloning of the policy's own chunks.")), 1),
});

/** Options of {@link dql}; defaults are those of the original for its manipulation tasks, sized for Avoid. */
export type DqlOptions = v.InferInput<typeof dqlSchema>;

/**
 * Diffusion Q-learning (spec 12.5): the policy climbs the critics through every denoising step of its own chunks, and is held
 * by cloning these chunks.
 */
export function dql(device: Device, policy: Policy, environment: VectorEnvironment, options: DqlOptions = {}): BaselineTraining {
  const resolved = parseOptions(dqlSchema, options, "dql");
  return new BaselineTraining({
    name: "dql", device, policy, environment, options: resolved, rewardFactor: resolved.rewardFactor, build: (setup) => build(setup, resolved),
  });
}

async function build({ parts, rows, remember }: BaselineSetup, options: v.InferOutput<typeof dqlSchema>): Promise<Baseline> {
  const { policy, denoiser, process, tables, noisingTable } = parts;
  const { batchSize, gamma, slowness, eta, seed } = options;
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
    const { state } = parts.recordBatch(program, notes, buffer, batchSize);
    const chainNoise = parts.recordNormals(program, notes, (process.stepCount + 1) * batchSize * denoiser.width, randomStreams.chain);
    const [loss, valueLoss] = [program.temporary([1], "cloning loss"), program.temporary([1], "relative value loss")];
    // a by the policy at s; down cloning(a) - eta mean Q1(s, a) / mean|Q2(s, a)|, the critics' parts swapped by a coin
    const climb = recordChainAscent(program, { denoiser, process, learner: actor }, tables, { critic: network, values: critic.values }, {
      state, chainNoise, ...parts.recordDraws(program, notes, batchSize), noisingTable, loss, valueLoss,
    }, { rows: batchSize, eta });
    notes.before((update) => { climb.update({ isSwapped: randomWord(seed, randomStreams.role, update) & 1 }); });
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

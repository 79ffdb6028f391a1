import * as v from "valibot";
import { Breath } from "../core/breath.js";
import { finiteNumber, parseOptions, positiveNumber, wholeNumber } from "../core/options.js";
import { shuffled } from "../core/philox.js";
import { randomStreams } from "../core/random-streams.js";
import type { Device } from "../engine/device.js";
import type { VectorEnvironment } from "../envs/environment.js";
import { recordCloningLoss } from "../diffusion/cloning-loss.js";
import type { Policy } from "../diffusion/policy.js";
import { rowGather } from "../kernels/nn/row-gather.js";
import { selectRows } from "../rl/experience.js";
import { returnWeights, wholeEpisodeReturns } from "../rl/returns.js";
import { baselineEntries, BaselineTraining, type Baseline, type BaselineSetup } from "./off-policy.js";

/** The schema of {@link DrwrOptions}. */
export const drwrSchema = v.strictObject({
  ...baselineEntries,
  epochs: v.optional(v.pipe(wholeNumber(1, 1000), v.description("Passes over the decisions of a rollout.")), 16),
  beta: v.optional(v.pipe(finiteNumber(0, 1000), v.description("How much a deviation of the return counts.")), 10),
  largestWeight: v.optional(v.pipe(positiveNumber(), v.description("Largest weight of a decision.")), 100),
});

/** Options of {@link drwr}; defaults are those of the original, sized for Avoid. */
export type DrwrOptions = v.InferInput<typeof drwrSchema>;

/**
 * Diffusion reward-weighted regression (spec 12.1): the policy clones its own decisions, each as much as the exponential of
 * its return says. No critic, nothing remembered.
 */
export function drwr(device: Device, policy: Policy, environment: VectorEnvironment, options: DrwrOptions = {}): BaselineTraining {
  const resolved = parseOptions(drwrSchema, options, "drwr");
  return new BaselineTraining({ name: "drwr", device, policy, environment, options: resolved, rewardFactor: 1, build: (setup) => build(setup, resolved) });
}

async function build({ parts, envs, rows, remember }: BaselineSetup, options: v.InferOutput<typeof drwrSchema>): Promise<Baseline> {
  const { device, policy, denoiser, process, noisingTable } = parts;
  const { batchSize, beta, largestWeight, gamma, epochs, seed, steps } = options;
  const buffer = remember(steps);
  const actor = parts.trained("actor", denoiser.layout, policy.values);
  const weights = parts.own(device.tensor([buffer.capacity], { label: "weights" }));
  const order = parts.own(device.tensor([Math.max(rows, batchSize)], { label: "order", dtype: "u32" }));
  let offset = 0;

  const learn = await parts.lesson("learn actor", (program, notes) => {
    const { batch, gathers } = buffer.recordGather(program, order, batchSize);
    const { action, state } = batch;
    const weight = program.temporary([batchSize], "batch weights");
    const gatherWeight = rowGather(program, { source: weights, index: order, out: weight }, { rows: batchSize, width: 1 });
    notes.before(() => { for (const gather of [...gathers, gatherWeight]) gather.update({ indexOffset: offset }); });
    // down w(R) (eps - eps(a with noise, t, s))^2
    const loss = program.temporary([1], "weighted cloning loss");
    recordCloningLoss(program, denoiser, process, { ...actor, x0: action, state, weight, ...parts.recordDraws(program, notes, batchSize), noisingTable, loss }, batchSize);
    notes.tally("policyLoss", loss);
    parts.recordDescent(program, notes, actor, { rate: options.rate, weightDecay: options.weightDecay }, "gradientNorm");
  });

  return {
    actor,
    buffer,
    learn: async (experience, { update, iteration, record }) => {
      // w = min(exp(beta R), largest), R the standardised return to go; of whole episodes only
      const whole = wholeEpisodeReturns({ rewards: experience.rewards, steps, envs }, record.firsts, gamma);
      const count = whole.rows.length;
      if (count === 0) return 0;
      buffer.push(selectRows(experience, whole.rows));
      device.write(weights.view(0, [count]), returnWeights(whole.returns, { beta, largest: largestWeight }));
      const breath = new Breath();
      let updates = 0;
      for (let epoch = 0; epoch < epochs; epoch++) {
        const shuffle = shuffled(count, seed, randomStreams.permutation, iteration * epochs + epoch);
        // Fewer decisions than a batch are taken again.
        device.write(order, Uint32Array.from({ length: order.length }, (_, at) => shuffle[at % count] ?? 0));
        for (offset = 0; offset === 0 || offset + batchSize <= count; offset += batchSize) {
          learn.run(update + updates);
          updates += 1;
          await breath.take();
        }
      }
      buffer.clear();
      return updates;
    },
  };
}

import * as v from "valibot";
import { finiteNumber, oneOf, parseOptions, positiveNumber } from "../core/options.js";
import { randomStreams } from "../core/random-streams.js";
import type { Device } from "../engine/device.js";
import type { VectorEnvironment } from "../envs/environment.js";
import { recordCloningLoss } from "../diffusion/cloning-loss.js";
import type { Policy } from "../diffusion/policy.js";
import { affineColumns } from "../kernels/nn/affine-columns.js";
import { rowGather } from "../kernels/nn/row-gather.js";
import { advantageWeight } from "../kernels/rl/advantage-weight.js";
import { createCritic } from "../nn/critic.js";
import { recordValueRegression } from "../rl/q-learning.js";
import { tdLambdaTargets } from "../rl/returns.js";
import { baselineEntries, BaselineTraining, repeatUpdates, replayEntries, replayUpdates, type Baseline, type BaselineSetup } from "./off-policy.js";

const share = finiteNumber(0, 1);

/** The schema of {@link DawrOptions}. */
export const dawrSchema = v.strictObject({
  ...baselineEntries,
  ...replayEntries({ bufferSteps: 3000, replayRatio: 64, warmup: 2 }),
  // The original has the discount of its targets written into the code: its option of that name does nothing.
  gamma: v.optional(v.pipe(share, v.description("Discount per executed chunk.")), 0.99),
  lambda: v.optional(v.pipe(share, v.description("Trace decay of the targets.")), 0.95),
  alpha: v.optional(v.pipe(share, v.description("Share of the way from a value to its return that a target goes.")), 0.95),
  beta: v.optional(v.pipe(finiteNumber(0, 1000), v.description("How much a deviation of the advantage counts.")), 10),
  largestWeight: v.optional(v.pipe(positiveNumber(), v.description("Largest weight of a decision.")), 100),
  criticRows: v.optional(v.pipe(
    oneOf(["all", "reference"]),
    v.description("What the critic learns from: \"all\" that is remembered, or by a slip of the original its first rows only, one for each remembered step."),
  ), "all"),
});

/** Options of {@link dawr}; defaults are those of the original for its manipulation tasks, sized for Avoid. */
export type DawrOptions = v.InferInput<typeof dawrSchema>;

/** Added to the deviation of advantages. */
const advantageEpsilon = 1e-6;
/** Updates of the policy for one of the critic. */
const actorUpdatesPerCriticUpdate = 4;

/**
 * Diffusion advantage-weighted regression (spec 12.2): the policy clones what is remembered, each decision as much as the
 * exponential of its advantage says.
 */
export function dawr(device: Device, policy: Policy, environment: VectorEnvironment, options: DawrOptions = {}): BaselineTraining {
  const resolved = parseOptions(dawrSchema, options, "dawr");
  return new BaselineTraining({
    name: "dawr", device, policy, environment, options: resolved, rewardFactor: resolved.rewardFactor, build: (setup) => build(setup, resolved),
  });
}

async function build({ parts, envs, rows, remember }: BaselineSetup, options: v.InferOutput<typeof dawrSchema>): Promise<Baseline> {
  const { device, policy, denoiser, process, noisingTable } = parts;
  const { batchSize, beta, largestWeight, seed } = options;
  const buffer = remember(options.bufferSteps);
  const actor = parts.trained("actor", denoiser.layout, policy.values);
  const network = createCritic({ conditionWidth: policy.conditionWidth, ...options.critic, isResidual: options.critic.hidden.length % 2 === 1 });
  const critic = parts.trained("critic", network.layout, network.layout.initialValues(seed));
  const column = (label: string) => parts.own(device.tensor([buffer.capacity], { label }));
  const [values, targets] = [column("values"), column("targets")];

  // V of one rollout's worth of states, from any row on.
  const block = Math.min(rows, buffer.capacity);
  let first = 0;
  const assess = await parts.lesson("values", (program, notes) => {
    const width = policy.conditionWidth;
    const state = program.temporary([block, width], "states");
    const read = affineColumns(program, { src: buffer.columns.states, dst: state }, { rows: block, columns: width });
    const written = affineColumns(program, { src: network.infer(program, critic.values, state, block), dst: values }, { rows: block, columns: 1 });
    notes.before(() => {
      read.update({ srcOffset: first * width });
      written.update({ dstOffset: first });
    });
  });

  const learnCritic = await parts.lesson("learn critic", (program, notes) => {
    const { batch, draw } = buffer.recordDraw(program, batchSize, parts.key(randomStreams.criticReplay));
    notes.draw(draw);
    if (options.criticRows === "reference") notes.before(() => { draw.update({ count: Math.max(1, Math.floor(buffer.size / envs)) }); });
    const target = program.temporary([batchSize], "batch targets");
    rowGather(program, { source: targets, index: batch.index, out: target }, { rows: batchSize, width: 1 });
    // down (V - target)^2
    const loss = program.temporary([1], "value loss");
    recordValueRegression(program, network, critic, batch.state, target, loss, { rows: batchSize, at: 0 });
    notes.tally("valueLoss", loss);
    parts.recordDescent(program, notes, critic, { rate: options.criticRate });
  });

  const learnActor = await parts.lesson("learn actor", (program, notes) => {
    const { state, action, index } = parts.recordBatch(program, notes, buffer, batchSize);
    const [target, weight] = [program.temporary([batchSize], "batch targets"), program.temporary([batchSize], "batch weights")];
    rowGather(program, { source: targets, index, out: target }, { rows: batchSize, width: 1 });
    // w = min(exp(beta A), largest), A = target - V(s) by the new critic, standardised in the batch
    advantageWeight(program, { x: target, base: network.infer(program, critic.values, state, batchSize), weights: weight }, {
      count: batchSize, beta, epsilon: advantageEpsilon, largest: largestWeight,
    });
    // down w (eps - eps(a with noise, t, s))^2
    const loss = program.temporary([1], "weighted cloning loss");
    recordCloningLoss(program, denoiser, process, { ...actor, x0: action, state, weight, ...parts.recordDraws(program, notes, batchSize), noisingTable, loss }, batchSize);
    notes.tally("policyLoss", loss);
    parts.recordDescent(program, notes, actor, { rate: options.rate, weightDecay: options.weightDecay }, "gradientNorm");
  });

  /** Targets of everything remembered, in the order of time, by the critic as it is. */
  const setTargets = async (): Promise<void> => {
    const { size, oldest } = buffer;
    for (first = 0; first < size; first += block) {
      first = Math.min(first, buffer.capacity - block);
      assess.run(0);
    }
    const columns = await device.readAll([values, buffer.columns.rewards, buffer.columns.terminated].map((tensor) => tensor.view(0, [size]))) as Float32Array[];
    const [v, rewards, terminated] = columns.map((data) => rotated(data, oldest)) as [Float32Array, Float32Array, Float32Array];
    const inTime = tdLambdaTargets({ rewards, steps: size / envs, envs }, v, terminated, options);
    device.write(targets.view(0, [size]), rotated(inTime, size - oldest));
  };

  return {
    actor,
    buffer,
    learn: async (experience, { update, iteration }) => {
      buffer.push(experience);
      await setTargets();
      const count = replayUpdates(rows, options);
      await repeatUpdates(Math.max(1, Math.floor(count / actorUpdatesPerCriticUpdate)), update, [learnCritic]);
      return iteration >= options.criticWarmup ? repeatUpdates(count, update, [learnActor]) : count;
    },
  };
}

/** The same numbers, begun at a place: what stood before it comes last. */
function rotated(data: Float32Array, from: number): Float32Array {
  const result = new Float32Array(data.length);
  result.set(data.subarray(from));
  result.set(data.subarray(0, from), data.length - from);
  return result;
}

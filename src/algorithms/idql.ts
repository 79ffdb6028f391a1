import * as v from "valibot";
import { finiteNumber, parseOptions, wholeNumber } from "../core/options.js";
import type { Device } from "../engine/device.js";
import type { VectorEnvironment } from "../envs/environment.js";
import { DifftuneError } from "../core/errors.js";
import type { ChooseChunks } from "../diffusion/acting.js";
import { recordCloningLoss } from "../diffusion/cloning-loss.js";
import type { Policy } from "../diffusion/policy.js";
import { recordSampling } from "../diffusion/sampling.js";
import { affineColumns } from "../kernels/nn/affine-columns.js";
import { rowGather } from "../kernels/nn/row-gather.js";
import { selectCandidate } from "../kernels/rl/select-candidate.js";
import { createCritic } from "../nn/critic.js";
import { createQCritic } from "../nn/q-critic.js";
import { recordExpectileRegression, recordQLoss, recordValueTargets } from "../rl/q-learning.js";
import { baselineEntries, BaselineTraining, repeatUpdates, replayEntries, replayUpdates, slownessEntry, type Baseline, type BaselineSetup } from "./off-policy.js";

const inside = finiteNumber(0.001, 0.999);

/** The schema of {@link IdqlOptions}. */
export const idqlSchema = v.strictObject({
  ...baselineEntries,
  ...replayEntries({ bufferSteps: 5000, replayRatio: 128, warmup: 5 }),
  slowness: slownessEntry(0.001),
  expectile: v.optional(v.pipe(inside, v.description("Weight of what is better than the value, in learning it; the others have the rest.")), 0.8),
  candidates: v.optional(v.pipe(wholeNumber(1, 1000), v.description("Chunks that are sampled for a decision; one of them is executed.")), 10),
  exploration: v.optional(v.pipe(inside, v.description("Weight with which a candidate better than the value is drawn while exploring; the others have the rest.")), 0.7),
});

/** Options of {@link idql}; defaults are those of the original for its manipulation tasks, sized for Avoid. */
export type IdqlOptions = v.InferInput<typeof idqlSchema>;

/**
 * Implicit diffusion Q-learning (spec 12.4): the policy clones what is remembered; critics, learned without asking it, choose
 * among its samples. The trained policy is the sampler alone: the critics stay in the run's state.
 */
export function idql(device: Device, policy: Policy, environment: VectorEnvironment, options: IdqlOptions = {}): BaselineTraining {
  const resolved = parseOptions(idqlSchema, options, "idql");
  return new BaselineTraining({
    name: "idql", device, policy, environment, options: resolved, rewardFactor: resolved.rewardFactor, build: (setup) => build(setup, resolved),
  });
}

async function build({ parts, rows, remember }: BaselineSetup, options: v.InferOutput<typeof idqlSchema>): Promise<Baseline> {
  const { policy, denoiser, process, noisingTable } = parts;
  const { batchSize, gamma, slowness, expectile, candidates, exploration, seed } = options;
  const { conditionWidth, chunkWidth } = policy;
  const buffer = remember(options.bufferSteps);
  const actor = parts.trained("actor", denoiser.layout, policy.values);
  const network = createQCritic({ conditionWidth, actionWidth: chunkWidth, ...options.critic });
  const critic = parts.trained("critic", network.layout, network.layout.initialValues(seed));
  const slowCritic = parts.slowCopy("slow critic", network.layout.initialValues(seed));
  // Residual as the original's, which an odd number of hidden layers can be.
  const valueNetwork = createCritic({ conditionWidth, ...options.critic, isResidual: options.critic.hidden.length % 2 === 1 });
  const value = parts.trained("value", valueNetwork.layout, valueNetwork.layout.initialValues(seed));

  const learnCritics = await parts.lesson("learn critics", (program, notes) => {
    const batch = parts.recordBatch(program, notes, buffer, batchSize);
    const losses = program.temporary([3], "critic losses");
    // V to the expectile of min(Q1', Q2')(s, a)
    const judged = network.infer(program, slowCritic, batch, batchSize);
    recordExpectileRegression(program, valueNetwork, value, batch.state, judged, losses, { rows: batchSize, expectile, at: 2 });
    parts.recordDescent(program, notes, value, { rate: options.criticRate });
    // down (Q1 - y)^2 + (Q2 - y)^2, y = r + gamma (1 - terminated) V(s'); the slow copies follow
    const targets = recordValueTargets(program, valueNetwork, value.values, batch, batch.nextState, { rows: batchSize, gamma });
    recordQLoss(program, network, critic, batch, targets, losses, { rows: batchSize, at: 0 });
    parts.recordDescent(program, notes, critic, { rate: options.criticRate });
    notes.tally("valueLoss", losses);
    parts.recordFollow(program, critic.values, slowCritic, slowness);
  });

  const learnActor = await parts.lesson("learn actor", (program, notes) => {
    const { state, action } = parts.recordBatch(program, notes, buffer, batchSize);
    const loss = program.temporary([1], "cloning loss");
    recordCloningLoss(program, denoiser, process, { ...actor, x0: action, state, ...parts.recordDraws(program, notes, batchSize), noisingTable, loss }, batchSize);
    notes.tally("policyLoss", loss);
    parts.recordDescent(program, notes, actor, { rate: options.rate, weightDecay: options.weightDecay }, "gradientNorm");
  });

  /** Several chunks a state; the best by min(Q1, Q2), or while exploring a draw that prefers those above V(s). */
  const choose: ChooseChunks = (program, { state, chunk, noise, tables }, { rows: E, from, of, isDeterministic }) => {
    if (tables === undefined || noise.uniforms === undefined) throw new DifftuneError("INVARIANT", "A choice is made without tables or draws.");
    const all = E * candidates;
    const states = program.temporary([all, conditionWidth], "states of candidates");
    const each = program.constant(Uint32Array.from({ length: all }, (_, n) => n), "candidates", "u32");
    rowGather(program, { source: state, index: each, out: states }, { rows: all, width: conditionWidth, map: { divisor: candidates } });
    const chunks = program.temporary([all, chunkWidth], "candidates");
    recordSampling(program, denoiser, process, tables, { frozen: actor.values, state: states, noise: noise.normals, chunk: chunks }, {
      rows: all, drawn: { from: from * candidates, of: of * candidates }, tunedSteps: 0, isDeterministic,
    });
    const [first, second] = network.infer(program, critic.values, { state: states, action: chunks }, all);
    const values = valueNetwork.infer(program, value.values, state, E);
    const u = program.temporary([E], "draws of the choice");
    affineColumns(program, { src: noise.uniforms, dst: u }, { rows: E, columns: 1, srcOffset: from });
    const selected = program.temporary([E], "choice", "u32");
    selectCandidate(program, { first, second, values, u, selected }, { rows: E, candidates, isGreedy: isDeterministic, expectile: exploration });
    rowGather(program, { source: chunks, index: selected, out: chunk }, { rows: E, width: chunkWidth });
  };

  return {
    actor,
    choose: { record: choose, candidates },
    buffer,
    learn: (experience, { update, iteration }) => {
      buffer.push(experience);
      const lessons = iteration >= options.criticWarmup ? [learnCritics, learnActor] : [learnCritics];
      return repeatUpdates(replayUpdates(rows, options), update, lessons);
    },
  };
}

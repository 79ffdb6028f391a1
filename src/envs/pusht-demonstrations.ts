import * as v from "valibot";
import { DifftuneError } from "../core/errors.js";
import { LinearMemory } from "../core/linear-memory.js";
import { finiteNumber, oneOf, parseOptions, wholeNumber } from "../core/options.js";
import type { Demonstration } from "./demonstration.js";
import { Physics } from "./physics.js";
import { createPushT } from "./pusht.js";

/** The schema of {@link PushTDemonstrationOptions}. */
export const pushtDemonstrationSchema = v.strictObject({
  /** Demonstrations to yield. */
  count: v.optional(wholeNumber(1, 1_000_000), 1),
  /** Seed of the first start; every further attempt takes the next seed (modulo 2^32). */
  seed: v.optional(wholeNumber(0, 0xffffffff), 0),
  /** Share of the goal that the T covers at the end. Above 0.98 more and more starts are not solved in time. */
  successCoverage: v.optional(finiteNumber(0.01, 0.99), 0.95),
  /** Steps of 0.1 s that an episode may take. */
  maxSteps: v.optional(wholeNumber(1, 10_000), 300),
  /** What is recorded; see `createPushT`. */
  observation: v.optional(oneOf(["state", "keypoints", "corners"]), "state"),
  /** See `createPushT`. */
  resetOrder: v.optional(oneOf(["legacy", "angleFirst"]), "legacy"),
  /** Whether episodes that did not succeed are yielded too; else the next seed is tried. */
  keepFailures: v.optional(v.boolean("It must be true or false."), false),
});

/** Options of {@link demonstratePushT}. */
export type PushTDemonstrationOptions = v.InferInput<typeof pushtDemonstrationSchema> & {
  /** Stops between two episodes. */
  readonly signal?: AbortSignal;
};

/**
 * Demonstrates Push-T: a planner on the physics itself pushes the T onto its goal, at the speed of a person's hand (8 px a step
 * in the middle, below 19). The same options give the same demonstrations, bit for bit, and replaying their actions repeats them.
 *
 * An episode takes some 110 steps and 30 ms to plan.
 *
 * @example
 * const builder = new DatasetBuilder(sourceOf(env));
 * for await (const { episodes } of builder.collect(demonstratePushT({ count: 200 }), 200)) console.log(episodes);
 */
export async function* demonstratePushT(options: PushTDemonstrationOptions = {}): AsyncGenerator<Demonstration, void, undefined> {
  const { signal, ...rest } = options;
  const { count, seed, keepFailures, ...settings } = parseOptions(pushtDemonstrationSchema, rest, "demonstratePushT");
  const { successCoverage, maxSteps, resetOrder } = settings;
  const memory = new LinearMemory();
  const physics = await Physics.open(memory);
  using env = await createPushT({ ...settings, memory, threads: 1, autoReset: false });
  const plan = physics.call("pusht_expert");
  const work = memory.allocate(physics.call("pusht_expert_bytes")());
  const targets = memory.f32(memory.allocate(maxSteps * 8), maxSteps * 2);
  const observationSize = env.observationSpace.size;
  let yielded = 0;
  for (let attempt = 0; yielded < count; attempt++) {
    if (signal?.aborted === true) throw new DifftuneError("CANCELLED", "The demonstrations were cancelled.", { cause: signal.reason });
    if (attempt >= 2 ** 32) {
      throw new DifftuneError("ENVIRONMENT", `Only ${yielded} of ${count} demonstrations succeed, from all seeds.`, { hint: "Lower successCoverage." });
    }
    const start = (seed + attempt) % 2 ** 32;
    const answer = plan(work, start, resetOrder === "legacy" ? 0 : 1, successCoverage, maxSteps, targets.byteOffset);
    const length = Math.abs(answer);
    if (length > 0 && (answer > 0 || keepFailures)) {
      const observations = new Float32Array(length * observationSize);
      const rewards = new Float32Array(length);
      const result = await env.reset([start]);
      for (let step = 0; step < length; step++) {
        observations.set(result.observations, step * observationSize);
        env.actions.set(targets.subarray(2 * step, 2 * step + 2));
        await env.stepChunk(env.actions);
        rewards[step] = result.rewards[0]!;
      }
      yielded++;
      yield { observations, actions: targets.slice(0, 2 * length), rewards, seed: start, success: answer > 0, label: "" };
    }
    // Planning blocks; between two episodes everything else has its turn.
    await new Promise<void>((resolve) => {
      setTimeout(resolve, 0);
    });
  }
}

import * as v from "valibot";
import { DifftuneError } from "../core/errors.js";
import { finiteNumber, oneOf, parseOptions, wholeNumber } from "../core/options.js";
import type { Demonstration } from "./demonstration.js";
import { createPushT, pushtSchema } from "./pusht.js";

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
  /** What is recorded as an action; see `createPushT`. */
  action: pushtSchema.entries.action,
  /** See `createPushT`. */
  resetOrder: pushtSchema.entries.resetOrder,
  /** Where the episodes begin; see `createPushT`. */
  starts: pushtSchema.entries.starts,
  /**
   * Whether the planner weighs the same pushes at every decision, so that like states are answered alike, which is learned much
   * faster; else it draws new ones each time, and the demonstrations show many ways.
   */
  consistent: v.optional(v.boolean("It must be true or false."), false),
  /**
   * Standard deviation with which the hand misses each of its targets, px. What is recorded is the target that it aimed at, in the
   * states that its misses led to: a policy that acts with noise learns from it what to do then. 0 records a steady hand.
   */
  shakePx: v.optional(finiteNumber(0, 100), 0),
  /** A rectangle that the planner's hand keeps out of; a start from which it finds no way past it is left out. */
  forbiddenBox: pushtSchema.entries.forbiddenBox,
  /**
   * Steps at the beginning that are carried out and not recorded: what is learned is how a way goes on, not that it is taken. An
   * episode that is over by then is left out.
   */
  skipSteps: v.optional(wholeNumber(0, 10_000), 0),
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
 * in the middle, below 19). The same options give the same demonstrations, bit for bit, and replaying the actions of a steady hand
 * repeats them.
 *
 * An episode takes some 110 steps and 30 ms to plan.
 *
 * @example
 * const builder = new DatasetBuilder(sourceOf(env));
 * for await (const { episodes } of builder.collect(demonstratePushT({ count: 200 }), 200)) console.log(episodes);
 */
export async function* demonstratePushT(options: PushTDemonstrationOptions = {}): AsyncGenerator<Demonstration, void, undefined> {
  const { signal, ...rest } = options;
  const { count, seed, keepFailures, consistent, shakePx, skipSteps, action, ...settings } = parseOptions(pushtDemonstrationSchema, rest, "demonstratePushT");
  using env = await createPushT({ ...settings, threads: 1, autoReset: false });
  const plan = env.planner({ consistent, shakePx });
  const observationSize = env.observationSpace.size;
  let yielded = 0;
  for (let attempt = 0; yielded < count; attempt++) {
    if (signal?.aborted === true) throw new DifftuneError("CANCELLED", "The demonstrations were cancelled.", { cause: signal.reason });
    if (attempt >= 2 ** 32) {
      throw new DifftuneError("ENVIRONMENT", `Only ${yielded} of ${count} demonstrations succeed, from all seeds.`, { hint: "Lower successCoverage." });
    }
    const start = (seed + attempt) % 2 ** 32;
    const { length, success, aimed, given } = plan(start);
    if (length > skipSteps && (success || keepFailures)) {
      const observations = new Float32Array(length * observationSize);
      const actions = aimed.slice(0, 2 * length);
      const rewards = new Float32Array(length);
      const result = await env.reset([start]);
      for (let step = 0; step < length; step++) {
        observations.set(result.observations, step * observationSize);
        if (action === "offset") {
          const { agentX, agentY } = env.pose();
          actions[2 * step]! -= agentX;
          actions[2 * step + 1]! -= agentY;
        }
        env.actions.set(given.subarray(2 * step, 2 * step + 2));
        await env.stepChunk(env.actions);
        rewards[step] = result.rewards[0]!;
      }
      yielded++;
      yield {
        observations: observations.subarray(skipSteps * observationSize), actions: actions.subarray(2 * skipSteps), rewards: rewards.subarray(skipSteps),
        seed: start, success, label: "",
      };
    }
    // Planning blocks; between two episodes everything else has its turn.
    await new Promise<void>((resolve) => {
      setTimeout(resolve, 0);
    });
  }
}

import * as v from "valibot";
import { DifftuneError } from "../core/errors.js";
import { parseOptions, wholeNumber } from "../core/options.js";
import { PhiloxStream } from "../core/philox.js";
import type { Device } from "../engine/device.js";
import { Policy } from "../diffusion/policy.js";
import type { PushT } from "../envs/pusht.js";
import type { Acting } from "./evaluation.js";
import { checkFit } from "./fit.js";

/** Options of {@link visitedStarts}. */
export const visitedStartsSchema = v.strictObject({
  states: v.pipe(v.optional(wholeNumber(1, 100_000), 2000), v.description("States that are kept, of all in which the policy decided.")),
  rollouts: v.pipe(v.optional(wholeNumber(1, 1_000_000), 200), v.description("Episodes that the policy plays: the seeds from `seed` on, one each.")),
  seed: v.pipe(v.optional(wholeNumber(0, 0xffffffff), 0), v.description("Seed of the first episode's start, of the policy's noise, and of which states are kept.")),
  signal: v.optional(v.instance(AbortSignal, "It must be an AbortSignal.")),
});

/** Options of {@link visitedStarts}; every one has a default. */
export type VisitedStartsOptions = v.InferInput<typeof visitedStartsSchema>;

/** An agent nearer to the edge than this cannot be moved by the planner, px. */
const edge = 16;

/**
 * Where a policy goes in Push-T: states in which it decided, drawn from whole episodes, as starts for `demonstratePushT`. What
 * the planner does from there is what the policy was never shown (the data aggregation of DAgger): it pushes the T past its
 * goal and would stay there. The more episodes a policy loses, the more of the states are of where it got lost.
 *
 * The same options on an equal device with the same number of environments give the same states. The environment is left amid
 * episodes of its own: reset it.
 *
 * @param env with a limit of steps and automatic resets
 * @example
 * const states = await visitedStarts(device, policy, env, { states: 2000 });
 * const episodes = demonstratePushT({ count: 2000, starts: { states } });
 */
export async function visitedStarts(device: Device, policy: Acting, env: PushT, options: VisitedStartsOptions = {}): Promise<number[][]> {
  const { states, rollouts, seed, signal } = parseOptions(visitedStartsSchema, options, "visitedStarts");
  if (seed + rollouts - 1 > 0xffffffff) {
    throw new DifftuneError("OPTION", `${rollouts} episodes from seed ${seed} on pass the last seed, 4294967295.`, { path: "seed", got: seed });
  }
  if (policy instanceof Policy) checkFit(policy, env);
  const visited: number[][] = [];
  const seeds = new Uint32Array(env.count);
  const actor = await policy.on(device, { count: env.count, isDeterministic: false, seed });
  try {
    for (let first = 0; first < rollouts; first += env.count) {
      const running = new Set(Array.from({ length: Math.min(env.count, rollouts - first) }, (_, index) => index));
      for (let index = 0; index < env.count; index++) seeds[index] = seed + first + Math.min(index, running.size - 1);
      let { observations } = await env.reset(seeds);
      while (running.size > 0) {
        if (signal?.aborted === true) {
          throw new DifftuneError("CANCELLED", `Playing was stopped after ${first} of ${rollouts} episodes.`, { cause: signal.reason });
        }
        const { terminated, truncated } = env.result;
        ({ observations } = await env.stepChunk(await actor.act(observations)));
        for (const index of running) {
          if (terminated[index] === 1 || truncated[index] === 1) running.delete(index);
          else if (isReachable(env, index)) visited.push([...env.startAt(index)]);
        }
      }
    }
  } finally {
    actor.close();
  }
  if (visited.length === 0) {
    throw new DifftuneError("ENVIRONMENT", "The policy left no state to start from: every episode ended with its first decision.", { hint: "Let it play more episodes, or longer ones." });
  }
  const random = new PhiloxStream(seed, 0);
  for (let place = 0; place < Math.min(states, visited.length - 1); place++) {
    const other = place + random.below(visited.length - place);
    [visited[place], visited[other]] = [visited[other]!, visited[place]!];
  }
  return visited.slice(0, states);
}

function isReachable(env: PushT, index: number): boolean {
  const { agentX, agentY } = env.pose(index);
  return Math.min(agentX, agentY) > edge && Math.max(agentX, agentY) < 512 - edge;
}

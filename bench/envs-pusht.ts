import { createPushT } from "../src/envs/pusht.ts";
import { benchPolicy, environmentCounts, Xorshift, type PolicyBench, type PolicyWorkload } from "./policy-bench.ts";

/** How targets are drawn: near the T with a probability, or always in the corner farthest from it. */
export const pushtPolicies = Object.freeze({ contact: 0.8, mixed: 0.3, free: undefined });

/** One row of the benchmark. */
export interface PushtWorkload extends PolicyWorkload<keyof typeof pushtPolicies> {
  readonly collision: "fast" | "exact";
}

/** Env steps between two targets, and therefore steps of a chunk. */
const chunkSteps = 8;

/** The workloads of both collision paths; `threads` undefined takes all cores. */
export function pushtWorkloads(threads: number | undefined): PushtWorkload[] {
  return (["fast", "exact"] as const).flatMap((collision) =>
    (["contact", "mixed", "free"] as const).flatMap((policy) =>
      environmentCounts.map((count) => ({ name: `P-pusht-${policy}-${count}`, policy, count, collision, threads })),
    ),
  );
}

/**
 * Environments under one of the three fixed policies. Every 8 env steps each environment gets a new target. `contact` and `mixed`: with
 * probability 0.8 or 0.3 normal around the T's centre of gravity with a standard deviation of 25 px, within 5..507, else uniform in
 * 10..502. `free`: the corner region farthest from the T, 60 or 450 on each axis. Coverage is computed in every step, episodes are reset
 * after 300 steps or when the centre of gravity leaves 0..511, and all of it, drawing targets included, is in the time.
 */
export async function openPushtWorkload(workload: PushtWorkload): Promise<PolicyBench> {
  const { count, collision, threads } = workload;
  const environment = await createPushT({
    count, collision, actionSteps: chunkSteps, endOnSuccess: false, truncateOutside: true, maxSteps: 300,
    ...(threads === undefined ? {} : { threads }),
  });
  const random = new Xorshift(count);
  const nearShare = pushtPolicies[workload.policy];
  const { actions } = environment;
  const result = await environment.reset();
  const { observations } = result;
  const chooseTargets = (): void => {
    for (let index = 0; index < count; index++) {
      const angle = observations[5 * index + 4]!;
      const x = observations[5 * index + 2]! - 45 * Math.sin(angle);
      const y = observations[5 * index + 3]! + 45 * Math.cos(angle);
      let targetX = x < 256 ? 450 : 60;
      let targetY = y < 256 ? 450 : 60;
      if (nearShare !== undefined) {
        const isNear = random.uniform() < nearShare;
        targetX = isNear ? clamp(x + 25 * random.normal()) : 10 + 492 * random.uniform();
        targetY = isNear ? clamp(y + 25 * random.normal()) : 10 + 492 * random.uniform();
      }
      for (let step = 0; step < chunkSteps; step++) {
        actions[2 * (chunkSteps * index + step)] = targetX;
        actions[2 * (chunkSteps * index + step) + 1] = targetY;
      }
    }
  };
  return benchPolicy(environment, chooseTargets);
}

function clamp(value: number): number {
  return Math.min(Math.max(value, 5), 507);
}

import { createAvoid } from "../src/envs/avoid.ts";
import { benchPolicy, environmentCounts, Xorshift, type PolicyBench, type PolicyWorkload } from "./policy-bench.ts";

/** One row of the benchmark. `ways` is left out of its name. */
export interface AvoidWorkload extends PolicyWorkload<"ways" | "contact"> {
  readonly physics: "arm" | "planar";
}

/** Env steps of a chunk, as DPPO executes them. */
const chunkSteps = 4;

/** The workloads of both levels of the physics; `threads` undefined takes all cores. */
export function avoidWorkloads(threads: number | undefined): AvoidWorkload[] {
  return (["arm", "planar"] as const).flatMap((physics) =>
    environmentCounts.flatMap((count) => [
      { name: `P-avoid-${count}`, policy: "ways" as const, count, physics, threads },
      { name: `P-avoid-contact-${count}`, policy: "contact" as const, count, physics, threads },
    ]),
  );
}

/** Where to cross each row of cylinders, one choice per gap, m. */
const gaps = [[0.44, 0.56], [0.37, 0.5, 0.63], [0.3, 0.425, 0.575, 0.7]] as const;
/** How far along the first and the second row are aimed at, m. */
const rows = [-0.07, 0.11] as const;

/**
 * Environments under a fixed policy. `ways`: in each episode each crosses the first row by a gap drawn anew and every further
 * row by one of the two that lie ahead, one of them at the end of the arm's reach. It steers towards the gap by a quarter of
 * the way that is left, forward by 0.008 to 0.0125 m a step, both with noise, and stops beyond the line; next to none touches
 * a cylinder. `contact`: straight ahead at x = 0.5 into the first cylinder, where it goes on pushing. Episodes are reset after
 * 100 steps; resets and the policy are in the time.
 */
export async function openAvoidWorkload(workload: AvoidWorkload): Promise<PolicyBench> {
  const { count, physics, policy, threads } = workload;
  const environment = await createAvoid({ count, physics, actionSteps: chunkSteps, ...(threads === undefined ? {} : { threads }) });
  const random = new Xorshift(count);
  const ways = new Float64Array(count * gaps.length);
  const choose = (index: number): void => {
    let gap = 0;
    for (const [row, places] of gaps.entries()) {
      gap += random.uniform() < 0.5 ? 1 : 0;
      ways[index * gaps.length + row] = places[gap]!;
    }
  };
  const { actions } = environment;
  const result = await environment.reset();
  const { observations, truncated } = result;
  for (let index = 0; index < count; index++) choose(index);
  const steer = (): void => {
    for (let index = 0; index < count; index++) {
      if (truncated[index] === 1) choose(index);
      const x = observations[4 * index]!;
      const y = observations[4 * index + 1]!;
      const row = y < rows[0] ? 0 : y < rows[1] ? 1 : 2;
      const way = policy === "ways" ? ways[index * gaps.length + row]! : 0.5;
      const aside = Math.min(Math.max((way - x) / 4, -0.0115), 0.0115);
      const ahead = y < 0.44 ? 0.008 : 0;
      for (let step = 0; step < chunkSteps; step++) {
        actions[2 * (chunkSteps * index + step)] = aside + 0.002 * (random.uniform() - 0.5);
        actions[2 * (chunkSteps * index + step) + 1] = ahead * (1 + 0.56 * random.uniform());
      }
    }
  };
  return benchPolicy(environment, steer);
}

import { dppo } from "../src/algorithms/dppo.js";
import { Policy } from "../src/diffusion/policy.js";
import type { Device } from "../src/engine/device.js";
import { createAvoid } from "../src/envs/avoid.js";
import type { IterationEvent, IterationSeconds } from "../src/rl/training.js";
import { benchDevices } from "./devices.js";
import type { Suite, Workload } from "./workload.js";

/** The network and the passes of a whole iteration on Avoid: 50 environments, 25 chunks of 4 steps, K = 20, K' = 10. */
const recipes = {
  // As published: 20 minibatches of 6,250 transitions through 512 units.
  published: { hidden: 512, epochs: 10 },
  // As the package's preset for CPUs.
  small: { hidden: 256, epochs: 5 },
} as const;

const parts = ["denoise", "physics", "advantage", "update"] as const satisfies readonly (keyof IterationSeconds)[];

/** Iterations of one run, one after the other, with all that they told. */
interface Running {
  readonly events: IterationEvent[];
  readonly next: () => Promise<void>;
  readonly close: () => Promise<void>;
}

async function start(device: Device, { hidden, epochs }: (typeof recipes)[keyof typeof recipes]): Promise<Running> {
  const env = await createAvoid({ count: 50, actionSteps: 4, ...(device.memory === undefined ? {} : { memory: device.memory }), threads: device.info.threads });
  const policy = Policy.create({
    observationNames: env.observationSpace.names,
    actionNames: env.actionSpace.names,
    horizon: 4,
    statistics: {
      observations: { min: [0.24, -0.28, 0.24, -0.28], max: [0.6, 0.48, 0.6, 0.48] },
      actions: { min: [-0.0125, 0], max: [0.0125, 0.0125] },
    },
    network: { kind: "diffusion-mlp", hidden: [hidden, hidden, hidden], activation: "relu", isResidual: true, process: { denoisingSteps: 20 } },
  }, 1);
  const training = dppo(device, policy, env, { iterations: 1_000_000, epochs, criticWarmup: 0 });
  const iterations = training[Symbol.asyncIterator]();
  const events: IterationEvent[] = [];
  return {
    events,
    next: async () => {
      const { value } = await iterations.next();
      if (value !== undefined) events.push(value);
    },
    close: async () => {
      await iterations.return();
      env.close();
    },
  };
}

/** Whole iterations of DPPO, then their parts, as the iterations themselves have measured them. */
export const dppoSuite: Suite = async function* (request) {
  for (const [name, recipe] of Object.entries(recipes)) {
    const workload = `D-${name}-iteration`;
    if (!workload.includes(request.filter)) continue;
    for await (const { device, variant, threads } of benchDevices(request)) {
      const running = await start(device, recipe);
      const row = { engine: device.info.engine, variant, threads, gflop: 0, device: device.info.description };
      yield { ...row, workload, items: 50 * 25 * 4, run: running.next, close: () => undefined } satisfies Workload;
      // The first iterations warm the caches of the machine.
      const measured = running.events.slice(2);
      for (const part of parts) {
        let at = 0;
        yield {
          ...row,
          workload: `D-${name}-${part}`,
          items: 0,
          run: () => Promise.resolve(),
          deviceMs: () => Promise.resolve(1000 * measured[at++ % measured.length]!.seconds[part]),
          close: () => undefined,
        } satisfies Workload;
      }
      await running.close();
    }
  }
};

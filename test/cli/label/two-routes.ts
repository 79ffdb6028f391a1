import { PhiloxStream } from "../../../src/core/philox.js";
import { DatasetBuilder, type Dataset } from "../../../src/data/dataset.js";

/** The box that the end-effector shall keep out of. */
export const forbiddenBox = { x0: 330, y0: 300, x1: 470, y1: 440 } as const;

/**
 * Push-T states of a policy that takes two ways, one through the forbidden box and one past it: the states that
 * `test/learning/reward-map.test.ts` learns a reward from, as episodes of 40 steps.
 */
export function twoRoutes(episodes = 60): Dataset {
  const builder = new DatasetBuilder({
    environment: "pusht", options: {}, observationNames: ["agentX", "agentY", "blockX", "blockY", "blockAngle"], actionNames: ["targetX", "targetY"],
  });
  const random = new PhiloxStream(17);
  const steps = 40;
  for (let episode = 0; episode < episodes; episode++) {
    const observations: number[] = [];
    for (let step = 0; step < steps; step++) {
      const along = random.uniform();
      const [x, y] = episode % 2 === 0 ? [200 + 240 * along, 160 + 240 * along] : [200 - 60 * along, 160 + 260 * along];
      observations.push(x + 22 * random.normal(), y + 22 * random.normal(), 250 + 30 * Math.sin(episode), 240 + 30 * Math.cos(episode), 0.5 + episode / 10);
    }
    builder.add({
      observations: Float32Array.from(observations), actions: new Float32Array(2 * steps), rewards: new Float32Array(steps), seed: episode, success: false, label: "",
    });
  }
  return builder.build();
}

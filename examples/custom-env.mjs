// An environment of one's own in plain JavaScript: a cart on a line that shall come to rest at the mark. It gets what
// the built-in ones have: seeds, action chunks, stacked observations, automatic reset, truncation.
import { PhiloxStream, vectorise } from "difftune/envs";

const cart = {
  name: "cart",
  observations: [
    { name: "position", low: -2, high: 2, unit: "m" },
    { name: "velocity", low: -2, high: 2, unit: "m/s" },
  ],
  actions: [{ name: "force", low: -1, high: 1, unit: "N" }],
  create() {
    let position = 0;
    let velocity = 0;
    return {
      reset(random) {
        position = 2 * random.uniform() - 1;
        velocity = 0;
        return [position, velocity];
      },
      step([force]) {
        velocity += 0.1 * Math.min(Math.max(force, -1), 1);
        position += 0.1 * velocity;
        const success = Math.abs(position) < 0.05 && Math.abs(velocity) < 0.1;
        return { observation: [position, velocity], reward: success ? 1 : 0, terminated: success, success };
      },
    };
  },
};

/** The share of 200 episodes that a policy ends at the mark. A policy writes the actions of one environment. */
async function successRate(policy) {
  const env = vectorise(cart, { count: 16, maxSteps: 120, observationSteps: 2, actionSteps: 2, seed: 1 });
  const result = await env.reset();
  let finished = 0;
  let successes = 0;
  while (finished < 200) {
    for (let e = 0; e < env.count; e++) policy(result.observations.subarray(e * 4, e * 4 + 4), env.actions.subarray(e * 2, e * 2 + 2));
    await env.stepChunk(env.actions);
    for (let e = 0; e < env.count; e++) {
      if (!result.terminated[e] && !result.truncated[e]) continue;
      finished += 1;
      if (env.outcome(e).success) successes += 1;
    }
  }
  env.close();
  return successes / finished;
}

const noise = new PhiloxStream(0);
const random = (_observations, actions) => actions.forEach((_, i) => (actions[i] = 2 * noise.uniform() - 1));
// The observations are oldest first: position and velocity before, then now.
const spring = ([, , position, velocity], actions) => actions.fill(-1.5 * position - 2 * velocity);

console.log(`random ${await successRate(random)}, spring ${await successRate(spring)}`);

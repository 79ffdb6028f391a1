// An environment of one's own in plain JavaScript, and a policy that is fine-tuned in it: a cart on a line that shall come to
// rest at the mark within 40 steps. `vectorise` gives it what the built-in ones have: seeds, chunks, stacks, resets.
import { createDevice, DatasetBuilder, dppo, evaluate, pretrain, sourceOf } from "difftune";
import { PhiloxStream, vectorise } from "difftune/envs";

const cart = {
  name: "cart",
  observations: [
    { name: "position", low: -2, high: 2, unit: "m" },
    { name: "velocity", low: -2, high: 2, unit: "m/s" },
  ],
  actions: [{ name: "force", low: -1, high: 1, unit: "N" }],
  create() {
    let [position, velocity] = [0, 0];
    return {
      reset(random) {
        [position, velocity] = [2 * random.uniform() - 1, 0];
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
const device = await createDevice();
const env = vectorise(cart, { count: 32, maxSteps: 40, actionSteps: 2, seed: 1 });

// Demonstrations by a weak spring, which is too slow from afar.
const builder = new DatasetBuilder(sourceOf(env));
for (let seed = 0; seed < 40; seed++) {
  const [single, observations, actions, rewards] = [cart.create(), [], [], []];
  let seen = single.reset(new PhiloxStream(seed));
  let answer;
  for (let step = 0; step < env.maxSteps && answer?.terminated !== true; step++) {
    const force = -0.5 * seen[0] - 0.7 * seen[1];
    answer = single.step([force]);
    observations.push(...seen);
    actions.push(force);
    rewards.push(answer.reward);
    seen = answer.observation;
  }
  const [rows, forces, paid] = [observations, actions, rewards].map((values) => Float32Array.from(values));
  builder.add({ observations: rows, actions: forces, rewards: paid, seed, success: answer.success, isTerminated: answer.terminated, label: "" });
}

const network = { kind: "diffusion-mlp", hidden: [32, 32], process: { denoisingSteps: 10 } };
const cloning = pretrain(device, builder.build(), { network, horizon: 2, epochs: Number(process.env.EPOCHS ?? 100), rate: 3e-3 });
for await (const { epoch, loss } of cloning) console.log(`epoch ${epoch}: loss ${loss.toFixed(3)}`);
const pretrained = await cloning.policy();
const iterations = Number(process.env.ITERATIONS ?? 20);
const training = dppo(device, pretrained, env, { iterations, steps: 20, tunedSteps: 5, rate: { max: 1e-3, min: 1e-3 }, critic: { hidden: [32, 32, 32] } });
for await (const { iteration, success } of training) console.log(`iteration ${iteration}: success ${success}`);
for (const [when, policy] of [["before", pretrained], ["after", await training.policy()]]) {
  let result;
  for await (result of evaluate(device, policy, env, { seed: 1000 }));
  console.log(`${when}: success ${result.success.mean}, ${result.length.mean.toFixed(1)} steps`);
}
device.close();

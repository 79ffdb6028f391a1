// The main job in code: demonstrate, pre-train, fine-tune with DPPO, evaluate. It takes a few minutes on two cores.
//   node examples/finetune-avoid.mjs
// Other sizes: EPISODES=40 WIDTH=256 EPOCHS=360 ITERATIONS=31 ENVIRONMENTS=50 PHYSICS=arm SEED=1 OUT=policy.safetensors
import { writeFile } from "node:fs/promises";
import { createDevice, DatasetBuilder, dppo, evaluate, pretrain, sourceOf } from "difftune";
import { createAvoid, demonstrateAvoid } from "difftune/envs";

const size = (name, usual) => Number(process.env[name] ?? usual);
const [width, seed, physics] = [size("WIDTH", 256), size("SEED", 1), process.env.PHYSICS ?? "arm"];

const device = await createDevice(); // a GPU where there is one, else SIMD on all cores
const env = await createAvoid({ count: size("ENVIRONMENTS", 50), actionSteps: 4, physics, seed });

// A planner drives the hand past the cylinders by two ways (DPPO's set M1).
const builder = new DatasetBuilder(sourceOf(env));
const demonstrations = demonstrateAvoid({ modes: "M1", episodes: size("EPISODES", 40), seed, environment: { physics } });
for await (const { episodes, last } of builder.collect(demonstrations)) console.log(`demonstration ${episodes} by way ${last.label}`);

// A diffusion policy learns to do as was shown.
const network = { kind: "diffusion-mlp", hidden: [width, width, width], activation: "relu", isResidual: true, process: { denoisingSteps: 20 } };
const cloning = pretrain(device, builder.build(), { network, horizon: 4, epochs: size("EPOCHS", 360), rate: 3e-3, reportEvery: 1000, seed });
for await (const { epoch, epochs, loss } of cloning) console.log(`epoch ${epoch} of ${epochs}: loss ${loss.toFixed(4)}`);
const pretrained = await cloning.policy();

// DPPO tunes the last 10 of its 20 denoising steps for the reward. The loop may be left at any iteration.
const training = dppo(device, pretrained, env, { iterations: size("ITERATIONS", 31), tunedSteps: 10, seed });
for await (const { iteration, success = 0, approxKl = 0 } of training) {
  console.log(`iteration ${iteration}: success ${(100 * success).toFixed(1)} %, KL ${approxKl.toFixed(4)}`);
}
const tuned = await training.policy();

/** Success over 200 seeds that no training has seen, with its interval of 95 %. */
async function successOf(policy) {
  let last;
  for await (last of evaluate(device, policy, env, { episodes: size("EVALUATED", 200), seed: 1_000_000 }));
  const [mean, low, high] = [last.success.mean, last.success.low, last.success.high].map((share) => (100 * share).toFixed(1));
  return `success ${mean} % (${low} to ${high}), return ${last.return.mean.toFixed(1)}`;
}
console.log(`before: ${await successOf(pretrained)}\nafter:  ${await successOf(tuned)}`);
if (process.env.OUT !== undefined) await writeFile(process.env.OUT, tuned.encode());
env.close();
device.close();

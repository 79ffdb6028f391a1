// Demonstrations of one's own: arrays of a program of yours, or a file that another program wrote, become a data set, a
// policy, and its file.
//   node examples/custom-dataset.mjs [train.npz [policy.safetensors]]
// With a file (DPPO's npz, a replay buffer in a zip, a Parquet file of LeRobot, ...) that is read instead of the arrays.
import { readFile, writeFile } from "node:fs/promises";
import { bytesSource, createDevice, DatasetBuilder, loadRecording, openRecording, pretrain } from "difftune";

/** 20 episodes of a point that is driven to the middle of a table; the rows of an array are the steps of an episode. */
function fromArrays() {
  const builder = new DatasetBuilder({ environment: "table", options: {}, observationNames: ["x", "y"], actionNames: ["dx", "dy"] });
  for (let episode = 0; episode < 20; episode++) {
    const steps = 30;
    const [observations, actions, rewards] = [new Float32Array(2 * steps), new Float32Array(2 * steps), new Float32Array(steps)];
    let [x, y] = [Math.cos(episode), Math.sin(episode)];
    for (let step = 0; step < steps; step++) {
      observations.set([x, y], 2 * step); // what was seen before the action
      actions.set([-0.1 * x, -0.1 * y], 2 * step); // what was done
      rewards[step] = Math.hypot(x, y) < 0.1 ? 1 : 0;
      [x, y] = [0.9 * x, 0.9 * y];
    }
    builder.add({ observations, actions, rewards, seed: episode, success: true, label: "" });
  }
  return builder.build();
}

/** A recording of another program: what it is is found out by its content. */
async function fromFile(file) {
  const recording = await openRecording(bytesSource(await readFile(file), file), { environment: "table" });
  console.log(`${file} is ${recording.format}`);
  return loadRecording(recording); // or one at a time: for await (const episode of recording.episodes())
}

const [file, out] = process.argv.slice(2);
const dataset = file === undefined ? fromArrays() : await fromFile(file);
const { observationNames, actionNames } = dataset.source;
console.log(`${dataset.episodeCount} episodes, ${dataset.stepCount} steps: ${observationNames.join(", ")} -> ${actionNames.join(", ")}`);

const device = await createDevice();
const network = { kind: "diffusion-mlp", hidden: [32, 32], process: { denoisingSteps: 10 } };
const training = pretrain(device, dataset, { network, horizon: 4, epochs: Number(process.env.EPOCHS ?? 300), rate: 3e-3, reportEvery: 500 });
for await (const { epoch, epochs, loss } of training) console.log(`epoch ${epoch} of ${epochs}: loss ${loss.toFixed(4)}`);

const policy = await training.policy();
const actor = await policy.on(device);
const observation = dataset.episode(0).observations.subarray(0, dataset.observationSize);
const [action, shown] = [await actor.act(observation), dataset.episode(0).actions].map((values) => [...values.slice(0, dataset.actionSize)].map((value) => value.toFixed(2)));
console.log(`in the first state it does ${action.join(", ")}; shown was ${shown.join(", ")}`);
if (out !== undefined) await writeFile(out, policy.encode());
actor.close();
device.close();

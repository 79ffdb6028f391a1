import { expect, test } from "vitest";
import { pretrain } from "../../src/algorithms/pretrain.js";
import { pretrainPresets } from "../../src/algorithms/presets.js";
import { DatasetBuilder, sourceOf } from "../../src/data/dataset.js";
import { createDevice } from "../../src/engine/create-device.js";
import { createPushT } from "../../src/envs/pusht.js";
import { demonstratePushT } from "../../src/envs/pusht-demonstrations.js";
import { evaluate, type Evaluation } from "../../src/rl/evaluation.js";

/** Agent x, y, T x, y, angle; and what the policy must reach from around them. */
test.each<["pusht-diffusion" | "pusht-unet", number[][], number]>([
  ["pusht-diffusion", [[357, 219, 323, 221, -7.691788568124853], [446, 130, 343, 189, -1.5674799627956508], [242, 167, 378, 173, -7.70800989006641]], 0.6],
  ["pusht-unet", [[448, 216, 234, 326, -11.343983515754656]], 0.9],
])("%s, shown some starts, pushes the T onto its goal from around them", async (name, states, wanted) => {
  const { demonstrations, options } = pretrainPresets[name];
  const { observation } = demonstrations;
  using device = await createDevice({ engine: "wasm" });
  using env = await createPushT({
    observation, observationSteps: 2, actionSteps: 8, count: 100, maxSteps: 200, successCoverage: 0.9, starts: { states, jitterPx: 5, jitterAngle: 0.05 },
  });
  const builder = new DatasetBuilder(sourceOf(env));
  for await (const episode of demonstratePushT({ ...demonstrations, starts: { states, jitterPx: 8, jitterAngle: 0.08 } })) builder.add(episode);
  const training = pretrain(device, builder.build(), options);
  let seconds = 0;
  for await (const event of training) ({ seconds } = event);
  let result: Evaluation | undefined;
  for await (result of evaluate(device, await training.policy(), env, { episodes: 300, isDeterministic: false }));
  const { success, length } = result!;
  process.stdout.write(`${name}: success ${success.mean} [${success.low.toFixed(3)}, ${success.high.toFixed(3)}], length ${length.mean}, ${seconds.toFixed(1)} s\n`);
  expect(success.mean).toBeGreaterThan(wanted);
});

import { expect, test } from "vitest";
import { pretrain } from "../../src/algorithms/pretrain.js";
import { pretrainPresets } from "../../src/algorithms/presets.js";
import { DatasetBuilder, sourceOf } from "../../src/data/dataset.js";
import { createDevice } from "../../src/engine/create-device.js";
import { createAvoid } from "../../src/envs/avoid.js";
import { demonstrateAvoid } from "../../src/envs/avoid-demonstrator.js";
import { evaluate, type Evaluation } from "../../src/rl/evaluation.js";

const gaps = { M1: ["m5", "m6"], M2: ["m5", "m7"] } as const;

/** The presets that a fine-tuning starts from, and the least success; the published ones take hours on a CPU. */
const cases = [
  ["avoid-diffusion", "M1", 0.35],
  ["avoid-diffusion", "M2", 0.35],
  ["avoid-gmm", "M1", 0.35],
  ["avoid-gmm", "M2", 0.35],
  ["avoid-gaussian", "M1", 0.25],
  ["avoid-gaussian", "M2", 0.25],
] as const;

test.each(cases)("%s on %s succeeds by both ways, and leaves something to learn", async (name, set, least) => {
  const { demonstrations, options } = pretrainPresets[name];
  using device = await createDevice({ engine: "wasm" });
  using env = await createAvoid({ count: 50, actionSteps: 4, maxSteps: 100 });
  const builder = new DatasetBuilder(sourceOf(env));
  for await (const episode of demonstrateAvoid({ modes: set, ...demonstrations })) builder.add(episode);
  const training = pretrain(device, builder.build(), options);
  let seconds = 0;
  for await (const event of training) ({ seconds } = event);
  let result: Evaluation | undefined;
  for await (result of evaluate(device, await training.policy(), env, { episodes: 400, isDeterministic: false }));
  const { success, modes } = result!;
  process.stdout.write(`${name} ${set}: success ${success.mean} [${success.low.toFixed(3)}, ${success.high.toFixed(3)}], return ${result!.return.mean}, ${JSON.stringify(modes)}, ${seconds.toFixed(1)} s\n`);
  expect(success.mean).toBeGreaterThan(least);
  expect(success.mean).toBeLessThan(0.65);
  for (const gap of gaps[set]) expect(modes[gap]).toBeGreaterThan(40);
});

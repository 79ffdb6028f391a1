import { describe, expect, test } from "vitest";
import { pretrain } from "../../src/algorithms/pretrain.js";
import { pretrainPresets, type PretrainPreset } from "../../src/algorithms/presets.js";
import { DatasetBuilder, sourceOf } from "../../src/data/dataset.js";
import { createAvoid } from "../../src/envs/avoid.js";
import { demonstrateAvoid } from "../../src/envs/avoid-demonstrator.js";
import { createPushT } from "../../src/envs/pusht.js";
import { demonstratePushT } from "../../src/envs/pusht-demonstrations.js";
import { deviceFor } from "../kernels/harness.js";

/** Parameters of the published policies (spec 4; the 65.8 M of Diffusion Policy's Push-T). */
const counts: Readonly<Record<string, number>> = {
  "avoid-diffusion-published": 545_336, "avoid-gaussian-published": 134_922, "avoid-gmm-published": 145_711,
  "pusht-unet-published": 65_783_298,
};

describe.each(Object.entries<PretrainPreset>(pretrainPresets))("the preset %s", (name, preset) => {
  test("fits the demonstrations that it names", async () => {
    const isAvoid = preset.environment === "avoid";
    using env = isAvoid ? await createAvoid() : await createPushT({ observation: preset.demonstrations.observation });
    const builder = new DatasetBuilder(sourceOf(env));
    const episodes = isAvoid
      ? demonstrateAvoid({ modes: "M1", ...preset.demonstrations, episodes: 2 })
      : demonstratePushT({ ...preset.demonstrations, count: 2 });
    for await (const episode of episodes) builder.add(episode);
    const policy = await pretrain(await deviceFor("wasm"), builder.build(), preset.options).policy();
    expect(policy.chunking).toMatchObject(isAvoid
      ? { horizon: 4, actionSteps: 4, observationSteps: 1 }
      : { horizon: name === "pusht-unet-published" ? 16 : 8, actionSteps: 8, observationSteps: 2 });
    if (name in counts) expect(policy.layout.parameterCount).toBe(counts[name]);
  });
});

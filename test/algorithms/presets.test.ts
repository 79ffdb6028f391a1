import { describe, expect, test } from "vitest";
import { pretrain } from "../../src/algorithms/pretrain.js";
import { pretrainPresets } from "../../src/algorithms/presets.js";
import { DatasetBuilder } from "../../src/data/dataset.js";
import { demonstrateAvoid } from "../../src/envs/avoid-demonstrator.js";
import { deviceFor } from "../kernels/harness.js";

/** Parameters of the published policies (spec 4). */
const counts: Readonly<Record<string, number>> = {
  "avoid-diffusion-published": 545_336, "avoid-gaussian-published": 134_922, "avoid-gmm-published": 145_711,
};

describe.each(Object.entries(pretrainPresets))("the preset %s", (name, { demonstrations, options }) => {
  test("fits the demonstrations that it names", async () => {
    const builder = new DatasetBuilder({
      environment: "avoid", options: {}, observationNames: ["desiredX", "desiredY", "actualX", "actualY"], actionNames: ["incrementX", "incrementY"],
    });
    for await (const episode of demonstrateAvoid({ modes: "M1", ...demonstrations, episodes: 2 })) builder.add(episode);
    const policy = await pretrain(await deviceFor("wasm"), builder.build(), options).policy();
    expect(policy.chunking).toMatchObject({ horizon: 4, actionSteps: 4, observationSteps: 1 });
    if (name in counts) expect(policy.layout.parameterCount).toBe(counts[name]);
  });
});

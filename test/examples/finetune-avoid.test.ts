import { readFile } from "node:fs/promises";
import { expect, test } from "vitest";
import { Policy } from "../../src/diffusion/policy.js";
import { runExample, withFile } from "./run-example.js";

/** The smallest run that does everything; how well policies learn is for test/learning. */
const sizes = { EPISODES: 4, WIDTH: 16, EPOCHS: 2, ITERATIONS: 2, ENVIRONMENTS: 8, PHYSICS: "planar", EVALUATED: 8 };

test("the main job in code leaves a tuned policy, which another program puts to work", async () => {
  await withFile("policy.safetensors", async (out) => {
    const printed = await runExample("finetune-avoid.mjs", { sizes: { ...sizes, OUT: out } });
    expect([...printed.matchAll(/^iteration \d+: success/gm)].length).toBe(sizes.ITERATIONS);
    expect(printed).toMatch(/^before: success [\d.]+ % \([\d.]+ to [\d.]+\), return -?[\d.]+\nafter: {2}success [\d.]+ %/m);

    const policy = Policy.decode(await readFile(out));
    expect(policy.tuned?.steps).toBe(10);
    // The first iteration is the critic's, the second moves the policy.
    expect(policy.tuned?.values).not.toEqual(policy.values);

    const acted = await runExample("deploy-policy.mjs", { words: [out, "30"], sizes: { PHYSICS: "planar" } });
    expect(acted).toContain("sees 1 x (desiredX, desiredY, actualX, actualY), does 4 x (incrementX, incrementY)");
    // 30 chunks of 4 steps are one episode of 100 steps.
    expect(acted).toMatch(/^[01] of 1 episodes succeeded$/m);
    const [median, slow] = [...acted.matchAll(/([\d.]+) ms/g)].map((match) => Number(match[1]));
    expect(median).toBeGreaterThan(0);
    expect(slow).toBeGreaterThanOrEqual(median!);
  });
});

import { readFile, writeFile } from "node:fs/promises";
import { expect, test } from "vitest";
import { Policy } from "../../src/diffusion/policy.js";
import { npyBytes, npzBytes } from "../data/writers/numpy.js";
import { runExample, withFile } from "./run-example.js";

test("a policy is trained on a user's own arrays, and does what they show", async () => {
  const printed = await runExample("custom-dataset.mjs", { sizes: { EPOCHS: 60 } });
  expect(printed).toContain("20 episodes, 600 steps: x, y -> dx, dy");
  const pairs = [...printed.matchAll(/(-?\d+\.\d+), (-?\d+\.\d+)/g)].map((match) => [Number(match[1]), Number(match[2])] as const);
  const [done, shown] = pairs;
  expect(shown).toEqual([-0.1, expect.closeTo(0, 6)]);
  // Actions reach from -0.1 to 0.1; 0.04 is far from what chance gives for both.
  expect(Math.hypot(done![0] - shown![0], done![1] - shown![1]), printed).toBeLessThan(0.06);
});

test("a policy is trained on the file of another program, and saved", async () => {
  const steps = 12;
  const column = (width: number): number[] => Array.from({ length: steps * width }, (_, at) => Math.sin(at));
  const file = npzBytes({
    states: npyBytes(column(3), [steps, 3]),
    actions: npyBytes(column(2), [steps, 2]),
    traj_lengths: npyBytes([6, 6], [2], { description: "<i8" }),
  });
  await withFile("train.npz", async (recording) => {
    await writeFile(recording, file);
    const out = `${recording}.policy`;
    const printed = await runExample("custom-dataset.mjs", { words: [recording, out], sizes: { EPOCHS: 2 } });
    expect(printed).toContain("is DPPO, npz");
    expect(printed).toContain("2 episodes, 12 steps");
    const { options } = Policy.decode(await readFile(out));
    expect([options.observationNames.length, options.actionNames.length, options.horizon]).toEqual([3, 2, 4]);
  });
});

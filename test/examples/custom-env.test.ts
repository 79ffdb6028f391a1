import { readFile } from "node:fs/promises";
import { expect, test } from "vitest";
import { runExample } from "./run-example.js";

test("a policy is fine-tuned in a user's own environment, and succeeds more often", async () => {
  const printed = await runExample("custom-env.mjs");
  const [before, after] = [...printed.matchAll(/(?:before|after): success ([\d.]+),/g)].map((match) => Number(match[1]));
  // The spring that is imitated is too slow for two starts in five.
  expect(before, printed).toBeLessThan(0.75);
  expect(after, printed).toBeGreaterThan(before! + 0.1);
});

test("the example stays under 65 lines", async () => {
  const text = await readFile(new URL("../../examples/custom-env.mjs", import.meta.url), "utf8");
  expect(text.trimEnd().split("\n").length).toBeLessThan(65);
});

import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { expectBuilt } from "../expect-built.js";

const file = new URL("../../examples/custom-env.mjs", import.meta.url);

test("a user's own environment runs through the contract", async () => {
  // An example imports `difftune` as its readers do: the built package.
  await expectBuilt();
  const { stdout } = await promisify(execFile)(process.execPath, [file.pathname]);
  const rates = /random ([\d.]+), spring ([\d.]+)/.exec(stdout);
  expect(rates, stdout).not.toBeNull();
  expect(Number(rates?.[1])).toBeLessThan(0.5);
  expect(Number(rates?.[2])).toBe(1);
});

test("the example stays under 60 lines", async () => {
  const text = await readFile(file, "utf8");
  expect(text.trimEnd().split("\n").length).toBeLessThan(60);
});

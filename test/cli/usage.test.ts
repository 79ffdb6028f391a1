import * as v from "valibot";
import { expect, test } from "vitest";
import type { Command } from "../../src/cli/command.js";
import { renderCommandUsage } from "../../src/cli/usage.js";

const command: Command = {
  name: "train",
  description: "Train.",
  examples: [{ what: "An example", words: "train --epochs 3" }],
  word: { option: "policy" },
  sections: () => [],
  execute: () => Promise.resolve(0),
};
const schema = v.strictObject({
  epochs: v.pipe(v.optional(v.number(), 1000), v.description("How long.")),
  horizon: v.pipe(v.number(), v.description("Actions of a chunk.")),
  rate: v.pipe(v.optional(v.number(), 1e-3), v.description("How fast. Default: a thousandth.")),
  useEma: v.pipe(v.optional(v.boolean(), true), v.description("Whether.")),
});
const help = (base: Record<string, unknown>): string =>
  renderCommandUsage(command, [{ title: "Options", schema }, { title: "Presets", schema: v.strictObject({}), notes: [["small", "For CPUs."]] }], base).replace(/\s+/g, " ");

test("help names what is required, defaults and notes", () => {
  expect(help({})).toContain("--horizon NUMBER Actions of a chunk. Required.");
  expect(help({})).toContain("--epochs NUMBER How long. Default: 1000.");
  expect(help({})).toContain("--rate NUMBER How fast. Default: a thousandth. --[no-]useEma".replace("useEma", "use-ema"));
  expect(help({})).toContain("Presets small For CPUs.");
  expect(help({})).toContain("# An example difftune train --epochs 3");
  expect(help({})).toContain("difftune train [POLICY] [options]");
});

test("help shows what a preset sets in the place of the schema's defaults", () => {
  const text = help({ epochs: 180, horizon: 4, rate: 0.5, useEma: false });
  expect(text).toContain("--horizon NUMBER Actions of a chunk. Default: 4.");
  expect(text).toContain("--epochs NUMBER How long. Default: 180.");
  expect(text).toContain("How fast. Default: a thousandth. Default: 0.5.");
  expect(text).toContain("--use-ema Whether. Default: no.");
});

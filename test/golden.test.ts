import { afterAll, beforeAll, describe, expect, it, type TestContext } from "vitest";
import { createDevice } from "../src/engine/create-device.ts";
import type { Device, EngineName } from "../src/engine/device.ts";
import { GoldenComparison, isUnread } from "./golden-runner/comparison.ts";
import { goldenFolder, GoldenFile } from "./golden-runner/golden-file.ts";
import { formatFailures, formatReport } from "./golden-runner/report.ts";
import type { GoldenRow } from "./golden-runner/row.ts";
import { walkGolden } from "./golden-runner/walk.ts";

/**
 * Everything of the golden folder that the package has code for, on both engines, at the tolerances that the folder's
 * READMEs state. What nothing can read is listed, skipped, and never counts as passed.
 */
const engines: readonly EngineName[] = process.env.DIFFTUNE_SKIP_WEBGPU === "1" ? ["wasm"] : ["wasm", "webgpu"];
const entries = walkGolden(goldenFolder);
const report: GoldenRow[] = [];

/** Fails the test with what is beyond its tolerance; skips it, with the reason, where nothing could be compared. */
function judge(rows: readonly GoldenRow[], context: TestContext): void {
  report.push(...rows);
  const judged = rows.filter((row) => !isUnread(row));
  if (judged.length === 0) context.skip(rows[0]?.note ?? "there is nothing to compare in it");
  expect(formatFailures(judged)).toBe("");
}

afterAll(() => {
  process.stdout.write(`\nGolden vectors of ${goldenFolder}\n\n${formatReport(report)}\n\n`);
});

it("finds golden vectors that it can read", () => {
  expect(entries.filter((entry) => entry.kind === "folder" || entry.reader !== undefined)).not.toEqual([]);
});

describe.each(engines)("on %s", (engine) => {
  let device: Device;
  beforeAll(async () => {
    device = await createDevice({ engine });
  });
  afterAll(() => device.close());

  for (const entry of entries) {
    if (entry.kind === "folder") continue;
    it(entry.name, async (context) => {
      const comparison = new GoldenComparison(entry.name, engine);
      if (entry.reader === undefined) comparison.unread("the whole file", "there is no reader for it");
      else await entry.reader(GoldenFile.open(entry.name), device, comparison);
      judge(comparison.rows(), context);
    });
  }
});

describe("trajectories", () => {
  for (const entry of entries) {
    if (entry.kind === "file") continue;
    it(entry.name, async (context) => {
      const rows = await entry.run();
      judge(
        rows.map((row) => ({ ...row, file: `${entry.name}/${row.file}` })),
        context,
      );
    });
  }
});

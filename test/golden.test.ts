import { afterAll, beforeAll, expect, it, type TestContext } from "vitest";
import { createDevice } from "../src/engine/create-device.ts";
import type { Device, EngineName } from "../src/engine/device.ts";
import { GoldenComparison } from "./golden-runner/comparison.ts";
import { goldenFolder, GoldenFile } from "./golden-runner/golden-file.ts";
import { formatFailures, formatReport } from "./golden-runner/report.ts";
import { isUnread, type GoldenRow } from "./golden-runner/row.ts";
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

const files = entries.filter((entry) => entry.kind === "file");
const folders = entries.filter((entry) => entry.kind === "folder");
const devices = new Map<EngineName, Device>();

beforeAll(async () => {
  for (const engine of files.length > 0 ? engines : []) devices.set(engine, await createDevice({ engine }));
});
afterAll(() => {
  for (const device of devices.values()) device.close();
});

for (const engine of engines) {
  for (const { name, reader } of files) {
    it(`${name} on ${engine}`, async (context) => {
      const comparison = new GoldenComparison(name, engine);
      if (reader === undefined) comparison.unread("the whole file", "there is no reader for it");
      else {
        try {
          await reader(GoldenFile.open(name, goldenFolder), devices.get(engine)!, comparison);
        } catch (error) {
          comparison.failed(error);
          report.push(...comparison.rows());
          throw error;
        }
      }
      judge(comparison.rows(), context);
    });
  }
}

for (const { name, run } of folders) {
  it(name, async (context) => {
    const rows = await run();
    judge(
      rows.map((row) => ({ ...row, file: `${name}/${row.file}` })),
      context,
    );
  });
}

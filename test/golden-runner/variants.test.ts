import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { deviceFor, engines } from "../kernels/harness.js";
import { GoldenComparison } from "./comparison.ts";
import { GoldenFile } from "./golden-file.ts";
import { readers } from "./readers.ts";
import { formatFailures } from "./report.ts";
import { isUnread } from "./row.ts";
import { walkGolden } from "./walk.ts";
import { writeVariants } from "./variants.ts";

/** Golden vectors of other sizes, step counts and options than the published ones, from the double-precision twins. */
const folder = mkdtempSync(path.join(tmpdir(), "difftune-variants-"));
writeVariants(folder, 1);
afterAll(() => {
  rmSync(folder, { recursive: true });
});

describe.each(engines)("vectors of other sizes and options on %s", (engine) => {
  for (const { name } of walkGolden(folder)) {
    const reader = readers[name];
    if (reader === undefined) continue;
    it(`${name} is within its tolerances`, async () => {
      const comparison = new GoldenComparison(name, engine);
      await reader(GoldenFile.open(name, folder), await deviceFor(engine), comparison);
      const rows = comparison.rows();
      expect(rows.filter(isUnread)).toEqual([]);
      expect(rows.length).toBeGreaterThan(0);
      expect(formatFailures(rows)).toBe("");
    });
  }
});

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { deviceFor, engines } from "../kernels/harness.js";
import { GoldenComparison } from "./comparison.ts";
import { GoldenFile } from "./golden-file.ts";
import { readerOf } from "./readers.ts";
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
  for (const entry of walkGolden(folder)) {
    const { name } = entry;
    it(`${name} is within its tolerances`, async () => {
      const comparison = new GoldenComparison(name, engine);
      if (entry.kind !== "file" || entry.reader === undefined) throw new RangeError(`there is no reader for ${name}`);
      await entry.reader(GoldenFile.open(name, folder), await deviceFor(engine), comparison);
      const rows = comparison.rows();
      expect(rows.filter(isUnread)).toEqual([]);
      expect(rows.length).toBeGreaterThan(0);
      expect(formatFailures(rows)).toBe("");
    });
  }
});

describe("readers by name", () => {
  it("files of another ending are read as their family is", () => {
    for (const name of ["dppo/ppo_loss_v08", "dppo/gae", "alignment/fdpp_exact", "alignment/bt_scalar", "alignment/net"]) {
      expect(readerOf(name)).toBeTypeOf("function");
      for (const ending of ["_b", "_v09", "2", "-small"]) expect(readerOf(name + ending)).toBe(readerOf(name));
    }
    expect(readerOf("dppo/gae_b")).not.toBe(readerOf("dppo/pretrain_b"));
  });

  it("there is no reader for another word, nor for another folder", () => {
    for (const name of ["dppo/vision", "dppo/finetune_v08", "alignment/network", "alignment/gae", "dppo/schedules", "gae"]) {
      expect(readerOf(name)).toBeUndefined();
    }
  });
});

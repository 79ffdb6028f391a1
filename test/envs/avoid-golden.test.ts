import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import path from "node:path";
import { describe, expect, test } from "vitest";
import { runAvoidGolden } from "../golden-runner/avoid.ts";

const own = fileURLToPath(new URL("../golden/avoid", import.meta.url));
const shared = process.env["DIFFTUNE_SHARED"] ?? fileURLToPath(new URL("../../../shared", import.meta.url));
const complete = path.join(shared, "golden/avoid");

describe("avoid against the arm in MuJoCo", () => {
  test.each([
    ["the repository's traces", own, 12],
    ["all traces, with replayed demonstrations", complete, 15],
  ])("%s agree within the tolerances of both levels", async (_, folder, traceCount) => {
    if (folder === complete && !existsSync(complete)) return expect(existsSync(own)).toBe(true);
    const rows = await runAvoidGolden(folder);
    expect(rows.filter(({ passed }) => !passed)).toEqual([]);
    const compared = new Set(rows.filter(({ quantity, engine }) => quantity !== "skipped" && engine === "Level A").map(({ file }) => file));
    expect(compared.size).toBe(traceCount);
  });
});

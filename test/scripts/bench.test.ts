import { execFile } from "node:child_process";
import { mkdtemp, readFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { beforeAll, describe, expect, test } from "vitest";
import { expectBuilt } from "../expect-built.js";

const root = fileURLToPath(new URL("../..", import.meta.url));

/** The fields of a line, in the order that readers of the files rely on. */
const fields = [
  "workload", "engine", "variant", "threads", "runs", "median_ms", "min_ms", "gflop", "gflops_best", "items_per_s", "device",
];

describe("npm run bench", () => {
  beforeAll(expectBuilt);

  test("prints a table and writes one JSON object a line", async () => {
    const file = path.join(await mkdtemp(path.join(tmpdir(), "difftune-bench-")), "rows.jsonl");
    const { stdout } = await promisify(execFile)(
      process.execPath,
      ["scripts/bench.mjs", "programs", "--filter", "W6-gae", "--engine", "wasm", "--threads", "1", "--seconds", "0.02", "--json", file],
      { cwd: root },
    );
    expect(stdout).toContain("W6-gae-500x40");
    const rows = (await readFile(file, "utf8")).trim().split("\n").map((line) => JSON.parse(line) as Record<string, unknown>);
    expect(rows.length).toBeGreaterThan(0);
    for (const row of rows) {
      expect(Object.keys(row)).toEqual(fields);
      expect(row).toMatchObject({ workload: "W6-gae-500x40", engine: "wasm", threads: 1 });
      expect(row.min_ms).toBeGreaterThan(0);
    }
  });

  test("refuses a suite that it does not have", async () => {
    await expect(promisify(execFile)(process.execPath, ["scripts/bench.mjs", "speed"], { cwd: root })).rejects.toMatchObject({
      code: 2,
      stderr: expect.stringContaining("suites are kernels, programs, ") as string,
    });
  });
});

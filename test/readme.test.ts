import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { beforeAll, describe, expect, test } from "vitest";
import { withTables } from "../scripts/options-tables.mjs";
import manifest from "../package.json" with { type: "json" };
import { expectBuilt } from "./expect-built.js";

const root = fileURLToPath(new URL("..", import.meta.url));
const readme = readFileSync(new URL("../README.md", import.meta.url), "utf8");
const blocks = (language: string): string[] => [...readme.matchAll(new RegExp(`^\`\`\`${language}\\n(.*?)^\`\`\`$`, "gms"))].map((match) => match[1]!);

/** What each example must print, in the order of the README. */
const promised = [["iteration 4: success", "before: success", "after: success"], ["desiredX", "4 126", "Success in mode 125."], ["every kernel is right"]] as const;

describe("the README", () => {
  beforeAll(expectBuilt);

  test.each(blocks("js").map((source, index) => [index + 1, source] as const))("example %i runs as it stands and prints", async (example, source) => {
    const { stdout } = await promisify(execFile)(process.execPath, ["--input-type=module", "--eval", source], { cwd: root, timeout: 110_000 });
    expect(stdout.trim()).not.toBe("");
    expect(stdout).not.toMatch(/NaN|undefined/);
    // What the README says that they show.
    for (const shown of promised[example - 1] ?? []) expect(stdout).toContain(shown);
    if (example > 1) return;
    const [before, after] = [...stdout.matchAll(/(?:before|after): success ([\d.]+)/g)].map((match) => Number(match[1]));
    expect(after, stdout).toBeGreaterThan(before! + 0.1);
  });

  test("promises something of every example", () => {
    expect(blocks("js").length).toBe(promised.length);
  });

  test("has an example, of about twenty lines", () => {
    const [example = ""] = blocks("js");
    expect(example.trim().split("\n").length).toBeGreaterThan(10);
    expect(example.trim().split("\n").length).toBeLessThanOrEqual(25);
  });

  test("names only scripts that exist", () => {
    const named = [...readme.matchAll(/npm run ([\w:]+)/g)].map((match) => match[1]!);
    expect(named.filter((name) => !Object.hasOwn(manifest.scripts, name))).toEqual([]);
  });

  test("its tables of options are those of the sources: npm run options-tables", async () => {
    expect(readme).toBe(await withTables(readme));
    expect(readme).not.toMatch(/\| {2}\|$/m);
  });

  test("links only to files that exist", () => {
    const links = [...readme.matchAll(/\]\((?!https?:|#)([^)#]+)/g)].map((match) => match[1]!);
    const missing = links.filter((link) => {
      try {
        readFileSync(new URL(`../${link}`, import.meta.url));
        return false;
      } catch {
        return true;
      }
    });
    expect(missing).toEqual([]);
  });
});

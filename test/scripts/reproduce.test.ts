import { execFile, spawn } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { beforeAll, describe, expect, test } from "vitest";
import { expectBuilt } from "../expect-built.js";
import { defaultSettings, methods, planOf, studies, usual } from "../../scripts/reproduce/avoid-cells.mjs";
import { needsOf } from "../../scripts/reproduce/cells.mjs";

const root = fileURLToPath(new URL("../..", import.meta.url));
/** A cell in its part of the comparison. */
interface Member {
  readonly id: string;
  readonly base?: string;
  readonly policy?: string;
  readonly [setting: string]: unknown;
}

const run = (args: readonly string[]) => promisify(execFile)(process.execPath, ["scripts/reproduce.mjs", "avoid", ...args], { cwd: root });

describe("the cells of the comparison on Avoid", () => {
  const plan: { readonly cells: readonly Member[]; readonly comparison: readonly Member[]; readonly studies: Readonly<Record<string, readonly Member[]>> } = planOf(defaultSettings);
  const ids = plan.cells.map(({ id }) => id);

  test("are the published comparison: three sets, eight methods, three seeds, and every study", () => {
    expect(plan.comparison).toHaveLength(3 * 8 * 3);
    expect(Object.keys(methods)).toEqual(["dppo-3", "dppo-5", "dppo-10", "dppo-15", "dppo-20", "gaussian", "gmm", "gmm-released"]);
    expect(Object.keys(plan.studies)).toEqual(Object.keys(studies));
    for (const members of Object.values(plan.studies)) expect(members.length).toBeGreaterThan(0);
    const named = [...plan.comparison, ...Object.values(plan.studies).flat()].map(({ id }) => id);
    expect(named.filter((id) => !ids.includes(id))).toEqual([]);
  });

  test("are each listed once, after those they need", () => {
    expect(new Set(ids).size).toBe(ids.length);
    for (const [place, cell] of plan.cells.entries()) {
      for (const id of needsOf(cell)) expect(ids.indexOf(id), `${cell.id} needs ${id}`).toBeLessThan(place === 0 ? 0 : place);
      for (const id of needsOf(cell)) expect(ids).toContain(id);
    }
  });

  test("of studies share the one that changes nothing", () => {
    const floor = plan.studies.floor?.find((member) => member.floor === usual.floor);
    expect(floor?.id).toBe("studies/M2-dppo-10/seed-1");
    expect(plan.studies.chunks?.filter((member) => member.chunk === 16).map(({ id }) => id)).toEqual(["studies/M2-dppo-10-chunk-16/seed-1", "studies/M2-gaussian-chunk-16/seed-1", "studies/M2-gmm-chunk-16/seed-1"]);
  });
});

describe("npm run reproduce", { timeout: 300_000 }, () => {
  beforeAll(expectBuilt);
  const tiny = ["--only", "M1", "--methods", "dppo-10,gaussian", "--seeds", "1", "--hidden", "8,8,8", "--epochs", "2", "--episodes", "4", "--environments", "4", "--physics", "planar", "--engine", "wasm", "--threads", "1"];

  test("runs every cell, writes the page, and runs nothing twice", async () => {
    const folder = await mkdtemp(path.join(tmpdir(), "difftune-reproduce-"));
    const args = [...tiny, "--studies", "exploration,refinement,robustness,decay", "--iterations", "2", "--out", path.join(folder, "cells"), "--results", path.join(folder, "results")];
    const first = await run(args);
    expect(first.stderr).toContain("[10/10]");
    const page = await readFile(path.join(folder, "results/avoid.md"), "utf8");
    for (const words of ["10 cells of 10 are done", "WASM", "| M1 | diffusion |", "DPPO, K' = 10 | 1 |", "DPPO, K' = 10 | 1e-4 to 1e-5 | 1 |", "Gaussian | 1 |", "noise 0.4", "wide starts", "How the episodes after fine-tuning ended"]) {
      expect(page).toContain(words);
    }
    expect(page).not.toMatch(/undefined|NaN|Infinity/);
    for (const [, file] of page.matchAll(/\]\((avoid\/[^)]+\.svg)\)/g)) expect(await readFile(path.join(folder, "results", file!), "utf8")).toMatch(/^<svg /);
    const again = await run(args);
    expect(again.stderr).not.toContain("done in");
    expect(await readFile(path.join(folder, "results/avoid.md"), "utf8")).toBe(page);
    await expect(run(args.with(args.indexOf("2", args.indexOf("--iterations")), "3"))).rejects.toMatchObject({
      code: 2,
      stderr: expect.stringContaining("were run with other settings") as string,
    });
    await rm(folder, { recursive: true });
  });

  test("is stopped in the middle of a cell and goes on to the same policy", async () => {
    const folder = await mkdtemp(path.join(tmpdir(), "difftune-reproduce-"));
    const args = (cells: string) => [...tiny, "--methods", "dppo-3", "--studies", "none", "--iterations", "12", "--out", path.join(folder, cells), "--results", path.join(folder, "results")];
    const policy = (cells: string) => readFile(path.join(folder, cells, "M1/dppo-3/seed-1/policy.safetensors"));
    await run(args("whole"));
    const child = spawn(process.execPath, ["scripts/reproduce.mjs", "avoid", ...args("parts")], { cwd: root, stdio: ["ignore", "ignore", "pipe"] });
    child.stderr.setEncoding("utf8").on("data", (text: string) => { if (/iteration \d+ of/.test(text)) child.kill("SIGINT"); });
    expect(await new Promise((resolve) => { child.on("close", resolve); })).toBe(130);
    await expect(policy("parts")).rejects.toMatchObject({ code: "ENOENT" });
    const { stderr } = await run(args("parts"));
    expect(stderr).toContain("M1/dppo-3/seed-1: done in");
    // Only the command that made it stands in the file beside the same numbers.
    const numbers = (bytes: Buffer) => bytes.subarray(8 + Number(bytes.readBigUInt64LE(0)));
    expect(numbers(await policy("parts")).equals(numbers(await policy("whole")))).toBe(true);
    await rm(folder, { recursive: true });
  });

  test("says what it takes, refuses what it does not know, and fails when a cell fails", async () => {
    expect((await promisify(execFile)(process.execPath, ["scripts/reproduce.mjs", "--help"], { cwd: root })).stdout).toContain("--iterations 51");
    await expect(run(["--only", "M4"])).rejects.toMatchObject({ code: 2, stderr: expect.stringContaining("There are M1, M2, M3") as string });
    await expect(run(["--iterations", "some"])).rejects.toMatchObject({ code: 2 });
    const { stdout } = await run(["--list", "--only", "M1", "--studies", "none", "--methods", "gaussian", "--out", path.join(tmpdir(), "difftune-nothing-there")]);
    expect(stdout.trim().split("\n")).toEqual(["new    pretrain/M1-gaussian", "new    M1/gaussian/seed-1", "new    M1/gaussian/seed-2", "new    M1/gaussian/seed-3"]);
    const folder = await mkdtemp(path.join(tmpdir(), "difftune-reproduce-"));
    await writeFile(path.join(folder, "pretrain"), "in the way");
    await expect(run([...tiny, "--methods", "gaussian", "--studies", "none", "--out", folder, "--results", path.join(folder, "results")])).rejects.toMatchObject({
      code: 1,
      stderr: expect.stringContaining("failed     pretrain/M1-gaussian") as string,
    });
    await rm(folder, { recursive: true });
  });
});

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
import { findBox, isPassable, stepsInside } from "../../scripts/reproduce/fdpp-box.mjs";
import { defaultSettings as fdppSettings, planOf as planOfFdpp } from "../../scripts/reproduce/fdpp-cells.mjs";
import { commandOf } from "../../scripts/reproduce/page.mjs";

const root = fileURLToPath(new URL("../..", import.meta.url));
/** A cell in its part of the comparison. */
interface Member {
  readonly id: string;
  readonly base?: string;
  readonly policy?: string;
  readonly [setting: string]: unknown;
}

const runExperiment = (name: string, args: readonly string[]) => promisify(execFile)(process.execPath, ["scripts/reproduce.mjs", name, ...args], { cwd: root });
const run = (args: readonly string[]) => runExperiment("avoid", args);

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

describe("the experiment on preferences", () => {
  const plan: { readonly cells: readonly Member[] } = planOfFdpp(fdppSettings);

  test("has a policy, a box, two rewards, and seven weights with three seeds each, seed by seed", () => {
    const ids = plan.cells.map(({ id }) => id);
    expect(ids.slice(0, 8)).toEqual(["policy/round-0", "starts", "before", "reward", "reward-fine", "fdpp/alpha-0.1/seed-1", "fdpp/alpha-0.03/seed-1", "fdpp/alpha-0/seed-1"]);
    expect(ids).toHaveLength(5 + 7 * 3);
    expect(new Set(ids).size).toBe(ids.length);
    for (const [place, cell] of plan.cells.entries()) for (const id of needsOf(cell)) expect(ids.slice(0, place)).toContain(id);
  });

  /** Ways that run straight to the right through (x, 370), and a start that leaves room. */
  const candidate = (y: number) => ({ start: [200, y, 120, 120, 0], rollouts: [0, 1].map((shift) => Array.from({ length: 60 }, (_, at) => [200 + 5 * at, y + shift]).flat()) });
  const first = { x0: 330, y0: 300, x1: 470, y1: 440 };

  type Box = typeof first;
  const find = (ys: readonly number[], steps: number) => findBox(first, ys.map(candidate), { steps, least: 3 }) as { readonly box: Box; readonly indices: readonly number[]; readonly tried: number };

  test("takes the first box where three starts lead through it", () => {
    const ys = [350, 370, 390, 20];
    expect(find(ys, 40)).toEqual({ box: first, indices: [0, 1, 2], tried: 1 });
    // It is reached after 26 steps.
    expect(find(ys, 20).box).not.toEqual(first);
  });

  test("else takes the box that most starts lead through, the nearest of several", () => {
    const { box, indices, tried } = find([270, 285, 420, 20], 40);
    expect(indices).toEqual([0, 1, 2]);
    expect(tried).toBeGreaterThan(1000);
    expect(box.y0).toBeLessThanOrEqual(270);
    expect(box.y1).toBeGreaterThanOrEqual(420);
    for (const side of [box.x1 - box.x0, box.y1 - box.y0]) expect(side >= 100 && side <= 160).toBe(true);
  });

  test("counts the steps inside of a box without the start, and knows where no way leads around", () => {
    expect(stepsInside({ x0: 0, y0: 0, x1: 10, y1: 10 }, [5, 5, 5, 5, 20, 5, 10, 10], 200)).toBe(2);
    expect(stepsInside({ x0: 0, y0: 0, x1: 10, y1: 10 }, [20, 5, 20, 5, 5, 5], 1)).toBe(0);
    const start: [number, number, number, number, number] = [50, 50, 120, 120, 0];
    expect(isPassable(first, start)).toBe(true);
    expect(isPassable({ x0: 40, y0: 40, x1: 60, y1: 60 }, start)).toBe(false);
    // The T's stem, and the goal's bar.
    expect(isPassable({ x0: 130, y0: 235, x1: 140, y1: 245 }, start)).toBe(false);
    expect(isPassable({ x0: 290, y0: 290, x1: 320, y1: 320 }, start)).toBe(false);
  });

  test("is told by a command that others can repeat", () => {
    expect(commandOf("fdpp-pusht", ["--policy", "/somewhere/policy.safetensors", "--jobs", "2", "--report", "--alphas=0,0.3", "--out", "x", "--seeds", "1"])).toBe(
      "npm run reproduce -- fdpp-pusht --policy policy.safetensors --alphas=0,0.3 --seeds 1",
    );
  });

  test("runs every cell, writes the page, and runs nothing twice", { timeout: 300_000 }, async () => {
    await expectBuilt();
    const folder = await mkdtemp(path.join(tmpdir(), "difftune-reproduce-"));
    await writeFile(path.join(folder, "starts.json"), '{"states":[[300,330,120,120,0],[300,380,120,120,0],[320,350,100,150,0],[310,340,120,120,1]]}');
    const args = [
      "--starts", path.join(folder, "starts.json"), "--alphas", "0,10", "--seeds", "1", "--iterations", "2", "--environments", "4", "--chunks", "2", "--epochs", "1", "--batch", "40",
      "--denoising-steps", "5", "--std-floor", "0.2", "--baseline", "value", "--episodes", "6", "--every", "1", "--every-episodes", "2", "--pairs", "40", "--rollouts", "4", "--demonstrations", "3", "--rounds", "1", "--visited", "3", "--pretrain-epochs", "2", "--hidden", "8,8,8",
      "--engine", "wasm", "--threads", "1", "--out", path.join(folder, "cells"), "--results", path.join(folder, "results"),
    ];
    expect((await runExperiment("fdpp-pusht", args)).stderr).toContain("[8/8]");
    const page = await readFile(path.join(folder, "results/fdpp-pusht.md"), "utf8");
    for (const words of ["8 cells of 8 are done", "each counting 0.5 of the one before", "| ties below 0.8 | ties below 0.05 |", "| alpha = 0 visibly loses the task |", "The learned reward (figure 3)", "Behaviour before and after (figure 4)", "Tables I and II", "| pre-trained |", "| 10 | 1 |", "While learning"]) {
      expect(page).toContain(words);
    }
    expect(page).not.toMatch(/undefined|NaN|Infinity/);
    expect(page).not.toContain(folder);
    const files = [...page.matchAll(/\]\((fdpp-pusht\/[^)]+\.svg)\)/g)].map(([, file]) => file!);
    expect(new Set(files).size).toBeGreaterThanOrEqual(11);
    for (const file of files) expect(await readFile(path.join(folder, "results", file), "utf8")).toMatch(/^<svg /);
    const { box, starts } = JSON.parse(await readFile(path.join(folder, "results/fdpp-pusht/starts.json"), "utf8")) as { box: Record<string, number>; starts: { states: number[][] } };
    expect(box.x1! - box.x0!).toBeGreaterThanOrEqual(100);
    expect(starts.states.length).toBeGreaterThan(0);
    expect((await runExperiment("fdpp-pusht", args)).stderr).not.toContain("done in");
    expect(await readFile(path.join(folder, "results/fdpp-pusht.md"), "utf8")).toBe(page);
    for (const refused of [["--alphas", "-1"], ["--gamma", "1"]]) await expect(runExperiment("fdpp-pusht", [...args, ...refused])).rejects.toMatchObject({ code: 2 });
    await rm(folder, { recursive: true });
  });
});

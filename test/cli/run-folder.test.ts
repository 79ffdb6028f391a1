import { spawn } from "node:child_process";
import { appendFile, mkdir, mkdtemp, open, readFile, readdir, symlink, writeFile, type FileHandle } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { beforeEach, describe, expect, test, vi } from "vitest";
import { readRunDescription, readRunLog, RunFolder, type RunDescription } from "../../src/cli/run-folder.js";
import { readFloats, readSafetensors, storeFloats, writeSafetensors } from "../../src/io/safetensors.js";
import { expectBuilt } from "../expect-built.js";

const description: RunDescription = {
  command: "difftune finetune --policy p.safetensors",
  method: "dppo",
  environment: "avoid",
  seed: 3,
  engine: { engine: "wasm", description: "WASM", isSoftware: false, features: [] },
  options: { iterations: 5 },
  startedAt: "2026-01-01T00:00:00.000Z",
};

const state = (value: number): Uint8Array => writeSafetensors({ metadata: new Map([["of", "test"]]), tensors: new Map([["values", storeFloats([64], new Float32Array(64).fill(value))]]) });
const valueOf = (bytes: Uint8Array | undefined): number | undefined => bytes && readFloats(readSafetensors(bytes).tensors.get("values")!)[0];

let folder: string;
beforeEach(async () => {
  folder = path.join(await mkdtemp(path.join(tmpdir(), "difftune-run-")), "run");
});

const checkpointFile = (name: string): string => path.join(folder, "checkpoints", `${name}.safetensors`);

/** Takes a run up from its newest state. */
async function goOn(run: RunFolder): ReturnType<RunFolder["readState"]> {
  const state = await run.readState();
  await run.goOn(state.checkpoint);
  return state;
}

/** Makes a run of `count` iterations with a checkpoint each, and closes it. */
async function makeRun(count: number): Promise<void> {
  const run = await RunFolder.create(folder, description);
  for (let iteration = 0; iteration < count; iteration++) {
    await run.append({ event: "iteration", iteration });
    await run.saveCheckpoint(state(iteration), { iteration, score: [0, -Math.abs(iteration - 1)] });
  }
  await run.close();
}

describe("a run's folder", () => {
  test("keeps the last, the best and a limited number of checkpoints, and the state to the bit", async () => {
    await makeRun(6);
    expect((await readdir(path.join(folder, "checkpoints"))).sort()).toEqual([
      "best.safetensors", "iteration-00003.safetensors", "iteration-00004.safetensors", "iteration-00005.safetensors", "last.safetensors",
    ]);
    const run = await RunFolder.open(folder);
    const { checkpoint, damaged } = await goOn(run);
    expect(damaged).toEqual([]);
    expect(checkpoint).toEqual({ iteration: 5, score: [0, -4], state: state(5) });
    expect(valueOf(await readFile(checkpointFile("best")))).toBe(1);
    // The best score is known again after a resume, and measured ranks above guessed.
    expect(await run.saveCheckpoint(state(6), { iteration: 6, score: [0, -0.5] })).toBe(false);
    expect(await run.saveCheckpoint(state(7), { iteration: 7, score: [1, -9] })).toBe(true);
    await run.close();
    expect(await readdir(folder)).not.toContain("lock");
  });

  test("says what it is, to whoever reads it", async () => {
    await makeRun(2);
    expect(await readRunDescription(folder)).toMatchObject({ format: "difftune-run", version: 1, ...description });
    expect(await readRunLog(folder)).toEqual({ records: [{ event: "iteration", iteration: 0 }, { event: "iteration", iteration: 1 }], isTorn: false });
  });

  test("cuts the log behind the checkpoint that it goes on from, a torn line with it", async () => {
    await makeRun(3);
    await appendFile(path.join(folder, "metrics.jsonl"), '{"event":"iteration","iteration":3}\n{"event":"evaluation","when":"after"}\n{"event":"itera');
    const run = await RunFolder.open(folder);
    await goOn(run);
    await run.append({ event: "iteration", iteration: 3, again: true });
    await run.close();
    expect((await readRunLog(folder)).records.map(({ iteration, again }) => [iteration, again])).toEqual([[0, undefined], [1, undefined], [2, undefined], [3, true]]);
  });

  test("a run without a checkpoint begins anew", async () => {
    const run = await RunFolder.create(folder, description);
    await run.append({ event: "iteration", iteration: 0 });
    await run.close();
    const again = await RunFolder.open(folder);
    expect(await goOn(again)).toEqual({ checkpoint: undefined, damaged: [] });
    expect(again.records).toEqual([]);
    await again.close();
  });

  test.each([
    ["is cut off", (bytes: Buffer) => bytes.subarray(0, bytes.length - 5)],
    ["is empty", () => Buffer.alloc(0)],
    ["has one changed bit", (bytes: Buffer) => { bytes[bytes.length - 9]! ^= 4; return bytes; }],
    ["is another file", () => Buffer.from(state(9))],
  ])("falls back to the checkpoint before and says so where the last one %s", async (_, damage) => {
    await makeRun(4);
    // The newest numbered checkpoint is the same file: whatever befalls the disk, befalls both.
    for (const name of ["last", "iteration-00003"]) await writeFile(checkpointFile(name), damage(await readFile(checkpointFile("iteration-00002"))));
    const run = await RunFolder.open(folder);
    const { checkpoint, damaged } = await goOn(run);
    expect({ iteration: checkpoint?.iteration, value: valueOf(checkpoint?.state) }).toEqual({ iteration: 2, value: 2 });
    expect(damaged.map(({ code, path: file }) => [code, file])).toEqual([["FORMAT", checkpointFile("last")], ["FORMAT", checkpointFile("iteration-00003")]]);
    expect(run.records.map(({ iteration }) => iteration)).toEqual([0, 1, 2]);
    await run.close();
  });

  test("refuses to begin anew of itself where every checkpoint is damaged", async () => {
    await makeRun(2);
    for (const name of await readdir(path.join(folder, "checkpoints"))) await writeFile(path.join(folder, "checkpoints", name), "damaged");
    const run = await RunFolder.open(folder);
    await expect(run.readState()).rejects.toMatchObject({ code: "FORMAT", message: expect.stringContaining("--force") as string });
    expect(run.records).toHaveLength(2);
    await run.close();
  });

  test("is refused to another run, unless that is forced", async () => {
    await makeRun(2);
    await expect(RunFolder.create(folder, description)).rejects.toMatchObject({ code: "FILE", message: expect.stringContaining("--resume") as string });
    await (await RunFolder.create(folder, { ...description, seed: 4 }, { isForced: true })).close();
    expect(await readRunDescription(folder)).toMatchObject({ seed: 4 });
    expect(await readdir(path.join(folder, "checkpoints"))).toEqual([]);
    expect((await readRunLog(folder)).records).toEqual([]);
  });

  test("is never made over what is no run, forced or not", async () => {
    await mkdir(path.join(folder, "pictures"), { recursive: true });
    await writeFile(path.join(folder, "pictures/holiday.png"), "x");
    await expect(RunFolder.create(folder, description, { isForced: true })).rejects.toMatchObject({ code: "FILE", message: expect.stringContaining("no run") as string });
    expect(await readdir(path.join(folder, "pictures"))).toEqual(["holiday.png"]);
  });

  test.each([
    ["is not there", undefined, "FILE"],
    ["is no JSON", "{", "FORMAT"],
    ["is of something else", '{"format":"other"}', "FORMAT"],
    ["is of a later version", JSON.stringify({ format: "difftune-run", ...description, version: 2 }), "FORMAT"],
  ])("whose run.json %s is not opened", async (_, content, code) => {
    await mkdir(folder, { recursive: true });
    if (content !== undefined) await writeFile(path.join(folder, "run.json"), content);
    await expect(RunFolder.open(folder)).rejects.toMatchObject({ code });
  });

  test("is held by one process; the lock of a dead one is taken over", async () => {
    const run = await RunFolder.create(folder, description);
    await expect(RunFolder.open(folder)).rejects.toMatchObject({ code: "FILE", message: expect.stringContaining(`in use by process ${process.pid}`) as string });
    const lock = await readFile(path.join(folder, "lock"), "utf8");
    await run.close();
    const held = JSON.parse(lock) as { pid: number; host: string; mark: string };
    const stale = [{ ...held, pid: 2 ** 22 + 1 }, { ...held, mark: "another start 1" }, undefined];
    for (const holder of stale) {
      await writeFile(path.join(folder, "lock"), holder === undefined ? "" : JSON.stringify(holder));
      await (await RunFolder.open(folder)).close();
    }
    await writeFile(path.join(folder, "lock"), JSON.stringify({ ...held, pid: 1, host: "elsewhere" }));
    await expect(RunFolder.open(folder)).rejects.toMatchObject({ code: "FILE", message: expect.stringContaining("on elsewhere") as string });
  });

  test("writes event files for TensorBoard when asked", async () => {
    const run = await RunFolder.create(folder, description, { tensorboard: true });
    await run.append({ event: "iteration", iteration: 4, mode: "train", success: 0.5, seconds: { denoise: 2 } });
    await run.saveEvaluation("after", { success: { mean: 0.75, low: 0.5, high: 1 } });
    await run.close();
    const [file] = await readdir(path.join(folder, "tensorboard"));
    const bytes = await readFile(path.join(folder, "tensorboard", file!), "latin1");
    for (const tag of ["train/success", "seconds/denoise", "evaluation/success"]) expect(bytes).toContain(tag);
    expect(JSON.parse(await readFile(path.join(folder, "evaluations/after.json"), "utf8"))).toEqual({ success: { mean: 0.75, low: 0.5, high: 1 } });
  });
});

// The device that is always full.
describe.skipIf(process.platform !== "linux")("a disk that refuses", () => {
  test("full: a checkpoint fails by name, the one before stays", async () => {
    await makeRun(2);
    const run = await RunFolder.open(folder);
    await symlink("/dev/full", `${checkpointFile("last")}.tmp`);
    await expect(run.saveCheckpoint(state(2), { iteration: 2 })).rejects.toMatchObject({ code: "FILE", message: expect.stringContaining("disk is full") as string });
    expect((await run.readState()).checkpoint?.iteration).toBe(1);
    // There is room again: the run goes on.
    await run.saveCheckpoint(state(2), { iteration: 2 });
    await run.close();
  });

  test("full in the middle of a line of the log: the line is taken back, the run goes on where there is room", async () => {
    const run = await RunFolder.create(folder, description);
    await run.append({ event: "iteration", iteration: 0 });
    const probe = await open(path.join(folder, "run.json"));
    const spy = vi.spyOn(Object.getPrototypeOf(probe) as FileHandle, "appendFile").mockImplementationOnce(async function (this: FileHandle, line) {
      await this.write((line as Buffer).subarray(0, 9));
      throw Object.assign(new Error("write"), { code: "ENOSPC" });
    });
    await probe.close();
    await expect(run.append({ event: "iteration", iteration: 1 })).rejects.toMatchObject({ code: "FILE", message: expect.stringContaining("disk is full") as string });
    spy.mockRestore();
    await run.append({ event: "iteration", iteration: 1 });
    await run.close();
    expect(await readRunLog(folder)).toEqual({ records: [{ event: "iteration", iteration: 0 }, { event: "iteration", iteration: 1 }], isTorn: false });
  });

  test.skipIf(process.getuid?.() !== 0)("a folder without permission is an error that says so", async () => {
    await mkdir(folder, { recursive: true });
    process.seteuid?.(65534);
    try {
      await expect(RunFolder.create(folder, description)).rejects.toMatchObject({ code: "FILE", message: expect.stringContaining("permission is denied") as string });
    } finally {
      process.seteuid?.(0);
    }
  });

  test("a file in the way, or no permission, is an error with the path and what to do", async () => {
    await mkdir(path.dirname(folder), { recursive: true });
    await writeFile(folder, "a file");
    await expect(RunFolder.create(folder, description)).rejects.toMatchObject({ code: "FILE", path: folder, hint: "Choose another place." });
    await expect(RunFolder.create(path.join(folder, "below"), description)).rejects.toMatchObject({ code: "FILE", message: expect.stringContaining("is a file, not a folder") as string });
  });
});

/** Some 0.15 s each; the variable asks for more. */
const kills = Number(process.env.DIFFTUNE_TEST_KILLS ?? 30);

describe("kills", () => {
  test(`at ${kills} scattered moments leave a folder that loads, with every checkpoint that was reported`, async () => {
    await expectBuilt();
    const built = (name: string): string => fileURLToPath(new URL(`../../dist/${name}.js`, import.meta.url));
    const program = fileURLToPath(new URL("checkpoint-loop.mjs", import.meta.url));
    await (await RunFolder.create(folder, description)).close();
    let reported = -1;
    for (let kill = 0; kill < kills; kill++) {
      const child = spawn(process.execPath, [program, built("cli/run-folder"), built("io/safetensors"), folder], { stdio: ["ignore", "pipe", "inherit"] });
      const ended = new Promise((resolve) => child.on("close", resolve));
      let output = "";
      child.stdout.setEncoding("utf8").on("data", (text: string) => {
        // One in four from the moment that it has opened the run, the others from its first checkpoint on: somewhere in the next.
        const started = kill % 4 === 0 ? /open/ : /^\d+$/m;
        if (!started.test(output) && started.test(output + text)) setTimeout(() => child.kill("SIGKILL"), ((kill * 0.618) % 1) * 25);
        output += text;
      });
      expect(await ended).toBe(null);
      const whole = output.slice(0, output.lastIndexOf("\n")).split("\n").filter((line) => line !== "open");
      reported = Math.max(reported, Number(whole.at(-1) ?? -1));
      const run = await RunFolder.open(folder);
      const { checkpoint, damaged } = await goOn(run);
      await run.close();
      expect(damaged).toEqual([]);
      const iteration = checkpoint?.iteration ?? -1;
      expect(iteration).toBeGreaterThanOrEqual(reported);
      expect(valueOf(checkpoint?.state)).toBe(iteration === -1 ? undefined : iteration);
      expect(run.records.map((record) => record.iteration)).toEqual(Array.from({ length: iteration + 1 }, (_, index) => index));
    }
    expect(reported).toBeGreaterThanOrEqual(kills / 2);
  });
});

import { spawn } from "node:child_process";
import { appendFile, mkdir, mkdtemp, open, readFile, readdir, rm, truncate, writeFile, type FileHandle } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { beforeEach, describe, expect, test, vi } from "vitest";
import { PairFiles, readPairFiles, type NewPair } from "../../src/cli/pair-files.js";
import type { PairColumns } from "../../src/preference/pair-store.js";
import { expectBuilt } from "../expect-built.js";

const columns: PairColumns = { features: ["x"], states: ["agentX", "agentY"] };

function pairOf(seed: number): NewPair {
  return {
    horizon: 2, label: ([0, 1, -1] as const)[seed % 3]!, annotator: "human", round: 0, timestampMs: 1000 + seed,
    features0: Float32Array.of(seed, 1), features1: Float32Array.of(2, seed),
    states0: Float32Array.of(seed, 1, 2, 3), states1: Float32Array.of(4, 5, 6, seed),
    source: { episode0: seed, step0: 1, episode1: seed, step1: 9 },
  };
}

let folder: string;
const lines = (): string => path.join(folder, "pairs.jsonl");
const segments = (): string => path.join(folder, "pairs.f32");
beforeEach(async () => {
  folder = path.join(await mkdtemp(path.join(tmpdir(), "difftune-pairs-")), "labels");
});

/** Labels `count` pairs and closes the folder. */
async function label(count: number): Promise<void> {
  const files = await PairFiles.open(folder, columns);
  for (let seed = 0; seed < count; seed++) await files.append(pairOf(seed));
  await files.close();
}

/** Every byte of the folder, to see that a refusal changes nothing. */
async function contents(): Promise<Readonly<Record<string, string>>> {
  const names = await readdir(folder);
  return Object.fromEntries(await Promise.all(names.map(async (name) => [name, await readFile(path.join(folder, name), "latin1")] as const)));
}

describe("labels on the disk", () => {
  test("are there for whoever opens the folder next, undone ones not, and ids are never given twice", async () => {
    const files = await PairFiles.open(folder, columns);
    for (let seed = 0; seed < 4; seed++) expect((await files.append(pairOf(seed))).id).toBe(seed);
    expect((await files.undo())?.id).toBe(3);
    expect((await files.undo())?.id).toBe(2);
    // A reader needs no lock.
    expect((await readPairFiles(folder)).pairs).toEqual(files.pairs);
    await files.close();
    const again = await PairFiles.open(folder, columns);
    expect(again.pairs).toEqual([{ id: 0, ...pairOf(0) }, { id: 1, ...pairOf(1) }]);
    expect((await again.append(pairOf(7))).id).toBe(4);
    await again.close();
    expect((await readPairFiles(folder)).pairs.map(({ id }) => id)).toEqual([0, 1, 4]);
    expect(await readdir(folder)).not.toContain("lock");
  });

  test("answers that come at once are written one after the other", async () => {
    const files = await PairFiles.open(folder, columns);
    const given = await Promise.all([files.append(pairOf(0)), files.append(pairOf(1)), files.undo(), files.append(pairOf(2))]);
    await files.close();
    expect(given.map((pair) => pair?.id)).toEqual([0, 1, 1, 2]);
    expect((await readPairFiles(folder)).pairs.map(({ id }) => id)).toEqual([0, 2]);
  });

  test("there is nothing to take back in an empty folder, and nothing is written after closing", async () => {
    const files = await PairFiles.open(folder, columns);
    expect(await files.undo()).toBeUndefined();
    await files.close();
    await files.close();
    await expect(files.append(pairOf(0))).rejects.toMatchObject({ code: "FILE" });
    expect((await readPairFiles(folder)).pairs).toEqual([]);
  });

  test("a torn end is cut when the folder is opened, and what follows is whole", async () => {
    await label(3);
    const whole = await contents();
    await appendFile(segments(), new Uint8Array(11));
    await appendFile(lines(), '{"pair":3,"label":0,"hor');
    await (await PairFiles.open(folder, columns)).close();
    expect(await contents()).toEqual(whole);
    const files = await PairFiles.open(folder, columns);
    await files.append(pairOf(3));
    await files.close();
    expect((await readPairFiles(folder)).pairs).toEqual([0, 1, 2, 3].map((seed) => ({ id: seed, ...pairOf(seed) })));
  });

  test("a stop between the making of the two files leaves a folder that can be begun", async () => {
    await mkdir(folder);
    await writeFile(segments(), "");
    await label(1);
    expect((await readPairFiles(folder)).pairs).toHaveLength(1);
  });
});

describe("refused, with nothing changed:", () => {
  test.each([
    ["an empty label file", () => writeFile(lines(), ""), "FORMAT", /empty/],
    ["labels without their segments", () => rm(segments()), "FORMAT", /segment file has 0/],
    ["segments without their labels", () => rm(lines()), "FORMAT", /no pairs\.jsonl/],
    ["segments of another folder", async () => { const bytes = await readFile(segments()); bytes[3]! ^= 1; await writeFile(segments(), bytes); }, "FORMAT", /Line 2 .*not those/],
    ["segments that were cut", () => truncate(segments(), 40), "FORMAT", /belongs to these labels/],
    ["a pair that is labelled twice", async () => { const text = await readFile(lines(), "utf8"); await writeFile(lines(), text.replace('"pair":1', '"pair":0')); }, "FORMAT", /Line 3 .*second time/],
    ["a line that is no answer", () => appendFile(lines(), "hello\n"), "FORMAT", /Line 4/],
    ["a folder in place of the file", async () => { await rm(lines()); await mkdir(lines()); }, "FILE", /is a folder/],
  ])("%s", async (_, damage, code, message) => {
    await label(2);
    await damage();
    const isReadable = (await readdir(folder, { withFileTypes: true })).every((entry) => entry.isFile());
    const before = isReadable ? await contents() : undefined;
    await expect(PairFiles.open(folder, columns)).rejects.toMatchObject({ code, message: expect.stringMatching(message) as string });
    await expect(readPairFiles(folder)).rejects.toMatchObject({ code });
    if (isReadable) expect(await contents()).toEqual(before);
    expect(await readdir(folder)).not.toContain("lock");
  });

  test("other features or other states than those that are there", async () => {
    await label(2);
    const before = await contents();
    const names = /features x; these would be x, y/;
    await expect(PairFiles.open(folder, { ...columns, features: ["x", "y"] })).rejects.toMatchObject({ code: "FORMAT", message: expect.stringMatching(names) as string });
    await expect(PairFiles.open(folder, { ...columns, states: ["agentY", "agentX"] })).rejects.toMatchObject({ code: "FORMAT", expected: ["agentY", "agentX"] });
    expect(await contents()).toEqual(before);
  });

  test("a second writer, as long as there is the first", async () => {
    const first = await PairFiles.open(folder, columns);
    await expect(PairFiles.open(folder, columns)).rejects.toMatchObject({ code: "FILE", message: expect.stringContaining(`process ${process.pid}`) as string });
    await first.append(pairOf(0));
    await first.close();
    await (await PairFiles.open(folder, columns)).close();
  });

  test("a pair that does not fit, and the others stay", async () => {
    const files = await PairFiles.open(folder, columns);
    await files.append(pairOf(0));
    await expect(files.append({ ...pairOf(1), states0: Float32Array.of(1) })).rejects.toMatchObject({ code: "SHAPE" });
    expect((await files.append(pairOf(1))).id).toBe(1);
    await files.close();
    expect((await readPairFiles(folder)).pairs).toHaveLength(2);
  });

  test("reading a folder without labels", async () => {
    await expect(readPairFiles(folder)).rejects.toMatchObject({ code: "FILE", message: expect.stringContaining("difftune label") as string });
  });
});

describe("a disk that is full", () => {
  test.each([["segments", 0], ["line", 1]])("in the middle of the %s: the answer is not taken, the next one is, where there is room", async (_, whole) => {
    const files = await PairFiles.open(folder, columns);
    await files.append(pairOf(0));
    const before = await contents();
    const probe = await open(lines());
    const prototype = Object.getPrototypeOf(probe) as FileHandle;
    await probe.close();
    const write = Reflect.get(prototype, "write") as (this: FileHandle, content: Uint8Array, ...place: number[]) => Promise<unknown>;
    let calls = 0;
    const spy = vi.spyOn(prototype, "write").mockImplementation(async function (this: FileHandle, ...words: unknown[]) {
      const [content, offset, length, position] = words as [Uint8Array, number, number, number];
      if (calls++ < whole) return await write.call(this, content, offset, length, position) as never;
      await write.call(this, content, offset, 9, position);
      throw Object.assign(new Error("write"), { code: "ENOSPC" });
    });
    await expect(files.append(pairOf(1))).rejects.toMatchObject({ code: "FILE", message: expect.stringContaining("disk is full") as string });
    spy.mockRestore();
    expect(await contents()).toEqual(before);
    await files.append(pairOf(2));
    await files.close();
    expect((await readPairFiles(folder)).pairs).toEqual([{ id: 0, ...pairOf(0) }, { id: 1, ...pairOf(2) }]);
  });
});

/** Some 0.2 s each; the variable asks for more. */
const kills = Number(process.env.DIFFTUNE_TEST_KILLS ?? 12);

test(`kills at ${kills} scattered moments lose no answer that was acknowledged`, async () => {
  await expectBuilt();
  const module = fileURLToPath(new URL("../../dist/cli/pair-files.js", import.meta.url));
  const program = fileURLToPath(new URL("pair-loop.mjs", import.meta.url));
  const acknowledged = new Set<number>();
  for (let kill = 0; kill < kills; kill++) {
    const child = spawn(process.execPath, [program, module, folder], { stdio: ["ignore", "pipe", "inherit"] });
    const ended = new Promise((resolve) => child.on("close", resolve));
    let output = "";
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      // One in four from the moment that it has opened the folder, the others after some answers: somewhere in the next.
      const lines = (written: string): number => written.split("\n").length - 1;
      const enough = kill % 4 === 0 ? 1 : 2 + (kill % 5);
      if (lines(output) < enough && lines(output + text) >= enough) setTimeout(() => child.kill("SIGKILL"), ((kill * 0.618) % 1) * 25);
      output += text;
    });
    expect(await ended).toBe(null);
    for (const line of output.slice(0, output.lastIndexOf("\n")).split("\n").slice(1)) {
      const id = Number(line.replace("-", ""));
      if (line.startsWith("-")) acknowledged.delete(id);
      else acknowledged.add(id);
    }
    const { pairs } = await readPairFiles(folder);
    const ids = new Set(pairs.map(({ id }) => id));
    // The answer that was being given may be there: one label, or one undo, that nobody was told of.
    expect([...acknowledged].filter((id) => !ids.has(id)).length).toBeLessThanOrEqual(1);
    expect([...acknowledged].every((id) => ids.has(id) || id === Math.max(...acknowledged))).toBe(true);
    expect(pairs.every(({ id, features0 }) => features0.every((value) => value === id))).toBe(true);
    acknowledged.clear();
    for (const id of ids) acknowledged.add(id);
  }
  expect(acknowledged.size).toBeGreaterThan(kills / 2);
});

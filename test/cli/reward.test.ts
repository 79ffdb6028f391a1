import { cp, mkdtemp, readFile, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { PNG } from "pngjs";
import { beforeAll, describe, expect, test } from "vitest";
import { PhiloxStream } from "../../src/core/philox.js";
import { DatasetBuilder } from "../../src/data/dataset.js";
import { readPairFiles } from "../../src/cli/pair-files.js";
import { RewardModel } from "../../src/preference/reward-model.js";
import { expectBuilt } from "../expect-built.js";
import { difftune, jsonLines } from "./run-difftune.js";

let cwd: string;
beforeAll(async () => {
  await expectBuilt();
  cwd = await mkdtemp(path.join(tmpdir(), "difftune-reward-"));
  const builder = new DatasetBuilder({ environment: "pusht", options: {}, observationNames: ["agentX", "agentY", "blockX", "blockY", "blockAngle"], actionNames: ["targetX", "targetY"] });
  const random = new PhiloxStream(3);
  for (let episode = 0; episode < 20; episode++) {
    const observations = Float32Array.from({ length: 5 * 20 }, (_, at) => (at % 5 < 2 ? 512 * random.uniform() : 100));
    builder.add({ observations, actions: new Float32Array(2 * 20), rewards: new Float32Array(20), seed: episode, success: false, label: "" });
  }
  await writeFile(path.join(cwd, "pool.safetensors"), builder.build().encode());
  await writeFile(path.join(cwd, "left.json"), '{ "name": "keep left", "features": ["agentX / 256 - 1", "agentY / 256 - 1"], "score": "-agentX / 256", "tieWidth": 0.1 }');
});

const small = ["--engine", "wasm", "--pool", "pool.safetensors", "--reward.hidden", "16", "--reward.members", "1", "--reward.epochs", "40", "--reward.rate", "0.01"];
const reward = (...words: readonly string[]) => difftune(["reward", ...small, ...words], { cwd });
const labelsOf = async (folder: string) => (await readPairFiles(path.join(cwd, folder))).pairs.map(({ label, source, annotator }) => ({ label, source, annotator }));

describe("difftune reward", { timeout: 180_000 }, () => {
  test("labels by a rule in a file, learns it, and says how far it can be believed", async () => {
    const { code, output } = await reward("--task", "left.json", "--pairs", "200", "--out", "left");
    expect(code).toBe(0);
    expect(output).toMatch(/^labels +200, \d+ of them ties$/m);
    expect(output).toMatch(/^held out +right on \d+\.\d % of \d+ pairs$/m);
    expect(output).toContain("difftune finetune --method fdpp --reward left/reward.safetensors");
    const { pairs, columns } = await readPairFiles(path.join(cwd, "left"));
    expect(columns.features).toEqual(["agentX / 256 - 1", "agentY / 256 - 1"]);
    for (const { label, states0, states1, annotator } of pairs) {
      const difference = (states0[0]! - states1[0]!) / 256;
      expect([annotator, label]).toEqual(["keep left", Math.abs(difference) < 0.1 ? -1 : difference > 0 ? 1 : 0]);
    }
    const report = JSON.parse(await readFile(path.join(cwd, "left/reward.json"), "utf8")) as Record<string, unknown>;
    expect(report).toMatchObject({ labels: 200, task: { name: "keep left", tieWidth: 0.1 }, calibration: { pairs: expect.any(Number) as number } });
    expect(report.correlation).toBeGreaterThan(0.9);
    const model = RewardModel.load(await readFile(path.join(cwd, "left/reward.safetensors")));
    expect(model.shape.features).toEqual(columns.features);
    expect(model.temperature).toBeGreaterThan(0);
    expect(await readFile(path.join(cwd, "left/reward-map.svg"), "utf8")).toMatch(/^<svg .*200 labels/s);
    expect(PNG.sync.read(await readFile(path.join(cwd, "left/reward-map.png"))).width).toBeGreaterThan(300);
    expect((await readdir(path.join(cwd, "left"))).sort()).toEqual(["pairs.f32", "pairs.jsonl", "pool.safetensors", "reward-map.png", "reward-map.svg", "reward.json", "reward.safetensors"]);
  });

  test("goes on with the labels that are there, to the same as if it had never stopped, and learns from labels alone", async () => {
    const rule = ["--score", "agentX > 330 and agentY > 300 ? -1 : 0", "--tie-width", "0.5", "--mistake-rate", "0.1", "--seed", "4"];
    expect((await reward(...rule, "--pairs", "120", "--out", "whole")).code).toBe(0);
    expect((await reward(...rule, "--pairs", "120", "--out", "parts")).code).toBe(0);
    const lines = (await readFile(path.join(cwd, "parts/pairs.jsonl"), "utf8")).split("\n");
    await writeFile(path.join(cwd, "parts/pairs.jsonl"), `${lines.slice(0, 51).join("\n")}\n{"pair": 50, "la`);
    expect((await reward(...rule, "--pairs", "120", "--out", "parts")).code).toBe(0);
    expect(await labelsOf("parts")).toEqual(await labelsOf("whole"));
    const learned = await readFile(path.join(cwd, "parts/reward.safetensors"));
    expect(learned.equals(await readFile(path.join(cwd, "whole/reward.safetensors")))).toBe(true);
    await rm(path.join(cwd, "whole/reward.safetensors"));
    const { code, output } = await reward("--out", "whole", "--seed", "4", "--json");
    expect(code).toBe(0);
    expect(jsonLines(output).at(-1)).toMatchObject({ event: "done", labels: 120, reward: "whole/reward.safetensors" });
    expect(learned.equals(await readFile(path.join(cwd, "whole/reward.safetensors")))).toBe(true);
  });

  test("is stopped while it learns, and goes on to the same bits", async () => {
    const words = ["--box", "330,300,470,440", "--pairs", "120", "--reward.epochs", "250"];
    expect((await reward(...words, "--out", "steady")).code).toBe(0);
    let isStopped = false;
    const stopped = await difftune(["reward", ...small, ...words, "--out", "stopped", "--json"], {
      cwd,
      watch: (written, send) => {
        if (isStopped || !written.includes('"epoch":9,')) return;
        isStopped = true;
        send("SIGINT");
      },
    });
    expect(stopped).toMatchObject({ code: 130, errors: expect.stringContaining("the same command goes on") as string });
    expect(await readdir(path.join(cwd, "stopped"))).toContain("reward-training.safetensors");
    const other = path.join(cwd, "other");
    await cp(path.join(cwd, "stopped"), other, { recursive: true });
    const again = await reward(...words, "--out", "stopped");
    expect(again.errors).toContain("Going on with the training");
    const steady = await readFile(path.join(cwd, "steady/reward.safetensors"));
    expect(steady.equals(await readFile(path.join(cwd, "stopped/reward.safetensors")))).toBe(true);
    const changed = await reward(...words, "--reward.rate", "0.02", "--out", "other");
    expect(changed).toMatchObject({ code: 0, errors: expect.stringContaining("a new one begins") as string });
  });

  test("asks what the model does not know", async () => {
    expect((await reward("--score", "-abs(agentX - 256) / 256", "--query", "disagreement", "--pairs", "300", "--reward.members", "2", "--out", "asked")).code).toBe(0);
    const { pairs } = await readPairFiles(path.join(cwd, "asked"));
    expect(pairs.filter(({ round }) => round === 0)).toHaveLength(256);
    expect(pairs.filter(({ round }) => round === 1)).toHaveLength(44);
  });

  test.each([
    [["--task", "left.json", "--box", "1,1,2,2"], 2, /--task and --box say different things/],
    [["--box", "4,1,2,2"], 2, /has no inside/],
    [["--score", "process.exit(1)"], 2, /Expression/],
    [["--score", "nothing"], 2, /names "nothing"/],
    [["--task", "pool.safetensors"], 1, /is no JSON/],
    [["--task", "absent.json"], 1, /absent.json cannot be read/],
    [[], 1, /holds no labels/],
    [["--score", "1"], 1, /nothing to tell apart|no pair/i],
    [["--score", "agentX", "--least-score", "600"], 2, /could not tell any/],
  ])("refuses %j", async (words, code, message) => {
    const outcome = await reward(...words, "--pairs", "40", "--out", `refused-${Math.floor(1e9 * new PhiloxStream(words.join(" ").length).uniform())}-${words.length}`);
    expect(outcome).toMatchObject({ code, errors: expect.stringMatching(message) as string });
    expect(outcome.errors).not.toContain("unexpected");
  });

  test("does not mix the labels of two rules", async () => {
    expect((await reward("--task", "left.json", "--pairs", "30", "--out", "mixed")).code).toBe(0);
    expect(await reward("--box", "330,300,470,440", "--pairs", "60", "--out", "mixed")).toMatchObject({ code: 2, errors: expect.stringContaining('are by "keep left", not by "avoid-box"') as string });
    expect(await labelsOf("mixed")).toHaveLength(30);
  });
});

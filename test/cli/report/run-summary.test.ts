import { mkdir, mkdtemp, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { readRunFolders } from "../../../src/cli/report/read-run-folder.js";
import { summariseRun, type RunTexts } from "../../../src/cli/report/run-summary.js";
import { madePretraining, madeRun } from "./made-runs.js";

describe("the summary of a run", () => {
  test("of a whole run has everything and misses nothing", () => {
    const { facts, iterations, evaluations, chain, faults } = summariseRun(madeRun({ seed: 2 }));
    expect(faults).toEqual([]);
    expect(facts).toMatchObject({ version: "0.1.0", method: "dppo", environment: "avoid", seed: 2, engine: { name: "wasm", description: "WASM relaxed SIMD, 2 threads" } });
    expect(iterations).toHaveLength(51);
    expect(iterations[0]).toMatchObject({ isEvaluation: true, values: { iteration: 0, envSteps: 5000, "seconds.update": 2.4 } });
    expect(iterations[1]!.isEvaluation).toBe(false);
    expect(evaluations.map(({ when }) => when)).toEqual(["before", "after"]);
    expect(evaluations[0]!.trajectories).toHaveLength(20);
    expect(chain).toMatchObject({ axes: ["incrementX", "incrementY"] });
    expect(chain!.steps).toHaveLength(11);
  });

  test("of an empty folder names everything that is missing", () => {
    const { faults, iterations, evaluations } = summariseRun({ name: "empty", evaluations: {} });
    expect(faults).toEqual(["run.json is missing.", "metrics.jsonl is missing."]);
    expect([...iterations, ...evaluations]).toEqual([]);
  });

  test("of a run that was killed while it wrote leaves the torn line out and says so", () => {
    const whole = madeRun({ iterations: 10 });
    const lines = whole.metrics!.split("\n").slice(0, 6);
    const { iterations, faults } = summariseRun({ ...whole, metrics: `${lines.join("\n")}\n{"event":"iteration","iterat` });
    expect(iterations).toHaveLength(5);
    expect(faults).toEqual(["The last line of metrics.jsonl is torn; it was left out."]);
  });

  test("passes over broken lines in the middle and counts them", () => {
    const { iterations, faults } = summariseRun({ name: "r", metrics: '{"event":"iteration","iteration":0}\nnonsense\n[]\n{"event":"iteration","iteration":1}\n', evaluations: {} });
    expect(iterations).toHaveLength(2);
    expect(faults).toContain("2 lines of metrics.jsonl could not be read.");
  });

  test("takes the later one of two lines about the same iteration, as a resumed run writes them", () => {
    const { iterations } = summariseRun({ name: "r", metrics: [[0, 1], [1, 2], [2, 3], [1, 20]].map(([iteration, success]) => `${JSON.stringify({ event: "iteration", iteration, success })}\n`).join(""), evaluations: {} });
    expect(iterations.map(({ values }) => values.success)).toEqual([1, 20, 3]);
  });

  test("keeps numbers and nothing else: null, text and infinity are absent", () => {
    const { iterations } = summariseRun({ name: "r", metrics: '{"event":"iteration","iteration":0,"success":null,"return":"7","policyLoss":1e999,"valueLoss":2}\n', evaluations: {} });
    expect(iterations[0]!.values).toEqual({ iteration: 0, valueLoss: 2 });
  });

  test("says which files are of another form", () => {
    const { faults, evaluations, chain } = summariseRun({ name: "r", run: "[]", metrics: "", evaluations: { before: "{", after: "7", chain: '{"steps":5}', "10": '{"episodes":3}' } });
    expect(faults).toEqual([
      "run.json is no object.", "metrics.jsonl holds no iteration and no epoch.", "evaluations/before.json is no JSON.", "evaluations/after.json is no evaluation.",
      "evaluations/chain.json is no denoising chain.",
    ]);
    expect(evaluations).toMatchObject([{ when: 10, episodes: 3, modes: {} }]);
    expect(chain).toBeUndefined();
  });

  test("takes the evaluations of the log where their files are missing", () => {
    const { evaluations, faults } = summariseRun({ ...madeRun(), evaluations: {} });
    expect(evaluations.map(({ when, episodes }) => [when, episodes])).toEqual([["before", 200], ["after", 200]]);
    expect(faults).toEqual([]);
  });

  test("expects no evaluation of a pre-training", () => {
    expect(summariseRun(madePretraining())).toMatchObject({ faults: [], epochs: { length: 100 } });
  });

  test("quotes the words of a command that a shell would take apart", () => {
    expect(summariseRun({ name: "r", run: '{"command":["difftune","finetune","my policy.safetensors","it\'s"]}', evaluations: {} }).facts.command).toBe(`difftune finetune 'my policy.safetensors' 'it'\\''s'`);
  });

  test("never throws, whatever the files hold", () => {
    const text = fc.oneof(fc.string(), fc.json(), fc.array(fc.json()).map((lines) => lines.join("\n")));
    fc.assert(fc.property(text, text, text, text, (run, metrics, before, chain) => {
      const texts: RunTexts = { name: "r", run, metrics, evaluations: { before, chain } };
      expect(summariseRun(texts).name).toBe("r");
    }));
  });
});

async function writeRun(folder: string, { run, metrics, evaluations }: RunTexts): Promise<string> {
  await mkdir(path.join(folder, "evaluations"), { recursive: true });
  if (run !== undefined) await writeFile(path.join(folder, "run.json"), run);
  if (metrics !== undefined) await writeFile(path.join(folder, "metrics.jsonl"), metrics);
  for (const [name, text] of Object.entries(evaluations)) await writeFile(path.join(folder, "evaluations", `${name}.json`), text);
  return folder;
}

describe("run folders", () => {
  const home = (): Promise<string> => mkdtemp(path.join(tmpdir(), "difftune-report-"));

  test("are read as they were written", async () => {
    const texts = madeRun({ name: "m1", iterations: 3 });
    const folder = await writeRun(path.join(await home(), "m1"), texts);
    expect(await readRunFolders([folder])).toEqual([{ folder, summary: summariseRun(texts) }]);
  });

  test("inside of a folder are found, in the order of their numbers, each once", async () => {
    const folder = await home();
    for (const name of ["k10", "k9"]) await writeRun(path.join(folder, name), madeRun({ iterations: 1 }));
    await mkdir(path.join(folder, "notes"));
    const runs = await readRunFolders([folder, path.join(folder, "k9")]);
    expect(runs.map(({ summary }) => summary.name)).toEqual(["k9", "k10"]);
  });

  test("of the same name get as much of their path as tells them apart", async () => {
    const folder = await home();
    const folders = await Promise.all(["a", "b"].map((name) => writeRun(path.join(folder, name, "run"), madeRun({ iterations: 1 }))));
    expect((await readRunFolders(folders)).map(({ summary }) => summary.name)).toEqual(["a/run", "b/run"]);
  });

  test("that are none are refused with what a run is", async () => {
    const folder = await home();
    await expect(readRunFolders([folder])).rejects.toMatchObject({ code: "OPTION", message: expect.stringContaining("holds no run. A run is a folder with run.json") as string });
    await expect(readRunFolders([path.join(folder, "nowhere")])).rejects.toMatchObject({ code: "OPTION", message: expect.stringContaining("There is no folder") as string });
  });
});

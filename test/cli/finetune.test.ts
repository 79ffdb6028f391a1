import { mkdtemp, readFile, readdir, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { beforeAll, beforeEach, describe, expect, test } from "vitest";
import { Policy } from "../../src/diffusion/policy.js";
import { expectBuilt } from "../expect-built.js";
import { difftune, jsonLines, type Outcome, type RunOptions } from "./run-difftune.js";

const range = { min: [0, 0, 0, 0], max: [1, 1, 1, 1] };
const policy = Policy.create({
  observationNames: ["desiredX", "desiredY", "actualX", "actualY"],
  actionNames: ["incrementX", "incrementY"],
  horizon: 4,
  statistics: { observations: range, actions: { min: [-0.01, -0.01], max: [0.01, 0.01] } },
  network: { kind: "diffusion-mlp", process: { denoisingSteps: 5 }, hidden: [16, 16, 16] },
}, 0).withMetadata({ environment: "avoid", environmentOptions: '{"physics":"planar"}' });

let cwd: string;
beforeAll(expectBuilt);
beforeEach(async () => {
  cwd = await mkdtemp(path.join(tmpdir(), "difftune-finetune-"));
  await writeFile(path.join(cwd, "base.safetensors"), policy.encode());
});

/** Runs `finetune` with the method that counts, on the embedded engine and without evaluations. */
function finetune(words: readonly string[], watch?: RunOptions["watch"]): Promise<Outcome> {
  const quick = words.includes("--resume") ? [] : ["--engine", "wasm", "--evaluation-episodes", "0", "--checkpoint-seconds", "0", "--environments", "2"];
  return difftune(["finetune", ...quick, ...words], { cwd, program: "counting", ...(watch === undefined ? {} : { watch }) });
}

const read = (name: string): Promise<string> => readFile(path.join(cwd, name), "utf8");
const iterations = async (folder: string): Promise<unknown[]> => jsonLines(await read(`${folder}/metrics.jsonl`)).map(({ iteration }) => iteration);
const counted = async (folder: string): Promise<string | undefined> => Policy.decode(await readFile(path.join(cwd, folder, "policy.safetensors"))).metadata.count;

describe("difftune finetune", () => {
  test("keeps a run: options, log, checkpoints, both policies, the chain of a decision", async () => {
    const { code, output } = await finetune(["--policy", "base.safetensors", "--out", "run", "--tensorboard"]);
    expect(code).toBe(0);
    expect(output).toMatch(/^next +difftune report run$/m);
    expect((await readdir(path.join(cwd, "run"))).sort()).toEqual(
      ["checkpoints", "evaluations", "initial.safetensors", "metrics.jsonl", "pictures", "policy.safetensors", "run.json", "tensorboard"],
    );
    expect(JSON.parse(await read("run/run.json"))).toMatchObject({
      method: "counting", environment: "avoid", seed: 0, engine: { engine: "wasm" },
      options: { iterations: 5, gamma: 0.5, environments: 2, env: { physics: "planar" } },
    });
    expect(await iterations("run")).toEqual([0, 1, 2, 3, 4]);
    expect(await counted("run")).toBe("5");
    const chain = JSON.parse(await read("run/evaluations/chain.json")) as { steps: unknown[] };
    expect(chain.steps.length).toBeGreaterThan(1);
  });

  test("tunes shorter chunks than a U-Net was trained for, and goes on with them", async () => {
    const unet = Policy.create({ ...policy.options, horizon: 8, actionSteps: 8, network: { kind: "unet", timeSize: 4, channels: 4, groups: 2, process: { denoisingSteps: 5 } } }, 0);
    await writeFile(path.join(cwd, "unet.safetensors"), unet.withMetadata(policy.metadata).encode());
    expect((await finetune(["--policy", "unet.safetensors", "--horizon", "4", "--out", "run"])).code).toBe(0);
    const tuned = Policy.decode(await readFile(path.join(cwd, "run/policy.safetensors")));
    expect(tuned.options).toMatchObject({ horizon: 4, actionSteps: 4 });
    expect(tuned.values).toEqual(unet.values);
    expect((await finetune(["--resume", "run", "--iterations", "7"])).code).toBe(0);
    expect(await counted("run")).toBe("7");
    const { code, errors } = await finetune(["--policy", "base.safetensors", "--horizon", "8", "--out", "other"]);
    expect({ code, errors }).toEqual({ code: 2, errors: "difftune: The parameters do not fit the changed options. Only options that no parameter depends on can be changed.\n" });
  });

  test("tells a program everything as JSON lines on the standard output, and nothing else there", async () => {
    const { code, output, errors } = await finetune(["--policy", "base.safetensors", "--out", "run", "--json", "--iterations", "3"]);
    expect({ code, errors }).toEqual({ code: 0, errors: "" });
    expect(jsonLines(output).map(({ event }) => event)).toEqual(["iteration", "iteration", "iteration", "done"]);
  });

  test("goes on with a new device when its own is lost", async () => {
    const { code, output, errors } = await finetune(["--policy", "base.safetensors", "--out", "run", "--lose-at", "3", "--json"]);
    expect({ code, events: jsonLines(output).map(({ event }) => event) }).toEqual({ code: 0, events: [...Array<string>(5).fill("iteration"), "done"] });
    expect(errors).toMatch(/The device was lost\. The run goes on with a new device\.\nGoing on from the checkpoint at 2\./);
    expect(await iterations("run")).toEqual([0, 1, 2, 3, 4]);
  });

  test("fails where a device is lost again before anything new was kept", async () => {
    const { code, errors } = await finetune(["--policy", "base.safetensors", "--out", "run", "--lose-at", "3", "--lose-again"]);
    expect(code).toBe(1);
    expect(errors.match(/goes on with a new device/g)).toHaveLength(1);
    expect(errors).toMatch(/What was learned until the last checkpoint is in run\.[^]*The device was lost\./);
    expect(await iterations("run")).toEqual([0, 1, 2]);
  });

  test("interrupted, saves what it has and ends with 130; resumed, goes on as if nothing had been", async () => {
    let isSent = false;
    const stopped = await finetune(["--policy", "base.safetensors", "--out", "run", "--iterations", "60", "--checkpoint-seconds", "3600", "--json"], (written, send) => {
      if (isSent || !written.includes('"iteration":3,')) return;
      isSent = true;
      send("SIGINT");
    });
    expect(stopped.code).toBe(130);
    const done = jsonLines(stopped.output).filter(({ event }) => event === "iteration").length;
    expect(done).toBeGreaterThanOrEqual(4);
    expect(done).toBeLessThan(60);
    expect(await readdir(path.join(cwd, "run/checkpoints"))).toContain("last.safetensors");
    expect(await counted("run")).toBe(String(done));
    const resumed = await finetune(["--resume", "run"]);
    expect(resumed).toMatchObject({ code: 0, errors: expect.stringContaining(`checkpoint at ${done - 1}`) as string });
    expect(await iterations("run")).toEqual(Array.from({ length: 60 }, (_, index) => index));
    expect(JSON.parse(await read("run/run.json"))).toMatchObject({ resumes: [{ iteration: done - 1 }] });
  });

  test("interrupted twice, ends at once", async () => {
    let sent = 0;
    const { code } = await finetune(["--policy", "base.safetensors", "--out", "run", "--iterations", "100000"], (written, send) => {
      if (written.includes("iteration") && sent === 0) {
        sent = 1;
        send("SIGINT");
        send("SIGINT");
        setTimeout(() => { send("SIGINT"); }, 50);
      }
    });
    expect(code).toBe(130);
  });

  test("resumed with more iterations goes on and remembers them; with an option that the checkpoint denies, changes nothing", async () => {
    await finetune(["--policy", "base.safetensors", "--out", "run"]);
    const before = [await read("run/run.json"), await read("run/metrics.jsonl")];
    const refused = await finetune(["--resume", "run", "--gamma", "0.9"]);
    expect(refused).toMatchObject({ code: 2, output: "", errors: 'difftune: Option "gamma" is 0.9, but the checkpoint was made with 0.5.\n' });
    expect([await read("run/run.json"), await read("run/metrics.jsonl")]).toEqual(before);
    expect((await finetune(["--resume", "run", "--iterations", "7"])).code).toBe(0);
    expect(await iterations("run")).toEqual([0, 1, 2, 3, 4, 5, 6]);
    expect(JSON.parse(await read("run/run.json"))).toMatchObject({ options: { iterations: 7 } });
  });

  test("a failure of the training is an error that keeps everything before it", async () => {
    const { code, errors } = await finetune(["--policy", "base.safetensors", "--out", "run", "--fail-at", "3"]);
    expect(code).toBe(1);
    expect(errors).toContain("difftune: The loss is NaN in iteration 3.");
    expect(errors).toContain("is in run");
    expect(await iterations("run")).toEqual([0, 1, 2]);
    expect(await counted("run")).toBe("3");
    expect(await readdir(path.join(cwd, "run"))).not.toContain("lock");
  });

  test("a damaged last checkpoint is said, and the one before taken", async () => {
    await finetune(["--policy", "base.safetensors", "--out", "run"]);
    for (const name of ["last", "iteration-00004"]) await writeFile(path.join(cwd, `run/checkpoints/${name}.safetensors`), "damaged");
    const { code, errors } = await finetune(["--resume", "run"]);
    expect(code).toBe(0);
    expect(errors).toMatch(/last\.safetensors is damaged/);
    expect(errors).toMatch(/Going on from the checkpoint at 3/);
    expect(await iterations("run")).toEqual([0, 1, 2, 3, 4]);
  });

  test.each([
    [[], 2, "finetune needs a policy. Give one by --policy"],
    [["--policy", "none"], 1, "none cannot be read: there is no such file or folder."],
    [["--policy", "junk"], 1, "junk cannot be used:"],
    [["--policy", "base.safetensors", "--environment", "avoidd"], 2, 'There is no environment "avoidd". Did you mean "avoid"?'],
    [["--policy", "base.safetensors", "--iteration", "3"], 2, 'There is no option "--iteration". Did you mean "--iterations"?'],
    [["--policy", "base.safetensors", "--env.reward", "m9"], 2, 'option "env.reward" is "m9"'],
    [["--policy", "base.safetensors", "--method", "sac"], 2, 'option "method" is "sac". It must be one of "counting".'],
    [["--resume", "nowhere"], 1, "nowhere is no run"],
  ])("refuses %j before there is a folder", async (words, code, message) => {
    await writeFile(path.join(cwd, "junk"), "junk");
    const outcome = await finetune(words);
    expect(outcome).toMatchObject({ code, output: "", errors: expect.stringContaining(message) as string });
    expect((await readdir(cwd)).sort()).toEqual(["base.safetensors", "junk"]);
  });

  test("does not touch a folder that holds a run or is in use", async () => {
    await finetune(["--policy", "base.safetensors", "--out", "run", "--iterations", "2"]);
    const taken = await finetune(["--policy", "base.safetensors", "--out", "run"]);
    expect(taken).toMatchObject({ code: 1, errors: expect.stringContaining("holds a run already") as string });
    expect((await finetune(["--policy", "base.safetensors", "--out", "run", "--force", "--iterations", "1"])).code).toBe(0);
    expect(await iterations("run")).toEqual([0]);
    let second: Promise<Outcome> | undefined;
    const first = await finetune(["--policy", "base.safetensors", "--out", "busy", "--iterations", "100000"], (written, send) => {
      if (!written.includes("iteration") || second !== undefined) return;
      second = finetune(["--resume", "busy"]);
      void second.finally(() => { send("SIGINT"); });
    });
    expect(first.code).toBe(130);
    expect(await second).toMatchObject({ code: 1, errors: expect.stringContaining("is in use by process") as string });
  });

  test("DPPO, killed in the middle and resumed, learns the same to the bit", async () => {
    const options = [
      "--policy", "base.safetensors", "--engine", "wasm", "--environments", "2", "--tuned-steps", "3", "--steps", "4", "--epochs", "2", "--batch-size", "8",
      "--critic.hidden", "16,16,16", "--iterations", "8", "--env.max-steps", "12", "--evaluation-episodes", "0", "--checkpoint-seconds", "0",
    ];
    expect((await difftune(["finetune", ...options, "--out", "whole"], { cwd })).code).toBe(0);
    let isKilled = false;
    const killed = await difftune(["finetune", ...options, "--out", "killed", "--json"], {
      cwd,
      watch: (written) => {
        if (isKilled || !written.includes('"iteration":2,')) return;
        isKilled = true;
        void read("killed/lock").then((lock) => process.kill((JSON.parse(lock) as { pid: number }).pid, "SIGKILL"));
      },
    });
    expect(killed.code).toBe(137);
    expect((await difftune(["finetune", "--resume", "killed"], { cwd })).code).toBe(0);
    const tuned = async (run: string): Promise<Policy["tuned"]> => Policy.decode(await readFile(path.join(cwd, run, "policy.safetensors"))).tuned;
    expect(await tuned("killed")).toEqual(await tuned("whole"));
    expect((await tuned("whole"))!.values).not.toEqual(policy.values);
    const rows = async (run: string): Promise<unknown[]> => jsonLines(await read(`${run}/metrics.jsonl`)).map(({ iteration, return: mean, policyLoss }) => [iteration, mean, policyLoss]);
    expect(await rows("killed")).toEqual(await rows("whole"));
  });
});

import { mkdtemp, readFile, readdir } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { PNG } from "pngjs";
import { beforeAll, describe, expect, test } from "vitest";
import { Policy } from "../../src/diffusion/policy.js";
import { expectBuilt } from "../expect-built.js";
import { difftune, jsonLines, type Outcome, type RunOptions } from "./run-difftune.js";

let cwd: string;
beforeAll(async () => {
  await expectBuilt();
  cwd = await mkdtemp(path.join(tmpdir(), "difftune-pretrain-"));
  expect((await difftune(["demos", "--episodes", "4", "--env.physics", "planar", "--out", "demos.safetensors"], { cwd })).code).toBe(0);
});

/** A training of a few seconds: 3 steps an epoch of a small network. */
const small = ["--data", "demos.safetensors", "--engine", "wasm", "--network.hidden", "16,16,16", "--epochs", "40", "--report-every", "4", "--checkpoint-seconds", "0"];

function pretrain(words: readonly string[], watch?: RunOptions["watch"]): Promise<Outcome> {
  return difftune(["pretrain", ...words], { cwd, ...(watch === undefined ? {} : { watch }) });
}

const logOf = async (run: string): Promise<Record<string, unknown>[]> => jsonLines(await readFile(path.join(cwd, run, "metrics.jsonl"), "utf8"));
const policyOf = async (run: string): Promise<Policy> => Policy.decode(await readFile(path.join(cwd, run, "policy.safetensors")));

describe("difftune pretrain", () => {
  test("trains a policy that knows where it acts, evaluates it there and draws samples", async () => {
    const { code, output } = await pretrain([...small, "--epochs", "4", "--sample-every", "2", "--evaluation-episodes", "4", "--out", "run"]);
    expect(code).toBe(0);
    expect(output).toMatch(/^success +.* of 4 episodes$/m);
    const policy = await policyOf("run");
    expect(policy.options.network).toMatchObject({ kind: "diffusion-mlp", hidden: [16, 16, 16], process: { denoisingSteps: 20 } });
    expect(policy.metadata).toMatchObject({ environment: "avoid", method: "pretrain" });
    expect(JSON.parse(policy.metadata.environmentOptions!)).toMatchObject({ physics: "planar" });
    expect(await readdir(path.join(cwd, "run/pictures"))).toEqual(["samples-00002.png", "samples-00004.png"]);
    expect(PNG.sync.read(await readFile(path.join(cwd, "run/pictures/samples-00002.png"))).width).toBeGreaterThan(100);
    expect((await logOf("run")).at(-1)).toMatchObject({ event: "evaluation", when: "after", episodes: 4 });
  });

  test("takes other presets, and options over them", async () => {
    const { code } = await pretrain(["--preset", "avoid-gmm", "--data", "demos.safetensors", "--engine", "wasm", "--epochs", "1", "--network.hidden", "8,8", "--evaluation-episodes", "0", "--out", "gmm"]);
    expect(code).toBe(0);
    expect((await policyOf("gmm")).options.network).toMatchObject({ kind: "gmm-mlp", components: 5, hidden: [8, 8] });
  });

  test("killed in the middle and resumed, learns the same to the bit, and logs every step once", async () => {
    const options = [...small, "--evaluation-episodes", "0"];
    expect((await pretrain([...options, "--out", "whole"])).code).toBe(0);
    let isKilled = false;
    const killed = await pretrain([...options, "--out", "killed", "--json"], (written) => {
      if (isKilled || !written.includes('"step":24,')) return;
      isKilled = true;
      // The process that computes, whose parent only passes on its errors, has signed the folder.
      void readFile(path.join(cwd, "killed/lock"), "utf8").then((lock) => process.kill((JSON.parse(lock) as { pid: number }).pid, "SIGKILL"));
    });
    expect(killed.code).toBe(137);
    const seen = (await logOf("killed")).length;
    expect(seen).toBeLessThan((await logOf("whole")).length);
    expect((await pretrain(["--resume", "killed"])).code).toBe(0);
    const [whole, resumed] = [await policyOf("whole"), await policyOf("killed")];
    expect(resumed.values).toEqual(whole.values);
    const rows = async (run: string): Promise<unknown[]> => (await logOf(run)).map(({ step, loss }) => [step, loss]);
    expect(await rows("killed")).toEqual(await rows("whole"));
  });

  test.each([
    [["--epochs", "2"], 2, "pretrain needs a data set."],
    [["--data", "none.safetensors"], 1, "none.safetensors cannot be read"],
    [["--data", "demos.safetensors", "--preset", "avoid-difusion"], 2, 'option "preset" is "avoid-difusion". It must be one of "avoid-diffusion"'],
    [["--data", "demos.safetensors", "--hidden", "16"], 2, 'There is no option "--hidden". Did you mean "--network.hidden"?'],
    [["--data", "demos.safetensors", "--network.kind", "unett"], 2, "network"],
    [["--data", "demos.safetensors", "--horizon", "999"], 1, "999"],
  ])("refuses %j before there is a folder", async (words, code, message) => {
    const outcome = await pretrain([...words, "--engine", "wasm", "--out", "refused"]);
    expect(outcome).toMatchObject({ code, output: "", errors: expect.stringContaining(message) as string });
    expect(outcome.errors).toMatch(/^difftune: (?!an unexpected)/);
    expect(await readdir(cwd)).not.toContain("refused");
  });
});

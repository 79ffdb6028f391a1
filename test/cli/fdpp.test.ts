import { mkdtemp, readFile, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { beforeAll, beforeEach, describe, expect, test } from "vitest";
import { Policy } from "../../src/diffusion/policy.js";
import { createRewardNetworks, RewardModel, type RewardModelShape } from "../../src/preference/reward-model.js";
import { expectBuilt } from "../expect-built.js";
import { difftune, jsonLines, type Outcome } from "./run-difftune.js";

const range = { min: [0, 0, 0, 0], max: [1, 1, 1, 1] };
const policy = Policy.create({
  observationNames: ["desiredX", "desiredY", "actualX", "actualY"],
  actionNames: ["incrementX", "incrementY"],
  horizon: 4,
  statistics: { observations: range, actions: { min: [-0.01, -0.01], max: [0.01, 0.01] } },
  network: { kind: "diffusion-mlp", process: { denoisingSteps: 5 }, hidden: [16, 16, 16] },
}, 0).withMetadata({ environment: "avoid", environmentOptions: '{"physics":"planar"}' });

function rewardOf(...features: string[]): Uint8Array {
  const shape: RewardModelShape = { features, hidden: [8], members: 2, ties: "drop", statistics: { mean: features.map(() => 0.4), std: features.map(() => 0.1) } };
  return new RewardModel(shape, createRewardNetworks(shape).layout.initialValues(3)).save();
}

let cwd: string;
beforeAll(expectBuilt);
beforeEach(async () => {
  cwd = await mkdtemp(path.join(tmpdir(), "difftune-fdpp-"));
  await writeFile(path.join(cwd, "base.safetensors"), policy.encode());
  await writeFile(path.join(cwd, "reward.safetensors"), rewardOf("actualX", "2 * actualY - 1"));
});

const finetune = (...words: string[]): Promise<Outcome> => difftune(["finetune", ...words], { cwd });
const fresh = [
  "--method", "fdpp", "--policy", "base.safetensors", "--engine", "wasm", "--evaluation-episodes", "3", "--environments", "3",
  "--steps", "3", "--iterations", "3", "--epochs", "2", "--batch-size", "40", "--env.max-steps", "12", "--out", "run",
];
const iterationsOf = (events: readonly Record<string, unknown>[]): unknown[] => events.filter(({ event }) => event === "iteration").map(({ iteration }) => iteration);
const logged = async (): Promise<Record<string, unknown>[]> => jsonLines(await readFile(path.join(cwd, "run/metrics.jsonl"), "utf8"));

describe("difftune finetune --method fdpp", () => {
  test("learns from a reward file, tells its course, and goes on from its own copy of it", async () => {
    const { code, errors } = await finetune(...fresh, "--reward", "reward.safetensors", "--alpha", "0.5");
    expect({ code, errors: code === 0 ? "" : errors }).toEqual({ code: 0, errors: "" });
    expect(errors).toMatch(/learned reward -?\d+\.\d{3}, KL 0\.00 at alpha 0\.50/);
    const events = await logged();
    expect(iterationsOf(events)).toEqual([0, 1, 2]);
    for (const event of events.filter(({ event }) => event === "iteration")) {
      expect(event).toMatchObject({ alpha: 0.5, chunkReward: expect.any(Number) as number, kl: expect.any(Number) as number });
      expect(event.stepKl).toHaveLength(5);
    }
    // Both with the noise that the divergence is about: the paper's sampler.
    for (const when of ["before", "after"]) {
      expect(JSON.parse(await readFile(path.join(cwd, `run/evaluations/${when}.json`), "utf8"))).toMatchObject({ episodes: 3, isDeterministic: false });
    }
    expect(await readdir(path.join(cwd, "run/inputs"))).toEqual(["reward.safetensors"]);
    const tuned = Policy.decode(await readFile(path.join(cwd, "run/policy.safetensors")));
    expect(tuned.tuned?.steps).toBe(5);
    expect(tuned.metadata.method).toBe("fdpp");
    await rm(path.join(cwd, "reward.safetensors"));
    const resumed = await finetune("--resume", "run", "--iterations", "5");
    expect({ code: resumed.code, errors: resumed.code === 0 ? "" : resumed.errors }).toEqual({ code: 0, errors: "" });
    expect(iterationsOf(await logged())).toEqual([0, 1, 2, 3, 4]);
    const report = await difftune(["report", "run", "--out", "report.html"], { cwd });
    expect(report.code).toBe(0);
    const html = await readFile(path.join(cwd, "report.html"), "utf8");
    for (const title of ["Learned reward", "KL to the frozen policy"]) expect(html).toContain(title);
  });

  test.each([
    ["no reward", [], /option "reward" is missing/],
    ["a file that is not there", ["--reward", "nowhere.safetensors"], /nowhere\.safetensors/],
    ["a file that is no reward", ["--reward", "base.safetensors"], /base\.safetensors cannot be used: The file is no reward model/],
    ["features of another task", ["--reward", "foreign.safetensors"], /foreign\.safetensors cannot be used: .*names "agentX", which is no column/],
    ["more steps than the policy has", ["--reward", "reward.safetensors", "--sampler.kind", "ddim", "--sampler.step-count", "50"], /trained with 5 steps/],
  ] as const)("refuses %s, before anything is written", async (_, words, message) => {
    await writeFile(path.join(cwd, "foreign.safetensors"), rewardOf("agentX / 256"));
    const { code, errors } = await finetune(...fresh, ...words);
    expect(code).not.toBe(0);
    expect(errors).toMatch(message);
    expect(await readdir(cwd)).not.toContain("run");
  });
});

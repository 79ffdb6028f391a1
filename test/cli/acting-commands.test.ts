import { mkdtemp, readFile, readdir, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { PNG } from "pngjs";
import { beforeAll, describe, expect, test } from "vitest";
import { Dataset } from "../../src/data/dataset.js";
import { Policy } from "../../src/diffusion/policy.js";
import { readFloats, readSafetensors } from "../../src/io/safetensors.js";
import { expectBuilt } from "../expect-built.js";
import { difftune, jsonLines } from "./run-difftune.js";

const policy = Policy.create({
  observationNames: ["desiredX", "desiredY", "actualX", "actualY"],
  actionNames: ["incrementX", "incrementY"],
  horizon: 4,
  statistics: { observations: { min: [0, 0, 0, 0], max: [1, 1, 1, 1] }, actions: { min: [-0.01, -0.01], max: [0.01, 0.01] } },
  network: { kind: "diffusion-mlp", process: { denoisingSteps: 5 }, hidden: [16, 16, 16] },
}, 0).withMetadata({ environment: "avoid", environmentOptions: '{"physics":"planar","maxSteps":40}' });

let cwd: string;
beforeAll(async () => {
  await expectBuilt();
  cwd = await mkdtemp(path.join(tmpdir(), "difftune-acting-"));
  await writeFile(path.join(cwd, "policy.safetensors"), policy.withTuned(policy.values.map((value) => value + 1), 2).encode());
});

describe("difftune eval", () => {
  test("evaluates a run's policy where it was made for, and keeps everything in a file", async () => {
    const { code, output } = await difftune(["eval", ".", "--engine", "wasm", "--episodes", "6", "--environments", "3", "--out", "result.json"], { cwd });
    expect(code).toBe(0);
    expect(output).toMatch(/^length +40\.0 \(40\.0 to 40\.0\) steps$/m);
    expect(JSON.parse(await readFile(path.join(cwd, "result.json"), "utf8"))).toMatchObject({
      environment: { name: "avoid", options: { physics: "planar", maxSteps: 40 } }, episodes: 6, wanted: 6, seed: 0, isDeterministic: true,
    });
  });

  test("takes other options of the environment, and tells a program alone in JSON lines", async () => {
    const { code, output, errors } = await difftune(["eval", "policy.safetensors", "--engine=wasm", "--episodes", "2", "--env.max-steps", "8", "--no-is-deterministic", "--json"], { cwd });
    expect({ code, errors }).toEqual({ code: 0, errors: "" });
    expect(jsonLines(output)).toMatchObject([{ event: "evaluation", episodes: 2, isDeterministic: false, length: { mean: 8 } }, { event: "done" }]);
  });

  test("refuses an environment that the policy does not fit", async () => {
    const { code, errors } = await difftune(["eval", "policy.safetensors", "--environment", "pusht", "--engine", "wasm"], { cwd });
    expect(code).not.toBe(0);
    expect(errors).toMatch(/^difftune: /);
    expect(errors).not.toContain("unexpected");
  });
});

test("difftune render draws the film of an episode, or its end", async () => {
  const film = await difftune(["render", "policy.safetensors", "--engine", "wasm", "--every", "10"], { cwd });
  expect(film).toMatchObject({ code: 0, output: expect.stringMatching(/^episode +40 steps\./m) as string });
  expect((await readFile(path.join(cwd, "episode.gif"))).subarray(0, 6).toString("latin1")).toBe("GIF89a");
  const end = await difftune(["render", "policy.safetensors", "--engine", "wasm", "--out", "new/end.png"], { cwd });
  expect(end.code).toBe(0);
  expect(PNG.sync.read(await readFile(path.join(cwd, "new/end.png"))).width).toBeGreaterThan(100);
  expect(await difftune(["render", "policy.safetensors", "--out", "x.mp4"], { cwd })).toMatchObject({ code: 2, errors: expect.stringContaining(".gif or .png") as string });
});

describe("difftune export", () => {
  test("names the parameters of a tuned policy as the original's checkpoints do", async () => {
    expect((await difftune(["export", "policy.safetensors", "--out", "state.safetensors"], { cwd })).code).toBe(0);
    const { tensors } = readSafetensors(await readFile(path.join(cwd, "state.safetensors")));
    const names = [...tensors.keys()];
    const of = (prefix: string): string[] => names.filter((name) => name.startsWith(prefix)).map((name) => name.slice(prefix.length)).sort();
    expect(of("network.").length).toBe(policy.layout.parameters.length);
    expect(of("actor.")).toEqual(of("network."));
    expect(of("actor_ft.")).toEqual(of("network."));
    const first = of("actor.")[0]!;
    const base = readFloats(tensors.get(`actor.${first}`)!);
    expect(readFloats(tensors.get(`network.${first}`)!)).toEqual(base);
    expect(readFloats(tensors.get(`actor_ft.${first}`)!)).toEqual(base.map((value) => value + 1));
  });

  test("writes demonstrations as DPPO's npz, which convert reads back", async () => {
    await difftune(["demos", "--episodes", "3", "--out", "demos.safetensors"], { cwd });
    expect((await difftune(["export", "demos.safetensors", "--out", "npz"], { cwd })).code).toBe(0);
    expect((await readdir(path.join(cwd, "npz"))).sort()).toEqual(["normalization.npz", "train.npz"]);
    const back = await difftune(["convert", "npz", "--out", "back.safetensors"], { cwd });
    expect(back).toMatchObject({ code: 0 });
    const [made, read] = await Promise.all(["demos", "back"].map(async (name) => Dataset.decode(await readFile(path.join(cwd, `${name}.safetensors`)))));
    expect(read!.ends).toEqual(made!.ends);
    expect(read!.rewards).toEqual(made!.rewards);
    const worst = (a: Float32Array, b: Float32Array): number => a.reduce((most, value, at) => Math.max(most, Math.abs(value - b[at]!)), 0);
    expect(read!.observations.length).toBe(made!.observations.length);
    // Two roundings to 32 bits, on the way to [-1, 1] and back, of numbers up to 0.6.
    expect(worst(read!.observations, made!.observations)).toBeLessThan(2e-7);
    expect(worst(read!.actions, made!.actions)).toBeLessThan(5e-9);
  });

  test("refuses what is neither", async () => {
    await writeFile(path.join(cwd, "junk"), "junk");
    expect(await difftune(["export", "junk", "--out", "x"], { cwd })).toMatchObject({ code: 1, output: "", errors: expect.stringContaining("junk cannot be exported") as string });
  });
});

test("difftune bench times decisions and simulations", async () => {
  const { code, output } = await difftune(["bench", "--engine", "wasm", "--hidden", "16", "--seconds", "0.05", "--json"], { cwd });
  expect(code).toBe(0);
  const timings = jsonLines(output).filter(({ event }) => event === "timing");
  expect(timings.map(({ what }) => what)).toEqual([
    "decide 1 x 20 denoising steps", "decide 50 x 20 denoising steps", "step 50 x 4 of avoid (arm)", "step 50 x 4 of avoid (planar)", "step 50 x 4 of pusht",
  ]);
  for (const { milliseconds, perSecond } of timings) expect(Math.min(milliseconds as number, perSecond as number)).toBeGreaterThan(0);
});

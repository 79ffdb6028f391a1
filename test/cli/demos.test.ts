import { mkdtemp, readFile, readdir, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { beforeAll, beforeEach, describe, expect, test } from "vitest";
import { Dataset } from "../../src/data/dataset.js";
import { Policy } from "../../src/diffusion/policy.js";
import { expectBuilt } from "../expect-built.js";
import { difftune, jsonLines } from "./run-difftune.js";

let cwd: string;
beforeAll(expectBuilt);
beforeEach(async () => {
  cwd = await mkdtemp(path.join(tmpdir(), "difftune-demos-"));
});

const readDataset = async (name: string): Promise<Dataset> => Dataset.decode(await readFile(path.join(cwd, name)));

describe("difftune demos", () => {
  test("writes a data set of Avoid with its environment's options", async () => {
    const { code, output } = await difftune(["demos", "--modes", "125,128", "--episodes", "5", "--env.reward", "m8", "--out", "new/m.safetensors"], { cwd });
    expect(code).toBe(0);
    expect(output).toMatch(/^episodes {2}5, 5 successful$/m);
    const dataset = await readDataset("new/m.safetensors");
    expect(dataset.labels).toEqual(["125", "128", "125", "128", "125"]);
    expect(dataset.source).toMatchObject({ environment: "avoid", options: { reward: "m8" } });
  });

  test("writes a data set of Push-T, and to a program nothing but JSON lines", async () => {
    const { code, output, errors } = await difftune(["demos", "--environment=pusht", "--episodes", "2", "--json"], { cwd });
    expect({ code, errors }).toEqual({ code: 0, errors: "" });
    expect(jsonLines(output).map(({ event, episodes }) => [event, episodes])).toEqual([["episode", 1], ["episode", 2], ["done", 2]]);
    expect((await readDataset("demos/pusht.safetensors")).episodeCount).toBe(2);
  });

  test("adds to a data set of Push-T what is demonstrated like its episodes", async () => {
    const starts = ["--starts.states", "[[100,300,250,150,2],[400,100,200,250,1]]", "--starts.jitter-px", "5"];
    await difftune(["demos", "--environment", "pusht", "--observation", "corners", "--episodes", "2", "--out", "a.safetensors", ...starts], { cwd });
    const { code } = await difftune(["demos", "--extend", "a.safetensors", "--episodes", "1", "--seed", "9", "--out", "b.safetensors"], { cwd });
    expect(code).toBe(0);
    const [first, both] = [await readDataset("a.safetensors"), await readDataset("b.safetensors")];
    expect([...both.seeds]).toEqual([0, 1, 9]);
    expect(both.source).toEqual(first.source);
    expect(both.source.options).toMatchObject({ observation: "corners", starts: { states: [[100, 300, 250, 150, 2], [400, 100, 200, 250, 1]], jitterPx: 5, jitterAngle: 0 } });
    expect(both.episode(1)).toEqual(first.episode(1));

    const other = await difftune(["demos", "--extend", "a.safetensors", "--observation", "state", "--episodes", "1", "--out", "c.safetensors"], { cwd });
    expect(other).toMatchObject({ code: 1, output: "" });
    expect(other.errors).toContain("The data sets do not belong together");
    const avoid = await difftune(["demos", "--policy", "p.safetensors"], { cwd });
    expect(avoid.errors).toContain("The demonstrator of avoid has a start of its own");
    expect((await readdir(cwd)).sort()).toEqual(["a.safetensors", "b.safetensors"]);
  });

  test("begins demonstrations of Push-T where a policy goes", async () => {
    const names = { observationNames: ["agentX", "agentY", "blockX", "blockY", "blockAngle"], actionNames: ["targetX", "targetY"] };
    const policy = Policy.create({
      ...names, horizon: 8, observationSteps: 2,
      statistics: { observations: { min: [0, 0, 0, 0, 0], max: [512, 512, 512, 512, 7] }, actions: { min: [100, 100], max: [400, 400] } },
      network: { kind: "diffusion-mlp", hidden: [8], process: { denoisingSteps: 4 } },
    }, 1);
    await writeFile(path.join(cwd, "policy.safetensors"), policy.encode());
    const words = ["--environment", "pusht", "--episodes", "3", "--max-steps", "200"];
    const { code } = await difftune(["demos", ...words, "--policy", "policy.safetensors", "--engine", "wasm", "--out", "a.safetensors"], { cwd });
    expect(code).toBe(0);
    await difftune(["demos", ...words, "--out", "b.safetensors"], { cwd });
    const [visited, own] = [await readDataset("a.safetensors"), await readDataset("b.safetensors")];
    expect(visited.source).toEqual(own.source);
    for (let episode = 0; episode < 3; episode++) {
      expect(visited.episode(episode).success).toBe(true);
      expect(visited.episode(episode).observations.slice(0, 5)).not.toEqual(own.episode(episode).observations.slice(0, 5));
    }
  });

  test("takes options from a file, variables over it, flags over both", async () => {
    await writeFile(path.join(cwd, "options.json"), JSON.stringify({ environment: "avoid", episodes: 1, seed: 1, modes: ["126"], out: "file.safetensors" }));
    await difftune(["demos", "--options", "options.json", "--episodes", "3"], { cwd, variables: { DIFFTUNE_EPISODES: "2", DIFFTUNE_SEED: "7" } });
    const dataset = await readDataset("file.safetensors");
    expect({ labels: dataset.labels, seeds: [...dataset.seeds] }).toEqual({ labels: ["126", "126", "126"], seeds: [7, 8, 9] });
  });

  test.each([
    [["--mods", "M1"], 'There is no option "--mods". Did you mean "--modes"?'],
    [["--reward", "m5"], 'There is no option "--reward". Did you mean "--env.reward"?'],
    [["--episodes"], 'Option "--episodes" needs a value.'],
    [["--episodes", "0"], 'demos: option "episodes" is 0. It must be a whole number from 1 to 1000000.'],
    [["--env.reward", "m9"], 'demos: option "env.reward" is "m9". It must be one of "m5", "m6", "m7", "m8", "plain".'],
    [["--options", "none.json"], "none.json cannot be read: there is no such file or folder. Check the path."],
  ])("refuses %j before any work", async (words, message) => {
    const { code, output, errors } = await difftune(["demos", ...words], { cwd });
    expect({ output, errors }).toEqual({ output: "", errors: `difftune: ${message}\n` });
    expect(code).toBe(message.startsWith("none") ? 1 : 2);
    expect(await readdir(cwd)).toEqual([]);
  });

  test("refuses an unknown name of the options file with the nearest one", async () => {
    await writeFile(path.join(cwd, "options.json"), '{"episode": 3}');
    const { code, errors } = await difftune(["demos", "--options", "options.json"], { cwd });
    expect({ code, errors }).toEqual({ code: 2, errors: 'difftune: demos has no option "episode". Did you mean "episodes"?\n' });
  });

  test("writes over a file only when forced", async () => {
    await writeFile(path.join(cwd, "a.safetensors"), "precious");
    const refused = await difftune(["demos", "--episodes", "1", "--out", "a.safetensors"], { cwd });
    expect({ code: refused.code, content: await readFile(path.join(cwd, "a.safetensors"), "utf8") }).toEqual({ code: 1, content: "precious" });
    expect((await difftune(["demos", "--episodes", "1", "--out", "a.safetensors", "--force"], { cwd })).code).toBe(0);
    expect((await readDataset("a.safetensors")).episodeCount).toBe(1);
  });

  test("interrupted, ends with 130 and leaves no half file", async () => {
    let isSent = false;
    const { code, errors } = await difftune(["demos", "--environment", "pusht", "--episodes", "1000", "--out", "p.safetensors"], {
      cwd,
      watch: (written, send) => {
        if (isSent || !written.includes("demonstrations: 1 of")) return;
        isSent = true;
        send("SIGINT");
      },
    });
    expect(code).toBe(130);
    expect(errors).toContain("nothing was written");
    expect(await readdir(cwd)).toEqual([]);
  });

  test("help names every option with its default, and an example", async () => {
    const { code, output } = await difftune(["demos", "--environment", "pusht", "--help"], { cwd });
    expect(code).toBe(0);
    for (const text of ["difftune demos --environment pusht", "--success-coverage NUMBER", "Default: 0.95.", "Steps of 0.1 s"]) expect(output).toContain(text);
    expect(output).not.toContain("--pairing");
  });
});
